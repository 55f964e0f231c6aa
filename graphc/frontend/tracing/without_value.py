"""What needs the value of a tensor, where there is none: refusals that say what to write."""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.errors import TracedValueError
from graphc.frontend.tracing.location import at_python_line

__all__ = ["WithoutValue"]


class WithoutValue:
    """Refuses truth, numbers, arrays, membership and assignment of what a trace computes."""

    __slots__ = ()

    def __bool__(self) -> NoReturn:
        self._refuse(
            "the truth of a tensor is not known while the graph is built",
            "choose elements with where(condition, a, b), a branch on one bool with cond, repeat "
            "with while_loop; combine conditions with & | ~ in place of and, or, not, a < b < c",
        )

    def _as_number(self) -> NoReturn:
        self._refuse(
            "the value of a tensor is not known while the graph is built",
            "keep computing with the tensor; cast(x, dtype) changes its dtype, and sizes are "
            "in x.shape",
        )

    __int__ = __float__ = __complex__ = _as_number

    def __index__(self) -> NoReturn:
        self._refuse(
            "a tensor is no number for Python, which counts and indexes by it while the graph is "
            "built",
            "x[i] takes a tensor i; a loop that a tensor ends is while_loop, and sizes are in "
            "x.shape",
        )

    def __format__(self, form: str) -> str:
        return format(str(self), form) if not form else self._as_number()

    def __array__(self, *arguments: Any, **keywords: Any) -> NoReturn:
        self._refuse(
            "NumPy asks for the value of a tensor, which is not known while the graph is built",
            "use the function of graphc in place of NumPy's",
        )

    def __contains__(self, item: object) -> NoReturn:
        self._refuse("whether a tensor contains a value is not known", "write any(x == value)")

    def __setitem__(self, items: Any, value: Any) -> NoReturn:
        self._refuse(
            "the elements of a tensor cannot be assigned",
            "build a new tensor: x.at[items].set(value), or where(mask, value, x)",
        )

    def _refuse(self, message: str, hint: str) -> NoReturn:
        with at_python_line():
            raise TracedValueError(f"{message}: {self!r}", hint=hint)
