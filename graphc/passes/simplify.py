"""Simplification: every rule, applied until none applies.

Common subexpressions need no rule, for equal nodes are one node; dead code needs none, for a
graph holds what its results need.
"""

from __future__ import annotations

from functools import cache

from graphc.errors import GraphcError
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Op
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TupleType
from graphc.passes.rewrite import rewrite
from graphc.passes.rules import arithmetic, casts, contractions, reductions, short_axes, views
from graphc.passes.rules.rule import Rule

__all__ = ["RULES", "apply_rules", "simplify"]

RULES: tuple[Rule, ...] = (
    *arithmetic.RULES,
    *casts.RULES,
    *views.RULES,
    *short_axes.RULES,
    *reductions.RULES,
    *contractions.RULES,
)
"""Every rule, in the order in which they are tried on a node."""


def simplify(graph: Graph, sources: SourceMap) -> Graph:
    """The graph in the normal form of `RULES`: equal values, bit for bit, and less to compute.

    Simplifying the result again changes nothing.
    """
    return rewrite(graph, apply_rules, sources)


def apply_rules(node: Node) -> Node | None:
    """What the first rule that applies makes of a node, or None."""
    if isinstance(node.type, TupleType):  # rules are about tensors
        return None
    for rule in _rules_for(node.op):
        try:
            result = rule.apply(node)
        except GraphcError as error:
            raise error.note(f"in the rule {rule.name!r}") from error.__cause__
        if result is not None and result is not node:
            return result
    return None


@cache
def _rules_for(op: Op) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if not rule.ops or op in rule.ops)
