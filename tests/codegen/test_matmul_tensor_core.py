"""Matrix products on tensor cores, run by the simulator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from graphc.codegen.cuda import ARCHITECTURES, CUDA, emit_unit
from graphc.codegen.nvrtc import Request, compile_all
from graphc.codegen.plan import Library, plan_entry
from graphc.codegen.schedules import matmul_tensor_core, matmul_tiled, schedule_group
from graphc.codegen.schedules.matmul_tensor_core import TensorCoreConfig
from graphc.errors import SimulatorError
from graphc.ir import dims, ops
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.kernel import Barrier, Call, Kernel, statements
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.passes import pipeline
from graphc.passes.autodiff import vjp
from graphc.runtime.interpreter import evaluate_entry
from graphc.runtime.program import Entry
from graphc.runtime.simulator.executor import SimulatorExecutor
from graphc.runtime.steps import launches_in
from tests.products import contraction, product, simulated_products, transposed, without
from tests.values import same_bits

Array = np.ndarray[Any, Any]

bf16, f16, f32 = dtypes.bf16, dtypes.f16, dtypes.f32

FORMS = ("NN", "NT", "TN", "TT")


def graph_of(name: str, inputs: tuple[Node, ...], *results: Node) -> Graph:
    return Graph(name, inputs, (), results)


def squares() -> Iterator[Graph]:
    for dtype in (bf16, f16):
        for form in FORMS:
            inputs, results = product(form, 256, 256, 256, dtype)
            yield graph_of(f"square_{dtype}_{form}", inputs, *results)


def named(form: str, m: DimLike, n: DimLike, k: DimLike, dtype: DType) -> Graph:
    """relu(a @ b + bias) for sizes that have names."""
    a = graph_input("a", dtype, (k, m) if form[0] == "T" else (m, k))
    b = graph_input("b", dtype, (n, k) if form[1] == "T" else (k, n))
    bias = graph_input("bias", dtype, (n,))
    left = transposed(a) if form[0] == "T" else a
    right = transposed(b) if form[1] == "T" else b
    result = functions["relu"](functions["add"](ops.matmul(left, right), bias))
    return graph_of(f"named_{dtype}_{form}", (a, b, bias), result)


def names() -> Iterator[Graph]:
    """The sizes are free but for the axis of stride 1, which is a multiple of 8."""

    def free(name: str) -> DimLike:
        return dims.variable(name, 0, 1000)

    def eights(name: str) -> DimLike:
        return dims.variable(name, 0, 1000, 8)

    for dtype in (bf16, f16):
        yield named("NT", free("M"), free("N"), eights("K"), dtype)
        yield named("TN", eights("M"), eights("N"), free("K"), dtype)
        yield named("NN", free("M"), eights("N"), eights("K"), dtype)
        yield named("TT", eights("M"), free("N"), eights("K"), dtype)


def parts() -> Iterator[Graph]:
    """Slices: chunks at the edges exist in part."""
    for form in FORMS:
        x, y = graph_input("x", bf16, (144, 104)), graph_input("y", bf16, (104, 144))
        left = transposed(y) if form[0] == "T" else x
        right = transposed(x) if form[1] == "T" else y
        for m, n, k in ((129, 17, 100), (1, 129, 33), (100, 1, 1)):
            a = ops.slice(left, start=(8, 0), stop=(8 + m, k), step=(1, 1))
            b = ops.slice(right, start=(0, 8), stop=(k, 8 + n), step=(1, 1))
            yield graph_of(f"part_{form}_{m}_{n}_{k}", (x, y), ops.matmul(a, b))


def others() -> Iterator[Graph]:
    inputs, results = product("NT", 40, 72, 24, f16, (2, 3))
    yield graph_of("batch", inputs, *results)
    q, k = graph_input("q", bf16, (2, 9, 24)), graph_input("k", bf16, (2, 9, 24))

    def heads(x: Node) -> Node:
        return ops.permute_dims(ops.reshape(x, shape=(2, 9, 3, 8)), axes=(0, 2, 1, 3))

    yield graph_of("heads", (q, k), ops.matmul(heads(q), transposed(heads(k))))
    x, w = graph_input("x", bf16, (3, 9, 24)), graph_input("w", bf16, (40, 24))
    yield graph_of("stack", (x, w), ops.matmul(ops.reshape(x, shape=(27, 24)), transposed(w)))
    (x, w), (y,) = product("NT", 50, 70, 32, bf16)
    bias = graph_input("bias", bf16, (70,))
    shifted = functions["add"](y, bias)
    positive = functions["greater"](shifted, 0.0)
    yield graph_of("two_outputs", (x, w, bias), functions["relu"](shifted), positive)
    (x, w), (y,) = product("NN", 24, 40, 16, bf16)
    yield graph_of("widened", (x, w), functions["cast"](y, f32))
    inputs, results = product("NN", 16, 16, 0, bf16)
    yield graph_of("no_terms", inputs, *results)


GRAPHS = {graph.name: graph for graph in (*squares(), *names(), *parts(), *others())}


@cache
def executor() -> SimulatorExecutor:
    return simulated_products(list(GRAPHS.values()))


def random_arguments(graph: Graph, sizes: dict[str, int]) -> list[Array]:
    rng = np.random.default_rng(5)
    shapes = [[dims.evaluate(d, sizes) for d in node.shape] for node in graph.inputs]
    return [
        rng.uniform(-2, 2, shape).astype(node.dtype.numpy)
        for shape, node in zip(shapes, graph.inputs, strict=True)
    ]


def operands(name: str, arrays: list[Array]) -> tuple[Array, Array]:
    """The operands of the product of a graph, in f64."""
    a, b = (array.astype(np.float64) for array in arrays[:2])
    if name == "heads":
        a, b = (x.reshape(2, 9, 3, 8).transpose(0, 2, 1, 3) for x in (a, b))
        return a, b.swapaxes(-1, -2)
    if name == "stack":
        return a.reshape(27, 24), b.T
    if name.startswith("part"):
        _, form, m, n, k = name.split("_")
        left = b.T if form[0] == "T" else a
        right = a.T if form[1] == "T" else b
        return left[8 : 8 + int(m), : int(k)], right[: int(k), 8 : 8 + int(n)]
    form = name.rpartition("_")[2] if name.startswith(("square", "named")) else "NT"
    form = "NN" if name in ("widened", "no_terms") else form
    a = a.swapaxes(-1, -2) if form[0] == "T" else a
    return a, b.swapaxes(-1, -2) if form[1] == "T" else b


def assert_close(name: str, found: Array, arrays: list[Array]) -> None:
    """Within a rounding of each step of the sum in f32, and one of each op in the dtype."""
    a, b = operands(name, arrays)
    dtype = GRAPHS[name].inputs[0].dtype
    exact, terms = a @ b, np.abs(a) @ np.abs(b)
    error = a.shape[-1] * 2.0**-23 * terms + np.abs(exact) * 2.0**-dtype.precision
    if len(arrays) == 3:
        exact = exact + arrays[2].astype(np.float64)
        error = error * (1 + 2.0**-dtype.precision) + np.abs(exact) * 2.0**-dtype.precision
        exact = np.maximum(exact, 0)
    # Half of the smallest subnormal.
    error += dtype.smallest_normal * 2.0**-dtype.precision
    assert found.shape == exact.shape
    assert np.all(np.abs(found.astype(np.float64) - exact) <= error)


@pytest.mark.parametrize("name", [name for name in GRAPHS if not name.startswith("named")])
def test_products_are_those_of_f64(name: str) -> None:
    arrays = random_arguments(GRAPHS[name], {})
    found, *rest = executor().call(name, arrays)
    assert_close(name, found, arrays)
    if rest:
        assert np.array_equal(rest[0], found > 0)


@pytest.mark.parametrize("name", [name for name in GRAPHS if name.startswith("named")])
def test_one_kernel_takes_every_size(name: str) -> None:
    graph = GRAPHS[name]
    axes = {str(dim): dim for node in graph.inputs for dim in node.shape}
    sizes: list[dict[str, int]] = []
    for axis in "MNK":
        for size in (0, 1, 17, 100, 129, 257):
            chosen = -(-size // 8) * 8 if dims.divides(axes[axis], 8) else size
            sizes.append({"M": 40, "N": 72, "K": 48, axis: chosen})
    for environment in sizes:
        arrays = random_arguments(graph, environment)
        (found,) = executor().call(name, arrays)
        assert_close(name, found, arrays)


@pytest.mark.parametrize("dtype", [bf16, f16])
def test_not_a_number_and_infinity_reach_their_row_or_column(dtype: DType) -> None:
    a, b = np.ones((130, 40), dtype.numpy), np.ones((70, 40), dtype.numpy)
    bias = np.zeros(70, dtype.numpy)
    a[3, 39], b[69, 7] = np.nan, np.inf
    (found,) = executor().call(f"named_{dtype}_NT", [a, b, bias])
    found = found.astype(np.float32)
    assert np.all(np.isnan(found[3]))
    rest = np.delete(found, 3, axis=0)
    assert np.all(np.isinf(rest[:, 69]))
    assert np.all(rest[:, :69] == 40)


@pytest.mark.parametrize(
    "name", [*(f"part_{form}_129_17_100" for form in FORMS), "batch", "named_f16_TN"]
)
def test_the_kernel_ir_means_the_same(name: str) -> None:
    library = Library()
    entry = plan_entry(GRAPHS[name], CUDA, library)
    arrays = random_arguments(GRAPHS[name], {"M": 72, "N": 40, "K": 33})
    (found,) = evaluate_entry(entry, library.kernels, arrays, {})
    (expected,) = executor().call(name, arrays)
    assert same_bits(found, expected)


# -- structure -----------------------------------------------------------------------------------


def called_by(kernel: Kernel) -> set[str]:
    return {s.function for s in statements(kernel.body) if isinstance(s, Call)}


def functions_called(graph: Graph) -> set[str]:
    (variant,) = schedule_group(contraction(graph), CUDA)
    return called_by(variant.scheduled.kernel)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_product_is_one_launch_on_tensor_cores(name: str) -> None:
    dtype = GRAPHS[name].inputs[0].dtype
    assert f"gc_mma_m16n8k16_{dtype}" in functions_called(GRAPHS[name])
    assert len(executor().program.entries[name].steps) == 1


@pytest.mark.parametrize(("form", "transposed_loads"), [("NN", 1), ("NT", 0), ("TN", 2), ("TT", 1)])
def test_fragments_are_transposed_where_the_layout_asks(form: str, transposed_loads: int) -> None:
    (variant,) = schedule_group(contraction(GRAPHS[f"square_bf16_{form}"]), CUDA)
    called = [s.function for s in statements(variant.scheduled.kernel.body) if isinstance(s, Call)]
    assert called.count("gc_load_matrices_x4_transposed") == transposed_loads
    assert called.count("gc_load_matrices_x4") == 2 - transposed_loads


def refused() -> Iterator[Graph]:
    """Products whose operands cannot be copied 16 aligned bytes at a time."""
    for name, form, m, n, k, dtype in (
        ("wide", "NN", 64, 64, 64, f32),
        ("odd_k", "NT", 16, 16, 17, bf16),
        ("odd_n", "NN", 16, 17, 16, bf16),
        ("odd_m", "TN", 12, 16, 16, f16),
    ):
        inputs, results = product(form, m, n, k, dtype)
        yield graph_of(name, inputs, *results)
    free = dims.variable("K", 1, 64)
    yield named("NT", 16, 16, free, bf16)
    x, y = graph_input("x", bf16, (32, 32)), graph_input("y", bf16, (32, 32))
    views: dict[str, Callable[[Node], Node]] = {
        "offset": lambda x: ops.slice(x, start=(0, 4), stop=(32, 28), step=(1, 1)),
        "stepped": lambda x: ops.slice(x, start=(0, 0), stop=(32, 32), step=(1, 2)),
        "flipped": lambda x: ops.flip(x, axes=(1,)),
        "padded": lambda x: functions["pad"](x, ((0, 0), (8, 0))),
    }
    for name, view in views.items():
        yield graph_of(name, (x, y), ops.matmul(view(x), transposed(view(y))))


REFUSED = {graph.name: graph for graph in refused()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_copied_in_chunks_is_left_to_registers(name: str) -> None:
    group = contraction(REFUSED[name])
    assert not matmul_tensor_core.claims(group, CUDA)
    assert matmul_tiled.claims(group, CUDA)
    assert {function.rpartition("_")[0] for function in functions_called(REFUSED[name])} == {
        "gc_multiply_add"
    }


# -- compositions --------------------------------------------------------------------------------


@pytest.mark.parametrize("has_gradients", [False, True])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("dtype", [bf16, f16])
def test_attention_stays_on_tensor_cores(
    dtype: DType, is_causal: bool, has_gradients: bool
) -> None:
    """Of all pairs of positions the scores alone are stored in f32: they become exponents."""
    shape = (2, 3, 128, 64)
    query, key, value, slope = (graph_input(name, dtype, shape) for name in "qkvg")
    inputs, results = (
        (query, key, value),
        [functions["attention"](query, key, value, is_causal=is_causal)],
    )
    products, bytes_of_pair = 2, 4 + 2
    if has_gradients:
        results += vjp(results, inputs, [slope])
        # Those of the shares, and of the scores.
        products, bytes_of_pair = 2 + 4, 4 + 2 + 2 + 2
    entry = on_tensor_cores(graph_of("attention", (*inputs, slope), *results), products)
    assert entry.layout({}).arena_bytes <= bytes_of_pair * 2 * 3 * 128 * 128


def on_tensor_cores(graph: Graph, products: int) -> Entry:
    """The plan of a graph, all of whose products run on tensor cores."""
    library = Library()
    prepared = pipeline.run(graph, pipeline.GRAPH_PASSES, SourceMap())
    entry = plan_entry(prepared, CUDA, library)
    launched = [
        one.kernel
        for step in launches_in(entry.steps)
        for one in step.alternatives
        for _ in one.bindings
    ]
    called = [called_by(library.kernels[name]) for name in launched]
    instruction = f"gc_mma_m16n8k16_{graph.inputs[0].dtype}"
    assert sum(instruction in one for one in called) == products
    assert not any("gc_multiply_add_f32" in one for one in called)
    return entry


@pytest.mark.parametrize("dtype", [bf16, f16])
@pytest.mark.parametrize(
    "chain", [functions["multi_dot"], partial(functions["einsum"], "ij,jk,kl->il")]
)
def test_chains_stay_on_tensor_cores(chain: Callable[..., Node], dtype: DType) -> None:
    a, b, c, slope = (graph_input(name, dtype, (64, 64)) for name in "abcg")
    result = chain(a, b, c)
    on_tensor_cores(graph_of("forward", (a, b, c), result), 2)
    gradients = vjp([result], [a, b, c], [slope])
    # The product of two is computed as it is, and transposed.
    on_tensor_cores(graph_of("training", (a, b, c, slope), result, *gradients), 3 + 4)


# -- sizes of the schedule -----------------------------------------------------------------------


CONFIGS = [
    TensorCoreConfig(),
    TensorCoreConfig(stages=4),
    TensorCoreConfig(depth=64),
    TensorCoreConfig(128, 256, 32, 3, 64, 64),
    TensorCoreConfig(256, 128, 32, 3, 64, 64),
    TensorCoreConfig(128, 64, 32, 3, 64, 32),
    TensorCoreConfig(64, 128, 32, 3, 32, 64),
    TensorCoreConfig(64, 64, 32, 3, 32, 32),
    TensorCoreConfig(64, 64, 64, 4, 32, 32),
    TensorCoreConfig(32, 64, 64, 4, 16, 32),
    TensorCoreConfig(16, 16, 16, 2, 16, 16, 1),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_sizes_of_tiles_change_no_bit(
    config: TensorCoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator sums in ascending k, so that every element is the same chain of sums."""
    chosen = ["part_TN_129_17_100", "square_bf16_NN", "named_f16_NT"]
    monkeypatch.setattr(matmul_tensor_core, "default_config", lambda _: config)
    changed = simulated_products([GRAPHS[name] for name in chosen])
    for name in chosen:
        arrays = random_arguments(GRAPHS[name], {"M": 150, "N": 33, "K": 136})
        (found,), (expected,) = changed.call(name, arrays), executor().call(name, arrays)
        assert same_bits(found, expected), name


