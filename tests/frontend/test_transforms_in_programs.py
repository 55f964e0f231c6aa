"""Transforms in the language: the same graphs as from Python, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import transforms
from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.graph_text import graph_text
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import trace
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Unit
from graphc.library import library
from tests.own_words import own_words


def unit_of(text: str) -> Unit:
    return elaborate(text, "transforms.gc", library())


TRANSFORMED = """
dim N: 1..64

model Net:
    fc = Linear(4, 4)

    def forward(x: f32[N, 4]) -> f32[N, 4]:
        return fc(x)

def loss(net: Net, x: f32[N, 4]) -> f32[]:
    return sum(net(x) ** 2)

def energy(x: f32[N], k=2.0) -> f32[]:
    return sum(tanh(x) ** 2) * k

def total(x):
    return sum(tanh(x))

def f({parameters}):
    {body}

export f = f
"""


def _energy(x: Any, k: float = 2.0) -> Any:
    return call("sum", call("tanh", x) ** 2) * k


def _total(x: Any) -> Any:
    return call("sum", call("tanh", x))


VECTOR, ROWS = "x: f32[N]", "x: f32[N, 4]"
TRANSFORMS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "grad": (VECTOR, "return grad(energy)(x)", transforms.grad(_energy)),
    "keyword": (
        VECTOR,
        "return grad(energy)(x, k=3.0)",
        lambda x: transforms.grad(_energy)(x, k=3.0),
    ),
    "value_and_grad": (
        VECTOR,
        "return value_and_grad(energy)(x)",
        transforms.value_and_grad(_energy),
    ),
    "vmap": (ROWS, "return vmap(grad(total))(x)", transforms.vmap(transforms.grad(_total))),
    "library": (ROWS, "return vmap(sum)(x)", transforms.vmap(lambda x: call("sum", x))),
    "jacobian": (
        VECTOR,
        "return jacobian(tanh)(x)",
        transforms.jacobian(lambda x: call("tanh", x)),
    ),
    "jacfwd": (VECTOR, "return jacfwd(tanh)(x)", transforms.jacfwd(lambda x: call("tanh", x))),
    "hessian": (VECTOR, "return hessian(energy)(x)", transforms.hessian(_energy)),
    "jvp": (
        VECTOR,
        "return jvp(energy, (x,), (x,))",
        lambda x: transforms.jvp(_energy, (x,), (x,)),
    ),
    "vjp": (VECTOR, "y, pull = vjp(tanh, x)\n    return pull(y)[0]", lambda x: _pulled(x)),
}


def _pulled(x: Any) -> Any:
    y, pull = transforms.vjp(lambda x: call("tanh", x), x)
    return pull(y)[0]


def _transformed(parameters: str, body: str) -> Unit:
    return unit_of(TRANSFORMED.format(parameters=parameters, body=body))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_means_what_it_means_in_python(name: str) -> None:
    parameters, body, function = TRANSFORMS[name]
    graph = _transformed(parameters, body).exports["f"]
    (x,) = graph.inputs
    assert trace(lambda x: function(x), x.tensor, name="f")[0] is graph


def test_gradients_by_a_model_are_named_by_its_parameters() -> None:
    unit = _transformed("net: Net, x: f32[N, 4]", 'return grad(loss)(net, x)["fc.weight"]')
    graph = unit.exports["f"]
    x = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
    given = {"fc.weight": np.eye(4, dtype=np.float32), "fc.bias": np.ones(4, np.float32)}
    (found,), _ = evaluate(graph, [x], [given[node["name"]] for node in graph.state])
    np.testing.assert_allclose(found, (2 * (x + 1)).T @ x, rtol=1e-6)


def test_tables_with_their_names_in_another_order_are_one_form() -> None:
    """Of two models, whose parameters are declared in another order."""
    text = """
model A:
    param a: f32[2] = ones()
    param b: f32[2] = ones()

    def forward(x: f32[2]):
        return a * x + 2 * b

model B:
    param b: f32[2] = ones()
    param a: f32[2] = ones()

    def forward(x: f32[2]):
        return a * x * x + 3 * b

def la(net: A, x):
    return sum(net(x))

def lb(net: B, x):
    return sum(net(x))

