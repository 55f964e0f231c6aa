"""The names that the code of a Python function reads, with the attributes of what they name."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias

__all__ = ["Chain", "NamesRead", "names_read"]

Chain: TypeAlias = tuple[str, ...]
"""A name and attributes, one of the other: `config.optimizer.rate`."""


@dataclass(frozen=True)
class NamesRead:
    """What a code reads, and those inside it, by where the names are looked up.

    Variables that one of these codes assigns are left out, as a counter of calls.
    """

    of_closure: tuple[Chain, ...]
    of_module: tuple[Chain, ...]
    of_parameters: tuple[Chain, ...]


@functools.lru_cache(maxsize=1024)
def names_read(code: CodeType) -> NamesRead:
    """The names that a code reads, in the order in which it does.

    >>> names_read((lambda x: x.rate * config.scale).__code__)
    NamesRead(of_closure=(), of_module=(('config', 'scale'),), of_parameters=(('x', 'rate'),))
    """
    of_module: dict[Chain, None] = {}
    of_variables: dict[Chain, None] = {}
    assigned: set[str] = set()
    assigned_of_module: set[str] = set()
    for one in _codes(code):
        for operation, chain in _chains(one):
            match operation:
                case "LOAD_GLOBAL":
                    of_module.setdefault(chain)
                case "STORE_GLOBAL":
                    assigned_of_module.update(chain)
                case "STORE_DEREF" if chain[0] in one.co_freevars:
                    assigned.update(chain)
                # A variable of an inner code is another one, unless it is in the closure.
                case "LOAD_DEREF" | "LOAD_CLASSDEREF":
                    of_variables.setdefault(chain)
                case "LOAD_FAST" if one is code:
                    of_variables.setdefault(chain)
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    free = [(name,) for name in code.co_freevars]
    return NamesRead(
        tuple(
            chain
            for chain in dict.fromkeys((*free, *of_variables))
            if chain[0] in code.co_freevars and chain[0] not in assigned
        ),
        tuple(chain for chain in of_module if chain[0] not in assigned_of_module),
        tuple(chain for chain in of_variables if chain[0] in parameters and len(chain) > 1),
    )


_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")


def _chains(code: CodeType) -> Iterator[tuple[str, Chain]]:
    """Each instruction with the name that it is about, and the attributes that follow it."""
    operation: str = ""
    chain: Chain = ()
    for one in dis.get_instructions(code):
        if one.opname in _ATTRIBUTES:
            chain = (*chain, one.argval)
            continue
        if chain:
            yield operation, chain
        # Later Pythons have LOAD_FAST_BORROW and LOAD_FAST_CHECK, and pairs of names in one.
        operation = "LOAD_FAST" if one.opname.startswith("LOAD_FAST") else one.opname
        chain = (one.argval,) if isinstance(one.argval, str) else ()
        if isinstance(one.argval, tuple) and operation == "LOAD_FAST":
            yield from ((operation, (name,)) for name in one.argval[:-1])
            chain = one.argval[-1:]
    if chain:
        yield operation, chain


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code and those of the functions that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
