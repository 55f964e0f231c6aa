"""Products of vectors and tensors that are written with matrix products and broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.argument_names import also_named
from graphc.ir.ops.broadcasting import broadcast, normal_axis, promoted
from graphc.ir.ops.conversion import rounded_once
from graphc.ir.ops.elementwise.arithmetic import add, multiply, scaled, subtract
from graphc.ir.ops.elementwise.complex_numbers import conjugate
from graphc.ir.ops.elementwise.declaration import operate
from graphc.ir.ops.indexing.getitem import index
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.views.rearrange import expand_dims, moveaxis, permute_dims, reshape, stack

__all__: list[str] = []

_matmul = functions["matmul"]


def _require_vectors(name: str, *tensors: Node, hint: str) -> None:
    for x in tensors:
        if len(x.shape) != 1:
            raise ShapeError(f"{name}: {x.type} is no vector", hint=hint)


@surface("outer")
def outer(x: Node, y: Node) -> Node:
    """x[i] * y[j] for two vectors."""
    _require_vectors(
        "outer",
        x,
        y,
        hint="expand_dims(x, -1) * expand_dims(y, -2) multiplies the rows of both; "
        "x.flatten() is a vector",
    )
    return operate(multiply)(expand_dims(x, 1), y)


@surface("dot")
def dot(x: Node, y: Node) -> Node:
    """The sum of the products of two vectors' elements."""
    _require_vectors(
        "dot", x, y, hint="x @ y multiplies matrices; vecdot(x, y) is one number for each row"
    )
    result: Node = _matmul(x, y)
    return result


@surface("vdot")
def vdot(x: Node, y: Node) -> Node:
    """The sum of the products of two vectors' elements, the conjugates of those of the first."""
    return dot(functions["conj"](x), y)


@surface("mv")
def mv(x: Node, y: Node) -> Node:
    """The product of a matrix and a vector."""
    _require_vectors("mv", y, hint="x @ y multiplies two matrices")
    result: Node = _matmul(x, y)
    return result


@surface("matvec")
def matvec(x: Node, y: Node) -> Node:
    """Matrices [..., N, K] times vectors [..., K]."""
    column: Node = _matmul(x, expand_dims(y, -1))
    return functions["squeeze"](column, -1)  # type: ignore[no-any-return]


@surface("vecmat")
def vecmat(x: Node, y: Node) -> Node:
    """The conjugates of vectors [..., N] times matrices [..., N, K]."""
    row: Node = _matmul(expand_dims(functions["conj"](x), -2), y)
    return functions["squeeze"](row, -2)  # type: ignore[no-any-return]


@surface("inner")
def inner(x: Node, y: Node) -> Node:
    """The sums of products along the last axes: of every row of `x` with every row of `y`."""
    if not x.shape or not y.shape:
        return operate(multiply)(x, y)
    return tensordot(x, y, axes=([-1], [-1]))


@surface("vecdot", "linalg_vecdot")
@rounded_once
def vecdot(x: Node, y: Node, axis: int = -1) -> Node:
    """The sums of conj(x) * y along an axis, counted from the end; the other axes broadcast.

    Raises:
        ShapeError: an axis counted from the start, or of two sizes.
    """
    if axis >= 0:
        raise ShapeError(
            f"vecdot: axis {axis}", code="axis", hint="count from the end: broadcasting adds axes"
        )
    sizes = [one.shape[normal_axis(axis, len(one.shape), "vecdot")] for one in (x, y)]
    if not dims.always_equal(*sizes):
        raise ShapeError(f"vecdot: axis {axis} of {x.type} and {y.type} has two sizes")
    a, b = broadcast(*promoted(x, y))
    place = normal_axis(axis, len(a.shape), "vecdot")
    left = conjugate(a) if a.dtype.kind == "complex" else a
    return sum_over(multiply(left, b), axes=(place,))


