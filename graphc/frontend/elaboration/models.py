"""Models of a program: classes like those that are written in Python.

`model MLP(n=4): ...` makes a subclass of `Module`. Its parameters and the names that its body
assigns are attributes of an instance, its functions are methods, so that state, training steps
and Python code treat it as any other module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from graphc.errors import DTypeError, GraphcError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.annotations import declared_type
from graphc.frontend.elaboration.calls import Operation, bind_arguments
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.functions import UserFunction, parameters_of, signature_of
from graphc.frontend.elaboration.recovery import Recovery
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.elaboration.statements import run_body
from graphc.frontend.foreign_names import instead
from graphc.frontend.tracing.initializers import INITIALIZERS, Initializer, full
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Buffer, Parameter, State
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.dims import Dim
from graphc.ir.op import functions
from graphc.ir.record import Record
from graphc.ir.types import TensorType

if TYPE_CHECKING:
    from graphc.frontend.elaboration.program import Program

__all__ = ["SourceModel", "method_of", "model_class"]


class SourceModel(Module):
    """Base of the models of programs."""

    program: ClassVar[Program]
    definition: ClassVar[syntax.Model]
    methods: ClassVar[Mapping[str, syntax.Function]]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        program, definition = self.program, self.definition
        signature = signature_of(definition.parameters)
        bound = bind_arguments(definition.name, signature, arguments, keywords)
        with program.making(self):
            scope = _ModelScope(self)
            defaults = Evaluator(program, program.scope)
            for parameter in definition.parameters:
                value = bound.get(parameter.name)
                if parameter.name not in bound and parameter.default is not None:
                    value = defaults.evaluate(parameter.default)
                scope.define(parameter.name, value)
            _run(Evaluator(program, scope), definition.body)

    def __repr__(self) -> str:
        return f"<the model {type(self).__name__}>"


class _Members(Mapping[str, Any]):
    """The attributes and methods of a model, as the names of its methods see them."""

    def __init__(self, model: SourceModel) -> None:
        self._model = model

    def __contains__(self, name: object) -> bool:
        return name in vars(self._model) or name in self._model.methods

    def __getitem__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __iter__(self) -> Iterator[str]:
        yield from vars(self._model)
        yield from self._model.methods

    def __len__(self) -> int:
        return len(vars(self._model)) + len(self._model.methods)


class _ModelScope(Scope):
    """The names of a model's body: what is defined becomes an attribute."""

    def __init__(self, model: SourceModel) -> None:
        super().__init__(model.program.scope, _Members(model))
        self.model = model

    def define(
        self, name: str, value: Any, axes: tuple[str, ...] = (), place: Span | None = None
    ) -> None:
        """Make `value` the attribute `name` of the model.

        Raises:
            SourceError: a tensor that is no state.
        """
        if isinstance(value, Tensor) and not isinstance(value, State):
            raise refused(
                f"{name} is {described(value)}, and a tensor is no part of a model",
                "state-assignment",
                None,
                f"declare it with its type, state {name}: {value.type} = ..., or param, if it is "
                "to be trained; or compute it in a method",
            )
        setattr(self.model, name, value)


def method_of(value: Any) -> UserFunction | None:
    """The function behind a method of a model of a program, or behind a call of the model."""
    if isinstance(value, UserFunction):
        return value
    is_called = isinstance(value, SourceModel) and "forward" in value.methods
    return method_of(value.forward) if is_called else None


def model_class(program: Program, definition: syntax.Model) -> type[SourceModel]:
    """The class of a model.

    Raises:
        SourceError: two members of one name, or one that every module has already.
    """
    methods: dict[str, syntax.Function] = {}
    seen = {one.name for one in definition.parameters}
    if len(seen) < len(definition.parameters):
        names = [one.name for one in definition.parameters]
        twice = next(one for one in definition.parameters if names.count(one.name) > 1)
        raise refused(f"two parameters are called {twice.name!r}", "duplicate", twice.span)
    for name, statement in _defined(definition.body):
        if hasattr(Module, name) and name != "forward":
            raise refused(
                f"a member of a model cannot be called {name!r}: every model has one",
                "reserved-name",
                statement.span,
                instead(f".{name}") or "choose another name",
            )
        # A condition may define a name in each of its branches.
        if name in methods or (name in seen and not isinstance(statement, syntax.If)):
            raise refused(
                f"{definition.name} has two members called {name!r}",
                "duplicate",
                statement.span,
                "rename one of them",
            )
        seen.add(name)
        if isinstance(statement, syntax.Function):
            for parameter in parameters_of(statement):
                if parameter.name == "self":
                    raise refused(
                        f"{name} takes 'self', which methods here do not",
                        "reserved-name",
                        parameter.span,
                        "leave it away: what the model defines is known by its name, fc(x)",
                    )
            methods[name] = statement
    members: dict[str, Any] = {
        "__doc__": syntax.docstring(definition),
        "program": program,
        "definition": definition,
        "methods": methods,
        **{name: _Method(method) for name, method in methods.items()},
    }
    return type(definition.name, (SourceModel,), members)


def _defined(body: tuple[syntax.Statement, ...]) -> Iterator[tuple[str, syntax.Statement]]:
    for statement in body:
        match statement:
            case syntax.Function() | syntax.Declaration():
                yield statement.name, statement
            case syntax.Assign():
                for name in syntax.target_names(statement.target):
                    yield name, statement
            case syntax.If():
                links, orelse = statement.chain()
                blocks = (*(one.body for one in links), orelse)
                inner = [name for block in blocks for name, _ in _defined(block)]
                for name in dict.fromkeys(inner):
                    yield name, statement


