"""Tests of the reference evaluator: binding, state, precision, memory, errors."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

from graphc.errors import DimensionError, DTypeError, InternalError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate, evaluate_node
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Call, Op, Structural, functions, registry
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType

B = dims.variable("B", 1, 8)
N = dims.variable("N", 0, 64)


def f32(name: str, *shape: dims.DimLike) -> Node:
    return graph_input(name, dtypes.f32, shape)


def test_dims_are_bound_from_the_arrays_in_any_order() -> None:
    product, single = f32("product", B * N, B), f32("single", N)
    result = functions["add"](functions["sum"](product), functions["sum"](single))
    graph = Graph("g", (product, single), (), (result,))
    arrays = [np.ones((6, 2), np.float32), np.ones(3, np.float32)]
    assert evaluate(graph, arrays)[0][0] == 15
    assert evaluate(Graph("g", (single, product), (), (result,)), arrays[::-1])[0][0] == 15


@pytest.mark.parametrize(
    ("shape", "words"),
    [((9, 3), ("'x'", "B", "9", "1..8")), ((2, 4), ("'x'", "3")), ((2,), ("'x'", "2"))],
)
def test_a_shape_that_does_not_fit_is_refused_by_name(
    shape: tuple[int, ...], words: tuple[str, ...]
) -> None:
    x = f32("x", B, 3)
    graph = Graph("g", (x,), (), (functions["exp"](x),))
    with pytest.raises(DimensionError) as caught:
        evaluate(graph, [np.ones(shape, np.float32)])
    assert all(word in str(caught.value) for word in words)


def test_inputs_that_disagree_on_a_dim_are_refused() -> None:
    x, y = f32("x", B), f32("y", B)
    graph = Graph("g", (x, y), (), (functions["add"](x, y),))
    with pytest.raises(DimensionError, match="axis 0: the size is 3, expected B"):
        evaluate(graph, [np.ones(2, np.float32), np.ones(3, np.float32)])


def test_a_dim_that_no_shape_determines_is_refused() -> None:
    x = f32("x", B * N)
    graph = Graph("g", (x,), (), (functions["exp"](x),))
    with pytest.raises(DimensionError):
        evaluate(graph, [np.ones(6, np.float32)])


def test_arrays_of_another_number_or_dtype_are_refused() -> None:
    x = f32("x", 2)
    graph = Graph("g", (x,), (), (functions["exp"](x),))
    with pytest.raises(UsageError, match="takes 1 arrays of input, 0"):
        evaluate(graph, [])
    with pytest.raises(UsageError, match="takes 0 arrays of state, 1"):
        evaluate(graph, [np.ones(2, np.float32)], [np.ones(2, np.float32)])
    with pytest.raises(DTypeError, match="'x' is an array of f64, expected f32"):
        evaluate(graph, [np.ones(2)])


def test_state_is_updated_and_what_is_not_updated_stays() -> None:
    x, counter, kept = f32("x"), f32("counter"), f32("kept", 2)
    after = functions["add"](counter, x)
    graph = Graph("g", (x,), (counter, kept), (after,), ((counter, after),))
    state = [np.float32(1), np.ones(2, np.float32)]
    results, new = evaluate(graph, [np.float32(2)], state)
    assert results[0] == new[0] == 3
    assert np.array_equal(new[1], state[1])
    assert state[0] == 1


def test_a_result_may_be_an_input_and_may_be_given_twice() -> None:
    x = f32("x", 2)
    results, _ = evaluate(Graph("g", (x,), (), (x, x)), [np.array([1, 2], np.float32)])
    assert [list(result) for result in results] == [[1, 2], [1, 2]]


def test_inputs_of_any_layout_give_the_same() -> None:
    x = f32("x", 3, 4)
    graph = Graph("g", (x,), (), (functions["sum"](functions["exp"](x), axis=0),))
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    padded = np.zeros((6, 8), np.float32)
    padded[::2, ::2] = array
    layouts = [array, np.asfortranarray(array), padded[::2, ::2], array[::-1][::-1]]
    assert len({evaluate(graph, [layout])[0][0].tobytes() for layout in layouts}) == 1


def test_precise_keeps_every_digit_between_casts_and_rounds_at_them() -> None:
    x = f32("x")
    third = functions["divide"](functions["add"](x, 1.0), 3.0)
    narrow = functions["cast"](functions["cast"](third, dtypes.f16), dtypes.f32)
    graph = Graph("g", (x,), (), (third, functions["sin"](third), narrow))
    one = [np.float32(0)]
    wide = evaluate(graph, one, precise=True)[0]
    exact = evaluate(graph, one)[0]
    assert [value.dtype for value in wide] == [np.float64] * 3
    assert [value.dtype for value in exact] == [np.float32] * 3
    assert wide[0] == 1 / 3 and wide[1] == np.sin(1 / 3)
    assert wide[2] == float(np.float16(1 / 3))
    assert exact[0] == np.float32(1) / np.float32(3)


def test_precise_does_not_round_where_a_cast_widens() -> None:
    x = graph_input("x", dtypes.f16, ())
    wide = functions["cast"](functions["divide"](x, 3.0), dtypes.f32)
    results, _ = evaluate(Graph("g", (x,), (), (wide,)), [np.float16(1)], precise=True)
    assert results[0] == 1 / 3


def test_precise_complex_numbers_are_complex128() -> None:
    z = graph_input("z", dtypes.c64, ())
    graph = Graph("g", (z,), (), (functions["divide"](z, 3.0), functions["abs"](z)))
    results, _ = evaluate(graph, [np.complex64(1 + 2j)], precise=True)
    assert results[0].dtype == np.complex128 and results[0] == (1 + 2j) / 3
    assert results[1].dtype == np.float64 and results[1] == abs(1 + 2j)


def test_graphs_deeper_than_the_stack_are_evaluated() -> None:
    x = f32("x")
    node = x
    for _ in range(5 * sys.getrecursionlimit()):
        node = functions["add"](node, 1.0)
    results, _ = evaluate(Graph("g", (x,), (), (node,)), [np.float32(0)])
    assert results[0] == 5 * sys.getrecursionlimit()


def test_intermediate_arrays_die_after_their_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    x = f32("x", 4)
    node = x
    for _ in range(10):
        node = functions["exp"](functions["negative"](node))
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    module = sys.modules["graphc.ir.evaluate"]

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal most
        value = evaluate_node(*args, **kwargs)  # type: ignore[arg-type]
        alive.append(weakref.ref(value))
        gc.collect()
        most = max(most, sum(one() is not None for one in alive))
        return value

    monkeypatch.setattr(module, "evaluate_node", counted)
    evaluate(Graph("g", (x,), (), (node,)), [np.zeros(4, np.float32)])
    assert len(alive) == 20
    assert most == 2


def test_symbolic_attributes_are_given_to_references_as_numbers() -> None:
    x = f32("x", B, N)
    flat = functions["reshape"](x, B * N)
    counted = functions["arange"](N, dtype=dtypes.f32)
    graph = Graph("g", (x,), (), (functions["sum"](flat), counted))
    results, _ = evaluate(graph, [np.ones((2, 5), np.float32)])
    assert results[0] == 10
    assert list(results[1]) == [0, 1, 2, 3, 4]
    empty, _ = evaluate(graph, [np.ones((2, 0), np.float32)])
    assert empty[0] == 0 and empty[1].shape == (0,)


def test_a_reference_that_breaks_its_type_is_caught() -> None:
    def wrong(call: Call) -> np.ndarray:
        return np.zeros(3, np.float64)

    op = Op(
        "wrong reference",
        0,
        infer=lambda op, operands, attributes: TensorType(dtypes.f32, (2,)),
        reference=wrong,
        lowering=Structural(),
    )
    del registry[op.name]
    with pytest.raises(InternalError, match=r"gave f64\[3\], not f32\[2\]"):
        evaluate(Graph("g", (), (), (op(),)), [])


def test_an_input_outside_the_graph_is_an_internal_error() -> None:
    with pytest.raises(InternalError, match="'stray' is not among"):
        evaluate(Graph("g", (), (), (functions["exp"](f32("stray", 2)),)), [])


def test_the_evaluator_loads_neither_the_parser_nor_networkx() -> None:
    program = (
        "import sys, graphc.ir.evaluate, graphc.ir.ops;"
        "heavy = ('lark', 'networkx', 'scipy', 'ml_dtypes');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
