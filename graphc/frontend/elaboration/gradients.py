"""Functions with a gradient of their own: `@gradient(slope)` above a function.

`slope` takes the arguments of the function, its value and the cotangent of that value, and
returns the cotangents of the float tensors among the arguments: one, or a tuple in their order.
`@gradient(straight_through)` lets the cotangent through as if the function were the identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphc.errors import GraphcError
from graphc.frontend import syntax
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.numbers import is_number, tensor_of
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing.closures import stand_ins
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import leaves, map_leaves, rebuilt
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.ops.custom_gradient import custom_gradient, differentiable, gradient_graph
from graphc.ir.ops.structural import input_, projections, tuple_

if TYPE_CHECKING:
    from graphc.frontend.elaboration.functions import UserFunction

__all__ = ["is_gradient", "with_own_gradient"]


class _StraightThrough:
    """The gradient of the identity."""

    def __repr__(self) -> str:
        return "<the gradient straight_through>"

    def __call__(self, *arguments: Any) -> Any:
        return arguments[-1]


_GRADIENTS: Mapping[str, Any] = {"straight_through": _StraightThrough()}


def with_own_gradient(function: UserFunction, arguments: Mapping[str, Any], value: Any) -> Any:
    """The value of a call with the gradients that the decorators of the function say.

    Args:
        function: what was called.
        arguments: by the names of its parameters.
        value: what its body returned.

    Raises:
        GraphcError: another decorator, or a gradient that does not fit the function.
    """
    for decorator in reversed(function.definition.decorators):
        try:
            value = _with_gradient(function, _gradient_of(function, decorator), arguments, value)
        except GraphcError as error:
            raise error.at(decorator.span) from error.__cause__
    return value


def _gradient_of(function: UserFunction, decorator: syntax.Expression) -> Any:
    """The gradient that a decorator names."""
    match decorator:
        case syntax.Call(syntax.Name("gradient"), (given,), ()):
            scope = Scope(function.scope, {**_GRADIENTS})
            known = function.scope.find(given.id) if isinstance(given, syntax.Name) else None
            inner = function.scope if known not in (None, Scope.MISSING) else scope
            gradient = Evaluator(function.program, inner).evaluate(given)
            own = function.program.own_function(gradient)
            if own is None and not isinstance(gradient, _StraightThrough):
                raise refused(
                    f"{described(gradient)} is no gradient",
                    "gradient",
                    given.span,
                    "name a function of this program, or straight_through",
                )
            return gradient if own is None else own
        case syntax.Name("gradient") | syntax.Call(syntax.Name("gradient")):
            hint = "write @gradient(f), where f(x, ..., value, cotangent) returns the gradient"
            raise refused("this decorator has no meaning", "decorator", decorator.span, hint)
    raise refused(
        "another decorator stands below @gradient(...), which is about the function itself",
        "decorator",
        decorator.span,
        "write @gradient(f) directly above the function, and the others above that",
    )


def is_gradient(decorator: syntax.Expression) -> bool:
    """Whether a decorator says the gradient of the function below it."""
    match decorator:
        case syntax.Name("gradient") | syntax.Call(syntax.Name("gradient")):
            return True
    return False


def _with_gradient(
    function: UserFunction, gradient: Any, arguments: Mapping[str, Any], value: Any
) -> Any:
    values = [one.node for one in leaves(value) if isinstance(one, Tensor)]
    if len(values) < sum(1 for _ in leaves(value)) or not differentiable(values):
        raise refused(
            f"{function.name} returns {described(value)}, which has no gradient",
            "gradient",
            None,
            "a function with a gradient of its own returns a float tensor, or several tensors",
        )
    operands = [one.node for one in leaves(list(arguments.values())) if isinstance(one, Tensor)]
    _require_closed(function.name, values, operands)
    graph = _graph(gradient, arguments, value)
    whole = values[0] if len(values) == 1 else tuple_(*values)
    found = custom_gradient(whole, *operands, gradient=graph)
    return rebuilt(value, map(Tensor, projections(found)))


def _graph(gradient: Any, arguments: Mapping[str, Any], value: Any) -> Graph:
    """The graph of the gradient, over inputs of its own."""
    floats = map_leaves(lambda one: one if one.dtype.precision else None, value)
    trees = (list(arguments.values()), value, floats)
    rows = [[one for one in leaves(tree) if isinstance(one, Tensor)] for tree in trees]
    made = iter(map(Tensor, stand_ins("variable", [one.type for row in rows for one in row])))
    given, result, cotangent = (
        map_leaves(lambda leaf: next(made) if isinstance(leaf, Tensor) else leaf, tree)
        for tree in trees
    )
    own, values, cotangents = (
        [one.node for one in leaves(tree) if isinstance(one, Tensor)]
        for tree in (given, result, cotangent)
    )
    nodes = _cotangents(gradient(*given, result, cotangent), own)
    _require_closed("the gradient", nodes, [*own, *values, *cotangents])
    return gradient_graph(own, values, cotangents, nodes)


def _cotangents(found: Any, variables: Sequence[Node]) -> Sequence[Node]:
    wanted = differentiable(variables)
    parts = list(leaves(found))
    if len(parts) != len(wanted):
        raise refused(
            f"the gradient returns {len(parts)} values for {len(wanted)} float arguments",
            "gradient",
            None,
            "return one for each float tensor among the arguments, zeros_like(x) where it is 0",
        )
    nodes = []
    for part, variable in zip(parts, wanted, strict=True):
        one = tensor_of(part, variable.dtype) if is_number(part) else part
        if not isinstance(one, Tensor) or one.type is not variable.type:
            raise refused(
                f"the gradient by a {variable.type} is {described(part)}",
                "gradient",
                None,
                "a gradient has the type of what it is with respect to",
            )
        nodes.append(one.node)
    return nodes


def _require_closed(what: str, roots: Sequence[Node], own: Sequence[Node]) -> None:
    """Refuse values that depend on a float from outside: its gradient would be lost."""
    done = set(own)
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node in done:
            continue
        done.add(node)
        if node.op is input_:
            raise refused(
                f"{what} uses {node['name']!r}, which is none of the arguments",
                "gradient",
                None,
                "pass it as an argument, so that the gradient can say what becomes of it",
            )
        pending += node.inputs
