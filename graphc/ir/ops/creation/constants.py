"""Ops without operands: constants, dims as numbers, counters, tables; and filled tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims, expr
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import Call, Op, Parameter, Refused, Sample, Source, Structural, surface
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.views.shape import broadcast_to
from graphc.ir.types import TensorType

__all__ = [
    "constant",
    "constant_like",
    "dim_value",
    "full",
    "full_like",
    "iota",
    "known_values",
    "number",
    "ones",
    "ones_like",
    "placed",
    "tensor",
    "zeros",
    "zeros_like",
]

_P = ParamSpec("_P")

# -- constant -------------------------------------------------------------------------------------


def _in_dtype(value: PythonScalar, dtype: DType) -> PythonScalar:
    """The number that a tensor of `dtype` holds for `value`."""
    with np.errstate(all="ignore"):
        stored = np.asarray(value).astype(dtype.numpy)
    if dtype.precision and dtype.kind != "complex":
        return float(stored)
    held: PythonScalar = stored.item()
    return held


def _is_same(a: PythonScalar, b: PythonScalar) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))


def _infer_constant(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    value, dtype = attributes["value"], attributes["dtype"]
    if dtype.kind != "storage":
        dtypes.promote_scalar(dtype, value)
    if not _is_same(value, _in_dtype(value, dtype)):
        raise DTypeError(
            f"constant: {value!r} is not a value of {dtype.name}",
            hint=f"the nearest is {_in_dtype(value, dtype)!r}",
        )
    return TensorType(dtype, ())


def _constant_samples() -> Iterable[Sample]:
    for dtype in dtypes.ALL:
        for value in (0, 1):
            yield Sample((), {"value": _in_dtype(value, dtype), "dtype": dtype})
    for special in (float("inf"), float("nan"), -0.0, 1e-40):
        yield Sample((), {"value": _in_dtype(special, dtypes.f32), "dtype": dtypes.f32})


constant = Op(
    "constant",
    0,
    infer=_infer_constant,
    reference=lambda call: np.asarray(call["value"]).astype(call.dtype.numpy),
    lowering=Source(lambda node, index, read: expr.Constant(node["value"], node.dtype)),
    parameters=(Parameter("value"), Parameter("dtype")),
    samples=_constant_samples,
    refused=lambda: (
        Refused((), {"value": 0.5, "dtype": dtypes.i32}, DTypeError),
        Refused((), {"value": 300, "dtype": dtypes.u8}, DTypeError),
        Refused((), {"value": True, "dtype": dtypes.f32}, DTypeError),
        Refused((), {"value": 0.1, "dtype": dtypes.f32}, DTypeError),
    ),
    doc="One number that `dtype` can hold exactly, as a tensor without axes.",
)


@surface("constant")
def number(value: PythonScalar | Dim, dtype: DType) -> Node:
    """`value`, a number or the value of a dim, rounded to `dtype`, as a tensor without axes.

    Raises:
        DTypeError: the value is of a kind that the dtype does not hold, or out of its range.

    >>> number(2, dtypes.f32)["value"]
    2.0
    """
    if isinstance(value, Dim):
        return dim_value(dim=value, dtype=dtype)
    if dtype.kind != "storage":
        dtypes.promote_scalar(dtype, value)
    return constant(value=_in_dtype(value, dtype), dtype=dtype)


# -- dim_value ------------------------------------------------------------------------------------


def _require_number_dtype(op: Op, dtype: DType) -> None:
    if dtype.kind not in ("float", "signed", "unsigned"):
        raise DTypeError(
            f"{op.name} counts in integers or floats, not in {dtype.name}",
            code="dtype-unsupported",
        )


def _infer_dim_value(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    _require_number_dtype(op, attributes["dtype"])
    return TensorType(attributes["dtype"], ())


def _number_dtypes() -> Iterable[DType]:
    return (d for d in dtypes.computable() if d.kind in ("float", "signed", "unsigned"))


def _converted(values: Any, dtype: DType) -> np.ndarray[Any, Any]:
    return np.asarray(values, np.int64).astype(dtype.numpy)


dim_value = Op(
    "dim_value",
    0,
    infer=_infer_dim_value,
    reference=lambda call: _converted(call["dim"], call.dtype),
    lowering=Source(lambda node, index, read: expr.IndexValue(node["dim"], node.dtype)),
    parameters=(Parameter("dim"), Parameter("dtype")),
    samples=lambda: (Sample((), {"dim": 7, "dtype": dtype}) for dtype in _number_dtypes()),
    refused=lambda: (Refused((), {"dim": 7, "dtype": dtypes.c64}, DTypeError),),
    doc="The size of a named dimension, or a formula of such, as a number in the data.",
)


# -- iota -----------------------------------------------------------------------------------------


def _infer_iota(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    shape, axis = tuple(attributes["shape"]), attributes["axis"]
    _require_number_dtype(op, attributes["dtype"])
    if not 0 <= axis < len(shape):
        raise ShapeError(f"iota: there is no axis {axis} in {len(shape)} axes", code="axis")
    return TensorType(attributes["dtype"], shape)


def _iota_reference(call: Call) -> np.ndarray[Any, Any]:
    shape, axis = call.shape, call["axis"]
    counter = _converted(np.arange(shape[axis]), call.dtype)
    return np.broadcast_to(
        np.expand_dims(counter, [a for a in range(len(shape)) if a != axis]), shape
    )


def _iota_samples() -> Iterable[Sample]:
    for dtype in _number_dtypes():
        yield Sample((), {"shape": (2, 5, 3), "axis": 1, "dtype": dtype})
    yield Sample((), {"shape": (300,), "axis": 0, "dtype": dtypes.u8})
    yield Sample((), {"shape": (3, 0), "axis": 0, "dtype": dtypes.i64})


iota = Op(
    "iota",
    0,
    infer=_infer_iota,
    reference=_iota_reference,
    lowering=Source(lambda node, index, read: expr.IndexValue(index[node["axis"]], node.dtype)),
    parameters=(Parameter("shape"), Parameter("axis"), Parameter("dtype")),
    samples=_iota_samples,
    refused=lambda: (
        Refused((), {"shape": (2,), "axis": 1, "dtype": dtypes.i32}, ShapeError),
        Refused((), {"shape": (2,), "axis": 0, "dtype": dtypes.bool_}, DTypeError),
    ),
    doc="The index along an axis. Integers too narrow for it wrap around.",
)


# -- tensor ---------------------------------------------------------------------------------------


def _infer_tensor(op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]) -> TensorType:
    type_ = TensorType(attributes["dtype"], tuple(attributes["shape"]))
    if not all(isinstance(size, int) for size in type_.shape):
        raise ShapeError(f"tensor: {type_} is symbolic, and data is not")
    if len(attributes["data"]) != type_.nbytes:
        raise UsageError(
            f"tensor: {len(attributes['data'])} bytes of data for {type_}",
            hint=f"expected {type_.nbytes} bytes",
        )
    return type_


def _tensor_reference(call: Call) -> np.ndarray[Any, Any]:
    return np.frombuffer(call["data"], call["dtype"].numpy).reshape(call.shape)


def _tensor_samples() -> Iterable[Sample]:
    for dtype in dtypes.ALL:
        data = np.arange(6).astype(dtype.numpy).tobytes()
        yield Sample((), {"data": data, "dtype": dtype, "shape": (2, 3)})
    yield Sample((), {"data": b"", "dtype": dtypes.f32, "shape": (0, 3)})


tensor = Op(
    "tensor",
    0,
    infer=_infer_tensor,
    reference=_tensor_reference,
    # The module stores the bytes beside the weights; kernels read them as they read an input.
    lowering=Structural(),
    parameters=(Parameter("data"), Parameter("dtype"), Parameter("shape")),
    samples=_tensor_samples,
    refused=lambda: (
        Refused((), {"data": b"123", "dtype": dtypes.f32, "shape": (1,)}, UsageError),
        Refused(
            (),
            {"data": b"", "dtype": dtypes.f32, "shape": (dims.variable("N", 1, 4),)},
            ShapeError,
        ),
    ),
    doc="A table of numbers: little-endian bytes in row-major order.",
)


def known_values(x: Node) -> np.ndarray[Any, Any] | None:
    """The numbers of a table; None for a tensor that is not known while the program is built."""
    if x.op is not tensor:
        return None
    return np.frombuffer(x["data"], x.dtype.numpy).reshape(x.shape)


# -- filled tensors -------------------------------------------------------------------------------


def placed(function: Callable[_P, Node]) -> Callable[_P, Node]:
    """Decorator: take the `device` that the array API standard gives to new arrays.

    Arrays are those of NumPy, on the "cpu"; a graph runs on the device that it is compiled for.
    """

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> Node:
        device = kwargs.pop("device", None)
        if device not in (None, "cpu"):
            raise UsageError(
                f"{function.__name__}: there are no arrays on the device {device!r}",
                code="argument",
                hint="leave device away: a graph runs on the device that it is compiled for",
            )
        return function(*args, **kwargs)

    signature = inspect.signature(function)
    device = inspect.Parameter(
        "device", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None"
    )
    parameters = [*signature.parameters.values(), device]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, "device": device.annotation}
    return call


@surface("full")
@placed
def full(
    shape: Iterable[DimLike] | DimLike,
    fill_value: PythonScalar | Dim | Node,
    dtype: DType | None = None,
) -> Node:
    """A tensor of `shape`, which may be one size, filled with one number, or the value of a dim.

    Unless given, the dtype is that of the number alone: `bool`, `i64`, `f32` or `c64`. A tensor
    in place of the number is broadcast.
    """
    if isinstance(fill_value, Node):
        filled = cast_to(fill_value, dtype or fill_value.dtype)
    else:
        if dtype is None:
            dtype = dtypes.i64 if isinstance(fill_value, Dim) else dtypes.default(fill_value)
        filled = number(fill_value, dtype)
    shape = (shape,) if isinstance(shape, int | Dim) else tuple(shape)
    return broadcast_to(filled, shape=shape) if shape else filled


def _zero(dtype: DType) -> PythonScalar:
    return False if dtype.kind == "bool" else 0


def _one(dtype: DType) -> PythonScalar:
    return True if dtype.kind == "bool" else 1


def _sized(
    shape: Iterable[DimLike] | DimLike, others: tuple[Any, ...], dtype: DType | None
) -> tuple[Iterable[DimLike] | DimLike, DType]:
    """The shape and the dtype, where sizes may stand one by one, and a dtype behind them."""
    sizes = list(others)
    if sizes and isinstance(sizes[-1], DType | str):
        last = sizes.pop()
        dtype = dtypes.from_name(last) if isinstance(last, str) else last
    for size in (shape, *sizes) if sizes else ():
        if isinstance(size, bool) or not isinstance(size, int | Dim):
            raise UsageError(
                f"{size!r} is no size",
                code="argument",
                hint="sizes are whole numbers: zeros(2, 3) or zeros((2, 3), f16)",
            )
    return ((shape, *sizes) if sizes else shape), dtype or dtypes.f32


@surface("zeros", "empty")
@placed
def zeros(
    shape: Iterable[DimLike] | DimLike, *sizes: DimLike | DType, dtype: DType | None = None
) -> Node:
    """A tensor of zeros (False for bool), f32 unless a dtype is given, which may stand last."""
    whole, dtype = _sized(shape, sizes, dtype)
    return full(whole, _zero(dtype), dtype)


@surface("ones")
@placed
def ones(
    shape: Iterable[DimLike] | DimLike, *sizes: DimLike | DType, dtype: DType | None = None
) -> Node:
    """A tensor of ones (True for bool), f32 unless a dtype is given, which may stand last."""
    whole, dtype = _sized(shape, sizes, dtype)
    return full(whole, _one(dtype), dtype)


@surface("full_like")
@placed
def full_like(
    x: Node,
    fill_value: PythonScalar | Dim | Node,
    dtype: DType | None = None,
    *,
    shape: Iterable[DimLike] | DimLike | None = None,
) -> Node:
    """A tensor of the shape and dtype of `x`, unless others are given, filled with one number."""
    return full(x.shape if shape is None else shape, fill_value, dtype or x.dtype)


@surface("zeros_like", "empty_like")
@placed
def zeros_like(
    x: Node,
    dtype: DType | None = None,
    *,
    shape: Iterable[DimLike] | DimLike | None = None,
) -> Node:
    """Zeros of the shape and dtype of `x`, unless others are given."""
    return zeros(x.shape if shape is None else shape, dtype or x.dtype)


@surface("ones_like")
@placed
def ones_like(
    x: Node,
    dtype: DType | None = None,
    *,
    shape: Iterable[DimLike] | DimLike | None = None,
) -> Node:
    """Ones of the shape and dtype of `x`, unless others are given."""
    return ones(x.shape if shape is None else shape, dtype or x.dtype)


def constant_like(value: PythonScalar, x: Node) -> Node:
    """`value` in the dtype and shape of `x`."""
    return full(x.shape, value, x.dtype)
