"""The canonical form of graphs: what is printed reads back as the same graph, or says why not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc.ir.ops as ops
from graphc.errors import GraphcError, SourceError, VerificationError
from graphc.frontend.formatting.formatter import format_source
from graphc.frontend.graph_text import graph_text, read_graph
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.graph import Graph
from graphc.ir.op import Op, Parameter, Structural, registry
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType, TupleType
from graphc.passes.autodiff import gradients
from graphc.passes.decompose import decompose
from graphc.passes.simplify import simplify
from tests.random_graphs import RandomGraph, graphs

B = dims.variable("B", 1, 4096)
M = dims.variable("M", 8, 64, 8)


def again(graph: Graph) -> Graph:
    return read_graph(graph_text(graph), "again.gc")


def sample_graphs() -> list[Graph]:
    """One graph for each op, with the results of all its samples."""
    found = []
    for op in registry.values():
        inputs, results = [], []
        for sample in op.samples():
            given_ = [
                graph_input(f"x{len(inputs) + place}", type_.dtype, type_.shape)
                for place, type_ in enumerate(sample.operands)
            ]
            inputs += given_
            node = op(*given_, **sample.attributes)
            results += projections(node)
        if results:
            found.append(Graph(f"sample_{op.name}", tuple(inputs), (), tuple(results)))
    return found


@pytest.mark.parametrize("graph", sample_graphs(), ids=lambda graph: graph.name)
def test_every_op_reads_back_with_all_its_samples(graph: Graph):
    assert again(graph) is graph


@given(graphs())
def test_random_graphs_read_back(case: RandomGraph):
    assert again(case.graph) is case.graph


@given(graphs())
@settings(max_examples=40)
def test_graphs_read_back_after_passes(case: RandomGraph):
    for step in (simplify, decompose):
        after = step(case.graph, SourceMap())
        assert again(after) is after


@given(graphs(smooth=True, steps=4))
@settings(max_examples=25)
def test_gradients_read_back(case: RandomGraph):
    (first, *_) = case.graph.results
    total = ops.sum(first, axes=tuple(range(len(first.shape))))
    found = gradients(total, list(case.graph.inputs), sources=SourceMap())
    graph = Graph("gradient", case.graph.inputs, (), tuple(found))
    assert again(graph) is graph


SHAPES = {
    "numbers": (2, 0, 1),
    "scalar": (),
    "dims": (B, M, 3),
    "formula": ((B + 7) // 8 * 8, M // 2, dims.maximum(B, M), 2 * B - 1, B * M % 7),
    "long formula": (sum((B + i) // (i + 2) for i in range(40)),),
    "deep formula": (((((B + 1) // 2 + 3) // 4 + 5) // 6 * M + 1) // 3,),
    "beyond 64 bits": (B * 2**70 + 2**65,),
    "dim called like a dtype": (dims.variable("f32", 1, 3) * 2, dims.variable("inf", 0, 3)),
    "compiler's own dim": (dims.variable("_split", 1, 9),),
    "negative range": (dims.variable("K", -5, 3) + 5,),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes_read_back(shape: tuple[int | Dim, ...]):
    x = graph_input("x", dtypes.f32, shape)
    graph = Graph("f", (x,), (), (ops.exp(x),))
    assert again(graph) is graph


def test_dims_of_attributes_are_declared():
    x = graph_input("x", dtypes.f32, ())
    graph = Graph("f", (x,), (), (ops.broadcast_to(x, shape=(B, 2)),))
    assert graph_text(graph).startswith("dim B: 1..4096\n")
    assert again(graph) is graph


def test_two_dims_of_one_name_are_refused():
    x = graph_input("x", dtypes.f32, (B,))
    y = graph_input("y", dtypes.f32, (dims.variable("B", 1, 3),))
    with pytest.raises(VerificationError, match="'B'"):
        graph_text(Graph("f", (x, y), (), (x, y)))


NAMES = ("x", "v0", "add", "state", "param", "dim", "update", "sum", "f32", "inf", "B", "graph")
ODD_NAMES = ("", "x y", "lambda", "0", "a.b", "a..b", "ﬁ", '"', "\n", "é", "a.007", "a.0x", "None")


@given(
    inputs=st.lists(st.sampled_from(NAMES + ODD_NAMES), unique=True, max_size=4),
    state=st.lists(st.sampled_from(NAMES + ODD_NAMES), unique=True, max_size=4),
    paths=st.lists(st.sampled_from(("l.0.w", "sum.0", "a.b.c", "l.1")), unique=True, max_size=3),
    name=st.sampled_from(NAMES + ODD_NAMES),
)
def test_any_names_read_back(inputs: list[str], state: list[str], paths: list[str], name: str):
    state = [one for one in (*state, *paths) if one not in inputs]
    given_ = tuple(graph_input(one, dtypes.f32, (B,)) for one in inputs)
    kept = tuple(graph_input(one, dtypes.f32, (B,)) for one in state)
    updates = tuple((one, ops.negative(one)) for one in kept)
    graph = Graph(name, given_, kept, tuple(ops.exp(one) for one in given_), updates)
    assert again(graph) is graph


def test_state_is_written_as_in_programs():
    weight = graph_input("blocks.0.weight", dtypes.f32, (2,))
    x = graph_input("x", dtypes.f32, (2,))
    graph = Graph("step", (x,), (weight,), (), ((weight, ops.add(weight, x)),))
    assert graph_text(graph) == (
        "@graph\n"
        "def step(x: f32[2], state blocks[0].weight: f32[2]) -> ():\n"
        "    v0 = add(blocks[0].weight, x)  # f32[2]\n"
        "    update blocks[0].weight = v0\n"
        "    return\n"
    )
    assert again(graph) is graph


def test_what_is_not_needed_is_not_printed_and_inputs_are_kept():
    x, y = (graph_input(name, dtypes.f32, ()) for name in "xy")
    graph = Graph("first", (x, y), (), (x,))
    assert again(graph) is graph
    assert "v0" not in graph_text(graph)


VALUES = [
    True,
    False,
    None,
    0,
    -1,
    2**63,
    2**64 - 1,
    -(2**64),
    2**200,
    0.1,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    math.nan,
    complex(-0.0, math.nan),
    complex(1e300, -math.inf),
    "",
    'a "quoted" \\ text\n\té\x00',
    b"",
    bytes(range(256)),
    b"large" * 1000,
    (),
    (1,),
    (1, (2.0, "x"), ()),
    dtypes.f8e4m3,
    B * 2 + 1,
    TensorType(dtypes.f32, (B, 3)),
    TensorType(dtypes.bool_, ()),
    TupleType((TensorType(dtypes.f32, ()), TensorType(dtypes.i8, (2,)))),
    TupleType(()),
]


@pytest.fixture
def holder():
    """An op that holds any value."""
    op = Op(
        "holder",
        None,
        infer=lambda op, operands, attributes: TensorType(dtypes.f32, ()),
        reference=lambda call: np.zeros(()),
        lowering=Structural(),
        parameters=(Parameter("value"),),
    )
    yield op
    del registry["holder"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_every_value_of_an_attribute_is_exact(value: object, holder: Op):
    graph = Graph("f", (), (), (holder(value=value),))
    assert again(graph) is graph


def test_nested_graphs_stand_once_before_those_that_use_them(holder: Op):
    x = graph_input("x", dtypes.f32, (B,))
    inner = Graph("body", (x,), (), (ops.exp(x),))
    other = Graph("body", (x,), (), (ops.sin(x),))
    middle = Graph("middle", (x,), (), (ops.add(holder(x, value=(inner, 3)), holder(value=other)),))
    outer = Graph("main", (x,), (), (holder(x, value=inner), holder(x, value=middle)))
    text = graph_text(outer)
    assert again(outer) is outer
    assert text.count("exp(") == 1
    assert text.index("def middle") < text.index("def main")


def test_deeply_nested_and_long_graphs_read_back(holder: Op):
    x = graph_input("x", dtypes.f32, ())
    graph = Graph("g", (x,), (), (x,))
    for _ in range(200):
        graph = Graph("g", (x,), (), (holder(x, value=graph),))
    assert again(graph) is graph
    node = x
    for _ in range(3000):
        node = ops.sin(node)
    chain = Graph("chain", (x,), (), (node,))
    assert again(chain) is chain


def test_large_tables_read_back():
    data = np.random.default_rng(0).bytes(9 * 2**20)
    table = ops.tensor(data=data, dtype=dtypes.u8, shape=(len(data),))
    graph = Graph("f", (), (), (table,))
    assert again(graph) is graph


@given(graphs(steps=4))
@settings(max_examples=30)
def test_the_text_is_a_program_that_the_formatter_reads(case: RandomGraph):
    assert read_graph(format_source(graph_text(case.graph)), "formatted.gc") is case.graph


HEAD = "@graph\ndef f(x: f32[3], y: f32[3]) -> f32[3]:\n"
BROKEN = {
    "": (1, 1, "no graph"),
    "def f(x: f32[3]) -> f32[3]:\n    return x\n": (1, 1, "not marked"),
    "const A = 1\n": (1, 1, "no meaning"),
    HEAD + "    v0 = ad(x, y)\n    return v0\n": (3, 10, "'ad'"),
    HEAD + "    v0 = add(x, z)\n    return v0\n": (3, 17, "'z'"),
    HEAD + "    v0 = add(x)\n    return v0\n": (3, 10, "2 operands"),
    HEAD + "    v0 = sum(x)\n    return v0\n": (3, 10, "'axes'"),
    HEAD + "    v0 = sum(x, axes=3)\n    return v0\n": (3, 10, "sum"),
    HEAD + "    v0 = cast(x, dtype=(1,))\n    return v0\n": (3, 10, "cast"),
    HEAD + "    v0 = reshape(x, shape=(K,))\n    return v0\n": (3, 28, "'K'"),
    HEAD + "    v0 = x + y\n    return v0\n": (3, 5, "applies one op"),
    HEAD + "    v0 = add(x, 1)\n    return v0\n": (3, 17, "name of a value"),
    HEAD + "    x = add(x, y)\n    return x\n": (3, 5, "twice"),
    HEAD + "    pass\n": (3, 5, "applies one op"),
    HEAD + "    v0 = add(x, y)\n": (1, 1, "ends with return"),
    HEAD + "    return x, y\n": (2, 32, "expected f32[3]"),
    HEAD + '    v0 = tensor(data=base64("A"), dtype=u8, shape=(1,))\n    return x\n': (
        3,
        22,
        "base64",
    ),
    "@graph\ndef f(x) -> ():\n    return\n": (2, 7, "no type"),
    "dim B: 1..C\n" + HEAD + "    return x\n": (1, 11, "'C'"),
    "dim B: 3..1\n" + HEAD + "    return x\n": (1, 1, "3..1"),
    '@graph(inputs=("a",))\n' + HEAD[7:] + "    return x\n": (2, 18, "names 1"),
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_text_is_explained(text: str):
    line, column, message = BROKEN[text]
    with pytest.raises(GraphcError) as caught:
        read_graph(text, "broken.gc")
    span = caught.value.span
    assert span is not None
    assert (span.line, span.column) == (line, column)
    assert message in caught.value.message


@given(st.text(alphabet='@graph def(x:f32[3])->\n    v0=ad"12.,', max_size=60))
def test_any_text_is_a_graph_or_an_error(text: str):
    try:
        graph = read_graph(text, "any.gc")
    except GraphcError:
        return
    assert isinstance(graph, Graph)


def test_a_broken_operand_is_a_source_error():
    with pytest.raises(SourceError):
        read_graph(HEAD + "    v0 = exp(x[y])\n    return v0\n", "broken.gc")
