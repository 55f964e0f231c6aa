"""Numbers of a program: those known while it is built, and those that take a dtype when used.

A number that is written, or computed from such, is a Python number. One that depends on a named
dim, on an index of index notation, or on a branch has no value yet; like a written number it has no
dtype of its own, and takes that of the tensor beside it. Such a number is a `Formula`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import GraphcError, SourceError
from graphc.frontend.elaboration.refusal import described
from graphc.frontend.tracing.arguments import which_part
from graphc.frontend.tracing.method import Method
from graphc.frontend.tracing.operators import BINARY
from graphc.frontend.tracing.tensor import Tensor, binary, call
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import dim_value, number
from graphc.ir.record import Record

__all__ = [
    "Formula",
    "alike",
    "bounded",
    "chosen",
    "combine",
    "compare",
    "computed",
    "formula_of",
    "is_number",
    "negate",
    "tensor_of",
]

MAX_BITS = 64
"""Bits of a whole number that is known while a program is built."""


class Formula(Record):
    """A number that is not known while the program is built, and has no dtype yet.

    Attributes:
        build: the tensor of it in a dtype: a float, or an integer if it is whole.
        is_whole: whether its value is an integer; otherwise it is a float.
        text: what it is, for messages.
    """

    build: Callable[[DType], Tensor]
    is_whole: bool
    text: str

    def at(self, dtype: DType) -> Tensor:
        """The number in a dtype, or, where that cannot hold it, in f32 or i64."""
        if dtype.kind == "complex":
            return Tensor(cast_to(self.at(dtype.real).node, dtype))
        if dtype.kind == "float" or (self.is_whole and dtype.is_integer):
            return self.build(dtype)
        return self.build(self.default_dtype)

    @property
    def default_dtype(self) -> DType:
        """The dtype where there is no tensor beside it."""
        return dtypes.i64 if self.is_whole else dtypes.f32

    def __repr__(self) -> str:
        return f"<the number {self.text}>"


def is_number(value: object) -> bool:
    """Whether a value is a number without a dtype."""
    return isinstance(value, bool | int | float | Dim | Formula)


def formula_of(value: Any) -> Formula:
    """A number as a formula."""
    if isinstance(value, Formula):
        return value
    if isinstance(value, Dim):
        dim = value
        return Formula(lambda dtype: Tensor(dim_value(dim=dim, dtype=dtype)), True, str(dim))
    return Formula(lambda dtype: Tensor(number(value, dtype)), isinstance(value, int), f"{value}")


def tensor_of(value: Any, dtype: DType | None = None) -> Tensor:
    """A tensor or a number as a tensor; a number in the dtype given, or in its default one."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, bool) and dtype in (None, dtypes.bool_):
        return Tensor(number(value, dtypes.bool_))
    if isinstance(value, Dim | Formula):
        formula = formula_of(value)
        return formula.at(dtype or formula.default_dtype)
    if dtype is None:
        dtype = dtypes.f32 if isinstance(value, float) else dtypes.i64
    return Tensor(number(value, dtype))


def alike(values: Sequence[Any]) -> list[Any]:
    """Values with the numbers among them as tensors, all of one dtype: that of a tensor beside
    them, or else a float if one of them is. What is neither is left as it is."""
    dtype = next((one.dtype for one in values if isinstance(one, Tensor)), None)
    tensors = [tensor_of(one, dtype) if is_number(one) else one for one in values]
    if dtype is None and all(isinstance(one, Tensor) for one in tensors):
        wanted = next((one.dtype for one in tensors if one.dtype.kind == "float"), None)
        return [tensor_of(one, wanted) for one in values]
    return tensors


# -- operators ------------------------------------------------------------------------------------

_STATIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_OF_DIMS = ("+", "-", "*", "//", "%", "**")


def combine(symbol: str, left: Any, right: Any) -> Any:
    """`left symbol right` for an operator of arithmetic; lists are joined by `+`.

    Raises:
        SourceError: operands that are no numbers and no tensors, or a number without value.
        GraphcError: whatever the operation on tensors refuses.
    """
    if symbol == "+":
        for kind in (list, tuple):
            if isinstance(left, kind) and isinstance(right, kind):
                return kind((*left, *right))
    for value in (left, right):
        if not isinstance(value, Tensor) and not is_number(value):
            raise no_operand(value, symbol)
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return binary(symbol, _beside(left, right), _beside(right, left))
    if symbol == "@":
        raise SourceError(
            f"{described(left)} and {described(right)} are no operands of '@'",
            code="operand",
            hint="'@' multiplies matrices; numbers are multiplied by '*'",
        )
    if isinstance(left, Formula) or isinstance(right, Formula):
        return _combined(symbol, left, right)
    if isinstance(left, Dim) or isinstance(right, Dim):
        are_whole = not isinstance(left, float) and not isinstance(right, float)
        is_power = symbol == "**"
        has_exponent = isinstance(right, int) and right >= 0
        if symbol in _OF_DIMS and are_whole and (has_exponent or not is_power):
            return _evaluated(symbol, left, right)
        return _combined(symbol, left, right)
    return _evaluated(symbol, left, right)


def no_operand(value: Any, symbol: str) -> SourceError:
    """The error for a value that no operator takes."""
    return SourceError(
        f"{described(value)} is no operand of {symbol!r}",
        code="operand",
        hint=which_part(value, Tensor) or _instead_of(value),
    )


def _instead_of(value: Any) -> str | None:
    if isinstance(value, Method):
        return value.advice
    if isinstance(value, tuple) and not value:
        return "a function that ends without `return` gives nothing: end it with `return value`"
    is_list = isinstance(value, list) and value and all(map(is_number, value))
    return "a tensor of these numbers is tensor([1.0, 2.0])" if is_list else None


