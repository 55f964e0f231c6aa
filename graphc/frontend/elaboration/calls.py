"""Calls: of operations, layers, models and functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graphc.errors import GraphcError, Span
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.number_functions import STATIC_FUNCTIONS, static_call
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.foreign_names import meant
from graphc.frontend.tracing.arguments import first_names, refuse_call
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.random_draws import draws
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.op import functions
from graphc.ir.record import Record

if TYPE_CHECKING:
    from graphc.frontend.elaboration.program import Program

__all__ = ["CallSite", "Operation", "bind_arguments", "call_value"]


class CallSite(Record):
    """Where a call and its arguments are written."""

    span: Span
    arguments: tuple[Span, ...]
    keywords: Mapping[str, Span]

    @classmethod
    def of(cls, node: syntax.Call) -> CallSite:
        """The places of a call in the tree."""
        keywords = {one.arg: one.value.span for one in node.keywords}
        return cls(node.span, tuple(one.span for one in node.args), keywords)

    def by_name(self, signature: inspect.Signature) -> dict[str, Span]:
        """The places of the arguments by the names of the parameters."""
        return {**dict(zip(signature.parameters, self.arguments, strict=False)), **self.keywords}


class Operation(Record):
    """A function of the library by its name: one of the registry, or one of numbers alone."""

    name: str

    def __repr__(self) -> str:
        return f"<the function {self.name}>"

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """The function of values, numbers among them."""
        values = [*arguments, *keywords.values()]
        if self.name in STATIC_FUNCTIONS and not keywords and _are_numbers(self.name, values):
            return static_call(self.name, list(arguments))
        if self.name not in functions:
            raise refused(
                f"{self.name} takes numbers that are known while the program is built, and was "
                f"given {', '.join(map(described, values)) or 'nothing'}",
                "argument",
                None,
                meant(self.name),
            )
        if self.name == "sum" and not keywords and len(arguments) == 1:
            (values,) = arguments
            if isinstance(values, list | tuple) and values:
                return functools.reduce(functools.partial(numbers.combine, "+"), values)
        return self._of_tensors(arguments, keywords)

    def _of_tensors(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        signature = _signature(functions[self.name])
        keywords = first_names(self.name, functions[self.name], keywords)
        refuse_call(self.name, signature, arguments, keywords)
        beside = next((v for v in (*arguments, *keywords.values()) if isinstance(v, Tensor)), None)
        dtype = beside.dtype if beside is not None else None
        bound = signature.bind(*arguments, **keywords)
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            takes_numbers = parameter.annotation in ("Operand", "Operand | None")
            # `normal(0.0, 1.0)` begins with a mean where others have a shape.
            if name in ("shape", "sizes") and "float" not in str(parameter.annotation):
                self._require_whole(value)
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                value = tuple(_operand(one, dtype, takes_numbers) for one in value)
            if parameter.annotation == "Sequence[Node]" and isinstance(value, tuple | list):
                value = numbers.alike(value)
            bound.arguments[name] = _operand(value, dtype, takes_numbers)
        return call(self.name, *bound.args, **bound.kwargs)

    def _require_whole(self, sizes: Any) -> None:
        for size in sizes if isinstance(sizes, tuple | list) else (sizes,):
            if isinstance(size, float) or (isinstance(size, numbers.Formula) and not size.is_whole):
                raise refused(
                    f"{self.name}: {described(size)} is no size",
                    "size",
                    None,
                    "sizes are whole numbers, and are divided by '//'",
                )


def _are_numbers(name: str, values: list[Any]) -> bool:
    """Whether the function is meant as one of numbers; `max` of one number is a reduction."""
    return bool(values) and all(
        numbers.is_number(value) or (name in ("int", "float") and isinstance(value, str))
        for value in values
    )


def _operand(value: Any, dtype: DType | None, takes_numbers: bool) -> Any:
    if isinstance(value, numbers.Formula) or (takes_numbers and isinstance(value, Dim)):
        return numbers.tensor_of(value, dtype)
    return value


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature, in which random numbers need no seed."""
    signature = inspect.signature(function)
    if not draws(function):
        return signature
    given = {"seed", "stream"}
    return signature.replace(
        parameters=[
            one.replace(default=None) if one.name in given else one
            for one in signature.parameters.values()
        ]
    )


