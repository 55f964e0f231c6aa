"""Tracing Python: operators, methods, types, names of state, lines, and what is refused."""

from __future__ import annotations

import copy
import inspect
import linecache
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import transforms
from graphc.errors import (
    DimensionError,
    DTypeError,
    GraphcError,
    NameLookupError,
    ShapeError,
    SourceError,
    TracedValueError,
    UsageError,
    register_source,
)
from graphc.frontend.parsing.parser import parse
from graphc.frontend.tracing.control_flow import cond, scan
from graphc.frontend.tracing.initializers import Key, array, normal
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.named_dims import DEFAULT_RANGE
from graphc.frontend.tracing.operators import BINARY
from graphc.frontend.tracing.state import Buffer, Parameter
from graphc.frontend.tracing.tensor import Tensor, apply, call, function
from graphc.frontend.tracing.trace import Export, trace
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dims, ops
from graphc.ir.dtype import bool_, f16, f32, f64, i32, i64, u8, u64
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType
from graphc.nn import Linear
from tests.own_words import own_words

B = dims.variable("B", 1, 4096)


def run(function: Callable[..., Any], *arrays: np.ndarray[Any, Any]) -> Any:
    """The result of tracing a function for the types of arrays, and of evaluating it on them."""
    graph, _ = trace(function, *(np.asarray(one) for one in arrays))
    results, _ = evaluate(graph, [np.asarray(one) for one in arrays])
    return results[0] if len(results) == 1 else results


# -- the graph ------------------------------------------------------------------------------------


def test_the_graph_is_the_one_that_ops_build() -> None:
    def f(x, w):
        return (x @ w).sum(axis=-1)

    graph, _ = trace(f, f32[B, 64], f32[64, 3])
    x, w = graph_input("x", f32, (B, 64)), graph_input("w", f32, (64, 3))
    assert graph is Graph("f", (x, w), (), (ops.sum(ops.matmul(x, w), axes=(1,)),))


def test_two_functions_that_do_the_same_give_one_graph() -> None:
    by_operator, _ = trace(lambda x: -(x * 2) + 1, f32["B", 3], name="g")
    by_function, _ = trace(
        lambda x: call("add", function("negative")(x.multiply(2)), 1), f32["B", 3], name="g"
    )
    assert by_operator is by_function


NUMBERS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}


@pytest.mark.parametrize("symbol", BINARY)
def test_operators_compute_what_numpy_does(symbol: str) -> None:
    rng = np.random.default_rng(0)
    is_bits = symbol in ("&", "|", "^", "<<", ">>")
    draw = (lambda: rng.integers(1, 5, (3, 3), dtype=np.int32)) if is_bits else None
    a, b = (draw() if draw else rng.uniform(0.5, 3, (3, 3)).astype(np.float32) for _ in range(2))
    apply_ = NUMBERS[symbol]
    np.testing.assert_allclose(run(apply_, a, b), apply_(a, b), rtol=1e-6)
    if symbol != "@":
        np.testing.assert_allclose(run(lambda x: apply_(x, 2), a), apply_(a, 2), rtol=1e-6)
        np.testing.assert_allclose(run(lambda x: apply_(2, x), a), apply_(2, a), rtol=1e-6)
        assert run(lambda x: apply_(2, x), a).dtype == apply_(2, a).dtype
    # An array beside a tensor is a constant of the graph, on either side.
    np.testing.assert_allclose(run(lambda x: apply_(x, b), a), apply_(a, b), rtol=1e-6)
    np.testing.assert_allclose(run(lambda x: apply_(b, x), a), apply_(b, a), rtol=1e-6)


def test_every_operator_is_tried() -> None:
    assert set(NUMBERS) == set(BINARY)


def test_unary_operators_and_builtins() -> None:
    x = np.array([-1.5, 2.0], np.float32)
    np.testing.assert_array_equal(run(lambda a: -a, x), -x)
    np.testing.assert_array_equal(run(abs, x), abs(x))
    np.testing.assert_array_equal(run(lambda a: +a, x), x)
    np.testing.assert_array_equal(run(lambda a: ~a, np.array([1, 2], np.uint8)), [254, 253])


