"""What a file exports: a function with the types of its arguments, or what is made of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphc.errors import Span
from graphc.frontend import syntax
from graphc.frontend.elaboration.annotations import with_free_dims
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.functions import UserFunction
from graphc.frontend.elaboration.graphs import GraphFunction
from graphc.frontend.elaboration.numbers import is_number, tensor_of
from graphc.frontend.elaboration.program import Program
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trace import Export

__all__ = ["export_by_types", "export_of"]


def export_of(program: Program, node: syntax.Export) -> Export:
    """What a file exports under a name.

    Raises:
        GraphcError: it is no function, or the types of its arguments are not known.
    """
    program.run.exporting = True
    try:
        value = Evaluator(program, program.scope).evaluate(node.value)
        return _placed(program, _meant(program, value, node), node.value.span)
    finally:
        program.run.exporting = False


def export_by_types(program: Program, function: UserFunction) -> Export | None:
    """A function that is not exported as if it were; None if its types do not say all of it."""
    types: list[Any] = []
    generic = replace(function, scope=with_free_dims(function.parameters, function.scope))
    for parameter in function.parameters:
        if isinstance(parameter.annotation, syntax.TensorType) and any(
            isinstance(one, syntax.EllipsisLiteral) for one in parameter.annotation.shape
        ):
            return None
        types.append(_argument(program, generic, parameter))
        if types[-1] is inspect.Parameter.empty:
            return None
    models = [function.owner] if function.owner is not None else []
    export = Export(function, tuple(types), models=tuple(models), is_python=False)
    return _placed(program, export, function.definition.span)


def _meant(program: Program, value: Any, node: syntax.Export) -> Export:
    if program.is_own_model(value):
        value = program.root(value)
    if isinstance(value, Export):
        return replace(value, types=_types_of(program, value), is_python=False)
    if isinstance(value, GraphFunction):
        return Export(value, is_python=False)
    function = program.own_function(value)
    inner = inspect.unwrap(value) if callable(value) else None
    if function is None and isinstance(inner, UserFunction):
        return _of_transformed(program, value, inner, node)
    if function is None:
        raise refused(
            f"{described(value)} cannot be exported",
            "export",
            node.value.span,
            "export a function, a model's method (MLP.forward), or a train_step(...)",
        )
    return _of_function(program, function)


def _of_transformed(
    program: Program, value: Callable[..., Any], inner: UserFunction, node: syntax.Export
) -> Export:
    """What a transform made of a function, whose types it takes."""
    parameters = inspect.signature(value).parameters.values()
    if all(one.annotation is inspect.Parameter.empty for one in parameters):
        match node.value:
            case syntax.Call(syntax.Name(transform)):
                made = f"{transform}(...)"
            case _:
                made = inner.definition.name
        raise refused(
            f"the types of the arguments of {made} are not known",
            "export",
            node.value.span,
            f"write a function with types: def {node.name}(x: f32[B, 64]): return {made}(x)",
        )
    return replace(_of_function(program, inner), function=value)


def _of_function(program: Program, function: UserFunction) -> Export:
    types: list[Any] = []
    models: list[Module] = [function.owner] if function.owner is not None else []
    for parameter in function.parameters:
        type_ = _argument(program, function, parameter)
        if type_ is inspect.Parameter.empty:
            raise refused(
                f"{function.name} is exported, so its parameter {parameter.name!r} needs a type",
                "annotation",
                parameter.span,
                f"write {parameter.name}: f32[B, 64]",
            )
        types.append(type_)
    return Export(function, tuple(types), models=tuple(models), is_python=False)


def _types_of(program: Program, export: Export) -> tuple[Any, ...]:
    """The types of a training step, whose loss may take further models of the program."""
    annotations = [one.annotation for one in inspect.signature(export.body).parameters.values()]
    if export.types or inspect.Parameter.empty in annotations:
        return export.types
    is_model = program.is_own_model
    return tuple(program.root(one) if is_model(one) else one for one in annotations)


def _argument(program: Program, function: UserFunction, parameter: syntax.Parameter) -> Any:
    """The type of an argument of an export; a model or a value as it is."""
    type_ = function.type_of(parameter)
    if program.is_own_model(type_):
        return program.root(type_)
    if isinstance(type_, type) and issubclass(type_, Module):
        raise refused(
            f"{function.name} is exported, and nothing makes its parameter {parameter.name!r}, "
            f"a layer {type_.__name__}",
            "annotation",
            parameter.span,
            f"make it in a model of the file, {parameter.name} = {type_.__name__}(...), and "
            "export a method of that",
        )
    if parameter.default is not None and not isinstance(parameter.annotation, syntax.TensorType):
        return Evaluator(function.program, function.scope).evaluate(parameter.default)
    return type_


def _placed(program: Program, export: Export, span: Span) -> Export:
    """The export, with nodes that have no place of their own at `span`."""
    function, sources = export.body, program.sources
    own = program.own_function(function)
    place = own.definition.span.first_line() if own is not None else span

    def placed(*arguments: Any, **keywords: Any) -> Any:
        with sources.at(span):
            return _result(function(*arguments, **keywords), place)

    # The types of a function of the program are given already.
    signature = own.signature if own is not None else inspect.signature(function)
    placed.__signature__ = signature  # type: ignore[attr-defined]
    placed.__name__ = getattr(function, "__name__", "export")
    placed.__doc__ = _doc_of(function)
    given = (one for one in export.types if isinstance(one, Module))
    models = tuple(dict.fromkeys((*export.models, *given)))
    return replace(export, function=placed, models=models)


def _result(value: Any, place: Span) -> Any:
    """What an export returns: tensors, or tuples of them; a number becomes a tensor."""
    if isinstance(value, tuple | list | dict):
        parts = value.values() if isinstance(value, dict) else value
        return tuple(_result(one, place) for one in parts)
    if is_number(value):
        return tensor_of(value)
    if not isinstance(value, Tensor):
        raise refused(
            f"the result is {described(value)}, expected a tensor",
            "result",
            place,
            "return tensors, or tuples of them",
        )
    return value


def _doc_of(function: Callable[..., Any]) -> str:
    """The docstring in the program, of `forward` else its model; not that of a compiler's class."""
    if isinstance(function, UserFunction):
        is_forward = function.owner is not None and function.__name__ == "forward"
        return function.__doc__ or (is_forward and type(function.owner).__doc__) or ""
    return function.__doc__ or ""
