"""Layers against those of the same name in PyTorch, with the same weights: values and gradients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc import nn, transforms
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.evaluate import evaluate
from tests.nn.layers_of_torch import OF_TORCH, LayerCase, of_library, operands_of

# PyTorch recommends another reduction for one of the losses, and batches first for encoders.
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:reduction", "ignore:enable_nested_tensor"),
]
try:
    import torch
except ImportError:  # the tests are deselected
    torch = None

Array = np.ndarray[Any, Any]
BOUND = 2e-5
RNG = np.random.default_rng(3)


def flat(value: Any) -> list[Any]:
    """The tensors of nested tuples, in order; what is None is left out."""
    if isinstance(value, tuple | list):
        return [one for part in value for one in flat(part)]
    return [] if value is None else [value]


def theirs(case: LayerCase, name: str, training: bool) -> Any:
    torch.manual_seed(0)
    layer = getattr(torch.nn, name)(*of_library(torch.nn, case.arguments), **case.theirs)
    return layer.train(training)


TABLE = (Path(__file__).parents[2] / "docs" / "left_out.md").read_text()
LEFT_OUT = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)", TABLE, re.MULTILINE)))


def test_every_layer_of_torch_is_here_or_left_out_for_a_reason() -> None:
    public = {name for name, one in vars(torch.nn).items() if isinstance(one, type)}
    missing = {name for name in public if not hasattr(nn, name)}
    assert missing == {name for name in LEFT_OUT if hasattr(torch.nn, name)}


MASKS = {
    "none": {},
    "bools": {
        "src_mask": RNG.random((5, 5)) < 0.3,
        "tgt_mask": np.triu(np.ones((4, 4), bool), 1),
        "memory_mask": RNG.random((6, 4, 5)) < 0.3,
        "src_key_padding_mask": np.arange(5) >= np.array([[5], [3], [4]]),
        "memory_key_padding_mask": np.arange(5) >= np.array([[5], [3], [4]]),
    },
    "numbers": {
        "src_mask": RNG.normal(size=(6, 5, 5)).astype(np.float32),
        "tgt_mask": np.triu(np.full((4, 4), -np.inf, np.float32), 1),
        "tgt_key_padding_mask": RNG.normal(size=(3, 4)).astype(np.float32),
    },
}


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("masks", MASKS)
def test_masks_of_a_transformer_are_those_of_torch(
    masks: str, norm_first: bool, batch_first: bool
) -> None:
    settings = {"norm_first": norm_first, "batch_first": batch_first}
    given = MASKS[masks]
    src, tgt = (RNG.normal(size=(time, 3, 8)).astype(np.float32) for time in (5, 4))
    if batch_first:
        src, tgt = src.swapaxes(0, 1), tgt.swapaxes(0, 1)
    torch.manual_seed(0)
    other = torch.nn.Transformer(8, 2, 1, 1, 12, 0.0, **settings)
    expected = other(
        torch.tensor(src), torch.tensor(tgt), **{k: torch.tensor(v) for k, v in given.items()}
    )

    class Masked(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Transformer(8, 2, 1, 1, 12, 0.0, **settings)

        def forward(self, src: Any, tgt: Any, *arrays: Any) -> Any:
            return self.inner(src, tgt, **dict(zip(given, arrays, strict=True)))

    arrays = [src, tgt, *given.values()]
    unit = build_unit({"f": Export(Masked(), tuple(arrays))})
    weights = {f"inner.{path}": value.numpy() for path, value in other.state_dict().items()}
    graph = unit.exports["f"]
    (found,), _ = evaluate(graph, arrays, [weights[node["name"]] for node in graph.state])
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=BOUND, atol=BOUND)


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
    # The slope that PyTorch gives CTC holds behind log_softmax alone.
    has_gradient = tensors[0].is_floating_point() and name != "CTCLoss"
    tensors[0].requires_grad_(has_gradient)
    attends = name == "MultiheadAttention"
    given = tensors * 3 if attends else tensors
    (expected, *more) = flat(other(*given, need_weights=False) if attends else other(*given))
    if has_gradient:
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
    for export, count in ((values, 0), (slopes, 1))[: 1 + has_gradient]:
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