SIZED: dict[str, tuple[Callable[[Tensor], Any], Callable[[Tensor, Any], Any]]] = {
    "a factor": (lambda x: x * x.size, lambda x, n: x * n),
    "a factor in front": (lambda x: x.size * x, lambda x, n: n * x),
    "a divisor": (lambda x: x.sum() / x.size, lambda x, n: x.sum() / n),
    "a size": (lambda x: call("zeros", x.size), lambda x, n: call("zeros", (n,))),
    "a size in a shape": (lambda x: x.reshape((x.size,)), lambda x, n: x.reshape((n,))),
    "an end": (lambda x: x[: x.size], lambda x, n: x[:n]),
    "a sum": (lambda x: call("ones", (x.size + 1,)), lambda x, n: call("ones", (n + 1,))),
    "the size of an axis": (lambda x: x.size(0) * x, lambda x, n: x.shape[0] * x),
    "the size of a dim": (lambda x: x.size(dim=-1) * x, lambda x, n: 3 * x),
    "the shape": (lambda x: call("ones", x.size()), lambda x, n: call("ones", x.shape)),
}
"""Uses of `x.size`, and the same with the number of elements `n` of [_, 3]."""


@pytest.mark.parametrize("rows", [0, 2, B])
@pytest.mark.parametrize("use", SIZED)
def test_the_size_of_a_tensor_is_a_number_and_a_method(use: str, rows: dims.DimLike) -> None:
    found, expected = SIZED[use]
    x = f32[rows, 3]
    assert trace(found, x, name="f")[0] is trace(lambda x: expected(x, rows * 3), x, name="f")[0]


@pytest.mark.parametrize("rows", [2, B])
def test_a_size_is_equal_to_its_number(rows: dims.DimLike) -> None:
    size = Tensor(graph_input("x", f32, (rows, 3))).size
    assert size == rows * 3 and rows * 3 == size and size != rows
    assert size in {rows * 3} and rows * 3 in {size}
    assert str(size) == str(rows * 3)
    assert isinstance(copy.deepcopy(size), int | dims.Dim) and copy.deepcopy(size) == rows * 3


def test_conjugate_transposes_are_those_of_numpy() -> None:
    z = np.arange(6).reshape(2, 3) * (1 + 2j)
    np.testing.assert_array_equal(run(lambda a: a.H, z), z.conj().T)
    np.testing.assert_array_equal(run(lambda a: a.mH, z[None]), z.conj().T[None])
    np.testing.assert_array_equal(run(lambda a: a.H + a.mH, z.real), 2 * z.real.T)


def test_methods_are_the_functions_that_take_a_tensor_first() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert run(lambda a: a.sum(axis=-1, keepdims=True), x).shape == (2, 1)
    assert run(lambda a: a.view(3, -1).unsqueeze(0).permute(2, 0, 1), x).shape == (2, 1, 3)
    np.testing.assert_array_equal(run(lambda a: a.T, x), x.T)
    np.testing.assert_array_equal(run(lambda a: a[0, ..., None, ::-1], x), x[0, ..., None, ::-1])
    np.testing.assert_array_equal(run(np.exp, x), np.exp(x))
    tensor = Tensor(graph_input("x", f32, (2, 3)))
    assert hasattr(tensor, "softmax") and not hasattr(tensor, "zeros")
    assert not hasattr(tensor, "nothing")


def test_facts_of_a_tensor() -> None:
    tensor = Tensor(graph_input("x", f32, (B, 3)))
    assert tensor.shape == (B, 3) and tensor.dtype is f32 and tensor.ndim == 2
    assert tensor.type is TensorType(f32, (B, 3))
    assert copy.deepcopy(tensor) is tensor
    assert len({tensor: 1, Tensor(tensor.node): 2}) == 2


def test_dims_are_operands() -> None:
    graph, _ = trace(lambda x: (x.sum(axis=0) / x.shape[0], x.shape[0] * x), f32[B, 2])
    x = np.ones((3, 2), np.float32)
    mean, scaled = evaluate(graph, [x])[0]
    np.testing.assert_array_equal(mean, [1, 1])
    np.testing.assert_array_equal(scaled, 3 * x)


def test_iteration_and_unpacking_over_a_fixed_axis() -> None:
    def f(x):
        first, second = x
        return [row * len(x) for row in x], {"both": first + second}

    x = np.arange(4, dtype=np.float32).reshape(2, 2)
    a, b, both = run(f, x)
    np.testing.assert_array_equal([a, b], 2 * x)
    np.testing.assert_array_equal(both, x.sum(axis=0))


