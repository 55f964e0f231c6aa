"""The value of the right side of a statement of index notation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.calls import Operation
from graphc.frontend.elaboration.elementwise import is_elementwise
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.index_notation.accesses import Access, accesses_in, is_access
from graphc.frontend.index_notation.factors import factored
from graphc.frontend.index_notation.mentions import mentions, require_bound, text_of
from graphc.frontend.index_notation.named_axes import Axes, call_along
from graphc.frontend.index_notation.space import Space, tensor
from graphc.frontend.tensor import Tensor, call
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.ops.conversion import cast_to

__all__ = ["IndexEvaluator"]


class IndexEvaluator(Evaluator):
    """Evaluates an expression whose tensors have one axis for each index of the statement.

    Attributes:
        space: the indices.
        outside: evaluates what is the same for all elements.
    """

    def __init__(self, outer: Evaluator, space: Space) -> None:
        super().__init__(outer.program, outer.scope)
        self.space = space
        self.outside = Evaluator(outer.program, outer.scope)
        self._accesses: dict[int, Access] = {}
        self._folded: dict[int, frozenset[str]] = {}

    def measure(self, body: syntax.Expression) -> None:
        """Learn how far the indices run from every access in an expression.

        Raises:
            ShapeError: two accesses do not agree, or one leaves its tensor.
        """
        for node in accesses_in(body, self.space.names):
            access = self._accesses[id(node)] = Access(node, self)
            access.measure(self.space)
        for name, axes in self.space.carried.items():
            for axis, size in zip(axes, self.scope.look_up(name, None).shape, strict=True):
                self.space.extents.carry(axis, size, body.span)
        self.space.extents.solve()

    def in_space(self, value: Any) -> Tensor:
        """A value as a tensor of the space; a number or a tensor without axes spreads over it."""
        rank = len(self.space.names)
        whole = numbers.tensor_of(value)
        return whole if whole.ndim == rank else tensor(call("reshape", whole, (1,) * rank))

    def whole_number(self, node: syntax.Expression) -> Tensor:
        """An index that is data, as a tensor of the space.

        Raises:
            SourceError: it is no tensor of whole numbers.
        """
        value = self.in_space(self.evaluate(node))
        if not value.dtype.is_integer:
            raise refused(
                f"{value.dtype.name} numbers are no index",
                "index",
                node.span,
                "an index is a whole number: cast(x, i64)",
            )
        return value

    # -- what an expression depends on

    def indices_of(self, node: syntax.Node) -> frozenset[str]:
        """The indices that the value of an expression, which has been evaluated, depends on."""
        found: set[str] = set()
        pending: list[syntax.Node] = [node]
        while pending:
            one = pending.pop()
            if isinstance(one, syntax.Name):
                found.update({one.id} & set(self.space.names))
                found.update(self.space.carried.get(one.id, ()))
            elif isinstance(one, syntax.Reduction):
                inner = self.indices_of(one.operand)
                found |= inner - {index.id for index in one.indices}
            elif isinstance(one, syntax.Call):
                values = (*one.args, *(k.value for k in one.keywords if k.arg not in Axes.WORDS))
                inner = frozenset[str]().union(*map(self.indices_of, values))
                found |= inner - self._folded.get(id(one), frozenset())
            elif is_access(one, self.space.names):
                assert isinstance(one, syntax.Subscript)
                pending += one.indices
            elif not isinstance(one, syntax.Subscript):
                pending += syntax.children(one)
        return frozenset(found)

    # -- expressions

    def _name(self, node: syntax.Name) -> Any:
        if node.id in self.space.names:
            return self.space.counter(node.id, node.span)
        value = super()._name(node)
        if node.id in self.space.carried:
            with self.program.sources.at(node.span):
                return self.space.placed(value, self.space.carried[node.id])
        return self._single(value, node)

    def _single(self, value: Any, node: syntax.Expression) -> Any:
        """A value from outside of the notation, which a tensor with axes cannot be."""
        if isinstance(value, Tensor) and value.ndim:
            indices = ", ".join("ijkl"[: min(value.ndim, 4)])
            raise ShapeError(
                f"{value.type} stands without indices in index notation",
                code="index",
                span=node.span,
                hint=f"say which element: {text_of(node)}[{indices}]",
            )
        return value

    def _attribute(self, node: syntax.Attribute) -> Any:
        return self._single(self.outside.evaluate(node), node)

    def _subscript(self, node: syntax.Subscript) -> Any:
        if is_access(node, self.space.names):
            with self.program.sources.at(node.span):
                return self._accesses[id(node)].read(self)
        for index in node.indices:
            require_bound(index, self.space.names, self.scope)
        return self._single(self.outside.evaluate(node), node)

    def _reduction(self, node: syntax.Reduction) -> Any:
        names = [index.id for index in node.indices]
        inside, outside = factored(node, names)
        value = self.in_space(self.evaluate(inside))
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
        if not mentions(node, (*self.space.names, *self.space.carried)):
            return self._single(self.outside.evaluate(node), node)
        function = self.outside.evaluate(node.function)
        if not isinstance(function, Operation | DType):
            raise not_supported(
                f"a call of {described(function)} with indexed arguments",
                node.span,
                "call it on whole tensors, and index the result",
            )
        along = Axes.of(node, self.space)
        arguments = [self._argument(one) for one in node.args]
        keywords = {
            one.arg: self._argument(one.value)
            for one in node.keywords
            if along is None or one.arg not in Axes.WORDS
        }
        with self.program.sources.at(node.span):
            if isinstance(function, DType):
                value = numbers.tensor_of(arguments[0], function)
                return Tensor(cast_to(value.node, function))
            if along is not None:
                self._folded[id(node)] = along.folded(function.name)
                return call_along(function, arguments, keywords, along, node)
            result = function(*arguments, **keywords)
        if isinstance(result, Tensor):
            given = [value.node for value in arguments if isinstance(value, Tensor)]
            self._require_elementwise(function.name, result.node, given, node)
        return result

    def _argument(self, node: syntax.Expression) -> Any:
        value = self.evaluate(node)
        return self.in_space(value) if isinstance(value, Tensor) else value

    def _require_elementwise(
        self, name: str, result: Node, operands: Sequence[Node], node: syntax.Call
    ) -> None:
        """Refuse a function that computes over axes: in the space they mean something else."""
        if not is_elementwise(result, frozenset(operands)):
            raise not_supported(
                f"{name}, which does not compute element by element, in index notation",
                node.span,
                f"say along which index, {name}(..., axis=i), or call {name} on the whole tensor "
                "and index the result",
            )
