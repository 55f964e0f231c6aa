"""A model as a function of its state, so that what transforms a function transforms that too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from graphc.errors import DTypeError, ShapeError, UsageError, did_you_mean
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.as_tensor import as_tensor
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.state import State
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir.node import Node

__all__ = ["stateless_call"]


def stateless_call(
    model: Module, state: Mapping[str, Any], *arguments: Any, **keywords: Any
) -> tuple[Any, dict[str, Tensor]]:
    """What a model gives for values of its state that are arguments, and the values afterwards.

    The state of the model itself does not change. With `vmap` these are many models in one call,
    each with parameters and running statistics of its own.

    Args:
        model: what is called.
        state: values by path, as of `named_state`. Where one is missing, the model has its own: it
            is then an argument of the function that is traced, or otherwise known to the trace;
            on arrays it has its first values.
        arguments, keywords: those of the model.

    Returns:
        The result, and what each value of `state` has become.

    Raises:
        UsageError: the model has no such state, or none that the trace knows where one is missing;
        DTypeError, ShapeError: a value does not fit it.

    >>> import numpy as np
    >>> import graphc as gc
    >>> layer = gc.nn.Linear(2, 1, bias=False)
    >>> gc.stateless_call(layer, {"weight": np.ones((1, 2), np.float32)}, np.ones(2, np.float32))[0]
    array([2.], dtype=float32)
    """
    with at_python_line():
        _require_model(model, state)
        known = dict(model.named_state())
        for path in state:
            if path not in known:
                raise UsageError(
                    f"{model!r} has no state {path!r}",
                    code="unknown-state",
                    hint=did_you_mean(path, known) or f"its state is {', '.join(known) or 'empty'}",
                )
        given = {known[path]: _value(path, known[path], one) for path, one in state.items()}
        missing = [path for path in known if path not in state]
        with tracing().apart(given) as after, _telling(model, missing):
            result = model(*arguments, **keywords)
        return result, {path: Tensor(after[known[path]]) for path in state}


def _require_model(model: Any, state: Any) -> None:
    usage = "write stateless_call(model, state, x), with a dict of values by their paths"
    if not isinstance(model, Module):
        raise UsageError(
            f"stateless_call: the model is {shown(model)}", code="argument-type", hint=usage
        )
    if not isinstance(state, Mapping):
        raise UsageError(
            f"stateless_call: the state is {shown(state)}", code="argument-type", hint=usage
        )


@contextmanager
def _telling(model: Module, missing: Sequence[str]) -> Iterator[None]:
    """Say what state the model has of its own, where the trace does not know some state."""
    try:
        yield
    except UsageError as error:
        if error.code == "unknown-state" and missing:
            error.note(f"{model!r} is not given its state {', '.join(missing)}")
        raise


def _value(path: str, state: State, given: Any) -> Node:
    """What is given for a state, which must have its type: nothing is broadcast or cast."""
    value = as_tensor(given, f"the state {path!r}")
    found = f"the state {path!r} is given {value.type}, expected {state.type}"
    if value.dtype is not state.dtype:
        raise DTypeError(found, hint=f"cast it: value.astype({state.dtype.name})")
    if value.shape != state.sizes:
        raise ShapeError(found, hint="give values of the shapes that model.named_state() has")
    return value.node
