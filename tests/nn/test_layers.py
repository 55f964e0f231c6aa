"""Layers: their values against NumPy, their parameters and first values, and what they refuse."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import nn
from graphc.errors import DTypeError, GraphcError, NameLookupError, ShapeError, UsageError
from graphc.frontend.tracing.initializers import Key, array, gain
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.trace import Export, trace
from graphc.frontend.tracing.unit import build_unit
from graphc.ir.dtype import DType, bf16, f16, f32, f64, i32, u64
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.ir.ops.structural import graph_input
from graphc.ir.verify import verify
from tests.nn.layers_of_torch import OF_TORCH, operands_of
from tests.own_words import own_words

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3, 8)).astype(np.float32)
SEED = np.asarray(7, np.uint64)


def first_values(unit: Unit, seed: Array = SEED) -> dict[str, Array]:
    values, _ = evaluate(unit.initial, [seed])
    return dict(zip(unit.state, values, strict=True))


def run(layer: Module, *arrays: Array, training: bool = False) -> tuple[Array, dict[str, Array]]:
    """The first result of a layer at its first values, and these values."""
    export = Export(layer, arrays, training)
    unit = build_unit({"f": export})
    values = first_values(unit)
    graph = unit.exports["f"]
    (result, *_), _ = evaluate(graph, arrays, [values[node["name"]] for node in graph.state])
    return result, values


# -- values ---------------------------------------------------------------------------------------


def erf(x: Array) -> Array:
    return np.vectorize(math.erf)(x.astype(np.float64))


def normalized(x: Array, axes: tuple[int, ...], eps: float, centered: bool = True) -> Array:
    centre = x - x.mean(axis=axes, keepdims=True) if centered else x
    return centre / np.sqrt((centre * centre).mean(axis=axes, keepdims=True) + eps)


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


VALUES: dict[str, tuple[Callable[[], Module], Callable[[Array], Array]]] = {
    "Identity": (nn.Identity, lambda x: x),
    "ReLU": (nn.ReLU, lambda x: np.maximum(x, 0)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "ELU": (lambda: nn.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    "GELU": (nn.GELU, lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2)))),
    "SiLU": (nn.SiLU, lambda x: x / (1 + np.exp(-x))),
    "Softplus": (nn.Softplus, lambda x: np.log1p(np.exp(x))),
    "Tanh": (nn.Tanh, np.tanh),
    "Sigmoid": (nn.Sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "Softmax": (lambda: nn.Softmax(axis=1), lambda x: softmax(x, 1)),
    "LogSoftmax": (nn.LogSoftmax, lambda x: np.log(softmax(x, -1))),
    "Flatten": (nn.Flatten, lambda x: x.reshape(5, 24)),
    "LayerNorm": (lambda: nn.LayerNorm(8), lambda x: normalized(x, (2,), 1e-5)),
    "RMSNorm": (
        lambda: nn.RMSNorm((3, 8)),
        lambda x: normalized(x, (1, 2), 2.0**-23, centered=False),
    ),
    "Dropout": (nn.Dropout, lambda x: x),
    "RReLU": (lambda: nn.RReLU(0.1, 0.3), lambda x: np.where(x > 0, x, 0.2 * x)),
    "Sequential": (lambda: nn.Sequential(nn.ReLU(), nn.Tanh()), lambda x: np.tanh(x * (x > 0))),
}
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "MSELoss": lambda x, y: (x - y) ** 2,
    "L1Loss": lambda x, y: np.abs(x - y),
    "BCEWithLogitsLoss": lambda x, y: np.logaddexp(0, x) - x * y,
}
DROPOUTS = {
    "Dropout1d": (20, 30, 6),
    "Dropout2d": (20, 30, 2, 3),
    "Dropout3d": (20, 30, 2, 3, 1),
    "AlphaDropout": (20, 30, 6),
    "FeatureAlphaDropout": (20, 30, 6),
}
"""Operands of dropouts of other kinds."""
WITH_STATE = {"Linear", "CrossEntropyLoss", "Embedding"}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    make, expected = VALUES[name]
    np.testing.assert_allclose(run(make(), X)[0], expected(X), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, reduction: str) -> None:
    y = RNG.uniform(size=X.shape).astype(np.float32)
    expected = LOSSES[name](X, y)
    expected = expected if reduction == "none" else getattr(np, reduction)(expected)
    found, _ = run(nn.LIBRARY[name](reduction=reduction), X, y)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_cross_entropy() -> None:
    labels = RNG.integers(0, 8, (5, 3)).astype(np.int32)
    expected = -np.take_along_axis(np.log(softmax(X, -1)), labels[..., None], -1)
    found, _ = run(nn.CrossEntropyLoss(reduction="sum"), X, labels)
    np.testing.assert_allclose(found, expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    found, values = run(nn.Linear(8, 4, bias), X)
    assert list(values) == (["weight", "bias"] if bias else ["weight"])
    expected = X @ values["weight"].T + values.get("bias", np.zeros(4, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_every_layer_of_the_library_is_tried() -> None:
    assert set(nn.LIBRARY) == {
        *VALUES,
        *LOSSES,
        *DROPOUTS,
        *WITH_STATE,
        *(name.split()[0] for name in OF_TORCH),
    }
    for name, layer in nn.LIBRARY.items():
        assert layer.__name__ == name and name in nn.__all__
        assert inspect.getdoc(layer)


@given(st.integers(0, 4), st.integers(0, 4), st.lists(st.integers(0, 3), max_size=2), st.booleans())
def test_linear_of_any_size(n_in: int, n_out: int, batch: list[int], bias: bool) -> None:
    x = np.ones((*batch, n_in), np.float32)
    found, values = run(nn.Linear(n_in, n_out, bias), x)
    assert found.shape == (*batch, n_out)
    expected = x @ values["weight"].T + values.get("bias", np.zeros(n_out, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OF_TORCH)
def test_a_layer_computes_only_while_a_function_is_traced(name: str) -> None:
    case = OF_TORCH[name]
    layer = case.make()
    with pytest.raises(UsageError) as caught:
        layer(*operands_of(case))
    error = caught.value
    assert error.code == "not-traced" and error.span is not None
    assert Path(error.span.file) == Path(__file__)


@pytest.mark.parametrize("dtype", [f16, bf16, f32, f64], ids=str)
def test_layers_in_every_float(dtype: DType) -> None:
    layer = nn.Sequential(nn.Linear(8, 4, dtype=dtype), nn.LayerNorm(4, dtype=dtype))
    found, values = run(layer, X.astype(dtype.numpy))
    assert found.dtype == dtype.numpy
    assert {value.dtype for value in values.values()} == {dtype.numpy}
    wide = {name: value.astype(np.float64) for name, value in values.items()}
    rows = X.astype(dtype.numpy).astype(np.float64) @ wide["0.weight"].T + wide["0.bias"]
    tolerance = 40 * dtype.epsilon
    np.testing.assert_allclose(
        found.astype(np.float64), normalized(rows, (2,), 1e-5), rtol=tolerance, atol=tolerance
    )


def test_layer_norm_scales_and_shifts_what_is_normalised() -> None:
    layer = nn.LayerNorm(8)
    layer.weight.init = array(np.arange(8))
    layer.bias.init = array(np.ones(8))
    expected = normalized(X, (2,), 1e-5) * np.arange(8) + 1
    np.testing.assert_allclose(run(layer, X)[0], expected, rtol=2e-5, atol=2e-6)


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a misspelt argument": (lambda: nn.Linear(3, 4, biass=False), "did you mean 'bias'"),  # type: ignore[call-arg]
    "one too few": (lambda: nn.GRU(3), r"it is GRU\(input_size, hidden_size"),  # type: ignore[call-arg]
    "one too many": (lambda: nn.MSELoss("sum"), r"MSELoss\(\*, reduction='mean'\)"),  # type: ignore[misc]
    "one twice": (lambda: nn.Softmax(1, dim=1), "given twice"),  # type: ignore[call-arg]
    "one under both names": (lambda: nn.Flatten(start_dim=1, start_axis=1), "given twice"),  # type: ignore[call-arg]
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_arguments_that_a_layer_does_not_take_are_refused_at_the_line(mistake: str) -> None:
    make, text = MISTAKES[mistake]
    with pytest.raises(UsageError) as caught:
        make()
    assert re.search(text, own_words(caught.value))
    span = caught.value.span
    assert span is not None and span.file == __file__
    assert "nn." in Path(__file__).read_text().splitlines()[span.line - 1][span.column - 1 :]


CALLS: dict[str, tuple[Module, dict[str, Any], str]] = {
    "a misspelt operand": (nn.ReLU(), {"inptu": X}, r"it is ReLU\(x\)"),
    "a misspelt argument": (
        nn.MultiheadAttention(8, 2),
        {"query": X, "key": X, "value": X, "attn_maks": X},
        "did you mean 'attn_mask'",
    ),
    "an argument that is none": (nn.ReLU(), {"x": X, "dim": 1}, "ReLU has no argument 'dim'"),
    "no operand": (nn.ReLU(), {}, "ReLU needs the argument 'x'"),
    "one under both names": (nn.ReLU(), {"x": X, "input": X}, "given twice"),
}


@pytest.mark.parametrize("mistake", CALLS)
def test_arguments_that_a_call_does_not_take_are_refused_at_the_line(mistake: str) -> None:
    layer, named, text = CALLS[mistake]
    with pytest.raises(UsageError) as caught:
        trace(lambda: layer(**named))
    assert re.search(text, own_words(caught.value))
    span = caught.value.span
    assert span is not None and span.file == __file__
    line = Path(__file__).read_text().splitlines()[span.line - 1]
    assert line[span.column - 1 :].startswith("layer(")


def test_calls_of_layers_take_the_names_of_pytorch() -> None:
    class Pair(Module):
        def __init__(self) -> None:
            self.both = nn.Bilinear(8, 8, 2)

        def forward(self, x: Any) -> Any:
            y = self.both(input1=nn.ReLU()(input=x), input2=x)
            return nn.MSELoss()(input=y, target=self.both(x.relu(), x))

    assert run(Pair(), X)[0] == 0


def test_models_of_ones_own_have_their_arguments_checked() -> None:
    class Own(Module):
        def forward(self, x: Any, *, scale: float = 1.0, **more: Any) -> Any:
            return x * scale + sum(more.values())

    class Strict(Module):
        def forward(self, x: Any, scale: float = 1.0) -> Any:
            return x * scale

    np.testing.assert_array_equal(run(_calling(Own(), scale=2.0, input=1.0), X)[0], X * 2 + 1)
    with pytest.raises(UsageError, match="did you mean 'scale'"):
        run(_calling(Strict(), scal=2.0), X)


def _calling(model: Module, **named: Any) -> Module:
    class Calling(Module):
        def forward(self, x: Any) -> Any:
            return model(x, **named)

    return Calling()


def test_layers_of_ones_own_check_what_they_give_to_their_base() -> None:
    class Wide(nn.Linear):
        def __init__(self, width: int) -> None:
            super().__init__(3, width, bias=False)

    assert [path for path, _ in Wide(5).named_parameters()] == ["weight"]


def test_names_that_are_left_out_have_a_reason() -> None:
    rows = (Path(__file__).parents[2] / "docs" / "left_out.md").read_text().splitlines()
    for name, reason in nn.LEFT_OUT.items():
        (row,) = (row for row in rows if f"`{name}`" in row.split(" | ")[0])
        assert row.split(" | ")[1].removesuffix(" |") == reason
        with pytest.raises(AttributeError) as caught:
            getattr(nn, name)
        assert reason in str(caught.value)
    with pytest.raises(AttributeError, match="did you mean 'Linear'"):
        nn.Linera  # noqa: B018


def test_sequential_is_a_sequence() -> None:
    layers = [nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)]
    model = nn.Sequential(*layers)
    assert len(model) == 3 and list(model) == layers and model[-1] is layers[2]
    assert [path for path, _ in model.named_parameters()] == [
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
    ]
    assert list(nn.Sequential(layers)) == layers
    with pytest.raises(IndexError):
        model[3]


def test_lists_and_dicts_of_modules_are_those_of_python() -> None:
    class Net(Module):
        def __init__(self) -> None:
            self.blocks = nn.ModuleList([nn.Linear(2, 2, bias=False)])
            self.blocks.append(nn.Linear(2, 2, bias=False))
            self.heads = nn.ModuleDict({"one": nn.Linear(2, 3, bias=False)})
            self.scales = nn.ParameterList([nn.Parameter(2)])
            self.shifts = nn.ParameterDict({"b": nn.Parameter(2)})

    assert [path for path, _ in Net().named_parameters()] == [
        "blocks.0.weight",
        "blocks.1.weight",
        "heads.one.weight",
        "scales.0",
        "shifts.b",
    ]


def test_the_maxima_go_back_to_their_places() -> None:
    class Autoencoder(Module):
        def __init__(self) -> None:
            self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

        def forward(self, x):
            return self.unpool(*self.pool(x))

    x = np.abs(RNG.normal(size=(2, 3, 4, 6))).astype(np.float32)
    windows = x.reshape(2, 3, 2, 2, 3, 2)
    kept = windows == windows.max((3, 5), keepdims=True)
    np.testing.assert_array_equal(run(Autoencoder(), x)[0], (windows * kept).reshape(x.shape))


def test_a_distance_of_ones_own() -> None:
    a, p, n = RNG.normal(size=(3, 5, 4)).astype(np.float32)

    def distance(x, y):
        return abs(x - y).sum(axis=1)

    near, far, swapped = (np.abs(x - y).sum(1) for x, y in ((a, p), (a, n), (p, n)))
    for swap, other in ((False, far), (True, np.minimum(far, swapped))):
        layer = nn.TripletMarginWithDistanceLoss(
            distance_function=distance, margin=2.0, swap=swap, reduction="none"
        )
        found, _ = run(layer, a, p, n)
        np.testing.assert_allclose(found, np.maximum(0, 2 + near - other), rtol=1e-5, atol=1e-5)


REFUSED: dict[str, tuple[Callable[[], object], type[GraphcError]]] = {
    "width": (lambda: trace(nn.Linear(8, 4), f32["B", 7]), ShapeError),
    "rank": (lambda: trace(nn.Linear(8, 4), f32[()]), ShapeError),
    "named width": (lambda: trace(nn.Linear(8, 4), f32["B"]), ShapeError),
    "negative size": (lambda: nn.Linear(-8, 4), ShapeError),
    "normalised shape": (lambda: trace(nn.LayerNorm(8), f32[4]), ShapeError),
    "probability": (lambda: nn.Dropout(1.5), UsageError),
    "channels": (lambda: trace(nn.Dropout2d(), f32[3, 4], training=True), ShapeError),
    "widths": (lambda: nn.ZeroPad2d((1, 2)), UsageError),
    "half a width": (lambda: nn.ZeroPad2d(1.5), UsageError),  # type: ignore[arg-type]
    "activation": (
        lambda: trace(nn.TransformerEncoderLayer(8, 2, activation="relux"), f32[3, 2, 8]),
        NameLookupError,
    ),
    "share of keys": (
        lambda: trace(nn.MultiheadAttention(8, 2, dropout=3.0), f32[3, 2, 8], training=True),
        UsageError,
    ),
    "axes to pad": (lambda: trace(nn.ZeroPad2d(1), f32[3]), ShapeError),
    "mirrored": (lambda: trace(nn.ReflectionPad1d(1), f32[2, 0]), GraphcError),
    "encoded": (lambda: trace(nn.TransformerEncoderLayer(8, 2), f32[8]), ShapeError),
    "bags": (lambda: trace(nn.EmbeddingBag(5, 3), f32[2, 4]), DTypeError),
    "mode of padding": (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), UsageError),
    "padding of zeros alone": (
        lambda: nn.ConvTranspose1d(3, 4, 3, padding_mode="circular"),
        UsageError,
    ),
    "projection to more": (lambda: nn.LSTM(3, 4, proj_size=4), UsageError),
    "projection of a GRU": (lambda: nn.GRU(3, 4, proj_size=2), UsageError),
    "no module": (lambda: nn.Sequential(nn.ReLU(), 3), UsageError),  # type: ignore[arg-type]
    "reduction": (lambda: trace(nn.MSELoss(reduction="men"), f32[3], f32[3]), UsageError),
    "labels": (lambda: trace(nn.CrossEntropyLoss(), f32[3, 4], f32[3]), GraphcError),
    "gain": (lambda: gain("rellu"), UsageError),
    "fan of a vector": (lambda: initial_graph("kaiming_uniform", (3,), f32), ShapeError),
    "integers": (lambda: initial_graph("normal", (3,), i32), GraphcError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    action, error = REFUSED[case]
    with pytest.raises(error):
        action()


# -- first values ---------------------------------------------------------------------------------


def initial_graph(name: str, shape: tuple[int, ...], dtype: DType, **arguments: Any) -> Graph:
    seed = graph_input("seed", u64, ())
    value = nn.INITIALIZERS[name](**arguments)(shape, dtype, Key.of(seed, "w"))
    return Graph("initial", (seed,), (), (value,))


UNIFORM = 1 / math.sqrt(3)
# The deviation, and the bound that no value reaches, of [400, 300] weights.
DISTRIBUTIONS: dict[str, tuple[dict[str, Any], float, float, float]] = {
    "uniform": ({"low": -2.0, "high": 4.0}, 1.0, 3 * UNIFORM, 3.0),
    "normal": ({"mean": 0.5, "std": 2.0}, 0.5, 2.0, 14.0),
    "kaiming_uniform": ({"nonlinearity": "relu"}, 0, math.sqrt(2 / 300), math.sqrt(6 / 300)),
    "kaiming_normal": ({}, 0, math.sqrt(2 / 300), 7 * math.sqrt(2 / 300)),
    "xavier_uniform": ({}, 0, math.sqrt(2 / 700), math.sqrt(6 / 700)),
    "xavier_normal": ({"gain": 5 / 3}, 0, 5 / 3 * math.sqrt(2 / 700), 12 * math.sqrt(2 / 700)),
}
CONSTANTS = {"zeros": ({}, 0), "ones": ({}, 1), "full": ({"value": 3}, 3)}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name: str) -> None:
    arguments, mean, deviation, bound = DISTRIBUTIONS[name]
    graph = initial_graph(name, (400, 300), f32, **arguments)
    verify(graph)
    (value,), _ = evaluate(graph, [SEED])
    error = deviation / math.sqrt(value.size)
    assert abs(value.mean() - mean) < 5 * error
    assert abs(value.std() / deviation - 1) < 5 / math.sqrt(value.size)
    assert np.abs(value - mean).max() <= bound
    assert len(np.unique(value)) > 0.9 * value.size
    (other,), _ = evaluate(graph, [SEED + np.uint64(1)])
    assert abs(np.corrcoef(value.ravel(), other.ravel())[0, 1]) < 5 / math.sqrt(value.size)


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, *CONSTANTS])
@pytest.mark.parametrize("dtype", [f16, bf16, f32, f64], ids=str)
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (3, 0), (1, 1, 2, 2)], ids=str)
def test_initializers_in_every_float(name: str, dtype: DType, shape: tuple[int, ...]) -> None:
    arguments = {**DISTRIBUTIONS, **CONSTANTS}[name][0]
    graph = initial_graph(name, shape, dtype, **arguments)
    (value,), _ = evaluate(graph, [SEED])
    assert value.shape == shape and value.dtype == dtype.numpy
    if name in CONSTANTS:
        assert (value == CONSTANTS[name][1]).all()


def test_every_initializer_is_tried() -> None:
    assert set(nn.INITIALIZERS) == {*DISTRIBUTIONS, *CONSTANTS}


def test_linear_starts_as_in_pytorch() -> None:
    _, values = run(nn.Linear(64, 3000), np.zeros((1, 64), np.float32))
    for value in values.values():
        assert np.abs(value).max() <= 0.125
        assert abs(value.std() / (0.125 * UNIFORM) - 1) < 0.05
        assert abs(value.mean()) < 0.01


# -- dropout --------------------------------------------------------------------------------------


class Noisy(Module):
    def __init__(self, p: float) -> None:
        self.one = nn.Dropout(p)
        self.two = nn.Dropout(p)

    def forward(self, x):
        return self.one(x), self.one(x), self.two(x)


def test_dropout_draws_anew_at_each_use_and_each_call() -> None:
    x = np.ones((50, 100), np.float32)
    unit = build_unit({"f": Export(Noisy(0.25), (f32["B", 100],), training=True)})
    graph = unit.exports["f"]
    assert list(unit.state) == ["random.counter"]
    (counter,) = first_values(unit).values()
    results, (after,) = evaluate(graph, [x], [counter])
    again, _ = evaluate(graph, [x], [counter])
    following, _ = evaluate(graph, [x], [after])
    assert after == counter + np.uint64(1)
    masks = [result != 0 for result in (*results, *following)]
    for mask, result in zip(masks, results, strict=False):
        assert abs(mask.mean() - 0.75) < 0.02
        np.testing.assert_allclose(result[mask], 1 / 0.75, rtol=1e-6)
    for same, result in zip(again, results, strict=True):
        np.testing.assert_array_equal(same, result)
    for place, mask in enumerate(masks):
        for other in masks[:place]:
            # Independent masks agree in 0.75**2 + 0.25**2 of the places.
            assert abs((mask == other).mean() - 0.625) < 0.04


def test_dropout_is_silent_outside_of_training_and_at_zero() -> None:
    quiet = build_unit({"f": Export(Noisy(0.25), (f32[3],))})
    assert not quiet.state
    assert set(quiet.exports["f"].results) == set(quiet.exports["f"].inputs)
    assert not build_unit({"f": Export(Noisy(0.0), (f32[3],), training=True)}).state
    all_zero, _ = run(nn.Dropout(1.0), np.ones(3, np.float32), training=True)
    np.testing.assert_array_equal(all_zero, np.zeros(3))


@pytest.mark.parametrize("name", DROPOUTS)
def test_kinds_of_dropout(name: str) -> None:
    shape = DROPOUTS[name]
    layer = nn.LIBRARY[name](0.25)
    ones = np.ones(shape, np.float32)
    np.testing.assert_array_equal(run(layer, ones)[0], ones)
    found, _ = run(layer, ones, training=True)
    low, high = np.unique(found)
    alpha = "Alpha" in name
    # SELU saturates at -1.758; scaling brings mean and variance back.
    kept = (0.75 + 1.7580993**2 * 0.75 * 0.25) ** -0.5
    shift = kept * 1.7580993 * 0.25
    expected = [-kept * 1.7580993 + shift, kept + shift] if alpha else [0, 1 / 0.75]
    np.testing.assert_allclose([low, high], expected, rtol=1e-5)
    dropped = (found == low).reshape(20, 30, 6)
    assert abs(dropped.mean() - 0.25) < 0.08
    is_whole = (dropped == dropped[..., :1]).all()
    assert is_whole == (name != "AlphaDropout")


def test_slopes_are_drawn_in_training() -> None:
    x = RNG.normal(size=(40, 50)).astype(np.float32)
    found, _ = run(nn.RReLU(0.1, 0.3), x, training=True)
    np.testing.assert_array_equal(found[x > 0], x[x > 0])
    slopes = found[x < 0] / x[x < 0]
    assert slopes.min() > 0.0999 and slopes.max() < 0.3001
    assert abs(slopes.mean() - 0.2) < 0.01 and abs(slopes.std() - 0.2 * UNIFORM / 2) < 0.005


def test_attention_drops_keys_in_training() -> None:
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    unit = build_unit({"f": Export(layer, (f32[2, 3, 8],), training=True)})
    assert "random.counter" in unit.state
    x = RNG.normal(size=(2, 3, 8)).astype(np.float32)
    quiet, weights = run(nn.MultiheadAttention(8, 2), x)
    noisy, same = run(layer, x, training=True)
    np.testing.assert_array_equal(weights["in_proj_weight"], same["in_proj_weight"])
    assert np.isfinite(noisy).all() and not np.allclose(noisy, quiet)


def test_neighbouring_seeds_do_not_share_a_sequence() -> None:
    unit = build_unit({"f": Export(Noisy(0.5), (f32[3],), training=True)})
    starts = [
        int(first_values(unit, np.asarray(seed, np.uint64))["random.counter"]) for seed in range(50)
    ]
    gaps = np.diff(np.sort(np.array(starts, np.uint64)))
    assert gaps.min() > 2**40
