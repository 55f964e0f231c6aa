"""Matrix products to try schedules on: forms of operands, dtypes, sizes, views, epilogues."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphc.codegen.cuda import CUDA, CudaDialect, emit_unit
from graphc.codegen.plan import Library, plan_entry
from graphc.ir import dtype as dtypes
from graphc.ir import ops
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.kernel import Block, If, Kernel, Loop, Statement
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.group import Group, GroupKind
from graphc.runtime.program import Program
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.values import random_array, same_bits

__all__ = [
    "GRAPHS",
    "assert_close",
    "contraction",
    "product",
    "random_arguments",
    "simulated_products",
    "transposed",
    "without",
]

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
        if dtype.kind != "bool":
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


def random_arguments(graph: Graph) -> list[Array]:
    """Random numbers for the inputs of a graph whose dims are numbers; the same every time."""
    rng = np.random.default_rng(5)
    return [random_array(node.tensor, rng, special=False) for node in graph.inputs]


def contraction(graph: Graph) -> Group:
    """The one matrix product of a graph with what is fused with it."""
    (group,) = (group for group in fuse(graph) if group.kind is GroupKind.CONTRACTION)
    return group


def simulated_products(
    graphs: Sequence[Graph],
    dialect: CudaDialect = CUDA,
    change: Callable[[Kernel], Kernel] = lambda kernel: kernel,
    **options: Any,
) -> SimulatorExecutor:
    """An executor of the graphs on the simulator, all in one unit, for some dialect of CUDA.

    Args:
        change: makes another kernel of each one, after it was verified.
        options: of the executor.
    """
    library = Library()
    entries = {
        graph.name: plan_entry(decompose(graph, SourceMap()), dialect, library) for graph in graphs
    }
    kernels = {name: change(kernel) for name, kernel in library.kernels.items()}
    exports = list(entries.values())
    program = Program(dialect.name, entries, dialect.geometry(kernels, exports))
    return SimulatorExecutor(program, emit_unit(kernels, exports, dialect).source, {}, **options)


def without(kernel: Kernel, number: int, matches: Callable[[Statement], bool]) -> Kernel:
    """The kernel without the `number`-th of the statements that match."""
    counter = itertools.count()

    def block(body: Block) -> Block:
        kept: list[Statement] = []
        for statement in body:
            if matches(statement) and next(counter) == number:
                continue
            if isinstance(statement, Loop | If):
                statement = replace(statement, body=block(statement.body))
            kept.append(statement)
        return tuple(kept)

    return replace(kernel, body=block(kernel.body))


def assert_close(graph: Graph, arrays: Sequence[Array], results: Sequence[Array]) -> None:
    """Integers are those of the reference; floats lie within the roundings of one sum."""
    expected, _ = evaluate(graph, arrays)
    precise, _ = evaluate(graph, arrays, precise=True)
    for found, same, exact in zip(results, expected, precise, strict=True):
        dtype = dtypes.from_numpy(found.dtype)
        if dtype.kind not in ("float", "complex"):
            assert same_bits(found, same)
            continue
        # One rounding for each step of the sum, of terms of at most 4, and one of the result. Terms
        # of complex numbers are at most 8, and take two roundings in each of two parts.
        largest = 32.0 if dtype.kind == "complex" else 4.0
        depth = max(graph.inputs[0].tensor.size // max(found.shape[-2], 1), 1)
        step = 2.0**-dtype.accumulator.precision
        bound = largest * depth * depth * step + np.abs(exact) * 2.0**-dtype.precision
        assert np.all(np.abs(found.astype(exact.dtype) - exact) <= bound)
