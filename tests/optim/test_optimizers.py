"""Optimizers against NumPy over several steps, and the graph of a training step."""

from __future__ import annotations

import linecache
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc import nn, optim
from graphc.errors import DTypeError, GraphcError, ShapeError, UsageError
from graphc.frontend.tracing.initializers import normal
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Buffer, Parameter
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir import dims
from graphc.ir.dtype import DType, bf16, f16, f32, f64, i32, i64
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Unit
from graphc.ir.node import Node, topological
from graphc.ir.verify import verify
from graphc.optim import LIBRARY, SGD, Adam, Optimizer, adam, adamw, sgd, train_step
from tests.own_words import own_words

Array = np.ndarray[Any, Any]
State = dict[str, Array]
B = dims.variable("B", 1, 4096)


def started(unit: Unit, seed: int = 1) -> State:
    values, _ = evaluate(unit.initial, [np.asarray(seed, np.uint64)])
    return dict(zip(unit.state, values, strict=True))


def called(unit: Unit, export: str, state: State, *arrays: Array) -> tuple[Array, ...]:
    """The results of a call; `state` becomes that after it."""
    graph = unit.exports[export]
    names = [node["name"] for node in graph.state]
    results, after = evaluate(graph, arrays, [state[name] for name in names])
    state.update(zip(names, after, strict=True))
    return results


# -- the formulas ---------------------------------------------------------------------------------


def sgd_reference(
    p: Array, gradients: list[Array], lr: Any, momentum=0.0, nesterov=False, weight_decay=0.0
) -> Array:
    velocity: Array | None = None
    for t, g in enumerate(gradients):
        g = g + weight_decay * p
        velocity = g if velocity is None else momentum * velocity + g
        step = g + momentum * velocity if nesterov else velocity
        p = p - (lr(t) if callable(lr) else lr) * step
    return p


