"""Views that put tensors beside each other or take them apart, spelled as NumPy and PyTorch do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import Operand, normal_axis, promoted
from graphc.ir.ops.elementwise.arithmetic import subtract
from graphc.ir.ops.elementwise.logic import not_equal
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.views import slicing
from graphc.ir.ops.views.rearrange import (
    concat,
    expand_dims,
    flip,
    reshape,
    split,
    stack,
    transpose,
)
from graphc.ir.ops.views.shape import broadcast_to, divisible_hint
from graphc.ir.sizes import require_steps

__all__ = ["narrow"]


def _sliced(x: Node, axis: int, item: Any) -> Node:
    return index(x, (*(slice(None),) * axis, item))


# -- apart ----------------------------------------------------------------------------------------


@surface("narrow")
def narrow(x: Node, axis: int, start: DimLike, length: DimLike) -> Node:
    """`length` elements from `start` on, along an axis; a negative `start` counts from its end.

    Raises:
        ShapeError: they are not all there, or not at every size that a dim may have.
    """
    place = normal_axis(axis, len(x.shape), "narrow")
    size = x.shape[place]
    first = start + size if dims.always_less_equal(start, -1) else start
    bounds = ((0, first), (0, length), (first + length, size))
    if not all(dims.always_less_equal(low, high) for low, high in bounds):
        raise ShapeError(f"narrow: {length} elements from {start} on, of {size} along axis {place}")
    return _sliced(x, place, slice(first, first + length))


@surface("select")
@also_named(condlist="x", choicelist="axis", index="position", default="position")
def select(
    x: Node | Sequence[Node],
    axis: int | Sequence[Operand],
    position: Operand | DimLike | None = None,
) -> Node:
    """The elements at one position of an axis, which is removed; of lists, NumPy's `select`.

    `select(conditions, choices, default)` has at each place the element of the choice whose
    condition is the first that holds there, or the default, which is 0 if it is left out.

    Raises:
        UsageError: no position of a tensor, or lists that are empty or of different lengths.
    """
    if isinstance(x, Node):
        if position is None or not isinstance(axis, int):
            raise UsageError("select takes a tensor, an axis and a position", hint=_SELECT)
        return _sliced(x, normal_axis(axis, len(x.shape), "select"), position)
    if not isinstance(axis, list | tuple) or len(x) != len(axis) or not x:
        raise UsageError("select takes a choice for each condition, one at least", hint=_SELECT)
    if isinstance(position, Dim):
        raise UsageError("select: the default is a dim", hint="as a tensor it is asarray(dim)")
    *choices, found = promoted(*axis, 0 if position is None else position)
    for condition, choice in reversed(list(zip(x, choices, strict=True))):
        found = functions["where"](condition, choice, found)
    return found


_SELECT = "write select(x, axis, position), or select([conditions], [choices], default)"


@surface("unstack", "unbind")
def unstack(x: Node, axis: int = 0) -> tuple[Node, ...]:
    """The tensors that lie along an axis, one by one.

    Raises:
        ShapeError: the size of the axis, and so the number of tensors, differs from call to call.
    """
    place = normal_axis(axis, len(x.shape), "unstack")
    size = _known_size(x, place, "unstack", "loop over the rows: scan, or for row in range(...)")
    return tuple(_sliced(x, place, position) for position in range(size))


@surface("chunk")
def chunk(x: Node, chunks: int, axis: int = 0) -> tuple[Node, ...]:
    """At most `chunks` pieces of equal size along an axis; the last may be shorter.

    Raises:
        ShapeError: the size of the axis differs from call to call, and the number of pieces would.
    """
    if chunks < 1:
        raise UsageError(f"chunk: {chunks} pieces", hint="ask for one piece at least")
    place = normal_axis(axis, len(x.shape), "chunk")
    size = x.shape[place]
    piece = dims.ceil_div(size, chunks)
    last = size - (chunks - 1) * piece
    if dims.always_less_equal(1, last) or dims.divides(size, chunks):
        return split(x, [*[piece] * (chunks - 1), last], place)
    if isinstance(piece, int):
        return split(x, piece, place)
    raise ShapeError(
        f"chunk: axis {place} of {x.type} does not give {chunks} pieces for every {size}",
        hint=divisible_hint(size, chunks),
    )


@surface("tensor_split", "array_split")
def tensor_split(x: Node, sections: int | Sequence[DimLike], axis: int = 0) -> tuple[Node, ...]:
    """As many pieces as `sections`, the first ones longer by 1 at most; or cut at places."""
    place = normal_axis(axis, len(x.shape), "tensor_split")
    size = x.shape[place]
    if isinstance(sections, int):
        if sections < 1:
            raise UsageError(f"tensor_split: {sections} pieces", hint="ask for one at least")
        require_steps("tensor_split", sections)
        short, longer = size // sections, size % sections
        cuts = [i * short + dims.minimum(i, longer) for i in range(1, sections)]
    else:
        cuts = list(sections)
    bounds = [0, *cuts, size]
    return tuple(
        _sliced(x, place, slice(start, stop)) for start, stop in itertools.pairwise(bounds)
    )


def _known_size(x: Node, axis: int, name: str, instead: str) -> int:
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(
            f"{name}: axis {axis} of {x.type} has {size} elements, expected a fixed number",
            hint=f"how much comes out would differ from call to call; {instead}",
        )
    return size


# -- together -------------------------------------------------------------------------------------


@surface("atleast_1d")
def atleast_1d(x: Node) -> Node:
    """`x`, a single number as one row of one element."""
    return x if x.shape else reshape(x, 1)


@surface("atleast_2d")
def atleast_2d(x: Node) -> Node:
    """`x` with leading axes of size 1, to two axes at least."""
    return x if len(x.shape) >= 2 else expand_dims(atleast_1d(x), 0)


@surface("atleast_3d")
def atleast_3d(x: Node) -> Node:
    """`x` with axes of size 1, to three axes at least: a matrix gets one at its end."""
    return x if len(x.shape) >= 3 else expand_dims(atleast_2d(x), 2)


def _joined(name: str, least: Callable[[Node], Node], axis: int, doc: str) -> None:
    def call(tensors: Sequence[Node], *, dtype: DType | None = None) -> Node:
        parts = [least(tensor) for tensor in tensors]
        flat = axis == 1 and all(len(part.shape) == 1 for part in parts)
        return concat(parts, 0 if flat else axis, dtype=dtype)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    surface(name)(call)


_joined("hstack", atleast_1d, 1, "The tensors side by side: along axis 1, vectors along axis 0.")
_joined("vstack", atleast_2d, 0, "The tensors above each other: along axis 0, vectors as rows.")
_joined("dstack", atleast_3d, 2, "The tensors behind each other: along axis 2.")


@surface("column_stack")
def column_stack(tensors: Sequence[Node]) -> Node:
    """The tensors side by side, vectors as columns."""
    return concat([x if len(x.shape) > 1 else reshape(x, -1, 1) for x in tensors], 1)


def _apart(name: str, axis: int, doc: str) -> None:
    def call(x: Node, sections: int | Sequence[DimLike]) -> tuple[Node, ...]:
        if len(x.shape) <= (axis != 1) * axis:
            raise ShapeError(f"{name}: {x.type} has too few axes")
        return tensor_split(x, sections, min(axis, len(x.shape) - 1))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{doc} in equal parts, or before the positions `sections`."
    surface(name)(call)


_apart("hsplit", 1, "The tensor split along axis 1, a vector along axis 0,")
_apart("vsplit", 0, "The tensor split along axis 0")
_apart("dsplit", 2, "The tensor split along axis 2")


@surface("append")
@also_named(arr="x")
def append(x: Node, values: Node, axis: int | None = None) -> Node:
    """`values` after `x` along an axis; both flattened where there is none."""
    return concat((x, values), axis)


@surface("block_diag")
def block_diag(*tensors: Node) -> Node:
    """The matrix with the tensors as blocks along its diagonal, and zeros elsewhere.

    Vectors are rows.
    """
    blocks = promoted(*(atleast_2d(tensor) for tensor in tensors))
    if not blocks or any(len(block.shape) > 2 for block in blocks):
        raise ShapeError("block_diag takes one matrix or more")
    columns = [block.shape[1] for block in blocks]
    rows: list[Node] = []
    before: DimLike = 0
    for i, block in enumerate(blocks):
        after = sum(columns[i + 1 :])
        rows.append(slicing.pad(block, before=(0, before), after=(0, after), value=0))
        before += columns[i]
    return concat(rows, 0)


@surface("cartesian_prod")
def cartesian_prod(*vectors: Node) -> Node:
    """All rows with one element of each vector, the last vector's elements changing fastest."""
    if len(vectors) == 1:
        return vectors[0]
    grids = meshgrid(*promoted(*vectors), indexing="ij")
    return stack([functions["flatten"](grid) for grid in grids], -1)


