"""Which of a module's cubins a device runs.

A cubin of sm_XY runs on compute capability X.Z for Z >= Y, and on no other X. One of sm_XYa runs
on X.Y alone; one of sm_XYf runs on its family, which has the same X.

Source: CUDA C++ Programming Guide, "Compute Capabilities", "Family-Specific Features".
"""

from __future__ import annotations

import re
from collections.abc import Collection

from graphc.errors import DeviceError

__all__ = ["best_cubin"]

_FORM = re.compile(r"sm_(\d+)(\d)([af]?)")


def best_cubin(architectures: Collection[str], capability: tuple[int, int], device: str) -> str:
    """The architecture, of those that there are cubins for, that suits a device best.

    Args:
        architectures: sm_80, sm_90a and the like.
        capability: the device's compute capability.
        device: its name, for the message.

    Raises:
        DeviceError: none runs on it.

    >>> best_cubin(["sm_80", "sm_90", "sm_90a", "sm_100"], (9, 0), "NVIDIA H200")
    'sm_90a'
    >>> best_cubin(["sm_80", "sm_90a", "sm_100"], (8, 9), "NVIDIA L4")
    'sm_80'
    """
    runs = [(rank, arch) for arch in architectures if (rank := _rank(arch, capability))]
    if runs:
        return max(runs)[1]
    major, minor = capability
    raise DeviceError(
        f"the module has no cubin for {device}, of compute capability {major}.{minor}",
        code="architecture-missing",
        hint=f"build it with --target sm_{major}{minor}",
        notes=[f"it has cubins for {', '.join(architectures) or 'no architecture'}"],
    )


def _rank(arch: str, capability: tuple[int, int]) -> tuple[int, int] | None:
    """How well code of an architecture suits a device; None where it does not run."""
    match = _FORM.fullmatch(arch)
    if match is None:
        return None
    major, minor, suffix = int(match[1]), int(match[2]), match[3]
    if major != capability[0] or minor > capability[1]:
        return None
    if suffix == "a" and minor != capability[1]:
        return None
    return minor, ("", "f", "a").index(suffix)
