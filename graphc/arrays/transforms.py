"""Transforms and loops that are given arrays: traced, compiled and run where nothing is traced.

Transforms that give a function are made so by `graphc.arrays.compiled_function.compiled`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphc import transforms
from graphc.arrays.compiled_function import MAX_GRAPHS, Function, compiled, is_traced
from graphc.frontend.tracing import control_flow
from graphc.ir.dims import DimLike

__all__ = ["cond", "custom_gradient", "jvp", "scan", "stateless_call", "vjp", "while_loop"]


def _compiled(function: Callable[..., Any], like: Callable[..., Any]) -> Function:
    """`function`, on the device of what it is made of."""
    return Function(function, like.device if isinstance(like, Function) else None, MAX_GRAPHS)


@functools.wraps(transforms.jvp)
def jvp(
    function: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """`graphc.transforms.jvp` of arrays."""

    def pushed(primals: Any, tangents: Any) -> tuple[Any, ...]:
        return transforms.jvp(function, primals, tangents, has_aux)

    result: tuple[Any, ...] = _compiled(pushed, function)(primals, tangents)
    return result


@functools.wraps(transforms.vjp)
def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """`graphc.transforms.vjp` of arrays."""
    if is_traced(primals):
        return transforms.vjp(function, *primals, has_aux=has_aux)

    def value(primals: Any) -> Any:
        found, _, *aux = transforms.vjp(function, *primals, has_aux=has_aux)
        return found, aux

    def pulled(primals: Any, cotangents: Any) -> Any:
        return transforms.vjp(function, *primals, has_aux=has_aux)[1](cotangents)

    found, aux = _compiled(value, function)(primals)
    return found, functools.partial(_compiled(pulled, function), primals), *aux


@functools.wraps(control_flow.scan)
def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    *,
    length: DimLike | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """`graphc.frontend.tracing.control_flow.scan` of arrays."""

    def loop(init: Any, xs: Any) -> tuple[Any, Any]:
        return control_flow.scan(body, init, xs, length=length, reverse=reverse)

    result: tuple[Any, Any] = _compiled(loop, body)(init, xs)
    return result


@functools.wraps(control_flow.while_loop)
def while_loop(
    condition: Callable[[Any], Any],
    body: Callable[[Any], Any],
    init: Any,
    *,
    max_steps: DimLike | None = None,
) -> Any:
    """`graphc.frontend.tracing.control_flow.while_loop` of arrays."""

    def loop(init: Any) -> Any:
        return control_flow.while_loop(condition, body, init, max_steps=max_steps)

    return _compiled(loop, body)(init)


@functools.wraps(control_flow.cond)
def cond(predicate: Any, then: Any = None, otherwise: Any = None, *operands: Any) -> Any:
    """`graphc.frontend.tracing.control_flow.cond` of arrays."""
    control_flow.require_branches(then, otherwise, len(operands))
    if isinstance(predicate, bool):
        return then(*operands) if predicate else otherwise(*operands)

    def branches(predicate: Any, operands: Any) -> Any:
        return control_flow.cond(predicate, then, otherwise, *operands)

    return _compiled(branches, then)(predicate, operands)


@functools.wraps(transforms.stateless_call)
def stateless_call(
    model: Any, state: Any, *arguments: Any, **keywords: Any
) -> tuple[Any, dict[str, Any]]:
    """`graphc.transforms.stateless_call` of arrays."""

    def called(model: Any, state: Any, arguments: Any, keywords: Any) -> Any:
        return transforms.stateless_call(model, state, *arguments, **keywords)

    result: tuple[Any, dict[str, Any]] = _compiled(called, model)(model, state, arguments, keywords)
    return result


@functools.wraps(transforms.custom_gradient)
def custom_gradient(gradient: Callable[..., Any]) -> Callable[..., Function]:
    """`graphc.transforms.custom_gradient` with a result that can be called with arrays."""
    return compiled(transforms.custom_gradient(gradient))
