"""Functions of a program: what happens when one is called.

A call is inlined: the body runs on the tensors of the call, and what it computes becomes part of
the graph that is being built.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.errors import GraphcError, NameLookupError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.annotations import (
    Shapes,
    declared_type,
    dtype_of,
    with_free_dims,
)
from graphc.frontend.elaboration.calls import CallSite, bind_arguments, call_value
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.gradients import is_gradient, with_own_gradient
from graphc.frontend.elaboration.refusal import described, not_supported, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.elaboration.statements import run_body
from graphc.frontend.tracing.as_tensor import as_tensor
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import map_leaves
from graphc.ir.dims import Dim
from graphc.ir.record import Record

if TYPE_CHECKING:
    from graphc.frontend.elaboration.program import Program

__all__ = ["UserFunction", "parameters_of"]

_STATIC_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int, Dim),
    "float": (int, float, Dim),
    "str": (str,),
}
_MAX_NOTES = 4
_DECORATORS = "write @checkpoint, @gradient(f), or the name of what makes a function of this one"


@dataclass(frozen=True, eq=False)
class UserFunction:
    """A function or method of a program.

    Attributes:
        program: what it is a part of.
        definition: its syntax tree.
        scope: where it is defined.
        owner: the model that it is a method of.
    """

    program: Program
    definition: syntax.Function
    scope: Scope
    owner: Module | None = None

    @property
    def name(self) -> str:
        """What it is called, for messages."""
        prefix = f"{type(self.owner).__name__}." if self.owner is not None else ""
        return prefix + self.definition.name

    @property
    def __name__(self) -> str:
        return self.definition.name

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return syntax.docstring(self.definition) or ""

    def __repr__(self) -> str:
        return f"<the function {self.name}>"

    @property
    def parameters(self) -> tuple[syntax.Parameter, ...]:
        """Its parameters."""
        return parameters_of(self.definition)

    @property
    def signature(self) -> inspect.Signature:
        """Names and defaults of the parameters."""
        return signature_of(self.parameters)

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature with the types that it is exported with, by the program or from Python."""
        is_own = self.program.run.exporting
        annotated = [
            parameter.replace(
                annotation=self.type_of(declared) if is_own else self._type_in_python(declared)
            )
            for parameter, declared in zip(
                self.signature.parameters.values(), self.parameters, strict=True
            )
        ]
        return inspect.Signature(annotated)

    @property
    def __self__(self) -> Module | None:
        """The model, as that of a method in Python."""
        return self.owner

    @property
    def declared_dims(self) -> tuple[Dim, ...]:
        """The dims that its file declares."""
        return tuple(self.program.dims.values())

    def _type_in_python(self, parameter: syntax.Parameter) -> Any:
        """As `type_of`, with dims of any size for names that nothing defines."""
        match parameter.annotation:
            case syntax.TupleType(elements):
                parts = (replace(parameter, annotation=one) for one in elements)
                return tuple(map(self._type_in_python, parts))
            case syntax.TensorType(_, shape) if any(
                isinstance(one, syntax.EllipsisLiteral) for one in shape
            ):
                return inspect.Parameter.empty
        scope = with_free_dims([parameter], self.scope)
        return replace(self, scope=scope).type_of(parameter)

    def type_of(self, parameter: syntax.Parameter) -> Any:
        """The type of a parameter of an exported function; the class, where it is a model.

        Raises:
            GraphcError: it has no type, or one that is not known completely.
        """
        match parameter.annotation:
            case syntax.TensorType() as annotation:
                return declared_type(annotation, Scope(self.scope))
            case syntax.NamedType() as named:
                found = Evaluator(self.program, self.scope).evaluate(named.name)
                return found if isinstance(found, type) else inspect.Parameter.empty
            case syntax.TupleType() as annotation:
                raise not_supported(
                    "an exported function that takes a tuple",
                    annotation.span,
                    "give each part a name of its own",
                )
        return inspect.Parameter.empty

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """The function of values, called from Python: of tensors, where they are arrays."""
        given, named = map_leaves(_lifted, (arguments, keywords))
        return map_leaves(_settled, self.invoke(given, named, None))

    def invoke(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], site: CallSite | None
    ) -> Any:
        """The result of a call.

        Raises:
            GraphcError: arguments or result that do not fit, or whatever the body refuses.
        """
        bound = bind_arguments(self.name, self.signature, arguments, keywords)
        is_plain = all(map(is_gradient, self.definition.decorators[:1]))
        try:
            with self.program.inside(self, site.span if site else None):
                if not is_plain:
                    return self._transformed(bound, site)
                return self._run(bound, site.by_name(self.signature) if site else {})
        except GraphcError as error:
            if site is not None:
                for one in error.errors:
                    if one.span != site.span and len(one.notes) < _MAX_NOTES:
                        one.note(f"in {self.name}, called at {site.span}")
            raise

    def _transformed(self, bound: dict[str, Any], site: CallSite | None) -> Any:
        """The result of what the outermost decorator makes of the function."""
        decorator, *others = self.definition.decorators
        inner = replace(self, definition=replace(self.definition, decorators=tuple(others)))
        given = self.signature.bind(**bound)
        node = syntax.Call(decorator, (), (), span=decorator.span)
        made = call_value(self.program, self._decorator(decorator), [inner], {}, node)
        own = self.program.own_function(made)
        if own is not None:
            return own.invoke(given.args, given.kwargs, site)
        return call_value(self.program, made, list(given.args), given.kwargs, node)

    def _decorator(self, node: syntax.Expression) -> Any:
        try:
            return Evaluator(self.program, self.scope).evaluate(node)
        except NameLookupError as error:
            is_near = (error.hint or "").startswith("did you mean")
            hint = error.hint if is_near else _DECORATORS
            raise refused("this decorator has no meaning", "decorator", node.span, hint) from None

    def _run(self, bound: dict[str, Any], places: dict[str, Span]) -> Any:
        frame = Scope(self.scope)
        defaults = Evaluator(self.program, self.scope)
        shapes = Shapes(frame, self.program.dims)
        matched = []
        arguments: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in bound:
                value = bound[parameter.name]
            else:
                assert parameter.default is not None
                value = defaults.evaluate(parameter.default)
            place = places.get(parameter.name)
            what = f"the argument {parameter.name!r} of {self.name}"
            # What may be left out has the declared type where it is given.
            is_left_out = value is None and isinstance(parameter.default, syntax.NoneLiteral)
            annotation = None if is_left_out else parameter.annotation
            value, types = self._checked(value, annotation, what, place)
            matched += types
            frame.define(parameter.name, value, place=parameter.span)
            arguments[parameter.name] = value
        shapes.match(matched)
        returned = run_body(Evaluator(self.program, frame), self.definition.body)
        if returned is None:
            self._require_no_result()
        value = returned.value if returned is not None else ()
        place = returned.span if returned is not None else self.definition.span.first_line()
        value, types = self._checked(
            value, self.definition.returns, f"the result of {self.name}", place
        )
        shapes.require(types)
        return with_own_gradient(self, arguments, value)

    def _require_no_result(self) -> None:
        match self.definition.returns:
            case syntax.TensorType() | syntax.TupleType((_, *_)) | syntax.NamedType():
                raise refused(
                    f"{self.name} ends without `return`, and a result is declared",
                    "annotation",
                    self.definition.span.first_line(),
                    "end it with `return value`",
                )

    def _checked(
        self, value: Any, annotation: syntax.Type | None, what: str, place: Span | None
    ) -> tuple[Any, list[Any]]:
        """The value, and what of it has a shape to match."""
        try:
            return self._conforming(value, annotation, what, place)
        except GraphcError as error:
            raise error.at(place) from error.__cause__

    def _conforming(
        self, value: Any, annotation: syntax.Type | None, what: str, place: Span | None
    ) -> tuple[Any, list[Any]]:
        match annotation:
            case syntax.TensorType():
                if numbers.is_number(value) and not annotation.shape:
                    value = numbers.tensor_of(value, dtype_of(annotation))
                if not isinstance(value, Tensor):
                    raise refused(
                        f"{what} is {described(value)}, expected a tensor", "annotation", place
                    )
                return value, [(what, annotation, value.type, place)]
            case syntax.TupleType(elements):
                if not isinstance(value, tuple | list) or len(value) != len(elements):
                    raise refused(
                        f"{what} is {described(value)}, expected a tuple of {len(elements)}",
                        "annotation",
                        place,
                    )
                parts, types = [], []
                for position, (one, part) in enumerate(zip(elements, value, strict=True)):
                    part, found = self._conforming(part, one, f"{what}[{position}]", place)
                    parts.append(part)
                    types += found
                return tuple(parts), types
            case syntax.NamedType():
                self._check_named(value, annotation, what, place)
        return value, []

    def _check_named(
        self, value: Any, annotation: syntax.NamedType, what: str, place: Span | None
    ) -> None:
        name = annotation.name
        if isinstance(name, syntax.Name) and name.id in _STATIC_TYPES:
            is_bool = isinstance(value, bool) and name.id != "bool"
            if is_bool or not isinstance(value, _STATIC_TYPES[name.id]):
                raise refused(
                    f"{what} is {described(value)}, expected {name.id}", "annotation", place
                )
            return
        expected = Evaluator(self.program, self.scope).evaluate(name)
        if not isinstance(expected, type) or not issubclass(expected, Module):
            raise refused(
                f"{described(expected)} is no type",
                "annotation",
                annotation.span,
                "a type is f32[...], a model, int, float, bool or str",
            )
        if not isinstance(value, expected):
            raise refused(
                f"{what} is {described(value)}, expected the model {expected.__name__}",
                "annotation",
                place,
            )


