"""Transforms in the language: the same graphs as from Python, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import transforms
from graphc.errors import GraphcError, SourceError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tensor import call
from graphc.frontend.trace import trace
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Unit
from graphc.library import library


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
    with pytest.raises(GraphcError, match=re.escape(message)) as caught:
        _transformed(parameters, body)
    assert (
        caught.value.span is not None
        and "return"
        in TRANSFORMED.format(parameters=parameters, body=body).splitlines()[
            caught.value.span.line - 1
        ]
    )


def test_checkpoint_is_refused_with_what_the_compiler_does() -> None:
    with pytest.raises(SourceError, match="@checkpoint is not supported"):
        unit_of("@checkpoint\ndef f(x: f32[3]) -> f32[3]:\n    return x\n\nexport f = f\n")
