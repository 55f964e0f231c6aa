"""Layers are made of the arguments that they take; what is none of these is the user's error."""

from __future__ import annotations

import functools
from typing import Any

from graphc.errors import GraphcError
from graphc.frontend.tracing.arguments import first_names, refuse_call, signature_of
from graphc.frontend.tracing.location import python_span
from graphc.frontend.tracing.module import Module

__all__ = ["with_checked_arguments"]


def with_checked_arguments(layer: Any) -> None:
    """Let a class of layers refuse arguments that it does not take, at the user's line.

    Arguments under second names (`dim`) are given to it by the first (`axis`).
    """
    make = layer.__init__
    name, signature = layer.__name__, signature_of(layer)

    @functools.wraps(make)
    def checked(self: Module, *given: Any, **named: Any) -> None:
        try:
            known = first_names(name, make, named)
            refuse_call(name, signature, given, known)
        except GraphcError as error:
            error.at(python_span())
            raise
        make(self, *given, **known)

    layer.__init__ = checked