def test_dtypes_are_understood_in_every_spelling() -> None:
    for spelling in (f16, np.float16, np.dtype("float16")):
        graph, _ = trace(lambda x, dtype=spelling: x.astype(dtype), f32[3])
        assert graph.results[0].dtype is f16


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(SHAPES, st.sampled_from([f32, f64, i32, i64, u8, bool_]), st.randoms())
def test_constants_keep_their_bits(shape: tuple[int, ...], dtype: Any, random: Any) -> None:
    rng = np.random.default_rng(random.randrange(2**32))
    value = rng.integers(0, 2, shape).astype(dtype.numpy)
    wide = np.repeat(value, 2, axis=0)[::2] if shape else value
    found = run(lambda x: call("where", x, wide, wide), np.ones(shape, np.bool_))
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)


# -- arguments ------------------------------------------------------------------------------------


def test_types_come_from_annotations() -> None:
    def f(x: f32["B", 4], y: f32["2*B", 4], scale=2.0):
        return (x.sum() + y.sum()) * scale

    graph, _ = trace(f)
    size = dims.variable("B", *DEFAULT_RANGE)
    assert [node.type for node in graph.inputs] == [
        TensorType(f32, (size, 4)),
        TensorType(f32, (size * 2, 4)),
    ]


def test_a_declared_dim_gives_its_name_its_range_everywhere() -> None:
    graph, _ = trace(lambda x, y: (x.sum(), y.sum()), f32["B"], f32[B, 2])
    assert graph.dims() == {"B": B}
    with pytest.raises(DimensionError, match="two ranges"):
        trace(lambda x, y: x, f32[dims.variable("B", 1, 5)], f32[B])


def test_nested_arguments_and_static_values() -> None:
    def f(pair, table, axis, *rest, flag, **named):
        assert flag is True
        return pair[0] + pair[1][0] + table["k"].sum(axis=axis) + rest[0] + named.get("none", 0)

    def g(pair, table, axis, *rest):
        return f(pair, table, axis, *rest, flag=True)

    graph, _ = trace(g, (f32[3], [f32[3]]), {"k": f32[3, 2]}, 1, f32[3])
    assert [node["name"] for node in graph.inputs] == ["pair_0", "pair_1_0", "table_k", "rest_0"]


def test_a_function_with_keyword_only_arguments() -> None:
    def f(x: f32[2], *, y: f32[2]):
        return x - y

    graph, _ = trace(f)
    assert [node["name"] for node in graph.inputs] == ["x", "y"]


def annotated(text: str) -> Callable[[Any], Any]:
    """A function of `x`, whose type is a text, as all annotations of a file may be."""

    def f(x: Any) -> Any:
        return x

    f.__annotations__ = {"x": text}
    return f


def test_the_value_of_a_size_is_asked_for_once_its_dims_have_ranges() -> None:
    graph, _ = trace(lambda x, y: y, f32["8 // (A - 1)"], f32[dims.variable("A", 2, 9)])
    assert str(graph.inputs[0].type) == "f32[8//(A - 1)]"


