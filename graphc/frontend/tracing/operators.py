"""Python's operators, for a class that computes with functions of the registry."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["BINARY", "UNARY", "Operators"]

BINARY = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "remainder",
    "**": "power",
    "@": "matmul",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "&": "bitwise_and",
    "|": "bitwise_or",
    "^": "bitwise_xor",
    "<<": "bitwise_left_shift",
    ">>": "bitwise_right_shift",
}
"""The function behind each binary operator, in Python and in the language."""

UNARY = {"-": "negative", "~": "bitwise_invert"}
"""The function behind each unary operator; `+x` is x."""


class Operators:
    """Every operator, by way of `_binary` and `_unary`, which a subclass defines."""

    __slots__ = ()

    def _binary(self, operator: str, left: Any, right: Any) -> Self:
        """`left operator right`, where one of the two is this object."""
        raise NotImplementedError

    def _unary(self, operator: str) -> Self:
        """The operator in front of this object."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Self:
        return self._binary("+", self, other)

    def __radd__(self, other: Any) -> Self:
        return self._binary("+", other, self)

    def __sub__(self, other: Any) -> Self:
        return self._binary("-", self, other)

    def __rsub__(self, other: Any) -> Self:
        return self._binary("-", other, self)

    def __mul__(self, other: Any) -> Self:
        return self._binary("*", self, other)

    def __rmul__(self, other: Any) -> Self:
        return self._binary("*", other, self)

    def __truediv__(self, other: Any) -> Self:
        return self._binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._binary("/", other, self)

    def __floordiv__(self, other: Any) -> Self:
        return self._binary("//", self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self._binary("//", other, self)

    def __mod__(self, other: Any) -> Self:
        return self._binary("%", self, other)

    def __rmod__(self, other: Any) -> Self:
        return self._binary("%", other, self)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __pow__(self, other: Any) -> Self:
        return self._binary("**", self, other)

    def __rpow__(self, other: Any) -> Self:
        return self._binary("**", other, self)

    def __matmul__(self, other: Any) -> Self:
        return self._binary("@", self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return self._binary("@", other, self)

    def __and__(self, other: Any) -> Self:
        return self._binary("&", self, other)

    def __rand__(self, other: Any) -> Self:
        return self._binary("&", other, self)

    def __or__(self, other: Any) -> Self:
        return self._binary("|", self, other)

    def __ror__(self, other: Any) -> Self:
        return self._binary("|", other, self)

    def __xor__(self, other: Any) -> Self:
        return self._binary("^", self, other)

    def __rxor__(self, other: Any) -> Self:
        return self._binary("^", other, self)

    def __lshift__(self, other: Any) -> Self:
        return self._binary("<<", self, other)

    def __rlshift__(self, other: Any) -> Self:
        return self._binary("<<", other, self)

    def __rshift__(self, other: Any) -> Self:
        return self._binary(">>", self, other)

    def __rrshift__(self, other: Any) -> Self:
        return self._binary(">>", other, self)

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return self._binary("==", self, other)

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]
        return self._binary("!=", self, other)

    def __lt__(self, other: Any) -> Self:
        return self._binary("<", self, other)

    def __le__(self, other: Any) -> Self:
        return self._binary("<=", self, other)

    def __gt__(self, other: Any) -> Self:
        return self._binary(">", self, other)

    def __ge__(self, other: Any) -> Self:
        return self._binary(">=", self, other)

    # Selfs are keys by identity, though == builds a graph.
    __hash__ = object.__hash__

    def __neg__(self) -> Self:
        return self._unary("-")

    def __pos__(self) -> Self:
        return self

    def __invert__(self) -> Self:
        return self._unary("~")