class _Method:
    """A method in the class of a model: of an instance, it is the function of the program."""

    def __init__(self, definition: syntax.Function) -> None:
        self._definition = definition
        self.__doc__ = syntax.docstring(definition)

    def __get__(self, model: SourceModel | None, owner: type | None = None) -> Any:
        if model is None:
            return self
        scope = Scope(model.program.scope, _Members(model))
        return UserFunction(model.program, self._definition, scope, model)


# -- the body -------------------------------------------------------------------------------------


def _run(evaluator: Evaluator, body: tuple[syntax.Statement, ...]) -> None:
    recovery = Recovery(evaluator.scope)
    for statement in body:
        with recovery.over(statement):
            evaluator.program.count(statement.span)
            match statement:
                case syntax.Declaration():
                    _declare(evaluator, statement)
                case syntax.If():
                    _run(evaluator, _chosen(evaluator, statement))
                case syntax.Function():
                    pass
                case _:
                    run_body(evaluator, (statement,))
    recovery.finish()


def _chosen(evaluator: Evaluator, node: syntax.If) -> tuple[syntax.Statement, ...]:
    """The block that the conditions choose."""
    links, orelse = node.chain()
    for one in links:
        test = evaluator.evaluate(one.test)
        if isinstance(test, Tensor):
            raise refused(
                "which parts a model has depends on a value that is known at run time only",
                "not-static",
                one.test.span,
                "decide by numbers, as parameters of the model and constants are; a method may "
                "branch on dims and tensors",
            )
        if evaluator.truth_of(test, one.test):
            return one.body
    return orelse


def _declare(evaluator: Evaluator, node: syntax.Declaration) -> None:
    if not isinstance(node.annotation, syntax.TensorType):
        raise refused(
            "the type of state is that of a tensor", "annotation", node.annotation.span, "f32[64]"
        )
    type_ = declared_type(node.annotation, evaluator.scope)
    for size in type_.shape:
        if isinstance(size, Dim):
            raise refused(
                f"{node.name} is {type_}: state is stored, so its sizes are numbers",
                "not-static",
                node.annotation.span,
                "use a number or a const",
            )
    initializer = _initializer(evaluator, node, type_)
    kind = Parameter if node.kind == "param" else Buffer
    with evaluator.program.sources.at(node.span):
        sizes = tuple(size for size in type_.shape if isinstance(size, int))
        evaluator.scope.define(node.name, kind(sizes, type_.dtype, initializer))


class _FirstValue(Record):
    """What a call of an initializer gives; whatever else can be called gives none."""

    make: Initializer


class _FirstValueOrTensor(Operation):
    """A function whose name is also that of an initializer, which takes no arguments."""

    make: Callable[[], Initializer]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if arguments or keywords:
            return super().__call__(*arguments, **keywords)
        return _FirstValue(self.make())


def _giving(
    name: str, initializer: Callable[..., Initializer]
) -> Operation | Callable[..., _FirstValue]:
    if name in functions and not inspect.signature(initializer).parameters:
        return _FirstValueOrTensor(name, initializer)

    @wraps(initializer)
    def called(*arguments: Any, **keywords: Any) -> _FirstValue:
        return _FirstValue(initializer(*arguments, **keywords))

    return called


def _initializer(
    evaluator: Evaluator, node: syntax.Declaration, type_: TensorType
) -> Initializer | None:
    if node.initializer is None:
        return None
    given = {name: _giving(name, make) for name, make in INITIALIZERS.items()}
    scope = Scope(evaluator.scope, given)
    try:
        value = Evaluator(evaluator.program, scope).evaluate(node.initializer)
    except GraphcError as error:
        if error.code not in ("not-traced", "random"):
            raise
        raise refused(
            f"the first value of {node.name} is not computed of numbers alone",
            "initializer",
            error.span,
            "other state has no value yet; random numbers are drawn by uniform() and normal()",
        ) from None
    if numbers.is_number(value) and not isinstance(value, Dim | numbers.Formula):
        value = _FirstValue(full(value))
    if isinstance(value, Tensor):
        value = _computed(value, node.name, type_, node.initializer.span)
    if not isinstance(value, _FirstValue):
        known = ", ".join(f"{name}()" for name in INITIALIZERS)
        raise refused(
            f"{described(value)} gives {node.name} no first value",
            "initializer",
            node.initializer.span,
            f"write a number, a tensor that is computed of numbers, or one of {known}",
        )
    make = value.make

    def placed(shape: Any, dtype: Any, key: Any) -> Any:
        try:
            return make(shape, dtype, key)
        except GraphcError as error:
            raise error.at(node.span) from error.__cause__

    return placed


def _computed(value: Tensor, name: str, type_: TensorType, place: Span) -> _FirstValue:
    """The first value that an expression says, repeated to the shape of the state."""
    if value.dtype is not type_.dtype:
        raise DTypeError(
            f"{name} is {type_}, and its first value {value.type}",
            span=place,
            hint=f"cast it: cast(x, {type_.dtype})",
        )
    try:
        spread = functions["broadcast_to"](value.node, type_.shape)
    except GraphcError as error:
        raise error.at(place) from error.__cause__
    return _FirstValue(lambda shape, dtype, key: spread)
