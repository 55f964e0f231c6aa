"""Layers against those of the same name in PyTorch, with the same weights: values and gradients."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc import nn, transforms
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.evaluate import evaluate
from tests.nn.layers_of_torch import OF_TORCH, LayerCase, of_library, operands_of

# PyTorch recommends another reduction for one of the losses, batches first for encoders, two masks
# of one dtype, filters of odd sizes, and LSTMs that project nothing.
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings(
        "ignore:reduction",
        "ignore:enable_nested_tensor",
        "ignore:Support for mismatched",
        "ignore:Using padding='same'",
        "ignore:LSTM with projections",
    ),
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
    """The layer of PyTorch, with numbers for what begins as zeros."""
    torch.manual_seed(0)
    kind = getattr(torch.nn, name.split()[0])
    named = {
        key: torch.tensor(a) if isinstance(a, np.ndarray) else a for key, a in case.theirs.items()
    }
    layer = kind(*of_library(torch.nn, case.arguments), **named)
    for parameter in layer.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter)
    return layer.train(training)


def state_of(layer: Any, arguments: Collection[str] = ()) -> dict[str, Array]:
    """The state by its paths, but for arguments, such as weights of classes: no state here."""
    state = layer.state_dict().items()
    return {path: value.numpy().copy() for path, value in state if path not in arguments}


TABLE = (Path(__file__).parents[2] / "docs" / "left_out.md").read_text()
LEFT_OUT = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)", TABLE, re.MULTILINE)))


def test_every_layer_of_torch_is_here_or_left_out_for_a_reason() -> None:
    public = {name for name, one in vars(torch.nn).items() if isinstance(one, type)}
    missing = {name for name in public if not hasattr(nn, name)}
    assert missing == {name for name in LEFT_OUT if hasattr(torch.nn, name)} == set(nn.LEFT_OUT)


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


def hidden(*shape: int) -> Array:
    """A mask that leaves each row something to see."""
    mask = RNG.random(shape) < 0.4
    mask[..., 0] = False
    return mask


ATTENTION: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Array]]] = {
    "bools": ({}, {}, {"attn_mask": hidden(5, 7)}),
    "bools of each head": ({}, {}, {"attn_mask": hidden(6, 5, 7)}),
    "padding": ({}, {"need_weights": False}, {"key_padding_mask": hidden(3, 7)}),
    "both": (
        {"add_zero_attn": True},
        {"average_attn_weights": False},
        {"attn_mask": hidden(5, 7), "key_padding_mask": hidden(3, 7)},
    ),
    "numbers and bools": (
        {"add_bias_kv": True},
        {},
        {
            "attn_mask": np.where(hidden(5, 7), -np.inf, RNG.normal(size=(5, 7))),
            "key_padding_mask": hidden(3, 7),
        },
    ),
    "a causal mask": (
        {},
        {"is_causal": True, "need_weights": False},
        {"attn_mask": np.triu(np.ones((5, 7), bool), 1)},
    ),
}
"""Of an attention: its settings, those of the call, and masks."""


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("case", ATTENTION)
def test_masks_of_an_attention_are_those_of_torch(case: str, batch_first: bool) -> None:
    settings, keywords, masks = ATTENTION[case]
    arrays = [RNG.normal(size=(time, 3, 8)).astype(np.float32) for time in (5, 7, 7)]
    if batch_first:
        arrays = [array.swapaxes(0, 1) for array in arrays]
    arrays += [single(mask) for mask in masks.values()]
    torch.manual_seed(0)
    other = torch.nn.MultiheadAttention(8, 2, batch_first=batch_first, **settings)
    tensors = [torch.tensor(array) for array in arrays]
    expected = other(*tensors[:3], **keywords, **dict(zip(masks, tensors[3:], strict=True)))
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first, **settings)

    class Masked(nn.Module):
        def __init__(self) -> None:
            self.inner = layer

        def forward(self, *given: Any) -> Any:
            named = dict(zip(masks, given[3:], strict=True))
            return flat(self.inner(*given[:3], **keywords, **named))

    graph = build_unit({"f": Export(Masked(), tuple(arrays))}).exports["f"]
    weights = state_of(other)
    state = [weights[node["name"].removeprefix("inner.")] for node in graph.state]
    for found, exact in zip(evaluate(graph, arrays, state)[0], flat(expected), strict=True):
        np.testing.assert_allclose(found, exact.detach().numpy(), rtol=BOUND, atol=BOUND)


@pytest.mark.parametrize("training", [False, True], ids=["running", "training"])
@pytest.mark.parametrize("name", OF_TORCH)
def test_values_and_state_are_those_of_torch(name: str, training: bool) -> None:
    case = OF_TORCH[name]
    arrays = [single(array) for array in operands_of(case)]
    other = theirs(case, name, training)
    before = state_of(other)
    with torch.no_grad():
        expected = flat(other(*(torch.tensor(array) for array in arrays)))
    unit = build_unit({"f": Export(case.make(), tuple(arrays), training)})
    graph = unit.exports["f"]
    results, updates = evaluate(graph, arrays, [before[node["name"]] for node in graph.state])
    for found, exact in zip(results, expected, strict=True):
        np.testing.assert_allclose(found, exact.numpy(), rtol=BOUND, atol=BOUND)
    after = state_of(other)
    for node, found in zip(graph.state, updates, strict=True) if training else ():
        np.testing.assert_allclose(found, after[node["name"]], rtol=BOUND, atol=BOUND)


@pytest.mark.parametrize("training", [False, True], ids=["running", "training"])
# The slope that PyTorch gives CTC holds behind log_softmax alone.
@pytest.mark.parametrize("name", [name for name in OF_TORCH if name != "CTCLoss"])
def test_gradients_of_operands_and_parameters_are_those_of_torch(name: str, training: bool) -> None:
    case = OF_TORCH[name]
    arrays = [single(array) for array in operands_of(case)]
    other = theirs(case, name, training)
    state = state_of(other, case.theirs)
    tensors = [torch.tensor(array) for array in arrays]
    tensors[0].requires_grad_(tensors[0].is_floating_point())
    value = flat(other(*tensors))[0]
    weights = RNG.normal(size=tuple(value.shape)).astype(np.float32)
    (value * torch.tensor(weights)).sum().backward()
    layer, paths = case.make(), [path for path, _ in other.named_parameters()]

    def loss(first: Any, parameters: list[Any], *rest: Any) -> Any:
        values = {**state, **dict(zip(paths, parameters, strict=True))}
        results, _ = transforms.stateless_call(layer, values, first, *rest)
        return (flat(results)[0] * weights).sum()

    def slopes(*given: Any) -> Any:
        (first, *rest), parameters = given[: len(arrays)], list(given[len(arrays) :])
        if not tensors[0].requires_grad:
            return transforms.grad(loss, 1)(first, parameters, *rest)
        return transforms.grad(loss, (0, 1))(first, parameters, *rest)

    given = [*arrays, *(state[path] for path in paths)]
    graph = build_unit({"f": Export(slopes, tuple(given), training)}).exports["f"]
    found, _ = evaluate(graph, given, [])
    leaves = [*tensors[:1], *other.parameters()]
    for slope, leaf in zip(found, (one for one in leaves if one.requires_grad), strict=True):
        np.testing.assert_allclose(slope, leaf.grad, rtol=1e-4, atol=1e-4)