def f(p: A, q: B, x: f32[2]):
    g = grad(la)(p, x)
    for i in arange(3):
        g = grad(lb)(q, x)
    h = grad(la)(p, x) if x[0] > 3 else grad(lb)(q, x)
    return g["a"], g["b"], h["a"], h["b"]

export f = f
"""
    graph = unit_of(text).exports["f"]
    x = np.array([1, 2], np.float32)
    found, _ = evaluate(graph, [x], [np.ones(2, np.float32) for _ in graph.state])
    for one, expected in zip(found, (x * x, [3, 3], x * x, [3, 3]), strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    "loop",
    [
        "p, d in zip(net.parameters(), g.values())",
        "p, (_, d) in zip(net.parameters(), g.items())",
        "p, d in zip(net.parameters(), [g[name] for name in g.keys()])",
        "p, d in zip(net.parameters(), [g[name] for name in g if len(g) == 2])",
    ],
)
def test_an_optimizer_of_ones_own_loops_over_the_gradients_of_a_model(loop: str) -> None:
    body = (
        f"g = grad(loss)(net, x)\n    for {loop}:\n        update p = p - 0.1 * d\n"
        "    return loss(net, x)"
    )
    own = _transformed("net: Net, x: f32[N, 4]", body).exports["f"]
    head, _ = TRANSFORMED.split("def f(")
    step = unit_of(f"{head}export f = train_step(Net, loss, sgd(lr=0.1))\n").exports["f"]
    x = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
    given = {"fc.weight": np.eye(4, dtype=np.float32), "fc.bias": np.ones(4, np.float32)}
    for one in (own, step):
        assert [node["name"] for node, _ in one.updates] == list(given)
    (_, mine), (_, theirs) = (evaluate(one, [x], list(given.values())) for one in (own, step))
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


EXPORTED = {
    "grad(energy)": "x: f32[N], k=2.0",
    "value_and_grad(energy)": "x: f32[N], k=2.0",
    "checkpoint(energy)": "x: f32[N], k=2.0",
    "hessian(energy)": "x: f32[N], k=2.0",
    "jacobian(grad(energy))": "x: f32[N], k=2.0",
    "grad(loss, 1)": "net: Net, x: f32[N, 4]",
    "grad(loss)": "net: Net, x: f32[N, 4]",
    "value_and_grad(loss, (0, 1))": "net: Net, x: f32[N, 4]",
}


@pytest.mark.parametrize("transformed", EXPORTED)
def test_a_transform_of_a_function_is_exported_with_its_types(transformed: str) -> None:
    parameters = EXPORTED[transformed]
    names = ", ".join(one.partition(":")[0] for one in parameters.split(", ") if ":" in one)
    text = TRANSFORMED.format(parameters=parameters, body=f"return {transformed}({names})")
    unit = unit_of(f"{text}\nexport g = {transformed}\n")
    written, exported = unit.exports["f"], unit.exports["g"]
    assert written.results == exported.results and written.inputs == exported.inputs
    assert written.state == exported.state


@pytest.mark.parametrize(
    ("transformed", "made"),
    [
        ("vmap(energy)", "vmap(...)"),
        ("vmap(grad(energy))", "vmap(...)"),
        ("grad(total)", "grad(...)"),
    ],
)
def test_an_export_of_a_transform_needs_types(transformed: str, made: str) -> None:
    text = TRANSFORMED.format(parameters=VECTOR, body="return x")
    with pytest.raises(GraphcError) as caught:
        unit_of(f"{text}\nexport g = {transformed}\n")
    assert f"the types of the arguments of {made} are not known" in caught.value.message
    assert f"def g(x: f32[B, 64]): return {made}(x)" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("parameters", "body", "message"),
    [
        (VECTOR, "return grad(x)(x)", "takes a function"),
        (VECTOR, "return grad(exp)(x)", "expected a number without axes"),
        (VECTOR, "return grad(energy)(x, 3, 4)", "takes 2 arguments"),
        (VECTOR, "return grad(energy, 2)(x)", "argnums=2"),
        (VECTOR, "return grad(energy, 'x')(x)", "grad"),
        ("x: i32[N]", "return grad(sum)(x)", "derivative with respect to"),
        ("x: f32[]", "return vmap(total)(x)", "vmap"),
        ("net: Net, " + ROWS, 'return grad(loss)(net, x)["fc.wight"]', "has no 'fc.wight'"),
    ],
)
def test_transforms_are_refused_where_they_are_written(
    parameters: str, body: str, message: str
) -> None:
    with pytest.raises(GraphcError) as caught:
        _transformed(parameters, body)
    assert message in own_words(caught.value)
    assert (
        caught.value.span is not None
        and "return"
        in TRANSFORMED.format(parameters=parameters, body=body).splitlines()[
            caught.value.span.line - 1
        ]
    )


CHECKPOINTED = """
@checkpoint
def part(x, k=2.0):
    return sum(tanh(x) ** 2) * k

