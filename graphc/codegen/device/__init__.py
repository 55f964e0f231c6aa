"""Device functions: the CUDA C++ that generated kernels are prefixed with, by family.

Each function has a body for the GPU, mostly one instruction of PTX, and one for the simulator
(under `GC_SIMULATOR`) that says in plain loops what the instruction does. No header is needed.

Families: index (division and extremes of indices), numeric (16-bit formats), conversion (constants,
rounding, floats to integers), extremum (minimum and maximum that keep NaN), arithmetic and math
(the elementwise ops of floats that C has no operator for), fold (over a block), multiply_add,
async_copy, tensor_core; in texts that host C shares, integer, float8, special (functions), random,
sort and complex, and in shared what both call by one name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import resources

__all__ = ["FAMILIES", "device_source", "families_of"]

# Families in an order in which each finds what it uses above it, with what it uses.
FAMILIES: dict[str, tuple[str, ...]] = {
    "shared": (),
    "index": (),
    "numeric": (),
    "conversion": ("numeric",),
    "float8": ("shared", "conversion"),
    "extremum": (),
    "integer": ("shared",),
    "arithmetic": ("extremum",),
    "math": (),
    "special": ("shared", "arithmetic", "math"),
    "fold": (),
    "multiply_add": (),
    "async_copy": (),
    "tensor_core": ("numeric",),
    "random": ("shared",),
    "sort": ("shared", "numeric"),
    "complex": ("arithmetic", "math"),
}


# Families whose text is host C as well.
_SHARED = ("shared", "integer", "float8", "special", "random", "sort", "complex")

_WORD = re.compile(r"\bgc_\w+", re.IGNORECASE)
# A definition in a family's text; in a macro the name may go on with a dtype.
_FUNCTION = re.compile(r"(?:__forceinline__|^\s*GC_INLINE) (?:\w+ )+(gc_\w+)(##)?", re.MULTILINE)
_DTYPE = r"(?:[iu](?:8|16|32|64)|f(?:16|32|64)|bf16|bool)"
_CONSTANT = re.compile(r"#define (GC_[A-Z]\w+) ")
_COMPLEX_NAMES = r"gc_(?:\w+_)?c(?:64|128)|gc_complex_f(?:32|64)"
"""What the functions and types of complex numbers are called: macros make them for both dtypes."""


def families_of(text: str) -> list[str]:
    """The families that define what a kernel's text uses.

    >>> families_of("x = gc_exp_f32(gc_bf16_to_f32(y[0]));")
    ['numeric', 'math']
    >>> families_of("x = gc_equal_c64(gc_complex_f32(y[0], 0), z);")
    ['complex']
    """
    words = set(_WORD.findall(text))
    return [family for family in FAMILIES if any(map(_definitions(family).fullmatch, words))]


@functools.cache
def _definitions(family: str) -> re.Pattern[str]:
    source = _family_source(family)
    names = [name + (_DTYPE if goes_on else "") for name, goes_on in _FUNCTION.findall(source)]
    names += _CONSTANT.findall(source)
    if family == "complex":
        names.append(_COMPLEX_NAMES)
    return re.compile("|".join(dict.fromkeys(names)))


def device_source(families: Iterable[str]) -> str:
    """The text of the named families and of those they use, each once, in a fixed order.

    Each family's lines count as those of its file, so what follows needs a `#line` of its own.

    >>> device_source(["fold"]).splitlines()[0]
    '#line 1 "graphc/codegen/device/fold.cuh"'
    """
    wanted: set[str] = set()
    pending = list(families)
    while pending:
        family = pending.pop()
        if family not in wanted:
            wanted.add(family)
            pending += FAMILIES[family]
    return "".join(_family_source(family) for family in FAMILIES if family in wanted)


@functools.cache
def _family_source(family: str) -> str:
    file = f"{family}.{'h' if family in _SHARED else 'cuh'}"
    text = resources.files(__name__).joinpath(file).read_text(encoding="utf-8")
    return f'#line 1 "graphc/codegen/device/{file}"\n{text}'
