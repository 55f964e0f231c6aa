"""Tables of rows: looked up and trained, on every device that runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.errors import DTypeError
from graphc.frontend.tracing.trace import Export, trace
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate

Array = np.ndarray[Any, Any]

SOURCE = '''"""Which of three topics a bag of words is about."""

dim B: 1..64

model Bag(words=30, features=8, topics=3):
    table = Embedding(words, features)
    head = Linear(features, topics)

    def forward(ids: i32[B, 6]) -> f32[B, topics]:
        return head(mean(table(ids), axis=1))

def loss(net: Bag, ids: i32[B, 6], topic: i32[B]) -> f32[]:
    return cross_entropy(net(ids), topic)

export predict = Bag.forward
export train = train_step(Bag, loss, adam(lr=5e-2))
'''


def bags(rng: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Words of ten for each topic; one word in ten is noise."""
    topic = rng.integers(0, 3, count).astype(np.int32)
    own = topic[:, None] * 10 + rng.integers(0, 10, (count, 6))
    noise = rng.integers(0, 30, (count, 6))
    return np.where(rng.random((count, 6)) < 0.1, noise, own).astype(np.int32), topic


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_a_model_with_a_table_learns(device: str, tmp_path: Path) -> None:
    source = tmp_path / "bag.gc"
    source.write_text(SOURCE)
    target = tmp_path / "bag.gcm"
    graphc.build(source).file.write(target)
    module = graphc.load(target, device=device)
    rng = np.random.default_rng(0)
    first = module.state_dict()["table.weight"]
    losses = [float(module.train(*bags(rng, 32))) for _ in range(40)]
    assert losses[-1] < 0.3 < 0.9 < losses[0]
    ids, topic = bags(rng, 64)
    assert (np.argmax(module.predict(ids), axis=1) == topic).mean() > 0.9
    # The same steps by the reference evaluator.
    other = graphc.load(target, device="reference")
    rng = np.random.default_rng(0)
    assert np.array_equal(first, other.state_dict()["table.weight"])
    expected = [float(other.train(*bags(rng, 32))) for _ in range(5)]
    np.testing.assert_allclose(losses[:5], expected, rtol=1e-5)


def rows(layer: nn.Embedding, ids: Array) -> tuple[Array, Array]:
    """What the layer gives for ids, and its weight."""
    unit = build_unit({"f": Export(layer, (ids,))})
    (weight,), _ = evaluate(unit.initial, [np.asarray(7, np.uint64)])
    (result,), _ = evaluate(unit.exports["f"], [ids], [weight])
    return result, weight


def test_rows_are_looked_up() -> None:
    ids = np.array([[0, 4], [-1, 2], [5, -6]], np.int64)
    result, weight = rows(nn.Embedding(5, 3), ids)
    assert np.array_equal(result[:2], weight[ids[:2]])
    assert not result[2].any()
    assert weight.shape == (5, 3) and weight.std() > 0.5


@pytest.mark.parametrize("padding", [1, -4])
def test_the_row_of_padding_begins_as_zeros(padding: int) -> None:
    _, weight = rows(nn.Embedding(5, 3, padding), np.array([0], np.int64))
    assert np.array_equal(~weight.any(axis=1), np.arange(5) == 1)


def test_ids_that_are_no_integers_are_refused() -> None:
    with pytest.raises(DTypeError, match="takes integers"):
        trace(nn.Embedding(5, 3), dtypes.f32[4])