def test_small_products_take_small_tiles() -> None:
    def default(m: int, n: int) -> tuple[int, int]:
        inputs, results = product("NN", m, n, 64, bf16)
        config = matmul_tensor_core.default_config(contraction(graph_of("f", inputs, *results)))
        return config.rows, config.columns

    assert default(4096, 4096) == (128, 128)
    assert default(4096, 64) == (128, 64)
    assert default(1, 4096) == (64, 128)
    assert default(8, 8) == (64, 64)


# -- the rules of CUDA ---------------------------------------------------------------------------

CHECKED = [f"part_{form}_129_17_100" for form in FORMS] + [
    "square_f16_NN",
    "heads",
    "named_bf16_TT",
]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_checker_finds_nothing(seed: int) -> None:
    # Few blocks, so that each runs several steps over the same shared memory.
    checked = simulated_products([GRAPHS[n] for n in CHECKED], check=True, blocks=1, seed=seed)
    for name in CHECKED:
        arrays = random_arguments(GRAPHS[name], {"M": 136, "N": 131, "K": 72})
        (found,), (expected,) = checked.call(name, arrays), executor().call(name, arrays)
        assert same_bits(found, expected), name


def is_barrier(statement: object) -> bool:
    return isinstance(statement, Barrier)


def is_wait(statement: object) -> bool:
    return isinstance(statement, Call) and statement.function.startswith("gc_copy_async_wait")