def _beside(value: Any, other: Any) -> Any:
    if isinstance(value, Formula) and isinstance(other, Tensor):
        return value.at(other.dtype)
    return value


def _combined(symbol: str, left: Any, right: Any) -> Formula:
    a, b = formula_of(left), formula_of(right)
    is_whole = a.is_whole and b.is_whole and symbol != "/"
    text = f"({a.text} {symbol} {b.text})"
    return computed(lambda dtype: call(BINARY[symbol], a.at(dtype), b.at(dtype)), is_whole, text)


def computed(compute: Callable[[DType], Tensor], is_whole: bool, text: str) -> Formula:
    """A formula of other ones: whole numbers are exact, whatever dtype they end in."""
    if not is_whole:
        return Formula(compute, False, text)
    return Formula(lambda dtype: Tensor(cast_to(compute(dtypes.i64).node, dtype)), True, text)


def chosen(predicate: Tensor, one: Any, other: Any) -> Formula:
    """The number that is `one` where a condition holds, and else `other`."""
    a, b = formula_of(one), formula_of(other)
    return Formula(
        lambda dtype: call("where", predicate, a.at(dtype), b.at(dtype)),
        a.is_whole and b.is_whole,
        f"({a.text} or {b.text})",
    )


def _evaluated(symbol: str, left: Any, right: Any) -> Any:
    if symbol in ("**", "<<") and isinstance(left, int) and isinstance(right, int):
        is_power = symbol == "**"
        bits = left.bit_length() * right if is_power else left.bit_length() + right
        if right > 0 and abs(left) > is_power and bits > 2 * MAX_BITS:
            raise _too_large()
    try:
        return bounded(_STATIC[symbol](left, right))
    except GraphcError:
        raise
    except (ArithmeticError, ValueError, TypeError) as error:
        raise SourceError(
            f"{described(left)} {symbol} {described(right)} has no value: {error}",
            code="arithmetic",
        ) from error


def bounded(value: Any) -> Any:
    """The value, if it is no number that a program cannot have.

    Raises:
        SourceError: a whole number of too many bits, or a complex one.
    """
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise _too_large()
    if isinstance(value, complex):
        raise SourceError("the value is complex, expected a real number", code="arithmetic")
    return value


def _too_large() -> SourceError:
    return SourceError(
        f"a whole number needs more than {MAX_BITS} bits",
        code="arithmetic",
        hint=f"whole numbers lie between -2**{MAX_BITS} and 2**{MAX_BITS}: write it as a float, as "
        "in 1e30, or make it smaller",
    )


def negate(value: Any) -> Any:
    """`-value`."""
    if isinstance(value, Tensor):
        return -value
    if isinstance(value, Formula):
        return computed(
            lambda dtype: call("negative", value.at(dtype)), value.is_whole, f"-{value.text}"
        )
    if not is_number(value):
        raise no_operand(value, "-")
    return -value


_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPPOSITE = {"!=": "==", "<": ">=", ">": "<="}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compare(symbol: str, left: Any, right: Any) -> Any:
    """`left symbol right` for a comparison: a truth value, or a tensor of them.

    Raises:
        SourceError: what is compared has no order.
        GraphcError: whatever the operation on tensors refuses.
    """
    if symbol in ("is", "is not", "==", "!=") and (left is None or right is None):
        return (left is right) is (symbol in ("is", "=="))
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        for value in (left, right):
            if not isinstance(value, Tensor) and not is_number(value):
                raise SourceError(
                    f"{described(value)} is not compared with a tensor", code="operand"
                )
        left, right = _beside(left, right), _beside(right, left)
        if not isinstance(left, Tensor):
            # As in Python: the tensor is asked first.
            return binary(_MIRRORED[symbol], right, left)
        return binary(symbol, left, right)
    are_numbers = is_number(left) and is_number(right)
    if are_numbers and (isinstance(left, Formula) or isinstance(right, Formula)):
        return _compared_at_run_time(symbol, left, right)
    if are_numbers and (isinstance(left, Dim) or isinstance(right, Dim)):
        return _compare_dims(symbol, left, right)
    try:
        return bool(_ORDER[symbol](left, right))
    except TypeError:
        raise SourceError(
            f"{described(left)} and {described(right)} have no order", code="operand"
        ) from None


def _compare_dims(symbol: str, left: Any, right: Any) -> bool | Tensor:
    """The truth where the ranges of dims say it, else the tensor of it."""
    is_opposite = symbol in _OPPOSITE
    known = _known_order(_OPPOSITE.get(symbol, symbol), left, right)
    if known is None:
        return _compared_at_run_time(symbol, left, right)
    return known != is_opposite


def _compared_at_run_time(symbol: str, left: Any, right: Any) -> Tensor:
    a, b = formula_of(left), formula_of(right)
    dtype = dtypes.i64 if a.is_whole and b.is_whole else dtypes.f32
    found: Tensor = binary(symbol, a.at(dtype), b.at(dtype))
    return found


def _known_order(symbol: str, left: Any, right: Any) -> bool | None:
    """`left symbol right` for ==, <= and >= where one is a dim; None if it is not known."""
    if not isinstance(left, int | Dim) or not isinstance(right, int | Dim):
        return False if symbol == "==" else None
    if symbol == "==":
        if dims.always_equal(left, right):
            return True
        return False if dims.never_equal(left, right) else None
    low, high = (right, left) if symbol == ">=" else (left, right)
    if dims.always_less_equal(low, high):
        return True
    return False if dims.always_less_equal(high + 1, low) else None
