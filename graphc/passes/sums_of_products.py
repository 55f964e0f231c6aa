"""Sums over the iterations of a loop of products of rows: one product of all rows, after the loop.

The cotangent of a weight is the sum over iterations of `x^T g`. Added up inside the loop, each
iteration reads and writes a matrix as large as the weight for a product of few terms. Where the
rows x and g are stacked, the sum is one product that contracts iterations and rows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce

from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.ops.contraction.matmul import matmul, matrix_transpose
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.views.shape import permute_dims, reshape
from graphc.ir.record import Record

__all__ = ["SumsOfProducts"]


class SumsOfProducts:
    """Those of the sums over iterations that are left for after the loop.

    Args:
        cotangents: what each iteration adds to a sum, by the number of the sum.
        stacks: of the rows that the loop is given.
        total: how cotangents are added.

    Attributes:
        terms: the products that a sum consists of, by its number.
        factors: what the loop has to stack for them.
    """

    def __init__(
        self,
        cotangents: Mapping[int, Node],
        stacks: Mapping[Node, Node],
        total: Callable[[Node, Node], Node],
    ) -> None:
        found = {number: _products_of(one) for number, one in cotangents.items()}
        self.terms = {number: several for number, several in found.items() if several is not None}
        self._stacks = stacks
        self._total = total
        factors = (
            factor
            for several in self.terms.values()
            for product in several
            for factor in (product.left, product.right)
        )
        self.factors = [factor for factor in dict.fromkeys(factors) if factor not in stacks]

    def summed(self, stacked: Sequence[Node]) -> dict[int, Node]:
        """The sums by their numbers, given the stacks of the factors."""
        stacks = {**self._stacks, **dict(zip(self.factors, stacked, strict=True))}
        return {
            number: reduce(
                self._total, (p.summed(stacks[p.left], stacks[p.right]) for p in several)
            )
            for number, several in self.terms.items()
        }


class _Product(Record):
    """`left^T right`, or the transpose of that, in the body of a loop.

    Attributes:
        left, right: matrices of as many rows.
        is_transposed: whether the term is the product's transpose.
    """

    left: Node
    right: Node
    is_transposed: bool

    def summed(self, left: Node, right: Node) -> Node:
        """The sum of the products of all rows, given the stacked matrices."""
        product = matmul(matrix_transpose(_tall(left)), _tall(right))
        return matrix_transpose(product) if self.is_transposed else product


def _products_of(cotangent: Node) -> list[_Product] | None:
    """The products that the cotangent is a sum of; None if it is none, or not worth stacking.

    Stacked rows are to be no larger than the sum, which they are kept in place of: the memory of
    the loop then grows by no more than its length times what the sum takes.
    """
    found = []
    for term in _terms(cotangent):
        product = _product(term)
        if product is None or not _is_worth(product):
            return None
        found.append(product)
    return found


def _terms(node: Node) -> Iterator[Node]:
    pending = [node]
    while pending:
        one = pending.pop()
        if one.op is add:
            pending.extend(reversed(one.inputs))
        else:
            yield one


def _product(term: Node) -> _Product | None:
    is_transposed = _is_transpose(term)
    node = term.inputs[0] if is_transposed else term
    if node.op is not matmul or len(node.shape) != 2:
        return None
    a, b = node.inputs
    return _Product(a.inputs[0] if _is_transpose(a) else matrix_transpose(a), b, is_transposed)


def _is_transpose(node: Node) -> bool:
    return node.op is permute_dims and node["axes"] == (1, 0)


def _is_worth(product: _Product) -> bool:
    (rows, m), n = product.left.shape, product.right.shape[1]
    return dims.always_less_equal(rows, m) and dims.always_less_equal(rows, n)


def _tall(stacked: Node) -> Node:
    """Matrices one below the other."""
    sizes: Sequence[DimLike] = stacked.shape
    return reshape(stacked, shape=(dims.product(sizes[:-1]), sizes[-1]))
