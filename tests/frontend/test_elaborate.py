"""What programs mean: the same graphs as those of the same model written in Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc import nn, optim
from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.graph_text import graph_text
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import Export, trace
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.library import library

B = dims.variable("B", 1, 64)


def unit_of(text: str) -> Unit:
    return elaborate(text, "program.gc", library())


def graph_of(*lines: str, parameters: str = "x: f32[B, 3]", head: str = "") -> Graph:
    body = "".join(f"    {line}\n" for line in lines)
    return unit_of(f"dim B: 1..64\n{head}def f({parameters}):\n{body}export f = f\n").exports["f"]


def value_of(*lines: str, parameters: str = "", head: str = "") -> np.ndarray:
    (found,), _ = evaluate(graph_of(*lines, parameters=parameters, head=head), [])
    return np.asarray(found)


# -- indices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "indices",
    [
        "[[0, 1], [1, 0]]",
        "[[[0]], [[-1]]]",
        "[[], []]",
        "[[0, 1], [1, 0]], [1, 2]",
        "1:, [[2, 0]]",
        "[0, 2], [[1], [2]]",
    ],
)
def test_nested_lists_are_arrays_of_indices_as_in_numpy(indices: str) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    place = eval(f"np.s_[{indices}]") if "[]" not in indices else np.zeros((2, 0), int)
    read = graph_of(f"return x[{indices}]", parameters="x: f32[3, 4]")
    (found,), _ = evaluate(read, [x])
    assert np.array_equal(found, x[place])
    written = graph_of(f"return x.at[{indices}].set(-1.0)", parameters="x: f32[3, 4]")
    (found,), _ = evaluate(written, [x])
    expected = x.copy()
    expected[place] = -1
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("offset", range(-5, 6))
@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_diagonal_may_lie_outside_for_some_sizes(offset: int, size: int) -> None:
    graph = graph_of(f"return diagonal(x, {offset}), diagonal(x.T, {offset})")
    x = np.arange(3 * size, dtype=np.float32).reshape(size, 3)
    found, _ = evaluate(graph, [x])
    for one, matrix in zip(found, (x, x.T), strict=True):
        assert np.array_equal(one, np.diagonal(matrix, offset))


def test_the_length_of_a_tensor_is_its_first_size() -> None:
    graph = graph_of("return zeros(len(x), len(x[0]))")
    assert graph.results[0].tensor.shape == (B, 3)
    with pytest.raises(GraphcError, match="has no length"):
        graph_of("return len(x[0, 0])")


# -- one meaning ----------------------------------------------------------------------------------

EXPRESSIONS = {
    "x + y": lambda x, y: x + y,
    "x - 2 * y / 3": lambda x, y: x - 2 * y / 3,
    "-x ** 2 + abs(y)": lambda x, y: -(x**2) + abs(y),
    "x @ y.T": lambda x, y: x @ y.T,
    "(x < y) & (x != 0) | ~(y >= 1)": lambda x, y: (x < y) & (x != 0) | ~(y >= 1),
    "0 < x < y": lambda x, y: call("logical_and", x > 0, x < y),
    "x[0] + y[:, 1:][..., -1][None, :2].sum()": lambda x, y: (
        x[0] + y[:, 1:][..., -1][None, :2].sum()
    ),
    "x.reshape(3, -1).softmax(dim=0)": lambda x, y: x.reshape(3, -1).softmax(dim=0),
    "sum(x, axis=-1, keepdims=True)": lambda x, y: call("sum", x, axis=-1, keepdims=True),
    "sum(x, dim=-1, keepdim=True)": lambda x, y: call("sum", x, axis=-1, keepdims=True),
    "cat([x, flip(y, dims=1)], dim=1)": lambda x, y: call("concat", [x, y.flip(1)], axis=1),
    "cast(x, i32) // 2 % 3": lambda x, y: call("cast", x, dtypes.i32) // 2 % 3,
    "(x.long() + y.int()).float().half()": lambda x, y: call(
        "cast",
        call("cast", call("cast", x, dtypes.i64) + call("cast", y, dtypes.i32), dtypes.f32),
        dtypes.f16,
    ),
    "f16(x)": lambda x, y: call("cast", x, dtypes.f16),
    "x.to(f16) * x.size(0) + x.size()[1] + x.dim() * x.numel()": lambda x, y: (
        call("cast", x, dtypes.f16) * x.shape[0] + 3 + 2 * (3 * x.shape[0])
    ),
    "x * x.size + ones(x.size, 1, 1) + x.size()[1]": lambda x, y: (
        x * (3 * x.shape[0]) + call("ones", (3 * x.shape[0], 1, 1)) + 3
    ),
    "x.H + x.mH + x.mT": lambda x, y: x.T + x.T + x.T,
    "x @ y.t()": lambda x, y: x @ y.T,
    "where(x > y, x, -inf)": lambda x, y: call("where", x > y, x, float("-inf")),
    "concat([x, y], axis=1)": lambda x, y: call("concat", [x, y], axis=1),
    "split(x, 2, axis=1)[1]": lambda x, y: call("split", x, 2, axis=1)[1],
    "ones(B, 3) + zeros(3) + ones(B, 1, dtype=f64)": lambda x, y: (
        call("ones", (B, 3)) + call("zeros", (3,)) + call("ones", (B, 1), dtypes.f64)
    ),
    "zeros((B, 2), f64) + B": lambda x, y: call("zeros", (B, 2), dtypes.f64) + B,
    "x * B": lambda x, y: x * B,
    "x * (x.shape[0] + x.ndim)": lambda x, y: x * (x.shape[0] + x.ndim),
    "maximum(x, 0.5) if 1 < 2 else y": lambda x, y: call("maximum", x, 0.5),
    "einsum('ij,kj->ik', x, y)": lambda x, y: call("einsum", "ij,kj->ik", x, y),
    "sum([x, 2 * y, x]) + sum((1, 2, 3))": lambda x, y: x + 2 * y + x + 6,
    "full_like(x, 3, dtype=x.dtype)": lambda x, y: call("full_like", x, 3, dtype=x.dtype),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_mean_what_they_mean_in_python(text: str):
    found = graph_of(f"return {text}", parameters="x: f32[B, 3], y: f32[B, 3]")
    types = (dtypes.f32[B, 3], dtypes.f32[B, 3])
    expected, _ = trace(EXPRESSIONS[text], *types, name="f")
    assert found.results == expected.results


PROGRAM = '''
"""Two blocks."""

dim B: 1..64
const RATE = 1e-2

def squash(x, factor=2.0):
    """Between -factor and factor."""
    return factor * tanh(x)

model Block(width, hidden=8):
    up = Linear(width, hidden)
    down = Linear(hidden, width, bias=False)
    norm = LayerNorm(width)
    param scale: f32[width] = full(0.5)
    state calls: i64[] = 0

    def forward(x: f32[B, width]) -> f32[B, width]:
        update calls = calls + 1
        return x + scale * down(squash(up(norm(x)), factor=3.0))

model Net(width=4, depth=2, classes=3):
    """A few blocks and a linear layer."""
    blocks = [Block(width, hidden=2 * width + i) for i in range(depth)]
    head = Linear(width, classes)
    drop = Dropout(0.25)

    def forward(x: f32[B, width]) -> f32[B, classes]:
        """The logits."""
        for block in blocks:
            x = drop(block(x))
        return head(x)

def loss(net: Net, x: f32[B, 4], y: i32[B]) -> f32[]:
    return cross_entropy(net(x), y)

export predict = Net.forward
export train = train_step(Net, loss, adamw(lr=RATE, weight_decay=0.1))
'''


def python_unit() -> Unit:
    def squash(x, factor=2.0):
        return factor * call("tanh", x)

    class Block(nn.Module):
        def __init__(self, width, hidden=8):
            self.up = nn.Linear(width, hidden)
            self.down = nn.Linear(hidden, width, bias=False)
            self.norm = nn.LayerNorm(width)
            self.scale = nn.Parameter(width, init=nn.INITIALIZERS["full"](0.5))
            self.calls = nn.Buffer((), dtypes.i64)

        def forward(self, x):
            self.calls.update(self.calls + 1)
            return x + self.scale * self.down(squash(self.up(self.norm(x)), factor=3.0))

    class Net(nn.Module):
        def __init__(self, width=4, depth=2, classes=3):
            self.blocks = [Block(width, hidden=2 * width + i) for i in range(depth)]
            self.head = nn.Linear(width, classes)
            self.drop = nn.Dropout(0.25)

        def forward(self, x: dtypes.f32["B", 4]):
            for block in self.blocks:
                x = self.drop(block(x))
            return self.head(x)

    def loss(net, x: dtypes.f32["B", 4], y: dtypes.i32["B"]):
        return call("cross_entropy", net(x), y)

    net = Net()
    train = optim.train_step(net, loss, optim.adamw(lr=1e-2, weight_decay=0.1))
    return build_unit({"predict": Export(net), "train": train}, dims=[B])


def test_a_model_means_what_it_means_in_python():
    found, expected = unit_of(PROGRAM), python_unit()
    assert found.exports == dict(expected.exports)
    assert all(found.exports[name] is graph for name, graph in expected.exports.items())
    assert found.initial is expected.initial
    assert list(found.state.items()) == list(expected.state.items())


def test_docstrings_are_those_of_the_program():
    docs = unit_of(PROGRAM).docs
    assert docs == {"": "Two blocks.", "predict": "The logits.", "train": ""}


def test_every_node_of_a_user_has_a_span_in_the_program():
    unit = unit_of(PROGRAM)
    lines = PROGRAM.splitlines()
    for graph in unit.exports.values():
        for node in graph.nodes():
            if node in (*graph.inputs, *graph.state):
                continue
            spans = unit.sources.spans(node)
            assert spans, node
            assert all(span.file == "program.gc" and span.line <= len(lines) for span in spans)
    (tanh,) = (n for n in unit.exports["predict"].nodes() if n.op.name == "tanh" if "8" in str(n))
    span = unit.sources.spans(tanh)[0]
    assert lines[span.line - 1][span.column - 1 : span.end_column - 1] == "tanh(x)"


def test_a_trained_program_learns():
    unit = unit_of(PROGRAM)
    first, _ = evaluate(unit.initial, [np.array(0, np.uint64)])
    values = dict(zip(unit.state, first, strict=True))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)
    graph, losses = unit.exports["train"], []
    for _ in range(30):
        (loss,), after = evaluate(graph, [x, y], [values[node["name"]] for node in graph.state])
        values |= {node["name"]: value for node, value in zip(graph.state, after, strict=True)}
        losses.append(float(loss))
    assert losses[-1] < 0.6 * losses[0]


# -- sharing --------------------------------------------------------------------------------------


def test_exports_share_the_state_of_a_model():
    unit = unit_of(
        "model M(n=2):\n    param w: f32[n] = ones()\n    state s: f32[n]\n"
        "    def forward(x: f32[2]):\n        return x * w\n"
        "    def move(x: f32[2]):\n        update s = x\n        update w = w + s\n"
        "export f = M.forward\nexport g = M.move\n"
    )
    assert list(unit.state) == ["w", "s"]
    assert [node["name"] for node in unit.exports["f"].state] == ["w"]
    (f_w,), g = unit.exports["f"].state, unit.exports["g"]
    assert g.state[0] is f_w
    assert [(a["name"], v.op.name) for a, v in g.updates] == [("w", "add"), ("s", "input")]


def test_first_values_are_computed_and_repeated():
    unit = unit_of(
        "model M(n=3):\n    param w: f32[2, n] = log(arange(1, n + 1).float())\n"
        "    state s: i64[n] = arange(n) + zeros((n,), i64)\n"
        "    def forward(x: f32[3]):\n        return x * w + s.float()\n"
        "export f = M.forward\n"
    )
    assert unit.initial is not None
    (w, s), _ = evaluate(unit.initial, [np.array(0, np.uint64)])
    np.testing.assert_allclose(w, [np.log([1, 2, 3])] * 2, rtol=1e-6)
    np.testing.assert_array_equal(s, [0, 1, 2])


def test_two_models_are_prefixed_and_shared_parts_are_one():
    unit = unit_of(
        "model A(n=2):\n    one = Linear(n, n)\n    two = one\n"
        "    def forward(x: f32[2]):\n        return two(one(x))\n"
        "model C(n=2):\n    param w: f32[n]\n    def forward(x: f32[2]):\n        return x * w\n"
        "export a = A.forward\nexport c = C.forward\n"
    )
    assert list(unit.state) == ["A.one.weight", "A.one.bias", "C.w"]


def test_models_take_models_functions_and_numbers():
    unit = unit_of(
        "model Residual(inner, activation, repeat: int = 1):\n"
        "    def forward(x: f32[N, 4]) -> f32[N, 4]:\n"
        "        for _ in range(repeat):\n            x = x + activation(inner(x))\n"
        "        return x\n"
        "model Net(n=4):\n"
        "    body = Sequential(Residual(Linear(n, n), relu), Residual(Linear(n, n), gelu, 2))\n"
        "    def forward(x: f32[2, 4]):\n        return body(x)\n"
        "export f = Net.forward\n"
    )
    names = [node.op.name for node in unit.exports["f"].nodes()]
    assert (names.count("relu"), names.count("gelu"), names.count("matmul")) == (1, 2, 3)
    assert list(unit.state) == [
        "body.0.inner.weight",
        "body.0.inner.bias",
        "body.1.inner.weight",
        "body.1.inner.bias",
    ]


def test_a_model_chooses_its_parts():
    text = (
        "model M(bias=True):\n    if bias:\n        param b: f32[2]\n    else:\n        b = 3\n"
        "    def forward(x: f32[2]):\n        return x + b\n"
    )
    assert list(unit_of(text + "export f = M.forward\n").state) == ["b"]
    text = text.replace("bias=True", "bias=False")
    assert list(unit_of(text + "export f = M.forward\n").state) == []


# -- what is known while the program is built -----------------------------------------------------

STATIC = {
    "1 + 2 * 3 ** 2": 19,
    "7 // 2 % 2": 1,
    "7 / 2": 3.5,
    "-2 ** 2": -4,
    "1 << 4 | 3": 19,
    "~5": -6,
    "not 1 == 2 and 2 < 3 <= 3": True,
    "0 or 5 > 4": True,
    "sqrt(16) + floor(2.7) + ceil(0.2)": 7.0,
    "max(3, 4, 2) - min(1, 2)": 3,
    "int(3.9) + round(2.5) + abs(-1)": 6,
    "len([i for i in range(10) if i % 2 == 0])": 5,
    "[10 * i + j for i in range(3) if i != 1 for j in range(i + 1) if j < 2 if i + j < 3][-1]": 20,
    "([1, 2] + [3])[2] + (4, 5 + (6,)[0])[1]": 14,
    "[10 * i for i in reversed(range(3))][0]": 20,
    "len([0 for row in [[1, 2], [], [3]] for one in row])": 3,
    "[a * b for a, b in zip((1, 2), (3, 4))][1]": 8,
    "[i for i, v in enumerate((5, 6))][-1]": 1,
    "(1, (2, 3))[1][0]": 2,
    "pi > 3.14 and inf > 1": True,
    "A * 2 if A > 3 else A": 8,
    "float(2) / 4": 0.5,
}


@pytest.mark.parametrize("text", STATIC)
def test_numbers_are_computed_while_the_program_is_built(text: str):
    expected = STATIC[text]
    kind = "bool" if isinstance(expected, bool) else "i64" if isinstance(expected, int) else "f64"
    found = value_of(f"return {kind}({text})", head="const A = 4\n")
    assert found == expected
    assert type(found.item()) is type(expected)


def test_dims_are_numbers_of_the_dtype_beside_them():
    head = "dim N: 2..8\n"
    graph = graph_of("return x / sqrt(N) + N / 2", parameters="x: f64[N]", head=head)
    (found,), _ = evaluate(graph, [np.ones(4)])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.ones(4) / 2 + 2)
    graph = graph_of("return sum(x) * sqrt(N)", parameters="x: f16[N]", head=head)
    assert str(graph.results[0].type) == "f16[]"


def test_a_function_sees_the_sizes_of_its_arguments():
    graph = graph_of(
        "return mean2(x) + mean2(x[:2, :])",
        parameters="x: f32[6, 3]",
        head="def mean2(a: f32[N, M]) -> f32[M]:\n    return sum(a, axis=0) / N\n",
    )
    x = np.arange(18, dtype=np.float32).reshape(6, 3)
    (found,), _ = evaluate(graph, [x])
    np.testing.assert_allclose(found, x.mean(0) + x[:2].mean(0), rtol=1e-6)


UNIFIED = [
    ("f32[N]", "f32[B]", "N"),
    ("f32[N, N]", "f32[3, 3]", "N"),
    ("f32[2 * N]", "f32[6]", "2 * N"),
    ("f32[N + M, N, M]", "f32[5, 2, 3]", "M"),
    ("f32[..., N]", "f32[B, 4, 5]", "N"),
    ("f32[N, ...]", "f32[7]", "N"),
    ("f32[N, ..., M]", "f32[2, B, B, 3]", "M"),
    ("f32[B]", "f32[9]", "B"),
    ("f32[]", "f32[]", "1"),
    ("f32[max(N, 3), N]", "f32[3, 2]", "N"),
]


@pytest.mark.parametrize(("annotation", "given_type", "size"), UNIFIED)
def test_annotations_unify(annotation: str, given_type: str, size: str):
    graph = graph_of(
        "return g(x)",
        parameters=f"x: {given_type}",
        head=f"def g(a: {annotation}):\n    return zeros(({size},))\n",
    )
    assert len(graph.results[0].shape) == 1


def test_static_branches_return_early():
    head = "def g(x, n):\n    for i in range(9):\n        if i == n:\n            return x * i\n"
    graph = graph_of("return g(x, 3)", head=head)
    (found,), _ = evaluate(graph, [np.ones((1, 3), np.float32)])
    assert found.tolist() == [[3, 3, 3]]


def test_nested_functions_see_the_names_around_them():
    found = value_of("k = 3", "def g(y):", "    return y * k", "return g(f32(2))")
    assert found == 6


@pytest.mark.parametrize(
    ("lines", "types"),
    [
        (("return one()",), ["f32[]"]),
        (("return 3, 0.5, True, B",), ["i64[]", "f32[]", "bool[]", "i64[]"]),
        (("a: u8[] = 3", "return a"), ["u8[]"]),
    ],
)
def test_numbers_become_tensors_where_a_tensor_is_wanted(lines: tuple[str, ...], types: list[str]):
    graph = graph_of(*lines, head="def one() -> f32[]:\n    return 1\n")
    assert [str(node.type) for node in graph.results] == types


def test_several_results_and_tuples():
    graph = graph_of(
        "a, (b, c) = g(x)", "return a, b + c", head="def g(x):\n    return x, (x, x)\n"
    )
    assert len(graph.results) == 2


def test_augmented_assignment_binds_anew():
    graph = graph_of("y = x", "y += 1", "y *= 2", "return y - x")
    (found,), _ = evaluate(graph, [np.zeros((1, 3), np.float32)])
    assert found.tolist() == [[2, 2, 2]]


def test_a_program_without_exports_is_an_empty_unit():
    unit = unit_of("const A = 1\n")
    assert (dict(unit.exports), dict(unit.state)) == ({}, {})


def test_names_of_the_library_can_be_defined_anew():
    graph = graph_of("return gelu(x)", head="def gelu(x):\n    return x * 7\n")
    assert [node.op.name for node in graph.nodes()][-1] == "multiply"


# -- robustness -----------------------------------------------------------------------------------

TOKENS = st.sampled_from(
    PROGRAM.replace("(", " ( ")
    .replace(")", " ) ")
    .replace("[", " [ ")
    .replace(",", " , ")
    .split(" ")
)


@given(st.lists(TOKENS, min_size=1, max_size=12), st.integers(0, 700))
@settings(max_examples=150, deadline=None)
def test_any_program_ends_in_a_unit_or_in_errors(words: list[str], place: int):
    text = PROGRAM[:place] + " ".join(words) + PROGRAM[place:]
    try:
        unit_of(text)
    except GraphcError as error:
        assert error.render()


def test_long_chains_of_calls_and_conditions_are_not_deep():
    calls = "x" + ".relu().exp()" * 250
    (found,) = graph_of(f"return {calls}").results
    names = [node.op.name for node in Graph("f", (), (), (found,)).nodes()]
    assert names == ["input", *["relu", "exp"] * 250]
    elifs = [(f"elif len(x.shape) == {n}:", f"    return x + {n}") for n in range(2, 2000)]
    chain = [line for lines in elifs for line in lines]
    found = graph_of("if len(x.shape) == 2000:", "    return x", *chain, "else:", "    return -x")
    assert found is graph_of("return x + 2")


HOSTILE = {
    "powers": "const A = 9 ** 9 ** 9 ** 9\n",
    "shifts": "const A = 1 << 100000000000\n",
    "clauses": "def f(x: f32[2]):\n    return [x"
    + " for i in range(99)" * 50
    + "]\nexport f = f\n",
    "ranges": "def f(x: f32[2]):\n    return [x for i in range(10 ** 12)]\nexport f = f\n",
    "calls": "".join(f"def f{i}(x):\n    return f{i + 1}(x) + f{i + 1}(x)\n" for i in range(40))
    + "def f40(x):\n    return x\ndef f(x: f32[2]):\n    return f0(x)\nexport f = f\n",
    "chain": "".join(f"def f{i}(x):\n    return f{i + 1}(x)\n" for i in range(500))
    + "def f500(x):\n    return x\ndef f(x: f32[2]):\n    return f0(x)\nexport f = f\n",
    "models": "".join(f"model M{i}(n=1):\n    a = M{i + 1}()\n" for i in range(500))
    + "model M500(n=1):\n    pass\nexport f = M0\n",
    "nesting": "def f(x: f32[2]):\n    return " + "-" * 5000 + "x\nexport f = f\n",
    "sums": "def f(x: f32[2]):\n    return " + " + ".join(["x"] * 90) + "\nexport f = f\n",
    "dims": "dim B: 0..9223372036854775807\ndef f(x: f32[B, B, B]):\n    return x\nexport f = f\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_program_ends(text: str):
    try:
        unit_of(text)
    except GraphcError as error:
        assert error.render()


# -- graphs in programs ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predict", "train"])
def test_a_printed_graph_is_a_program_that_can_be_built(name: str):
    graph = unit_of(PROGRAM).exports[name]
    unit = unit_of(graph_text(graph) + f"\nexport {name} = {name}\n")
    assert unit.exports[name] is graph
    assert set(unit.state) == {node["name"] for node in graph.state}
    lines = {span.line for node in graph.nodes() for span in unit.sources.spans(node)}
    assert len(lines) > len(list(graph.nodes())) // 2


def test_a_function_calls_a_graph():
    head = "@graph\ndef g(a: f32[B, 3]) -> f32[B, 3]:\n    v0 = exp(a)\n    return v0\n"
    graph = graph_of("return g(x) + 1", head=head)
    assert [node.op.name for node in graph.nodes()][:2] == ["input", "exp"]
    with pytest.raises(GraphcError, match=r"'a' of the graph g is f32\[B, 2\]"):
        graph_of("return g(x[:, :2])", head=head)
    with pytest.raises(GraphcError, match="g needs the argument 'a'"):
        graph_of("return g()", head=head)
