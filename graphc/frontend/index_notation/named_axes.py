"""Functions along named axes: `softmax(s, axis=j)`, `max(x[i, k], axis=(i, k))`.

Where no name is mentioned, tensors are aligned at their last axes as everywhere. Names that would
meet other names there are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphc.frontend import syntax
from graphc.frontend.elaboration.calls import call_value
from graphc.frontend.elaboration.refusal import not_supported, refused
from graphc.frontend.index_notation.mentions import AXIS_WORDS, text_of
from graphc.frontend.index_notation.space import Space, tensor
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.record import Record

if TYPE_CHECKING:
    from graphc.frontend.elaboration.program import Program

__all__ = ["Axes", "call_along", "require_aligned"]


class Axes(Record):
    """The indices that a call names as the axes to compute along.

    Attributes:
        space: of the statement.
        word: the argument that names them.
        names: the indices.
        is_one: whether one is given alone, and not as a tuple.
    """

    space: Space
    word: str
    names: tuple[str, ...]
    is_one: bool

    @classmethod
    def of(cls, node: syntax.Call, space: Space) -> Axes | None:
        """The axes of a call, if it names indices as its axes."""
        for keyword in node.keywords:
            if keyword.arg in AXIS_WORDS:
                value = keyword.value
                is_one = isinstance(value, syntax.Name)
                parts = value.elements if isinstance(value, syntax.Tuple) else (value,)
                names = tuple(one.id for one in parts if isinstance(one, syntax.Name))
                if len(names) == len(parts) and all(name in space.names for name in names):
                    return cls(space, keyword.arg, names, is_one)
        return None

    def among(self, names: Sequence[str]) -> int | tuple[int, ...]:
        """Their numbers in a tensor whose axes are called `names`."""
        places = tuple(names.index(name) for name in self.names)
        return places[0] if self.is_one else places


def call_along(
    program: Program,
    function: Any,
    arguments: list[Any],
    keywords: dict[str, Any],
    axes: Axes,
    depends: frozenset[str],
    node: syntax.Call,
) -> tuple[Tensor, frozenset[str]]:
    """The result of a function along named axes, in the space, and the indices that it folds.

    The function is given tensors with an axis for each index that an argument depends on.

    Args:
        depends: the indices that the arguments depend on.

    Raises:
        SourceError: a function that gives its result other axes than those of its operands.
    """
    space = axes.space
    over = space.in_order([*depends, *axes.names])
    given = [_whole(one, over, axes, node) for one in arguments]
    named = {key: _whole(one, over, axes, node) for key, one in keywords.items()}
    found = call_value(program, function, given, {**named, axes.word: axes.among(over)}, node)
    if isinstance(found, Tensor):
        sizes = {name: space.extents.size(name, node.span) for name in over}
        kept = [name for name in over if name not in axes.names]
        ones = tuple(1 if name in axes.names else sizes[name] for name in over)
        if found.shape == tuple(sizes.values()):
            return space.placed(found, over), frozenset()
        if found.shape in (ones, tuple(sizes[name] for name in kept)):
            rest = tensor(call("reshape", found, tuple(sizes[name] for name in kept)))
            return space.placed(rest, kept), frozenset(axes.names)
    name = text_of(node.function)
    raise not_supported(
        f"{name}, which changes the shape, along a named axis",
        node.span,
        f"call {name} on the whole tensor with the number of the axis",
    )


def _whole(value: Any, over: Sequence[str], axes: Axes, node: syntax.Call) -> Any:
    """A value of the space with the axes `over`, all of their whole size."""
    return axes.space.restricted(value, over, node.span) if isinstance(value, Tensor) else value


def require_aligned(
    node: syntax.Node, carried: Mapping[str, Sequence[str]]
) -> Sequence[str] | None:
    """The names of the axes of a value that is computed by position; None where they are not known.

    Args:
        node: the expression.
        carried: the names of the axes of those tensors that have names.

    Raises:
        SourceError: an axis meets another one, and its own is in the same tensor elsewhere.
    """
    match node:
        case syntax.Name(name):
            return carried.get(name)
        case syntax.Integer() | syntax.Float():
            return ()
        case syntax.Unary(_, operand):
            return require_aligned(operand, carried)
        case syntax.Binary():
            first, links = node.chain()
            found = require_aligned(first, carried)
            for link in links:
                right = require_aligned(link.right, carried)
                found = None if link.operator == "@" else _aligned(found, right, link)
            return found
        case syntax.Compare(left, _, comparators):
            found = require_aligned(left, carried)
            for one in comparators:
                found = _aligned(found, require_aligned(one, carried), node)
            return found
    for child in syntax.children(node):
        require_aligned(child, carried)
    return None


def _aligned(
    left: Sequence[str] | None, right: Sequence[str] | None, node: syntax.Expression
) -> Sequence[str] | None:
    if left is None or right is None:
        return None
    pairs = list(zip(reversed(left), reversed(right), strict=False))
    for one, other in pairs:
        if one != other and (one in right or other in left):
            raise refused(
                f"the axis {one!r} meets the axis {other!r}: without indices tensors are aligned "
                "at their last axes",
                "ambiguous-index",
                node.span,
                "write the indices of all, as in p[i, j] = s[i, j] / z[i]",
            )
    longer = left if len(left) > len(right) else right
    return longer if all(one == other for one, other in pairs) else None
