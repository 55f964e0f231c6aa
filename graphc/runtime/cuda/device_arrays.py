"""Arguments that lie on the device already: tensors of other packages, by DLPack.

Source: the Python specification of DLPack, https://dmlc.github.io/dlpack/latest/python_spec.html.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import DeviceError, ShapeError, UsageError
from graphc.runtime.program import Entry, Slot

__all__ = ["DeviceArray", "device_arrays"]

# DLDeviceType: kDLCUDA and kDLCUDAManaged.
_ON_DEVICE = (2, 13)


@dataclass(frozen=True)
class DeviceArray:
    """A contiguous array on the device.

    Attributes:
        address: of its first element.
        stand_in: a host array of its shape and dtype, of any content.
        view: keeps the memory.
    """

    address: int
    stand_in: np.ndarray[Any, Any]
    view: Any


def device_arrays(
    entry: Entry, arguments: Sequence[Any], device: int, stream: int
) -> list[DeviceArray | None]:
    """Those of the arguments that lie on the device; None for the others.

    Work that was started on an array before is done before what `stream` is given from now on.

    Args:
        device: the device's number.
        stream: the handle of the stream that the arrays will be read on.

    Raises:
        DeviceError: an array lies on another device.
        ShapeError: an array is not contiguous.
        UsageError: its package does not give it, or it is of a dtype that has no name here.
    """
    slots = (entry.slots[number] for number in entry.inputs)
    return [
        _device_array(entry, slot, argument, device, stream)
        for slot, argument in zip(slots, arguments, strict=True)
    ]


def _device_array(
    entry: Entry, slot: Slot, argument: Any, device: int, stream: int
) -> DeviceArray | None:
    if isinstance(argument, np.ndarray) or not hasattr(argument, "__dlpack_device__"):
        return None
    kind, number = argument.__dlpack_device__()
    if int(kind) not in _ON_DEVICE:
        return None
    if int(number) != device:
        raise DeviceError(
            f"{entry.name}: argument {slot.name!r} lies on GPU {number}, "
            f"the module on GPU {device}",
            hint="move one to the other",
        )
    try:
        view = importlib.import_module("cuda.core.utils").StridedMemoryView.from_dlpack(
            argument, stream
        )
        dtype = view.dtype
    except (BufferError, NotImplementedError, RuntimeError, TypeError) as error:
        raise UsageError(
            f"{entry.name}: argument {slot.name!r} cannot be read on the GPU: {error}",
            hint="give it as an array of the host",
        ) from error
    if not _is_contiguous(view.shape, view.strides):
        raise ShapeError(
            f"{entry.name}: argument {slot.name!r} is not contiguous on the GPU",
            hint="make a contiguous copy of it there",
        )
    # Its pages are never touched, so that they take no memory.
    return DeviceArray(int(view.ptr), np.empty(view.shape, dtype), view)


def _is_contiguous(shape: Sequence[int], strides: Sequence[int] | None) -> bool:
    """Whether elements lie in row-major order without gaps; strides count elements."""
    if strides is None or 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
