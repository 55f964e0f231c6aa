"""A method of a tensor before it is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn, Self

from graphc.errors import UsageError
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.operators import Operators

__all__ = ["Method"]


class Method(functools.partial[Any], Operators):
    """`x.sum`: called it is the function with the tensor, and it stands for nothing else."""

    __name__: str

    @classmethod
    def named(cls, name: str, function: Callable[..., Any], *arguments: Any) -> Self:
        """The method of that name, which calls `function` with `arguments` before its own."""
        made = cls(function, *arguments)
        made.__name__ = name
        return made

    @property
    def advice(self) -> str:
        """What to write in its place."""
        return f"call it: x.{self.__name__}()"

    def _binary(self, operator: str, left: Any, right: Any) -> NoReturn:
        self._refuse()

    def _unary(self, operator: str) -> NoReturn:
        self._refuse()

    def _refuse(self, *_: Any) -> NoReturn:
        with at_python_line():
            raise UsageError(f"{self!r} is not called", code="argument-type", hint=self.advice)

    __getitem__ = __iter__ = __len__ = __bool__ = _refuse

    def __repr__(self) -> str:
        return f"the method {self.__name__} of a tensor"
