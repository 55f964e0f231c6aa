"""The value of the right side of a statement of index notation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import GraphcError, ShapeError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.calls import Operation, call_value
from graphc.frontend.elaboration.elementwise import is_elementwise
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import not_supported, refused
from graphc.frontend.index_notation.accesses import Access, accesses_in, is_access
from graphc.frontend.index_notation.factors import factored
from graphc.frontend.index_notation.guards import Fact, facts_of, is_guard
from graphc.frontend.index_notation.mentions import (
    ambiguous,
    bound_in,
    hidden_by_reduction,
    mentions,
    require_bound,
    text_of,
)
from graphc.frontend.index_notation.named_axes import Axes, call_along
from graphc.frontend.index_notation.space import Space, tensor
from graphc.frontend.tracing import trees
from graphc.frontend.tracing.members import CASTS
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.dtype import DType
from graphc.ir.op import functions

__all__ = ["IndexEvaluator"]

_Indexed = tuple[Any, frozenset[str]]
"""A value, and the indices that it depends on."""


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
        self._rounds: dict[int, list[IndexEvaluator]] = {}
        self._depends: dict[int, frozenset[str]] = {}
        self._known = (*space.names, *space.carried)

    def measure(self, body: syntax.Expression) -> None:
        """Learn how far the indices run from every access in an expression.

        Raises:
            ShapeError: two accesses do not agree, or one leaves its tensor.
        """
        self._measure_accesses(body, None)
        for name, axes in self.space.carried.items():
            for axis, size in zip(axes, self.scope.look_up(name, None).shape, strict=True):
                self.space.extents.carry(axis, size, body.span)
        self.space.extents.solve()

    def _measure_accesses(self, body: syntax.Expression, known: tuple[Fact, ...] | None) -> None:
        for node, facts in accesses_in(body, self.space.names, self._facts_in, known):
            if isinstance(node, syntax.ListComprehension):
                for inner in self.rounds_of(node):
                    inner._measure_accesses(node.element, facts)
            else:
                access = self._accesses[id(node)] = Access(node, facts, self)
                access.measure(self.space)

    def rounds_of(self, node: syntax.ListComprehension) -> Sequence[IndexEvaluator]:
        """An evaluator for each element of a comprehension, made once: conditions may draw."""
        if id(node) not in self._rounds:
            rounds = self.outside.rounds_of(node)
            for hidden in {*self.space.names} & {*bound_in(node)}:
                raise ambiguous(hidden, node.span)
            self._rounds[id(node)] = [self._inside(one) for one in rounds]
        return self._rounds[id(node)]

    def _inside(self, outside: Evaluator) -> IndexEvaluator:
        """The evaluator of the same space in a scope inside, with accesses of its own."""
        inner = IndexEvaluator(outside, self.space)
        inner._depends = self._depends
        return inner

    def _facts_in(self, node: syntax.Node) -> Sequence[tuple[Fact, ...] | None]:
        """What a guard says of each child; None for those that it does not guard."""
        if not is_guard(node) or self.outside.evaluate(node.function) != Operation("where"):
            return ()
        condition = node.args[0]
        branches = [
            facts_of(condition, holds, self.space.names, self.outside.evaluate)
            for holds in (True, False)
        ]
        return [None, None, *branches]

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
            elif is_access(one, self.space.names):
                assert isinstance(one, syntax.Subscript)
                pending += one.indices
            elif isinstance(one, syntax.Postfix):
                found |= self._depends.get(id(one), frozenset())
            else:
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

    def _postfix(self, node: syntax.Postfix) -> Any:
        first, links = node.chain()
        found = self._begun(first, links[0])
        method: Operation | DType | None = None
        for link in links:
            if found is None:
                found = self._entered(link)
            elif method is None and isinstance(link, syntax.Attribute):
                method = _method(link)
            elif method is not None and isinstance(link, syntax.Call):
                found = self._called(method, link, found)
                method = None
            else:
                raise _inner(link)
        if method is not None:
            raise _inner(node)
        if found is None:
            return self._single(self.outside.evaluate(node), node)
        self._depends[id(node)] = self._depends.get(id(node), frozenset()) | found[1]
        return found[0]

    def _attribute(self, node: syntax.Attribute) -> Any:
        return self._postfix(node)

    def _begun(self, first: syntax.Expression, link: syntax.Postfix) -> _Indexed | None:
        """What a chain begins with, if that depends on an index: `s.exp()`, `(x[i] + 1).exp()`."""
        if isinstance(first, syntax.Name) and first.id in self.space.carried:
            is_method = isinstance(link, syntax.Attribute) and link.attr in {*functions, *CASTS}
        else:
            is_method = mentions(first, self._known)
        return (self.evaluate(first), self.indices_of(first)) if is_method else None

    def _entered(self, link: syntax.Postfix) -> _Indexed | None:
        """The value of the first link that depends on an index, as an access or a call."""
        match link:
            case syntax.Subscript() if is_access(link, self.space.names):
                with self.program.sources.at(link.span):
                    return self._accesses[id(link)].read(self), self.indices_of(link)
            case syntax.Subscript(_, indices):
                for index in indices:
                    require_bound(index, self.space.names, self.scope)
            case syntax.Call(function, args, keywords):
                if any(mentions(one, self._known) for one in (*args, *keywords)):
                    return self._called(self.outside.evaluate(function), link, None)
        return None

    def _conditional(self, node: syntax.Conditional) -> Any:
        # Branches are no part of the space: where(condition, a, b) chooses elements.
        return self.evaluate(node.body if self.truth(node.test) else node.orelse)

    def _reduction(self, node: syntax.Reduction) -> Any:
        names = [index.id for index in node.indices]
        carriers = (one for one, axes in self.space.carried.items() if {*names} & {*axes})
        inside, outside = factored(node, {*names, *carriers})
        value = self.in_space(self.evaluate(inside))
        read = self.indices_of(inside)
        for index in node.indices:
            is_stated = isinstance(index, syntax.Index)
            if index.id not in read and not is_stated and mentions(inside, (index.id,)):
                raise hidden_by_reduction(index)
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

    def _called(self, function: Any, node: syntax.Call, receiver: _Indexed | None) -> _Indexed:
        """The value of a call with indexed arguments, and the indices that it depends on."""
        along = Axes.of(node, self.space)
        given = [one for one in node.keywords if along is None or one.arg != along.word]
        arguments = [self._argument(self.evaluate(one)) for one in node.args]
        keywords = {one.arg: self._argument(self.evaluate(one.value)) for one in given}
        depends = self.indices_of(syntax.Tuple((*node.args, *(one.value for one in given))))
        if receiver is not None:
            arguments.insert(0, self._argument(receiver[0]))
            depends |= receiver[1]
        with self.program.sources.at(node.span):
            if along is not None:
                value, folded = call_along(
                    self.program, function, arguments, keywords, along, depends, node
                )
                return value, (depends | {*along.names}) - folded
            value = call_value(self.program, function, arguments, keywords, node)
        self._require_elementwise(function, value, [*arguments, *keywords.values()], node)
        return value, depends

    def _argument(self, value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(map(self._argument, value))
        return self.in_space(value) if isinstance(value, Tensor) else value

    def _require_elementwise(
        self, function: Any, value: Any, arguments: Sequence[Any], node: syntax.Call
    ) -> None:
        """Refuse a function that computes over axes: in the space they mean something else."""
        leaves = trees.leaves(list(arguments))
        operands = frozenset(one.node for one in leaves if isinstance(one, Tensor))
        counts = any(isinstance(one, numbers.Formula) for one in arguments)
        if isinstance(value, Tensor):
            if is_elementwise(value.node, operands, counts=counts):
                return
        elif numbers.is_number(value) or isinstance(value, numbers.Formula):
            return
        name = text_of(node.function)
        raise not_supported(
            f"{name}, which does not compute element by element, in index notation",
            node.span,
            f"say along which index, {name}(..., axis=i), or call {name} on the whole tensor "
            "and index the result",
        )


def _method(link: syntax.Attribute) -> Operation | DType:
    """The function that a method of a tensor is.

    Raises:
        SourceError: it is none.
    """
    if link.attr not in functions and link.attr not in CASTS:
        raise _inner(link)
    return CASTS.get(link.attr) or Operation(link.attr)


def _inner(node: syntax.Expression) -> GraphcError:
    """The error for a part of what depends on an index."""
    return not_supported(
        "a member or an element of what depends on an index",
        node.span,
        "define the inner tensor by a statement of its own",
    )