def parameters_of(definition: syntax.Function) -> tuple[syntax.Parameter, ...]:
    """The parameters of a function.

    Raises:
        SourceError: it takes state, or two are called the same.
    """
    seen: set[str] = set()
    found: list[syntax.Parameter] = []
    for parameter in definition.parameters:
        if isinstance(parameter, syntax.StateParameter):
            raise not_supported(
                "a function that takes state",
                parameter.span,
                "take the model as an argument (net: MLP) and use its parameters",
            )
        if parameter.name in seen:
            raise refused(
                f"two parameters are called {parameter.name!r}", "duplicate", parameter.span
            )
        seen.add(parameter.name)
        found.append(parameter)
    return tuple(found)


def signature_of(parameters: tuple[syntax.Parameter, ...]) -> inspect.Signature:
    """Names of parameters, and which have a default.

    Raises:
        SourceError: one without a default follows one with a default.
    """
    found: list[inspect.Parameter] = []
    for one in parameters:
        has_default = one.default is not None
        if found and found[-1].default is not inspect.Parameter.empty and not has_default:
            raise refused(
                f"the parameter {one.name!r} without a default follows one that has a default",
                "parameter-order",
                one.span,
                "put the parameters with defaults last",
            )
        default = _Default(one) if has_default else inspect.Parameter.empty
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        found.append(inspect.Parameter(one.name, kind, default=default))
    return inspect.Signature(found)


def _lifted(leaf: Any) -> Any:
    return as_tensor(leaf, "an argument") if isinstance(leaf, np.ndarray | np.generic) else leaf


def _settled(leaf: Any) -> Any:
    return numbers.tensor_of(leaf) if isinstance(leaf, numbers.Formula) else leaf


class _Default(Record):
    """Stands for the default of a parameter in a signature that is shown."""

    parameter: syntax.Parameter

    def __repr__(self) -> str:
        default = self.parameter.default
        return str(default.value) if isinstance(default, syntax.Integer | syntax.Float) else "..."
