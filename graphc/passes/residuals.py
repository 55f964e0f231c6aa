"""What the iterations of a loop, or the graph of a branch, leave behind for its gradient.

What the gradient reads of an iteration is stacked by the loop, or computed again from what is
stacked. Matrix products, folds, functions such as `exp`, and what they are hidden in are never
computed again; sums, products and views are. Of all choices that this allows, the one that stacks
the fewest bytes is a minimum cut of the body's graph.

Source: H. He and S. Yu, "Transcending runtime-memory tradeoffs in checkpointing by being fusion
aware" (2023).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from graphc.ir import dims
from graphc.ir.node import Node, topological
from graphc.ir.op import Decomposition, Element, Elementwise, Source, Structural, View
from graphc.ir.types import TensorType
from graphc.lazy import networkx as nx
from graphc.passes.bodies import dependent

__all__ = ["residuals"]

_NEEDED, _KEPT = -1, -2


def residuals(
    gradient: Sequence[Node],
    carries: Collection[Node],
    slices: Collection[Node],
    cotangents: Collection[Node],
) -> list[Node]:
    """The values of an iteration that are stacked, of which the gradient can be computed.

    Args:
        gradient: of the body, computed of the other arguments and of constants.
        carries: inputs of the body that are not kept unless they are stacked.
        slices: those that are.
        cotangents: what stands for the cotangents of the body's results.
    """
    late = dependent(gradient, cotangents)
    # What depends on constants alone is computed once, before the loop.
    changing = dependent(gradient, (*carries, *slices)) - late
    read = (one for node in late for one in node.inputs)
    needed = dict.fromkeys(
        one for one in (*gradient, *_in_order(gradient, read)) if one in changing
    )
    return _minimum_cut(needed, carries, changing)


def _in_order(roots: Sequence[Node], nodes: Iterable[Node]) -> list[Node]:
    chosen = set(nodes)
    return [node for node in topological(roots) if node in chosen]


def _minimum_cut(
    needed: Collection[Node], carries: Collection[Node], changing: Collection[Node]
) -> list[Node]:
    """The least bytes between what is needed and what cannot be computed again.

    Each node is an edge from 2n to 2n + 1, as wide as its tensor is large. Of equal cuts the one is
    taken that is furthest from what is needed: a product rather than its transpose.
    """
    network: nx.DiGraph[int] = nx.DiGraph()
    network.add_nodes_from((_NEEDED, _KEPT))
    numbers = {node: 2 * number for number, node in enumerate(needed)}
    network.add_edges_from((_NEEDED, number) for number in numbers.values())
    pending = list(numbers)
    while pending:
        node = pending.pop()
        number = numbers[node]
        # A value of several tensors is no tensor that could be stacked; its parts are.
        is_tensor = isinstance(node.type, TensorType)
        width = {"capacity": dims.bounds(node.tensor.nbytes)[1]} if is_tensor else {}
        network.add_edge(number, number + 1, **width)
        if node in carries or not _is_cheap(node):
            network.add_edge(number + 1, _KEPT)
            continue
        for operand in node.inputs:
            if operand not in changing:
                continue
            if operand not in numbers:
                numbers[operand] = 2 * len(numbers)
                pending.append(operand)
            network.add_edge(number + 1, numbers[operand])
    _, (above, _) = nx.minimum_cut(network, _NEEDED, _KEPT)
    return [node for node, n in numbers.items() if n in above and n + 1 not in above]


def _is_cheap(node: Node) -> bool:
    """Whether computing the node again costs less than keeping it."""
    match node.op.lowering:
        case Elementwise(cheap=cheap) | Element(cheap=cheap):
            return cheap
        case View() | Source() | Structural():
            return True
        case Decomposition(expand):
            return all(map(_is_cheap, _between(expand(node), node.inputs)))
        case _:
            return False


def _between(root: Node, leaves: Collection[Node]) -> list[Node]:
    """What the root is computed by, of the leaves."""
    found: dict[Node, None] = {}
    pending = [root]
    while pending:
        node = pending.pop()
        if node not in leaves and node not in found:
            found[node] = None
            pending.extend(node.inputs)
    return list(found)