MOST_ROWS = 1 << 20
"""Their positions are a table in the graph."""


@surface("combinations")
def combinations(x: Node, r: int = 2, with_replacement: bool = False) -> Node:
    """Rows of `r` elements of a vector, at ascending positions; at equal ones too if asked for."""
    if len(x.shape) != 1 or r < 1:
        raise ShapeError(f"combinations: {r} elements of {x.type}, expected a vector")
    size = _known_size(x, 0, "combinations", "cut x to the elements wanted")
    count = math.comb(size + r - 1 if with_replacement else size, r) if r <= MOST_ROWS else 0
    if r > MOST_ROWS or count * r > MOST_ROWS:
        raise UsageError(f"combinations: {r} of {size} elements", hint="there are too many")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(size), r))
    places = [place for row in rows for place in row]
    chosen: Node = functions["take"](x, places, axis=0)
    return reshape(chosen, len(rows), r)


@surface("meshgrid")
def meshgrid(
    *vectors: Node | Sequence[Node],
    indexing: Literal["xy", "ij"] = "xy",
    sparse: bool = False,
) -> tuple[Node, ...]:
    """The coordinates of a grid: one tensor for each vector, which varies along its axis alone.

    The vectors may be given as one list. sparse: the other axes have size 1.

    "xy" exchanges the first two axes, as is the custom for pictures.
    """
    if indexing not in ("xy", "ij"):
        raise UsageError(f"meshgrid: indexing is {indexing!r}", hint='use "xy" or "ij"')
    is_list = len(vectors) == 1 and isinstance(vectors[0], list | tuple)
    given: Sequence[Any] = vectors[0] if is_list else vectors  # type: ignore[assignment]
    if not all(isinstance(vector, Node) for vector in given):
        raise UsageError("meshgrid takes vectors", code="argument")
    if any(len(vector.shape) > 1 for vector in given):
        raise ShapeError("meshgrid takes vectors", hint="flatten them first")
    rows = [atleast_1d(vector) for vector in given]
    shape = tuple(row.shape[0] for row in rows)
    grids = []
    for axis, row in enumerate(rows):
        column = reshape(row, *(size if a == axis else 1 for a, size in enumerate(shape)))
        grid = column if sparse else broadcast_to(column, shape=shape)
        grids.append(transpose(grid, 0, 1) if indexing == "xy" and len(rows) > 1 else grid)
    return tuple(grids)


