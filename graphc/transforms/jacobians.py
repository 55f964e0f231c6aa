"""Whole matrices of derivatives: the products with the Jacobian, batched over a basis."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.errors import DTypeError
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.parameters import require_function
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import rebuilt
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.views.shape import reshape
from graphc.passes import autodiff
from graphc.passes.batch import batched
from graphc.transforms.derivatives import Argnums, grad, places
from graphc.transforms.variables import Applied, apply_to_variables, fresh

__all__ = ["hessian", "jacfwd", "jacobian"]


def jacobian(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the derivative of every element of the result by every one given.

    For a result of shape S and an argument of shape A its shape is S + A. A result that is a tree
    gives a tree of such; an argument that is a tree (or a model, by the paths of its trainable
    parameters) gives a tree in each place. Computed in reverse mode, for all elements of the
    result at once.

    Args:
        function: gives a tensor, or a tree of them.
        argnums, has_aux: as for `grad`.

    Raises (when it is called):
        DTypeError: an argument or a result is no float.
        GraphcError: an op on the way has no gradient, or cannot be batched.
    """
    require_function(function, "jacobian")

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        with at_python_line():
            applied = _applied(function, argnums, arguments, keywords, has_aux)
            rows = [_reverse_rows(applied, output) for output in applied.outputs]
            found = _assembled(applied, rows, argnums)
            return (found, applied.closed_tree(applied.aux)) if has_aux else found

    return derived


def jacfwd(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """`jacobian` in forward mode, for all elements of the argument at once.

    The better one where the argument is much smaller than the result.
    """
    require_function(function, "jacfwd")

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        with at_python_line():
            applied = _applied(function, argnums, arguments, keywords, has_aux)
            outputs = applied.outputs
            columns = [_forward_columns(applied, outputs, one) for one in applied.variables]
            rows = [list(row) for row in zip(*columns, strict=True)]
            found = _assembled(applied, rows or [[] for _ in outputs], argnums)
            return (found, applied.closed_tree(applied.aux)) if has_aux else found

    return derived


def hessian(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the second derivatives of a number: the Jacobian of its gradient.

    For one argument of shape A its shape is A + A; trees of arguments give trees of trees.
    Arguments and errors as for `grad`.
    """
    require_function(function, "hessian")
    return jacobian(grad(function, argnums, has_aux), argnums, has_aux)


def _applied(
    function: Callable[..., Any],
    argnums: Argnums,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    has_aux: bool,
) -> Applied:
    chosen = places(argnums, len(arguments), "jacobian")
    applied = apply_to_variables(function, arguments, keywords, chosen, has_aux)
    for node in applied.outputs:
        if not node.dtype.precision:
            raise DTypeError(
                f"a derivative of a {node.type} is asked for",
                code="gradient-of-integers",
                hint="cast the result to a float, or return it beside with has_aux=True",
            )
    return applied


def _basis(dtype: DType, shape: Sequence[DimLike]) -> tuple[Node, DimLike]:
    """Tensors of `shape` with a one at each place and zeros, and how many there are."""
    size = dims.product(tuple(shape))
    identity: Node = functions["eye"](size, dtype=dtype)
    return reshape(identity, shape=(size, *shape)), size


def _reverse_rows(applied: Applied, output: Node) -> list[Node]:
    """The derivative of an output by each variable: [*output, *variable]."""
    cotangent = fresh(output.dtype, output.shape)
    pulled = autodiff.vjp([output], applied.variables, [cotangent], applied.sources)
    basis, size = _basis(output.dtype, output.shape)
    found = batched(pulled, {cotangent: basis}, size, applied.sources)
    closed = applied.closed(found)
    return [
        reshape(one, shape=(*output.shape, *variable.shape))
        for one, variable in zip(closed, applied.variables, strict=True)
    ]


def _forward_columns(applied: Applied, outputs: Sequence[Node], variable: Node) -> list[Node]:
    """The derivative of each output by one variable: [*output, *variable]."""
    tangent = fresh(variable.dtype, variable.shape)
    pushed = autodiff.jvp(outputs, [variable], [tangent], applied.sources)
    basis, size = _basis(variable.dtype, variable.shape)
    found = applied.closed(batched(pushed, {tangent: basis}, size, applied.sources))
    return [
        reshape(_last(one), shape=(*output.shape, *variable.shape))
        for one, output in zip(found, outputs, strict=True)
    ]


def _last(node: Node) -> Node:
    """The first axis moved behind the others."""
    moved: Node = functions["moveaxis"](node, 0, -1)
    return moved


def _assembled(applied: Applied, rows: Sequence[Sequence[Node]], argnums: Argnums) -> Any:
    parts = []
    for row in rows:
        trees = rebuilt(applied.tree, map(Tensor, row))
        parts.append(trees[0] if isinstance(argnums, int) else trees)
    return rebuilt(applied.result, parts)
