"""Containers as arguments and results: named tuples and dataclasses, dicts in any order."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, UsageError
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.trees import map_leaves, parts

Made = namedtuple("Made", "w b")


class Typed(NamedTuple):
    w: Any
    b: Any


@dataclasses.dataclass
class Plain:
    w: Any
    b: Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    w: Any
    b: Any
    doubled: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", self.w * 2)


@dataclasses.dataclass(repr=False)
class Layer:
    """With a fact that is no tensor, and a text that computes with what is inside."""

    w: Any
    b: Any
    activation: str = dataclasses.field(default="tanh", metadata={"static": True})

    def __repr__(self) -> str:
        return f"Layer of {float(self.w.sum()):.1f}"


Tree = Callable[[Any, Any], Any]
W, B = np.array([1.0, 2.0, 3.0]), np.float64(2)
KINDS: dict[str, Tree] = {
    "a named tuple": Made,
    "a typed one": Typed,
    "a dataclass": Plain,
    "one that computes": lambda w, b: Frozen(w=w, b=b),
    "one with a fact": Layer,
}


def scaled(tree: Any) -> Any:
    return map_leaves(lambda part: part * tree.b, tree)


# What is done with a tree, and what comes of each part where its `b` is 2.
ACTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "function": (gc.function(scaled), lambda part: 2 * part),
    "vjp": (lambda tree: gc.vjp(lambda x: x, tree)[1](tree)[0], lambda part: part),
    "jvp": (lambda tree: gc.jvp(scaled, [tree], [tree])[1], lambda part: 4 * part),
    "checkpoint": (gc.checkpoint(scaled), lambda part: 2 * part),
    "carry": (
        lambda tree: gc.scan(lambda c, _: (scaled(c), None), tree, length=1)[0],
        lambda part: 2 * part,
    ),
    "row": (
        lambda tree: gc.scan(lambda c, _: (c, tree), 0.0, length=1)[1],
        lambda part: part[None],
    ),
    "while_loop": (
        lambda tree: gc.while_loop(lambda c: c.b < 3, scaled, tree, max_steps=9),
        lambda part: 2 * part,
    ),
    "cond": (
        lambda tree: gc.cond(np.bool_(True), scaled, lambda x: x, tree),
        lambda part: 2 * part,
    ),
}


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    inside = parts(expected)
    if inside is None:
        np.testing.assert_array_equal(found, expected)
    else:
        for key, part in inside.items():
            same((parts(found) or {})[key], part)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_tree_comes_back_as_what_it_is(action: str, kind: str) -> None:
    tree = KINDS[kind](W, B)
    run, of_part = ACTIONS[action]
    same(run(tree), map_leaves(lambda part: np.asarray(of_part(part)), tree))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_trees_of_trees(kind: str) -> None:
    make = KINDS[kind]

    def f(tree: Any) -> Any:
        return gc.sum(tree.w * tree.b)

    found = gc.grad(f)(make(W, B))
    assert type(found) is type(make(W, B))
    assert found.w.tolist() == [2, 2, 2] and found.b == 6
    second = gc.hessian(f)(make(W, B))
    assert type(second.w) is type(second) is type(found)
    assert second.w.b.tolist() == second.b.w.tolist() == [1, 1, 1] and second.b.b == 0


@pytest.mark.parametrize("kind", KINDS)
def test_axes_are_trees_too(kind: str) -> None:
    make = KINDS[kind]
    axes = map_leaves(lambda part: 0 if np.ndim(part) else None, make(W, B))
    product = gc.vmap(lambda tree: make(tree.w * tree.b, tree.b), in_axes=(axes,), out_axes=axes)
    same(product(make(W, B)), map_leaves(np.asarray, make(W * B, B)))


@pytest.mark.parametrize(
    "tree", [OrderedDict(w=W, b=B), defaultdict(int, w=W, b=B), {"b": B, "w": W}], ids=str
)
def test_dicts_keep_their_class(tree: Any) -> None:
    found = gc.function(lambda x: x)(tree)
    same(found, map_leaves(np.asarray, tree))
    assert list(found) == list(tree)
    assert getattr(found, "default_factory", None) is getattr(tree, "default_factory", None)


def test_dicts_are_alike_in_any_order() -> None:
    """Cotangents, tangents, carries and branches are matched by their keys."""
    one, other = {"a": W, "b": 0 * W}, {"b": 0 * W, "a": W}

    def f(tree: Any) -> Any:
        return {"a": 2 * tree["a"], "b": 3 * tree["b"]}

    same(gc.vjp(f, one)[1](other), ({"a": 2 * W, "b": 0 * W},))
    same(gc.jvp(f, [one], [other])[1], {"a": 2 * W, "b": 0 * W})
    same(gc.scan(lambda c, _: (other, None), one, length=1)[0], one)
    same(gc.cond(np.bool_(False), lambda: one, lambda: other), one)


@pytest.mark.parametrize(
    "gradient",
    [
        lambda tree, value, g: {"b": 0 * tree["b"], "a": 3 * g},
        lambda tree, value, g: (3 * g, 0 * tree["b"]),
    ],
)
def test_a_gradient_of_ones_own_is_nested_as_the_arguments_or_in_their_order(
    gradient: Any,
) -> None:
    f = gc.custom_gradient(gradient)(lambda tree: tree["a"] * tree["b"].sum())
    same(gc.grad(f)({"a": B, "b": W}), {"a": np.array(3.0), "b": 0 * W})
    with pytest.raises(UsageError, match="the gradient is"):
        gc.grad(gc.custom_gradient(lambda tree, value, g: {"a": g})(lambda tree: tree["a"]))(
            {"a": B, "b": W}
        )


def test_a_gradient_of_ones_own_is_given_what_is_no_array_as_it_is() -> None:
    @gc.custom_gradient(lambda x, name, times, value, g: times * g * getattr(gc, name)(x))
    def f(x: Any, name: str, times: int = 1) -> Any:
        return times * x

    assert gc.grad(f)(2.0, "square", 3) == 12
    assert gc.grad(lambda x: f(x, times=3, name="square"))(2.0) == 12
    with pytest.raises(UsageError, match=r"f: .*'name'"):
        gc.grad(lambda x: f(x, times=3))(2.0)


def test_trees_are_mapped_together() -> None:
    tree = gc.tree_map(lambda x, y: x - y, Layer(W, [B]), Layer(W, [B]))
    same(tree, Layer(0 * W, [0 * B]))
    traced = gc.function(lambda x: gc.tree_map(lambda one: 2 * one, {"a": x, "b": None}))(W)
    same(traced, {"a": 2 * W, "b": None})
    with pytest.raises(UsageError, match="tree 2 is"):
        gc.tree_map(lambda x, y: x, {"a": W}, [W])


def test_static_fields_are_facts() -> None:
    """They are read as they are, tell signatures apart, and have no derivative."""

    @gc.function
    def apply(layer: Layer) -> Any:
        return getattr(gc, layer.activation)(layer.w)

    assert np.allclose(apply(Layer(W, B)), np.tanh(W))
    assert np.allclose(apply(Layer(W, B, "exp")), np.exp(W))
    assert list(apply.graphs) == [
        "layer: Layer(w=f64[3], b=f64[], activation='tanh')",
        "layer: Layer(w=f64[3], b=f64[], activation='exp')",
    ]
    with pytest.raises(UsageError, match="expected the form of Layer"):
        gc.scan(lambda c, _: (Layer(c.w, c.b, "exp"), None), Layer(W, B), length=1)


def test_arguments_of_a_dataclass_are_read_at_each_call() -> None:
    tree = Plain(W.copy(), B)
    triple = gc.function(lambda tree: 3 * tree.w)
    assert triple(tree).tolist() == [3, 6, 9]
    tree.w[0] = 5
    assert triple(tree).tolist() == [15, 6, 9] and len(triple.graphs) == 1


def test_what_is_no_tensor_is_named() -> None:
    for function, tree, name in (
        (gc.grad(lambda x: x.w.sum()), Plain(W, "tanh"), r"arguments\[0\].b is 'tanh'"),
        (gc.function(lambda x: Made(x, {"a": [str(x.ndim)]})), W, r"the result.b\['a'\]\[0\] is"),
        (gc.vmap(lambda x: Made(x, len)), W, "the result.b is a function"),
    ):
        with pytest.raises(UsageError, match=name):
            function(tree)
    with pytest.raises(UsageError) as caught:
        gc.grad(lambda x: x.w.sum())(Plain(W, "tanh"))
    assert "static" in str(caught.value.hint)
    # Before the function meets it, and asks for a cast.
    with pytest.raises(DTypeError, match=r"respect to arguments\[0\].b, i64\[\], is") as error:
        gc.grad(lambda x: (x.w * x.b).sum())(Plain(W, 2))
    assert "static" in str(error.value.hint)


def test_a_message_asks_no_container_for_its_text() -> None:
    assert shown(Plain(W, gc.f32[2])) == "Plain(w=array float64[3], b=f32[2])"
    assert shown(Layer(W, 1)).endswith("activation='tanh')")
    assert shown(((W,), {"a": None})) == "((array float64[3],), {'a': None})"


# -- results that are numbers, and what comes beside a result --------------------------------------


def test_numbers_are_results() -> None:
    """A constant has no derivative; every part of a batch has the same one."""
    assert gc.grad(lambda x: 1.0)(W).tolist() == [0, 0, 0]
    same(gc.vmap(lambda x: (1, 2.5))(W), (np.ones(3, np.int64), np.full(3, 2.5, np.float32)))
    same(gc.vjp(lambda x: 2.0, W)[1](1.0), (0 * W,))
    same(gc.jvp(lambda x: {"a": 2.0}, [W], [W])[1], {"a": np.zeros((), np.float32)})
    same(gc.checkpoint(lambda x, n: (x * n, n))(W, 3), (3 * W, np.array(3)))
    same(
        gc.value_and_grad(lambda x: (3.0, {"size": x.shape[0]}), has_aux=True)(W),
        ((np.array(3, np.float32), {"size": np.array(3)}), 0 * W),
    )
    with pytest.raises(DTypeError):
        gc.grad(lambda x: 1)(W)
    with pytest.raises(DTypeError):
        gc.jacobian(lambda x: 1)(W)


def test_a_number_is_the_cotangent_of_any_float() -> None:
    for dtype in (gc.f16, gc.f32, gc.f64):
        pull = gc.vjp(lambda x, dtype=dtype: {"a": x.sum().astype(dtype)}, W)[1]
        same(pull({"a": 1}), (np.ones(3),))
        same(pull({"a": 0.5}), (np.full(3, 0.5),))


def test_the_value_of_a_parameter_is_a_result() -> None:
    class Scale(gc.nn.Module):
        def __init__(self) -> None:
            self.scale = gc.nn.Parameter(np.array(2.0))

    def derived(model: Any) -> Any:
        tangent = {"scale": np.float64(3)}
        value = gc.grad(lambda model: model.scale)(model)
        return value, gc.jvp(lambda model: model.scale, [model], [tangent])

    gradient, (value, derivative) = gc.function(derived)(Scale())
    assert gradient["scale"] == 1 and value == 2 and derivative == 3


def beside(x: Any) -> Any:
    return gc.sum(x * x), {"size": 3, "twice": 2 * x}


AUX = {"size": np.array(3), "twice": 2 * W}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: gc.grad(beside, has_aux=True)(W), (2 * W, AUX)),
        (lambda: gc.grad(lambda x: list(beside(x)), has_aux=True)(W), (2 * W, AUX)),
        (lambda: gc.jacobian(beside, has_aux=True)(W), (2 * W, AUX)),
        (lambda: gc.jacfwd(beside, has_aux=True)(W), (2 * W, AUX)),
        (lambda: gc.hessian(beside, has_aux=True)(W), (2 * np.eye(3), AUX)),
        (lambda: gc.jvp(beside, [W], [W], has_aux=True), (np.array(14.0), np.array(28.0), AUX)),
        (lambda: gc.vjp(beside, W, has_aux=True)[::2], (np.array(14.0), AUX)),
        (lambda: gc.vjp(beside, W, has_aux=True)[1](B), (4 * W,)),
    ],
)
def test_what_comes_beside_a_result_is_not_differentiated(found: Any, expected: Any) -> None:
    same(found(), expected)


@pytest.mark.parametrize("transform", [gc.grad, gc.jacobian, gc.jacfwd, gc.hessian])
def test_a_pair_is_expected_where_something_comes_beside(transform: Any) -> None:
    with pytest.raises(UsageError, match="expected a pair"):
        transform(gc.sum, has_aux=True)(W)
