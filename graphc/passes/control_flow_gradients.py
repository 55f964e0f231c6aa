"""The gradients of loops and branches, which are loops and branches again.

A branch gives what its gradient reads and cannot compute again cheaply (`residuals.py`) as further
results; those of both graphs share places where their types agree.

A loop's gradient is a scan over its iterations from the last to the first. The loop is run so
that it stacks what its gradient reads of each iteration and cannot compute again cheaply
(`residuals.py`); the scan takes that row by row, and hands on the cotangents of the carries and
the sums of those of the constants; sums of products of rows are left for after the loop
(`sums_of_products.py`). What a condition kept from running is passed over. The memory that this
takes is known: `length` rows of each. What is to be computed again instead is put into
`checkpoint` in the body.

Source: A. Griewank and A. Walther, "Evaluating Derivatives" (2008), chapter 12, on reversing
the steps of an evolution.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.op import BranchParts, LoopParts
from graphc.ir.ops.control_flow import cond, scan
from graphc.ir.ops.creation.constants import full_like, zeros_like
from graphc.ir.ops.structural import graph_input, project, projections
from graphc.ir.types import is_differentiable
from graphc.passes.bodies import branch_graph, loop_graph
from graphc.passes.residuals import residuals
from graphc.passes.rewrite import substitute
from graphc.passes.sums_of_products import SumsOfProducts

__all__ = ["branch_cotangents", "loop_cotangents"]

Vjp = Callable[[Sequence[Node], Sequence[Node], Sequence[Node]], list[Node]]
"""From outputs, what to differentiate by, and cotangents of the outputs to cotangents."""

Sum = Callable[[Node, Node], Node]


def branch_cotangents(
    parts: BranchParts, cotangents: Sequence[Node | None], active: Container[Node], vjp: Vjp
) -> Iterator[tuple[Node, Node]]:
    """The operands of a branch that are in `active`, each with its cotangent.

    What the graph that runs leaves for its gradient are further results of the branch.
    """
    wanted = [number for number, one in enumerate(parts.operands) if one in active]
    given = [(number, one) for number, one in enumerate(cotangents) if one is not None]
    handed = [_stand("cotangent", number, one) for number, one in given]
    graphs = (parts.then, parts.otherwise)
    found = [
        vjp(
            [graph.results[number] for number, _ in given],
            [graph.inputs[number] for number in wanted],
            handed,
        )
        for graph in graphs
    ]
    kept = [
        residuals(gradient, (), graph.inputs, handed)
        for gradient, graph in zip(found, graphs, strict=True)
    ]
    places = _shared_places(*kept)
    saved = _branch_keeping(parts, places)
    stands = [_stand("residual", number, one) for number, one in enumerate(saved)]
    gradients = []
    for gradient, graph, kept_here in zip(found, graphs, places, strict=True):
        pairs = zip(kept_here, stands, strict=True)
        own = {one: stand for one, stand in pairs if one is not None}
        inputs = [*graph.inputs, *handed, *stands]
        results = substitute(gradient, own)
        gradients.append(branch_graph(f"{graph.name}_gradient", inputs, results))
    operands = (*parts.operands, *(one for _, one in given), *saved)
    chosen = cond(parts.predicate, *operands, then=gradients[0], otherwise=gradients[1])
    for place, number in enumerate(wanted):
        yield parts.operands[number], project(chosen, index=place)


_Places = Sequence[Node | None]
"""What a graph keeps at each place; None where only the other graph keeps something."""


def _shared_places(one: Sequence[Node], other: Sequence[Node]) -> tuple[_Places, _Places]:
    """Both lists, with what is of one type at one place."""
    rest = list(other)
    left: list[Node | None] = list(one)
    right: list[Node | None] = []
    for node in one:
        like = next((candidate for candidate in rest if candidate.type is node.type), None)
        right.append(like)
        if like is not None:
            rest.remove(like)
    return [*left, *(None for _ in rest)], [*right, *rest]


def _branch_keeping(parts: BranchParts, places: tuple[_Places, _Places]) -> list[Node]:
    """What the graph that runs keeps; zeros at the places of the other one alone."""
    pairs = zip(*places, strict=True)
    likes = [next(one for one in pair if one is not None) for pair in pairs]
    graphs = []
    for graph, own in zip((parts.then, parts.otherwise), places, strict=True):
        kept = (one or zeros_like(like) for one, like in zip(own, likes, strict=True))
        graphs.append(Graph(graph.name, graph.inputs, (), (*graph.results, *kept)))
    found = cond(parts.predicate, *parts.operands, then=graphs[0], otherwise=graphs[1])
    begin = len(parts.then.results)
    return list(projections(found)[begin:])


def loop_cotangents(
    node: Node,
    parts: LoopParts,
    cotangents: Sequence[Node | None],
    active: Container[Node],
    vjp: Vjp,
    total: Sum,
) -> Iterator[tuple[Node, Node]]:
    """The operands of a loop that are in `active`, each with its cotangent.

    Args:
        node: the loop.
        parts: what it is made of.
        cotangents: one for each result; None where nothing depends on it, or has no derivative.
        active: operands that derivatives are asked for.
        vjp, total: of autodiff.
    """
    return _LoopGradient(node, parts, cotangents, active, vjp, total).run()


class _LoopGradient:
    def __init__(
        self,
        node: Node,
        parts: LoopParts,
        cotangents: Sequence[Node | None],
        active: Container[Node],
        vjp: Vjp,
        total: Sum,
    ) -> None:
        self.node = node
        self.parts = parts
        self.vjp = vjp
        self.total = total
        count, sliced = len(parts.init), len(parts.slices)
        inputs = parts.body.inputs
        self.carries = inputs[:count]
        self.slices = inputs[count : count + sliced]
        self.constants = inputs[count + sliced :]
        self.active = self.active_inputs(active)
        self.final = cotangents[:count]
        self.rows = [
            (result, cotangent)
            for result, cotangent in zip(
                parts.body.results[count:], cotangents[count:], strict=True
            )
            if cotangent is not None
        ]

    def active_inputs(self, active: Container[Node]) -> set[Node]:
        """The inputs of the body that depend on active operands, in whichever iteration."""
        operands = (*self.parts.init, *self.parts.slices, *self.parts.constants)
        found = {
            stand
            for stand, operand in zip(self.parts.body.inputs, operands, strict=True)
            if operand in active
        }
        while True:
            reached = _dependent(self.parts.body, found)
            more = {
                carry
                for carry, result in zip(self.carries, self.parts.body.results, strict=False)
                if result in reached and carry.dtype.precision
            }
            if more <= found:
                return found
            found |= more

    def read_carries(self) -> set[int]:
        """Those that something with a cotangent depends on, in whichever iteration."""
        found = {number for number, one in enumerate(self.final) if one is not None}
        while True:
            after = [self.parts.body.results[number] for number in sorted(found)]
            below = set(topological([*after, *(row for row, _ in self.rows)]))
            more = {number for number, one in enumerate(self.carries) if one in below}
            if more <= found:
                return found
            found |= more

    def run(self) -> Iterator[tuple[Node, Node]]:
        read = self.read_carries()
        carries = [n for n, one in enumerate(self.carries) if one in self.active and n in read]
        slices = [number for number, one in enumerate(self.slices) if one in self.active]
        constants = [number for number, one in enumerate(self.constants) if one in self.active]
        found = iter(self.reverse(carries, slices, constants))
        for number in carries:
            yield self.parts.init[number], next(found)
        for number in constants:
            yield self.parts.constants[number], next(found)
        for number in slices:
            yield self.parts.slices[number], next(found)

    def stacked(self, kept: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        """What iterations keep, stacked; and which of them ran."""
        body = self.parts.body
        rows = list(kept)
        if self.parts.condition is not None:
            # Rows of iterations that did not run are zero, hence false.
            rows.append(full_like(graph_input("", dtypes.bool_, ()), True))
        graph = Graph(body.name, body.inputs, (), (*body.results, *rows))
        attributes = {**dict(self.node.attributes), "body": graph}
        found = self.node.op(*self.node.inputs, **attributes)
        begin = len(body.results)
        stacks = [project(found, index=begin + number) for number in range(len(rows))]
        return stacks[: len(kept)], stacks[len(kept) :]

    def reverse(
        self, carries: Sequence[int], slices: Sequence[int], constants: Sequence[int]
    ) -> list[Node]:
        """The cotangents, by a scan over the iterations from the last to the first."""
        handed = [_stand("cotangent", n, self.carries[n]) for n in carries]
        rows = [_stand("row_cotangent", n, one) for n, (one, _) in enumerate(self.rows)]
        outputs = [self.parts.body.results[n] for n in carries] + [one for one, _ in self.rows]
        wrt = [
            *(self.carries[n] for n in carries),
            *(self.constants[n] for n in constants),
            *(self.slices[n] for n in slices),
        ]
        gradient = self.vjp(outputs, wrt, [*handed, *rows])
        kept = residuals(gradient, self.carries, self.slices, [*handed, *rows])
        saved, taken = self.stacked(kept)
        ran = [graph_input("ran", dtypes.bool_, ()) for _ in taken]
        stands = {one: _stand("residual", n, one) for n, one in enumerate(kept)}
        found = list(substitute(gradient, stands))
        inner = [*stands.values(), *self.slices]
        stacks = dict(zip(inner, (*saved, *self.parts.slices), strict=True))
        begin, end = len(carries), len(carries) + len(constants)
        of_constants = dict(zip(constants, found[begin:end], strict=True))
        products = SumsOfProducts({} if ran else of_constants, stacks, self.total)
        summed = {n: one for n, one in of_constants.items() if n not in products.terms}
        sums = [_stand("sum", n, self.constants[n]) for n in summed]
        added = [self.total(a, b) for a, b in zip(sums, summed.values(), strict=True)]
        results = [*found[:begin], *added, *found[end:], *products.factors]
        given_rows = [*inner, *rows]
        if ran:
            results = _if_ran(ran[0], [*handed, *sums], [*given_rows, *self.constants], results)
        body = loop_graph(
            "gradient", [*handed, *sums], [*given_rows, *ran], self.constants, results
        )
        first = [self.final[n] or zeros_like(self.parts.init[n]) for n in carries]
        first += [zeros_like(self.parts.constants[n]) for n in summed]
        sliced = [*stacks.values(), *(cotangent for _, cotangent in self.rows), *taken]
        loop = scan(
            *first,
            *sliced,
            *self.parts.constants,
            body=body,
            carries=len(first),
            slices=len(sliced),
            length=self.parts.length,
            reverse=not self.parts.reverse,
        )
        given = projections(loop)
        last = len(results) - len(products.factors)
        of_constants = dict(zip(summed, given[begin:], strict=False))
        of_constants |= products.summed(given[last:])
        return [*given[:begin], *(of_constants[n] for n in constants), *given[len(first) : last]]


def _stand(role: str, number: int, like: Node) -> Node:
    return graph_input(f"{role}{number}", like.dtype, like.shape)


def _if_ran(
    ran: Node, handed: Sequence[Node], others: Sequence[Node], results: Sequence[Node]
) -> list[Node]:
    """The results if the iteration has run; else what is handed on, unchanged."""
    operands = [*handed, *others]
    then = branch_graph("ran", operands, results)
    otherwise = branch_graph("passed_over", operands, handed)
    chosen = cond(ran, *operands, then=then, otherwise=otherwise)
    return list(projections(chosen))


def _dependent(graph: Graph, inputs: Iterable[Node]) -> set[Node]:
    """The nodes that depend on inputs by a path on which derivatives exist."""
    found = set(inputs)
    for node in graph.nodes():
        if is_differentiable(node.type) and any(one in found for one in node.inputs):
            found.add(node)
    return found
