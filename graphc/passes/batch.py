"""Batching of graphs: the same computation for every part of tensors along one more axis.

Each op has its rule in its declaration, or by the kind of its lowering: what computes elements
alone computes more of them, a reduction counts its axes from one further, a composite op is what
it expands to, and loops and branches have batched bodies (`control_flow_batches.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.errors import GraphcError
from graphc.ir.batching import same_attributes, shifted_axes
from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.node import Node, topological
from graphc.ir.op import (
    Branch,
    BranchParts,
    Cumulative,
    Decomposition,
    Elementwise,
    HostCall,
    Loop,
    Reduction,
    RowFunction,
)
from graphc.ir.ops.custom_gradient import custom_gradient
from graphc.ir.ops.structural import graph_input, project, projections, tuple_
from graphc.ir.ops.views.shape import broadcast_to, reshape
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TupleType
from graphc.passes.control_flow_batches import batched_branch, batched_loop, selected

__all__ = ["batched"]


def batched(
    roots: Sequence[Node],
    variables: Mapping[Node, Node],
    size: DimLike,
    sources: SourceMap | None = None,
) -> tuple[Node, ...]:
    """The roots with one more axis of `size` in front, for variables that have one.

    Args:
        roots: what is computed of the variables.
        variables: for each the tensor that has such an axis.
        size: of the axis. A root that depends on no variable is repeated along it.
        sources: makes what is built inherit the spans of what it stands for.

    Raises:
        GraphcError: an op on the way has no rule (code `no-batching`).
    """
    walk = _Batching(variables, size, sources)
    walk.visit(roots)
    return tuple(walk.part(root) for root in roots)


class _Batching:
    def __init__(
        self, variables: Mapping[Node, Node], size: DimLike, sources: SourceMap | None
    ) -> None:
        self._found = dict(variables)
        # The results of nodes that have several.
        self._parts: dict[Node, list[Node]] = {}
        self._size = size
        self._sources = SourceMap() if sources is None else sources

    def part(self, node: Node) -> Node:
        """A visited node with the axis."""
        return self._found[node] if node in self._found else self._repeated(node)

    def visit(self, roots: Sequence[Node]) -> None:
        """Batch what depends on the variables."""
        for node in topological(roots):
            if not self._is_done(node) and any(map(self._is_done, node.inputs)):
                with self._sources.inherit(node):
                    self._apply(node)

    def _is_done(self, node: Node) -> bool:
        return node in self._found or node in self._parts

    def _apply(self, node: Node) -> None:
        lowering = node.op.lowering
        if node.op is project:
            self._found[node] = self._parts[node.inputs[0]][node["index"]]
        elif isinstance(lowering, Loop):
            self._parts[node] = batched_loop(
                lowering.parts(node), self._found, self.part, self._size, self._nested
            )
        elif isinstance(lowering, Branch):
            self._parts[node] = self._branch(lowering.parts(node))
        else:
            made = self._by_rule(node)
            if isinstance(made.type, TupleType):
                self._parts[node] = list(projections(made))
            else:
                self._found[node] = made

    def _branch(self, parts: BranchParts) -> list[Node]:
        if parts.predicate not in self._found:
            return batched_branch(parts, self._found, self.part, self._size, self._nested)
        expanded = selected(parts)
        self.visit(expanded)
        return list(map(self.part, expanded))

    def _by_rule(self, node: Node) -> Node:
        lowering = node.op.lowering
        if node.op is custom_gradient:
            return self._with_gradient(node)
        if node.op.batch is None and isinstance(lowering, Decomposition):
            expanded = lowering.expand(node)
            self.visit([expanded])
            return self.part(expanded)
        rule = node.op.batch
        if rule is None and isinstance(lowering, Elementwise):
            rule = same_attributes
        if rule is None and isinstance(lowering, Reduction | Cumulative | RowFunction | HostCall):
            rule = shifted_axes
        if rule is None:
            raise GraphcError(
                f"{node.op.name} cannot be batched by vmap",
                code="no-batching",
                hint="loop over the parts, or give the operation an axis for them",
            )
        return rule(node, tuple(map(self.part, node.inputs)), self._size)

    def _with_gradient(self, node: Node) -> Node:
        """The value, and a gradient that is batched as well."""
        graph = node["gradient"]
        stands = {
            one: graph_input(one["name"], one.dtype, (self._size, *one.shape))
            for one in graph.inputs
        }
        cotangents = self._nested(graph.results, stands)
        made = Graph(graph.name, tuple(stands.values()), (), cotangents)
        value, *others = node.inputs
        values = self._parts.get(value) or list(map(self.part, projections(value)))
        whole = tuple_(*values) if isinstance(value.type, TupleType) else values[0]
        return custom_gradient(whole, *map(self.part, others), gradient=made)

    def _nested(self, roots: Sequence[Node], variables: Mapping[Node, Node]) -> tuple[Node, ...]:
        """`batched` in a graph inside this one."""
        return batched(roots, variables, self._size, self._sources)

    def _repeated(self, node: Node) -> Node:
        widened = reshape(node, shape=(1, *node.shape))
        return broadcast_to(widened, shape=(self._size, *node.shape))