def adam_reference(
    p: Array,
    gradients: list[Array],
    lr: Any = 1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    decoupled=False,
) -> Array:
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients):
        rate = lr(t) if callable(lr) else lr
        if decoupled:
            p = p * (1 - rate * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        m_hat, v_hat = m / (1 - betas[0] ** (t + 1)), v / (1 - betas[1] ** (t + 1))
        p = p - rate * m_hat / (np.sqrt(v_hat) + eps)
    return p


def schedule(step: Any) -> Any:
    return 0.1 / (1 + step)


CASES: dict[str, tuple[Callable[[], Optimizer], Callable[[Array, list[Array]], Array]]] = {
    "sgd": (lambda: sgd(0.1), lambda p, g: sgd_reference(p, g, 0.1)),
    "sgd decay": (
        lambda: sgd(0.1, weight_decay=0.2),
        lambda p, g: sgd_reference(p, g, 0.1, weight_decay=0.2),
    ),
    "sgd momentum": (
        lambda: sgd(0.1, momentum=0.9, weight_decay=0.1),
        lambda p, g: sgd_reference(p, g, 0.1, 0.9, weight_decay=0.1),
    ),
    "sgd nesterov": (
        lambda: sgd(0.1, momentum=0.9, nesterov=True),
        lambda p, g: sgd_reference(p, g, 0.1, 0.9, nesterov=True),
    ),
    "sgd schedule": (lambda: sgd(schedule), lambda p, g: sgd_reference(p, g, schedule)),
    "adam": (lambda: adam(0.05), lambda p, g: adam_reference(p, g, 0.05)),
    "adam decay": (
        lambda: adam(0.05, weight_decay=0.1),
        lambda p, g: adam_reference(p, g, 0.05, weight_decay=0.1),
    ),
    "adam betas": (
        lambda: adam(0.05, betas=(0.3, 0.9), eps=1e-4),
        lambda p, g: adam_reference(p, g, 0.05, (0.3, 0.9), 1e-4),
    ),
    "adam no mean": (
        lambda: adam(0.05, betas=(0.0, 0.0)),
        lambda p, g: adam_reference(p, g, 0.05, (0.0, 0.0)),
    ),
    "adamw": (
        lambda: adamw(0.05, weight_decay=0.1),
        lambda p, g: adam_reference(p, g, 0.05, weight_decay=0.1, decoupled=True),
    ),
    "adamw schedule": (
        lambda: adamw(schedule),
        lambda p, g: adam_reference(p, g, schedule, weight_decay=1e-2, decoupled=True),
    ),
}


class Weights(Module):
    """Parameters of several shapes; the gradient of `slope` is what it is given."""

    def __init__(self, dtype: DType = f32) -> None:
        self.matrix = Parameter((3, 4), dtype, normal())
        self.inner = [Parameter((), dtype, normal()), Parameter((0, 2), dtype, normal())]

    def forward(self, matrix, number, nothing):
        one, two = self.inner
        pairs = ((self.matrix, matrix), (one, number), (two, nothing))
        return sum((weight * g).sum() for weight, g in pairs)


def slope(net: Weights, *gradients: Any) -> Any:
    return net(*gradients)


def slope_types(dtype: DType) -> tuple[Any, ...]:
    return dtype[3, 4], dtype[()], dtype[0, 2]


PATHS = ("matrix", "inner.0", "inner.1")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
def test_against_numpy(case: str, dtype: DType) -> None:
    make, reference = CASES[case]
    rng = np.random.default_rng(0)
    unit = build_unit({"train": train_step(Weights(dtype), slope, make(), *slope_types(dtype))})
    verify(unit.exports["train"])
    state = started(unit)
    before = {path: state[path].astype(np.float64) for path in PATHS}
    given_: list[list[Array]] = [[], [], []]
    for _ in range(5):
        step = [rng.normal(size=state[path].shape).astype(dtype.numpy) for path in PATHS]
        for kept, gradient in zip(given_, step, strict=True):
            kept.append(gradient.astype(np.float64))
        called(unit, "train", state, *map(np.asarray, step))
    for path, gradients in zip(PATHS, given_, strict=True):
        expected = reference(before[path], gradients)
        tolerance = 64 * dtype.epsilon
        np.testing.assert_allclose(state[path], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [f16, bf16], ids=str)
def test_narrow_parameters_are_updated_in_f32(case: str, dtype: DType) -> None:
    make, reference = CASES[case]
    unit = build_unit({"train": train_step(Weights(dtype), slope, make(), *slope_types(dtype))})
    state = started(unit)
    before = state["matrix"].astype(np.float64)
    ones = [np.ones(state[path].shape, dtype.numpy) for path in PATHS]
    called(unit, "train", state, *ones)
    for name, value in state.items():
        is_slot = name.startswith("optimizer.") and name != "optimizer.step"
        assert value.dtype == (np.dtype(np.float32) if is_slot else value.dtype)
    assert state["matrix"].dtype == dtype.numpy
    expected = reference(before, [np.ones((3, 4))])
    # One rounding, of the exact result.
    np.testing.assert_allclose(
        state["matrix"].astype(np.float64), expected, rtol=dtype.epsilon, atol=1e-6
    )


@settings(deadline=None, max_examples=20)
@given(
    st.floats(0, 1),
    st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    st.floats(1e-8, 1e-2),
    st.floats(0, 0.5),
    st.booleans(),
)
def test_adam_of_any_arguments(
    lr: float, betas: tuple[float, float], eps: float, decay: float, decoupled: bool
) -> None:
    make = adamw if decoupled else adam
    optimizer = make(lr, betas, eps, decay)
    unit = build_unit({"train": train_step(Weights(f64), slope, optimizer, *slope_types(f64))})
    state = started(unit)
    before = state["matrix"]
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(3, 4)) for _ in range(3)]
    for gradient in gradients:
        called(unit, "train", state, gradient, np.zeros(()), np.zeros((0, 2)))
    expected = adam_reference(before, gradients, lr, betas, eps, decay, decoupled)
    np.testing.assert_allclose(state["matrix"], expected, rtol=1e-9, atol=1e-9)