# -- binding --------------------------------------------------------------------------------------


def bind_arguments(
    name: str, signature: inspect.Signature, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> dict[str, Any]:
    """The arguments by the names of the parameters, without those that have their default.

    Raises:
        UsageError: an argument too many, unknown, given twice or missing.
    """
    refuse_call(name, signature, arguments, keywords)
    return dict(signature.bind(*arguments, **keywords).arguments)


# -- calls ----------------------------------------------------------------------------------------


def call_value(
    program: Program,
    function: Any,
    arguments: list[Any],
    keywords: dict[str, Any],
    node: syntax.Call,
) -> Any:
    """The result of a call.

    Raises:
        SourceError: what is called is no function, or does not take the arguments.
        GraphcError: whatever it refuses.
    """
    site = CallSite.of(node)
    with program.sources.at(node.span):
        own = program.own_function(function)
        if own is not None:
            return own.invoke(tuple(arguments), keywords, site)
        if isinstance(function, Operation):
            return _guarded(function.name, function, arguments, keywords)
        if isinstance(function, DType):
            return _converted(function, arguments, keywords)
        if isinstance(function, type) and issubclass(function, Module):
            return _made(program, function, arguments, keywords)
        if callable(function) and not isinstance(function, Tensor):
            with _at_argument(function, site):
                return _library_call(program, function, arguments, keywords)
    raise refused(
        f"{described(function)} is no function",
        "not-callable",
        node.function.span,
        "write x[i] for an element" if isinstance(function, Tensor) else None,
    )


def _converted(dtype: DType, arguments: list[Any], keywords: Mapping[str, Any]) -> Any:
    if len(arguments) != 1 or keywords:
        raise refused(f"{dtype}(...) takes one value", "argument-count", None, f"write {dtype}(x)")
    if isinstance(arguments[0], Tensor):
        return call("cast", arguments[0], dtype)
    if not numbers.is_number(arguments[0]):
        raise refused(f"{described(arguments[0])} has no dtype", "argument", None)
    return numbers.tensor_of(arguments[0], dtype)


def _made(
    program: Program, layer: type[Module], arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    """A new layer or model, which is a part of the model that is being made."""
    if not program.run.makes_models:
        raise refused(
            f"a {layer.__name__} is made here, where it would be new at each call",
            "model-in-function",
            None,
            f"export {layer.__name__}.forward: the model is made with its default arguments"
            if program.run.exporting
            else f"make it in the body of a model (part = {layer.__name__}(...)) and use it here",
        )
    if program.is_own_model(layer):
        return layer(*arguments, **keywords)
    return _library_call(program, layer, arguments, keywords)


@contextmanager
def _at_argument(function: Callable[..., Any], site: CallSite) -> Iterator[None]:
    """Place an error that names the argument at fault where that is written."""
    try:
        yield
    except GraphcError as error:
        if error.argument is not None:
            error.at(site.by_name(inspect.signature(function)).get(error.argument))
        raise


def _library_call(
    program: Program, function: Callable[..., Any], arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    name = getattr(function, "__name__", None) or type(function).__name__
    given = [program.as_library_argument(function, one) for one in arguments]
    named = {key: program.as_library_argument(function, v) for key, v in keywords.items()}
    target = function.forward if isinstance(function, Module) else function
    if not isinstance(function, functools.partial):
        made_by = getattr(target, "__init__", target) if isinstance(target, type) else target
        named = first_names(name, made_by, named)
        refuse_call(name, inspect.signature(target), given, named)
    return _guarded(name, function, given, named)


def _guarded(
    name: str, function: Callable[..., Any], arguments: list[Any], keywords: dict[str, Any]
) -> Any:
    """The call; what Python code of the library raises for wrong values is the user's error."""
    with _explained(name):
        return function(*arguments, **keywords)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except GraphcError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise refused(f"{name} does not take these arguments: {error}", "argument", None) from error
    except RecursionError as error:
        raise refused(f"{name} nests too deeply", "too-deep", None) from error
