"""Matrix products through shared memory and registers, run by the simulator."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.codegen.cuda import ARCHITECTURES, CUDA, emit_unit
from graphc.codegen.nvrtc import Request, compile_all
from graphc.codegen.plan import Library, plan_entry
from graphc.codegen.schedules import matmul_tiled
from graphc.codegen.schedules.matmul_tiled import TiledConfig
from graphc.errors import SimulatorError, VerificationError
from graphc.ir import dims, ops
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.kernel import Barrier, Kernel
from graphc.ir.kernels.verify import verify_kernel
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.runtime.interpreter import evaluate_entry
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.emitted import emitted
from tests.products import (
    GRAPHS,
    assert_close,
    contraction,
    product,
    random_arguments,
    simulated_products,
    transposed,
    without,
)
from tests.values import same_bits

Array = np.ndarray[Any, Any]

f32 = dtypes.f32

# A GPU without tensor cores.
PLAIN = replace(CUDA, functions=frozenset({"gc_multiply_add"}))


@cache
def executor() -> SimulatorExecutor:
    return simulated_products(list(GRAPHS.values()), PLAIN)


@pytest.mark.parametrize("name", GRAPHS)
def test_products_are_those_of_the_reference(name: str) -> None:
    arrays = random_arguments(GRAPHS[name])
    assert_close(GRAPHS[name], arrays, executor().call(name, arrays))


def test_every_bit_is_that_of_the_host() -> None:
    host = emitted(list(GRAPHS.values()))
    for name, graph in GRAPHS.items():
        arrays = random_arguments(graph)
        for found, expected in zip(
            executor().call(name, arrays), host.call(name, arrays), strict=True
        ):
            assert same_bits(found, expected), name


CONFIGS = [
    TiledConfig(),
    TiledConfig(128, 64, 16, 8, 4),
    TiledConfig(64, 128, 16, 4, 8),
    TiledConfig(64, 64, 16, 4, 4),
    TiledConfig(16, 128, 32, 2, 4),
    TiledConfig(128, 16, 32, 4, 2),
    TiledConfig(16, 64, 32, 1, 4),
    TiledConfig(32, 8, 1, 1, 1, 0, 1),
    TiledConfig(64, 32, 4, 8, 2, 1, 2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_sizes_of_tiles_change_no_bit(config: TiledConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["NT_49_300_1030", "f64_TT_29", "i8_NN_29"]
    monkeypatch.setattr(matmul_tiled, "default_config", lambda _: config)
    changed = simulated_products([GRAPHS[name] for name in names], PLAIN)
    for name in names:
        arrays = random_arguments(GRAPHS[name])
        (found,), (expected,) = changed.call(name, arrays), executor().call(name, arrays)
        assert same_bits(found, expected), name


def test_large_products_take_large_tiles() -> None:
    def default(m: int, n: int, dtype: dtypes.DType = f32) -> tuple[int, int]:
        inputs, results = product("NN", m, n, 64, dtype)
        config = matmul_tiled.default_config(contraction(Graph("f", inputs, (), results)))
        return config.rows, config.columns

    assert default(4096, 4096) == (128, 128)
    assert default(4096, 4096, dtypes.f64) == (64, 64)
    assert default(100, 4096) == (64, 64)
    assert default(1, 4096) == (16, 128)
    assert default(4096, 10) == (128, 16)


def test_not_a_number_and_infinity_reach_their_row_or_column() -> None:
    graph = GRAPHS["NN_49_300_1030"]
    a, b = np.ones((49, 1030), np.float32), np.ones((1030, 300), np.float32)
    a[3, 1029], b[7, 299] = np.nan, np.inf
    (found,) = executor().call(graph.name, [a, b])
    assert np.all(np.isnan(found[3]))
    rest = np.delete(found, 3, axis=0)
    assert np.all(np.isinf(rest[:, 299]))
    assert np.all(rest[:, :299] == 1030)


def test_the_kernel_ir_means_the_same() -> None:
    for name in ("NT_7_130_31", "f64_TT_29", "u8_batch", "bf16_NN_29", "epilogue", "pad"):
        library = Library()
        entry = plan_entry(GRAPHS[name], PLAIN, library)
        arrays = random_arguments(GRAPHS[name])
        for found, expected in zip(
            evaluate_entry(entry, library.kernels, arrays, {}),
            executor().call(name, arrays),
            strict=True,
        ):
            assert same_bits(found, expected), name


# -- named dims ----------------------------------------------------------------------------------


def named(form: str, largest: int) -> Graph:
    """relu(a @ b + bias), every size a name."""
    m, n, k = (dims.variable(name, 0, largest) for name in "MNK")
    left = graph_input("a", f32, (k, m) if form[0] == "T" else (m, k))
    right = graph_input("b", f32, (n, k) if form[1] == "T" else (k, n))
    bias = graph_input("bias", f32, (n,))
    a = transposed(left) if form[0] == "T" else left
    b = transposed(right) if form[1] == "T" else right
    result = functions["relu"](functions["add"](ops.matmul(a, b), bias))
    return Graph(f"{form}_{largest}", (left, right, bias), (), (result,))


# With the larger range indices take 64 bits.
NAMED = [named(form, largest) for form in ("NN", "TT") for largest in (1000, 2**20)]


@cache
def executor_of_names() -> SimulatorExecutor:
    return simulated_products(NAMED, PLAIN)


@pytest.mark.parametrize("graph", NAMED, ids=lambda graph: graph.name)
def test_one_kernel_takes_every_size(graph: Graph) -> None:
    sizes = [(40, 50, 33)]
    for size in (0, 1, 16, 17, 100, 129, 257):
        sizes += [(size, 50, 33), (40, size, 33), (40, 50, size)]
    rng = np.random.default_rng(5)
    for m, n, k in sizes:
        a, b, bias = (rng.uniform(-2, 2, shape).astype(np.float32) for shape in ((m, k), (k, n), n))
        arguments = [a.T if graph.name[0] == "T" else a, b.T if graph.name[1] == "T" else b, bias]
        (found,) = executor_of_names().call(graph.name, arguments)
        exact = np.maximum(a.astype(np.float64) @ b.astype(np.float64) + bias, 0)
        bound = 4.0 * (k + 2) * (k + 2) * 2.0**-24
        assert found.shape == exact.shape
        assert np.all(np.abs(found - exact) <= bound), (m, n, k)


def test_indices_take_64_bits_where_32_may_not_do() -> None:
    geometry = executor_of_names().program.geometry
    assert sorted(one.index_bits for one in geometry.values()) == [32, 32, 64, 64]


def test_the_epilogue_is_part_of_the_launch() -> None:
    entries = executor_of_names().program.entries.values()
    assert [len(entry.steps) for entry in entries] == [1] * len(NAMED)
    assert len(executor().program.entries["epilogue"].steps) == 1


# -- the rules of CUDA ---------------------------------------------------------------------------

CHECKED = ["NT_49_300_1030", "TN_6_63_513", "f64_batch", "bf16_TT_29", "epilogue", "pad"]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_checker_finds_nothing(seed: int) -> None:
    # Few blocks, so that each runs several steps over the same shared memory.
    checked = simulated_products(
        [GRAPHS[name] for name in CHECKED], PLAIN, check=True, blocks=2, seed=seed
    )
    for name in CHECKED:
        arrays = random_arguments(GRAPHS[name])
        for found, expected in zip(
            checked.call(name, arrays), executor().call(name, arrays), strict=True
        ):
            assert same_bits(found, expected), name


def is_barrier(statement: object) -> bool:
    return isinstance(statement, Barrier)


# The barriers before and after filling the tiles, of whole blocks and of the rest.
@pytest.mark.parametrize("number", range(4))
def test_a_missing_barrier_is_found(number: int) -> None:
    graph = GRAPHS["NT_49_300_1030"]
    arrays = random_arguments(graph)

    def change(kernel: Kernel) -> Kernel:
        changed = without(kernel, number, is_barrier)
        assert changed != kernel
        with pytest.raises(VerificationError, match="touched since a barrier"):
            verify_kernel(changed)
        return changed

    broken = simulated_products([graph], PLAIN, change, check=True, blocks=1)
    with pytest.raises(SimulatorError) as error:
        broken.call(graph.name, arrays)
    assert "race-in-block" in {getattr(f, "check", None) for f in error.value.findings}


def test_a_gpu_takes_the_text_without_a_word() -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    names = ["NT_49_300_1030", "epilogue", "f64_batch", "bf16_NN_29", "i8_NN_29", "u64_batch"]
    library = Library()
    graphs = [*(GRAPHS[name] for name in names), *NAMED]
    entries = [plan_entry(graph, PLAIN, library) for graph in graphs]
    source = emit_unit(library.kernels, entries, PLAIN).source
    requests = [Request(source, arch, "products", fast=True) for arch in ARCHITECTURES]
    assert [compiled.log for compiled in compile_all(requests)] == [""] * len(requests)
