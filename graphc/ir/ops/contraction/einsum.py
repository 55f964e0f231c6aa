"""Einstein summation: products of tensors with their axes named by letters.

Operands are multiplied from left to right. Each product is one `matmul`: the axes of both that
stay are its batch, those that are summed its inner dimension, the others its rows and columns.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.broadcasting import promoted
from graphc.ir.ops.contraction.matmul import matmul
from graphc.ir.ops.creation.constants import iota, zeros_like
from graphc.ir.ops.elementwise.arithmetic import multiply
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.reductions.reduction import sum_over
from graphc.ir.ops.views.shape import broadcast_to, permute_dims, reshape
from graphc.ir.record import Record

__all__ = ["einsum"]


class _Term(Record):
    """A tensor with a label for each axis; labels do not repeat."""

    node: Node
    labels: tuple[str, ...]

    def size(self, label: str) -> DimLike:
        return self.node.shape[self.labels.index(label)]

    def ordered(self, labels: Sequence[str]) -> Node:
        """The tensor with its axes in the order of `labels`."""
        order = tuple(self.labels.index(label) for label in labels)
        return (
            self.node if order == tuple(range(len(order))) else permute_dims(self.node, axes=order)
        )

    def summed(self, kept: set[str]) -> _Term:
        """The sum over the axes whose labels are not kept."""
        axes = tuple(axis for axis, label in enumerate(self.labels) if label not in kept)
        if not axes:
            return self
        labels = tuple(label for label in self.labels if label in kept)
        return _Term(sum_over(self.node, axes=axes), labels)


@surface("einsum")
def einsum(
    equation: str | Node,
    *operands: Node | Sequence[int | EllipsisType],
    optimize: bool | str = False,
) -> Node:
    """The sum of products that `equation` describes, as `numpy.einsum` reads it.

    Numbers may name the axes, in a list after each operand, and in one for the result:
    `einsum(x, [0, 1], y, [1, 2], [0, 2])` is `einsum("AB,BC->AC", x, y)`.

    Args:
        equation: letters for the axes of each operand, `->` and those of the result. Axes that
            the result leaves out are summed. `...` stands for further axes. Axes broadcast.
            Without `->` the result has the letters that occur once, in alphabetical order.
        operands: tensors, promoted to one dtype. In f16 and bf16 every product is rounded.
        optimize: accepted as NumPy has it; products are made from left to right.

    Raises:
        UsageError: an equation that is none, or of another number of operands.
        ShapeError: axes of one letter that differ in size, and are not 1.
    """
    if isinstance(equation, Node):
        equation, operands = _lettered((equation, *operands))
    nodes = [one for one in operands if isinstance(one, Node)]
    if not isinstance(equation, str) or len(nodes) != len(operands):
        raise UsageError("einsum takes an equation and tensors", code="argument")
    inputs, output = _parsed(equation, nodes)
    labels = [_spread(text, node, equation) for text, node in zip(inputs, nodes, strict=True)]
    rank = max((sum(len(label) > 1 for label in one) for one in labels), default=0)
    ellipsis = [f".{place}" for place in range(rank, 0, -1)]
    result = _output_labels(output, labels, ellipsis, equation)
    terms = _terms(promoted(*nodes), labels)
    total = terms[0]
    for place, term in enumerate(terms[1:], start=1):
        later = {label for other in terms[place + 1 :] for label in other.labels}
        total = _product(total, term, later | set(result))
    return total.summed(set(result)).ordered(result)


def _lettered(arguments: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The equation, and the operands, of which each has a list of numbers for its axes after it."""
    operands = tuple(arguments[: len(arguments) // 2 * 2 : 2])
    terms = [_letters(numbers) for numbers in arguments[1::2]]
    if len(arguments) % 2 == 0:
        return ",".join(terms), operands
    return f"{','.join(terms)}->{_letters(arguments[-1])}", operands


def _letters(numbers: Any) -> str:
    """Letters in the order of the numbers."""
    letters = string.ascii_uppercase + string.ascii_lowercase
    given: Sequence[Any] = numbers if isinstance(numbers, list | tuple) else [None]
    if not all(one is ... or (type(one) is int and 0 <= one < len(letters)) for one in given):
        raise UsageError(
            f"einsum: {numbers!r} names no axes",
            hint=f"each operand is followed by a list of numbers from 0 to {len(letters) - 1}, "
            'or the equation stands first: einsum("ij,jk->ik", x, y)',
        )
    return "".join("..." if one is ... else letters[one] for one in given)


def _parsed(equation: str, operands: Sequence[Node]) -> tuple[list[str], str | None]:
    text = equation.replace(" ", "")
    term = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
    if not re.fullmatch(rf"{term}(,{term})*(->{term})?", text):
        raise UsageError(
            f"einsum: {equation!r} is no equation", hint='write letters for axes: "ij,jk->ik"'
        )
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise UsageError(
            f"einsum: {equation!r} has {len(inputs)} operands, {len(operands)} were given",
            code="argument-count",
        )
    return inputs, right if arrow else None


def _spread(text: str, node: Node, equation: str) -> list[str]:
    """A label for each axis; those of `...` are `.1`, `.2`, ... from the last to the first."""
    before, dots, after = text.partition("...")
    further = len(node.shape) - len(before) - len(after)
    if further < 0 or (further and not dots):
        raise ShapeError(
            f"einsum: {text!r} of {equation!r} names {len(before) + len(after)} axes of {node.type}"
        )
    return [*before, *(f".{place}" for place in range(further, 0, -1)), *after]


def _output_labels(
    output: str | None, labels: Sequence[Sequence[str]], ellipsis: list[str], equation: str
) -> list[str]:
    every = [label for one in labels for label in one]
    if output is None:
        once = sorted({label for label in every if every.count(label) == 1 and len(label) == 1})
        return [*ellipsis, *once]
    before, dots, after = output.partition("...")
    result = [*before, *(ellipsis if dots else []), *after]
    strange = [label for label in (*before, *after) if label not in every]
    if strange or len(set(result)) != len(result) or (ellipsis and not dots):
        raise UsageError(
            f"einsum: the result {output!r} of {equation!r}",
            hint="it has letters of the operands, each once, and ... where they have it",
        )
    return result


def _terms(nodes: Sequence[Node], labels: Sequence[Sequence[str]]) -> list[_Term]:
    """The operands with diagonals taken and sizes compared."""
    sizes: dict[str, DimLike] = {}
    for node, names in zip(nodes, labels, strict=True):
        own = dict(zip(names, node.shape, strict=True))
        for name, size in zip(names, node.shape, strict=True):
            known = sizes.get(name, 1)
            pairs = [(own[name], size), *([] if 1 in (known, size) else [(known, size)])]
            for one, other in pairs:
                if not dims.always_equal(one, other):
                    raise ShapeError(f"einsum: axis {name!r} is {one} and {other}")
            sizes[name] = size if known == 1 else known
    terms = []
    for node, names in zip(nodes, labels, strict=True):
        # An axis of size 1 that meets a larger one is left to broadcasting.
        dropped = [d == 1 and sizes[n] != 1 for n, d in zip(names, node.shape, strict=True)]
        shape = tuple(d for d, drop in zip(node.shape, dropped, strict=True) if not drop)
        kept = [name for name, drop in zip(names, dropped, strict=True) if not drop]
        terms.append(_diagonal(node if shape == node.shape else reshape(node, shape=shape), kept))
    return terms


def _diagonal(node: Node, labels: list[str]) -> _Term:
    """The elements whose indices of one label are equal, with one axis for it."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            places = (iota(shape=node.shape, axis=a, dtype=dtypes.i64) for a in (first, second))
            node = sum_over(where(equal(*places), node, zeros_like(node)), axes=(second,))
            labels = labels[:second] + labels[second + 1 :]
    return _Term(node, tuple(labels))


def _product(a: _Term, b: _Term, kept: set[str]) -> _Term:
    """The product of two terms, summed over what is not kept."""
    a, b = a.summed(kept | set(b.labels)), b.summed(kept | set(a.labels))
    batch = [label for label in a.labels if label in b.labels and label in kept]
    inner = [label for label in a.labels if label in b.labels and label not in kept]
    rows = [label for label in a.labels if label not in b.labels]
    columns = [label for label in b.labels if label not in a.labels]
    labels = (*batch, *rows, *columns)
    shape = tuple((a if label in a.labels else b).size(label) for label in labels)
    if not inner:
        return _Term(_outer(a, b, labels, shape), labels)

    def sized(term: _Term, *groups: list[str]) -> Node:
        sizes = (dims.product(term.size(label) for label in group) for group in groups)
        ordered = term.ordered([*batch, *(label for group in groups for label in group)])
        return reshape(ordered, shape=(*(term.size(label) for label in batch), *sizes))

    product = matmul(sized(a, rows, inner), sized(b, inner, columns))
    return _Term(reshape(product, shape=shape), labels)


def _outer(a: _Term, b: _Term, labels: Sequence[str], shape: tuple[DimLike, ...]) -> Node:
    """The product of terms that share no summed axis, element by element."""

    def aligned(term: _Term) -> Node:
        present = [label for label in labels if label in term.labels]
        sizes = tuple(term.size(label) if label in term.labels else 1 for label in labels)
        return broadcast_to(reshape(term.ordered(present), shape=sizes), shape=shape)

    return multiply(aligned(a), aligned(b))
