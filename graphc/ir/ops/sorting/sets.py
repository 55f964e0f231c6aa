"""What two sets have in common, and what not: values in ascending order, each once.

How many there are is data, so the size of a result is given; fewer values are followed by a value
to fill with, and those beyond are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import offer
from graphc.ir.ops.broadcasting import normal_axis, promoted
from graphc.ir.ops.creation.constants import known_values, zeros_like
from graphc.ir.ops.elementwise.logic import logical_and, logical_not, not_equal
from graphc.ir.ops.sorting.repeated_values import begins

__all__: list[str] = []

F = functions


@surface("compress")
def compress(
    condition: Node,
    x: Node,
    axis: int | None = None,
    *,
    size: DimLike | None = None,
    fill_value: PythonScalar | None = None,
) -> Node:
    """The slices of `x` along an axis (its elements by default) for which a condition [N] holds.

    Args:
        condition: for each of the first N.
        x: of any shape.
        axis: of the slices.
        size: how many there are in the result: the shape cannot depend on data. As many as a
            condition that is a constant chooses, by default.
        fill_value: what stands where there are fewer; 0, or False of truths, unless given.

    Raises:
        UsageError: there is no size, and the condition is no constant.
        ShapeError: a constant chooses slices that there are not.
    """
    if len(condition.shape) != 1:
        raise ShapeError(f"compress: the condition is {condition.type}, expected a vector")
    if axis is None:
        x, axis = F["flatten"](x), 0
    if size is None:
        return _at_constant(condition, x, axis)
    places = F["flatnonzero"](condition, size)
    found = F["take"](x, F["maximum"](places, 0), axis=axis)
    shape = [1] * len(x.shape)
    shape[axis] = -1
    is_there = F["reshape"](F["greater_equal"](places, 0), tuple(shape))
    filler = zeros_like(found) if fill_value is None else fill_value
    return F["where"](is_there, found, filler)  # type: ignore[no-any-return]


def _at_constant(condition: Node, x: Node, axis: int) -> Node:
    known = known_values(condition)
    if known is None:
        raise _of_unknown_size("compress")
    places: list[int] = np.flatnonzero(known).tolist()
    count = x.shape[normal_axis(axis, len(x.shape), "compress")]
    if places and not dims.always_less_equal(places[-1] + 1, count):
        raise ShapeError(f"compress: the condition holds at {places[-1]}, of {count} slices")
    return F["take"](x, places, axis=axis)  # type: ignore[no-any-return]


def _of_unknown_size(name: str) -> UsageError:
    return UsageError(
        f"{name}: the shape of the result depends on data, and shapes are known before a run",
        code="data-dependent-shape",
        hint="give a bound, size=n",
    )


@surface("extract")
def extract(
    condition: Node, x: Node, *, size: DimLike | None = None, fill_value: PythonScalar | None = None
) -> Node:
    """The elements of `x` for which a condition holds; see `compress`."""
    known = known_values(condition)
    flat = F["flatten"](condition) if known is None else F["asarray"](known.ravel())
    return compress(flat, F["flatten"](x), 0, size=size, fill_value=fill_value)


@surface("choose")
def choose(x: Node, choices: Sequence[Node], mode: Literal["clip", "wrap"] = "clip") -> Node:
    """At each place the element there of the tensor of `choices` whose number `x` has.

    mode: numbers out of range are those of the nearest end ("clip"), or go on at the other end
    ("wrap").
    """
    if not choices or mode not in ("clip", "wrap"):
        raise UsageError(
            f"choose: {len(choices)} choices, mode {mode!r}", hint='mode is "clip" or "wrap"'
        )
    if not x.dtype.is_integer:
        raise UsageError(f"choose: the numbers are {x.type}, expected integers")
    count = len(choices)
    place = F["clip"](x, 0, count - 1) if mode == "clip" else F["remainder"](x, count)
    place, *tensors = F["broadcast_arrays"](place, *promoted(*choices))
    found: Node = tensors[0]
    for number, one in enumerate(tensors[1:], 1):
        found = F["where"](F["equal"](place, number), one, found)
    return found


# -- two sets -------------------------------------------------------------------------------------


def _declare(name: str, keep: Callable[[Node, Node], Node] | None, doc: str) -> None:
    """A function of two sets; `keep` says by which of them a value is in whether it is kept."""

    def call(
        x: Node, y: Node, *, size: DimLike | None = None, fill_value: PythonScalar | None = None
    ) -> Node:
        if size is None:
            raise _of_unknown_size(name)
        x, y = promoted(F["flatten"](x), F["flatten"](y))
        values = F["sort"](F["concat"]((x, y), 0))
        kept = begins(values)
        if keep is not None:
            kept = logical_and(kept, keep(F["isin"](values, x), F["isin"](values, y)))
        return extract(kept, values, size=size, fill_value=fill_value)

    offer(call, name, f"{doc}, the first `size` of them in ascending order; NaN differs from NaN.")


_declare("intersect1d", logical_and, "The values that are in `x` and in `y`")
_declare(
    "setdiff1d",
    lambda in_x, in_y: logical_and(in_x, logical_not(in_y)),
    "The values that are in `x` and not in `y`",
)
_declare("setxor1d", not_equal, "The values that are in one of `x` and `y` alone")
_declare("union1d", None, "The values that are in `x` or in `y`")
