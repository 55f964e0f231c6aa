"""Derivatives of Python functions on tensors: gradients, and products with the Jacobian."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.as_tensor import as_tensors
from graphc.frontend.tracing.carries import in_dtype_of
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.nesting import leaves_like
from graphc.frontend.tracing.parameters import require_function
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import named_leaves, rebuilt
from graphc.ir.node import Node
from graphc.passes import autodiff
from graphc.transforms.variables import (
    Applied,
    apply_to_variables,
)

__all__ = ["Argnums", "grad", "jvp", "places", "value_and_grad", "vjp"]

Argnums = int | Sequence[int]
"""The number of the argument to differentiate by, or several of them."""


def places(argnums: Argnums, count: int, name: str) -> tuple[int, ...]:
    """The arguments that are meant, counted from 0.

    Raises:
        UsageError: there is no such argument, or one is named twice.
    """
    given = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(given, list | tuple) or not all(isinstance(one, int) for one in given):
        raise UsageError(
            f"{name}: argnums is {shown(argnums)}",
            code="argument",
            hint="give the number of an argument, counted from 0, or a tuple of such numbers",
        )
    for place in given:
        if not -count <= place < count:
            raise UsageError(
                f"{name}: argnums={argnums!r}, and the call has {count} positional arguments",
                code="argument-count",
                hint="arguments are counted from 0, and differentiated ones are given by position",
            )
    found = tuple(place % count for place in given)
    if len(set(found)) != len(found):
        raise UsageError(f"{name}: argnums={argnums!r} names an argument twice")
    return found


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the value of `function` together with its gradient.

    Args:
        function: gives a float without axes, or with `has_aux` a pair of that and anything else,
            which is not differentiated.
        argnums: the argument to differentiate by (its gradient comes in the same containers;
            that of a model is a dict by the paths of its trainable parameters), or several of
            them (a tuple of gradients).

    Raises (when it is called):
        ShapeError, DTypeError: the result is no float without axes, or an argument no float.
        GraphcError: an op on the way has no gradient (code `no-gradient`).
    """
    require_function(function, "value_and_grad")

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        with at_python_line():
            chosen = places(argnums, len(arguments), "grad")
            applied = apply_to_variables(function, arguments, keywords, chosen, has_aux)
            output = _scalar(applied.result)
            found = autodiff.gradients(output, applied.variables, sources=applied.sources)
            gradient = _like_arguments(applied, applied.closed(found), argnums)
            results = applied.closed_tree((applied.result, applied.aux))
        return (results, gradient) if has_aux else (results[0], gradient)

    return derived


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `function`, with `has_aux` a pair (gradient, aux).

    Arguments and errors as for `value_and_grad`.
    """
    require_function(function, "grad")
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        value, gradient = both(*arguments, **keywords)
        return (gradient, value[1]) if has_aux else gradient

    return derived


_BESIDE = "give the function first, then its arguments: vjp(f, x), jvp(f, [x], [v])"


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of `function` at `primals`, and the map from cotangents of it to theirs.

    The map takes a tree of tensors like the value, and gives a tuple with one part for each
    primal. It may be called several times, and differentiated itself. With `has_aux` the function
    gives a pair of the value and something else, which comes third.

    Raises:
        DTypeError: a primal is no float.
        UsageError: there are no primals.
        GraphcError (when the map is called): an op on the way has no gradient.
    """
    require_function(function, "vjp", _BESIDE)
    with at_python_line():
        if not primals:
            raise UsageError(
                "vjp needs the arguments at which the function is differentiated",
                code="argument-missing",
                hint="value, pull = vjp(f, x), and pull(cotangent) is the gradient; the function "
                "that gives it is grad(f)",
            )
        applied = apply_to_variables(function, primals, {}, range(len(primals)), has_aux)
        outputs = applied.outputs
        value, aux = applied.closed_tree((applied.result, applied.aux))

    def pull(cotangents: Any) -> Any:
        with at_python_line():
            given = _nodes_like(applied.result, cotangents, "vjp: the cotangent")
            found = autodiff.vjp(outputs, applied.variables, given, applied.sources)
            return rebuilt(applied.tree, map(Tensor, applied.closed(found)))

    return (value, pull, aux) if has_aux else (value, pull)


def jvp(
    function: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """The value of `function` at `primals`, and its derivative along `tangents`.

    Exact: the transpose of the transpose, so that ops need no rule beyond their gradient.

    Args:
        primals, tangents: sequences of one length, with trees of equal types.
        has_aux: whether the function gives a pair of the value and something else, which is not
            differentiated, and comes third.

    Raises:
        UsageError, ShapeError, DTypeError: the tangents are not like the primals.
        GraphcError: an op on the way has no gradient.
    """
    require_function(function, "jvp", _BESIDE)
    with at_python_line():
        for name, values in (("primals", primals), ("tangents", tangents)):
            if not isinstance(values, list | tuple):
                raise UsageError(
                    f"jvp: the {name} are {shown(values)}",
                    code="argument",
                    hint="give a list, with a value for each argument: jvp(f, [x], [v])",
                )
        applied = apply_to_variables(function, primals, {}, range(len(primals)), has_aux)
        at = rebuilt(applied.tree, map(Tensor, applied.values))
        given = _nodes_like(at, tangents, "jvp: tangents")
        pushed = autodiff.jvp(applied.outputs, applied.variables, given, applied.sources)
        value, aux = applied.closed_tree((applied.result, applied.aux))
        derivative = rebuilt(applied.result, map(Tensor, applied.closed(pushed)))
        return (value, derivative, aux) if has_aux else (value, derivative)


def _nodes_like(expected: Any, given: Any, what: str) -> list[Node]:
    """The nodes of tensors that are nested as others are and of their types, in their order.

    A Python number has the dtype of its tensor.

    Raises:
        UsageError, DTypeError, ShapeError: they are not.
    """
    wanted = list(named_leaves(expected, what))
    found = list(
        map(
            in_dtype_of,
            leaves_like(given, expected, what),
            (one for _, one in wanted),
            leaves_like(as_tensors(given, what), expected, what),
        )
    )
    for one, (name, other) in zip(found, wanted, strict=True):
        if one.type is not other.type:
            error = DTypeError if one.dtype is not other.dtype else ShapeError
            raise error(
                f"{name} is {one.type} for {other.type}",
                hint="it has the dtype and shape of its tensor; cast or broadcast it",
            )
    return [one.node for one in found]


def _scalar(value: Any) -> Node:
    if not isinstance(value, Tensor):
        raise UsageError(
            f"the function returned {shown(value)}, expected a number without axes as a tensor",
            code="result",
            hint="what comes beside the value is returned with has_aux=True",
        )
    if value.shape:
        raise ShapeError(
            f"the gradient of a {value.type} is asked for, expected a number without axes",
            code="gradient-of-tensor",
            hint="reduce it with sum or mean; jacobian gives the derivative of every element",
        )
    return value.node


def _like_arguments(applied: Applied, nodes: Sequence[Node], argnums: Argnums) -> Any:
    trees = rebuilt(applied.tree, map(Tensor, nodes))
    return trees[0] if isinstance(argnums, int) else trees
