"""Functions with a gradient of their own: `@gradient(slope)` above a function.

`slope` takes the arguments of the function, its value and the cotangent of that value, and
returns the cotangents of the float tensors among the arguments: one, or a tuple in their order.
`@gradient(straight_through)` lets the cotangent through as if the function were the identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphc.errors import GraphcError
from graphc.frontend import syntax
from graphc.frontend.elaboration.expressions import Evaluator
from graphc.frontend.elaboration.numbers import is_number, tensor_of
from graphc.frontend.elaboration.refusal import described, refused
from graphc.frontend.elaboration.scope import Scope
from graphc.frontend.tracing.closures import stand_ins
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.ops.custom_gradient import custom_gradient, differentiable, inlined
from graphc.ir.ops.structural import graph_input, input_

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
) -> Tensor:
    if not isinstance(value, Tensor) or not value.dtype.precision:
        raise refused(
            f"{function.name} returns {described(value)}, which has no gradient",
            "gradient",
            None,
            "a function with a gradient of its own returns one float tensor",
        )
    given = {name: one for name, one in arguments.items() if isinstance(one, Tensor)}
    operands = tuple(one.node for one in given.values())
    _require_closed(function.name, [value.node], operands)
    graph = _graph(gradient, arguments, value)
    return Tensor(custom_gradient(value.node, *operands, gradient=graph))


def _graph(gradient: Any, arguments: Mapping[str, Any], value: Tensor) -> Graph:
    """The graph of the gradient, over inputs of its own."""
    tensors = {name: one for name, one in arguments.items() if isinstance(one, Tensor)}
    types = [one.type for one in (*tensors.values(), value, value)]
    *made, result, cotangent = map(Tensor, stand_ins("variable", types))
    variables = dict(zip(tensors, made, strict=True))
    own = tuple(one.node for one in (*variables.values(), result, cotangent))
    given = {**arguments, **variables}
    found = gradient(*given.values(), result, cotangent)
    nodes = _cotangents(found, own[:-2])
    _require_closed("the gradient", nodes, own)
    # Equal gradients are one graph, whatever their arguments were called.
    names = (*(f"x{number}" for number in range(len(own) - 2)), "value", "g")
    inputs = tuple(
        graph_input(name, node.dtype, node.shape) for name, node in zip(names, own, strict=True)
    )
    return Graph("gradient", inputs, (), inlined(Graph("gradient", own, (), nodes), inputs))


def _cotangents(found: Any, variables: tuple[Node, ...]) -> tuple[Node, ...]:
    wanted = differentiable(variables)
    parts = tuple(found) if isinstance(found, tuple | list) else (found,)
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
    return tuple(nodes)


def _require_closed(what: str, roots: list[Node] | tuple[Node, ...], own: tuple[Node, ...]) -> None:
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
