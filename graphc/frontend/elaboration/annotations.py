"""Types of arguments and results: named dims are unified, everything else must agree.

A name in the shape of a parameter that is a dim of the file, or that nothing else defines, is
bound at each call to the size that it meets first; the other places where it occurs must have
that size, and a dim of the file keeps to its range. Inside the function the name means that size,
and so it does in the type of the result, which says nothing about names of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from graphc.errors import (
    DimensionError,
    DTypeError,
    GraphcError,
    NameLookupError,
    ShapeError,
    Span,
    did_you_mean,
)
from graphc.frontend import syntax
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.numbers import Formula
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing.named_dims import DEFAULT_RANGE
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.record import Record
from graphc.ir.types import TensorType

__all__ = ["Shapes", "declared_type", "dtype_of", "static_size", "with_free_dims"]


@dataclass
class Shapes:
    """The dims of one call: what the names in its annotations stand for.

    Attributes:
        scope: of the function; the names are defined there.
        declared: the dims of the file, by name.
        bound: what each name was bound to, and by which value.
    """

    scope: Scope
    declared: dict[str, Dim]
    bound: dict[str, tuple[DimLike, str]] = field(default_factory=dict)

    def match(self, values: _Annotated) -> None:
        """Unify annotations with the types of values: (what it is, annotation, type, place).

        Raises:
            DTypeError, ShapeError, DimensionError: a value does not fit its annotation.
        """
        # Axes that are a name alone say what it is, wherever they stand.
        axes = self._axes(values)
        for axis in sorted(axes, key=lambda axis: not isinstance(axis.pattern, syntax.Name)):
            with _at(axis.place):
                name = axis.pattern.id if isinstance(axis.pattern, syntax.Name) else None
                if name is not None and self._is_free(name):
                    self._bind(name, axis.size, axis.what)
                else:
                    self._require_equal(self._expected(axis), axis)

    def require(self, values: _Annotated) -> None:
        """As `match`, but no value says what a name means: every one is known already.

        Raises:
            NameLookupError: a name is none of a dim. Others as for `match`.
        """
        for axis in self._axes(values):
            with _at(axis.place):
                self._require_equal(self._known(axis.pattern), axis)

    def _known(self, pattern: syntax.Expression) -> DimLike:
        for name in _names(pattern):
            if self.scope.find(name) is Scope.MISSING:
                dims_known = {*self.bound, *self.declared}
                raise NameLookupError(
                    f"no dim is called {name!r}",
                    span=pattern.span,
                    hint=did_you_mean(name, sorted(dims_known))
                    or f"name a dim of an argument, or declare one: dim {name}: 1..4096",
                )
        return static_size(pattern, self.scope)

    def _axes(self, values: _Annotated) -> list[_Axis]:
        return [axis for one in values for axis in self._axes_of(*one)]

    def _axes_of(
        self, what: str, annotation: syntax.TensorType, type_: TensorType, place: Span | None
    ) -> Iterator[_Axis]:
        expected = dtype_of(annotation)
        if type_.dtype is not expected:
            loses_a_part = type_.dtype.kind == "complex" != expected.kind
            raise DTypeError(
                f"{what} is {type_}, expected {_text(annotation)}",
                span=place,
                hint="take a part of it: real(x), imag(x) or abs(x)"
                if loses_a_part
                else f"cast it: cast(x, {annotation.dtype})",
            )
        pattern, sizes = list(annotation.shape), list(type_.shape)
        dots = [i for i, one in enumerate(pattern) if isinstance(one, syntax.EllipsisLiteral)]
        if len(dots) > 1:
            raise refused("a shape has one '...' at most", "annotation", annotation.span)
        if len(pattern) - len(dots) > len(sizes) or (not dots and len(pattern) != len(sizes)):
            raise ShapeError(
                f"{what} is {type_}, of {len(sizes)} axes; expected {_text(annotation)}, of "
                f"{len(pattern) - len(dots)}{' or more' if dots else ''}",
                span=place,
                hint=f"write {type_} in the annotation, or change the shape of the value",
            )
        if dots:
            after = len(pattern) - dots[0] - 1
            sizes = sizes[: dots[0]] + sizes[len(sizes) - after :]
            del pattern[dots[0]]
        for one, size in zip(pattern, sizes, strict=True):
            yield _Axis(one, size, what, annotation, type_, place)

    def _require_equal(self, expected: DimLike, axis: _Axis) -> None:
        if dims.always_equal(expected, axis.size):
            return
        error = ShapeError(
            f"{axis.what} is {axis.type}, expected {_text(axis.annotation)}: "
            f"{axis.size} meets {_axis_text(axis.pattern, expected)}",
            hint=f"write {axis.type} in the annotation, or change the shape of the value",
        )
        for used in _names(axis.pattern):
            if used in self.bound:
                size, source = self.bound[used]
                if str(size) != used:
                    error.note(f"{used} is {size}, as {source} says")
        raise error

    def _is_free(self, name: str) -> bool:
        """Whether the name is a dim that no size is known for yet."""
        if name in self.bound:
            return False
        found = self.scope.find(name)
        return found is Scope.MISSING or found is self.declared.get(name, Scope)

    def _bind(self, name: str, size: DimLike, source: str) -> None:
        if name in self.declared:
            # Refuses what is not proved to be in the range.
            try:
                dims.substitute(self.declared[name], {name: size})
            except DimensionError as error:
                if str(size) == name:
                    error.hint = (
                        f"two dims are called {name}: give types the one of the file, which is an "
                        f"attribute of what source(...) gives, f32[file.{name}, 4]"
                    )
                raise
        self.bound[name] = size, source
        self.scope.define(name, size)
        self.scope.mark_size(name)

    def _expected(self, axis: _Axis) -> DimLike:
        free = [name for name in dict.fromkeys(_names(axis.pattern)) if self._is_free(name)]
        if len(free) == 1 and isinstance(axis.size, int):
            self._solve(free[0], axis)
        elif free and not all(name in self.declared for name in free):
            raise DimensionError(
                f"{axis.what}: {axis.size} does not determine {' and '.join(free)}",
                span=axis.pattern.span,
                hint="let one of the shapes have an axis with the name alone",
            )
        return static_size(axis.pattern, self.scope)

    def _solve(self, name: str, axis: _Axis) -> None:
        unknown = self.declared.get(name) or dims.variable(name, 0, DEFAULT_RANGE[1])
        inner = Scope(self.scope)
        inner.define(name, unknown)
        solved = dims.solve(static_size(axis.pattern, inner), axis.size, {})  # type: ignore[arg-type]
        if solved is None:
            raise ShapeError(
                f"{axis.what} is {axis.type}, expected {_text(axis.annotation)}: no {name} gives "
                f"{axis.size}"
            )
        self._bind(name, solved.get(name, 0), axis.what)


_Annotated = Sequence[tuple[str, syntax.TensorType, TensorType, Span | None]]


@contextmanager
def _at(place: Span | None) -> Iterator[None]:
    """Place errors that have no place of their own."""
    try:
        yield
    except GraphcError as error:
        raise error.at(place) from error.__cause__


class _Axis(Record):
    """One axis of a value beside what its annotation says of it."""

    pattern: syntax.Expression
    size: DimLike
    what: str
    annotation: syntax.TensorType
    type: TensorType
    place: Span | None


def _names(pattern: syntax.Node) -> Iterator[str]:
    pending = [pattern]
    while pending:
        one = pending.pop()
        if isinstance(one, syntax.Name):
            yield one.id
        function = one.function if isinstance(one, syntax.Call) else None
        inner = [child for child in syntax.children(one) if child is not function]
        pending += reversed(inner)


def _text(annotation: syntax.TensorType) -> str:
    return f"{annotation.dtype}[{', '.join(map(_expression_text, annotation.shape))}]"


def _expression_text(node: syntax.Expression) -> str:
    match node:
        case syntax.Name():
            return node.id
        case syntax.Integer():
            return str(node.value)
        case syntax.EllipsisLiteral():
            return "..."
        case syntax.Binary():
            first, links = node.chain()
            rest = (f"{one.operator}{_expression_text(one.right)}" for one in links)
            return _expression_text(first) + "".join(rest)
        case _:
            return "(...)"


def _axis_text(pattern: syntax.Expression, size: DimLike) -> str:
    text = _expression_text(pattern)
    return text if text == str(size) or "(...)" in text else f"{text} = {size}"


def dtype_of(annotation: syntax.TensorType) -> dtypes.DType:
    """The dtype that an annotation names.

    Raises:
        DTypeError: there is none of that name.
    """
    try:
        return dtypes.from_name(annotation.dtype)
    except DTypeError as error:
        raise error.at(annotation.span) from None


def static_size(node: syntax.Expression, scope: Scope) -> DimLike:
    """The size that an expression in a shape means.

    Raises:
        SourceError: it is no whole number and no dim, or negative.
    """
    value: Any = Evaluator.of(scope).evaluate(node)
    is_whole = isinstance(value, int | Dim) and not isinstance(value, bool)
    if not is_whole or dims.always_less_equal(value, -1):
        raise refused(
            f"a size of {described(value)}",
            "size",
            node.span,
            "sizes are whole numbers, and are divided by '//'"
            if isinstance(value, Formula | float)
            else "a size is a whole number of 0 or more",
        )
    size: DimLike = value
    return size


def declared_type(annotation: syntax.TensorType, scope: Scope) -> TensorType:
    """The type that an annotation means where no argument can bind its names.

    Raises:
        GraphcError: a name in it is no dim and no number.
    """
    dtype = dtype_of(annotation)
    for one in annotation.shape:
        if isinstance(one, syntax.EllipsisLiteral):
            raise refused(
                "the number of axes is not known here",
                "annotation",
                one.span,
                "write every axis: f32[B, 64]",
            )
    return TensorType(dtype, tuple(_declared_size(one, scope) for one in annotation.shape))


def _declared_size(node: syntax.Expression, scope: Scope) -> DimLike:
    try:
        return static_size(node, scope)
    except NameLookupError as error:
        if isinstance(node, syntax.Name):
            error.hint = f"a size that each call chooses is declared: dim {node.id}: 1..4096"
        raise


def with_free_dims(parameters: Sequence[syntax.Parameter], outer: Scope) -> Scope:
    """A scope in which names in annotations that nothing defines are dims of any size."""
    scope = Scope(outer)
    for parameter in parameters:
        if isinstance(parameter.annotation, syntax.TensorType):
            for one in parameter.annotation.shape:
                for name in _names(one):
                    if scope.find(name) is Scope.MISSING:
                        # Names that begin with '_' are no dims of a user.
                        dim = f"any{name}" if name.startswith("_") else name
                        scope.define(name, dims.variable(dim, *DEFAULT_RANGE))
    return scope
