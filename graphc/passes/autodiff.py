"""Differentiation of graphs by the rules of their ops, in reverse and in forward mode.

Reverse mode walks from the results towards the inputs and applies each op's gradient rule to
the cotangent of its result. What comes out is ordinary graph: differentiate it again for the
second and every further order.

Sources: A. Griewank and A. Walther, "Evaluating Derivatives" (2008), chapter 3, for reverse
mode; forward mode from two reverse passes is due to J. Townsend, "A new trick for calculating
Jacobian vector products" (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from graphc.errors import DTypeError, GraphcError, InternalError, ShapeError, UsageError
from graphc.ir.node import Node, topological
from graphc.ir.op import Branch, Decomposition, Loop
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.structural import graph_input, project, projections
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType, TupleType, is_differentiable
from graphc.passes.control_flow_gradients import branch_cotangents, loop_cotangents
from graphc.passes.rewrite import substitute

__all__ = ["gradients", "jvp", "vjp"]


def gradients(
    output: Node,
    wrt: Sequence[Node],
    cotangent: Node | None = None,
    sources: SourceMap | None = None,
) -> list[Node]:
    """The gradient of `output` with respect to each of `wrt`, in reverse mode.

    Args:
        output: a float scalar, or a tensor together with a `cotangent`.
        wrt: any nodes; each gradient has the type of its node. What the output does not depend
            on, or only through integers, booleans and comparisons, has the gradient zero.
        cotangent: of the type of `output`: the gradient of some scalar with respect to it.
        sources: makes each node of the gradient inherit the spans of the node it belongs to.

    Raises:
        ShapeError: the output is no scalar and there is no cotangent.
        DTypeError: the output is not a float.
        GraphcError: an op between `wrt` and `output` has no gradient (code `no-gradient`).
    """
    if cotangent is None:
        if output.dtype.kind != "float":
            raise DTypeError(
                f"the gradient of a {output.type} is asked for",
                hint="differentiate a float; cast the output, or pass a cotangent",
            )
        if output.shape:
            raise ShapeError(
                f"the gradient of a {output.type} is asked for, expected a scalar",
                code="gradient-of-tensor",
                hint="reduce the output with sum or mean, or pass a cotangent to vjp",
            )
        cotangent = ones_like(output)
    return vjp([output], wrt, [cotangent], sources)


def vjp(
    outputs: Sequence[Node],
    wrt: Sequence[Node],
    cotangents: Sequence[Node],
    sources: SourceMap | None = None,
) -> list[Node]:
    """The product of the cotangents of `outputs` with the Jacobian, one for each of `wrt`.

    Contributions to the cotangent of a node are added in an order that depends on the structure
    of the graph alone.

    Raises:
        UsageError: the cotangents do not match the outputs in number.
        ShapeError, DTypeError: a cotangent has another type than its output.
        GraphcError: an op between `wrt` and an output has no gradient (code `no-gradient`).
    """
    _require_like("cotangent", cotangents, "output", outputs)
    walk = _Reverse([(output, g) for output, g in zip(outputs, cotangents, strict=True)], sources)
    found = walk.run(wrt)
    return [found.get(node) or zeros_like(node) for node in wrt]


def jvp(
    outputs: Sequence[Node],
    wrt: Sequence[Node],
    tangents: Sequence[Node],
    sources: SourceMap | None = None,
) -> list[Node]:
    """The derivative of each output along `tangents`, one tangent for each of `wrt`.

    Made from two reverse passes: vjp(outputs, wrt, u) is linear in the cotangents u, and its
    own reverse pass with the tangents as cotangents is the product of the Jacobian with them.
    So an op needs no rule beyond its gradient; that gradient must be differentiable itself.

    Raises:
        as `vjp` does.
    """
    _require_like("tangent", tangents, "node", wrt)
    dummies = [
        graph_input(f"cotangent {number}", output.dtype, output.shape)
        for number, output in enumerate(outputs)
    ]
    pulled = vjp(outputs, wrt, dummies, sources)
    pushed = vjp(pulled, dummies, tangents, sources)
    # A linear map has the same derivative everywhere, so any value of the dummies will do.
    origin = {dummy: zeros_like(dummy) for dummy in dummies}
    return list(substitute(pushed, origin))


def _require_like(what: str, given: Sequence[Node], of: str, expected: Sequence[Node]) -> None:
    if len(given) != len(expected):
        raise UsageError(f"{len(given)} {what}s for {len(expected)} {of}s")
    for one, other in zip(given, expected, strict=True):
        if one.shape != other.shape:
            raise ShapeError(f"a {what} is {one.type}, its {of} {other.type}")
        if one.dtype is not other.dtype:
            raise DTypeError(f"a {what} is {one.type}, its {of} {other.type}")


def _sum(a: Node, b: Node) -> Node:
    """The sum of two cotangents. The dtypes for storage are added in their accumulator."""
    dtype = a.dtype
    if dtype.kind != "storage":
        return add(a, b)
    wide = [cast(one, dtype=dtype.accumulator) for one in (a, b)]
    return cast(add(*wide), dtype=dtype)


class _Reverse:
    """One reverse pass from outputs with their cotangents to the nodes asked for.

    Attributes:
        leaves: nodes whose operands are not looked at, as if they were inputs.
    """

    def __init__(
        self,
        seeds: Sequence[tuple[Node, Node]],
        sources: SourceMap | None,
        leaves: Iterable[Node] = (),
    ) -> None:
        self._sources = sources
        self._leaves = frozenset(leaves)
        self._order = list(
            topological(
                (output for output, _ in seeds),
                lambda node: () if node in self._leaves else node.inputs,
            )
        )
        self._received: dict[Node, Node] = {}
        # Cotangents of nodes with several results, by number of the result.
        self._received_parts: dict[Node, dict[int, Node]] = {}
        self._seeds = seeds

    def run(self, wrt: Iterable[Node]) -> dict[Node, Node]:
        """The cotangent of each node of `wrt` that one reaches."""
        active = self._active(wrt)
        for output, cotangent in self._seeds:
            if output in active:
                self._receive(output, cotangent)
        for node in reversed(self._order):
            needed = node not in self._leaves and any(one in active for one in node.inputs)
            if needed and (node in self._received or node in self._received_parts):
                self._pull(node, active)
        return self._received

    def _active(self, wrt: Iterable[Node]) -> set[Node]:
        """Nodes that depend on `wrt` by a path on which derivatives exist."""
        active = {node for node in wrt if is_differentiable(node.type)}
        for node in self._order:
            depends = node not in self._leaves and any(one in active for one in node.inputs)
            if depends and is_differentiable(node.type):
                active.add(node)
        return active

    def _receive(self, node: Node, cotangent: Node) -> None:
        if cotangent.type is not node.type:
            raise InternalError(f"a cotangent of {node!r} is {cotangent.type}")
        before = self._received.get(node)
        self._received[node] = cotangent if before is None else _sum(before, cotangent)

    def _receive_part(self, node: Node, index: int, cotangent: Node) -> None:
        parts = self._received_parts.setdefault(node, {})
        before = parts.get(index)
        parts[index] = cotangent if before is None else _sum(before, cotangent)

    def _pull(self, node: Node, active: set[Node]) -> None:
        """Hand the cotangent of a node on to its operands."""
        context: AbstractContextManager[None] = nullcontext()
        if self._sources is not None:
            context = self._sources.inherit(node)
        with context:
            if node.op is project:
                self._receive_part(node.inputs[0], node["index"], self._received[node])
                return
            for operand, cotangent in self._contributions(node, active):
                if operand in active:
                    self._receive(operand, cotangent)

    def _contributions(self, node: Node, active: set[Node]) -> Iterator[tuple[Node, Node]]:
        rule: Callable[..., Sequence[Node | None]] | None = node.op.gradient
        if rule is not None:
            found = rule(node, *self._cotangents(node))
            for operand, cotangent in zip(node.inputs, found, strict=True):
                if cotangent is not None:
                    yield operand, cotangent
        elif isinstance(node.op.lowering, Decomposition):
            yield from self._through_expansion(node, node.op.lowering, active)
        elif isinstance(node.op.lowering, Loop):
            parts = node.op.lowering.parts(node)
            yield from loop_cotangents(
                node, parts, self._given_parts(node), active, self._nested_vjp, _sum
            )
        elif isinstance(node.op.lowering, Branch):
            branch = node.op.lowering.parts(node)
            yield from branch_cotangents(branch, self._given_parts(node), active, self._nested_vjp)
        else:
            raise GraphcError(
                f"{node.op.name} has no gradient",
                code="no-gradient",
                hint="wrap it in stop_gradient, or give the function around it a gradient",
            )

    def _nested_vjp(
        self, outputs: Sequence[Node], wrt: Sequence[Node], cotangents: Sequence[Node]
    ) -> list[Node]:
        """`vjp` in a graph inside this one."""
        return vjp(outputs, wrt, cotangents, self._sources)

    def _given_parts(self, node: Node) -> list[Node | None]:
        """One cotangent for each result; None for those that nothing with one depends on."""
        assert isinstance(node.type, TupleType)
        return [self._received_parts[node].get(index) for index in range(len(node.type.elements))]

    def _cotangents(self, node: Node) -> list[Node | None]:
        """One cotangent for each result; None for results that have no derivative."""
        if isinstance(node.type, TensorType):
            return [self._received[node]]
        parts = self._received_parts[node]
        return [
            parts.get(index) or (zeros_like(one) if is_differentiable(one.type) else None)
            for index, one in enumerate(projections(node))
        ]

    def _through_expansion(
        self, node: Node, lowering: Decomposition, active: set[Node]
    ) -> Iterator[tuple[Node, Node]]:
        """The contributions of a composite op, by the rules of the ops it is made from."""
        expanded = lowering.expand(node)
        if isinstance(node.type, TupleType):
            seeds = [
                (project(expanded, index=index), cotangent)
                for index, cotangent in enumerate(self._cotangents(node))
                if cotangent is not None
            ]
        else:
            seeds = [(expanded, self._received[node])]
        # The operands are its variables: paths from one operand to another stay outside.
        inner = _Reverse(seeds, self._sources, leaves=node.inputs)
        operands = dict.fromkeys(one for one in node.inputs if one in active)
        found = inner.run(operands)
        for operand in operands:
            if operand in found:
                yield operand, found[operand]