def f(x: f32[8]) -> f32[8]:
    return grad(part)(x, k=3.0)

export f = f
"""


def test_checkpoint_above_a_function_means_what_it_means_in_python() -> None:
    graph = unit_of(CHECKPOINTED).exports["f"]
    (x,) = graph.inputs
    function = transforms.grad(transforms.checkpoint(lambda x: _energy(x, 3.0)))
    assert trace(lambda x: function(x), x.tensor, name="f")[0] is graph
    assert "optimization_barrier" in graph_text(graph)


BLOCKS = """
dim B: 1..64

model Block(n):
    fc = Linear(n, n)

    {decorator}
    def forward(x: f32[B, n]) -> f32[B, n]:
        return x + gelu(fc(x))

model Net(n=4):
    blocks = [Block(n) for _ in range(2)]

    def forward(x: f32[B, n]) -> f32[B, n]:
        for block in blocks:
            x = block(x)
        return x

def loss(net: Net, x: f32[B, 4]) -> f32[]:
    return mean(net(x) ** 2)

export train = train_step(Net, loss, sgd(lr=0.1))
"""


def test_methods_of_models_are_computed_again_to_the_same_bits() -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
    found = []
    for decorator in ("", "@checkpoint"):
        graph = unit_of(BLOCKS.format(decorator=decorator)).exports["train"]
        assert ("optimization_barrier" in graph_text(graph)) is bool(decorator)
        rng = np.random.default_rng(0)
        state = [rng.standard_normal(node.shape).astype(np.float32) for node in graph.state]
        results, updates = evaluate(graph, [x], state)
        found.append([*results, *updates])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


DECORATED = """
def twice(f):
    def g(x):
        return f(f(x))
    return g

def slope(x, value, g):
    return 3 * g

@twice
@gradient(slope)
def up(x: f32[]) -> f32[]:
    return round(x) + 1

@vmap
def rows(x: f32[4]) -> f32[]:
    return sum(x)

def f(x: f32[], y: f32[2, 4]) -> (f32[], f32[], f32[2]):
    return up(x), grad(up)(x), rows(y)

export f = f
"""


def test_a_decorator_is_a_function_of_the_function_below_it() -> None:
    y = np.arange(8, dtype=np.float32).reshape(2, 4)
    results, _ = evaluate(unit_of(DECORATED).exports["f"], [np.float32(1.4), y])
    assert [one.tolist() for one in results] == [3.0, 9.0, [6.0, 22.0]]


@pytest.mark.parametrize(
    ("decorators", "code", "line", "message"),
    [
        ("@inline", "decorator", 1, "no meaning"),
        ("@exp(3)", "not-callable", 1, "is no function"),
        ("@checkpoint()", "argument-missing", 1, "'function'"),
        ("@gradient(straight_through)\n@checkpoint", "decorator", 2, "stands below @gradient"),
        ("@checkpoint", "recursion", 3, "calls itself"),
    ],
)
def test_decorators_are_refused_where_they_stand(
    decorators: str, code: str, line: int, message: str
) -> None:
    body = "f(x)" if code == "recursion" else "x"
    with pytest.raises(GraphcError) as caught:
        unit_of(f"{decorators}\ndef f(x: f32[3]) -> f32[3]:\n    return {body}\n\nexport f = f\n")
    assert message in own_words(caught.value)
    assert (caught.value.code, caught.value.span and caught.value.span.line) == (code, line)
