"""Reductions of all of a large tensor, split: folds over chunks, and one over what comes of those.

A reduction with one result is one grid step, which one thread or one block would run alone. Its
chunks are grid steps of their own. Where they begin depends on the tensor's type and on nothing
else, so that the order in which floats are summed does not either: not on the number of threads,
nor on the target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.graph import Graph
from graphc.ir.node import Node, build
from graphc.ir.op import Op, Reduction, find
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.views.shape import reshape
from graphc.ir.ops.views.slicing import slice_
from graphc.ir.source_map import SourceMap
from graphc.passes.rewrite import rewrite

__all__ = ["CHUNK", "split_reductions"]

CHUNK = 1 << 14
"""Elements of a chunk at most."""

# Below this a second launch costs more than it saves.
_CHUNKS_AT_LEAST = 4


def split_reductions(graph: Graph, sources: SourceMap) -> Graph:
    """The graph with every fold over all of a large tensor in two stages or more."""
    uses = Counter(operand for node in graph.nodes() for operand in dict.fromkeys(node.inputs))
    uses.update(graph.roots)
    return rewrite(graph, lambda node: _split(node, uses), sources)


def _split(node: Node, uses: Mapping[Node, int]) -> Node | None:
    rule = node.op.lowering
    if not isinstance(rule, Reduction) or node.tensor.size != 1:
        return None
    (x,) = node.inputs
    size = x.tensor.size
    if dims.bounds(size)[1] < _CHUNKS_AT_LEAST * CHUNK:
        return None
    length = _chunk_length(x.shape)
    count = size // length
    result = _folded(node.op, x, uses, 0, (count, length))
    if not dims.divides(size, length):
        rest = _folded(node.op, x, uses, count * length, (1, size % length))
        result = find(rule.combine)(result, rest)
    return reshape(cast_to(result, node.dtype), shape=node.shape)


def _folded(
    op: Op, x: Node, uses: Mapping[Node, int], start: DimLike, shape: tuple[DimLike, DimLike]
) -> Node:
    """The elements of `x` from `start` on as chunks, these folded, and what comes of them."""
    stop = start + shape[0] * shape[1]

    def chunks(stored: Node) -> Node:
        flat = reshape(stored, shape=(x.tensor.size,))
        if (start, stop) != (0, x.tensor.size):
            flat = slice_(flat, start=(start,), stop=(stop,), step=(1,))
        return reshape(flat, shape=shape)

    # What is rounded once, at the end, is not rounded between the stages.
    values = cast_to(_moved(x, chunks, uses), x.dtype.accumulator)
    return op(op(values, axes=(1,)), axes=(0,))


def _moved(x: Node, move: Callable[[Node], Node], uses: Mapping[Node, int]) -> Node:
    """`move(x)`, where what is computed for `x` alone, element by element, is computed after it.

    So fusion finds it in the shape in which it is folded.
    """
    moved: dict[Node, Node] = {}
    stack = [x]
    while stack:
        node = stack[-1]
        if not node.op.is_elementwise or not node.inputs or uses.get(node) != 1:
            moved[node] = move(node)
        missing = [] if node in moved else [one for one in node.inputs if one not in moved]
        stack.extend(missing)
        if not missing:
            stack.pop()
            if node not in moved:
                operands = tuple(moved[one] for one in node.inputs)
                moved[node] = build(node.op, operands, node.attributes)
    return moved[x]


def _chunk_length(shape: tuple[DimLike, ...]) -> int:
    """The length that leaves no rest, unless that makes chunks small."""
    trailing = 1
    for size in reversed(shape):
        if not isinstance(size, int):
            break
        trailing *= size
    lengths = range(CHUNK, CHUNK // 4, -1)
    return next((length for length in lengths if trailing % length == 0), CHUNK)
