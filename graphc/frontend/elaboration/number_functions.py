"""Functions of numbers: of those known while a program is built, and of those that are not."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from graphc.errors import GraphcError, SourceError
from graphc.frontend.elaboration.numbers import Formula, bounded, combine, computed, formula_of
from graphc.frontend.elaboration.refusal import described
from graphc.frontend.tracing.tensor import call
from graphc.ir import dims
from graphc.ir.dims import Dim

__all__ = ["STATIC_FUNCTIONS", "static_call"]


def _as_int(value: Any) -> int:
    if isinstance(value, float) and not math.isfinite(value):
        raise SourceError(f"int({value}) has no value", code="arithmetic")
    return int(value)


STATIC_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "float": float,
    "floor": math.floor,
    "int": _as_int,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "pow": pow,
    "round": round,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}
"""Functions that numbers known while the program is built can be given to, and then have a value
there and then. Those of the registry among them take tensors too."""

_OF_WHOLE = {"max": dims.maximum, "min": dims.minimum}


def static_call(name: str, arguments: list[Any]) -> Any:
    """The static function called `name` of numbers without a dtype.

    Raises:
        SourceError: the function takes other arguments, or has no value there.
    """
    if any(isinstance(value, Dim | Formula) for value in arguments):
        if name in _OF_WHOLE and len(arguments) > 1:
            return functools.reduce(functools.partial(_extreme, name), arguments)
        return _function_of_formulas(name, arguments)
    if name == "pow" and len(arguments) == 2:
        return combine("**", *arguments)
    try:
        return bounded(STATIC_FUNCTIONS[name](*arguments))
    except GraphcError:
        raise
    except (ArithmeticError, ValueError, TypeError) as error:
        given = ", ".join(str(value) for value in arguments)
        raise SourceError(f"{name}({given}) has no value: {error}", code="arithmetic") from error


def _extreme(name: str, left: Any, right: Any) -> Any:
    """`max` or `min` of two numbers."""
    if isinstance(left, int | Dim) and isinstance(right, int | Dim):
        return _OF_WHOLE[name](left, right)
    a, b = formula_of(left), formula_of(right)
    return computed(
        lambda dtype: call(f"{name}imum", a.at(dtype), b.at(dtype)),
        a.is_whole and b.is_whole,
        f"{name}({a.text}, {b.text})",
    )


def _function_of_formulas(name: str, arguments: list[Any]) -> Formula:
    if name in ("int", "float", "round") or len(arguments) != 1:
        raise SourceError(
            f"{name} of {described(arguments[0])} is not known while the program is built",
            code="not-static",
            hint="compute with tensors: cast(...) gives the number a dtype",
        )
    inner = formula_of(arguments[0])
    keeps = name in ("abs", "ceil", "floor") and inner.is_whole
    text = f"{name}({inner.text})"
    return computed(lambda dtype: call(name, inner.at(dtype)), keeps, text)
