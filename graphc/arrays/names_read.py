"""The names that the code of a Python function reads."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

__all__ = ["NamesRead", "names_read"]

_BY_TEXT = frozenset(
    {"getattr", "hasattr", "vars", "dir", "attrgetter", "__dict__", "__getattribute__"}
)
"""What finds attributes by names that the code need not spell."""


@dataclass(frozen=True)
class NamesRead:
    """What a code reads, and those inside it, by where the names are looked up.

    Attributes:
        of_closure: variables of the functions around it.
        of_module: variables of its module. Of both, those that one of these codes assigns are left
            out, as a counter of calls.
        imported: modules that it imports itself.
        attributes: of whatever object.
        any_attribute: whether attributes may be read whose names it does not spell.
    """

    of_closure: tuple[str, ...]
    of_module: tuple[str, ...]
    imported: tuple[str, ...]
    attributes: frozenset[str]
    any_attribute: bool


@functools.lru_cache(maxsize=4096)
def names_read(code: CodeType) -> NamesRead:
    """The names that a code reads, in the order in which it does.

    >>> found = names_read((lambda x: x.rate * config.scale).__code__)
    >>> found.of_module, sorted(found.attributes)
    (('config',), ['rate', 'scale'])
    """
    of_module: dict[str, None] = {}
    imported: dict[str, None] = {}
    attributes: set[str] = set()
    assigned: set[str] = set()
    assigned_of_module: set[str] = set()
    any_attribute = False
    for one in _codes(code):
        for instruction in dis.get_instructions(one):
            name = instruction.argval
            match instruction.opname:
                case "LOAD_GLOBAL" | "LOAD_NAME":
                    of_module.setdefault(name)
                case "LOAD_ATTR" | "LOAD_METHOD" | "LOAD_SUPER_ATTR" | "IMPORT_FROM":
                    attributes.add(name)
                case "IMPORT_NAME":
                    imported.setdefault(name)
                case "STORE_GLOBAL":
                    assigned_of_module.add(name)
                case "STORE_DEREF" if name in one.co_freevars:
                    assigned.add(name)
                case "MATCH_CLASS":
                    any_attribute = True
    return NamesRead(
        tuple(name for name in code.co_freevars if name not in assigned),
        tuple(name for name in of_module if name not in assigned_of_module),
        tuple(imported),
        frozenset(attributes),
        any_attribute or not _BY_TEXT.isdisjoint(attributes | of_module.keys()),
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code and those of the functions that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
