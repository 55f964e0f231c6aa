"""The examples: each is formatted, builds, trains, and gives what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.frontend.formatting.formatter import format_source

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.gc")), ids=lambda path: path.stem)
def test_an_example_is_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_source(text, path.name) == text


def loaded(path: str) -> Any:
    return graphc.load_file(graphc.build(EXAMPLES / path).file, "cpu")


def test_the_gpt_learns_a_text_by_heart_and_writes_it() -> None:
    model = loaded("gpt/gpt.gc")
    text = np.frombuffer(b"one two three " * 6, np.uint8)[:65].astype(np.int32)
    batch = np.tile(text, (2, 1))
    losses = [float(model.train(batch[:, :-1], batch[:, 1:])) for _ in range(200)]
    assert losses[-1] < 0.1 * losses[0]
    logits = model.predict(text[None, :-1])
    changed = np.where(np.arange(64) < 40, text[:-1], 0).astype(np.int32)
    later = model.predict(changed[None])
    np.testing.assert_array_equal(logits[:, :40], later[:, :40])
    assert np.any(logits[:, 40:] != later[:, 40:])
    written = model.write(text[:-1], np.float32(0.01))
    assert written.astype(np.uint8).tobytes().startswith(text[64:].astype(np.uint8).tobytes())
    assert set(written.tolist()) <= set(text.tolist())


def test_the_denoiser_learns_where_points_are() -> None:
    model = loaded("diffusion/diffusion.gc")
    points = np.tile(np.float32([[1.5, -0.5]]), (256, 1))
    losses = [float(model.train(points)) for _ in range(300)]
    assert np.mean(losses[-20:]) < 0.5 * losses[0]
    drawn = model.sample()
    assert drawn.shape == (1000, 2)
    assert np.linalg.norm(np.median(drawn, axis=0) - points[0]) < 0.3
    assert np.any(drawn != model.sample())
