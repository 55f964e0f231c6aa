"""CUDA text: what it looks like, that NVRTC takes it, and that it means what the kernels mean."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from graphc.codegen.cuda import ARCHITECTURES, CUDA, emit_unit
from graphc.codegen.device import FAMILIES
from graphc.codegen.index_width import fits_in_32_bits
from graphc.codegen.nvrtc import Request, compile_all, compile_cubin
from graphc.errors import InternalError, SimulatorError, Span
from graphc.ir import dims, source_map
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.expr import Buffer, Load, Space
from graphc.ir.graph import Graph
from graphc.ir.kernel import Barrier, Block, Declare, Kernel, Loop, LoopKind, Store
from graphc.ir.op import functions, registry
from graphc.ir.ops.reductions.reduction import max_over
from graphc.ir.ops.structural import graph_input
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.launches import Launch, launches_of
from graphc.runtime.program import Alternative, Binding, Entry, Geometry, LaunchStep, Program, Slot
from graphc.runtime.simulator.executor import SimulatorExecutor
from tests.backends.op_samples import UNITS, graphs_of
from tests.emitted import emitted
from tests.simulated import CudaCode, cuda_code, simulated
from tests.values import same_bits

Array = np.ndarray[Any, Any]
f32 = dtypes.f32


def variable(name: str, low: int, high: int) -> Dim:
    found = dims.variable(name, low, high)
    assert isinstance(found, Dim)
    return found


def softmax_graph(rows: dims.DimLike = 8, columns: dims.DimLike = 300) -> Graph:
    x = graph_input("x", f32, (rows, columns))
    return Graph("softmax", (x,), (), (functions["softmax"](x, axis=-1),))


def descent_graph(shapes: Sequence[tuple[int, ...]]) -> Graph:
    """Gradient descent on several parameters."""
    state = tuple(graph_input(f"p{i}", f32, shape) for i, shape in enumerate(shapes))
    slopes = tuple(graph_input(f"g{i}", f32, shape) for i, shape in enumerate(shapes))
    updates = tuple(
        (p, functions["subtract"](p, functions["multiply"](g, 0.5)))
        for p, g in zip(state, slopes, strict=True)
    )
    return Graph("descent", slopes, state, (), updates)


def kernel_text(graph: Graph) -> str:
    """The text of the kernels alone, without the device functions."""
    text = cuda_code([graph]).text.kernels
    return text[text.rindex('extern "C"') :] if text.count('extern "C"') == 1 else text


# -- the text -------------------------------------------------------------------------------------


def test_the_text_of_a_small_kernel(golden: Callable[[str, str], None]) -> None:
    golden("softmax.cu", kernel_text(softmax_graph(variable("B", 1, 4096))))


def test_the_text_of_a_kernel_over_several_bindings(golden: Callable[[str, str], None]) -> None:
    golden("descent.cu", cuda_code([descent_graph([(4, 3), (5,), (2, 2)])]).text.kernels)


def linear_graph(dtype: dtypes.DType) -> Graph:
    x, weight = graph_input("x", dtype, (40, 64)), graph_input("weight", dtype, (48, 64))
    bias = graph_input("bias", dtype, (48,))
    y = functions["relu"](functions["linear"](x, weight, bias))
    return Graph("linear", (x, weight, bias), (), (y,))


def launched(program: Program, entry: Entry) -> list[Launch]:
    """All launches of an entry that has no loops and no branches."""
    steps = [step for step in entry.steps if isinstance(step, LaunchStep)]
    assert len(steps) == len(entry.steps)
    return [launch for step in steps for launch in launches_of(program, entry, step, {})]


@pytest.mark.parametrize(
    "graph",
    [softmax_graph(), descent_graph([(4, 3), (5,)]), linear_graph(f32), linear_graph(dtypes.bf16)],
    ids=["softmax", "optimizer", "f32 layer", "bf16 layer"],
)
def test_what_belongs_together_is_one_launch(graph: Graph) -> None:
    code = cuda_code([graph])
    (entry,) = code.program.entries.values()
    assert len(launched(code.program, entry)) == 1


def test_only_the_device_functions_that_are_used_come_along() -> None:
    def families(graph: Graph) -> list[str]:
        return re.findall(r'#line 1 "graphc/codegen/device/(\w+)\.cuh"', cuda_code([graph]).source)

    x = graph_input("x", f32, (8, 8))
    assert families(Graph("double", (x,), (), (functions["add"](x, x),))) == ["index"]
    assert families(Graph("exp", (x,), (), (functions["exp"](x),))) == ["index", "math"]
    half = functions["cast"](x, dtypes.f16)
    assert families(Graph("half", (x,), (), (half,))) == ["index", "numeric", "conversion"]
    assert set(families(softmax_graph())) < set(FAMILIES)


def test_the_same_graph_gives_the_same_text() -> None:
    assert cuda_code([softmax_graph()]).source == cuda_code([softmax_graph()]).source


def test_memory_that_is_updated_in_place_is_not_called_restrict() -> None:
    x = graph_input("x", f32, (8,))
    doubled = functions["add"](x, x)
    assert "__restrict__" in kernel_text(Graph("plain", (x,), (), (doubled,)))
    assert "__restrict__" not in kernel_text(Graph("update", (), (x,), (), ((x, doubled),)))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "negative"])
def test_signed_sums_and_products_are_spelled_so_that_they_wrap(name: str) -> None:
    x = graph_input("x", dtypes.i32, (8,))
    op = registry[name]
    text = kernel_text(Graph("g", (x,), (), (op(*[x] * (op.arity or 0)),)))
    assert "(unsigned)a0_0" in text


# -- the width of indices -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "columns", "bits"),
    [(4096, 4096, 32), (32_767, 32_768, 32), (32_769, 32_768, 64), (2**20, 2**12, 64)],
)
def test_indices_have_the_width_that_the_ranges_need(rows: int, columns: int, bits: int) -> None:
    code = cuda_code([softmax_graph(variable("B", 1, rows), columns)])
    (geometry,) = code.program.geometry.values()
    assert geometry.index_bits == bits
    assert ("int B)" in code.source) == (bits == 32)
    assert ("long long B)" in code.source) == (bits == 64)
    assert ("for (int step" in code.source) == (bits == 32)


def test_every_part_of_an_index_counts_for_its_width() -> None:
    step, lane = variable("_step", 0, 2**20), variable("_lane", 0, 255)
    buffer = Buffer("a0", f32, 0)

    def fits(index: dims.DimLike) -> bool:
        store = Store(buffer, 0, Load(buffer, index))
        body: Block = (Loop(lane, 256, LoopKind.LANE, (store,)),)
        kernel = Kernel("k", (buffer,), frozenset((buffer,)), (), step, 2**20, 256, body)
        return fits_in_32_bits(kernel)

    assert fits(step * 512 + lane)
    assert not fits(step * 1024 + lane)
    assert not fits((step * 2048) // 2049)
    assert not fits((step * 2048) % 2049)
    assert not fits(step - lane * 2**23)
    assert fits((step // 1024) * 4096)


# -- launches -------------------------------------------------------------------------------------


def test_a_table_that_is_full_is_followed_by_another() -> None:
    types = [dtypes.f32] * 7
    slots = tuple(
        Slot(f"s{i}", "state", graph_input("x", dtype, (100 * i,)).tensor)
        for i, dtype in enumerate(types)
    )
    bindings = tuple(Binding((i,), (100 * i,), (100 * i) // 64) for i in range(7))
    step = LaunchStep((Alternative("k", bindings, (True,)),))
    entry = Entry("e", {}, slots, (), tuple(range(7)), (), (step,))
    program = Program("cuda", {"e": entry}, {"k": Geometry(256, 0, 4, 64)})
    found = [[s.slots for s in launch.segments] for launch in launched(program, entry)]
    # The first has no grid step, so that it is left out.
    assert found == [[(1,), (2,), (3,), (4,)], [(5,), (6,)]]
    ends = [[s.end for s in launch.segments] for launch in launched(program, entry)]
    assert ends == [[1, 4, 8, 14], [7, 16]]


@pytest.mark.parametrize("options", [{}, {"check": True}, {"blocks": 1}, {"blocks": 3, "seed": 9}])
def test_one_launch_runs_over_all_bindings(options: dict[str, Any]) -> None:
    shapes: list[tuple[int, ...]] = [(4, 300), (5,), (0, 3), (3000,), (1,)]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    state = {f"p{i}": array for i, array in enumerate(arrays)}
    executor = simulated([descent_graph(shapes)], state, **options)
    executor.call("descent", arrays)
    for number, array in enumerate(arrays):
        assert same_bits(executor.state[f"p{number}"], array - array * np.float32(0.5))


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_any_number_of_blocks_gives_the_same_bits(blocks: int) -> None:
    x = np.random.default_rng(1).standard_normal((41, 300)).astype(np.float32)
    graph = softmax_graph(variable("B", 1, 64))
    (expected,) = simulated([graph]).call("softmax", [x])
    assert same_bits(simulated([graph], blocks=blocks).call("softmax", [x])[0], expected)


@pytest.mark.parametrize(
    ("columns", "threads"), [(2, 32), (32, 32), (33, 64), (255, 256), (256, 256), (5000, 256)]
)
def test_blocks_are_as_large_as_rows_need(columns: int, threads: int) -> None:
    (geometry,) = cuda_code([softmax_graph(8, columns)]).program.geometry.values()
    assert geometry.lanes == threads


# -- what folds and storage mean ------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 1), (2, 31), (3, 257), (1, 5000), (70, 0), (2, 1024)])
@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.f64, dtypes.bf16, dtypes.i8], ids=str)
def test_folds_combine_in_the_order_of_the_kernel_ir(
    shape: tuple[int, ...], dtype: dtypes.DType
) -> None:
    x = graph_input("x", dtype, shape)
    # The op itself: its surface refuses the maximum of what is known to be nothing.
    results = (*(functions[name](x, axis=1) for name in ("sum", "prod")), max_over(x, axes=(1,)))
    code = cuda_code([Graph("folds", (x,), (), results)])
    array = np.random.default_rng(2).uniform(-2, 2, shape).astype(dtype.numpy)
    on_simulator = SimulatorExecutor(code.program, code.source, {}, check=True)
    in_numpy = Interpreter(code.program, code.kernels, {})
    for found, expected in zip(
        on_simulator.call("folds", [array]), in_numpy.call("folds", [array]), strict=True
    ):
        assert same_bits(found, expected)


def reversing_kernel(elements: int, *, barrier: bool = True) -> Kernel:
    """Each step reverses a row through shared memory."""
    a, out = Buffer("a0", f32, 0), Buffer("out0", f32, 0)
    row = Buffer("row", f32, elements, Space.SHARED)
    step, lane = variable("_step", 0, 3), variable("_lane", 0, elements - 1)
    body: Block = (
        Declare(row),
        Loop(lane, elements, LoopKind.LANE, (Store(row, lane, Load(a, step * elements + lane)),)),
        *((Barrier(),) if barrier else ()),
        Loop(
            lane,
            elements,
            LoopKind.LANE,
            (Store(out, step * elements + lane, Load(row, elements - 1 - lane)),),
        ),
        Barrier(),
    )
    return Kernel("reverse", (a, out), frozenset((out,)), (), step, 4, 256, body)


def run_kernel(kernel: Kernel, elements: int, **options: Any) -> tuple[Array, Array, CudaCode]:
    """The kernel over four rows: what it read, what it wrote, and its code."""
    type_ = graph_input("x", f32, (4, elements)).tensor
    slots = (Slot("x", "input", type_), Slot("result", "result", type_))
    step = LaunchStep((Alternative(kernel.name, (Binding((0, 1), (), 4),), (False, True)),))
    entry = Entry("e", {}, slots, (0,), (), (1,), (step,))
    kernels = {kernel.name: kernel}
    program = Program("cuda", {"e": entry}, CUDA.geometry(kernels, [entry]))
    code = CudaCode(program, emit_unit(kernels, [entry]), kernels)
    x = np.arange(4 * elements, dtype=np.float32).reshape(4, elements)
    (found,) = SimulatorExecutor(program, code.source, {}, **options).call("e", [x])
    return x, found, code


@pytest.mark.parametrize("elements", [256, 300, 12_288, 20_000, 50_000])
@pytest.mark.parametrize("check", [False, True])
def test_shared_memory_may_be_larger_than_what_is_static(elements: int, check: bool) -> None:
    x, found, code = run_kernel(reversing_kernel(elements), elements, blocks=2, check=check)
    assert same_bits(found, np.ascontiguousarray(x[:, ::-1]))
    dynamic = code.program.geometry["reverse"].shared_bytes
    assert dynamic == (4 * elements if elements > 12_288 else 0)
    assert ("extern __shared__" in code.source) == (dynamic > 0)
    assert compile_cubin(code.source, "sm_90a", name="reverse", fast=True).log == ""


def test_a_barrier_that_is_missing_is_found() -> None:
    with pytest.raises(SimulatorError) as caught:
        run_kernel(reversing_kernel(300, barrier=False), 300, check=True)
    assert {finding.check for finding in caught.value.findings} & {  # type: ignore[attr-defined]
        "race-in-block",
        "uninitialised-shared",
    }


# -- lines of the model ---------------------------------------------------------------------------


def located_code(file: str = "mlp.gc") -> CudaCode:
    sources = source_map.SourceMap()
    x = graph_input("x", f32, (8, 4))
    y = functions["exp"](x)
    sources.add(y, [Span(file, 12, 5, 12, 11)])
    return cuda_code([Graph("f", (x,), (), (y,))], sources=sources)


@pytest.mark.parametrize("dtype", [dtypes.c64, dtypes.c128])
def test_complex_numbers_in_between_alone_bring_their_functions(dtype: dtypes.DType) -> None:
    x = graph_input("x", dtypes.i16, (3,))
    graph = Graph("f", (x,), (), (functions["imag"](functions["astype"](x, dtype)),))
    for backend in (emitted, simulated):
        (found,) = backend([graph]).call("f", [np.array([1, 2, 3], np.int16)])
        assert not found.any()


# Names of files, and how messages have them.
FILES = {
    "mlp.gc": "mlp.gc",
    "a b.gc": "a b.gc",
    'a"b.gc': 'a"b.gc',
    "a\nint q;.gc": "a%0Aint q;.gc",
    "\udcff\u2028??/": "%ED%B3%BF%E2%80%A8??",
    "ü??'.gc": "ü??'.gc",
}


@pytest.mark.parametrize(("file", "name"), FILES.items())
def test_compilers_name_the_models_line(file: str, name: str) -> None:
    broken = located_code(file).source.replace("gc_exp_f32(a0", "gc_no_such_function(a0")
    with pytest.raises(InternalError) as caught:
        compile_cubin(broken, "sm_80", name="f")
    assert any(note.startswith(f"{name}(12): error") for note in caught.value.notes)


@pytest.mark.parametrize(("file", "name"), FILES.items())
def test_the_simulator_names_the_models_line(file: str, name: str) -> None:
    code = located_code(file)
    broken = re.sub(r"(out0\[)", r"\g<1>32 + ", code.source)
    assert broken != code.source
    executor = SimulatorExecutor(code.program, broken, {}, check=True)
    with pytest.raises(SimulatorError) as caught:
        executor.call("f", [np.ones((8, 4), np.float32)])
    for finding in caught.value.findings:
        assert (finding.file, finding.line) == (name, 12)  # type: ignore[attr-defined]
        assert finding.buffer == "out0"  # type: ignore[attr-defined]


def test_text_for_people_names_the_line_once_for_each_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a model of this name wrote there, where one was read, would stand behind the place.
    monkeypatch.setattr(linecache, "cache", {})
    text = located_code().text.kernels
    assert text.count("mlp.gc") == 1
    assert "// mlp.gc:12:5\n" in text
    assert "#line" not in text


# -- machine code ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(UNITS)))
def test_kernels_of_every_op_compile_with_a_clean_log(number: int) -> None:
    code = cuda_code(graphs_of(UNITS[number]))
    requests = [Request(code.source, arch, "ops", fast=True) for arch in ARCHITECTURES]
    for compiled in compile_all(requests):
        assert compiled.log == ""
        assert all(name.encode() in compiled.code for name in code.kernels)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_tables_and_wide_indices_compile_with_a_clean_log(arch: str) -> None:
    graphs = [
        descent_graph([(4, 3), (5,)]),
        softmax_graph(variable("B", 1, 2**20), 4096),
        replace_name(softmax_graph(variable("B", 1, 64)), "narrow"),
    ]
    assert compile_cubin(cuda_code(graphs).source, arch, name="mixed", fast=True).log == ""


def replace_name(graph: Graph, name: str) -> Graph:
    return Graph(name, graph.inputs, graph.state, graph.results, graph.updates)
