"""Loops and branches for every part of tensors along one more axis.

A scan runs as often for all parts, so its body is batched: what a carry is computed from decides
whether it has the axis. A loop with a condition runs while that holds for some part, and leaves
the others as they are. Where parts may take different branches, both are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import BranchParts, LoopParts, functions
from graphc.ir.ops.control_flow import cond, scan, while_loop
from graphc.ir.ops.creation.constants import zeros_like
from graphc.ir.ops.custom_gradient import inlined
from graphc.ir.ops.structural import graph_input, project, projections
from graphc.ir.ops.views.shape import reshape
from graphc.passes.bodies import branch_graph, dependent, loop_graph

__all__ = ["batched_branch", "batched_loop", "selected"]

Part = Callable[[Node], Node]
"""A node with the axis in front; repeated along it where it is the same for all parts."""

Batch = Callable[[Sequence[Node], Mapping[Node, Node]], tuple[Node, ...]]
"""Roots with the axis in front, for variables with what stands for them there."""


def selected(parts: BranchParts) -> list[Node]:
    """The results of a branch by elements: both graphs are computed."""
    then, otherwise = (inlined(graph, parts.operands) for graph in (parts.then, parts.otherwise))
    return [functions["where"](parts.predicate, a, b) for a, b in zip(then, otherwise, strict=True)]


def batched_branch(
    parts: BranchParts, moving: Container[Node], part: Part, size: DimLike, batch: Batch
) -> list[Node]:
    """The results of a branch that all parts take, with the axis of `size` in front.

    Args:
        parts: what the branch is made of.
        moving: the operands that differ between the parts.
        part, batch: of the walk that meets the branch.
    """
    graphs = []
    for graph in (parts.then, parts.otherwise):
        pairs = zip(graph.inputs, parts.operands, strict=True)
        stands = _stands((one for one, operand in pairs if operand in moving), size)
        inputs = [stands.get(one, one) for one in graph.inputs]
        graphs.append(branch_graph(graph.name, inputs, batch(graph.results, stands)))
    operands = [part(one) if one in moving else one for one in parts.operands]
    chosen = cond(parts.predicate, *operands, then=graphs[0], otherwise=graphs[1])
    return list(projections(chosen))


def batched_loop(
    parts: LoopParts, moving: Container[Node], part: Part, size: DimLike, batch: Batch
) -> list[Node]:
    """The results of a loop with the axis of `size` in front; arguments as above."""
    return _BatchedLoop(parts, moving, part, size, batch).run()


class _BatchedLoop:
    """A loop being batched.

    Attributes:
        stands: for the inputs of the body that differ between the parts, inputs with the axis.
        goes_on: whether each part runs once more, where that differs; over the body's inputs.
    """

    def __init__(
        self, parts: LoopParts, moving: Container[Node], part: Part, size: DimLike, batch: Batch
    ) -> None:
        self.parts = parts
        self.part = part
        self.size = size
        self.batch = batch
        self.count = len(parts.init)
        self.carries = parts.body.inputs[: self.count]
        self.constants = parts.body.inputs[self.count + len(parts.slices) :]
        self.operands = (*parts.init, *parts.slices, *parts.constants)
        pairs = zip(parts.body.inputs, self.operands, strict=True)
        found = self.reached({one for one, operand in pairs if operand in moving})
        self.condition: Node | None = None
        if parts.condition is not None:
            (self.condition,) = inlined(parts.condition, (*self.carries, *self.constants))
            if self.condition in dependent([self.condition], found):
                found = self.reached(found | set(self.carries))
        self.stands = _stands((one for one in parts.body.inputs if one in found), size)
        self.goes_on: Node | None = None
        if self.condition is not None and self.condition in dependent([self.condition], found):
            (self.goes_on,) = batch([self.condition], self.stands)

    def reached(self, found: set[Node]) -> set[Node]:
        """The inputs of the body that differ between the parts in some iteration."""
        results = self.parts.body.results[: self.count]
        while True:
            reached = dependent(results, found)
            more = {one for one, new in zip(self.carries, results, strict=True) if new in reached}
            if more <= found:
                return found
            found = found | more

    def run(self) -> list[Node]:
        body = self.parts.body
        results, moves = self.results()
        inputs = [self.stands.get(one, one) for one in body.inputs]
        begin, end = self.count, self.count + len(self.parts.slices)
        roles = inputs[:begin], inputs[begin:end], inputs[end:]
        operands = list(map(self.operand, body.inputs, self.operands))
        made = self.loop(operands, roles, loop_graph(body.name, *roles, results))
        found = []
        for number, is_moving in enumerate(moves):
            one: Node = project(made, index=number)
            if is_moving and number >= self.count:
                one = functions["moveaxis"](one, 1, 0)
            found.append(one if is_moving else self.part(one))
        return found

    def results(self) -> tuple[list[Node], list[bool]]:
        """What the body gives, and whether it has the axis."""
        plain = self.parts.body.results
        reached = dependent(plain, self.stands)
        moves = [one in self.stands for one in self.carries]
        moves += [one in reached or self.goes_on is not None for one in plain[self.count :]]
        widened = self.batch(plain, self.stands)
        results = [wide if is_moving else one for one, wide, is_moving in zip(
            plain, widened, moves, strict=True)]  # fmt: skip
        if self.goes_on is not None:
            before = [self.stands[one] for one in self.carries]
            before += [zeros_like(row) for row in results[self.count :]]
            results = [
                _where(self.goes_on, new, old) for new, old in zip(results, before, strict=True)
            ]
        return results, moves

    def operand(self, stand: Node, operand: Node) -> Node:
        """What is given for an input of the body: a tensor of rows has the axis behind these."""
        if stand not in self.stands:
            return operand
        whole = self.part(operand)
        is_row = stand not in self.carries and stand not in self.constants
        return functions["moveaxis"](whole, 0, 1) if is_row else whole

    def loop(
        self,
        operands: Sequence[Node],
        roles: tuple[list[Node], list[Node], list[Node]],
        body: Graph,
    ) -> Node:
        carries, slices, constants = roles
        if self.condition is None:
            return scan(
                *operands,
                body=body,
                carries=len(carries),
                slices=len(slices),
                length=self.parts.length,
                reverse=self.parts.reverse,
            )
        differs = self.goes_on is not None
        one_goes_on = functions["any"](self.goes_on) if differs else self.condition
        condition = loop_graph("condition", carries, (), constants, [one_goes_on])
        return while_loop(
            *operands,
            condition=condition,
            body=body,
            carries=len(carries),
            max_steps=self.parts.length,
        )


def _stands(inputs: Iterable[Node], size: DimLike) -> dict[Node, Node]:
    """Inputs with one more axis in front, for inputs."""
    return {one: graph_input(one["name"], one.dtype, (size, *one.shape)) for one in inputs}


def _where(condition: Node, new: Node, old: Node) -> Node:
    """`new` for the parts for which the condition holds."""
    chosen = reshape(condition, shape=(*condition.shape, *(1,) * (len(new.shape) - 1)))
    found: Node = functions["where"](chosen, new, old)
    return found
