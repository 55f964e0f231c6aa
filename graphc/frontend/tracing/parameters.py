"""Functions that are given to others, which call them with a number of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.arguments import name_of, usage
from graphc.frontend.tracing.location import at_python_line

__all__ = ["in_order", "require_function", "require_parameters"]


def require_function(value: Any, name: str, hint: str | None = None) -> None:
    """Refuse what is no function of tensors.

    Args:
        name: of what takes the function.
        hint: how that is called, if it is not as transforms are: `name(f)(x)`.

    Raises:
        UsageError: it cannot be called, or is the class of a model.
    """
    found = f"a {type(value).__name__}"
    if isinstance(value, type) and hasattr(value, "forward"):
        found, hint = f"the class {value.__name__}", f"make a model of it: {value.__name__}(...)"
    elif callable(value):
        return
    with at_python_line():
        raise UsageError(
            f"{name} takes a function, and is given {found}",
            code="argument-type",
            hint=hint or f"give the function first, and its arguments to the result: {name}(f)(x)",
        )


def require_parameters(function: Callable[..., Any], name: str, given: int, hint: str) -> None:
    """Refuse a function that does not take as many arguments as it will be given.

    Args:
        name: of what calls the function.

    Raises:
        UsageError: it takes more or fewer.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Some that are built in C do not say what they take.
        return
    try:
        signature.bind(*range(given))
    except TypeError:
        called = usage(name_of(function), signature)
        with at_python_line():
            raise UsageError(
                f"{name} gives {given or 'no'} argument{'s' * (given != 1)} to {called}",
                code="argument-count",
                hint=hint,
            ) from None


def in_order(
    function: Callable[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The arguments of a call, with those by name at the places of their parameters.

    Raises:
        UsageError: the function does not take them, or takes one by its name alone.
    """
    if not keywords:
        return tuple(arguments)
    name, signature = name_of(function), inspect.signature(function)
    try:
        bound = signature.bind(*arguments, **keywords)
    except TypeError as error:
        raise UsageError(
            f"{name}: {error}", code="argument-count", hint=f"it is {usage(name, signature)}"
        ) from error
    if bound.kwargs:
        raise UsageError(
            f"{name} takes {', '.join(bound.kwargs)} by name alone",
            code="argument-count",
            hint="a gradient of one's own is given the arguments by position",
        )
    return bound.args
