"""Fourier transforms: the extension of the array API standard, and those of two axes.

On tensors of a trace and on arrays, as all functions of the package; `docs/ops.md` describes them.

>>> import numpy as np
>>> import graphc as gc
>>> gc.fft.irfft(gc.fft.rfft(np.arange(4.0)))
array([0., 1., 2., 3.])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.arrays.functions import member

_NAMES = (
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
)


def __getattr__(name: str) -> Callable[..., Any]:
    return member(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return list(_NAMES)
