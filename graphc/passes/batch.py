"""Batching of graphs: the same computation for every part of tensors along one more axis.

Each op has its rule in its declaration, or by the kind of its lowering: what computes elements
alone computes more of them, a reduction counts its axes from one further, and a composite op is
what it expands to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.errors import GraphcError
from graphc.ir.batching import same_attributes, shifted_axes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node, topological
from graphc.ir.op import Cumulative, Decomposition, Elementwise, Reduction
from graphc.ir.ops.shape import broadcast_to, reshape
from graphc.ir.source_map import SourceMap

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
        self._size = size
        self._sources = SourceMap() if sources is None else sources

    def part(self, node: Node) -> Node:
        """A visited node with the axis."""
        return self._found[node] if node in self._found else self._repeated(node)

    def visit(self, roots: Sequence[Node]) -> None:
        """Batch what depends on the variables."""
        for node in topological(roots):
            if node not in self._found and any(one in self._found for one in node.inputs):
                with self._sources.inherit(node):
                    self._found[node] = self._apply(node)

    def _apply(self, node: Node) -> Node:
        lowering = node.op.lowering
        if node.op.batch is None and isinstance(lowering, Decomposition):
            expanded = lowering.expand(node)
            self.visit([expanded])
            return self.part(expanded)
        rule = node.op.batch
        if rule is None and isinstance(lowering, Elementwise):
            rule = same_attributes
        if rule is None and isinstance(lowering, Reduction | Cumulative):
            rule = shifted_axes
        if rule is None:
            raise GraphcError(
                f"{node.op.name} cannot be batched by vmap",
                code="no-batching",
                hint="loop over the parts, or give the operation an axis for them",
            )
        return rule(node, tuple(map(self.part, node.inputs)), self._size)

    def _repeated(self, node: Node) -> Node:
        widened = reshape(node, shape=(1, *node.shape))
        return broadcast_to(widened, shape=(self._size, *node.shape))
