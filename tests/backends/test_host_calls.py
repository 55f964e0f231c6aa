"""Ops that the host computes in the middle of a program: on every device, in loops, as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from graphc.codegen.plan import Library
from graphc.errors import ModuleFormatError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.control_flow import scan
from graphc.ir.ops.structural import graph_input, project
from graphc.passes.autodiff import vjp
from graphc.runtime.cuda.executor import CudaExecutor
from graphc.runtime.interpreter import Interpreter
from graphc.runtime.program import HostCallStep, LoopStep, Program, walk_steps
from tests.emitted import emitted, planned
from tests.simulated import cuda_code, simulated
from tests.simulated_gpu import SimulatedGpu

Array = np.ndarray[Any, Any]

B = dims.variable("B", 0, 8)
N = dims.variable("N", 1, 6)


def systems() -> Graph:
    """Kernels before, between and after calls, and the gradients of all of it."""
    a = graph_input("a", dtypes.f32, (B, 4, 4))
    b = graph_input("b", dtypes.f32, (B, 4, 2))
    x = functions["solve"](functions["add"](functions["multiply"](a, 2.0), 1.0), b)
    w, v = functions["eigh"](functions["matmul"](a, functions["matrix_transpose"](a)))
    logarithms = functions["sum"](functions["log"](functions["add"](w, 1.0)))
    loss = functions["add"](functions["sum"](functions["square"](x)), logarithms)
    slopes = vjp([loss], [a, b], [functions["ones_like"](loss)])
    return Graph("f", (a, b), (), (loss, x, functions["multiply"](v, v), *slopes))


def in_a_loop() -> Graph:
    """Newton's iteration towards the orthogonal factor, a stack of steps, and its gradient."""
    carry, row = graph_input("x", dtypes.f32, (3, 3)), graph_input("row", dtypes.f32, (3,))
    inverse = functions["matrix_transpose"](functions["inv"](carry))
    after = functions["multiply"](functions["add"](carry, inverse), 0.5)
    body = Graph("body", (carry, row), (), (after, functions["matmul"](after, row)))
    x = graph_input("a", dtypes.f32, (3, 3))
    rows = graph_input("rows", dtypes.f32, (B, 3))
    loop = scan(x, rows, body=body, carries=1, slices=1, length=B)
    last, stacked = (project(loop, index=index) for index in (0, 1))
    slopes = vjp([last, stacked], [x], [functions["ones_like"](one) for one in (last, stacked)])
    return Graph("f", (x, rows), (), (last, stacked, *slopes))


def inputs(graph: Graph, batch: int) -> list[Array]:
    rng = np.random.default_rng(batch)
    found = []
    for node in graph.inputs:
        shape = tuple(dims.evaluate(size, {"B": batch, "N": batch}) for size in node.shape)
        x = rng.standard_normal(shape) * 0.2
        if len(shape) > 1 and shape[-1] == shape[-2]:
            x += np.diag(np.arange(1.0, shape[-1] + 1))
        found.append(x.astype(np.float32))
    return found


def on_interpreter(graphs: Sequence[Graph]) -> Interpreter:
    library = Library()
    entries = {graph.name: planned(graph, library) for graph in graphs}
    return Interpreter(Program("cpu", entries), library.kernels, {})


def on_simulated_gpu(graphs: Sequence[Graph]) -> CudaExecutor:
    code = cuda_code(graphs)
    return CudaExecutor(code.program, {"sm_90": code.source.encode()}, {}, SimulatedGpu())


DEVICES: dict[str, Callable[[Sequence[Graph]], Any]] = {
    "cpu": emitted,
    "sim": simulated,
    "interpreter": on_interpreter,
    "cuda": on_simulated_gpu,
}


@pytest.mark.parametrize("graph", [systems(), in_a_loop()], ids=["systems", "loop"])
@pytest.mark.parametrize("device", DEVICES)
def test_every_device_computes_what_the_reference_does(device: str, graph: Graph) -> None:
    run = DEVICES[device]([graph])
    for batch in (3, 1, 8, 3):
        arrays = inputs(graph, batch)
        for found, expected in zip(run.call("f", arrays), evaluate(graph, arrays)[0], strict=True):
            np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_batches_may_be_empty() -> None:
    arrays = inputs(systems(), 0)
    loss, x, squares, *slopes = emitted([systems()]).call("f", arrays)
    assert loss == 0 and x.shape == (0, 4, 2) and squares.shape == (0, 4, 4)
    assert [slope.shape for slope in slopes] == [(0, 4, 4), (0, 4, 2)]


@pytest.mark.parametrize("shape", [(N, N), (N, 6), (6, N)], ids=str)
def test_a_call_may_choose_the_size_of_matrices(shape: tuple[Any, ...]) -> None:
    a = graph_input("a", dtypes.f32, shape)
    p, lower, upper = functions["lu"](a)
    (slope,) = vjp([lower, upper], [a], [functions["ones_like"](x) for x in (lower, upper)])
    product = functions["matmul"](functions["matmul"](p, lower), upper)
    graph = Graph("f", (a,), (), (product, slope))
    program = emitted([graph])
    for size in (1, 4, 6):
        (x,) = inputs(graph, size)
        found, slopes = program.call("f", [x])
        np.testing.assert_allclose(found, x, atol=1e-6)
        np.testing.assert_allclose(slopes, evaluate(graph, [x])[0][1], rtol=2e-4, atol=2e-5)


def test_calls_are_steps_of_the_program_also_inside_loops() -> None:
    steps = planned(systems()).steps
    assert [step.op for step in steps if isinstance(step, HostCallStep)].count("solve") == 2
    (loop, *_) = [step for step in planned(in_a_loop()).steps if isinstance(step, LoopStep)]
    assert any(isinstance(step, HostCallStep) for step in loop.steps)


# -- as data --------------------------------------------------------------------------------------


def as_data() -> dict[str, Any]:
    x = graph_input("x", dtypes.f32, (3, 3))
    graph = Graph("f", (x,), (), (functions["pinv"](x, rtol=0.25),))
    data: dict[str, Any] = json.loads(json.dumps(Program("cpu", {"f": planned(graph)}).to_json()))
    return data


def test_a_program_with_calls_is_read_as_it_was_written() -> None:
    program = Program.from_json(as_data())
    (call,) = [s for s in walk_steps(program.entries["f"].steps) if isinstance(s, HostCallStep)]
    assert call.op == "pinv" and call.attributes == (("rtol", 0.25),)
    assert program.to_json() == as_data()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("call", "add"),
        ("call", "system"),
        ("call", "det"),
        ("call", "qr"),
        ("attributes", {"rtol": [1]}),
        ("attributes", {"tolerance": 1.0}),
        ("operands", []),
        ("operands", [99]),
        ("results", [0, 0]),
    ],
)
def test_a_program_that_calls_anything_else_is_refused(key: str, value: Any) -> None:
    data = as_data()
    (call,) = [step for step in data["entries"]["f"]["steps"] if "call" in step]
    call[key] = value
    with pytest.raises(ModuleFormatError, match="not of the expected form"):
        Program.from_json(data)


def test_a_call_that_fails_ends_the_export_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    run = emitted([systems()])

    def fail(*_: Any) -> None:
        raise MemoryError("no memory for the factors")

    monkeypatch.setattr(np.linalg, "eigh", fail)
    with pytest.raises(MemoryError, match="no memory for the factors"):
        run.call("f", inputs(systems(), 3))
    monkeypatch.undo()
    assert np.isfinite(run.call("f", inputs(systems(), 3))[0])
