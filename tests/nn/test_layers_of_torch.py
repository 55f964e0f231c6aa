"""Layers that PyTorch has too, without it: against NumPy, in the language, and in every float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.errors import ShapeError
from graphc.frontend.tracing.module import Module
from graphc.ir.dtype import f32, i64
from graphc.ir.verify import verify
from tests.nn.layers_of_torch import OF_TORCH, operands_of
from tests.nn.test_layers import run

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)
X = RNG.normal(size=(2, 6, 3)).astype(np.float32)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", OF_TORCH)
def test_layers_give_numbers_of_the_dtype_of_their_operand(name: str) -> None:
    case = OF_TORCH[name]
    types = [f32[a.shape] if a.dtype.kind == "f" else a for a in operands_of(case)]
    for training in (False, True):
        graph = graphc.trace(case.make(), *types, training=training).graph
        verify(graph)
        assert all(result.dtype in (f32, i64) for result in graph.results)
        assert graph.results[0].dtype is f32


class Around(Module):
    """A layer of the operands of a graph, or of arrays that it is given while it is traced."""

    def __init__(self, layer: Module, names: Sequence[str] = (), arrays: Sequence[Array] = ()):
        self.layer, self.names, self.arrays = layer, tuple(names), tuple(arrays)

    def forward(self, *operands: Any) -> Any:
        given = operands or self.arrays
        count = len(given) - len(self.names)
        return self.layer(*given[:count], **dict(zip(self.names, given[count:], strict=True)))


@pytest.mark.parametrize("name", OF_TORCH)
def test_layers_take_arrays_for_tensors(name: str) -> None:
    case = OF_TORCH[name]
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in operands_of(case)]
    found, _ = run(Around(case.make(), arrays=arrays))
    np.testing.assert_array_equal(found, run(Around(case.make()), *arrays)[0])


MASK, PADDING = np.triu(np.ones((6, 6), bool), 1), np.arange(12).reshape(2, 6) % 6 > 3


@pytest.mark.parametrize(
    ("make", "keywords"),
    [
        (lambda: nn.MultiheadAttention(4, 2, batch_first=True), {"attn_mask": MASK}),
        (lambda: nn.MultiheadAttention(4, 2, batch_first=True), {"key_padding_mask": PADDING}),
        (
            lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
            {"src_mask": MASK, "src_key_padding_mask": PADDING},
        ),
    ],
    ids=["mask", "padding", "encoder"],
)
def test_masks_mean_the_same_as_arrays_and_as_tensors(
    make: Callable[[], Module], keywords: dict[str, Array]
) -> None:
    x = RNG.normal(size=(2, 6, 4)).astype(np.float32)
    queries = [x] * (1 + 2 * isinstance(make(), nn.MultiheadAttention))
    arrays = [*queries, *keywords.values()]
    found, _ = run(Around(make(), keywords, arrays))
    np.testing.assert_array_equal(found, run(Around(make(), keywords), *arrays)[0])
    inverted = [*queries, *(~mask for mask in keywords.values())]
    assert not np.array_equal(found, run(Around(make(), keywords), *inverted)[0])


def test_a_gru_is_a_loop_over_time() -> None:
    found, w = run(nn.GRU(3, 4, batch_first=True), X)
    hidden = np.zeros((2, 4))
    for time in range(6):
        entry = X[:, time] @ w["weight_ih_l0"].T + w["bias_ih_l0"]
        state = hidden @ w["weight_hh_l0"].T + w["bias_hh_l0"]
        reset, update = (sigmoid(entry[:, a : a + 4] + state[:, a : a + 4]) for a in (0, 4))
        new = np.tanh(entry[:, 8:] + reset * state[:, 8:])
        hidden = (1 - update) * new + update * hidden
        np.testing.assert_allclose(found[:, time], hidden, rtol=1e-4, atol=1e-5)


def test_an_lstm_is_a_loop_over_time() -> None:
    found, w = run(nn.LSTM(3, 4, bias=False, batch_first=True), X)
    hidden, cell = np.zeros((2, 4)), np.zeros((2, 4))
    for time in range(6):
        gates = X[:, time] @ w["weight_ih_l0"].T + hidden @ w["weight_hh_l0"].T
        entry, forget, new, out = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(entry) * np.tanh(new)
        hidden = sigmoid(out) * np.tanh(cell)
        np.testing.assert_allclose(found[:, time], hidden, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [4, 2, 1])
@pytest.mark.parametrize("causal", [False, True])
def test_heads_attend_by_themselves(shared: int, causal: bool) -> None:
    layer = nn.MultiheadAttention(8, 4, batch_first=True, num_kv_heads=shared)
    x = RNG.normal(size=(2, 5, 8)).astype(np.float32)

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            self.inner = layer

        def forward(self, x: Any) -> Any:
            return self.inner(x, need_weights=False, is_causal=causal)[0]

    found, w = run(Wrapped(), x)
    w = {path.removeprefix("inner."): value for path, value in w.items()}
    rows = x @ w["in_proj_weight"].T + w["in_proj_bias"]
    q, k, v = np.split(rows, [8, 8 + 2 * shared], axis=-1)
    heads = []
    for head in range(4):
        kept = head * shared // 4
        keys = np.swapaxes(k[..., 2 * kept : 2 * kept + 2], -1, -2)
        scores = q[..., 2 * head : 2 * head + 2] @ keys / np.sqrt(2)
        scores = np.where(np.tril(np.ones((5, 5), bool)) | (not causal), scores, -np.inf)
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        heads.append(weights @ v[..., 2 * kept : 2 * kept + 2])
    expected = np.concatenate(heads, -1) @ w["out_proj.weight"].T + w["out_proj.bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


SOURCE = '''"""A small network of pictures."""

dim B: 1..8

model Net():
    conv = Conv2d(3, 4, 3, padding=1)
    norm = BatchNorm2d(4)
    pool = MaxPool2d(2)
    head = Linear(16, 5)

    def forward(x: f32[B, 3, 4, 4]) -> f32[B, 5]:
        return head(flatten(pool(relu(norm(conv(x)))), 1))

def loss(net: Net, x: f32[B, 3, 4, 4], y: i32[B]) -> f32[]:
    return cross_entropy(net(x), y)

export predict = Net.forward
export train = train_step(Net, loss, sgd(lr=1e-1))
'''


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_a_network_of_the_language_trains(device: str, tmp_path: Path) -> None:
    (tmp_path / "net.gc").write_text(SOURCE)
    file = graphc.build(tmp_path / "net.gc").file
    module, reference = graphc.load_file(file, device), graphc.load_file(file, "reference")
    x = RNG.normal(size=(4, 3, 4, 4)).astype(np.float32)
    y = np.array([0, 4, 2, 2], np.int32)
    for _ in range(3):
        found, expected = module.train(x, y), reference.train(x, y)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    for name, value in module.state_dict().items():
        np.testing.assert_allclose(value, reference.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert module.state_dict()["norm.num_batches_tracked"] == 3
    np.testing.assert_allclose(module.predict(x), reference.predict(x), rtol=1e-5, atol=1e-6)


READER = '''"""A small transformer that reads words."""

dim B: 1..8

model Reader():
    words = Embedding(11, 8)
    encoder = TransformerEncoder(
        TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True), 2, LayerNorm(8)
    )
    drop = Dropout1d(0.25)
    head = Linear(8, 3)

    def forward(ids: i32[B, 5]) -> f32[B, 3]:
        return head(mean(drop(encoder(words(ids), is_causal=True)), axis=1))

def loss(net: Reader, ids: i32[B, 5], y: i32[B]) -> f32[]:
    return cross_entropy(net(ids), y)

export predict = Reader.forward
export train = train_step(Reader, loss, sgd(lr=1e-1))
'''


def test_a_transformer_of_the_language_trains(tmp_path: Path) -> None:
    (tmp_path / "reader.gc").write_text(READER)
    file = graphc.build(tmp_path / "reader.gc").file
    module, reference = graphc.load_file(file, "cpu"), graphc.load_file(file, "reference")
    ids = RNG.integers(0, 11, (4, 5)).astype(np.int32)
    y = np.array([0, 1, 2, 2], np.int32)
    for _ in range(2):
        np.testing.assert_allclose(module.train(ids, y), reference.train(ids, y), rtol=1e-4)
    names = module.state_dict().keys()
    assert {"encoder.layers.1.self_attn.in_proj_weight", "encoder.norm.weight"} <= names
    np.testing.assert_allclose(module.predict(ids), reference.predict(ids), rtol=1e-5, atol=1e-6)


def test_a_causal_transformer_is_one_with_the_mask_of_later_places() -> None:
    x = RNG.normal(size=(5, 2, 8)).astype(np.float32)

    class Both(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.TransformerEncoderLayer(8, 2, 12)

        def forward(self, x: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(5)
            return self.inner(x, mask) - self.inner(x, is_causal=True)

    np.testing.assert_allclose(run(Both(), x)[0], 0, atol=1e-6)


REFUSED = {
    "channels": (lambda: nn.Conv2d(3, 4, 3), (2, 5, 8, 8)),
    "axes": (lambda: nn.BatchNorm2d(4), (2, 4)),
    "features": (lambda: nn.GRU(3, 4), (2, 5, 4)),
    "heads": (lambda: nn.MultiheadAttention(8, 3), (2, 5, 8)),
    "keys": (lambda: nn.MultiheadAttention(8, 2, kdim=5), (2, 5, 8)),
    "queries": (lambda: nn.MultiheadAttention(8, 2), (2, 5, 7)),
    "row of padding": (lambda: nn.Embedding(4, 3, 4), (2,)),
    "groups": (lambda: nn.Conv1d(3, 4, 3, groups=2), (2, 3, 8)),
    "instances": (lambda: nn.InstanceNorm1d(3), (2, 3)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_operands_that_do_not_fit_are_refused(case: str) -> None:
    make, shape = REFUSED[case]
    with pytest.raises(ShapeError):
        graphc.trace(make(), f32[shape])
