"""Loops and branches over lists of tensors, from bodies that are traced once.

What a body takes from outside is an operand. State that it updates is carried, or chosen, and
updated afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.active_trace import active_tracing, tracing
from graphc.frontend.tracing.closures import captured, stand_ins, stand_ins_made
from graphc.frontend.tracing.initializers import SEED_DTYPE
from graphc.frontend.tracing.random_draws import each_iteration
from graphc.frontend.tracing.state import State, StateOfBody, state_kept
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops import control_flow as ops
from graphc.ir.ops.creation.constants import number
from graphc.ir.ops.creation.sequences import arange
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.indexing.index_ranges import rows_of
from graphc.ir.ops.structural import projections
from graphc.ir.record import Record
from graphc.ir.source_map import nodes_built
from graphc.ir.types import TensorType
from graphc.passes.bodies import branch_graph, loop_graph
from graphc.passes.rewrite import substitute

__all__ = [
    "RowOf",
    "TracedBranch",
    "branch_tensors",
    "scan_tensors",
    "traced_branch",
    "while_tensors",
]

RowOf = Callable[[Tensor], Tensor | None]
"""The row of a tensor that the loop then runs over as well; None if it changes in the loop."""

Step = Callable[[list[Tensor], list[Tensor], RowOf], tuple[list[Tensor], list[Tensor]]]
"""From carries and rows to the next carries and rows of results."""


def scan_tensors(
    step: Step,
    init: Sequence[tuple[str, Tensor]],
    xs: Sequence[Tensor],
    length: DimLike | None,
    reverse: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """`scan` of lists of tensors; each carry has a name for errors."""
    size = _length(xs, length)
    with stand_ins_made() as made, nodes_built() as built, _state_of_body() as state:
        carries = stand_ins("carry", [one.type for _, one in init])
        over = _Rows(size, [one.node for one in xs], made, state)
        with each_iteration(over.iteration), rows_of(over.tensor_of):
            given = [Tensor(one) for one in over.tensor_of]
            after, results = step([Tensor(one) for one in carries], given, over.row_of)
        after_nodes, result_nodes = ([one.node for one in part] for part in (after, results))
    _require_carries(init, after_nodes)
    carries += state.carried
    outside = state.outside()
    with nodes_built() as settled:
        roots = over.settled([*after_nodes, *state.after.values(), *result_nodes], state.carried)
    constants = captured(roots, [*carries, *over.tensor_of], built | settled)
    node = ops.scan(
        *(one.node for _, one in init),
        *(outside[one] for one in state.carried),
        *substitute(list(over.tensor_of.values()), outside),
        *(outside.get(one, one) for one in constants),
        body=loop_graph("body", carries, list(over.tensor_of), constants, roots),
        carries=len(carries),
        slices=len(over.tensor_of),
        length=size,
        reverse=reverse,
    )
    parts = projections(node)
    state.leave(parts[len(init) : len(carries)])
    return list(map(Tensor, parts[: len(init)])), list(map(Tensor, parts[len(carries) :]))


class _Rows:
    """The tensors that a scan runs over, which grow while its body is traced.

    Attributes:
        tensor_of: the tensor of `size` rows, by what stands for a row of it in the body.
    """

    def __init__(
        self, size: DimLike, tensors: list[Node], made: Collection[Node], state: StateOfBody
    ) -> None:
        """Begin with some tensors, given what is made for the body and those inside it."""
        self.size = size
        rows = stand_ins("row", [_row_type(one) for one in tensors])
        self.tensor_of = dict(zip(rows, tensors, strict=True))
        self._made = made
        self._state = state

    def row_of(self, tensor: Tensor) -> Tensor | None:
        """The row of a tensor that the loop then runs over; None if it changes in the loop."""
        node = tensor.node
        if not node.shape or node.shape[0] != self.size:
            return None
        for row, known in self.tensor_of.items():
            if known is node:
                return Tensor(row)
        # What depends on state is told once it is known which state is updated.
        changing = {*self._made} - {*self._state.stands.values()}
        if not changing.isdisjoint(topological([node])):
            return None
        (row,) = stand_ins("row", [_row_type(node)])
        self.tensor_of[row] = node
        return Tensor(row)

    def iteration(self) -> Node:
        """The number of the iteration, as one of a seed."""
        row = self.row_of(Tensor(arange(self.size, dtype=SEED_DTYPE)))
        assert row is not None
        return row.node

    def settled(self, roots: Sequence[Node], updated: Collection[Node]) -> tuple[Node, ...]:
        """The roots with rows of tensors that depend on `updated` state looked up instead."""
        if not updated:
            return tuple(roots)
        found: dict[Node, Node] = {}
        for row, tensor in list(self.tensor_of.items()):
            if not set(updated).isdisjoint(topological([tensor])):
                found[row] = functions["index"](tensor, self.iteration())
                del self.tensor_of[row]
        return substitute(roots, found)


def _row_type(tensor: Node) -> TensorType:
    return TensorType(tensor.dtype, tensor.shape[1:])


def while_tensors(
    test: Callable[[list[Tensor]], Tensor],
    step: Callable[[list[Tensor]], list[Tensor]],
    init: Sequence[tuple[str, Tensor]],
    max_steps: DimLike,
) -> list[Tensor]:
    """`while_loop` of lists of tensors; each carry has a name for errors."""
    carries = stand_ins("carry", [one.type for _, one in init])
    (iteration,) = stand_ins("iteration", [TensorType(SEED_DTYPE, ())])
    given = [Tensor(one) for one in carries]
    with (
        nodes_built() as built,
        _state_of_body() as state,
        each_iteration(lambda: iteration),
        rows_of(None),
    ):
        with state_kept("the condition of a loop"):
            holds = test(given).node
        roots = [one.node for one in step(given)]
    _require_carries(init, roots)
    if holds.tensor is not TensorType(dtypes.bool_, ()):
        raise DTypeError(
            f"the condition of a loop is {holds.type}, expected bool[]",
            code="condition",
            hint="compare numbers without axes, or reduce with all(...) or any(...)",
        )
    outside = state.outside()
    first = [*(one.node for _, one in init), *(outside[one] for one in state.carried)]
    carries += state.carried
    roots += state.after.values()
    if iteration in topological([holds, *roots]):
        # The loop draws random numbers, and counts its iterations for them.
        first.append(number(0, SEED_DTYPE))
        carries.append(iteration)
        roots.append(add(iteration, number(1, SEED_DTYPE)))
    constants = captured([holds, *roots], carries, built)
    node = ops.while_loop(
        *first,
        *(outside.get(one, one) for one in constants),
        condition=loop_graph("condition", carries, (), constants, [holds]),
        body=loop_graph("body", carries, (), constants, roots),
        carries=len(first),
        max_steps=max_steps,
    )
    parts = projections(node)
    state.leave(parts[len(init) : len(init) + len(state.after)])
    return list(map(Tensor, parts[: len(init)]))


class TracedBranch(Record):
    """What tracing a branch left behind: the nodes that were built, and the state it updates."""

    built: set[Node]
    state: dict[State, Node]


@contextmanager
def traced_branch() -> Iterator[TracedBranch]:
    """Trace a branch inside."""
    with nodes_built() as built, _state_of_branch() as state, rows_of(None):
        yield TracedBranch(built, state)


def branch_tensors(
    predicate: Node, traced: Sequence[TracedBranch], results: Sequence[Sequence[Node]]
) -> list[Tensor]:
    """`cond` of two branches that have been traced, with the results of each.

    State that one of them updates is updated.
    """
    updated = list(dict.fromkeys(state for one in traced for state in one.state))
    roots = [
        [*given, *(one.state.get(state) or tracing().read(state) for state in updated)]
        for one, given in zip(traced, results, strict=True)
    ]
    if not roots[0]:
        return []
    operands: dict[Node, None] = {}
    for one, nodes in zip(traced, roots, strict=True):
        operands |= dict.fromkeys(captured(nodes, (), one.built))
    then, otherwise = (
        branch_graph(name, list(operands), nodes)
        for name, nodes in zip(("then", "otherwise"), roots, strict=True)
    )
    node = ops.cond(predicate, *operands, then=then, otherwise=otherwise)
    chosen = list(map(Tensor, projections(node)))
    count = len(results[0])
    for state, value in zip(updated, chosen[count:], strict=True):
        tracing().update(state, value)
    return chosen[:count]


def _length(xs: Sequence[Tensor], length: DimLike | None) -> DimLike:
    for x in xs:
        if not x.type.shape:
            raise ShapeError(f"a {x.type} is run over, which has no rows")
        if length is None:
            length = x.type.shape[0]
        if x.type.shape[0] != length:
            raise ShapeError(f"a {x.type} is run over, expected {length} rows")
    if length is None:
        raise UsageError(
            "a scan over nothing has no length", code="scan-length", hint="give it: length=..."
        )
    return length


def _require_carries(init: Sequence[tuple[str, Tensor]], after: Sequence[Node]) -> None:
    for (name, before), node in zip(init, after, strict=False):
        if before.type is not node.tensor:
            error = DTypeError if before.type.dtype is not node.dtype else ShapeError
            raise error(
                f"the loop begins with {name} as {before.type}, and makes it {node.type}",
                code="carry-type",
                hint="what a loop carries keeps its dtype and shape; cast or broadcast it",
            )


# -- state ----------------------------------------------------------------------------------------


@contextmanager
def _state_of_body() -> Iterator[StateOfBody]:
    """Trace the body of a loop; see `Tracing.body`."""
    active = active_tracing()
    if active is None:
        yield StateOfBody()
    else:
        with active.body() as found:
            yield found


@contextmanager
def _state_of_branch() -> Iterator[dict[State, Node]]:
    """Trace a branch; see `Tracing.branch`."""
    active = active_tracing()
    if active is None:
        yield {}
    else:
        with active.branch() as found:
            yield found