# -- turned, differences --------------------------------------------------------------------------


@surface("fliplr")
def fliplr(x: Node) -> Node:
    """The columns in reverse order."""
    return flip(x, 1)


@surface("flipud")
def flipud(x: Node) -> Node:
    """The rows in reverse order."""
    return flip(x, 0)


@surface("rot90")
def rot90(x: Node, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Node:
    """The plane of two axes turned `k` times by 90 degrees, from the first toward the second."""
    rank = len(x.shape)
    if len(axes) != 2:
        raise UsageError(f"rot90: {len(axes)} axes, expected two")
    first, second = (normal_axis(axis, rank, "rot90") for axis in axes)
    if first == second:
        raise ShapeError(f"rot90: axis {first} occurs twice", code="axis")
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, (first, second))
    return (
        transpose(flip(x, second), first, second)
        if turns == 1
        else flip(transpose(x, first, second), second)
    )


MOST_DIFFERENCES = 64
"""Each one is two slices and a subtraction in the graph."""


@surface("diff")
def diff(
    x: Node,
    axis: int = -1,
    n: int = 1,
    prepend: Node | None = None,
    append: Node | None = None,
) -> Node:
    """Each element less the one before it along an axis, `n` times; bools: whether they differ.

    `prepend` and `append` are joined to `x` first, unless `n` is 0.
    """
    if not 0 <= n <= MOST_DIFFERENCES:
        raise UsageError(
            f"diff: {n} times", hint=f"give a number of times from 0 to {MOST_DIFFERENCES}"
        )
    place = normal_axis(axis, len(x.shape), "diff")
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1 and n > 0:
        x = concat(parts, place)
    for _ in range(n):
        upper, lower = _sliced(x, place, slice(1, None)), _sliced(x, place, slice(None, -1))
        x = not_equal(upper, lower) if x.dtype.kind == "bool" else subtract(upper, lower)
    return x


surface("ravel")(functions["flatten"])
