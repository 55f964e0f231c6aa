"""A whole training step as one graph: loss, gradients, and the optimizer's updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.parameters import signature_of
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trace import Export
from graphc.ir.node import Node
from graphc.ir.ops.structural import stop_gradient
from graphc.optim.optimizer import Optimizer
from graphc.passes.autodiff import gradients

__all__ = ["train_step"]


def train_step(
    model: Module, loss: Callable[..., Any], optimizer: Optimizer, *types: Any
) -> Export:
    """The export of a training step: one call computes the loss and updates all state.

    The inputs are the arguments of `loss` after the model, the results what it returns, and the
    updates those of the parameters, of the optimizer's state, and whatever layers update. A
    parameter that is not trainable, or that the gradient of the loss does not reach, is left alone.

    Args:
        model: what is trained.
        loss: `loss(model, x, y, ...)` gives the loss, a float without axes, or a tuple that
            begins with it; the rest are results that are not differentiated.
        optimizer: see `graphc.optim`.
        types: of the arguments after the model, where `loss` has no annotations.

    Raises:
        UsageError: the loss is no function of a model, or the optimizer is none.

    Raises (when the export is traced):
        ShapeError, DTypeError: the loss is no float without axes.
        UsageError: the loss depends on no trainable parameter.
        GraphcError: an op of the model has no gradient (code `no-gradient`).
    """

    def step(*arguments: Any, **keywords: Any) -> Any:
        result = loss(model, *arguments, **keywords)
        value = _loss_in(result)
        trained = _trained(model, value)
        sources = tracing().sources
        with sources.inherit(value.node):
            _require_scalar(value)
            wrt = [tracing().before(parameter) for parameter in trained]
            nodes = gradients(value.node, wrt, sources=sources)
        optimizer.apply(trained, [Tensor(node) for node in nodes])
        return result

    if isinstance(loss, type):
        raise UsageError(
            f"the loss of a training step is the class {loss.__name__}, expected a function",
            code="loss-arguments",
            hint="write a function loss(model, x, y)",
            argument="loss",
        )
    if not isinstance(optimizer, Optimizer):
        makes_one = (
            isinstance(optimizer, FunctionType) and "lr" in signature_of(optimizer).parameters
        )
        raise UsageError(
            f"the optimizer of a training step is {shown(optimizer)}",
            code="optimizer-argument",
            hint=f"call it: {optimizer.__name__}(lr=1e-3)"
            if makes_one
            else "make one: sgd(lr=0.1), adamw(lr=1e-3)",
            argument="optimizer",
        )
    signature = signature_of(loss)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind not in (
        parameters[0].POSITIONAL_ONLY,
        parameters[0].POSITIONAL_OR_KEYWORD,
    ):
        raise UsageError(
            "the loss of a training step takes the model as its first argument",
            code="loss-arguments",
            hint="write it as loss(model, x, y)",
            argument="loss",
        )
    step.__name__, step.__doc__ = getattr(loss, "__name__", "loss"), loss.__doc__
    step.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    step.__wrapped__ = loss  # type: ignore[attr-defined]
    return Export(step, types, training=True, models=(model,))


def _loss_in(result: Any) -> Tensor:
    first = result[0] if isinstance(result, list | tuple) and result else result
    if not isinstance(first, Tensor):
        raise UsageError(
            f"the loss function returned {result!r}, expected a tensor or a tuple that begins "
            "with the loss",
            code="loss-result",
        )
    return first


def _require_scalar(loss: Tensor) -> None:
    if loss.shape:
        raise ShapeError(
            f"the loss is {loss.type}, expected a number without axes",
            code="loss-result",
            hint="reduce it with mean or sum",
        )


def _differentiated(loss: Node) -> set[Node]:
    """What the gradient of a loss may reach: not what only `stop_gradient` leads to."""
    found, pending = {loss}, [loss]
    while pending:
        node = pending.pop()
        if node.op is not stop_gradient:
            new = [one for one in node.inputs if one not in found]
            found.update(new)
            pending += new
    return found


def _trained(model: Module, loss: Tensor) -> Sequence[Parameter]:
    """The trainable parameters of the model that the gradient of the loss reaches."""
    reached = _differentiated(loss.node)
    trained = [
        parameter
        for parameter in model.parameters()
        if parameter.trainable and tracing().before(parameter) in reached
    ]
    if not trained:
        raise UsageError(
            "the loss depends on no trainable parameter of the model",
            code="nothing-to-train",
            hint="use the model that the loss is given as its first argument",
        )
    return trained
