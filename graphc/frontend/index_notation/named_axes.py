"""Functions along named axes: `softmax(s, axis=j)`, `max(x[i, k], axis=(i, k))`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

from graphc.frontend import syntax
from graphc.frontend.elaboration.calls import Operation
from graphc.frontend.elaboration.refusal import not_supported
from graphc.frontend.index_notation.space import Space
from graphc.frontend.tensor import Tensor
from graphc.ir.op import functions

__all__ = ["Axes", "call_along"]


@dataclass(frozen=True)
class Axes:
    """The indices that a call names as the axes to compute along.

    Attributes:
        space: of the statement.
        names: the indices.
        is_one: whether one is given alone, and not as a tuple.
    """

    space: Space
    names: tuple[str, ...]
    is_one: bool

    WORDS: ClassVar = ("axis", "dim")

    @classmethod
    def of(cls, node: syntax.Call, space: Space) -> Axes | None:
        """The axes of a call, if it names indices as its axes."""
        for keyword in node.keywords:
            if keyword.arg in cls.WORDS:
                value = keyword.value
                is_one = isinstance(value, syntax.Name)
                parts = value.elements if isinstance(value, syntax.Tuple) else (value,)
                names = tuple(one.id for one in parts if isinstance(one, syntax.Name))
                if len(names) == len(parts) and all(name in space.names for name in names):
                    return cls(space, names, is_one)
        return None

    def folded(self, function: str) -> frozenset[str]:
        """The indices that the result of a function does not depend on any more."""
        return frozenset(self.names) if _is_fold(function) else frozenset()


def _is_fold(function: str) -> bool:
    """Whether a function of the registry removes the axes that it computes along."""
    given = functions.get(function)
    return given is not None and "keepdims" in inspect.signature(given).parameters


def call_along(
    function: Operation,
    arguments: list[Any],
    keywords: dict[str, Any],
    axes: Axes,
    node: syntax.Call,
) -> Tensor:
    """The result of a function along named axes, in the space.

    Raises:
        SourceError: a function that gives its result other axes than those of its operands.
    """
    space, name = axes.space, function.name
    spread = [
        space.spread(one, axes.names, node.span) if isinstance(one, Tensor) else one
        for one in arguments
    ]
    places = space.axes(axes.names)
    keywords["axis"] = places[0] if axes.is_one else places
    is_fold = _is_fold(name)
    if is_fold:
        keywords["keepdims"] = True
    result = function(*spread, **keywords)
    shapes = [one.shape for one in spread if isinstance(one, Tensor)]
    folded = places if is_fold else ()
    wanted = [
        tuple(1 if axis in folded else size for axis, size in enumerate(shape)) for shape in shapes
    ]
    if not isinstance(result, Tensor) or result.shape not in wanted:
        raise not_supported(
            f"{name}, which changes the shape, along a named axis",
            node.span,
            f"call {name} on the whole tensor with the number of the axis",
        )
    return result
