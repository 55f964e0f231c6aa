"""Dimensions from text, read with Python's own parser."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from graphc.errors import DimensionError
from graphc.ir.dims.dim import MAX_BITS, DimLike, rules

MAX_TEXT = 16_384
"""Characters that `from_text` reads."""

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], DimLike]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: rules["//"],
    ast.Mod: rules["%"],
}
_ALLOWED = "use integers, names of dimensions, + - * // %, max(...) and min(...)"


def from_text(text: str, variables: Mapping[str, DimLike]) -> DimLike:
    """The dimension that an expression of integers, names, `+ - * // %`, `max` and `min` means.

    >>> from graphc.ir.dims import variable
    >>> from_text("(B + 7)//8 * 8", {"B": variable("B", 1, 64)})
    (B + 7)//8*8

    Args:
        text: an expression, as `str` of a dimension writes it or as a person does.
        variables: the dimensions that names stand for.

    Raises:
        DimensionError: anything else in the text, an unknown name, or a text beyond the limits.
    """
    if len(text) > MAX_TEXT:
        raise _refusal(f"an expression of {len(text)} characters", f"the limit is {MAX_TEXT}")
    try:
        return _from_node(ast.parse(text.strip(), mode="eval").body, variables)
    except (SyntaxError, ValueError) as error:
        raise _refusal(f"{text[:80]!r} is no expression", _ALLOWED) from error
    except (RecursionError, MemoryError) as error:
        raise _refusal(f"{text[:80]!r} is nested too deeply", "use fewer parentheses") from error


def _refusal(found: str, hint: str) -> DimensionError:
    return DimensionError(f"dimension: {found}", code="dim-text", hint=hint)


def _from_node(node: ast.expr, names: Mapping[str, DimLike]) -> DimLike:
    # Sums lean to the left: walking that spine in a loop keeps the recursion shallow.
    spine: list[ast.BinOp] = []
    while isinstance(node, ast.BinOp):
        spine.append(node)
        node = node.left
    value = _from_operand(node, names)
    for step in reversed(spine):
        function = _OPERATORS.get(type(step.op))
        if function is None:
            raise _refusal(f"the operator {type(step.op).__name__}", _ALLOWED)
        value = function(value, _from_node(step.right, names))
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise _refusal("a number is too large", f"the limit is {MAX_BITS} bits")
    return value


def _from_operand(node: ast.expr, names: Mapping[str, DimLike]) -> DimLike:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            if name in names:
                return names[name]
            known = ", ".join(sorted(names)) or "none"
            raise _refusal(f"unknown name {name!r}", f"declared dimensions: {known}")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_from_node(operand, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _from_node(operand, names)
        case ast.Call(func=ast.Name(id="max" | "min" as kind), args=[_, *_] as args, keywords=[]):
            return rules[kind](*[_from_node(argument, names) for argument in args])
    raise _refusal(f"a {type(node).__name__} in the expression", _ALLOWED)
