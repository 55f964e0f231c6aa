"""Padding of the last axes as modules; each is `pad` in a mode.

Widths are one number for all sides, or pairs (before, after) as PyTorch orders them: those of the
last axis first. A negative width cuts.
"""

from __future__ import annotations

from graphc.errors import ShapeError, UsageError
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor, call

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Widths = int | tuple[int, ...] | list[int]


class _Padding(Module):
    _rank: int
    _mode = "constant"
    _value: float = 0

    def __init__(self, padding: Widths) -> None:
        widths = padding if isinstance(padding, list | tuple) else [padding] * 2 * self._rank
        if len(widths) != 2 * self._rank or not all(isinstance(width, int) for width in widths):
            raise UsageError(
                f"{type(self).__name__}: the padding is {padding!r}",
                hint=f"give a number, or {2 * self._rank}: those of the last axis first",
            )
        self._pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)][::-1]

    def forward(self, x: Tensor) -> Tensor:
        """`x` with elements around it.

        Raises:
            ShapeError: `x` has fewer axes, or they are too short for the mode.
        """
        kept = x.ndim - self._rank
        if kept < 0:
            raise ShapeError(
                f"{type(self).__name__} takes {self._rank} axes or more, and was given {x.type}"
            )
        result: Tensor = call("pad", x, [*[(0, 0)] * kept, *self._pairs], self._value, self._mode)
        return result


class _Constant(_Padding):
    def __init__(self, padding: Widths, value: float) -> None:
        super().__init__(padding)
        self._value = value


class CircularPad1d(_Padding):
    """What lies at the other end, around the last axis."""

    _rank, _mode = 1, "circular"


class CircularPad2d(_Padding):
    """What lies at the other end, around the last two axes."""

    _rank, _mode = 2, "circular"


class CircularPad3d(_Padding):
    """What lies at the other end, around the last three axes."""

    _rank, _mode = 3, "circular"


class ConstantPad1d(_Constant):
    """A number around the last axis."""

    _rank = 1


class ConstantPad2d(_Constant):
    """A number around the last two axes."""

    _rank = 2


class ConstantPad3d(_Constant):
    """A number around the last three axes."""

    _rank = 3


class ReflectionPad1d(_Padding):
    """What lies behind the border, mirrored at it, around the last axis."""

    _rank, _mode = 1, "reflect"


class ReflectionPad2d(_Padding):
    """What lies behind the border, mirrored at it, around the last two axes."""

    _rank, _mode = 2, "reflect"


class ReflectionPad3d(_Padding):
    """What lies behind the border, mirrored at it, around the last three axes."""

    _rank, _mode = 3, "reflect"


class ReplicationPad1d(_Padding):
    """The border, repeated around the last axis."""

    _rank, _mode = 1, "replicate"


class ReplicationPad2d(_Padding):
    """The border, repeated around the last two axes."""

    _rank, _mode = 2, "replicate"


class ReplicationPad3d(_Padding):
    """The border, repeated around the last three axes."""

    _rank, _mode = 3, "replicate"


class ZeroPad1d(_Padding):
    """Zeros around the last axis."""

    _rank = 1


class ZeroPad2d(_Padding):
    """Zeros around the last two axes."""

    _rank = 2


class ZeroPad3d(_Padding):
    """Zeros around the last three axes."""

    _rank = 3
