"""Views of views: reshapes, permutations, broadcasts, slices, pads and concatenations meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import Op
from graphc.ir.ops.creation.constants import full
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.shape import broadcast_to, flip, permute_dims, reshape
from graphc.ir.ops.views.slicing import concat, pad, slice_
from graphc.passes.rules.rule import Rule, scalar_below

__all__ = ["RULES"]

Shape = tuple[DimLike, ...]


def _example(*shape: int) -> Node:
    return graph_input("x", dtypes.f32, shape)


def _moved(x: Node, node: Node) -> Node | None:
    """`x` where it has the type of `node`: equal dims may be written in two ways."""
    return x if x.type is node.type else None


# -- views that change nothing --------------------------------------------------------------------


def _same_shape(node: Node) -> Node | None:
    return node.inputs[0] if node.shape == node.inputs[0].shape else None


def _permute_nothing(node: Node) -> Node | None:
    """A permutation that keeps the order of all axes longer than 1 is a reshape."""
    long_axes = [axis for axis in node["axes"] if node.inputs[0].shape[axis] != 1]
    return reshape(node.inputs[0], shape=node.shape) if long_axes == sorted(long_axes) else None


def _slice_all(node: Node) -> Node | None:
    x = node.inputs[0]
    is_all = all(start == 0 for start in node["start"]) and all(by == 1 for by in node["step"])
    return x if is_all and tuple(node["stop"]) == x.shape else None


def _pad_nothing(node: Node) -> Node | None:
    is_nothing = all(width == 0 for width in (*node["before"], *node["after"]))
    return node.inputs[0] if is_nothing else None


def _flip_short(node: Node) -> Node | None:
    axes = tuple(axis for axis in node["axes"] if node.shape[axis] not in (0, 1))
    if not axes:
        return node.inputs[0]
    return flip(node.inputs[0], axes=axes) if axes != node["axes"] else None


def _concat_one(node: Node) -> Node | None:
    """Parts of extent 0 add nothing; one part alone is the result."""
    parts = [part for part in node.inputs if part.shape[node["axis"]] != 0] or node.inputs[:1]
    if len(parts) == len(node.inputs) > 1:
        return None
    return _moved(parts[0] if len(parts) == 1 else concat(*parts, axis=node["axis"]), node)


def _view_of_filled(node: Node) -> Node | None:
    scalar = scalar_below(node.inputs[0])
    is_plain = scalar is None or (node.op is broadcast_to and node.inputs[0] is scalar)
    if is_plain or scalar is None:
        return None
    return broadcast_to(scalar, shape=node.shape) if node.shape else scalar


_NOTHING = (
    Rule(
        "reshape to the same shape",
        (reshape,),
        _same_shape,
        lambda: (reshape(_example(2, 3), shape=(2, 3)), reshape(_example(), shape=())),
    ),
    Rule(
        "broadcast to the same shape",
        (broadcast_to,),
        _same_shape,
        lambda: (broadcast_to(_example(2, 1), shape=(2, 1)),),
    ),
    Rule(
        "permutation that keeps the order",
        (permute_dims,),
        _permute_nothing,
        lambda: (
            permute_dims(_example(2, 3), axes=(0, 1)),
            permute_dims(_example(2, 1, 3, 1), axes=(3, 0, 2, 1)),
            permute_dims(_example(), axes=()),
        ),
    ),
    Rule(
        "slice of everything",
        (slice_,),
        _slice_all,
        lambda: (slice_(_example(2, 0), start=(0, 0), stop=(2, 0), step=(1, 1)),),
    ),
    Rule(
        "pad by nothing",
        (pad,),
        _pad_nothing,
        lambda: (pad(_example(2, 3), before=(0, 0), after=(0, 0), value=1.5),),
    ),
    Rule(
        "flip of short axes",
        (flip,),
        _flip_short,
        lambda: (
            flip(_example(2, 1, 3), axes=(1, 2)),
            flip(_example(2, 1), axes=(1,)),
            flip(_example(3), axes=()),
        ),
    ),
    Rule(
        "concat of one part",
        (concat,),
        _concat_one,
        lambda: (
            concat(_example(2, 3), axis=1),
            concat(_example(2, 3), _example(2, 0), axis=1),
            concat(_example(2, 0), _example(2, 3), _example(2, 3), axis=1),
            concat(_example(0), _example(0), axis=0),
        ),
    ),
    Rule(
        "view of a filled tensor",
        (reshape, permute_dims, broadcast_to, slice_, flip),
        _view_of_filled,
        lambda: _filled_examples(),
    ),
)


def _filled_examples() -> Iterator[Node]:
    filled = broadcast_to(_example(), shape=(2, 1, 3))
    yield reshape(filled, shape=(6,))
    yield reshape(broadcast_to(_example(), shape=(1,)), shape=())
    yield permute_dims(filled, axes=(2, 0, 1))
    yield broadcast_to(filled, shape=(4, 2, 5, 3))
    yield slice_(filled, start=(0, 0, 1), stop=(2, 1, 3), step=(1, 1, 2))
    yield flip(filled, axes=(2,))
    yield reshape(full((2, 3), -0.0), shape=(3, 2))


# -- views of views -------------------------------------------------------------------------------


def _composed(
    op: Op, compose: Callable[[Node, Node], Node | None]
) -> Callable[[Node], Node | None]:
    def apply(node: Node) -> Node | None:
        inner = node.inputs[0]
        return compose(inner, node) if inner.op is op else None

    return apply


def _permute_permute(inner: Node, node: Node) -> Node:
    axes = tuple(inner["axes"][axis] for axis in node["axes"])
    return permute_dims(inner.inputs[0], axes=axes)


def _permute_reshape(inner: Node, node: Node) -> Node | None:
    """A reshape that adds axes of size 1 comes after the permutation, where it meets others."""
    x = inner.inputs[0]
    long_axes = [axis for axis, size in enumerate(inner.shape) if size != 1]
    sizes = tuple(inner.shape[axis] for axis in long_axes)
    if len(long_axes) == len(inner.shape) or sizes != tuple(s for s in x.shape if s != 1):
        return None
    axes = tuple(long_axes.index(axis) for axis in node["axes"] if axis in long_axes)
    return reshape(permute_dims(reshape(x, shape=sizes), axes=axes), shape=node.shape)


def _broadcast_reshape(inner: Node, node: Node) -> Node | None:
    """Leading axes of size 1 are what broadcasting adds itself."""
    x = inner.inputs[0]
    added = len(inner.shape) - len(x.shape)
    if added < 1 or inner.shape != (1,) * added + x.shape:
        return None
    return broadcast_to(x, shape=node.shape)


def _slice_slice(inner: Node, node: Node) -> Node | None:
    start, stop, step = [], [], []
    outer = zip(node["start"], node["stop"], node["step"], strict=True)
    for (a, b, by), first, stride in zip(outer, inner["start"], inner["step"], strict=True):
        if stride != 1 and not dims.always_less_equal(a + 1, b):
            return None
        start.append(first + a * stride)
        # One past the last element, which is not a multiple of the stride away.
        stop.append(first + b if stride == 1 else first + (b - 1) * stride + 1)
        step.append(by * stride)
    x = inner.inputs[0]
    return _moved(slice_(x, start=tuple(start), stop=tuple(stop), step=tuple(step)), node)


def _inside(node: Node, starts: Sequence[DimLike], shape: Shape, x: Node) -> Node | None:
    """The slice `node` taken from `x`, if it lies in `x`, whose corner stands at `starts`."""
    for a, b, first, size in zip(node["start"], node["stop"], starts, shape, strict=True):
        is_inside = dims.always_less_equal(first, a) and dims.always_less_equal(b, first + size)
        if not is_inside:
            return None
    start = tuple(a - first for a, first in zip(node["start"], starts, strict=True))
    stop = tuple(b - first for b, first in zip(node["stop"], starts, strict=True))
    return _moved(slice_(x, start=start, stop=stop, step=node["step"]), node)


def _slice_pad(inner: Node, node: Node) -> Node | None:
    x = inner.inputs[0]
    return _inside(node, inner["before"], x.shape, x)


def _slice_concat(inner: Node, node: Node) -> Node | None:
    axis, offset = inner["axis"], 0
    for part in inner.inputs:
        starts = tuple(offset if i == axis else 0 for i in range(len(part.shape)))
        found = _inside(node, starts, part.shape, part)
        if found is not None:
            return found
        offset = offset + part.shape[axis]
    return None


def _pad_pad(inner: Node, node: Node) -> Node | None:
    # The texts tell 0.0 from -0.0, and take a NaN for a NaN.
    if repr(inner["value"]) != repr(node["value"]):
        return None
    before = tuple(a + b for a, b in zip(inner["before"], node["before"], strict=True))
    after = tuple(a + b for a, b in zip(inner["after"], node["after"], strict=True))
    return pad(inner.inputs[0], before=before, after=after, value=node["value"])


def _flip_flip(inner: Node, node: Node) -> Node:
    axes = tuple(sorted({*inner["axes"]} ^ {*node["axes"]}))
    return flip(inner.inputs[0], axes=axes)


def _concat_concat(node: Node) -> Node | None:
    axis = node["axis"]
    parts: list[Node] = []
    for part in node.inputs:
        is_same = part.op is concat and part["axis"] == axis
        parts += part.inputs if is_same else (part,)
    if len(parts) == len(node.inputs):
        return None
    return _moved(concat(*parts, axis=axis), node)


_COMPOSED = (
    Rule(
        "reshape of reshape",
        (reshape,),
        _composed(reshape, lambda inner, node: reshape(inner.inputs[0], shape=node.shape)),
        lambda: (
            reshape(reshape(_example(4, 6), shape=(3, 8)), shape=(2, 12)),
            reshape(reshape(_example(0, 6), shape=(3, 0)), shape=(0,)),
        ),
    ),
    Rule(
        "permutation of permutation",
        (permute_dims,),
        _composed(permute_dims, _permute_permute),
        lambda: (permute_dims(permute_dims(_example(2, 3, 4), axes=(2, 0, 1)), axes=(1, 0, 2)),),
    ),
    Rule(
        "permutation of added axes of size 1",
        (permute_dims,),
        _composed(reshape, _permute_reshape),
        lambda: (
            permute_dims(reshape(_example(2, 3), shape=(2, 1, 3)), axes=(1, 2, 0)),
            permute_dims(reshape(_example(2, 1, 3, 0), shape=(2, 3, 1, 0)), axes=(3, 2, 1, 0)),
            permute_dims(reshape(_example(5, 1), shape=(1, 1, 5)), axes=(2, 0, 1)),
        ),
    ),
    Rule(
        "broadcast of broadcast",
        (broadcast_to,),
        _composed(
            broadcast_to, lambda inner, node: broadcast_to(inner.inputs[0], shape=node.shape)
        ),
        lambda: (broadcast_to(broadcast_to(_example(3, 1), shape=(1, 3, 4)), shape=(2, 3, 4)),),
    ),
    Rule(
        "broadcast of new leading axes",
        (broadcast_to,),
        _composed(reshape, _broadcast_reshape),
        lambda: (broadcast_to(reshape(_example(3, 1), shape=(1, 3, 1)), shape=(2, 3, 4)),),
    ),
    Rule(
        "slice of slice",
        (slice_,),
        _composed(slice_, _slice_slice),
        lambda: _slice_examples(slice_(_example(40), start=(2,), stop=(39,), step=(3,))),
    ),
    Rule(
        "slice of pad",
        (slice_,),
        _composed(pad, _slice_pad),
        lambda: _slice_examples(pad(_example(12), before=(1,), after=(2,), value=0.0)),
    ),
    Rule(
        "slice of concat",
        (slice_,),
        _composed(concat, _slice_concat),
        lambda: _slice_examples(concat(_example(1), _example(12), axis=0)),
    ),
    Rule(
        "pad of pad",
        (pad,),
        _composed(pad, _pad_pad),
        lambda: (
            pad(pad(_example(2), before=(1,), after=(0,), value=0), before=(2,), after=(3,)),
            pad(pad(_example(0), before=(1,), after=(0,)), before=(0,), after=(3,)),
        ),
    ),
    Rule(
        "flip of flip",
        (flip,),
        _composed(flip, _flip_flip),
        lambda: (
            flip(flip(_example(2, 3, 4), axes=(0, 1)), axes=(1, 2)),
            flip(flip(_example(2, 3), axes=(0,)), axes=(0,)),
        ),
    ),
    Rule(
        "concat of concat",
        (concat,),
        _concat_concat,
        lambda: (concat(concat(_example(2), _example(3), axis=0), _example(4), axis=0),),
    ),
)


def _slice_examples(x: Node) -> Iterator[Node]:
    for start, stop, step in ((1, 12, 2), (1, 2, 1), (3, 11, 4)):
        yield slice_(x, start=(start,), stop=(stop,), step=(step,))


RULES: tuple[Rule, ...] = (*_NOTHING, *_COMPOSED)
