"""`x.at[items].set(value)`: a tensor with new elements, in Python and in the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphc.errors import MemberLookupError, UsageError, did_you_mean
from graphc.frontend.tracing.arguments import checked_method
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.parameters import require_function

if TYPE_CHECKING:
    from graphc.frontend.tracing.tensor import Tensor

__all__ = ["At", "Place"]


class At:
    """`x.at`, of which `x.at[items]` is the place that `x[items]` reads."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __getitem__(self, items: Any) -> Place:
        return Place(self._tensor, items)

    def __call__(self, *items: Any) -> Any:
        """Refuse: places are an index.

        Raises:
            UsageError: always.
        """
        with at_python_line():
            raise UsageError(
                "x.at is called, and has an index", code="argument", hint="write x.at[i].set(value)"
            )

    def __repr__(self) -> str:
        return f"<places of {self._tensor.type}>"


class Place:
    """Some elements of a tensor, and the tensors in which these are new.

    Each method takes a value that broadcasts to the shape of `x[items]`; where several values
    meet in one element, they are taken in row-major order. Indices that are out of range change
    nothing. A mask of booleans may stand for the index.

    >>> from graphc.ir.dtype import f32
    >>> from graphc.ir.ops.structural import graph_input
    >>> from graphc.frontend.tracing.tensor import Tensor
    >>> Tensor(graph_input("x", f32, (3, 4))).at[0, 1:].add(1.0)
    <tensor f32[3, 4]>
    """

    __slots__ = ("_items", "_tensor")

    METHODS = (
        *("get", "set", "add", "subtract", "multiply", "divide", "power", "min", "max"),
        "apply",
    )

    def __init__(self, tensor: Tensor, items: Any) -> None:
        self._tensor = tensor
        self._items = items

    def _updated(self, name: str, value: Any) -> Tensor:
        update = getattr(self._tensor, name)
        result: Tensor = update(self._items, value)
        return result

    def get(self) -> Tensor:
        """What is there: `x[items]`."""
        return self._tensor[self._items]

    def set(self, value: Any) -> Tensor:
        """The tensor with the value there; of several for one element the last one."""
        return self._updated("at_set", value)

    def add(self, value: Any) -> Tensor:
        """The tensor with the value added there."""
        return self._updated("at_add", value)

    def subtract(self, value: Any) -> Tensor:
        """The tensor with the value subtracted there."""
        return self._updated("at_add", -value)

    def multiply(self, value: Any) -> Tensor:
        """The tensor with the value multiplied there."""
        return self._updated("at_multiply", value)

    def divide(self, value: Any) -> Tensor:
        """The tensor, which has floats, divided by the value there."""
        return self._tensor / self._factors(value)

    def power(self, value: Any) -> Tensor:
        """The tensor to the power of the value there."""
        return self._tensor ** self._factors(value)

    def _factors(self, value: Any) -> Tensor:
        """Ones, with the value there; of several for one element their product."""
        ones: Tensor = self._tensor.ones_like()
        return Place(ones, self._items).multiply(value)

    def min(self, value: Any) -> Tensor:
        """The tensor with the value there, where that is less."""
        return self._updated("at_min", value)

    def max(self, value: Any) -> Tensor:
        """The tensor with the value there, where that is greater."""
        return self._updated("at_max", value)

    def apply(self, function: Callable[[Tensor], Any]) -> Tensor:
        """The tensor with what the function makes of the elements there, which no mask may say."""
        require_function(function, "x.at[...].apply", "x.at[i].apply(f) is x.at[i].set(f(x[i]))")
        return self.set(function(self.get()))

    def __getattr__(self, name: str) -> Any:
        raise MemberLookupError(
            f"x.at[...] has no method {name!r}", hint=did_you_mean(name, self.METHODS)
        )

    def __repr__(self) -> str:
        return f"<some places of {self._tensor.type}>"


for _name in Place.METHODS:
    setattr(Place, _name, checked_method(_name, getattr(Place, _name)))
