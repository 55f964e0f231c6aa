"""Models as functions of their state: ensembles, and what `vmap` says of state that all share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import transforms
from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.trees import leaves
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from tests.own_words import own_words

Array = np.ndarray[Any, Any]

MEMBERS = 3


class Net(gc.nn.Module):
    def __init__(self) -> None:
        self.hidden = gc.nn.Linear(5, 6)
        self.norm = gc.nn.BatchNorm1d(6)
        self.out = gc.nn.Linear(6, 1)

    def forward(self, x: Any) -> Any:
        return self.out(gc.tanh(self.norm(self.hidden(x))))


NET = Net()
PATHS = [path for path, _ in NET.named_state()]
TRAINED = [path for path, _ in NET.named_parameters()]
random = np.random.default_rng(8)
STATES = [
    random.uniform(1.5, 2.5, (MEMBERS, *state.sizes)).astype(state.dtype.numpy)
    for _, state in NET.named_state()
]
X = random.normal(size=(4, 5)).astype(np.float32)


def step(values: Any, x: Any) -> Any:
    """The loss, what the running moments become, and the slopes of the parameters."""
    state = dict(zip(PATHS, values, strict=True))

    def loss(parameters: Any) -> Any:
        result, after = gc.stateless_call(NET, {**state, **parameters}, x)
        return gc.mean(result**2), after

    return gc.value_and_grad(loss, has_aux=True)({path: state[path] for path in TRAINED})


def in_training(function: Callable[..., Any], *arrays: Array) -> list[Array]:
    types = [dtypes.from_numpy(one.dtype)[one.shape] for one in arrays]
    graph = gc.trace(lambda *x: tuple(leaves(function(*x))), *types, training=True).graph
    assert not graph.state
    return list(evaluate(graph, list(arrays))[0])


def test_an_ensemble_is_each_of_its_models_with_state_of_its_own() -> None:
    many = gc.vmap(step, in_axes=(0, None))
    found = in_training(lambda *x: many(x[:-1], x[-1]), *STATES, X)
    for member in range(MEMBERS):
        own = [np.array(value[member]) for value in STATES]
        expected = in_training(lambda *x: step(x[:-1], x[-1]), *own, X)
        assert len(found) == len(expected) == 1 + len(PATHS) + len(TRAINED)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one[member], other, rtol=1e-4, atol=1e-5)
    moved = dict(zip(PATHS, found[1:], strict=False))
    counts = STATES[PATHS.index("norm.num_batches_tracked")]
    np.testing.assert_array_equal(moved["norm.num_batches_tracked"], counts + 1)
    assert not np.allclose(moved["norm.running_mean"], STATES[PATHS.index("norm.running_mean")])


def test_a_model_keeps_what_it_is_not_given() -> None:
    class Sum(gc.nn.Module):
        def __init__(self) -> None:
            self.count, self.total = (gc.nn.Buffer((), gc.f32) for _ in range(2))

        def forward(self, x: Any) -> Any:
            self.count.update(self.count + 1)
            self.total.update(gc.scan(self.add, x[0], x)[0])
            return self.count * self.total

        def add(self, carry: Any, one: Any) -> Any:
            self.total.update(self.total + one)
            return self.total + carry, one

    def both(model: Any, x: Any) -> Any:
        model(x)
        apart, after = gc.stateless_call(model, {"total": 10.0}, x)
        return apart, after["total"], model.total, model.count

    model = Sum()
    graph = gc.trace(both, model, gc.f32[2]).graph
    x = np.ones(2, np.float32)
    values, state = evaluate(graph, [x], [np.zeros((), np.float32)] * 2)
    # The count is the model's own, and moved by both calls.
    assert [float(one) for one in values] == [2 * 24.0, 24.0, 4.0, 2.0]
    assert [float(one) for one in state] == [2.0, 4.0]


def test_a_model_that_the_trace_does_not_know_draws_random_numbers() -> None:
    class Noisy(gc.nn.Module):
        def __init__(self) -> None:
            self.fc = gc.nn.Linear(5, 5)
            self.drops = [gc.nn.Dropout(0.5) for _ in range(2)]

        def forward(self, x: Any) -> Any:
            return tuple(drop(self.fc(x)) for drop in self.drops)

    model = Noisy()
    state = {path: np.ones(one.sizes, np.float32) for path, one in model.named_state()}
    graph = gc.trace(
        lambda x: gc.stateless_call(model, state, x)[0], gc.f32[4, 5], training=True
    ).graph
    counter = np.array(3, np.uint64)
    (one, other), (after,) = evaluate(graph, [np.ones((4, 5), np.float32)], [counter])
    assert {0.0, 12.0} == set(one.flat) == set(other.flat)
    assert not np.array_equal(one, other)
    assert after == counter + 1


def test_state_that_does_not_fit_is_refused() -> None:
    x = gc.f32[4, 5]
    with pytest.raises(UsageError) as caught:
        gc.trace(lambda x: gc.stateless_call(NET, {"norm.runing_mean": x}, x)[0], x)
    assert "no state 'norm.runing_mean'" in own_words(caught.value)
    assert "norm.running_mean" in str(caught.value.hint)
    for value, error in [
        (gc.arange(1), DTypeError),
        (np.zeros((), np.float32), ShapeError),
        (np.zeros((1, 1), np.float32), ShapeError),
        ("cat", UsageError),
    ]:
        with pytest.raises(error, match=r"the state 'out\.bias' is .* expected"):
            gc.trace(lambda x, one=value: gc.stateless_call(NET, {"out.bias": one}, x)[0], x)


def test_a_model_is_called_with_arrays_as_its_state() -> None:
    layer = gc.nn.Linear(5, 2)
    state = {"weight": np.ones((2, 5), np.float32), "bias": np.full(2, 3, np.float32)}
    found, after = gc.stateless_call(layer, state, X)
    np.testing.assert_allclose(found, np.repeat(X.sum(1, keepdims=True) + 3, 2, axis=1), rtol=1e-5)
    assert after.keys() == state.keys()
    for path, value in state.items():
        np.testing.assert_array_equal(after[path], value, strict=True)
    own, after = gc.stateless_call(layer, {"bias": state["bias"]}, x=X)
    first = gc.compile(layer, gc.f32[4, 5], device="reference").state_dict()["weight"]
    np.testing.assert_allclose(own, X @ first.T + 3, rtol=1e-5)
    assert list(after) == ["bias"]


def test_state_that_is_not_given_belongs_to_a_model_that_the_trace_knows() -> None:
    layer, weight = gc.nn.Linear(5, 2), np.ones((2, 5), np.float32)

    def total(weight: Any, layer: Any) -> Any:
        return gc.stateless_call(layer, {"weight": weight}, X)[0].sum()

    assert gc.grad(total)(weight, layer).shape == (2, 5)
    with pytest.raises(UsageError, match="belongs to no model that this trace knows") as caught:
        gc.grad(lambda weight: total(weight, layer))(weight)
    assert list(caught.value.notes) == ["<module Linear> is not given its state bias"]


@pytest.mark.parametrize(
    ("model", "state", "message"),
    [
        (3, {}, r"the model is 3 \(int\)"),
        (NET, 3, r"the state is 3 \(int\)"),
        (NET, [X], r"the state is \[<?(array|tensor)"),
    ],
)
def test_what_is_no_model_or_no_state_is_refused(model: Any, state: Any, message: str) -> None:
    for call in (gc.stateless_call, transforms.stateless_call):
        with pytest.raises(UsageError) as caught:
            call(model, state, X)
        assert re.search(message, own_words(caught.value))
        assert "stateless_call(model, state, x)" in (caught.value.hint or "")


def test_vmap_names_the_state_that_its_parts_share() -> None:
    with pytest.raises(UsageError, match=r"norm\.running_mean, norm\.running_var to") as caught:
        gc.trace(lambda net, x: gc.vmap(net)(x), NET, gc.f32[3, 4, 5], training=True)
    assert "norm.num_batches_tracked" not in own_words(caught.value)
    assert "stateless_call" in str(caught.value.hint)


LAYER = gc.nn.Linear(2, 1, bias=False)
STATE = {"weight": np.array([[2.0, 1.0]], np.float32)}
ROW = np.array([3.0, 4.0], np.float32)


def compiled(function: Callable[..., Any], *given: Any) -> Any:
    """What a module gives, of which models are parts."""
    module = gc.compile(function, *given, device="reference")
    return module(*(leaf for leaf in leaves(given) if not isinstance(leaf, gc.nn.Module)))


VERBS: dict[str, Callable[..., Any]] = {
    "function": lambda function, *given: gc.function(function, device="reference")(*given),
    "grad": lambda function, *given: gc.grad(function, argnums=len(given) - 1)(*given),
    "vmap": lambda function, *given: gc.vmap(function, (None,) * len(given), axis_size=2)(*given),
    "compile": compiled,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_model_from_around_the_function_is_refused_and_what_is_told_works(verb: str) -> None:
    apply = VERBS[verb]
    with pytest.raises(UsageError) as caught:
        apply(lambda x: LAYER(x).sum(), ROW)
    assert caught.value.code == "unknown-state" and caught.value.span is not None
    hint = caught.value.hint or ""
    assert "models=" not in hint
    assert all(way in hint for way in ("f(model, x)", "stateless_call", "compile(model, ...)"))
    # At its first values, which the seed decides, and at values that are given.
    as_argument = apply(lambda model, x: model(x).sum(), LAYER, ROW)
    value = apply(lambda state, x: gc.stateless_call(LAYER, state, x)[0].sum(), STATE, ROW)
    expected = STATE["weight"][0] if verb == "grad" else 10.0
    np.testing.assert_array_equal(value, np.broadcast_to(expected, np.shape(value)))
    assert np.shape(as_argument) == np.shape(value)
    np.testing.assert_allclose(
        gc.compile(LAYER, ROW, device="reference")(ROW).sum(),
        compiled(lambda model, x: model(x).sum(), LAYER, ROW),
    )
