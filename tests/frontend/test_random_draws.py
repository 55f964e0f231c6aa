"""Random numbers in functions: whose seed they take, and when they are drawn anew."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import api, nn
from graphc.errors import DTypeError, GraphcError, UsageError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.random_draws import draws
from graphc.frontend.tracing.tensor import call, function
from graphc.frontend.tracing.trace import Export
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.dtype import f32, i32
from graphc.ir.graph import Unit
from graphc.ir.op import functions
from graphc.library import library
from graphc.optim import sgd, train_step

SOURCE = """
dim N: 1..64
dim T: 0..64

model Net(n=4):
    fc = Linear(n, n)
    drop = Dropout(0.25)

    def forward(x: f32[N, n]) -> f32[N, n]:
        return drop(fc(dropout(x, 0.5)))

def noisy(x: f32[N]) -> f32[N]:
    return x + randn(N)

def twice(x: f32[N]) -> (f32[N], f32[N]):
    return noisy(x), noisy(x)

def rows(x: f32[T, 4]) -> f32[T, 4]:
    for t in range(T):
        r = x[t] + randn(4)
        ys[t] = r
    return ys

def loss(net: Net, x: f32[N, 4]) -> f32[]:
    return mean(net(x) ** 2)

def seeded(x: f32[4]) -> f32[4]:
    return x + rand(4, seed=7)

