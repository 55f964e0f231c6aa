"""Index notation: a tensor defined by the expression of its elements.

    s[b, i, j] = sum[d] q[b, i, d] * k[b, j, d] / sqrt(D)

Each index variable of the statement is an axis of one space. An access `q[b, i, d]` brings its
tensor into that space by permuting and reshaping: the axes that it does not have are of size 1.
Everything else is the ordinary meaning of expressions, with broadcasting, and a reduction folds
its axes. So the notation adds no operation of its own; sums of products are recognised as matrix
products where graphs are simplified.

Two rules make the notation mean what is usually meant by it:

- An index used as a number takes the dtype of the tensor beside it, as a written number does.
- In `sum` and `mean`, factors and divisors that no summed index occurs in stand outside the
  reduction, whether they are written before or after the rest: `sum[d] q[d] * k[d] / n` is the
  sum of products, divided by n once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.errors import NameLookupError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.calls import Operation
from graphc.frontend.elaboration.elementwise import is_elementwise
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tensor import Tensor, call
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation import iota

__all__ = ["elaborate_notation"]


def elaborate_notation(evaluator: Evaluator, node: syntax.IndexAssign | syntax.Reduction) -> Tensor:
    """The tensor that a statement of index notation defines, or the number of a reduction.

    Raises:
        ShapeError: an index runs over axes of different sizes.
        NameLookupError: an index is neither on the left nor reduced over.
        SourceError: an expression that index notation does not take.
    """
    is_statement = isinstance(node, syntax.IndexAssign)
    body = node.value if isinstance(node, syntax.IndexAssign) else node
    free = tuple(index.id for index in node.indices) if is_statement else ()
    names = tuple(dict.fromkeys((*free, *_reduced(body))))
    _check_places(body, names, frozenset(free))
    space = _Space(evaluator, names)
    space.measure(body)
    inner = _IndexEvaluator(evaluator, space)
    value = inner.evaluate(body)
    with evaluator.program.sources.at(node.span):
        return space.restricted(inner.in_space(value, body), free, node)


def _reduced(node: syntax.Node) -> Iterator[str]:
    """The indices that reductions in an expression are over."""
    if isinstance(node, syntax.Reduction):
        yield from (index.id for index in node.indices)
    for child in syntax.children(node):
        yield from _reduced(child)


def _check_places(node: syntax.Node, names: Sequence[str], bound: frozenset[str]) -> None:
    """Refuse an index outside of the reduction that it belongs to."""
    if isinstance(node, syntax.Reduction):
        bound |= {index.id for index in node.indices}
        _check_places(node.operand, names, bound)
        return
    if isinstance(node, syntax.Name) and node.id in names and node.id not in bound:
        raise _unbound(node)
    for child in syntax.children(node):
        _check_places(child, names, bound)


def _require_bound(index: syntax.Expression, evaluator: Evaluator) -> None:
    """Refuse an index that is no variable of the statement and has no value either."""
    if isinstance(index, syntax.Name) and evaluator.scope.find(index.id) is Scope.MISSING:
        raise _unbound(index)


def _unbound(index: syntax.Name) -> NameLookupError:
    return NameLookupError(
        f"the index {index.id!r} is neither on the left nor reduced over",
        code="unbound-index",
        span=index.span,
        hint=f"sum over it, sum[{index.id}] ..., or add it on the left",
    )


def _mentions(node: syntax.Node, names: Sequence[str]) -> bool:
    if isinstance(node, syntax.Name):
        return node.id in names
    return any(_mentions(child, names) for child in syntax.children(node))


@dataclass(frozen=True)
class _Extent:
    """The size of an index, and the access that says so."""

    size: DimLike
    tensor: Tensor
    axis: int
    text: str


class _Space:
    """The index variables of one statement, each of which is an axis."""

    def __init__(self, evaluator: Evaluator, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._evaluator = evaluator
        self._extents: dict[str, _Extent] = {}
        self._tensors: dict[int, Tensor] = {}

    # -- accesses

    def is_access(self, node: syntax.Subscript) -> bool:
        """Whether an index variable occurs among the indices."""
        return any(_mentions(index, self.names) for index in node.indices)

    def measure(self, node: syntax.Node) -> None:
        """Learn the sizes of the indices from every access in an expression.

        Raises:
            ShapeError: two accesses do not agree.
        """
        if isinstance(node, syntax.Subscript) and self.is_access(node):
            self._measure_access(node)
            return
        for child in syntax.children(node):
            self.measure(child)

    def _measure_access(self, node: syntax.Subscript) -> None:
        if _mentions(node.value, self.names):
            raise not_supported(
                "an index of what depends on an index",
                node.value.span,
                "define the inner tensor by a statement of its own",
            )
        tensor = self._evaluator.evaluate(node.value)
        if not isinstance(tensor, Tensor):
            raise refused(f"{described(tensor)} is no tensor", "index", node.value.span)
        if len(node.indices) != tensor.ndim:
            raise ShapeError(
                f"{len(node.indices)} indices for {tensor.type}, which has {tensor.ndim} axes",
                code="index",
                span=node.span,
                hint="index notation names every axis",
            )
        self._tensors[id(node)] = tensor
        for axis, index in enumerate(node.indices):
            if isinstance(index, syntax.Name) and index.id in self.names:
                self._note(index, _Extent(tensor.shape[axis], tensor, axis, _text(node)))
            elif _mentions(index, self.names):
                raise not_supported(
                    "arithmetic with indices in an index",
                    index.span,
                    "slice or pad the tensor first, and index the result by a variable alone",
                )

    def _note(self, index: syntax.Name, found: _Extent) -> None:
        known = self._extents.setdefault(index.id, found)
        if not dims.always_equal(known.size, found.size):
            raise (
                ShapeError(
                    f"the index {index.id!r} runs over {known.size} and over {found.size}",
                    span=index.span,
                    hint="give one of them another index, or slice the longer axis",
                )
                .note(f"it is axis {known.axis} of {known.text}: {known.tensor.type}")
                .note(f"it is axis {found.axis} of {found.text}: {found.tensor.type}")
            )

    def size(self, name: str, span: Span) -> DimLike:
        """How many values an index has.

        Raises:
            SourceError: no axis says.
        """
        if name not in self._extents:
            raise refused(
                f"how far the index {name!r} runs is not known",
                "index-extent",
                span,
                "use it as the index of an axis",
            )
        return self._extents[name].size

    # -- tensors of the space

    def access(self, node: syntax.Subscript, evaluator: Evaluator) -> Tensor:
        """The tensor of an access, brought into the space."""
        tensor = self._tensors[id(node)]
        items: list[Any] = []
        order: list[str] = []
        for index in node.indices:
            if isinstance(index, syntax.Name) and index.id in self.names:
                items.append(slice(None))
                order.append(index.id)
            else:
                _require_bound(index, evaluator)
                items.append(evaluator.evaluate(index))
        if len(set(order)) < len(order):
            raise not_supported(
                "one index on two axes of a tensor",
                node.span,
                "use another index and choose: sum[j] where(i == j, x[i, j], 0)",
            )
        part = tensor if len(order) == tensor.ndim else tensor[tuple(items)]
        return self._placed(part, order)

    def _placed(self, part: Tensor, order: Sequence[str]) -> Tensor:
        """A tensor whose axes are the indices `order`, with the axes of the space."""
        kept = [name for name in self.names if name in order]
        axes = tuple(order.index(name) for name in kept)
        moved = part if axes == tuple(range(len(axes))) else call("permute_dims", part, *axes)
        sizes = {name: moved.shape[axis] for axis, name in enumerate(kept)}
        shape = tuple(sizes.get(name, 1) for name in self.names)
        return moved if shape == moved.shape else call("reshape", moved, shape)

    def counter(self, name: str, span: Span) -> numbers.Formula:
        """An index as a number."""
        size = self.size(name, span)

        def build(dtype: DType) -> Tensor:
            return self._placed(Tensor(iota(shape=(size,), axis=0, dtype=dtype)), [name])

        return numbers.Formula(build, True, name)

    def spread(self, value: Tensor, names: Sequence[str], span: Span) -> Tensor:
        """The value repeated over indices that it does not depend on."""
        shape = list(value.shape)
        for name in names:
            shape[self.names.index(name)] = self.size(name, span)
        return value if tuple(shape) == value.shape else call("broadcast_to", value, tuple(shape))

    def reduced(self, operator: str, value: Tensor, names: Sequence[str], span: Span) -> Tensor:
        """The value folded over indices; their axes stay, of size 1."""
        axes = tuple(self.names.index(name) for name in names)
        return _tensor(call(operator, self.spread(value, names, span), axes, keepdims=True))

    def restricted(self, value: Tensor, free: Sequence[str], node: syntax.Node) -> Tensor:
        """The value with the axes `free` alone; the others are of size 1."""
        spread = self.spread(value, free, node.span)
        shape = tuple(spread.shape[self.names.index(name)] for name in free)
        return spread if shape == spread.shape else _tensor(call("reshape", spread, shape))


class _IndexEvaluator(Evaluator):
    """Evaluates the right side of a statement of index notation.

    Tensors that it computes with have one axis for each index of the statement.
    """

    def __init__(self, outer: Evaluator, space: _Space) -> None:
        super().__init__(outer.program, outer.scope)
        self.space = space

    def in_space(self, value: Any, node: syntax.Expression) -> Tensor:
        """A value as a tensor of the space.

        Raises:
            ShapeError: it is a tensor with axes that no index says the meaning of.
        """
        rank = len(self.space.names)
        tensor = numbers.tensor_of(value)
        if tensor.ndim == rank:
            return tensor
        return _tensor(call("reshape", tensor, (1,) * rank))

    def _name(self, node: syntax.Name) -> Any:
        if node.id in self.space.names:
            return self.space.counter(node.id, node.span)
        return self._single(super()._name(node), node)

    def _single(self, value: Any, node: syntax.Expression) -> Any:
        """A value from outside of the notation, which a tensor with axes cannot be."""
        if isinstance(value, Tensor) and value.ndim:
            indices = ", ".join("ijkl"[: min(value.ndim, 4)])
            raise ShapeError(
                f"{value.type} stands without indices in index notation",
                code="index",
                span=node.span,
                hint=f"say which element: {_text(node)}[{indices}]",
            )
        return value

    def _attribute(self, node: syntax.Attribute) -> Any:
        outside = Evaluator(self.program, self.scope)
        return self._single(outside.evaluate(node), node)

    def _subscript(self, node: syntax.Subscript) -> Any:
        if self.space.is_access(node):
            with self.program.sources.at(node.span):
                return self.space.access(node, Evaluator(self.program, self.scope))
        outside = Evaluator(self.program, self.scope)
        for index in node.indices:
            _require_bound(index, outside)
        return self._single(outside.evaluate(node), node)

    def _reduction(self, node: syntax.Reduction) -> Any:
        names = [index.id for index in node.indices]
        inside, outside = _factored(node, names)
        value = self.in_space(self.evaluate(inside), inside)
        with self.program.sources.at(node.span):
            result: Any = self.space.reduced(node.operator, value, names, node.span)
        for symbol, factor in outside:
            other = self.evaluate(factor)
            with self.program.sources.at(node.span):
                if symbol == "before":
                    result = numbers.combine("*", other, result)
                else:
                    result = numbers.combine(symbol, result, other)
        return result

    def _call(self, node: syntax.Call) -> Any:
        if not _mentions(node, self.space.names):
            outside = Evaluator(self.program, self.scope)
            return self._single(outside.evaluate(node), node)
        function = Evaluator(self.program, self.scope).evaluate(node.function)
        if not isinstance(function, Operation | DType):
            raise not_supported(
                f"a call of {described(function)} with indexed arguments",
                node.span,
                "call it on whole tensors, and index the result",
            )
        arguments = [self._argument(one) for one in node.args]
        keywords = {one.arg: self.evaluate(one.value) for one in node.keywords}
        with self.program.sources.at(node.span):
            if isinstance(function, DType):
                value = numbers.tensor_of(arguments[0], function)
                return Tensor(cast_to(value.node, function))
            result = function(*arguments, **keywords)
        if isinstance(result, Tensor):
            given = [value.node for value in arguments if isinstance(value, Tensor)]
            self._require_elementwise(function.name, result.node, given, node)
        return result

    def _argument(self, node: syntax.Expression) -> Any:
        value = self.evaluate(node)
        return self.in_space(value, node) if isinstance(value, Tensor) else value

    def _require_elementwise(
        self, name: str, result: Node, operands: Sequence[Node], node: syntax.Call
    ) -> None:
        """Refuse a function that computes over axes: in the space they mean something else."""
        if not is_elementwise(result, frozenset(operands)):
            raise not_supported(
                f"{name}, which does not compute element by element, in index notation",
                node.span,
                f"call {name} on the whole tensor, and index the result",
            )


def _factored(
    node: syntax.Reduction, names: Sequence[str]
) -> tuple[syntax.Expression, list[tuple[str, syntax.Expression]]]:
    """What is reduced, and the factors that stand outside: (operator or "before", factor)."""
    inside = node.operand
    outside: list[tuple[str, syntax.Expression]] = []
    if node.operator not in ("sum", "mean"):
        return inside, outside
    while (
        isinstance(inside, syntax.Binary)
        and inside.operator in ("*", "/")
        and not _mentions(inside.right, names)
    ):
        outside.insert(0, (inside.operator, inside.right))
        inside = inside.left
    first, rest = _without_first(inside, names)
    if first is not None and rest is not None:
        outside.insert(0, ("before", first))
        inside = rest
    return inside, outside


def _without_first(
    node: syntax.Expression, names: Sequence[str]
) -> tuple[syntax.Expression | None, syntax.Expression | None]:
    """The first factor of a product if no index occurs in it, and the product without it."""
    products: list[syntax.Binary] = []
    while isinstance(node, syntax.Binary) and node.operator == "*":
        products.append(node)
        node = node.left
    if not products or _mentions(node, names):
        return None, None
    rest = products.pop().right
    for one in reversed(products):
        rest = syntax.Binary(rest, "*", one.right, span=one.span)
    return node, rest


def _text(node: syntax.Expression) -> str:
    """An access as it is written, for messages."""
    match node:
        case syntax.Name():
            return node.id
        case syntax.Subscript():
            return f"{_text(node.value)}[{', '.join(map(_text, node.indices))}]"
        case syntax.Attribute():
            return f"{_text(node.value)}.{node.attr}"
        case syntax.Integer():
            return str(node.value)
        case _:
            return "..."


def _tensor(value: Any) -> Tensor:
    assert isinstance(value, Tensor)
    return value