REFUSED_CALLS: dict[str, tuple[Callable[[], object], type[GraphcError], str]] = {
    "no type": (lambda: trace(lambda x: x), UsageError, "type of the argument 'x'"),
    "too many": (lambda: trace(lambda x: x, f32[2], f32[2]), UsageError, "2 arguments"),
    "two of one name": (
        lambda: trace(lambda x, x_0: x[0], [f32[2]], f32[2]),
        UsageError,
        "two arguments are called",
    ),
    "a tensor": (
        lambda: trace(lambda x: x, Tensor(graph_input("x", f32, ()))),
        UsageError,
        "expected a type",
    ),
    "a float size": (lambda: f32[2.5], DimensionError, "2.5 is no size"),
    "a negative size": (lambda: f32[-1], DimensionError, "-1 is no size"),
    **{
        f"the size {text!r}": (lambda text=text: f32["A", text, 3], DimensionError, found)
        for text, found in {
            "B!": "'B!' is no expression",
            "2B": "'2B' is no expression",
            "": "'' is no expression",
            "B C": "is no expression",
            "B - ": "is no expression",
            "1.5": "a Constant in the expression",
            "f(B)": "a Call in the expression",
            "B / 2": "the operator Div",
            "x.shape": "a Attribute in the expression",
            "class": "'class' cannot name a dimension",
        }.items()
    },
    "a type in the text of an annotation": (
        lambda: trace(annotated("f32['B!']")),
        DimensionError,
        "'B!' is no expression",
    ),
    "no result": (lambda: trace(lambda x: None, f32[2]), UsageError, "the result is None"),
    "a text": (lambda: trace(lambda x: (x, "1"), f32[2]), UsageError, r"the result\[1\] is '1'"),
    "no operand": (lambda: trace(lambda x: x + "a", f32[2]), UsageError, r"y is 'a' \(str\)"),
    "no function": (lambda: call("sofmax"), NameLookupError, "did you mean 'softmax'"),
    "no method": (
        lambda: trace(lambda x: x.sofmax(), f32[2]),
        NameLookupError,
        "did you mean 'softmax'",
    ),
    "no tensor": (lambda: call("softmax", [3]), UsageError, r"softmax: x is \[3\]"),
    "no such argument": (
        lambda: trace(lambda x: x.softmax(axes=1), f32[2]),
        UsageError,
        r"did you mean 'axis'",
    ),
    "dtypes": (lambda: trace(lambda x: x + x.astype(i32), f32[2]), DTypeError, "common dtype"),
    "shapes": (lambda: trace(lambda x: x @ x, f32[2, 3]), ShapeError, "inner dimensions"),
    "an element beyond the last": (
        lambda: trace(lambda x: x[:, 100], f32["B", 3]),
        ShapeError,
        "index 100 is outside axis 1",
    ),
    "a slice from a tensor": (
        lambda: trace(lambda x, n: x[n : n + 2], f32[3], i32[()]),
        UsageError,
        "dynamic_slice",
    ),
    "a range of a tensor": (
        lambda: trace(lambda n: [0 for _ in range(n)], i32[()]),
        TracedValueError,
        "while_loop",
    ),
    "a format": (lambda: trace(lambda x: f"{x:.3f}", f32[()]), TracedValueError, "not known"),
    "a method in place": (
        lambda: trace(lambda x: x.relu_(), f32[2]),
        NameLookupError,
        r"x = x.relu\(...\)",
    ),
    "an attribute of PyTorch": (
        lambda: trace(lambda x: setattr(x, "requires_grad", True), f32[2]),
        NameLookupError,
        r"grad\(f\)",
    ),
    "a device": (lambda: trace(lambda x: x.to("cuda"), f32[2]), UsageError, "moved to 'cuda'"),
    "a layer": (lambda: trace(_of_layer), UsageError, "'layer' of _of_layer is a model"),
    "a class of layers": (
        lambda: trace(_of_layer, Linear, f32[3]),
        UsageError,
        "Linear, a class of models",
    ),
    "a dim for a number": (
        lambda: trace(lambda x: call("chunk", x, x.shape[0]), f32["B", 3]),
        UsageError,
        r"chunk: chunks is B \(Dim\), expected a whole number",
    ),
    "a function of NumPy": (
        lambda: trace(lambda x: np.sort(x), f32[2]),
        TracedValueError,
        "in place of NumPy's",
    ),
}


def _of_layer(layer: Linear, x: f32[3]) -> Tensor:
    return layer(x)


@pytest.mark.parametrize("case", REFUSED_CALLS)
def test_refused(case: str) -> None:
    action, error, text = REFUSED_CALLS[case]
    with pytest.raises(error) as caught:
        action()
    assert re.search(text, own_words(caught.value))


def test_a_dtype_alone_is_no_annotation() -> None:
    def f(x: f32):
        return x

    with pytest.raises(UsageError, match=r"a single number is f32\[\(\)\]"):
        trace(f)


# -- what has no value while the graph is built ---------------------------------------------------

