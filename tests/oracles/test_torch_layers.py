"""Layers against those of the same name in PyTorch, with the same weights: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc import transforms
from graphc.frontend.trace import Export
from graphc.frontend.unit import build_unit
from graphc.ir.evaluate import evaluate
from tests.nn.layers_of_torch import OF_TORCH, LayerCase, operands_of

# PyTorch recommends another reduction for one of the losses.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:reduction")]
try:
    import torch
except ImportError:  # the tests are deselected
    torch = None

Array = np.ndarray[Any, Any]
BOUND = 2e-5


def flat(value: Any) -> list[Any]:
    """The tensors of nested tuples, in order; what is None is left out."""
    if isinstance(value, tuple | list):
        return [one for part in value for one in flat(part)]
    return [] if value is None else [value]


def theirs(case: LayerCase, name: str, training: bool) -> Any:
    torch.manual_seed(0)
    layer = getattr(torch.nn, name)(*case.arguments, **case.theirs)
    return layer.train(training)


def single(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


@pytest.mark.parametrize("training", [False, True], ids=["running", "training"])
@pytest.mark.parametrize("name", OF_TORCH)
def test_values_gradients_and_state_are_those_of_torch(name: str, training: bool) -> None:
    case = OF_TORCH[name]
    arrays = [single(array) for array in operands_of(case)]
    other = theirs(case, name, training)
    weights = {path: value.detach().numpy().copy() for path, value in other.state_dict().items()}
    tensors = [torch.tensor(array) for array in arrays]
    tensors[0].requires_grad_()
    attends = name == "MultiheadAttention"
    given = tensors * 3 if attends else tensors
    (expected, *more) = flat(other(*given, need_weights=False) if attends else other(*given))
    expected.sum().backward()

    layer = case.make()

    def loss(*operands: Any) -> Any:
        return flat(layer(*operands))[0].sum()

    def both(*operands: Any) -> Any:
        slopes = transforms.grad(loss)(*operands)
        return flat(slopes)[0], layer(*operands)

    types = tuple(arrays)
    values = Export(layer, types, training)
    slopes = Export(both, types, training, (layer,))
    for export, count in ((values, 0), (slopes, 1)):
        unit = build_unit({"f": export})
        graph = unit.exports["f"]
        prefix = (
            "" if set(unit.state) <= set(weights) else next(iter(unit.state)).split(".")[0] + "."
        )
        state = [weights[node["name"].removeprefix(prefix)] for node in graph.state]
        results, updates = evaluate(graph, arrays, state)
        for found, exact in zip(results[count:], (expected, *more), strict=True):
            np.testing.assert_allclose(found, exact.detach().numpy(), rtol=BOUND, atol=BOUND)
        if count and tensors[0].grad is not None:
            np.testing.assert_allclose(results[0], tensors[0].grad, rtol=1e-4, atol=1e-4)
        if training and not count:
            after = {path: value.numpy() for path, value in other.state_dict().items()}
            for node, found in zip(graph.state, updates, strict=True):
                exact = after[node["name"].removeprefix(prefix)]
                np.testing.assert_allclose(found, exact, rtol=BOUND, atol=BOUND)
