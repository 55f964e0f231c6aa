"""Trees of tensors that are to be nested as others are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.trees import leaves, pairs, parts, rebuilt

__all__ = ["leaves_like", "tree_map"]


def leaves_like(tree: Any, form: Any, what: str) -> list[Any]:
    """The leaves of a tree in the order of those of another one, which is nested alike.

    Args:
        what: what the tree is called in the error.

    Raises:
        UsageError: it is nested in another way.

    >>> leaves_like({"b": [1, 2], "a": 3}, {"a": 0, "b": (0, 0)}, "the carry")
    [3, 1, 2]
    """
    if parts(tree) is None and parts(form) is None:
        return [tree]
    both = pairs(tree, form)
    if both is None:
        raise UsageError(
            f"{what} is {shown(tree)}, expected the form of {shown(form)}",
            code="nesting",
            hint="nest tensors in the same tuples, lists, dicts and dataclasses",
        )
    return [
        leaf for place, one, other in both for leaf in leaves_like(one, other, f"{what}{place}")
    ]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The containers of a tree around what a function makes of its leaves.

    Args:
        function: of a leaf of the tree, and of those in its place in all the others.
        tree, others: lists, tuples, dicts, dataclasses and None of anything, nested alike.

    Raises:
        UsageError: one is nested in another way.

    >>> tree_map(lambda x, y: x - 0.5 * y, {"w": 1.0, "b": [2.0]}, {"b": [4.0], "w": 2.0})
    {'w': 0.0, 'b': [0.0]}
    """
    alike = [leaves_like(one, tree, f"tree {place}") for place, one in enumerate(others, 2)]
    return rebuilt(tree, map(function, leaves(tree), *alike))
