"""Errors of elaboration that several parts of it report."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType

import numpy as np

from graphc.errors import GraphcError, NameLookupError, SourceError, Span, nearest_name
from graphc.frontend import syntax
from graphc.frontend.foreign_names import instead
from graphc.frontend.tracing.shown import shown
from graphc.ir.dims import Dim
from graphc.ir.dtype import DTYPES, DType

__all__ = [
    "Consequence",
    "Endless",
    "TooLarge",
    "described",
    "not_supported",
    "refused",
    "unknown_name",
    "without_operand",
]


class TooLarge(GraphcError):
    """A program that unrolls into more than can be built."""

    default_code = "too-large"


class Endless(SourceError):
    """Calls inside of calls, whose statements that follow are not tried: they would call again."""

    default_code = "recursion"


class Consequence(GraphcError):
    """That something has no value because of an error that is reported already."""


def refused(message: str, code: str, span: Span | None, hint: str | None = None) -> SourceError:
    """An error in the user's program that is none of syntax."""
    return SourceError(message, code=code, span=span, hint=hint)


def not_supported(what: str, span: Span | None, hint: str) -> SourceError:
    """What the language can say and this compiler does not build."""
    return SourceError(f"{what} is not supported", code="not-supported", span=span, hint=hint)


def without_operand(node: syntax.Subscript) -> SourceError:
    """The error for `sum[k]` before no value: it is no reduction, and has no elements either."""
    name = node.reduction
    return refused(
        f"the function {name} has no elements",
        "index",
        node.span,
        f"{name}(x) reduces a tensor; in index notation a value follows, {name}[k] x[k], in "
        f"parentheses where it begins with a sign: {name}[k] (-x[k])",
    )


def unknown_name(
    name: str, own: Iterable[str], library: Iterable[str], span: Span | None
) -> NameLookupError:
    """The error for a name that means nothing where it stands.

    Args:
        own: the names of the program that mean something there.
        library: those of the language.
    """
    known = dict.fromkeys(library)
    foreign = {one: dtype.name for one, dtype in DTYPES.items() if one not in known}
    near = nearest_name(name, own, [*known, *foreign])
    meant = f"define {name!r} in this file, or import it"
    if near is not None:
        meant = f"did you mean {foreign.get(near, near)!r}?"
    return NameLookupError(f"nothing is called {name!r}", span=span, hint=instead(name) or meant)


_KEYS_SHOWN = 4
_KINDS: dict[type, str] = {bool: "the truth value", int: "the number", float: "the number"}


def described(value: object) -> str:
    """A value in a few words, for messages."""
    if type(value) in _KINDS:
        return f"{_KINDS[type(value)]} {value}"
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, Dim):
        return f"the dim {value}"
    if isinstance(value, DType):
        return f"the dtype {value}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a table of {', '.join(map(repr, list(value)[:_KEYS_SHOWN])) or 'nothing'}"
    if isinstance(value, range):
        return f"the range {value.start}..{value.stop}"
    if isinstance(value, type):
        return f"the model {value.__name__}"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    if value is None:
        return "None"
    if value is ...:
        return "..."
    text = shown(value) if isinstance(value, np.ndarray) else repr(value)
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text
