"""Complex numbers on the CPU and on the simulator: special values, gradients, state."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.nvrtc import compile_ptx
from graphc.frontend.tracing.initializers import full
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir import ops
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import find, functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import gradients
from tests.accuracy import COMPLEX_FUNCTIONS, is_near_complex
from tests.emitted import emitted
from tests.simulated import cuda_code, simulated
from tests.values import random_array, same_bits

F: Any = functions
Array = np.ndarray[Any, Any]

on_both = pytest.mark.parametrize("run", [emitted, simulated], ids=["cpu", "sim"])
of_both_widths = pytest.mark.parametrize("dtype", [dtypes.c64, dtypes.c128], ids=str)
on_every_device = pytest.mark.parametrize("device", ["reference", "cpu", "sim"])

EXACT = ("multiply", "divide", "equal", "not_equal", "conj", "isnan", "isinf", "isfinite")


def pairs_of_special_parts(dtype: DType) -> Array:
    """Every pair of numbers at which functions of complex numbers are hard."""
    largest, smallest = float(dtype.maximum_value), float(dtype.smallest_normal)
    parts = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-9, 25.0, 80.0, 720.0, 1e3, -1e3, np.pi / 2]
    parts += [np.inf, -np.inf, np.nan, largest, -largest, smallest, -smallest, smallest / 8]
    return np.array([complex(*pair) for pair in itertools.product(parts, parts)], dtype.numpy)


@on_both
@of_both_widths
def test_special_values_are_those_of_the_reference(run: Any, dtype: DType) -> None:
    z = pairs_of_special_parts(dtype)
    operands = [z, np.random.default_rng(0).permutation(z)]
    graphs = []
    for name in (*sorted(COMPLEX_FUNCTIONS), *EXACT):
        op = find(name)
        inputs = tuple(graph_input(f"x{i}", dtype, z.shape) for i in range(op.arity or 0))
        graphs.append(Graph(name, inputs, (), (op(*inputs),)))
    executor = run(graphs)
    for graph in graphs:
        arrays = operands[: len(graph.inputs)]
        (found,) = executor.call(graph.name, arrays)
        if graph.name in EXACT:
            assert same_bits(found, evaluate(graph, arrays)[0][0]), graph.name
            continue
        (precise,), _ = evaluate(graph, arrays, precise=True)
        for i in range(z.size):
            here = [array[i : i + 1] for array in arrays]
            near = is_near_complex(graph.name, here, found[i : i + 1], precise[i : i + 1])
            assert near, (graph.name, here, found[i], precise[i])


LOOKUPS = graph_input("i", dtypes.i32, (4,))


def size_of_a_wave(z: Node, w: Node) -> Node:
    """A real function of complex numbers, through views, lookups, products and folds."""
    mixed = F["matmul"](z, F["conj"](F["permute_dims"](z, (1, 0))))
    looked_up = F["index"](mixed, (LOOKUPS, slice(None, None, 2)))
    turned = F["exp"](F["multiply"](looked_up, complex(0, 0.25)))
    parts = [turned, F["divide"](turned, F["add"](w, 3.0)), F["cumulative_prod"](turned, axis=0)]
    root = F["sqrt"](F["add"](F["mean"](F["concat"](parts, axis=0), axis=1), 2.0))
    return F["sum"](F["add"](F["abs"](root), F["multiply"](F["angle"](root), F["real"](root))))


@on_both
def test_gradients_of_two_orders_agree_with_the_reference(run: Any) -> None:
    z, w = graph_input("z", dtypes.c128, (5, 3)), graph_input("w", dtypes.c128, (4, 3))
    loss = size_of_a_wave(z, w)
    first = gradients(loss, [z, w])
    second = gradients(F["sum"](F["real"](F["multiply"](first[0], first[0]))), [z, w])
    graph = Graph("slopes", (z, w, LOOKUPS), (), (loss, *first, *second))
    rng = np.random.default_rng(2)
    arrays = [random_array(node.tensor, rng, special=False) for node in (z, w)]
    arrays.append(np.array([4, 0, 0, -2], np.int32))
    expected, _ = evaluate(graph, arrays)
    for found, exact in zip(run([graph]).call("slopes", arrays), expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-11)


def test_a_gradient_pairs_with_a_direction_without_conjugation() -> None:
    z = graph_input("z", dtypes.c128, (6,))
    loss = F["sum"](F["square"](F["abs"](F["sinh"](z))))
    graph = Graph("g", (z,), (), (loss, *gradients(loss, [z])))
    rng = np.random.default_rng(3)
    at, along = (random_array(z.tensor, rng, special=False) for _ in range(2))
    (_, slope), _ = evaluate(graph, [at])
    (after, _), _ = evaluate(graph, [at + 1e-6 * along])
    (before, _), _ = evaluate(graph, [at - 1e-6 * along])
    assert np.isclose(np.sum(slope * along).real, (after - before) / 2e-6, rtol=1e-7)


@on_both
@of_both_widths
def test_scatters_and_selections_move_every_bit(run: Any, dtype: DType) -> None:
    z, mask = graph_input("z", dtype, (7, 3)), graph_input("m", dtypes.bool_, (7, 3))
    i = graph_input("i", dtypes.i64, (4,))
    rows = ops.slice(z, start=(0, 0), stop=(4, 3), step=(1, 1))
    written = F["at_set"](z, (i,), rows)
    results = (written, F["where"](mask, z, F["flip"](z)), F["pad"](z, ((1, 0), (0, 2))))
    graph = Graph("moved", (z, mask, i), (), results)
    rng = np.random.default_rng(4)
    arrays = [random_array(node.tensor, rng) for node in (z, mask)]
    arrays.append(np.array([6, 1, 1, 9]))
    expected, _ = evaluate(graph, arrays)
    for found, exact in zip(run([graph]).call("moved", arrays), expected, strict=True):
        assert same_bits(found, exact)


class Wave(gc.nn.Module):
    """Keeps a phase in both widths, and turns it at each call."""

    def __init__(self) -> None:
        self.phase = gc.nn.Buffer(3, dtypes.c128, full(1.0))
        self.narrow = gc.nn.Buffer(3, dtypes.c64, full(1.0))

    def forward(self, by: Tensor) -> Tensor:
        turned = self.phase * by
        self.phase.update(turned)
        self.narrow.update(turned.astype(dtypes.c64))
        return turned


@on_every_device
def test_complex_state_is_kept_in_a_module(device: str, tmp_path: Path) -> None:
    by = np.array([1j, 2.0, complex(-0.5, 3)])
    module = gc.compile(Wave(), dtypes.c128[3], device=device)
    assert np.array_equal(module(by), by)
    again = gc.load(module.save(tmp_path / "wave.gcm"), device)
    np.testing.assert_allclose(again(by), by * by, rtol=1e-15)
    assert np.array_equal(again.state_dict()["narrow"], (by * by).astype(np.complex64))


@on_both
def test_numbers_that_are_complex_for_a_moment_alone(run: Any) -> None:
    x = graph_input("x", dtypes.f64, (5,))
    graph = Graph("moment", (x,), (), (F["astype"](F["astype"](x, dtypes.c128), dtypes.bool_),))
    (found,) = run([graph]).call("moment", [np.array([0.0, -0.0, 1.0, np.nan, 5e-324])])
    assert found.tolist() == [False, False, True, True, True]


def test_kernels_of_complex_numbers_compile_with_a_clean_log() -> None:
    z, w = graph_input("z", dtypes.c64, (5, 3)), graph_input("w", dtypes.c64, (4, 3))
    loss = size_of_a_wave(z, w)
    graph = Graph("slopes", (z, w, LOOKUPS), (), (loss, *gradients(loss, [z, w])))
    source = cuda_code([graph]).source
    assert compile_ptx(source, "compute_80", name="slopes", fast=True).log == ""


LOGARITHMS: dict[str, tuple[Any, Any]] = {
    "logsumexp": (lambda z: gc.logsumexp(z, axis=1), lambda z: np.log(np.exp(z).sum(1))),
    "logcumsumexp": (lambda z: gc.logcumsumexp(z, 1), lambda z: np.log(np.exp(z).cumsum(1))),
    "logaddexp": (lambda z: gc.logaddexp(z, 2 * z), lambda z: np.log(np.exp(z) + np.exp(2 * z))),
}


@on_every_device
@pytest.mark.parametrize("name", LOGARITHMS)
def test_logarithms_of_sums_are_those_of_the_formula_and_do_not_overflow(
    name: str, device: str
) -> None:
    ours, theirs = LOGARITHMS[name]
    random = np.random.default_rng(3)
    z = random.normal(scale=4, size=(3, 5)) + 1j * random.normal(scale=4, size=(3, 5))
    values = gc.function(ours, device=device)
    np.testing.assert_allclose(values(z), theirs(z), rtol=1e-13, atol=1e-14)
    assert np.isfinite(values(z + 1000)).all()

    def total(z: Any) -> Any:
        return gc.sum(gc.real(ours(z)))

    step = 1e-6 * random.normal(size=z.shape)
    expected = (theirs(z + step) - theirs(z - step)).sum().real / 2
    slope = gc.function(gc.grad(total), device=device)(z)
    np.testing.assert_allclose((slope * step).sum().real, expected, rtol=1e-7)
