"""Device functions: the CUDA C++ that generated kernels are prefixed with, by family.

Each function has a body for the GPU, mostly one instruction of PTX, and one for the simulator
(under `GC_SIMULATOR`) that says in plain loops what the instruction does. No header is needed.

Families: numeric (16-bit formats), extremum (minimum and maximum that keep NaN), warp (reductions
over a warp), atomic, async_copy, tensor_core, random.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources

__all__ = ["FAMILIES", "device_source"]

# Families in an order in which each finds what it uses above it, with what it uses.
FAMILIES: dict[str, tuple[str, ...]] = {
    "numeric": (),
    "extremum": (),
    "warp": (),
    "atomic": ("extremum",),
    "async_copy": (),
    "tensor_core": ("numeric",),
    "random": (),
}


def device_source(families: Iterable[str]) -> str:
    """The text of the named families and of those they use, each once, in a fixed order.

    Each family's lines count as those of its file, so what follows needs a `#line` of its own.

    >>> device_source(["warp"]).splitlines()[0]
    '#line 1 "graphc/codegen/device/warp.cuh"'
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
    file = f"{family}.cuh"
    text = resources.files(__name__).joinpath(file).read_text(encoding="utf-8")
    return f'#line 1 "graphc/codegen/device/{file}"\n{text}'
