"""Several errors of one body: after a statement that fails, the next ones are tried.

What the statement was to define is unknown from there on. Statements that use it fail as well,
and say nothing: they would repeat the error in other words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphc.errors import GraphcError, group
from graphc.frontend import syntax
from graphc.frontend.elaboration.refusal import Consequence, Endless, TooLarge
from graphc.frontend.elaboration.scope import UNKNOWN, Scope

__all__ = ["MAX_ERRORS", "Recovery"]

MAX_ERRORS = 20
"""Errors that are shown of one run."""


class Recovery:
    """The errors of the statements of one body, run in a scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._errors: dict[object, GraphcError] = {}
        self._consequence: Consequence | None = None

    @contextmanager
    def over(self, statement: syntax.Statement) -> Iterator[None]:
        """While a statement runs: keep its errors, and make unknown what it was to define.

        Raises:
            GraphcError: all errors so far, where there are as many as are shown, or where nobody
                can say whether what follows the statement would have been reached.
            TooLarge, Endless: the program is too large for the rest to be looked at.
        """
        try:
            yield
        except (TooLarge, Endless):
            raise
        except Consequence as error:
            self._consequence = error
        except GraphcError as error:
            for one in error.at(statement.span.first_line()).errors:
                self._errors.setdefault((one.span, one.code), one)
        else:
            return
        for name in _defined(statement):
            self._scope.define(name, UNKNOWN)
        if len(self._errors) >= MAX_ERRORS or _may_return(statement):
            self.finish()

    def finish(self) -> None:
        """The end of the body.

        Raises:
            GraphcError: what its statements were refused for.
        """
        if self._errors:
            raise group(list(self._errors.values()))
        if self._consequence is not None:
            raise self._consequence


def _defined(statement: syntax.Statement) -> Iterator[str]:
    if isinstance(statement, syntax.Function | syntax.Declaration):
        yield statement.name
    for name, _ in syntax.assigned((statement,)):
        yield name


def _may_return(statement: syntax.Statement) -> bool:
    match statement:
        case syntax.Return():
            return True
        case syntax.For() | syntax.While():
            return any(map(_may_return, statement.body))
        case syntax.If():
            links, orelse = statement.chain()
            blocks = (*(one.body for one in links), orelse)
            return any(_may_return(one) for block in blocks for one in block)
    return False
