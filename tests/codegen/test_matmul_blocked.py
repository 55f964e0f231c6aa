"""Matrix products on the host: forms of operands, dtypes, sizes, and vectors of processors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.codegen.host import HOST, emit_unit, entry_symbol
from graphc.codegen.plan import Library
from graphc.codegen.schedules import matmul_blocked, schedule_group
from graphc.ir import dims, ops
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.kernel import Call, statements
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.fuse import GroupKind, fuse
from graphc.runtime.cpu.compiler import FLAGS, find_compiler
from graphc.runtime.cpu.executor import CpuExecutor
from graphc.runtime.program import Program
from tests.emitted import emitted, planned
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]
Built = tuple[tuple[Node, ...], tuple[Node, ...]]

f32 = dtypes.f32

# Sizes around those of tiles, blocks, groups of rows and vectors.
SIZES = [
    (1, 1, 1),
    (1, 64, 64),
    (2, 65, 17),
    (4, 10, 100),
    (5, 16, 3),
    (6, 63, 513),
    (7, 130, 31),
    (48, 257, 40),
    (193, 5, 600),
    (49, 300, 1030),
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (200, 300, 0),
]


def transposed(x: Node) -> Node:
    rank = len(x.shape)
    return ops.permute_dims(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def product(form: str, m: int, n: int, k: int, dtype: DType, batch: tuple[int, ...] = ()) -> Built:
    """The product of two inputs, the first or second transposed where the form says T."""
    left = graph_input("a", dtype, (*batch, *((k, m) if form[0] == "T" else (m, k))))
    right = graph_input("b", dtype, (*batch, *((n, k) if form[1] == "T" else (k, n))))
    a = transposed(left) if form[0] == "T" else left
    b = transposed(right) if form[1] == "T" else right
    return (left, right), (ops.matmul(a, b),)


def with_epilogue() -> Built:
    """Two outputs: what goes on, and what a gradient needs."""
    (x, w), (y,) = product("NT", 50, 70, 33, f32)
    bias = graph_input("bias", f32, (70,))
    shifted = functions["add"](y, bias)
    return (x, w, bias), (functions["relu"](shifted), functions["greater"](shifted, 0.0))


def of_views(change: Callable[[Node], Node], shape: tuple[int, ...]) -> Built:
    """The product of a changed input with itself transposed: both operands go through views."""
    x = graph_input("x", f32, shape)
    changed = change(x)
    return (x,), (ops.matmul(changed, transposed(changed)),)


def heads() -> Built:
    """Attention's scores: heads are split off and moved in front."""
    q, k = graph_input("q", f32, (2, 9, 3 * 8)), graph_input("k", f32, (2, 9, 3 * 8))

    def split(x: Node) -> Node:
        return ops.permute_dims(ops.reshape(x, shape=(2, 9, 3, 8)), axes=(0, 2, 1, 3))

    return (q, k), (ops.matmul(split(q), transposed(split(k))),)


def cases() -> Iterator[tuple[str, Built]]:
    for form in ("NN", "NT", "TN", "TT"):
        for m, n, k in SIZES:
            yield f"{form}_{m}_{n}_{k}", product(form, m, n, k, f32)
    for dtype in dtypes.computable():
        if dtype.kind in ("float", "signed", "unsigned"):
            for m in (3, 29):
                for form in ("NN", "TT"):
                    yield f"{dtype}_{form}_{m}", product(form, m, 75, 20, dtype)
            yield f"{dtype}_batch", product("NT", 9, 11, 13, dtype, (2, 3))
    yield "epilogue", with_epilogue()
    yield "heads", heads()
    views: dict[str, tuple[Callable[[Node], Node], tuple[int, ...]]] = {
        "flip": (lambda x: ops.flip(x, axes=(0, 1)), (20, 30)),
        "slice": (lambda x: ops.slice(x, start=(1, 3), stop=(19, 29), step=(2, 1)), (20, 30)),
        "reshape": (lambda x: ops.reshape(x, shape=(12, 50)), (20, 30)),
        "broadcast": (lambda x: ops.broadcast_to(x, shape=(9, 30)), (1, 30)),
        "mixed": (lambda x: ops.reshape(transposed(x), shape=(12, 50)), (20, 30)),
        "pad": (lambda x: functions["pad"](x, ((1, 2), (3, 0))), (20, 30)),
        "concat": (lambda x: functions["concat"]([x, ops.flip(x, axes=(1,))], axis=1), (20, 30)),
    }
    for name, (change, shape) in views.items():
        yield name, of_views(change, shape)


