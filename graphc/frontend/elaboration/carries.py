"""What the body of a loop hands on, and what the blocks of a branch choose between.

These are tensors, and tuples, lists and tables of them. A number among them becomes a tensor: of
the dtype of what stands in its place elsewhere, or else of its own default dtype.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphc.errors import DTypeError, GraphcError, ShapeError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing import trees
from graphc.frontend.tracing.tensor import Tensor

__all__ = ["Carries", "alike", "form_of", "is_tensors"]


class Carries:
    """The names that the body of a loop assigns, and that have a value before it.

    Args:
        evaluator: of the block around the loop.
        body: of the loop.

    Attributes:
        init: the tensors before the loop, each with what it is called in errors.
    """

    def __init__(self, evaluator: Evaluator, body: Sequence[syntax.Statement]) -> None:
        self._scope = evaluator.scope
        self._places: dict[str, Span] = {}
        self._values: dict[str, Any] = {}
        for name, span in syntax.assigned(body):
            value = _as_tensors(evaluator.scope.find(name))
            if is_tensors(value):
                self._places[name], self._values[name] = span, value
        self.init: list[tuple[str, Tensor]] = [
            (repr(name), leaf)
            for name, value in self._values.items()
            for leaf in trees.leaves(value)
        ]

    def define(self, scope: Scope, tensors: Sequence[Tensor]) -> None:
        """Give the names other tensors in their values' places."""
        for name, value in self._nested(tensors):
            scope.define(name, value)

    def _nested(self, tensors: Sequence[Tensor]) -> Iterator[tuple[str, Any]]:
        remaining = iter(tensors)
        for name, value in self._values.items():
            yield name, trees.rebuilt(value, remaining)

    def after(self, scope: Scope, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The values that the names have in the scope of an iteration, given those before it.

        Raises:
            DTypeError, ShapeError: a tensor that changes its type.
            SourceError: a value that is no tensor any more, or is nested otherwise.
        """
        found: list[Tensor] = []
        for name, before in self._nested(tensors):
            value, span = scope.find(name), self._places[name]
            if form_of(value) != form_of(before):
                raise refused(
                    f"the loop begins with {name!r} as {_text(before)}, and makes it "
                    f"{_text(value)}",
                    "carry-type",
                    span,
                    "what a loop carries stays as it is nested; a row of results for each "
                    f"iteration is {name}[t] = row",
                )
            for leaf, part in zip(trees.leaves(value), trees.leaves(before), strict=True):
                found.append(_carried(name, leaf, part, span))
        return found

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say of errors about dtypes what became a tensor by being carried."""
        try:
            yield
        except GraphcError as error:
            for name in self._values:
                value = self._scope.find(name)
                if numbers.is_number(value):
                    type_ = numbers.tensor_of(value).type
                    text = f"{name!r} is {described(value)}, which the loop carries as {type_}"
                    for one in error.errors:
                        if isinstance(one, DTypeError):
                            one.note(text)
            raise


def _carried(name: str, value: Any, before: Tensor, span: Span) -> Tensor:
    after = numbers.tensor_of(value, before.dtype) if numbers.is_number(value) else value
    if not isinstance(after, Tensor):
        raise refused(
            f"the loop begins with {name!r} as {before.type}, and makes it {described(value)}",
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
    """The containers of a value, without what is in them."""
    return trees.map_leaves(lambda _: 0, value)


def alike(values: Sequence[Any]) -> list[Any]:
    """Values of one form, with the numbers in them as tensors; values of several as they are."""
    first, *others = map(form_of, values)
    if any(one != first for one in others):
        return list(values)
    rows = zip(*(list(trees.leaves(value)) for value in values), strict=True)
    columns = zip(*(_row_alike(row) for row in rows), strict=True)
    parts = list(columns) or [() for _ in values]
    return [trees.rebuilt(value, part) for value, part in zip(values, parts, strict=True)]


def _row_alike(values: Sequence[Any]) -> list[Any]:
    given = next((one.dtype for one in values if isinstance(one, Tensor)), None)
    tensors = [numbers.tensor_of(v, given) if numbers.is_number(v) else v for v in values]
    if given is None and all(isinstance(one, Tensor) for one in tensors):
        floats = (one.dtype for one in tensors if one.dtype.kind == "float")
        wanted = next(floats, None)
        return [numbers.tensor_of(value, wanted) for value in values]
    return tensors


def _as_tensors(value: Any) -> Any:
    """A value with the numbers in it as tensors, if it holds nothing but numbers and tensors."""
    found = list(trees.leaves(value)) if isinstance(value, tuple | list | dict) else [value]
    if not all(isinstance(leaf, Tensor) or numbers.is_number(leaf) for leaf in found):
        return value
    tensors = [numbers.tensor_of(leaf) for leaf in found]
    return trees.rebuilt(value, tensors)


def _text(value: Any) -> str:
    return str(value.type) if isinstance(value, Tensor) else described(value)
