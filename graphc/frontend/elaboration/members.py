"""Members of values: `x.shape`, `x.sum`, `net.fc`, `layers.Block`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.errors import MemberLookupError, did_you_mean
from graphc.frontend.elaboration import numbers
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
        hint=instead(f".{name}", functions)
        or did_you_mean(name, known)
        or which_part(value, Tensor)
        or ("f32(x) makes a tensor of a number" if numbers.is_number(value) else None),
    )


def _is_member(name: str) -> bool:
    if name in ("forward", "parameters"):
        return True
    return not name.startswith("_") and not hasattr(Module, name)
