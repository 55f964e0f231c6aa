"""The value of expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from graphc.errors import GraphcError
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.calls import call_value
from graphc.frontend.elaboration.elements import element_at
from graphc.frontend.elaboration.iterables import InGraph
from graphc.frontend.elaboration.members import member_of
from graphc.frontend.elaboration.refusal import (
    described,
    not_supported,
    refused,
)
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.operators import UNARY
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim

if TYPE_CHECKING:
    from graphc.frontend.elaboration.program import Program

__all__ = ["PROGRAM", "Evaluator", "limited"]

_Sequence = TypeVar("_Sequence", bound=Sequence[Any])

MAX_LEAVES = 10_000
"""Values in one tuple or list, those inside of its elements counted."""


class Evaluator:
    """Evaluates the expressions of one block.

    Args:
        program: what the expressions are a part of.
        scope: what names mean.
    """

    def __init__(self, program: Program, scope: Scope) -> None:
        self.program = program
        self.scope = scope

    @classmethod
    def of(cls, scope: Scope) -> Evaluator:
        """An evaluator for a scope of a program."""
        return cls(scope.look_up(PROGRAM, None), scope)

    def evaluate(self, node: syntax.Expression) -> Any:
        """The value of an expression; errors are placed at the part that is wrong.

        Raises:
            GraphcError: the expression has no meaning, or an operation refuses its operands.
        """
        self.program.count(node.span)
        try:
            return _METHODS[type(node)](self, node)
        except GraphcError as error:
            raise error.at(node.span) from error.__cause__

    # -- literals and names

    def _name(self, node: syntax.Name) -> Any:
        return self.scope.look_up(node.id, node.span)

    def _literal(self, node: Any) -> Any:
        return node.value

    def _none(self, node: syntax.NoneLiteral) -> None:
        return None

    def _ellipsis(self, node: syntax.EllipsisLiteral) -> Any:
        return ...

    def _tuple(self, node: syntax.Tuple) -> tuple[Any, ...]:
        return limited(tuple(self.evaluate(one) for one in node.elements), node)

    def _list(self, node: syntax.List) -> list[Any]:
        return limited([self.evaluate(one) for one in node.elements], node)

    def _comprehension(self, node: syntax.ListComprehension) -> list[Any]:
        return limited([inner.evaluate(node.element) for inner in self.rounds_of(node)], node)

    def rounds_of(self, node: syntax.ListComprehension) -> Sequence[Evaluator]:
        """An evaluator for each element of a comprehension.

        Raises:
            GraphcError: what it runs over is no sequence, or a condition is not known.
        """
        found = [self]
        for clause in node.clauses:
            found = [inner for outer in found for inner in outer._each(clause)]
        return found

    def _each(self, clause: syntax.Clause) -> Iterator[Evaluator]:
        """An evaluator for each item that a clause of a comprehension takes."""
        for item in self.items_of(self.evaluate(clause.iterable), clause.iterable):
            self.program.count(clause.span)
            inner = Evaluator(self.program, Scope(self.scope))
            inner.assign(clause.target, item)
            if all(inner.truth(condition) for condition in clause.conditions):
                yield inner

    # -- operators

    def _unary(self, node: syntax.Unary) -> Any:
        value = self.evaluate(node.operand)
        if node.operator == "not" and not _is_condition(value):
            return not self.truth_of(value, node.operand)
        with self.program.sources.at(node.span):
            if node.operator == "not":
                return call("logical_not", value)
            if node.operator == "-":
                return numbers.negate(value)
            if not isinstance(value, Tensor) and not numbers.is_number(value):
                raise numbers.no_operand(value, node.operator)
            if node.operator == "+":
                return value
            if isinstance(value, int):
                return not value if isinstance(value, bool) else ~value
            return call(UNARY["~"], numbers.tensor_of(value))

    def _binary(self, node: syntax.Binary) -> Any:
        if node.operator in ("and", "or"):
            return self._joined(node)
        # Sums and products lean to the left: walking that spine in a loop is not deep.
        spine = [node]
        while isinstance(spine[-1].left, syntax.Binary) and spine[-1].left.operator not in (
            "and",
            "or",
        ):
            spine.append(spine[-1].left)
        value = self.evaluate(spine[-1].left)
        for one in reversed(spine):
            right = self.evaluate(one.right)
            with self.program.sources.at(one.span):
                value = numbers.combine(one.operator, value, right)
        return limited(value, node) if isinstance(value, tuple | list) else value

    def _joined(self, node: syntax.Binary) -> Any:
        """`a and b`, `a or b`: known where one decides, else a tensor."""
        first, links = node.chain()
        found: Any = node.operator == "and"
        for operand in (first, *(link.right for link in links)):
            value = self.evaluate(operand)
            if not _is_condition(value):
                value = self.truth_of(value, operand)
                if value != (node.operator == "and"):
                    return value
            elif isinstance(found, Tensor):
                with self.program.sources.at(node.span):
                    found = call(f"logical_{node.operator}", found, value)
            else:
                found = value
        return found

    def _compare(self, node: syntax.Compare) -> Any:
        values = [self.evaluate(one) for one in (node.left, *node.comparators)]
        result: Any = True
        for symbol, (left, right) in zip(node.operators, pairwise(values), strict=True):
            with self.program.sources.at(node.span), _told_of_parentheses(node):
                one = numbers.compare(symbol, left, right)
                if isinstance(one, Tensor) and isinstance(result, Tensor):
                    result = call("logical_and", result, one)
                elif one is not True:
                    # A known False decides, a known True adds nothing.
                    result = one if result is True else result
        return result

    def _conditional(self, node: syntax.Conditional) -> Any:
        test = self.evaluate(node.test)
        if _is_condition(test):
            return self.program.chosen(self, node, test)
        return self.evaluate(node.body if self.truth_of(test, node.test) else node.orelse)

    def truth(self, node: syntax.Expression) -> bool:
        """The truth of a condition, which is known while the program is built.

        Raises:
            SourceError: it is a tensor, or depends on a dim.
        """
        return self.truth_of(self.evaluate(node), node)

    def truth_of(self, value: Any, node: syntax.Expression) -> bool:
        """The truth of the value of a condition (see `truth`)."""
        if isinstance(value, Tensor):
            statement = "" if value.shape else ", or write a statement: if condition: ... else: ..."
            raise not_supported(
                f"a branch on a value that is known at run time only ({described(value)})",
                node.span,
                "choose elements with where(condition, a, b), combine conditions with & | ~"
                f"{statement}; an argument is left out where it is None: if x is None: ...",
            )
        if isinstance(value, Dim | numbers.Formula):
            raise refused(
                f"the truth of {described(value)} is not known while the program is built",
                "not-static",
                node.span,
                "compare it with a number",
            )
        return bool(value)

    # -- members, elements, calls

    def _postfix(self, node: syntax.Postfix) -> Any:
        first, links = node.chain()
        value = self.evaluate(first)
        for link in links:
            if link is not node:
                self.program.count(link.span)
            try:
                value = self._applied(link, value)
            except GraphcError as error:
                raise error.at(link.span) from error.__cause__
        return value

    def _applied(self, link: syntax.Postfix, receiver: Any) -> Any:
        """A member, a call or an element of a value."""
        match link:
            case syntax.Attribute(_, name):
                return member_of(self.program, receiver, name)
            case syntax.Call(_, args, named):
                arguments = [self.evaluate(one) for one in args]
                keywords = {one.arg: self.evaluate(one.value) for one in named}
                return call_value(self.program, receiver, arguments, keywords, link)
        assert isinstance(link, syntax.Subscript)
        return element_at(self, link, receiver)

    def _attribute(self, node: syntax.Attribute) -> Any:
        return self._postfix(node)

    def _subscript(self, node: syntax.Subscript) -> Any:
        return self._postfix(node)

    def _call(self, node: syntax.Call) -> Any:
        return self._postfix(node)

    def _slice(self, node: syntax.Slice) -> Any:
        raise refused("a slice stands in an index only", "index", node.span)

    def _reduction(self, node: syntax.Reduction) -> Any:
        return self.program.index_notation(self, node)

    # -- targets

    def assign(
        self, target: syntax.Expression, value: Any, source: syntax.Expression | None = None
    ) -> None:
        """Bind the names of a target.

        Args:
            source: the expression of the value, if it is one.

        Raises:
            SourceError: a value that has not as many elements as the target.
        """
        if isinstance(target, syntax.Name):
            self.scope.define(target.id, value, place=target.span)
            return
        assert isinstance(target, syntax.Tuple)
        elements = target.elements
        if not isinstance(value, tuple | list | range) or len(value) != len(elements):
            raise refused(
                f"{described(value)} is assigned to {len(elements)} names",
                "unpack",
                target.span,
                _unpacking_hint(value, len(elements), source),
            )
        for one, part in zip(elements, value, strict=True):
            self.assign(one, part)

    def items_of(self, value: Any, node: syntax.Expression) -> Any:
        """What is in the value of an expression, which is known while the program is built.

        Raises:
            SourceError: a tensor, or a value without elements.
        """
        if isinstance(value, InGraph):
            raise not_supported(
                f"a list of the rows of a tensor ({described(value)})",
                node.span,
                "compute with the whole tensor, or loop over its rows: for row in x:",
            )
        if isinstance(value, tuple | list | range):
            return value
        if isinstance(value, dict) or (isinstance(value, Module) and hasattr(value, "__iter__")):
            return list(value)
        raise refused(
            f"{described(value)} is nothing to loop over",
            "not-iterable",
            node.span,
            "loop over range(n), a list or a tuple",
        )


@contextmanager
def _told_of_parentheses(node: syntax.Compare) -> Iterator[None]:
    """Say of an error in `any[k] x[k] > 1` that the truth of `any` is compared."""
    try:
        yield
    except GraphcError as error:
        if isinstance(node.left, syntax.Reduction) and node.left.operator in ("any", "all"):
            name = node.left.operator
            error.hint = (
                f"{name} takes a product, and ends before a comparison: write it in parentheses, "
                f"{name}[i] (x[i] > 0)"
            )
        raise


def _is_condition(value: Any) -> TypeGuard[Tensor]:
    """Whether a value is one truth value that is known at run time."""
    return isinstance(value, Tensor) and value.dtype is dtypes.bool_ and not value.shape


def _unpacking_hint(value: Any, names: int, source: syntax.Expression | None) -> str | None:
    match source:
        case syntax.Call(syntax.Name("max" | "min" | "sort" as name)):
            return f"{name}(x) gives values alone; their places are arg{name}(x)"
        case syntax.Call(syntax.Name("split") | syntax.Attribute(_, "split")):
            return f"split(x, n) gives pieces of n elements; {names} pieces are chunk(x, {names})"
    return "take the parts of a tensor by index: x[0]" if isinstance(value, Tensor) else None


PROGRAM = "\0program"
"""The name under which the outermost scope of a program has the program; no user can write it."""


def limited(value: _Sequence, node: syntax.Expression) -> _Sequence:
    """The value, if it is not made of too many others."""
    count = 0
    pending: list[Any] = [value]
    while pending:
        one = pending.pop()
        count += 1
        if isinstance(one, tuple | list):
            pending += one
        if count > MAX_LEAVES:
            raise refused(
                f"this value has more than {MAX_LEAVES} parts",
                "too-large",
                node.span,
                "values that are used together are one tensor: stack or concat them",
            )
    return value


_METHODS: dict[type[syntax.Expression], Callable[[Any, Any], Any]] = {
    syntax.Name: lambda self, node: self._name(node),
    syntax.Integer: Evaluator._literal,
    syntax.Float: Evaluator._literal,
    syntax.String: Evaluator._literal,
    syntax.Boolean: Evaluator._literal,
    syntax.NoneLiteral: Evaluator._none,
    syntax.EllipsisLiteral: Evaluator._ellipsis,
    syntax.Attribute: lambda self, node: self._attribute(node),
    syntax.Call: lambda self, node: self._call(node),
    syntax.Slice: Evaluator._slice,
    syntax.Subscript: lambda self, node: self._subscript(node),
    syntax.Tuple: Evaluator._tuple,
    syntax.List: Evaluator._list,
    syntax.ListComprehension: Evaluator._comprehension,
    syntax.Unary: Evaluator._unary,
    syntax.Binary: Evaluator._binary,
    syntax.Compare: Evaluator._compare,
    syntax.Conditional: lambda self, node: self._conditional(node),
    syntax.Reduction: lambda self, node: self._reduction(node),
}
