"""A model as a function of its state, so that what transforms a function transforms that too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.errors import UsageError, did_you_mean
from graphc.frontend.as_tensor import as_tensor
from graphc.frontend.location import at_python_line
from graphc.frontend.module import Module
from graphc.frontend.state import fitted, tracing
from graphc.frontend.tensor import Tensor

__all__ = ["stateless_call"]


def stateless_call(
    model: Module, state: Mapping[str, Any], *arguments: Any, **keywords: Any
) -> tuple[Any, dict[str, Tensor]]:
    """What a model gives for values of its state that are arguments, and the values afterwards.

    The state of the model itself does not change. With `vmap` these are many models in one call,
    each with parameters and running statistics of its own.

    Args:
        model: what is called; inside a trace.
        state: values by path, as of `named_state`. The model keeps its own where one is missing.
        arguments, keywords: those of the model.

    Returns:
        The result, and what each value of `state` has become.

    Raises:
        UsageError: the model has no such state; DTypeError, ShapeError: a value does not fit it.
    """
    with at_python_line():
        known = dict(model.named_state())
        for path in state:
            if path not in known:
                raise UsageError(
                    f"{model!r} has no state {path!r}",
                    code="unknown-state",
                    hint=did_you_mean(path, known) or f"its state is {', '.join(known) or 'empty'}",
                )
        given = {
            known[path]: fitted(known[path], as_tensor(value, path))
            for path, value in state.items()
        }
        with tracing().apart(given) as after:
            result = model(*arguments, **keywords)
        return result, {path: Tensor(after[known[path]]) for path in state}
