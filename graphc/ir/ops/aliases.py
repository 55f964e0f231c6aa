"""Names that other libraries have for what is here under another one, or what one call says here.

They take the arguments of their library: `jax.lax` names the axis of a slice and the places of
several, `torch` has older spellings.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import normal_axes, normal_axis

# Imported, so that what has other names here is declared.
from graphc.ir.ops.contraction import (  # noqa: F401
    matmul,
    vector_products,
)
from graphc.ir.ops.creation import (  # noqa: F401
    asarray,
)
from graphc.ir.ops.elementwise import (  # noqa: F401
    composed,
    logic,
)
from graphc.ir.ops.reductions import (  # noqa: F401
    reduction,
)
from graphc.ir.ops.sorting import (  # noqa: F401
    sort,
)
from graphc.ir.ops.views import (  # noqa: F401
    rearrange,
    stacking,
)

__all__: list[str] = []

F = functions

_NAMES = {
    "bitwise_invert": "invert",
    "flip": "rev",
    "fmod": "rem",
    "isfinite": "is_finite",
    "matmul": "batch_matmul",
    "outer": "ger",
    "pow": "integer_pow",
    "swapaxes": "swapdims",
    "topk": "top_k",
    "vstack": "row_stack",
    **{name: f"reduce_{name}" for name in ("max", "min", "sum", "prod")},
    "all": "reduce_and",
    "any": "reduce_or",
    "astype": "convert_element_type",
}
for _known, _other in _NAMES.items():
    surface(_other)(functions[_known])


# -- slices along one axis ------------------------------------------------------------------------


@surface("slice_in_dim")
def slice_in_dim(
    x: Node, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Node:
    """Every `stride`-th element along an axis, from a start before a limit; `x[start:limit]`."""
    place = normal_axis(axis, len(x.shape), "slice_in_dim")
    items = (*(slice(None),) * place, slice(start_index, limit_index, stride))
    return F["index"](x, items)  # type: ignore[no-any-return]


@surface("index_in_dim")
def index_in_dim(x: Node, index: int, axis: int = 0, keepdims: bool = True) -> Node:
    """What lies at an index along an axis."""
    place = normal_axis(axis, len(x.shape), "index_in_dim")
    found: Node = F["index"](x, (*(slice(None),) * place, index))
    return F["expand_dims"](found, place) if keepdims else found


def _starts(name: str, x: Node, start: Node | int, axis: int) -> tuple[list[Node | int], int]:
    """Where a window begins that is all of `x` but along an axis."""
    place = normal_axis(axis, len(x.shape), name)
    starts: list[Node | int] = [0] * len(x.shape)
    starts[place] = start
    return starts, place


@surface("dynamic_slice_in_dim")
def dynamic_slice_in_dim(x: Node, start_index: Node | int, slice_size: int, axis: int = 0) -> Node:
    """`dynamic_slice` along one axis."""
    starts, place = _starts("dynamic_slice_in_dim", x, start_index, axis)
    sizes = [slice_size if i == place else n for i, n in enumerate(x.shape)]
    return F["dynamic_slice"](x, starts, sizes)  # type: ignore[no-any-return]


@surface("dynamic_index_in_dim")
def dynamic_index_in_dim(x: Node, index: Node | int, axis: int = 0, keepdims: bool = True) -> Node:
    """What lies at an index along an axis, where the index is data; moved inside."""
    found = dynamic_slice_in_dim(x, index, 1, axis)
    return found if keepdims else F["squeeze"](found, axis)


@surface("dynamic_update_slice_in_dim")
def dynamic_update_slice_in_dim(x: Node, update: Node, start_index: Node | int, axis: int) -> Node:
    """`dynamic_update_slice` along one axis."""
    starts, _ = _starts("dynamic_update_slice_in_dim", x, start_index, axis)
    return F["dynamic_update_slice"](x, update, starts)  # type: ignore[no-any-return]


@surface("dynamic_update_index_in_dim")
def dynamic_update_index_in_dim(x: Node, update: Node, index: Node | int, axis: int) -> Node:
    """`x` with what lies at an index along an axis replaced; see `dynamic_index_in_dim`."""
    if len(update.shape) < len(x.shape):
        update = F["expand_dims"](update, axis)
    return dynamic_update_slice_in_dim(x, update, index, axis)


# -- shapes, choices, products --------------------------------------------------------------------


@surface("broadcast_in_dim")
def broadcast_in_dim(
    x: Node, shape: Sequence[DimLike], broadcast_dimensions: Sequence[int]
) -> Node:
    """`x` in a shape that has its axes at `broadcast_dimensions`, and repeats it on the others."""
    places = normal_axes(tuple(broadcast_dimensions), len(shape), "broadcast_in_dim")
    if list(places) != [place % max(len(shape), 1) for place in broadcast_dimensions]:
        raise UsageError(f"broadcast_in_dim: axes {broadcast_dimensions} are not in order")
    if len(places) != len(x.shape):
        raise ShapeError(f"broadcast_in_dim: axes {list(places)} for {x.type}")
    sizes: list[DimLike] = [1] * len(shape)
    for place, size in zip(places, x.shape, strict=True):
        sizes[place] = size
    return F["broadcast_to"](F["reshape"](x, tuple(sizes)), tuple(shape))  # type: ignore[no-any-return]


@surface("collapse")
def collapse(x: Node, start_dimension: int, stop_dimension: int | None = None) -> Node:
    """`x` with the axes from one before another as a single one."""
    stop = len(x.shape) if stop_dimension is None else stop_dimension
    return F["flatten"](x, start_dimension, stop - 1)  # type: ignore[no-any-return]


@surface("select_n")
def select_n(which: Node, *cases: Node) -> Node:
    """At each place the element of the case that `which` numbers; of two, the second where True."""
    if which.dtype.kind == "bool":
        if len(cases) != 2:
            raise UsageError(f"select_n: {len(cases)} cases of a truth", hint="give two")
        return F["where"](which, cases[1], cases[0])  # type: ignore[no-any-return]
    return F["choose"](which, cases)  # type: ignore[no-any-return]


@surface("sort_key_val")
def sort_key_val(keys: Node, values: Node, dimension: int = -1) -> tuple[Node, Node]:
    """Keys in order along an axis, and values in the order of their keys."""
    order = F["argsort"](keys, dimension)
    taken = F["take_along_axis"]
    return taken(keys, order, axis=dimension), taken(values, order, axis=dimension)


@surface("dot_general")
def dot_general(
    x: Node,
    y: Node,
    dimension_numbers: Sequence[Sequence[Sequence[int]]],
) -> Node:
    """Products summed over pairs of axes; the result has those in common, then all others.

    dimension_numbers: the axes of x and of y that are summed over, and those in common.
    """
    pairs = _pairs(x, y, dimension_numbers)
    letters = iter(string.ascii_letters)
    of_x: dict[int, str] = {}
    of_y: dict[int, str] = {}
    for i, j in pairs:
        of_x[i] = of_y[j] = next(letters)
    count = len(dimension_numbers[1][0])
    common = [of_x[i] for i, _ in pairs[:count]]
    free = []
    for named, node in ((of_x, x), (of_y, y)):
        for axis, _ in enumerate(node.shape):
            if axis not in named:
                named[axis] = next(letters)
                free.append(named[axis])
    left, right = ("".join(named[i] for i in sorted(named)) for named in (of_x, of_y))
    return F["einsum"](f"{left},{right}->{''.join([*common, *free])}", x, y)  # type: ignore[no-any-return]


def _pairs(x: Node, y: Node, given: Sequence[Sequence[Sequence[int]]]) -> list[tuple[int, int]]:
    """The axes that `dot_general` pairs: those in common, then those summed over."""
    fits = len(given) == 2 and all(
        len(pair) == 2 and len(pair[0]) == len(pair[1]) for pair in given
    )
    if not fits:
        raise UsageError(
            f"dot_general: dimension_numbers {given!r}",
            hint="give ((axes of x, axes of y), (axes of x, axes of y)), of equal lengths",
        )
    pairs = []
    for of_x, of_y in (given[1], given[0]):
        for i, j in zip(of_x, of_y, strict=True):
            one = normal_axis(i, len(x.shape), "dot_general")
            other = normal_axis(j, len(y.shape), "dot_general")
            if not dims.always_equal(x.shape[one], y.shape[other]):
                raise ShapeError(f"dot_general: axes {i} of {x.type} and {j} of {y.type} differ")
            pairs.append((one, other))
    return pairs