@surface("tensordot")
def tensordot(x: Node, y: Node, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Node:
    """Products summed over axes: the last `axes` of `x` and the first of `y`, or pairs of axes."""
    left_rank, right_rank = len(x.shape), len(y.shape)
    if isinstance(axes, int):
        if not 0 <= axes <= min(left_rank, right_rank):
            raise ShapeError(f"tensordot: {axes} axes of {x.type} and {y.type}", code="axis")
        left, right = list(range(left_rank - axes, left_rank)), list(range(axes))
    elif not isinstance(axes, list | tuple) or len(axes) != 2:
        raise UsageError(f"tensordot: axes are {axes!r}, expected their number, or two lists")
    else:
        left = [normal_axis(axis, left_rank, "tensordot") for axis in axes[0]]
        right = [normal_axis(axis, right_rank, "tensordot") for axis in axes[1]]
    if len(left) != len(right) or any(
        not dims.always_equal(x.shape[a], y.shape[b]) for a, b in zip(left, right, strict=True)
    ):
        raise ShapeError(f"tensordot: axes {left} of {x.type} do not fit axes {right} of {y.type}")
    rows = [axis for axis in range(left_rank) if axis not in left]
    columns = [axis for axis in range(right_rank) if axis not in right]
    summed = dims.product(x.shape[axis] for axis in left)
    a = reshape(permute_dims(x, *rows, *left), dims.product(x.shape[axis] for axis in rows), summed)
    b = reshape(
        permute_dims(y, *right, *columns), summed, dims.product(y.shape[axis] for axis in columns)
    )
    outer_shape = [*(x.shape[axis] for axis in rows), *(y.shape[axis] for axis in columns)]
    return reshape(_matmul(a, b), outer_shape)


@surface("kron")
def kron(x: Node, y: Node) -> Node:
    """The Kronecker product: each element of `x` times all of `y`."""
    rank = max(len(x.shape), len(y.shape))
    a, b = (reshape(one, *(1,) * (rank - len(one.shape)), *one.shape) for one in (x, y))
    spread = reshape(a, [size for dim in a.shape for size in (dim, 1)])
    block = reshape(b, [size for dim in b.shape for size in (1, dim)])
    product = operate(multiply)(spread, block)
    return reshape(product, [p * q for p, q in zip(a.shape, b.shape, strict=True)])


@surface("cross")
@rounded_once
def cross(x: Node, y: Node, axis: int = -1) -> Node:
    """The vector products of vectors with 3 elements along an axis."""
    a, b = broadcast(*promoted(x, y))
    place = normal_axis(axis, len(a.shape), "cross")
    if a.shape[place] != 3:
        raise ShapeError(
            f"cross: axis {place} of {a.type} has {a.shape[place]} elements, expected 3",
            hint="declare its size as 3, or name another axis",
        )
    a, b = moveaxis(a, place, -1), moveaxis(b, place, -1)
    p, q = ([index(v, (..., i)) for i in range(3)] for v in (a, b))
    parts = [
        subtract(multiply(p[i], q[j]), multiply(p[j], q[i])) for i, j in ((1, 2), (2, 0), (0, 1))
    ]
    return stack(parts, place)


# -- products added to something ------------------------------------------------------------------


def _added(x: Node, product: Node, beta: float, alpha: float) -> Node:
    product = product if alpha == 1 else scaled(product, alpha)
    if beta == 0:
        # What it multiplies may be NaN: it is left out.
        return product
    return operate(add)(x if beta == 1 else scaled(x, beta), product)


@surface("addmm", "baddbmm", "addmv")
@rounded_once
def addmm(x: Node, a: Node, b: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """beta * x + alpha * (a @ b)."""
    return _added(x, _matmul(a, b), beta, alpha)


@surface("addbmm")
@rounded_once
def addbmm(x: Node, a: Node, b: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """beta * x + alpha * (the sum of the products of all pairs of matrices)."""
    return _added(x, functions["einsum"]("bij,bjk->ik", a, b), beta, alpha)


@surface("addr")
@rounded_once
def addr(x: Node, a: Node, b: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """beta * x + alpha * outer(a, b), for two vectors."""
    return _added(x, outer(a, b), beta, alpha)


@surface("addcmul")
@rounded_once
def addcmul(x: Node, a: Node, b: Node, *, value: float = 1) -> Node:
    """x + value * a * b."""
    return _added(x, operate(multiply)(a, b), 1, value)


@surface("addcdiv")
@rounded_once
def addcdiv(x: Node, a: Node, b: Node, *, value: float = 1) -> Node:
    """x + value * a / b."""
    quotient: Node = functions["divide"](a, b)
    return _added(x, quotient, 1, value)


@surface("bilinear")
@also_named(input1="x", input2="y")
@rounded_once
def bilinear(x: Node, y: Node, weight: Node, bias: Node | None = None) -> Node:
    """x @ weight[k] @ y + bias[k] for each k; weight is [out, in of x, in of y]."""
    result: Node = functions["einsum"]("...i,kij,...j->...k", x, weight, y)
    return result if bias is None else operate(add)(result, bias)


@surface("trace")
@also_named(k="offset")
def trace(x: Node, offset: int = 0, dtype: DType | None = None) -> Node:
    """The sum of the diagonal that lies `offset` above the main one, of the last two axes.

    Narrow integers and bool are summed in 64 bits unless dtype says otherwise.
    """
    if len(x.shape) < 2:
        raise ShapeError(f"trace: {x.type} is no matrix")
    on_it: Node = functions["tril"](functions["triu"](x, offset), offset)
    return functions["sum"](on_it, axis=(-2, -1), dtype=dtype)  # type: ignore[no-any-return]
