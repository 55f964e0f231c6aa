"""What is too large for the machine, or for the integers that count it."""

import json
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.compiler import build_module, compile_for, initial_state
from graphc.errors import DimensionError, UsageError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.trees import leaves
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dims
from graphc.ir.dtype import f32
from graphc.ir.graph import Graph
from graphc.ir.ops.structural import graph_input
from graphc.ir.sizes import LARGEST_SIZE, MOST_STEPS, check_sizes, require_steps
from graphc.library import library
from graphc.runtime.arguments import bind_arguments
from graphc.runtime.program import Program

MODEL = """
model M(n=9999999):
    small = Linear(4, 4)
    fc = Linear(n, n)
    def forward(x: f32[2, n]):
        return fc(x)
export f = M.forward
"""


def test_state_larger_than_the_memory_is_refused_by_name_and_size():
    unit = elaborate(MODEL, "huge.gc", library())
    with pytest.raises(UsageError) as caught:
        build_module(unit)
    assert caught.value.code == "state-memory"
    assert "'fc.weight', is f32[9999999, 9999999]" in caught.value.message
    assert str(9999999 * 9999999 * 4) in caught.value.message
    assert caught.value.hint is not None


def test_memory_that_runs_out_is_refused_in_the_same_words(monkeypatch: pytest.MonkeyPatch):
    def exhausted(*arguments: object) -> None:
        raise MemoryError

    unit = elaborate(MODEL.replace("9999999", "8"), "small.gc", library())
    monkeypatch.setattr("graphc.compiler.evaluate", exhausted)
    with pytest.raises(UsageError, match=r"'fc\.weight'") as caught:
        initial_state(unit, 0)
    assert caught.value.code == "state-memory"


def attention(x: Any) -> Any:
    shares = gc.softmax(x @ gc.permute_dims(x, (0, 2, 1)), axis=-1)
    return shares @ x, gc.sum(shares), x.reshape((-1,)), gc.sort(x, axis=1)


def picture(x: Any) -> Any:
    halved = gc.relu(x[:, :, ::2])
    return halved.reshape((x.shape[0], -1)), gc.sum(x), gc.mean(gc.concat((x, x), axis=1), (0, 3))


def fourth_power(x: Any) -> Any:
    """The fourth power of the sum, as a sum of products of four."""
    pairs = x[:, None] * x
    return gc.sum(pairs[:, :, None, None] * pairs)


@pytest.mark.parametrize("device", ["cpu", "sim", "reference"])
@pytest.mark.parametrize(
    ("function", "type_", "shapes"),
    [
        (attention, f32["B", "T", 4], [(1, 1, 4), (3, 5, 4), (2, 70, 4)]),
        (picture, f32["B", "C", "H", "W"], [(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 200, 300)]),
        (fourth_power, f32["B"], [(1,), (17,)]),
    ],
    ids=["sequence", "picture", "product"],
)
def test_dims_without_ranges_may_be_too_large_together(
    function: Any, type_: Any, shapes: list[tuple[int, ...]], device: str
):
    module = gc.compile(function, type_, device=device)
    rng = np.random.default_rng(0)
    for shape in shapes:
        x = rng.random(shape, np.float32)
        for found, expected in zip(leaves(module(x)), leaves(function(x)), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "sim", "reference"])
def test_a_call_with_a_tensor_beyond_the_index_is_refused(device: str):
    module = gc.compile(fourth_power, f32["B"], device=device)
    with pytest.raises(DimensionError, match=r"64 bits count to \d+: B is 65536") as caught:
        module(np.zeros(2**16, np.float32))
    assert caught.value.code == "tensor-size"


def test_a_stored_program_says_what_no_call_may_make_too_large():
    unit = build_unit({"f": Export(fourth_power, (f32["B"],), is_python=True)})
    program = compile_for(unit, "cuda").program
    read = Program.from_json(json.loads(json.dumps(program.to_json())))
    assert read.entries["f"].limited == program.entries["f"].limited
    assert "B*B*B*B" in map(str, read.entries["f"].limited)
    with pytest.raises(DimensionError, match="B is 65536"):
        bind_arguments(read.entries["f"], [np.zeros(2**16, np.float32)])


@pytest.mark.parametrize("shape", [(7, LARGEST_SIZE // 7), (2, 2**62)])
def test_a_tensor_has_as_many_elements_as_64_bits_count(shape: tuple[int, ...]):
    x = graph_input("x", f32, shape)
    with nullcontext() if x.tensor.size == LARGEST_SIZE else pytest.raises(DimensionError):
        check_sizes(Graph("f", (x,), (), (x,)))


@pytest.mark.parametrize("steps", [MOST_STEPS, MOST_STEPS + 1])
def test_as_many_steps_are_written_out_as_the_error_says(steps: int):
    with nullcontext() if steps == MOST_STEPS else pytest.raises(UsageError):
        require_steps("diff", steps)


@pytest.mark.parametrize(
    "type_", [f32["_step", 4], f32[dims.variable("_", 1, 4)]], ids=["name", "declared"]
)
def test_names_of_dims_that_are_the_compilers_own_are_refused(type_: object):
    with pytest.raises(DimensionError, match="begin with '_'") as caught:
        build_unit({"f": Export(lambda x: x * 2, (type_,), is_python=True)})
    assert caught.value.code == "dim-name"