def is_commit(statement: object) -> bool:
    return isinstance(statement, Call) and statement.function == "gc_copy_async_commit"


@pytest.mark.parametrize(
    ("matches", "number", "check"),
    [
        (is_barrier, 0, "race-in-block"),  # between two steps
        (is_barrier, 1, "race-in-block"),  # between two blocks
        (is_wait, 0, "pending-copy"),
        (is_commit, 0, "pending-copy"),
        (is_commit, 2, "pending-copy"),
    ],
)
def test_a_missing_statement_is_found(
    matches: Callable[[object], bool], number: int, check: str
) -> None:
    graph = GRAPHS["square_bf16_NT"]

    def change(kernel: Kernel) -> Kernel:
        changed = without(kernel, number, matches)
        assert changed != kernel
        return changed

    broken = simulated_products([graph], change=change, check=True, blocks=1, seed=1)
    with pytest.raises(SimulatorError) as error:
        broken.call(graph.name, random_arguments(graph, {}))
    assert check in {getattr(finding, "check", None) for finding in error.value.findings}


# -- machine code --------------------------------------------------------------------------------


def text_of(chosen: list[str]) -> str:
    library = Library()
    entries = [plan_entry(GRAPHS[name], CUDA, library) for name in chosen]
    return emit_unit(library.kernels, entries).source


def test_a_gpu_takes_the_text_without_a_word() -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    source = text_of(["square_bf16_NN", "named_f16_NT", "part_TT_129_17_100", "two_outputs"])
    requests = [Request(source, arch, "products", fast=True) for arch in ARCHITECTURES]
    assert [compiled.log for compiled in compile_all(requests)] == [""] * len(requests)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_sums_stay_in_registers(arch: str) -> None:
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    source = text_of([f"square_bf16_{form}" for form in FORMS])
    log = log_of_assembler(nvrtc, source, arch)
    stacks = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", log)
    assert stacks == [("0", "0")] * len(FORMS)


def log_of_assembler(nvrtc: Any, source: str, arch: str) -> str:
    """What ptxas says of registers and memory."""
    options = [f"--gpu-architecture={arch}".encode(), b"--ptxas-options=-v"]
    _, program = nvrtc.nvrtcCreateProgram(source.encode(), b"products.cu", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(program)
    return str(log, "utf-8")