# -- structure ------------------------------------------------------------------------------------


class MLP(Module):
    """A classifier."""

    def __init__(self, n_in: int = 8) -> None:
        self.fc1 = nn.Linear(n_in, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(call("relu", self.fc1(x)))


def loss(net: Module, x: f32[B, 8], y: i32[B]):
    """The cross entropy."""
    return call("cross_entropy", net(x), y)


MLP_PATHS = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]


def test_names_and_order_of_state() -> None:
    unit = build_unit({"train": train_step(MLP(), loss, adamw())})
    graph = unit.exports["train"]
    names = [
        *MLP_PATHS,
        "optimizer.step",
        *(f"optimizer.m.{path}" for path in MLP_PATHS),
        *(f"optimizer.v.{path}" for path in MLP_PATHS),
    ]
    assert list(unit.state) == names
    assert [node["name"] for node in graph.state] == names
    assert [node["name"] for node, _ in graph.updates] == names
    assert [node["name"] for node in graph.inputs] == ["x", "y"]
    assert unit.docs == {"train": "The cross entropy."}
    assert str(unit.state["optimizer.step"]) == "i64[]"
    plain = build_unit({"train": train_step(MLP(), loss, sgd(0.1))})
    assert list(plain.state) == MLP_PATHS
    heavy = build_unit({"train": train_step(MLP(), loss, sgd(0.1, momentum=0.9, name="opt"))})
    assert list(heavy.state) == [*MLP_PATHS, *(f"opt.momentum.{path}" for path in MLP_PATHS)]


def expression(value: Node, leaves: set[Node]) -> list[str]:
    """The ops between the leaves and a value, with what is the same for all elements by name."""
    found: list[str] = []
    stack = [value]
    while stack:
        node = stack.pop()
        if node in leaves:
            found.append("leaf")
        elif not node.shape:
            found.append(f"number {id(node)}")
        else:
            found.append(node.op.name)
            stack.extend(node.inputs)
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_is_updated_by_the_same_expression(case: str) -> None:
    unit = build_unit({"train": train_step(MLP(), loss, CASES[case][0]())})
    graph = unit.exports["train"]
    # What the loss and its gradients are made of ends where the optimizer begins.
    plain = build_unit({"train": train_step(MLP(), loss, sgd(0.0))}).exports["train"]
    gradients = {node for _, new in plain.updates for node in topological([new]) if node.shape}
    gradients -= {new for _, new in plain.updates}
    leaves = gradients | set(graph.state)
    updates = {node["name"]: new for node, new in graph.updates}
    for prefix in {name.removesuffix(MLP_PATHS[0]) for name in updates}:
        of_one_kind = [updates[f"{prefix}{p}"] for p in MLP_PATHS if f"{prefix}{p}" in updates]
        texts = {tuple(expression(value, leaves)) for value in of_one_kind}
        assert len(texts) <= 1, prefix


def test_bias_corrections_are_numbers_computed_once() -> None:
    unit = build_unit({"train": train_step(MLP(), loss, adam())})
    powers = [node for node in unit.exports["train"].nodes() if node.op.name == "power"]
    assert [str(node.type) for node in powers] == ["f64[]", "f64[]"]


def test_gradients_come_from_the_lines_of_the_loss() -> None:
    unit = build_unit({"train": train_step(MLP(), loss, sgd(0.1))})
    products = [node for node in unit.exports["train"].nodes() if node.op.name == "matmul"]
    assert len(products) == 5
    for node in products:
        assert {span.file for span in unit.sources.spans(node)} == {__file__}


def test_training_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype(np.float32)
    y = np.argmax(x[:, :3], axis=1).astype(np.int32)
    net = MLP()
    unit = build_unit(
        {"predict": Export(net, (f32["B", 8],)), "train": train_step(net, loss, adam(0.01))}
    )
    state = started(unit)
    losses = [float(called(unit, "train", state, x, y)[0]) for _ in range(100)]
    assert losses[0] > 0.9 and losses[-1] < 0.2
    (logits,) = called(unit, "predict", state, x)
    assert (np.argmax(logits, axis=1) == y).mean() > 0.95
    assert state["optimizer.step"] == 100


