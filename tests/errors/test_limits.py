"""What is too large for the machine, or for the integers that count it."""

from contextlib import nullcontext

import pytest

from graphc.compiler import build_module, initial_state
from graphc.errors import DimensionError, UsageError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dims
from graphc.ir.dtype import f32
from graphc.ir.graph import Graph
from graphc.ir.ops.structural import graph_input
from graphc.ir.sizes import LARGEST_SIZE, MOST_STEPS, check_sizes, require_steps
from graphc.library import library

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


def test_a_traced_tensor_beyond_the_index_is_refused():
    unit = build_unit({"f": Export(lambda x: x * 2, (f32["A", "B", "C"],), is_python=True)})
    with pytest.raises(DimensionError, match="64 bits") as caught:
        build_module(unit)
    assert caught.value.code == "tensor-size"
    assert "A: 1..2147483647" in caught.value.notes


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
