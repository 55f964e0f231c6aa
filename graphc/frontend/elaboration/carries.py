"""What the body of a loop hands on, and what the blocks of a branch choose between.

These are tensors, and tuples, lists and tables of them. A number among them becomes a tensor: of
the dtype of what stands in its place elsewhere, or that the body gives it, or else of its own
default dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphc.errors import DTypeError, GraphcError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing import trees
from graphc.frontend.tracing.carries import (
    Seen,
    beside,
    carrying,
    in_dtype_of,
    tensors_in,
    with_numbers,
)
from graphc.frontend.tracing.closures import stand_ins
from graphc.frontend.tracing.nesting import leaves_like
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.types import TensorType

__all__ = ["Carries", "alike", "form_of", "is_inside", "is_tensors"]


class Carries:
    """The names that the body of a loop assigns, and that have a value before it.

    Args:
        evaluator: of the block around the loop.
        body: of the loop.
        rows: names that have no value in the loop, which stores their rows.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        body: Sequence[syntax.Statement],
        rows: Collection[str] = (),
    ) -> None:
        self._scope = evaluator.scope
        self._body = body
        self._places: dict[str, Span] = {}
        self._values: dict[str, Any] = {}
        self._seen: Seen = lambda after: None
        for name, span in syntax.assigned(body):
            value = evaluator.scope.find(name)
            if name not in rows and is_tensors(_as_tensors(value)):
                self._places[name] = span
                self._values[name] = trees.map_leaves(_without_bools, value)
        self._first = self._values

    def through(
        self,
        loop: Callable[[list[tuple[str, Tensor]]], tuple[list[Tensor], list[Tensor]]],
        rows: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """Give the names their values after a loop; what it stacks.

        Args:
            loop: from the first carries, each with what it is called in errors, to the last ones
                and what is stacked. It is traced again where numbers are among what it begins
                with, to know their dtypes.
            rows: what the loop runs over.
        """

        def run(first: dict[str, Any], seen: Seen) -> tuple[list[Tensor], list[Tensor]]:
            self._first, self._seen = trees.map_leaves(_standing, first), seen
            return loop([(repr(n), one) for n in first for _, one in tensors_in(first[n], n)])

        last, stacked = carrying(self._values, run, _beside, rows)
        for name, value in last.items():
            self._scope.define(name, value)
        found: list[Tensor] = stacked
        return found

    def define(self, scope: Scope, tensors: Sequence[Tensor]) -> None:
        """Give the names other tensors in their values' places."""
        for name, value in with_numbers(self._first, tensors).items():
            scope.define(name, value)

    def after(self, scope: Scope, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The values that the names have in the scope of an iteration, given those before it.

        Raises:
            DTypeError, ShapeError: a tensor that changes its type.
            SourceError: a value that is no tensor any more, or is nested otherwise.
        """
        found: list[tuple[str, Any, Any]] = []
        for name, before in with_numbers(self._first, tensors).items():
            value = scope.find(name)
            if form_of(value) != form_of(before):
                raise refused(
                    f"the loop begins with {name!r} as {_text(before)}, and makes it "
                    f"{_text(value)}",
                    "carry-type",
                    self._places[name],
                    "what a loop carries stays as it is nested; a row of results for each "
                    f"iteration is {name}[t] = row",
                )
            parts = zip(leaves_like(value, before, name), trees.leaves(before), strict=True)
            found += [(name, leaf, part) for leaf, part in parts]
        if all(isinstance(leaf, Tensor) or numbers.is_number(leaf) for _, leaf, _ in found):
            self._seen([leaf for _, leaf, _ in found])
        return [
            _of_type(name, _carried(leaf, one), one, self._places[name])
            for name, leaf, one in found
            if isinstance(one, Tensor)
        ]

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say of errors about the dtype of a number that it became a tensor by being carried."""
        try:
            yield
        except GraphcError as error:
            for name in self._values:
                value = self._scope.find(name)
                if numbers.is_number(value):
                    type_ = numbers.tensor_of(value).type
                    text = f"{name!r} is {described(value)}, which the loop carries as {type_}"
                    for one in error.errors:
                        about = isinstance(one, DTypeError) and type_.dtype.name in one.message
                        is_named = repr(name) in one.message
                        if about and (is_named or self._is_read(name, one.span)):
                            one.note(text)
                            one.hint = _beginning(name, value, type_.dtype, one) or one.hint
            raise

    def _is_read(self, name: str, span: Span | None) -> bool:
        """Whether what stands in a place of the body, if it is one, is computed from a name."""
        names = [node for node in _nodes(self._body) if isinstance(node, syntax.Name)]

        def read_at(place: Span | None) -> set[str]:
            return {one.id for one in names if place is not None and is_inside(one.span, place)}

        assigned = [(target, read_at(place)) for target, place in syntax.assigned(self._body)]
        found, before = {name}, set[str]()
        while found != before:
            before = found
            found = found | {target for target, read in assigned if found & read}
        at_place = read_at(span)
        return not at_place or bool(found & at_place)


def _beginning(name: str, value: Any, carried: DType, error: GraphcError) -> str | None:
    """How a loop begins with a number in the other dtype that an error names, if that can be."""
    named = [one for one in dtypes.ALL if f"{one.name}[" in error.message and one is not carried]
    if len(named) != 1 or named[0].kind != carried.kind:
        return None
    return f"to carry {named[0]}, begin with {name} = cast({value}, {named[0]})"


def is_inside(span: Span, place: Span) -> bool:
    """Whether a stretch of a source is a part of another one."""
    begins_inside = (place.line, place.column) <= (span.line, span.column)
    ends_inside = (span.end_line, span.end_column) <= (place.end_line, place.end_column)
    return span.file == place.file and begins_inside and ends_inside


def _nodes(body: Sequence[syntax.Statement]) -> Iterator[syntax.Node]:
    """All nodes of a block."""
    pending: list[syntax.Node] = list(body)
    while pending:
        node = pending.pop()
        yield node
        pending += syntax.children(node)


def _carried(value: Any, before: Tensor) -> Any:
    """What the body makes of a carry, where it is a number as the tensor that it would be."""
    if not numbers.is_number(value):
        return value
    if isinstance(value, Dim | numbers.Formula):
        return numbers.tensor_of(value, before.dtype)
    return in_dtype_of(value, before, numbers.tensor_of(value))


def _without_bools(value: Any) -> Any:
    return numbers.tensor_of(value) if isinstance(value, bool) else value


def _standing(value: Any) -> Any:
    """What stands for a carry while it is a number: one that is not known, and has no dtype."""
    if isinstance(value, Tensor):
        return value
    is_whole = numbers.tensor_of(value).dtype.is_integer

    def build(dtype: DType) -> Tensor:
        return Tensor(*stand_ins("carry", [TensorType(dtype, ())]))

    return numbers.Formula(build, is_whole, str(value))


def _beside(value: Any, other: Tensor | None) -> Tensor:
    """A value as a tensor, a number in the dtype of another one if that can hold it."""
    if isinstance(value, Dim | numbers.Formula):
        return numbers.tensor_of(value, None if other is None else other.dtype)
    return beside(value, other)


def _of_type(name: str, after: Any, before: Tensor, span: Span) -> Tensor:
    if not isinstance(after, Tensor):
        raise refused(
            f"the loop begins with {name!r} as {before.type}, and makes it {described(after)}",
            "carry-type",
            span,
            "what a loop carries stays a tensor of its type",
        )
    if after.type is not before.type:
        error = DTypeError if after.dtype is not before.dtype else ShapeError
        raise error(
            f"the loop begins with {name!r} as {before.type}, and makes it {after.type}",
            code="carry-type",
            span=span,
            hint="what a loop carries keeps its dtype and shape; cast or broadcast it",
        )
    return after


def is_tensors(value: Any) -> bool:
    """Whether a value is a tensor, or a container of nothing else."""
    is_container = isinstance(value, tuple | list | dict)
    return isinstance(value, Tensor) or (
        is_container and all(isinstance(leaf, Tensor) for leaf in trees.leaves(value))
    )


def form_of(value: Any) -> Any:
    """The containers of a value, without what is in them; keys of tables have no order."""
    return trees.map_leaves(lambda _: 0, value)


def alike(values: Sequence[Any]) -> list[Any]:
    """Values of one form, with the numbers in them as tensors; values of several as they are."""
    first, *others = map(form_of, values)
    if any(one != first for one in others):
        return list(values)
    rows = zip(*(leaves_like(value, values[0], "the value") for value in values), strict=True)
    columns = zip(*map(numbers.alike, rows), strict=True)
    parts = list(columns) or [() for _ in values]
    return [trees.rebuilt(values[0], part) for part in parts]


def _as_tensors(value: Any) -> Any:
    """A value with the numbers in it as tensors, if it holds nothing but numbers and tensors."""
    found = list(trees.leaves(value)) if isinstance(value, tuple | list | dict) else [value]
    if not all(isinstance(leaf, Tensor) or numbers.is_number(leaf) for leaf in found):
        return value
    tensors = [numbers.tensor_of(leaf) for leaf in found]
    return trees.rebuilt(value, tensors)


def _text(value: Any) -> str:
    return str(value.type) if isinstance(value, Tensor) else described(value)
