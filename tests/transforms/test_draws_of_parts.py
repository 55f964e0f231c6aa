"""Random numbers under `vmap`: each part draws its own, as the iterations of a loop do."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import api
from graphc.errors import UsageError
from graphc.frontend.elaborate import elaborate
from graphc.library import library
from graphc.transforms import custom_gradient

Function = Callable[..., Any]
PARTS, WIDTH = 5, 16
LAYER = gc.nn.Dropout(0.5)
X = np.linspace(1.0, 2.0, PARTS * WIDTH, dtype=np.float32).reshape(PARTS, WIDTH)


@custom_gradient(lambda x, y, g: g * gc.randn_like(x))
def noisy_slope(x: Any) -> Any:
    return x * 2.0


def in_a_branch(x: Any) -> Any:
    """Chosen by what differs between the parts, of draws in both."""
    return gc.cond(x.sum() > 24.0, lambda: x + gc.randn_like(x), lambda: x - gc.randn_like(x))


def as_often_as_the_part_says(x: Any) -> Any:
    _, found = gc.while_loop(
        lambda c: c[0] < x[0] * 3.0,
        lambda c: (c[0] + 1.0, c[1] + gc.rand(WIDTH)),
        (0.0, x),
        max_steps=9,
    )
    return found


def twice(x: Any) -> Any:
    return gc.concat([gc.randn_like(x), gc.randn_like(x)])


DRAWS: dict[str, Function] = {
    "dropout": lambda x: gc.dropout(x, 0.5),
    "rand": lambda x: gc.rand(WIDTH),
    "rand f64": lambda x: gc.rand(WIDTH, dtype=gc.f64),
    "randn_like": lambda x: gc.randn_like(x),
    "normal of means": lambda x: gc.normal((WIDTH,), x, 1.0),
    "bernoulli": lambda x: gc.bernoulli((WIDTH,), 0.5),
    "randint": lambda x: gc.randint(0, 1000, (WIDTH,)),
    "randperm": lambda x: gc.randperm(WIDTH),
    "multinomial": lambda x: gc.multinomial(x, 9),
    "two draws": twice,
    "a layer": lambda x: LAYER(x),
    "a scan": lambda x: gc.scan(lambda c, row: (c, row + gc.rand()), None, x)[1],
    "a scan of vectors": lambda x: gc.scan(lambda c, _: (c + gc.randn(WIDTH), c), x, length=3),
    "a loop": as_often_as_the_part_says,
    "a branch": in_a_branch,
    "checkpoint": gc.checkpoint(lambda x: gc.dropout(x, 0.5)),
    "a gradient": gc.grad(lambda x: gc.dropout(x, 0.5).sum()),
    "a gradient of one's own": gc.grad(lambda x: noisy_slope(x).sum()),
    "a gradient of what is computed again": gc.grad(
        gc.checkpoint(lambda x: (gc.dropout(x, 0.5) ** 2).sum())
    ),
    "a Jacobian": gc.jacobian(lambda x: gc.dropout(x, 0.5)),
    "vmap": gc.vmap(lambda x: x + gc.rand()),
    "vmap of a gradient": gc.vmap(gc.grad(lambda x: x * gc.rand())),
}


def compiled(function: Function, parts: int = PARTS, seed: int = 1) -> Any:
    """What a module gives for the first rows, in training."""
    traced = gc.Export(function, (gc.f32[parts, WIDTH],), training=True, models=(LAYER,))
    made = gc.compile({"main": traced}, device="reference", seed=seed)
    return made.main(X[:parts])


def each(function: Function) -> Function:
    return lambda x: gc.scan(lambda c, row: (c, function(row)), None, x)[1]


def arrays(tree: Any) -> list[np.ndarray[Any, Any]]:
    return list(map(np.asarray, tree if isinstance(tree, tuple) else (tree,)))


@pytest.mark.parametrize("name", DRAWS)
def test_parts_draw_what_the_iterations_of_a_loop_draw(name: str) -> None:
    function = DRAWS[name]
    found, expected = compiled(gc.vmap(function)), compiled(each(function))
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
        assert len({part.tobytes() for part in one}) == PARTS


@pytest.mark.parametrize("name", DRAWS)
def test_what_a_part_draws_follows_its_number_and_the_seed_alone(name: str) -> None:
    mapped = gc.vmap(DRAWS[name])
    found = arrays(compiled(mapped))
    for one, again, fewer, other in zip(
        found,
        arrays(compiled(mapped)),
        arrays(compiled(mapped, parts=3)),
        arrays(compiled(mapped, seed=2)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, again)
        np.testing.assert_allclose(one[:3], fewer, rtol=1e-6)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("wrapped", [lambda f: f, gc.checkpoint], ids=["plain", "checkpoint"])
@pytest.mark.parametrize("is_inside", [True, False], ids=["vmap(grad)", "grad(vmap)"])
def test_a_gradient_has_the_mask_of_its_value(wrapped: Function, is_inside: bool) -> None:
    def dropped(x: Any) -> Any:
        return (gc.dropout(x, 0.5) ** 2).sum()

    part = wrapped(dropped)
    if is_inside:
        value, slope = compiled(gc.vmap(gc.value_and_grad(part)))
    else:
        both = gc.value_and_grad(lambda x: ((v := gc.vmap(part)(x)).sum(), v), has_aux=True)
        _, value, slope = compiled(both)
    kept = slope != 0
    assert 0 < kept.sum() < X.size
    assert len({row.tobytes() for row in kept}) == PARTS
    # (2x)^2 has the slope 8x.
    np.testing.assert_allclose(slope, np.where(kept, 8 * X, 0), rtol=1e-6)
    np.testing.assert_allclose(value, np.where(kept, 4 * X * X, 0).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (lambda noise: gc.vmap(lambda row: row * 0 + noise)(x))(gc.rand(WIDTH)),
        lambda x: gc.vmap(lambda row: row * 0 + gc.rand(WIDTH, seed=3))(x),
        gc.vmap(lambda row: gc.vmap(lambda _: gc.rand())(row) * 0 + gc.rand(seed=3)),
    ],
    ids=["outside", "a seed", "a seed, nested"],
)
def test_what_is_drawn_outside_or_with_a_seed_is_the_same_for_all(function: Function) -> None:
    found = compiled(function)
    np.testing.assert_array_equal(found, np.broadcast_to(found[0], found.shape))
    assert np.all(found > 0)


def test_nested_parts_each_draw_their_own() -> None:
    def normal(x: Any) -> Any:
        return gc.vmap(gc.vmap(lambda _: gc.randn(3)))(x)

    found = compiled(normal)
    assert found.shape == (PARTS, WIDTH, 3) and len(set(found.ravel())) == found.size


def test_the_draws_of_many_parts_are_as_those_of_one() -> None:
    drawn = np.asarray(
        gc.compile(lambda: gc.vmap(lambda: gc.randn(64), axis_size=4096)(), device="cpu", seed=5)()
    )
    count = drawn.size
    assert abs(drawn.mean()) < 5 / count**0.5 and abs(drawn.var() - 1) < 5 * (2 / count) ** 0.5
    for axis in (0, 1):
        along = np.moveaxis(drawn, axis, 0)
        assert abs((along[:-1] * along[1:]).mean()) < 5 / count**0.5
    means = drawn.mean(axis=1) * 8
    assert abs(means.var() - 1) < 5 * (2 / means.size) ** 0.5


@pytest.mark.parametrize("parts", [0, 1])
def test_few_parts(parts: int) -> None:
    found = compiled(gc.vmap(DRAWS["randn_like"]), parts=parts)
    assert found.shape == (parts, WIDTH)


def test_a_result_that_is_drawn_differs_between_parts() -> None:
    with pytest.raises(UsageError, match="each part has one of its own"):
        compiled(gc.vmap(lambda x: gc.rand(3), out_axes=None))


def test_a_program_draws_as_python_does() -> None:
    source = """
    def noise(x: f32[16]) -> f32[16]:
        return x + randn_like(x)

    def parts(x: f32[5, 16]) -> f32[5, 16]:
        return vmap(noise)(x)

    export parts = parts
    """
    built = api.build(elaborate(dedent(source), "draws.gc", library()), seed=1)
    found = gc.load_file(built.file, "cpu").parts(X)
    np.testing.assert_allclose(found, compiled(gc.vmap(lambda x: x + gc.randn_like(x))), rtol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_any_number_of_parts_draws_the_same_bits_on_every_device(device: str) -> None:
    def masked(x: gc.f32["N", WIDTH]) -> Any:
        return gc.vmap(DRAWS["dropout"])(x)

    expected = gc.compile(masked, device="reference", seed=4)
    found = gc.compile(masked, device=device, seed=4)
    for parts in (1, PARTS):
        np.testing.assert_array_equal(found(X[:parts]), expected(X[:parts]))
