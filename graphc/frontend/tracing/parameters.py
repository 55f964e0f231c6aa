"""Functions that are called with a number of arguments, which they are to take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.arguments import name_of, usage
from graphc.frontend.tracing.location import at_python_line

__all__ = ["require_parameters"]


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