def test_further_results_are_returned_and_not_differentiated() -> None:
    def with_logits(net, x: f32[B, 8], y: i32[B]):
        logits = net(x)
        return call("cross_entropy", logits, y), {"hits": logits.argmax(axis=-1) == y}

    unit = build_unit({"train": train_step(MLP(), with_logits, sgd(0.1))})
    plain = build_unit({"train": train_step(MLP(), loss, sgd(0.1))})
    graph = unit.exports["train"]
    assert [str(node.type) for node in graph.results] == ["f32[]", "bool[B]"]
    assert graph.updates == plain.exports["train"].updates


def test_frozen_and_unused_parameters_are_left_alone() -> None:
    class Partly(MLP):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(8, 8)
            self.fc1.freeze()

    unit = build_unit({"train": train_step(Partly(), loss, adamw())})
    updated = [node["name"] for node, _ in unit.exports["train"].updates]
    assert updated == [
        *MLP_PATHS[2:],
        "optimizer.step",
        *(f"optimizer.{slot}.{path}" for slot in "mv" for path in MLP_PATHS[2:]),
    ]
    assert "unused.weight" in unit.state


def test_a_tied_parameter_has_the_gradient_of_all_its_uses() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.first = nn.Linear(2, 2, bias=False)
            self.second = nn.Linear(2, 2, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.second(self.first(x))

    unit = build_unit({"train": train_step(Tied(), lambda n, x: n(x).sum(), sgd(1.0), f32[2])})
    state = started(unit)
    w, x = state["first.weight"].astype(np.float64), np.array([1, 2], np.float32)
    called(unit, "train", state, x)
    ones = np.ones(2)
    expected = w - np.outer(w.T @ ones, x) - np.outer(ones, w @ x)
    assert list(state) == ["first.weight"]
    np.testing.assert_allclose(state["first.weight"], expected, rtol=1e-5)


def test_state_that_layers_update_is_updated_by_the_step() -> None:
    class Running(Module):
        def __init__(self) -> None:
            self.weight = Parameter(3)
            self.mean = Buffer(3)

        def forward(self, x):
            self.mean.update(0.5 * self.mean + 0.5 * x.mean(axis=0))
            return ((x - self.mean) * self.weight).sum()

    unit = build_unit({"train": train_step(Running(), lambda n, x: n(x), sgd(0.1), f32["B", 3])})
    state = started(unit)
    called(unit, "train", state, np.full((2, 3), 4, np.float32))
    np.testing.assert_array_equal(state["mean"], [2, 2, 2])
    np.testing.assert_allclose(state["weight"], [-0.4] * 3, rtol=1e-6)


def test_two_exports_share_an_optimizer() -> None:
    net, optimizer = MLP(), adam()
    unit = build_unit(
        {
            "train": train_step(net, loss, optimizer),
            "train_one": train_step(net, loss, optimizer, f32[1, 8], i32[1]),
        }
    )
    one, other = (unit.exports[name].state for name in ("train", "train_one"))
    assert one == other
    assert len(unit.state) == 13


def test_two_models_with_an_optimizer_each() -> None:
    models = {"left": MLP(), "right": MLP()}
    steps = {
        name: train_step(model, loss, sgd(0.1, momentum=0.5)) for name, model in models.items()
    }
    unit = build_unit(steps, models=models)
    assert [node["name"] for node in unit.exports["right"].state] == [
        *(f"right.{path}" for path in MLP_PATHS),
        *(f"optimizer.momentum.right.{path}" for path in MLP_PATHS),
    ]


def test_optimizers_that_would_share_a_counter_are_refused() -> None:
    net, other = MLP(), MLP()
    same = adam()
    for first, second in ((adam(), adam()), (same, same)):
        with pytest.raises(UsageError, match=r"'optimizer\.step'"):
            build_unit(
                {"a": train_step(net, loss, first), "b": train_step(other, loss, second)},
                models={"net": net, "other": other},
            )
    with pytest.raises(UsageError, match=r"'optimizer\.step'"):
        build_unit({"a": train_step(net, loss, adam()), "b": train_step(net, loss, adam())})


REFUSED: dict[str, tuple[Callable[[], object], type[GraphcError], str]] = {
    "negative rate": (lambda: sgd(-0.1), UsageError, "lr is -0.1"),
    "nan": (lambda: adam(math.nan), UsageError, "lr is nan"),
    "beta": (lambda: adam(betas=(0.9, 1.0)), UsageError, r"betas\[1\] is 1.0"),
    "eps": (lambda: adam(eps=-1.0), UsageError, "eps"),
    "decay": (lambda: adamw(weight_decay=-1.0), UsageError, "weight_decay"),
    "nesterov": (lambda: sgd(0.1, nesterov=True), UsageError, "a momentum"),
    "name": (lambda: sgd(0.1, name="a b"), UsageError, "an identifier"),
    "tensor loss": (lambda: step(lambda net, x: net(x), f32["B", 8]), ShapeError, "mean or sum"),
    "integer loss": (
        lambda: step(lambda net, x: (net(x).sum() > 0).astype(i64), f32["B", 8]),
        DTypeError,
        "gradient of a i64",
    ),
    "no tensor": (lambda: step(lambda net, x: 1.0, f32[8]), UsageError, "returned 1.0"),
    "no model": (lambda: step(lambda net, x: x.sum(), f32[8]), UsageError, "no trainable"),
    "no arguments": (lambda: step(lambda: 1), UsageError, "first argument"),
    "no types": (lambda: step(lambda net, x: net(x).sum()), UsageError, "type of the argument 'x'"),
    "schedule": (
        lambda: step(
            lambda net, x: net(x).sum(), f32[8], optimizer=sgd(lambda t: call("zeros", (2,)))
        ),
        ShapeError,
        r"expected f64\[\]",
    ),
}


def step(loss: Callable[..., Any], *types: Any, optimizer: Optimizer | None = None) -> Unit:
    return build_unit({"train": train_step(MLP(), loss, optimizer or sgd(0.1), *types)})


@pytest.mark.parametrize(
    "given",
    [
        {"lr": "a"},
        {"lr": None},
        {"lr": float("nan")},
        {"betas": 0.9},
        {"betas": (0.9, "b")},
        {"eps": "a"},
        {"weight_decay": "a"},
        {"name": 3},
    ],
)
@pytest.mark.parametrize("optimizer", [Adam, adam, adamw])
def test_what_is_no_number_is_refused(optimizer: Any, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(given))}.* is .*, expected"):
        optimizer(**given)


def test_classes_have_the_defaults_of_their_functions() -> None:
    assert vars(Adam(lr=0.1)) == vars(adam(lr=0.1))
    assert vars(SGD(lr=0.1)) == vars(sgd(lr=0.1))


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    action, error, text = REFUSED[case]
    with pytest.raises(error) as caught:
        action()
    assert re.search(text, own_words(caught.value))


def test_a_loss_that_is_no_number_is_refused_where_it_is_computed() -> None:
    def rows(net, x: f32[B, 8]):
        hidden = net(x)
        return hidden * 2

    for wrong in (rows, lambda net, x: (net(x).sum() > 0).astype(i64)):
        with pytest.raises(GraphcError) as caught:
            step(wrong, f32[B, 8])
        assert caught.value.span is not None and caught.value.span.file == __file__
    with pytest.raises(ShapeError) as caught:
        step(rows)
    line = linecache.getline(__file__, caught.value.span.line)
    assert line[caught.value.span.column - 1 :].startswith("hidden * 2")


def test_the_library_names_what_it_holds() -> None:
    for name, function in LIBRARY.items():
        assert getattr(optim, name) is function and function.__name__ == name