GRAPHS = {name: Graph(name, inputs, (), results) for name, (inputs, results) in cases()}


@cache
def executor() -> CpuExecutor:
    return emitted(list(GRAPHS.values()))


@pytest.mark.parametrize("name", GRAPHS)
def test_products_are_those_of_the_reference(name: str) -> None:
    graph = GRAPHS[name]
    rng = np.random.default_rng(5)
    arrays = [random_array(node.tensor, rng, special=False) for node in graph.inputs]
    expected, _ = evaluate(graph, arrays)
    precise, _ = evaluate(graph, arrays, precise=True)
    for found, same, exact in zip(executor().call(name, arrays), expected, precise, strict=True):
        dtype = dtypes.from_numpy(found.dtype)
        if dtype.kind != "float":
            assert same_bits(found, same)
            continue
        # One rounding for each step of the sum, of terms of at most 4, and one of the result.
        depth = max(graph.inputs[0].tensor.size // max(found.shape[-2], 1), 1)
        step = 2.0**-dtype.accumulator.precision
        bound = 4.0 * depth * depth * step + np.abs(exact) * 2.0**-dtype.precision
        assert np.all(np.abs(found.astype(np.float64) - exact) <= bound)


def test_not_a_number_and_infinity_reach_their_row_or_column() -> None:
    graph = GRAPHS["NN_49_300_1030"]
    a, b = np.ones((49, 1030), np.float32), np.ones((1030, 300), np.float32)
    a[3, 1029], b[7, 299] = np.nan, np.inf
    (found,) = executor().call(graph.name, [a, b])
    assert np.all(np.isnan(found[3]))
    rest = np.delete(found, 3, axis=0)
    assert np.all(np.isinf(rest[:, 299]))
    assert np.all(rest[:, :299] == 1030)


def test_all_of_it_is_one_kernel() -> None:
    assert len(planned(GRAPHS["epilogue"]).steps) == 1
    assert len(planned(GRAPHS["heads"]).steps) == 1


def groups_of(graph: Graph) -> list[Any]:
    return [group for group in fuse(graph) if group.kind is GroupKind.CONTRACTION]


def test_few_rows_take_a_kernel_of_their_own() -> None:
    rows = dims.variable("B", 1, 4096)
    x, w = graph_input("x", f32, (rows, 30)), graph_input("w", f32, (70, 30))
    (group,) = groups_of(Graph("f", (x, w), (), (ops.matmul(x, transposed(w)),)))
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
    rng = np.random.default_rng(5)
    arrays = [random_array(node.tensor, rng, special=False) for node in graph.inputs]
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
    unit.write_text(emit_unit(library.kernels, list(entries.values())), encoding="utf-8")
    command = [*find_compiler().command, *FLAGS, *flags, "-o", str(built), str(unit), "-lm"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("the compiler does not know these flags: another kind of processor")
    symbols = {name: entry_symbol(name) for name in names}
    other = CpuExecutor(Program(HOST.name, entries), built, {}, symbols)
    rng = np.random.default_rng(5)
    for name in names:
        arrays = [random_array(n.tensor, rng, special=False) for n in GRAPHS[name].inputs]
        (found,), (expected,) = other.call(name, arrays), executor().call(name, arrays)
        assert same_bits(found, expected), name
