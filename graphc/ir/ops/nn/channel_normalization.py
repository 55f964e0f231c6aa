"""Normalisations of tensors [batch, channels, ...]: by batch, group, example or neighbours."""

from __future__ import annotations

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import broadcast
from graphc.ir.ops.conversion import cast_to, rounded_once
from graphc.ir.ops.creation.constants import constant_like
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, power, scaled, subtract
from graphc.ir.ops.elementwise.declaration import require_computable
from graphc.ir.ops.elementwise.transcendental import rsqrt
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.nn.normalization import layer_norm
from graphc.ir.ops.views.rearrange import reshape
from graphc.ir.ops.views.slicing import pad
from graphc.ir.sizes import require_steps

__all__: list[str] = []


def _require_channels(name: str, x: Node) -> None:
    if len(x.shape) < 2:
        raise ShapeError(
            f"{name}: {x.type} has no channels", hint="expected [batch, channels, ...]"
        )
    require_computable(name, x.dtype)


def _by_channel(vector: Node, x: Node) -> Node:
    """A vector with one number for each channel, in the shape and dtype of `x`."""
    if len(vector.shape) != 1 or not dims.always_equal(vector.shape[0], x.shape[1]):
        raise ShapeError(f"{vector.type} for {x.shape[1]} channels of {x.type}")
    column = reshape(vector, vector.shape[0], *(1,) * (len(x.shape) - 2))
    return broadcast(cast_to(column, x.dtype), x)[0]


def _affine(y: Node, weight: Node | None, bias: Node | None) -> Node:
    if weight is not None:
        y = multiply(y, _by_channel(weight, y))
    return y if bias is None else add(y, _by_channel(bias, y))


@surface("batch_norm")
@rounded_once
def batch_norm(
    x: Node,
    running_mean: Node | None = None,
    running_var: Node | None = None,
    weight: Node | None = None,
    bias: Node | None = None,
    training: bool = False,
    *,
    eps: float = 1e-5,
) -> Node:
    """Each channel less its mean, over its standard deviation (S. Ioffe and C. Szegedy, 2015).

    In training, and where no running moments are given, the moments are those of `x`; a layer
    that keeps running moments updates them itself.
    """
    _require_channels("batch_norm", x)
    wide = cast_to(x, x.dtype.accumulator)
    if training or running_mean is None or running_var is None:
        if not training and (running_mean is None) != (running_var is None):
            raise UsageError("batch_norm: one running moment is given", hint="give both, or none")
        axes = tuple(axis for axis in range(len(x.shape)) if axis != 1)
        mean: Node = functions["mean"](wide, axis=axes)
        variance: Node = functions["var"](wide, axis=axes)
    else:
        mean, variance = (cast_to(m, wide.dtype) for m in (running_mean, running_var))
    scale = rsqrt(add(variance, constant_like(eps, variance)))
    normal = multiply(subtract(wide, _by_channel(mean, wide)), _by_channel(scale, wide))
    return cast_to(_affine(normal, weight, bias), x.dtype)


@surface("group_norm")
@rounded_once
def group_norm(
    x: Node,
    num_groups: int,
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
) -> Node:
    """Each group of channels of each example, normalised (Y. Wu and K. He, 2018)."""
    _require_channels("group_norm", x)
    if num_groups < 1 or not dims.divides(x.shape[1], num_groups):
        raise ShapeError(f"group_norm: {x.shape[1]} channels in {num_groups} groups")
    rows: DimLike = dims.product(x.shape[1:]) // num_groups
    grouped = reshape(x, x.shape[0], num_groups, rows)
    normal = reshape(layer_norm(grouped, axes=1, eps=float(eps)), *x.shape)
    return _affine(normal, weight, bias)


@surface("instance_norm")
@rounded_once
def instance_norm(
    x: Node,
    running_mean: Node | None = None,
    running_var: Node | None = None,
    weight: Node | None = None,
    bias: Node | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Node:
    """Each channel of each example, normalised (D. Ulyanov et al., 2016).

    Without `use_input_stats` the moments are running ones; a layer that keeps these updates them
    itself. `momentum` is accepted as PyTorch has it: a function moves none.
    """
    if len(x.shape) < 3:
        raise ShapeError(f"instance_norm: {x.type} has no axes after the channels")
    has_running = running_mean is not None and running_var is not None
    if has_running is use_input_stats or (running_mean is None) != (running_var is None):
        raise UsageError(
            "instance_norm takes two running moments, or those of the operand",
            hint="give weight= and bias= by name, and use_input_stats=False with running moments",
        )
    if has_running:
        normal: Node = batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
        return normal
    return _affine(layer_norm(x, axes=len(x.shape) - 2, eps=float(eps)), weight, bias)


@surface("local_response_norm")
def local_response_norm(
    x: Node, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Node:
    """x / (k + alpha * mean of x*x over `size` neighbouring channels) ** beta.

    A. Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    """
    _require_channels("local_response_norm", x)
    if size < 1:
        raise UsageError(f"local_response_norm: {size} channels", hint="ask for one at least")
    require_steps("local_response_norm", size)
    wide = cast_to(x, x.dtype.accumulator)
    before, after = (
        tuple(width if axis == 1 else 0 for axis in range(len(x.shape)))
        for width in (size // 2, (size - 1) // 2)
    )
    squares = pad(multiply(wide, wide), before=before, after=after, value=0.0)
    total = None
    for offset in range(size):
        part = index(squares, (slice(None), slice(offset, offset + x.shape[1])))
        total = part if total is None else add(total, part)
    assert total is not None
    base = add(scaled(total, alpha / size), constant_like(k, total))
    return cast_to(divide(wide, power(base, constant_like(beta, base))), x.dtype)
