"""Functions that are given to others, which call them with a number of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import GraphcError, UsageError
from graphc.frontend.tracing.arguments import name_of, usage
from graphc.frontend.tracing.location import at_python_line

__all__ = ["in_order", "require_function", "require_parameters", "signature_of"]


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature with annotations as objects, where they can be evaluated.

    Of a function that wraps another its own, unless it takes anything and hands it on.

    Raises:
        UsageError: the function does not say what its arguments are, as some built in C.
    """
    try:
        return _own_signature(function, eval_str=True)
    except GraphcError:
        raise
    except Exception:
        # An annotation may name what exists for type checkers only, and is of no use then.
        try:
            return _own_signature(function)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{function!r} does not say what its arguments are",
                code="argument-type",
                hint="wrap it: lambda x: f(x)",
            ) from error


def _own_signature(function: Callable[..., Any], eval_str: bool = False) -> inspect.Signature:
    """The signature of a function itself, or of what it wraps where it takes anything."""
    wrapped = getattr(function, "__wrapped__", None)
    # Of a method `self` is taken, which what it wraps still has.
    if wrapped is None or inspect.ismethod(function) or hasattr(function, "__signature__"):
        return inspect.signature(function, eval_str=eval_str)
    if inspect.isfunction(function):
        own = inspect.signature(function, follow_wrapped=False, eval_str=eval_str)
        anything = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if all(one.kind not in anything for one in own.parameters.values()):
            return own
    return _own_signature(wrapped, eval_str)


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
        signature = _own_signature(function)
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
    name, signature = name_of(function), _own_signature(function)
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
