"""Reflections I - t v v^H, and products of several, as QR factorizations hold them.

A matrix of k columns has a vector v in each, below its diagonal, where it is 1. Their product is
I - V T V^H with T = D (1 + S D)^-1, where D has the factors t on its diagonal and S is V^H V above
its own: T. Joffrain et al., "Accumulating Householder transformations, revisited" (2006).
"""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir import dims
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import promoted
from graphc.ir.ops.contraction.matmul import matmul
from graphc.ir.ops.creation.constants import ones_like
from graphc.ir.ops.creation.sequences import tril, triu
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.linalg.matrices import adjoint, diagonal_mask

__all__: list[str] = []

F = functions


def _vectors(name: str, x: Node, factors: Node) -> Node:
    """The vectors as columns, one for each factor."""
    if len(x.shape) < 2 or len(factors.shape) != len(x.shape) - 1:
        raise ShapeError(
            f"{name}: {x.type} and factors {factors.type}, expected [..., M, N] and [..., K]"
        )
    count = factors.shape[-1]
    if not all(dims.always_less_equal(count, size) for size in x.shape[-2:]):
        raise ShapeError(
            f"{name}: {count} factors for {x.type}",
            hint="there is one for each column at most, and no more than rows; of dims this must "
            "follow from their ranges",
        )
    columns = F["index"](x, (..., slice(0, count)))
    return where(diagonal_mask(columns), ones_like(columns), tril(columns))


def _reflected(vectors: Node, factors: Node, x: Node, is_adjoint: bool) -> Node:
    """The product of the reflections, or its adjoint, with `x`."""
    products = triu(matmul(adjoint(vectors), vectors), 1)
    scale = F["expand_dims"](factors, -2)
    inner = F["multiply"](products, scale)
    along = F["matmul"](adjoint(vectors), x)
    solved = F["solve_triangular"]
    if is_adjoint:
        column = F["conj"](F["expand_dims"](factors, -1))
        part = solved(adjoint(inner), F["multiply"](column, along), upper=False, unitriangular=True)
    else:
        part = solved(inner, along, upper=True, unitriangular=True)
        part = F["multiply"](F["expand_dims"](factors, -1), part)
    left: Node = F["subtract"](x, F["matmul"](vectors, part))
    return left


@surface("householder_product", "orgqr")
def householder_product(x: Node, tau: Node) -> Node:
    """The first N columns of the product of reflections 1 - tau[k] v[k] v[k]^H.

    Args:
        x: in column k, below the diagonal, the vector v[k], [..., M, N]; on the diagonal it is 1.
        tau: a factor for each, [..., K].

    Raises:
        ShapeError: N is more than M, or K more than N.
    """
    x, tau = promoted(x, tau)
    vectors = _vectors("householder_product", x, tau)
    if not dims.always_less_equal(x.shape[-1], x.shape[-2]):
        raise ShapeError(f"householder_product: {x.type} has more columns than rows")
    one = where(diagonal_mask(x), ones_like(x), F["zeros_like"](x))
    return _reflected(vectors, tau, one, is_adjoint=False)


@surface("ormqr")
def ormqr(x: Node, tau: Node, other: Node, left: bool = True, transpose: bool = False) -> Node:
    """`other` multiplied by the square product Q of reflections; see `householder_product`.

    left: Q @ other, else other @ Q. transpose: with the conjugate of Q, transposed.
    """
    x, tau, other = promoted(x, tau, other)
    vectors = _vectors("ormqr", x, tau)
    if left:
        return _reflected(vectors, tau, other, transpose)
    return adjoint(_reflected(vectors, tau, adjoint(other), not transpose))
