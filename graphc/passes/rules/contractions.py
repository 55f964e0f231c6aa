"""Matrix products recognised where they are written as sums of products.

Index notation becomes a product of two broadcast operands and a sum: `c[i, j] = sum[k] a[i, k]
* b[k, j]` multiplies a as (i, 1, k) with b as (1, j, k) and sums over k. Each axis of such a
product belongs to one of four groups, by where it occurs:

    batch   in both operands, kept          M   in the first only, kept
    K       in both operands, summed        N   in the second only, kept

The result is the matrix product of (batch, M, K) with (batch, K, N). It adds the same products
in an order of its own, as every sum may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.ops.contraction.matmul import matmul, widening_matmul
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.elementwise.arithmetic import multiply
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.shape import broadcast_to, permute_dims, reshape
from graphc.passes.rules.rule import Rule

__all__ = ["RULES"]

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Groups:
    """The axes of a product of two operands, by what a matrix product does with them."""

    batch: Axes
    m: Axes
    n: Axes
    k: Axes


def _matmul_from_sum(node: Node) -> Node | None:
    """The sum of a product of two broadcast operands, as a matrix product.

    Narrow floats are left alone: the product would be rounded before it is summed, and a matrix
    product does not round it.
    """
    product, axes = node.inputs[0], node["axes"]
    if product.op is not multiply or node.dtype.accumulator is not node.dtype:
        return None
    first, second = (_source(operand) for operand in product.inputs)
    groups = _grouped(product.shape, first.shape, second.shape, axes)
    if groups is None:
        return None
    a = _stacked(first, groups.batch, groups.m, groups.k)
    b = _stacked(second, groups.batch, groups.k, groups.n)
    return _unstacked(matmul(a, b), product.shape, groups, node)


def _source(operand: Node) -> Node:
    """What the operand repeats, with an axis for each axis of the operand."""
    if operand.op is not broadcast_to:
        return operand
    x = operand.inputs[0]
    missing = len(operand.shape) - len(x.shape)
    return reshape(x, shape=(1,) * missing + x.shape) if missing else x


def _grouped(
    shape: Sequence[DimLike],
    first: Sequence[DimLike],
    second: Sequence[DimLike],
    summed: Sequence[int],
) -> _Groups | None:
    """The groups; None where an axis fits none, or where M, N or K is empty: a sum is better."""
    batch: list[int] = []
    m: list[int] = []
    n: list[int] = []
    k: list[int] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        in_first, in_second = first[axis] != 1, second[axis] != 1
        if in_first and in_second:
            (k if axis in summed else batch).append(axis)
        elif axis in summed or not (in_first or in_second):
            return None
        else:
            (m if in_first else n).append(axis)
    if not (m and n and k):
        return None
    return _Groups(tuple(batch), tuple(m), tuple(n), tuple(k))


def _stacked(x: Node, batch: Axes, rows: Axes, columns: Axes) -> Node:
    """`x` as a stack of matrices, with these axes of it as batch, rows and columns."""
    order = (*batch, *rows, *columns)
    short = tuple(axis for axis in range(len(x.shape)) if axis not in order)
    moved = permute_dims(x, axes=(*short, *order))
    sizes = [dims.product(x.shape[axis] for axis in group) for group in (rows, columns)]
    return reshape(moved, shape=(*(x.shape[axis] for axis in batch), *sizes))


def _unstacked(product: Node, shape: Sequence[DimLike], groups: _Groups, node: Node) -> Node:
    """The stack of matrices with the axes that `node` keeps, in their order."""
    order = (*groups.batch, *groups.m, *groups.n)
    apart = reshape(product, shape=tuple(shape[axis] for axis in order))
    back = tuple(order.index(axis) for axis in sorted(order))
    return reshape(permute_dims(apart, axes=back), shape=node.shape)


def _widening_matmul(node: Node) -> Node | None:
    """A product of f16 or bf16 is computed in f32, so its operands need no copies in f32."""
    a, b = (_changed(operand, _before_cast) for operand in node.inputs)
    if a is None or b is None or a.dtype is not b.dtype or a.dtype.bits != 16:
        return None
    is_computed_so = a.dtype.kind == "float" and a.dtype.accumulator is node.dtype
    return widening_matmul(a, b) if is_computed_so else None


def _before_cast(node: Node) -> Node | None:
    return node.inputs[0] if node.op is cast else None


def _narrow_matmul(node: Node) -> Node | None:
    """A product of widened operands that is rounded once is what a narrow product means."""

    def narrowed(product: Node) -> Node | None:
        is_rounded = product.op is widening_matmul and product.inputs[0].dtype is node.dtype
        return matmul(*product.inputs) if is_rounded else None

    return _changed(node.inputs[0], narrowed)


def _changed(node: Node, change: Callable[[Node], Node | None]) -> Node | None:
    """The node with what `change` makes of that of which it is views, if it makes anything."""
    found = change(node)
    if found is not None or node.op not in (permute_dims, reshape, broadcast_to):
        return found
    below = _changed(node.inputs[0], change)
    return None if below is None else node.op(below, **dict(node.attributes))


def _transposed_matmul(node: Node) -> Node | None:
    """The transpose of a product is the product of the transposes, in reverse order."""
    (product,) = node.inputs
    rank = len(product.shape)
    swap = (*range(rank - 2), rank - 1, rank - 2)
    if product.op not in (matmul, widening_matmul) or node["axes"] != swap:
        return None
    a, b = product.inputs
    return product.op(permute_dims(b, axes=swap), permute_dims(a, axes=swap))


# -- examples -------------------------------------------------------------------------------------


def _einsum(text: str, sizes: dict[str, int], dtype: DType) -> Node:
    """A product written as index notation is elaborated: "ik,kj->ij" over "ijk"."""
    operands, kept = text.split("->")
    space = "".join(dict.fromkeys(kept + operands.replace(",", "")))
    spread = []
    for name, letters in zip("ab", operands.split(","), strict=True):
        x = graph_input(name, dtype, tuple(sizes[letter] for letter in letters))
        order = [letters.index(letter) for letter in space if letter in letters]
        moved = permute_dims(x, axes=tuple(order))
        column = tuple(sizes[letter] if letter in letters else 1 for letter in space)
        whole = tuple(sizes[letter] for letter in space)
        spread.append(broadcast_to(reshape(moved, shape=column), shape=whole))
    axes = tuple(axis for axis, letter in enumerate(space) if letter not in kept)
    return sum_over(multiply(*spread), axes=axes)


def _transposed_examples() -> Iterator[Node]:
    for dtype in (dtypes.f32, dtypes.bf16, dtypes.i32):
        a, b = graph_input("a", dtype, (2, 3, 4)), graph_input("b", dtype, (2, 4, 5))
        yield permute_dims(matmul(a, b), axes=(0, 2, 1))


_SIZES = {"b": 2, "h": 3, "i": 4, "j": 5, "k": 6, "l": 2, "o": 1, "z": 0}
_PRODUCTS = (
    *("ik,kj->ij", "ki,jk->ji", "bik,bkj->bij", "bhik,bhjk->bhij", "ikl,klj->ij", "ibk,kj->bij"),
    *("iz,zj->ij", "zk,kj->zj", "iok,kj->ioj", "ibkh,jbkh->bijh"),
)


def _sum_examples() -> Iterator[Node]:
    for text in _PRODUCTS:
        yield _einsum(text, _SIZES, dtypes.f32)
    for dtype in (dtypes.f64, dtypes.i8, dtypes.u64, dtypes.c64):
        yield _einsum("bik,kj->bij", _SIZES, dtype)
    # No broadcast is needed where new leading axes do the same.
    a, b = graph_input("a", dtypes.f32, (4, 1, 6)), graph_input("b", dtypes.f32, (5, 6))
    shape = (4, 5, 6)
    product = multiply(broadcast_to(a, shape=shape), broadcast_to(b, shape=shape))
    yield sum_over(product, axes=(2,))


def _narrow_examples() -> Iterator[Node]:
    for dtype in (dtypes.f16, dtypes.bf16):
        a, b = graph_input("a", dtype, (2, 3, 4)), graph_input("b", dtype, (2, 4, 5))
        yield cast(widening_matmul(a, b), dtype=dtype)
        yield cast(reshape(widening_matmul(a, b), shape=(6, 5)), dtype=dtype)


def _widening_examples() -> Iterator[Node]:
    for dtype in (dtypes.f16, dtypes.bf16):
        a, b = graph_input("a", dtype, (2, 3, 4)), graph_input("b", dtype, (5, 4))
        wide = cast(a, dtype=dtypes.f32), cast(b, dtype=dtypes.f32)
        turned = permute_dims(wide[1], axes=(1, 0))
        yield matmul(wide[0], broadcast_to(turned, shape=(2, 4, 5)))


RULES: tuple[Rule, ...] = (
    Rule(
        "sum of a product is a matrix product",
        (sum_over,),
        _matmul_from_sum,
        _sum_examples,
        reorders=True,
    ),
    Rule(
        "transposed product",
        (permute_dims,),
        _transposed_matmul,
        _transposed_examples,
        reorders=True,
    ),
    Rule("product of widened matrices", (matmul,), _widening_matmul, _widening_examples),
    Rule("rounded product of narrow matrices", (cast,), _narrow_matmul, _narrow_examples),
)
