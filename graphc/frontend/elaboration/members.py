"""Members of values: `x.shape`, `x.sum`, `net.fc`, `layers.Block`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphc.errors import MemberLookupError, did_you_mean
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.calls import Operation
from graphc.frontend.elaboration.refusal import Consequence, described
from graphc.frontend.elaboration.scope import UNKNOWN, Definitions, Scope
from graphc.frontend.foreign_names import instead
from graphc.frontend.tracing.arguments import which_part
from graphc.frontend.tracing.index_updates import Place
from graphc.frontend.tracing.members import CASTS, METHODS
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.op import functions

if TYPE_CHECKING:
    from graphc.frontend.elaboration.program import Program

__all__ = ["member_of"]

_TENSOR_FACTS = ("shape", "dtype", "ndim", "size", "T", "mT", "H", "mH", "at")
_TABLE_METHODS = ("items", "keys", "values")


def member_of(program: Program, value: Any, name: str) -> Any:
    """`value.name`.

    Raises:
        MemberLookupError: there is no such member.
    """
    known: list[str] = []
    if isinstance(value, Tensor):
        if any(name in known for known in (_TENSOR_FACTS, functions, CASTS, METHODS)):
            return getattr(value, name)
        known = [*_TENSOR_FACTS, *functions, *CASTS, *METHODS]
    elif isinstance(value, Place):
        if name in Place.METHODS:
            return getattr(value, name)
        known = list(Place.METHODS)
    elif isinstance(value, dict):
        if name in _TABLE_METHODS:
            return _listed(value, name)
        known = list(_TABLE_METHODS)
    elif isinstance(value, Definitions):
        found = value.find(name)
        if found is UNKNOWN:
            raise Consequence(f"{name!r} of {described(value)} is not known")
        if found is not Scope.MISSING:
            return found
        known = value.names()
    elif isinstance(value, Module) or (isinstance(value, type) and issubclass(value, Module)):
        owner = program.instance_of(value)
        known = [one for one in (*vars(owner), *dir(type(owner))) if _is_member(one)]
        if name in known:
            return getattr(owner, name)
    raise MemberLookupError(
        f"{described(value)} has no member {name!r}",
        hint=_without_prefix(value, name)
        or instead(f".{name}", functions)
        or did_you_mean(name, known)
        or which_part(value, Tensor)
        or ("f32(x) makes a tensor of a number" if numbers.is_number(value) else None),
    )


def _without_prefix(value: Any, name: str) -> str | None:
    """What `fft.rfft` is here."""
    if isinstance(value, Operation) and name in functions:
        return f"functions need no prefix: {name}(x)"
    return None


def _listed(table: dict[str, Any], name: str) -> Callable[[], list[Any]]:
    """`table.keys`, `table.values` or `table.items`, which give lists."""

    def listed() -> list[Any]:
        return list(getattr(table, name)())

    listed.__name__ = name
    return listed


def _is_member(name: str) -> bool:
    if name in ("forward", "parameters"):
        return True
    return not name.startswith("_") and not hasattr(Module, name)
