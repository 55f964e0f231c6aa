"""The example programs in index notation: their kernels and values are those of the library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.api import source_unit
from graphc.frontend.elaborate import elaborate
from graphc.ir.node import Node
from graphc.ir.op import View
from graphc.library import library
from graphc.passes import pipeline
from graphc.passes.fusion.fuse import fuse

PROGRAMS = Path(__file__).parents[2] / "examples" / "index_notation"
PAIRS = [
    (program, export, peer)
    for program in ("convolution", "attention")
    for export, peer in ((program, "library"), ("gradient", "library_gradient"))
]
SHAPES = {
    "convolution": [(2, 32, 5, 5), (64, 32, 3, 3)],
    "attention": [(1, 8, 7, 64)] * 3,
}


def kernels(program: str, export: str) -> list[tuple[str, list[str]]]:
    """What each kernel computes: its kind, and its ops; one view is as good as another."""
    unit = source_unit(PROGRAMS / f"{program}.gc")
    graph = pipeline.run(unit.exports[export], pipeline.GRAPH_PASSES, unit.sources)
    return sorted((one.kind.name, sorted(map(op_of, one.members))) for one in fuse(graph))


def op_of(node: Node) -> str:
    return "view" if isinstance(node.op.lowering, View) else node.op.name


@pytest.mark.parametrize(("program", "export", "peer"), PAIRS)
def test_the_kernels_are_those_of_the_library(program: str, export: str, peer: str) -> None:
    assert kernels(program, export) == kernels(program, peer)


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    """The results of every export of both programs, on every device."""
    found: dict[str, dict[str, Any]] = {}
    for program, shapes in SHAPES.items():
        file = graphc.build(PROGRAMS / f"{program}.gc").file
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
        for device in ("reference", "cpu", "sim"):
            module = graphc.load_file(file, device)
            found[f"{program} {device}"] = {
                name: export(*arrays) for name, export in module.exports.items()
            }
    return found


@pytest.mark.parametrize("device", ["reference", "cpu", "sim"])
@pytest.mark.parametrize(("program", "export", "peer"), PAIRS)
def test_the_values_are_those_of_the_library(
    results: dict[str, dict[str, Any]], program: str, export: str, peer: str, device: str
) -> None:
    found = results[f"{program} {device}"][export]
    expected = results[f"{program} reference"][peer]
    for one, other in zip(parts(found), parts(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def parts(result: Any) -> list[np.ndarray]:
    return [np.asarray(one) for one in (result if isinstance(result, tuple) else (result,))]


SYMBOLIC = """
dim N: 1..8
dim C: 1..16
dim O: 1..16
dim H: 8..64
dim W: 8..64
dim K: 1..7
dim L: 1..7

def convolution(x: f32[N, C, H, W], w: f32[O, C, K, L]) -> f32[N, O, H - K + 1, W - L + 1]:
    y[n, o, i, j] = sum[c, u, v] x[n, c, i + u, j + v] * w[o, c, u, v]
    return y

def slopes(x: f32[N, C, H, W], w: f32[O, C, K, L]) -> (f32[N, C, H, W], f32[O, C, K, L]):
    return grad(energy, (0, 1))(x, w)

def energy(x, w):
    return sum(convolution(x, w) ** 2)

export convolution = convolution
export slopes = slopes
"""


def test_a_convolution_of_which_no_size_is_known() -> None:
    file = graphc.build(elaborate(SYMBOLIC, "symbolic.gc", library())).file
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 9, 10)).astype(np.float32)
    w = rng.standard_normal((4, 3, 3, 2)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(2, 3))
    expected = np.einsum("ncijuv,ocuv->noij", windows, w)
    slope = 2 * np.einsum("ncijuv,noij->ocuv", windows, expected)
    for device in ("reference", "cpu"):
        module = graphc.load_file(file, device)
        np.testing.assert_allclose(module.convolution(x, w), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(module.slopes(x, w)[1], slope, rtol=1e-4, atol=1e-3)


def test_attention_stands_in_the_reference_of_the_language() -> None:
    """The example is the one that `docs/language.md` explains, with sizes of its own."""
    body = re.compile(r"    s\[b.*?return o\n", re.DOTALL)
    reference = body.search((PROGRAMS.parents[1] / "docs" / "language.md").read_text("utf-8"))
    example = body.search((PROGRAMS / "attention.gc").read_text("utf-8"))
    assert reference is not None and example is not None
    assert example[0] == reference[0].replace("sqrt(D)", "sqrt(64)")
