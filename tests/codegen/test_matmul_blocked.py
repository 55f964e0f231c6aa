"""Matrix products on the host: forms of operands, dtypes, sizes, and vectors of processors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.codegen.host import HOST, emit_unit
from graphc.codegen.host_entry import entry_symbol
from graphc.codegen.plan import Library
from graphc.codegen.schedules import matmul_blocked, schedule_group
from graphc.ir import dims, ops
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.kernel import Call, statements
from graphc.ir.ops.structural import graph_input
from graphc.runtime.cpu.compiler import FLAGS, find_compiler
from graphc.runtime.cpu.executor import CpuExecutor
from graphc.runtime.program import Program
from tests.emitted import emitted, planned
from tests.interpreted import interpreted
from tests.products import GRAPHS, assert_close, contraction, random_arguments, transposed
from tests.values import same_bits

Array = np.ndarray[Any, Any]

f32 = dtypes.f32


@cache
def executor() -> CpuExecutor:
    return emitted(list(GRAPHS.values()))


@pytest.mark.parametrize("name", GRAPHS)
def test_products_are_those_of_the_reference(name: str) -> None:
    graph = GRAPHS[name]
    arrays = random_arguments(graph)
    assert_close(graph, arrays, executor().call(name, arrays))


def test_not_a_number_and_infinity_reach_their_row_or_column() -> None:
    graph = GRAPHS["NN_49_300_1030"]
    a, b = np.ones((49, 1030), np.float32), np.ones((1030, 300), np.float32)
    a[3, 1029], b[7, 299] = np.nan, np.inf
    (found,) = executor().call(graph.name, [a, b])
    assert np.all(np.isnan(found[3]))
    rest = np.delete(found, 3, axis=0)
    assert np.all(np.isinf(rest[:, 299]))
    assert np.all(rest[:, :299] == 1030)


@pytest.mark.parametrize("run", [emitted, interpreted])
@pytest.mark.parametrize("rows", [1, 2, 64])
def test_operands_that_are_read_backwards(rows: int, run: Callable[..., Any]) -> None:
    x, w = graph_input("x", f32, (rows, 5)), graph_input("w", f32, (5, 3))
    result = ops.matmul(ops.flip(x, axes=(1,)), ops.flip(w, axes=(0, 1)))
    graph = Graph("backwards", (x, w), (), (result,))
    arrays = random_arguments(graph)
    assert_close(graph, arrays, run([graph]).call(graph.name, arrays))


def test_all_of_it_is_one_kernel() -> None:
    assert len(planned(GRAPHS["epilogue"]).steps) == 1
    assert len(planned(GRAPHS["heads"]).steps) == 1


def test_few_rows_take_a_kernel_of_their_own() -> None:
    rows = dims.variable("B", 1, 4096)
    x, w = graph_input("x", f32, (rows, 30)), graph_input("w", f32, (70, 30))
    group = contraction(Graph("f", (x, w), (), (ops.matmul(x, transposed(w)),)))
    few, many = schedule_group(group, HOST)
    assert (few.dim, few.low, few.high) == (rows, 1, matmul_blocked.MatmulConfig().few_rows)
    assert many.dim == 0
    called = [
        {s.function for s in statements(v.scheduled.kernel.body) if isinstance(s, Call)}
        for v in (few, many)
    ]
    assert called == [
        {"gc_multiply_rows_f32"},
        {"gc_pack_left_f32", "gc_pack_right_f32", "gc_multiply_packed_f32"},
    ]


@pytest.mark.parametrize("config", [(6, 64, 1, 6), (12, 128, 7, 6), (96, 64, 40, 12)])
def test_tiles_change_no_bit(config: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    graph = GRAPHS["NT_49_300_1030"]
    arrays = random_arguments(graph)
    (expected,) = executor().call(graph.name, arrays)
    rows, columns, depth, group = config
    tiles = matmul_blocked.MatmulConfig(rows, columns, depth, group)
    monkeypatch.setattr(matmul_blocked, "default_config", lambda _: tiles)
    (found,) = emitted([graph]).call(graph.name, arrays)
    assert same_bits(found, expected)


@pytest.mark.parametrize(
    "flags",
    [("-mno-avx512f",), ("-mno-avx512f", "-mno-avx", "-mno-avx2", "-mno-fma")],
    ids=["avx", "sse"],
)
def test_vectors_change_no_bit(flags: tuple[str, ...], tmp_path: Path) -> None:
    names = ["NT_7_130_31", "TN_6_63_513", "NN_2_65_17", "f64_TT_29", "i32_NN_29", "f16_TT_3"]
    library = Library()
    entries = {name: planned(GRAPHS[name], library) for name in names}
    unit, built = tmp_path / "unit.c", tmp_path / "unit.so"
    unit.write_text(emit_unit(library.kernels, list(entries.values())).source, encoding="utf-8")
    command = [*find_compiler().command, *FLAGS, *flags, "-o", str(built), str(unit), "-lm"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("the compiler does not know these flags: another kind of processor")
    symbols = {name: entry_symbol(name) for name in names}
    other = CpuExecutor(Program(HOST.name, entries), built, {}, symbols)
    for name in names:
        arrays = random_arguments(GRAPHS[name])
        (found,), (expected,) = other.call(name, arrays), executor().call(name, arrays)
        assert same_bits(found, expected), name
