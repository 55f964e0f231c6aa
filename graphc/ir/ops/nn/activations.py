"""Activations of neural networks: GELU and its kin as ops, the others as compositions.

At a kink the derivative is that of the flat side, as `relu` has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import (
    Decomposition,
    GradientRule,
    Op,
    Refused,
    Sample,
    functions,
    surface,
)
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast, normal_axis, promoted
from graphc.ir.ops.conversion import cast_to, computed_wide, in_accumulator, rounded_once
from graphc.ir.ops.creation.constants import constant_like, ones_like, zeros_like
from graphc.ir.ops.elementwise.arithmetic import (
    absolute,
    add,
    divide,
    multiply,
    negative,
    relu,
    scaled,
    subtract,
)
from graphc.ir.ops.elementwise.declaration import SHAPES, require_float
from graphc.ir.ops.elementwise.logic import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    where,
)
from graphc.ir.ops.elementwise.transcendental import erf, exp, expm1, log1p, sigmoid, sqrt, tanh
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.nn.softmax import softmax_along
from graphc.ir.ops.views.shape import reshape
from graphc.ir.types import TensorType

__all__ = ["gelu", "gelu_tanh", "silu", "softplus"]

Array = np.ndarray[Any, Any]

# -- smooth activations with an op of their own ---------------------------------------------------


def _infer_activation(
    op: Op, operands: tuple[Node, ...], attributes: Mapping[str, Any]
) -> TensorType:
    require_float(op.name, operands[0].dtype)
    return operands[0].tensor


def _activation_samples() -> Iterable[Sample]:
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            for shape in SHAPES:
                yield Sample((TensorType(dtype, shape),), domain=(-6.0, 6.0))


def _activation(
    name: str,
    compute: Callable[[Array], Array],
    expand: Callable[[Node], Node],
    doc: str,
    gradient: GradientRule | None = None,
) -> Op:
    return Op(
        name,
        1,
        infer=_infer_activation,
        reference=computed_wide(lambda call, x: compute(x)),
        lowering=Decomposition(in_accumulator(lambda node, x: expand(x))),
        gradient=gradient,
        samples=_activation_samples,
        refused=lambda: (
            Refused((TensorType(dtypes.i32, (2,)),), {}, DTypeError),
            Refused((TensorType(dtypes.c64, (2,)),), {}, DTypeError),
        ),
        doc=doc,
    )


_ERF = np.frompyfunc(math.erf, 1, 1)
_SQRT_HALF = math.sqrt(0.5)
_GELU_SLOPE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


def _gelu_reference(x: Array) -> Array:
    bell = np.asarray(_ERF(x.astype(np.float64) * _SQRT_HALF)).astype(x.dtype)
    return np.asarray(x * 0.5 * (1 + bell)).astype(x.dtype, copy=False)


def _expand_gelu(x: Node) -> Node:
    return multiply(scaled(x, 0.5), add(ones_like(x), erf(scaled(x, _SQRT_HALF))))


def _gelu_tanh_reference(x: Array) -> Array:
    inner = _GELU_SLOPE * (x + _GELU_CUBIC * x * x * x)
    return np.asarray(0.5 * x * (1 + np.tanh(inner))).astype(x.dtype, copy=False)


def _expand_gelu_tanh(x: Node) -> Node:
    cubic = scaled(multiply(multiply(x, x), x), _GELU_CUBIC)
    bell = tanh(scaled(add(x, cubic), _GELU_SLOPE))
    return multiply(scaled(x, 0.5), add(ones_like(x), bell))


gelu = _activation(
    "gelu",
    _gelu_reference,
    _expand_gelu,
    "x times the normal distribution function of x, by erf (D. Hendrycks and K. Gimpel, 2016).",
)
gelu_tanh = _activation(
    "gelu_tanh",
    _gelu_tanh_reference,
    _expand_gelu_tanh,
    "The approximation of gelu by tanh (D. Hendrycks and K. Gimpel, 2016).",
)


def _silu_reference(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(x * np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


silu = _activation(
    "silu",
    _silu_reference,
    lambda x: multiply(x, sigmoid(x)),
    "x * sigmoid(x).",
)


def _softplus_reference(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, np.zeros((), x.dtype)))


softplus = _activation(
    "softplus",
    _softplus_reference,
    lambda x: add(relu(x), log1p(exp(negative(absolute(x))))),
    "log(1 + exp(x)), in the form that does not overflow.",
    # That of the decomposition is wrong at 0, where |x| has no derivative.
    gradient=lambda node, g: (multiply(g, sigmoid(node.inputs[0])),),
)


@surface("gelu")
def gelu_of(x: Node, approximate: Literal["none", "tanh"] | bool = "none") -> Node:
    """GELU, by erf or, for "tanh" or True, by its approximation with tanh."""
    if approximate not in ("none", "tanh", True, False):
        raise UsageError(f"gelu: approximate is {approximate!r}", hint='use "none" or "tanh"')
    return gelu_tanh(x) if approximate in ("tanh", True) else gelu(x)


@surface("silu", "swish")
def silu_of(x: Node) -> Node:
    """x * sigmoid(x)."""
    return multiply(x, functions["sigmoid"](x)) if x.dtype.kind == "complex" else silu(x)


@surface("softplus")
def softplus_of(x: Node, beta: float = 1.0, threshold: float = math.inf) -> Node:
    """log(1 + exp(beta * x)) / beta, in the form that does not overflow.

    It is `x` itself where beta * x is above `threshold`, as in PyTorch, whose threshold is 20.
    """
    if beta == 0:
        raise UsageError("softplus: beta is 0", hint="give a number other than 0")
    inner = x if beta == 1 else scaled(x, beta)
    curve = softplus(inner) if beta == 1 else scaled(softplus(inner), 1 / beta)
    if threshold == math.inf:
        return curve
    return where(greater(inner, constant_like(threshold, inner)), x, curve)


# -- linear pieces --------------------------------------------------------------------------------


def _limited(x: Node, low: float, high: float) -> Node:
    bottom, top = constant_like(low, x), constant_like(high, x)
    return where(less_equal(x, bottom), bottom, where(greater_equal(x, top), top, x))


@surface("hardtanh", "hard_tanh")
def hardtanh(x: Node, min_val: float = -1.0, max_val: float = 1.0) -> Node:
    """`x` limited to the range from `min_val` to `max_val`."""
    if min_val > max_val:
        raise UsageError(f"hardtanh: the range from {min_val} to {max_val} is empty")
    return _limited(x, min_val, max_val)


@surface("relu6")
def relu6(x: Node) -> Node:
    """`x` limited to the range from 0 to 6."""
    return _limited(x, 0.0, 6.0)


@surface("hardsigmoid", "hard_sigmoid")
@rounded_once
def hardsigmoid(x: Node) -> Node:
    """relu6(x + 3) / 6."""
    return scaled(relu6(add(x, constant_like(3.0, x))), 1 / 6)


@surface("hardswish", "hard_swish", "hard_silu")
@rounded_once
def hardswish(x: Node) -> Node:
    """x * relu6(x + 3) / 6 (A. Howard et al., 2019)."""
    return multiply(x, hardsigmoid(x))


@surface("threshold")
def threshold(x: Node, threshold: float, value: float) -> Node:
    """`x` where it is above `threshold`, else `value`; NaN for NaN."""
    is_below = less_equal(x, constant_like(threshold, x))
    return where(is_below, constant_like(value, x), x)


@surface("leaky_relu")
@rounded_once
def leaky_relu(x: Node, negative_slope: float = 0.01) -> Node:
    """x where it is positive, else x * negative_slope."""
    return where(greater(x, zeros_like(x)), x, scaled(x, negative_slope))


@surface("rrelu")
def rrelu(x: Node, lower: float = 1 / 8, upper: float = 1 / 3) -> Node:
    """`leaky_relu` with the mean of the slopes `lower` and `upper`: what it is in evaluation."""
    return leaky_relu(x, (lower + upper) / 2)


@surface("prelu")
def prelu(x: Node, weight: Node) -> Node:
    """x where it is positive, else x * weight: one weight, or one for each channel (axis 1)."""
    if weight.tensor.rank > 1:
        raise ShapeError(f"prelu: the weight is {weight.type}, expected one axis at most")
    if weight.tensor.size != 1:
        channels = x.shape[1 if len(x.shape) > 1 else 0] if x.shape else 1
        if not dims.always_equal(weight.shape[0], channels):
            raise ShapeError(f"prelu: weights {weight.type} for {channels} channels of {x.type}")
        after = max(len(x.shape) - 2, 0)
        weight = reshape(weight, shape=(*weight.shape, *(1,) * after))
    else:
        weight = reshape(weight, shape=())
    wide, slope = broadcast(*promoted(x, weight))
    return where(greater(wide, zeros_like(wide)), wide, multiply(wide, slope))


@surface("hardshrink")
@also_named(lambd="bound")
def hardshrink(x: Node, bound: float = 0.5) -> Node:
    """0 where |x| <= bound, else x."""
    low, high = constant_like(-bound, x), constant_like(bound, x)
    is_small = logical_and(greater_equal(x, low), less_equal(x, high))
    return where(is_small, zeros_like(x), x)


@surface("softshrink")
@also_named(lambd="bound")
def softshrink(x: Node, bound: float = 0.5) -> Node:
    """x moved by `bound` toward 0, and 0 where |x| <= bound."""
    shift = constant_like(bound, x)
    is_small = logical_and(greater_equal(x, negative(shift)), less_equal(x, shift))
    moved = where(less(x, zeros_like(x)), add(x, shift), subtract(x, shift))
    return where(is_small, zeros_like(x), moved)


@surface("sparse_plus")
@rounded_once
def sparse_plus(x: Node) -> Node:
    """0 up to -1, (x + 1)**2 / 4 up to 1, and x beyond."""
    one = ones_like(x)
    inside = less(absolute(x), one)
    above = where(inside, add(x, one), one)
    return where(inside, scaled(multiply(above, above), 0.25), relu(x))


@surface("sparse_sigmoid")
@rounded_once
def sparse_sigmoid(x: Node) -> Node:
    """0 up to -1, (x + 1) / 2 up to 1, and 1 beyond: the derivative of `sparse_plus`."""
    one = ones_like(x)
    inside = less(absolute(x), one)
    side = where(greater(x, zeros_like(x)), one, zeros_like(x))
    return where(inside, scaled(add(x, one), 0.5), where(equal(x, x), side, x))


# -- exponential pieces ---------------------------------------------------------------------------


@surface("elu")
@rounded_once
def elu(x: Node, alpha: float = 1.0) -> Node:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    zero = zeros_like(x)
    is_positive = greater(x, zero)
    # The branch not taken is kept in range, so that its derivative stays finite.
    return where(is_positive, x, scaled(expm1(where(is_positive, zero, x)), alpha))


@surface("celu")
@rounded_once
def celu(x: Node, alpha: float = 1.0) -> Node:
    """x where it is positive, else alpha * (exp(x / alpha) - 1) (J. T. Barron, 2017)."""
    if alpha == 0:
        raise UsageError("celu: alpha is 0", hint="alpha divides: give another number")
    zero = zeros_like(x)
    is_positive = greater(x, zero)
    below = scaled(where(is_positive, zero, x), 1 / alpha)
    return where(is_positive, x, scaled(expm1(below), alpha))


# The numbers for which zero mean and unit variance are a fixed point of the layers.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@surface("selu")
@rounded_once
def selu(x: Node) -> Node:
    """1.0507 * elu(x, 1.6733) (G. Klambauer et al., "Self-Normalizing Neural Networks", 2017)."""
    return scaled(elu(x, _SELU_ALPHA), _SELU_SCALE)


# -- smooth compositions --------------------------------------------------------------------------


@surface("logsigmoid", "log_sigmoid")
def logsigmoid(x: Node) -> Node:
    """log(sigmoid(x)), in the form that does not overflow."""
    return negative(softplus(negative(x)))


@surface("tanhshrink")
@rounded_once
def tanhshrink(x: Node) -> Node:
    """x - tanh(x)."""
    return subtract(x, tanh(x))


@surface("softsign", "soft_sign")
@rounded_once
def softsign(x: Node) -> Node:
    """x / (1 + |x|)."""
    size = absolute(x)
    return divide(x, cast_to(add(ones_like(size), size), x.dtype))


@surface("squareplus")
@rounded_once
def squareplus(x: Node, b: float = 4.0) -> Node:
    """(x + sqrt(x * x + b)) / 2 (J. T. Barron, 2021)."""
    return scaled(add(x, sqrt(add(multiply(x, x), constant_like(b, x)))), 0.5)


@surface("mish")
@rounded_once
def mish(x: Node) -> Node:
    """x * tanh(softplus(x)) (D. Misra, 2019)."""
    return multiply(x, tanh(softplus(x)))


@surface("softmin")
def softmin(x: Node, axis: int = -1, dtype: DType | None = None) -> Node:
    """softmax(-x) along an axis, of `x` in a dtype if one is given."""
    return softmax_along(negative(x if dtype is None else cast_to(x, dtype)), axis)


@surface("glu")
@rounded_once
def glu(x: Node, axis: int = -1) -> Node:
    """The first half of an axis times the sigmoid of the second (Y. Dauphin et al., 2016)."""
    place = normal_axis(axis, len(x.shape), "glu")
    size = x.shape[place]
    if not dims.divides(size, 2):
        raise ShapeError(f"glu: axis {place} of {x.type} does not split in halves")
    before = (slice(None),) * place
    value, gate = (index(x, (*before, slice(start, start + size // 2))) for start in (0, size // 2))
    return multiply(value, sigmoid(gate))