export twice = twice
export rows = rows
export seeded = seeded
export train = train_step(Net, loss, sgd(lr=0.1))
"""


def source_unit(text: str = SOURCE) -> Unit:
    return elaborate(text, "draws.gc", library())


def loaded(unit: Unit, seed: int = 0, device: str = "cpu") -> Any:
    return graphc.load_file(api.build(unit, seed=seed).file, device)


def drawn(body: Callable[..., Any], *types: Any, given: tuple[Any, ...] = ()) -> list[Any]:
    """What two calls of a function give, one array for each result."""
    module = loaded(build_unit({"f": Export(body, types)}), device="reference")
    return [np.asarray(module.f(*given)) for _ in range(2)]


def test_each_draw_and_each_call_has_numbers_of_its_own() -> None:
    module = loaded(source_unit())
    zero = np.zeros(5, np.float32)
    found = [*module.twice(zero), *module.twice(zero), *module.rows(np.zeros((3, 4), np.float32))]
    values = np.concatenate([one.ravel() for one in found])
    assert len(np.unique(values)) == values.size


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_the_same_seed_gives_the_same_numbers(device: str) -> None:
    unit, zero = source_unit(), np.zeros(5, np.float32)
    runs = [np.array(loaded(unit, seed, device).twice(zero)) for seed in (3, 3, 4)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.isclose(runs[0], runs[2]).any()


def test_a_counter_that_is_set_draws_the_same_again() -> None:
    module, zero = loaded(source_unit()), np.zeros(5, np.float32)
    before = {name: np.array(value) for name, value in module.state_dict().items()}
    first = np.array(module.twice(zero))
    module.load_state_dict(before)
    assert np.array_equal(first, np.array(module.twice(zero)))


def test_a_seed_that_is_given_moves_no_counter() -> None:
    (export,) = (source_unit().exports["seeded"],)
    assert not export.updates and not export.state
    module = loaded(source_unit())
    zero = np.zeros(4, np.float32)
    assert np.array_equal(module.seeded(zero), module.seeded(zero))


def test_both_frontends_draw_alike() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(4, 4)
            self.drop = nn.Dropout(0.25)

        def forward(self, x):
            return self.drop(self.fc(x.dropout(0.5)))

    def loss(net, x: f32["N", 4]):
        return call("mean", net(x) ** 2)

    def noisy(x):
        return x + function("randn")(x.shape[0])

    def twice(x: f32["N"]):
        return noisy(x), noisy(x)

    net = Net()
    exports = {"twice": Export(twice), "train": train_step(net, loss, sgd(lr=0.1))}
    dims = list(source_unit().exports["twice"].inputs[0].shape)
    python, source = build_unit(exports, dims=dims), source_unit()
    for name in exports:
        assert python.exports[name] is source.exports[name]


def test_dropout_in_a_plain_function_is_trained() -> None:
    module = loaded(source_unit())
    x = np.ones((8, 4), np.float32)
    losses = [float(module.train(x)) for _ in range(40)]
    assert losses[-1] < losses[0]
    assert len(set(losses)) == len(losses)


# -- loops and branches ---------------------------------------------------------------------------


def of_scan() -> Any:
    return scan(lambda c, row: (c, call("rand", 3)), call("zeros", ()), None, length=4)[1]


def of_nested_scans() -> Any:
    def outer(carry, row):
        return carry, scan(lambda c, r: (c, call("rand", 2)), carry, None, length=3)[1]

    return scan(outer, call("zeros", ()), None, length=4)[1]


def of_while_loop() -> Any:
    def body(carry):
        count, rows = carry
        return count + 1, rows.at[count].set(call("rand", 3))

    init = call("full", (), 0, i32), call("zeros", (4, 3))
    return while_loop(lambda carry: carry[0] < 4, body, init, max_steps=9)[1]


def of_module_in_scan() -> Any:
    return scan(lambda c, row: (c, call("rand", 2).dropout(0.0)), call("zeros", ()), length=5)[1]


@pytest.mark.parametrize("body", [of_scan, of_nested_scans, of_while_loop, of_module_in_scan])
def test_each_iteration_draws_anew(body: Callable[[], Any]) -> None:
    values = np.array(drawn(body)).ravel()
    assert len(np.unique(values)) == values.size


def test_a_layer_draws_anew_in_each_iteration() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return scan(lambda c, row: (c, self.drop(row)), call("zeros", ()), x)[1]

    unit = build_unit({"f": Export(Loop(), (f32[6, 64],), training=True)})
    masks = np.asarray(loaded(unit, device="reference").f(np.ones((6, 64), np.float32))) != 0
    assert len(np.unique(masks, axis=0)) == 6


def test_a_branch_may_draw() -> None:
    def body(x):
        return cond(x > 0, lambda: call("rand", 3), lambda: call("zeros", (3,)))

    first, second = drawn(body, f32[()], given=(np.float32(1),))
    assert (first != second).all() and (first > 0).all()


def test_a_loop_that_draws_is_differentiated() -> None:
    """With the numbers of the forward run: d/dx of sum (x * r_t) is the sum of r_t."""

    def total(x):
        def body(c, row):
            return c + x * call("rand"), None

        return scan(body, call("zeros", ()), None, length=5)[0]

    value, slope = loaded(
        build_unit({"f": Export(graphc.value_and_grad(total).function, (f32[()],))})
    ).f(np.float32(2))
    assert value > 0
    np.testing.assert_allclose(value, 2 * slope, rtol=1e-6)


# -- where the shape may stand ---------------------------------------------------------------------

CHANCES = np.array([0.0, 1.0, 0.5], np.float32)
SAME_DRAWS = [
    ("rand", ((3, 4),), (3, 4)),
    ("rand", ([3, 4],), (3, 4)),
    ("rand", ((),), ()),
    ("randn", ((2, 3),), (2, 3)),
    ("bernoulli", (CHANCES,), ((3,), CHANCES)),
    ("randint", (10, (5,)), (0, 10, (5,))),
    ("normal", (1.0, 2.0, (2,)), ((2,), 1.0, 2.0)),
    ("uniform", (1.0, 3.0, (2, 0)), ((2, 0), 1.0, 3.0)),
]


@pytest.mark.parametrize(("name", "arguments", "same"), SAME_DRAWS)
def test_a_shape_stands_where_other_libraries_have_it(
    name: str, arguments: tuple[Any, ...], same: tuple[Any, ...]
) -> None:
    draw = getattr(graphc, name)
    found, expected = draw(*arguments, seed=3), draw(*same, seed=3)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_means_and_deviations_may_be_tensors(dtype: Any) -> None:
    mean, std = np.arange(3, dtype=dtype)[:, None], np.arange(4, dtype=dtype)
    wide = np.promote_types(dtype, np.float32)
    drawn = graphc.normal((3, 4), dtype=str(wide), seed=3)
    for given in ((mean, std), (mean, std, (3, 4)), ((3, 4), mean, std)):
        found = graphc.normal(*given, seed=3)
        np.testing.assert_array_equal(found, (drawn * std + mean).astype(dtype), strict=True)
    named, ones = graphc.normal(mean=mean, std=std, seed=3), np.ones(4, dtype)
    np.testing.assert_array_equal(named, graphc.normal(mean, std, seed=3))
    np.testing.assert_array_equal(graphc.normal(std, 0.0, seed=3), std, strict=True)
    np.testing.assert_array_equal(graphc.normal(std, seed=3), graphc.normal(std, ones, seed=3))
    with pytest.raises(DTypeError, match=r"mean is i64\[4\], expected floats"):
        graphc.normal(np.arange(4), std, seed=3)
    found = graphc.normal(0.0, std, seed=3)
    same = graphc.normal((4,), dtype=str(wide), seed=3) * std
    np.testing.assert_array_equal(found, same.astype(dtype), strict=True)


def test_whole_numbers_below_a_bound_take_the_shape_by_name() -> None:
    found = graphc.randint(10, shape=(4,), dtype=i32, seed=1)
    np.testing.assert_array_equal(found, graphc.randint(0, 10, (4,), i32, seed=1), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int64])
def test_whole_numbers_take_shape_and_dtype_of_a_tensor(dtype: Any) -> None:
    x = np.zeros((3, 4), dtype)
    expected = graphc.randint(-2, 7, (3, 4), seed=1).astype(dtype)
    np.testing.assert_array_equal(graphc.randint_like(x, -2, 7, seed=1), expected, strict=True)
    np.testing.assert_array_equal(graphc.randint_like(x, 1, seed=1), x, strict=True)


@pytest.mark.parametrize(
    ("call_of", "type_"),
    [
        ("rand(x.shape)", "f32[N, 2]"),
        ("rand((N, 4))", "f32[N, 4]"),
        ("randn(())", "f32[]"),
        ("bernoulli(x)", "bool[N, 2]"),
        ("bernoulli((N,), 1 / N)", "bool[N]"),
        ("randint(10, (N,))", "i64[N]"),
        ("normal(0.0, 1.0, (N,))", "f32[N]"),
    ],
)
def test_the_language_takes_a_shape_there_as_well(call_of: str, type_: str) -> None:
    text = (
        f"dim N: 1..64\n\ndef f(x: f32[N, 2]) -> {type_}:\n    return {call_of}\n\nexport f = f\n"
    )
    assert str(source_unit(text).exports["f"].results[0].type) == type_


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rand", ((3, (4,)),)),
        ("rand", (2.0,)),
        ("bernoulli", ((3, 4),)),
        ("bernoulli", (CHANCES, 0.5)),
        ("randint", (10,)),
        ("randint", (1, 2)),
        ("randint", (1, 2.5, (3,))),
        ("normal", (0.0, 1.0)),
        ("normal", (CHANCES, 1.0, 2.0)),
        ("normal", ((2,), 0.0, "a")),
    ],
)
def test_what_has_no_shape_is_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        getattr(graphc, name)(*arguments, seed=0)
    assert caught.value.code == "argument" and caught.value.hint


# -- refusals -------------------------------------------------------------------------------------


def test_outside_of_a_trace_a_seed_is_needed() -> None:
    with pytest.raises(UsageError) as caught:
        graphc.rand(3)
    assert caught.value.code == "random" and "seed=0" in str(caught.value.hint)
    assert np.array_equal(graphc.rand(3, seed=5), graphc.rand(3, seed=np.uint64(5)))
    assert not np.array_equal(graphc.rand(3, seed=5), graphc.rand(3, seed=5, stream=1))


@pytest.mark.parametrize("seed", [-1, 1 << 64, "a", 1.5, None])
def test_a_seed_is_a_number_of_64_bits(seed: Any) -> None:
    with pytest.raises(GraphcError):
        graphc.rand(3, seed=seed)


def test_the_language_says_where_a_draw_is_wrong() -> None:
    with pytest.raises(UsageError) as caught:
        source_unit("def f(x: f32[3]) -> f32[3]:\n    return rand(3, sed=1)\n\nexport f = f\n")
    assert caught.value.span is not None and caught.value.span.line == 2


def test_every_function_that_takes_a_stream_is_one_that_draws() -> None:
    named = [one for one in functions.values() if "stream" in inspect.signature(one).parameters]
    assert len(named) > 10
    assert all(draws(one) for one in named if one is not functions.get("random_bits"))


def test_a_compiled_function_draws_anew_at_each_call() -> None:
    @graphc.function
    def noisy(x):
        return x + graphc.randn(*x.shape)

    values = [noisy(np.zeros(n, np.float32)) for n in (3, 3, 4, 4)]
    assert len(np.unique(np.concatenate(values))) == 14