UNKNOWN: dict[str, tuple[Callable[[Any], object], str]] = {
    "if": (lambda x: 1 if x.sum() > 0 else 2, "where"),
    "and": (lambda x: x.sum() > 0 and x, "&"),
    "chain": (lambda x: 0 < x.sum() < 1, "a < b < c"),
    "float": (lambda x: float(x.sum()), "cast"),
    "int": (lambda x: int(x.sum()), "cast"),
    "complex": (lambda x: complex(x.sum()), "cast"),
    "range": (lambda x: list(range(x.sum())), "x.shape"),
    "for": (lambda x: list(x), "scan"),
    "len": (lambda x: len(x), "x.shape"),
    "in": (lambda x: 1.0 in x, "any"),
    "assign": (lambda x: operator.setitem(x, 0, 1.0), "where"),
    "numpy": (lambda x: np.asarray(x), "graphc"),
    "ufunc with out": (lambda x: np.exp(x, out=np.zeros(3)), "graphc"),
    "a branch on a dim": (lambda x: x if x.shape[0] > 2 else -x, "gc.cond"),
    "the truth of a dim": (lambda x: x if x.shape[0] else -x, "gc.where"),
    "a range of a dim": (lambda x: [x for _ in range(x.shape[0])], "gc.scan"),
    "int of a dim": (lambda x: x * int(x.shape[0]), "a fixed size"),
    "float of a dim": (lambda x: x * float(x.shape[0]), "gc.asarray(B)"),
    "a shape for NumPy": (lambda x: x + np.zeros(x.shape), "a fixed size"),
    "ufunc without counterpart": (lambda x: np.spacing(x), "graphc"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_asking_for_a_value_is_explained(case: str) -> None:
    action, hint = UNKNOWN[case]
    with pytest.raises(TracedValueError) as caught:
        trace(action, f32["B", 3])
    assert caught.value.hint is not None and hint in caught.value.hint
    assert caught.value.span is not None and caught.value.span.file == __file__


# -- where ----------------------------------------------------------------------------------------


def lines_of(function: Callable[..., Any]) -> int:
    return inspect.getsourcelines(function)[1]


def test_nodes_know_the_expression_they_come_from() -> None:
    def f(x):
        y = x.exp()
        return y * 2 + x[0]

    graph, sources = trace(f, f32[3])
    texts = {}
    for node in graph.nodes():
        for span in sources.spans(node):
            assert span.file == __file__ and span.line == span.end_line
            line = linecache.getline(span.file, span.line)
            texts.setdefault(node.op.name, []).append(line[span.column - 1 : span.end_column - 1])
    assert texts["exp"] == ["x.exp()"]
    assert texts["multiply"] == ["y * 2"]
    assert texts["slice"] == ["x[0]"]
    assert texts["add"] == ["y * 2 + x[0]"]
    assert texts["input"] == ["def f(x):"]
    assert sources.spans(graph.results[0])[0].line == lines_of(f) + 2


def test_columns_count_characters() -> None:
    def f(größe):
        return größe + größe @ größe

    with pytest.raises(ShapeError) as caught:
        trace(f, f32[2, 3])
    span = caught.value.span
    assert span is not None
    line = linecache.getline(span.file, span.line)
    assert line[span.column - 1 : span.end_column - 1] == "größe @ größe"
    caret = caught.value.render().splitlines()[4]
    assert caret.count("^") == len("größe @ größe")


def test_texts_without_a_file_are_no_source_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linecache, "cache", {})
    with pytest.raises(SourceError, match="never closed"):
        parse("def f(")
    assert linecache.cache and not linecache.getline("<string>", 1)
    # Whatever stands there for what Python evaluates, it has a place.
    register_source("<string>", "gc\ud800 = 1")
    graph, sources = trace(lambda x: eval("x + x"), f32[3])
    assert sources.spans(graph.results[0])[0].file == "<string>"


def test_layers_of_the_library_are_placed_at_the_user_of_the_layer() -> None:
    linear = Affine(3)

    def f(model, x):
        return model(x) + 1

    graph, sources = trace(f, linear, f32[3])
    product = graph.results[0].inputs[0].inputs[0]
    assert sources.spans(product)[0].line == lines_of(Affine.forward) + 1


KEPT: list[Any] = []


def keep(x):
    """Leave a tensor behind where it outlives the trace."""
    KEPT.append(x)
    return x


class Keeping(Module):
    """Keeps a tensor in a list, which no assignment to an attribute sees."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def forward(self, x):
        self.kept.append(x * 2)
        return x + self.kept[0]


ESCAPED: dict[str, Callable[[], Any]] = {
    "an argument of the same name and type": lambda: trace(lambda x: x + KEPT[0], f32[2]),
    "an argument of another name": lambda: trace(lambda y: y + KEPT[0], f32[2]),
    "as the result": lambda: trace(lambda x: KEPT[0], f32[2]),
    "in a list": lambda: trace(lambda x: call("concat", [x, KEPT[0]]), f32[2]),
    "in a branch": lambda: trace(lambda x: cond(x[0] > 0, lambda: x + KEPT[0], lambda: x), f32[2]),
    "in the body of a loop": lambda: trace(
        lambda x: scan(lambda c, row: (c + KEPT[0][0], None), row_of(x), x)[0], f32[2]
    ),
    "in a transformed function": lambda: trace(
        lambda x: transforms.grad(lambda y: (y * KEPT[0]).sum())(x), f32[2]
    ),
    "where nothing is traced": lambda: KEPT[0] + 1,
}


def row_of(x):
    """A number without axes, in the dtype of x."""
    return x[0] * 0


@pytest.mark.parametrize("place", ESCAPED)
def test_a_tensor_of_another_trace_is_refused(place: str) -> None:
    KEPT.clear()
    trace(lambda x: keep(x), f32[2])
    with pytest.raises(UsageError, match="of another trace is used") as caught:
        ESCAPED[place]()
    assert caught.value.code == "leaked-tensor"
    assert "hand it over as an argument" in (caught.value.hint or "")
    (note,) = caught.value.notes
    made = int(note.rsplit(":", 2)[1])
    assert "trace(lambda x: keep(x)" in linecache.getline(__file__, made)


def test_a_tensor_that_a_model_keeps_is_refused_in_the_next_trace() -> None:
    net = Keeping()
    trace(net, f32[2])
    with pytest.raises(UsageError) as caught:
        trace(net, f32[2])
    span = caught.value.span
    assert span is not None
    assert linecache.getline(span.file, span.line)[span.column - 1 :].startswith("x + self.kept")
    made = lines_of(Keeping.forward) + 1
    assert caught.value.notes == (f"it was made at {__file__}:{made}:26",)


INNER: dict[str, Callable[[Any], Any]] = {
    "loop": lambda x: scan(lambda c, row: (keep(c) + row, None), row_of(x), x)[0] + KEPT[-1],
    "grad": lambda x: transforms.grad(lambda y: (keep(y) * y).sum())(x) + KEPT[-1],
    "vmap": lambda x: transforms.vmap(lambda y: keep(y) * y)(x) + KEPT[-1],
}


@pytest.mark.parametrize("name", INNER)
def test_a_tensor_from_inside_is_refused_outside(name: str) -> None:
    with pytest.raises(UsageError, match="is used outside of it") as caught:
        trace(INNER[name], f32[2])
    span = caught.value.span
    assert span is not None
    assert linecache.getline(span.file, span.line)[: span.end_column - 1].endswith("KEPT[-1]")


NESTED: dict[str, Callable[[Any], Any]] = {
    "grad of grad": lambda x: transforms.grad(
        lambda y: (transforms.grad(lambda z: (z * y * x).sum())(y) * x).sum()
    )(x),
    "vmap of grad": lambda x: transforms.vmap(
        lambda y: transforms.grad(lambda z: z * z * y * x.sum())(y)
    )(x),
    "grad of a scan": lambda x: transforms.grad(
        lambda y: scan(lambda c, row: (c * row + y.sum() * x[0], None), row_of(x), y)[0]
    )(x),
    "scan of a branch": lambda x: scan(
        lambda c, row: (cond(c > 0, lambda: c + x[0], lambda: c * row), x), row_of(x), x
    )[0],
}


@pytest.mark.parametrize("name", NESTED)
def test_inner_functions_use_tensors_of_outer_ones(name: str) -> None:
    graph, _ = trace(NESTED[name], f32[2])
    assert [one["name"] for one in graph.inputs] == ["x"]


def test_a_constant_belongs_to_no_trace() -> None:
    KEPT.clear()
    trace(lambda x: x + keep(call("ones", (2,), f32)), f32[2])
    graph, _ = trace(lambda x: x * KEPT[0], f32[2])
    assert graph.results[0].type == KEPT[0].type


# -- state ----------------------------------------------------------------------------------------


class Affine(Module):
    """x * scale + shift."""

    def __init__(self, size: int) -> None:
        self.scale = Parameter(size, init=normal(std=0.5))
        self.shift = Parameter(size)

    def forward(self, x):
        return x * self.scale + self.shift


class Net(Module):
    def __init__(self) -> None:
        self.first = Affine(3)
        self.blocks = [Affine(3), {"a": Affine(3), "b": (Affine(3),)}]
        self.tied = self.first.scale
        self.count = Buffer((), i64)
        self.alias = self.first

    def forward(self, x):
        self.count.update(self.count + 1)
        x = self.blocks[1]["a"](self.blocks[0](self.first(x)))
        return x * self.tied


PATHS = [
    "first.scale",
    "first.shift",
    "blocks.0.scale",
    "blocks.0.shift",
    "blocks.1.a.scale",
    "blocks.1.a.shift",
    "blocks.1.b.0.scale",
    "blocks.1.b.0.shift",
]


def test_parameters_are_named_by_their_place_in_order_of_declaration() -> None:
    net = Net()
    assert [path for path, _ in net.named_parameters()] == PATHS
    assert [path for path, _ in net.named_state()] == [*PATHS, "count"]
    assert [path for path, _ in net.named_modules()] == [
        "",
        "first",
        "blocks.0",
        "blocks.1.a",
        "blocks.1.b.0",
    ]


def test_a_graph_has_the_state_that_it_uses() -> None:
    net = Net()
    graph, _ = trace(net, f32["B", 3])
    assert graph.name == "forward"
    assert [node["name"] for node in graph.state] == [*PATHS[:6], "count"]
    assert [(node["name"], value.op.name) for node, value in graph.updates] == [("count", "add")]
    # A tied parameter is one input.
    product = graph.results[0]
    assert graph.state[0] in {product.inputs[1], product.inputs[1].inputs[0]}


def test_a_module_that_contains_itself() -> None:
    net = Affine(2)
    net.parent = {"up": net}
    assert [path for path, _ in net.named_state()] == ["scale", "shift"]
    graph, _ = trace(net, f32[2])
    assert len(graph.state) == 2


def test_a_copy_has_state_of_its_own() -> None:
    class Pair(Module):
        def __init__(self) -> None:
            self.left = Affine(2)
            self.left.shift.trainable = False
            self.right = copy.deepcopy(self.left)

        def forward(self, x):
            return self.left(x) - self.right(x)

    pair = Pair()
    assert len(list(pair.named_parameters())) == 4
    assert not pair.right.shift.trainable and pair.right.scale.trainable
    copied = copy.deepcopy(Net())
    assert copied.tied is copied.first.scale


def test_reading_state_after_an_update_gives_the_new_value() -> None:
    class Counter(Module):
        def __init__(self) -> None:
            self.count = Buffer((), i64)

        def forward(self, x):
            for _ in range(3):
                self.count.update(self.count + 1)
            return x + self.count

    graph, _ = trace(Counter(), i64[2])
    (result,), (count,) = evaluate(graph, [np.array([10, 20])], [np.array(4)])
    np.testing.assert_array_equal(result, [17, 27])
    assert count == 7


def test_state_that_is_set_to_itself_is_not_updated() -> None:
    class Same(Module):
        def __init__(self) -> None:
            self.value = Buffer(3)

        def forward(self, x):
            self.value.update(self.value)
            return x

    graph, _ = trace(Same(), f32[3])
    assert graph.updates == () and graph.state == ()


def test_updates_are_broadcast_and_never_cast() -> None:
    class Holder(Module):
        def __init__(self, value: Any) -> None:
            self.kept = Buffer((2, 3))
            self.value = [value]

        def forward(self, x):
            self.kept.update(x if self.value[0] is None else self.value[0])
            return x

    graph, _ = trace(Holder(None), f32[3])
    np.testing.assert_array_equal(
        evaluate(graph, [np.ones(3, np.float32)], [np.zeros((2, 3), np.float32)])[1][0],
        np.ones((2, 3)),
    )
    assert trace(Holder(2.5), f32[3])[0].updates[0][1].type is TensorType(f32, (2, 3))
    with pytest.raises(DTypeError, match="cast it"):
        trace(Holder(None), f64[3])
    with pytest.raises(ShapeError):
        trace(Holder(None), f32[4])


def test_state_is_refused_outside_of_a_trace_and_outside_of_models() -> None:
    with pytest.raises(UsageError, match="only while a function is traced"):
        Parameter(3) + 1
    with pytest.raises(UsageError, match="belongs to no model"):
        trace(lambda x: x + Parameter(3), f32[3])
    hidden = Affine(3)
    with pytest.raises(UsageError, match="belongs to no model"):
        trace(lambda x: hidden(x), f32[3])
    graph, _ = trace(lambda x: hidden(x), f32[3], models=[hidden])
    assert [node["name"] for node in graph.state] == ["scale", "shift"]


def test_refused_models() -> None:
    with pytest.raises(ShapeError, match="no size"):
        Parameter((2, B))
    with pytest.raises(DTypeError, match="no gradient"):
        Parameter(2, i32)
    with pytest.raises(UsageError, match="has no forward"):
        trace(Module(), f32[2])
    with pytest.raises(UsageError, match=r"'table\.not a name\.scale' cannot be the name"):
        list(Keyed().named_state())

    class Leaky(Module):
        def forward(self, x):
            self.last = x
            return x

    with pytest.raises(UsageError, match=r"self\.last\.update"):
        trace(Leaky(), f32[2])

    class Clash(Module):
        def __init__(self) -> None:
            self.x = Parameter(2)

        def forward(self, x):
            return x + self.x

    with pytest.raises(UsageError, match="both called 'x'"):
        trace(Clash(), f32[2])


class Keyed(Module):
    def __init__(self) -> None:
        self.table = {"not a name": Affine(2)}
        self.options = {(1, 2): (3, 4)}


# -- units ----------------------------------------------------------------------------------------


def initial_values(unit: Any, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    values, _ = evaluate(unit.initial, [np.asarray(seed, np.uint64)])
    return dict(zip(unit.state, values, strict=True))


def test_exports_of_one_model_share_its_state() -> None:
    net = Net()
    unit = build_unit(
        {
            "predict": Export(net, (f32["B", 3],)),
            "head": Export(net.first, (f32[3],)),
            "method": Export(net.forward, (f32[B, 3],)),
        }
    )
    assert list(unit.state) == [*PATHS, "count"]
    assert [node["name"] for node in unit.exports["head"].state] == PATHS[:2]
    assert unit.exports["predict"].results == unit.exports["method"].results
    assert unit.exports["predict"].dims() == {"B": B}
    assert unit.docs == {"head": "x * scale + shift."}
    assert unit.initial.inputs == (graph_input("seed", u64, ()),)


def test_models_of_their_own_have_prefixes() -> None:
    a, b = Affine(2), Affine(2)
    exports = {"f": Export(a, (f32[2],)), "g": Export(b, (f32[2],))}
    with pytest.raises(UsageError, match="two models are called Affine"):
        build_unit(exports)
    unit = build_unit(exports, models={"left": a, "right": b})
    assert list(unit.state) == ["left.scale", "left.shift", "right.scale", "right.shift"]
    assert [node["name"] for node in unit.exports["g"].state] == ["right.scale", "right.shift"]
    values = initial_values(unit, 1)
    assert not np.array_equal(values["left.scale"], values["right.scale"])


def test_first_values_depend_on_seed_and_path_alone() -> None:
    class Larger(Module):
        def __init__(self) -> None:
            self.extra = Affine(5)
            self.first = Affine(3)

        def forward(self, x):
            return self.first(x)

    small = build_unit({"f": Export(Net(), (f32[3],))})
    large = build_unit({"f": Export(Larger(), (f32[3],))})
    for seed in (0, 1, 2**64 - 1):
        one, two = initial_values(small, seed), initial_values(large, seed)
        np.testing.assert_array_equal(one["first.scale"], two["first.scale"])
        assert not np.array_equal(one["first.scale"], one["blocks.0.scale"])
        np.testing.assert_array_equal(one["first.shift"], np.zeros(3))
    zero, other = initial_values(small, 0), initial_values(small, 1)
    assert not np.array_equal(zero["first.scale"], other["first.scale"])


def test_an_initializer_of_another_type_is_refused() -> None:
    net = Affine(3)
    net.scale.init = lambda shape, dtype, key: ops.cast(key.seed, dtype=f32)
    with pytest.raises(ShapeError, match=r"'scale' gives f32\[\], expected f32\[3\]"):
        build_unit({"f": Export(net, (f32[3],))})
    net.scale.init = array(np.zeros(4))
    with pytest.raises(ShapeError, match="expected"):
        build_unit({"f": Export(net, (f32[3],))})


@given(st.text(min_size=1, max_size=40))
def test_streams_are_in_range_and_stable(path: str) -> None:
    seed = graph_input("seed", u64, ())
    key = Key.of(seed, path)
    assert 0 <= key.stream < 2**63
    assert key == Key.of(seed, path)


def test_the_stream_of_a_path_never_changes() -> None:
    # A module trained from a seed today has the same first values tomorrow.
    assert Key.of(graph_input("seed", u64, ()), "fc1.weight").stream == FC1_WEIGHT_STREAM


FC1_WEIGHT_STREAM = 1728133435780268165


def test_names_of_exports() -> None:
    with pytest.raises(UsageError, match="cannot name an export"):
        build_unit({"a b": Export(Affine(3), (f32[3],))})


def test_apply_takes_functions_of_no_registry() -> None:
    def double(x: Node) -> Any:
        return functions["add"](x, x)

    graph, _ = trace(lambda x: apply(double, x), f32[2])
    assert graph.results[0].op.name == "add"
