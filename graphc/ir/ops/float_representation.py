"""What depends on how floats are represented: signs of zeros, and neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import Call, Elementwise, Op, Refused, Sample, surface
from graphc.ir.ops.elementwise import (
    FLOAT,
    SHAPES,
    device_function,
    elementwise,
    flat,
    operate,
    require_same,
    to_bool,
)
from graphc.ir.types import TensorType

__all__ = ["nextafter", "signbit"]

signbit = elementwise(
    "signbit",
    1,
    np.signbit,
    "Whether the sign is negative, of zeros as well.",
    kinds=FLOAT,
    result=to_bool,
)


def _infer(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = require_same(op, operands)
    if type_.dtype not in (dtypes.f32, dtypes.f64):
        # f16 and bf16 are computed in f32, whose neighbours are nearer.
        raise DTypeError(
            f"{op.name} takes f32 or f64, not {type_.dtype.name}", code="dtype-unsupported"
        )
    return type_


def _reference(
    call: Call, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    # In a precise evaluation the operands are f64, and the neighbours are still those of f32.
    own = call.operands[0]
    assert isinstance(own, TensorType)
    narrow = own.dtype.numpy
    with np.errstate(all="ignore"):
        moved = np.nextafter(x.astype(narrow), y.astype(narrow))
    return np.asarray(moved).astype(call.dtype.numpy, copy=False)


def _samples() -> Iterable[Sample]:
    for dtype in (dtypes.f32, dtypes.f64):
        for shape in SHAPES:
            yield Sample((TensorType(dtype, shape),) * 2, smooth=False)


def _refused() -> Iterable[Refused]:
    f32, f16 = TensorType(dtypes.f32, (2,)), TensorType(dtypes.f16, (2,))
    yield Refused((f16, f16), {}, DTypeError)
    yield Refused((f32, TensorType(dtypes.f64, (2,))), {}, DTypeError)
    yield Refused((f32, TensorType(dtypes.f32, (3,))), {}, ShapeError)


nextafter = Op(
    "nextafter",
    2,
    infer=_infer,
    reference=_reference,
    lowering=Elementwise(device_function("nextafter", 2)),
    gradient=flat,
    samples=_samples,
    refused=_refused,
    doc="The float next to x in the direction of y.",
)
surface("nextafter")(operate(nextafter))
