"""The loss of unaligned sequences, against the sum over every alignment."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp
from tests.emitted import emitted

Array = np.ndarray[Any, Any]

STEPS, CLASSES = 5, 3
TARGETS = np.array([[1, 2, 1], [2, 2, 0], [1, 0, 0], [1, 1, 1]])
INPUT_LENGTHS, TARGET_LENGTHS = np.array([5, 4, 3, 4]), np.array([3, 2, 0, 3])


def log_probabilities() -> Array:
    x = np.random.default_rng(3).normal(size=(STEPS, len(TARGETS), CLASSES))
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def collapsed(path: tuple[int, ...]) -> list[int]:
    """What a path of classes says: repetitions are one, and blanks nothing."""
    return [one for one, _ in itertools.groupby(path) if one != 0]


def expected_losses(logarithms: Array) -> Array:
    losses = []
    for number, target in enumerate(TARGETS):
        steps, wanted = INPUT_LENGTHS[number], list(target[: TARGET_LENGTHS[number]])
        total = sum(
            np.exp(sum(logarithms[t, number, one] for t, one in enumerate(path)))
            for path in itertools.product(range(CLASSES), repeat=steps)
            if collapsed(path) == wanted
        )
        with np.errstate(divide="ignore"):
            losses.append(-np.log(total))
    return np.array(losses)


def graph(**arguments: Any) -> Graph:
    arrays = (log_probabilities(), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    nodes = tuple(
        graph_input(f"x{i}", dtypes.from_numpy(x.dtype), x.shape) for i, x in enumerate(arrays)
    )
    loss = functions["ctc_loss"](*nodes, **arguments)
    slopes = vjp([loss], [nodes[0]], [functions["ones_like"](loss)])
    return Graph("f", nodes, (), (loss, *slopes))


def run(logarithms: Array, **arguments: Any) -> tuple[Array, ...]:
    given = [logarithms, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS]
    return evaluate(graph(**arguments), given)[0]


def test_the_loss_sums_over_every_alignment() -> None:
    x = log_probabilities()
    losses, _ = run(x, reduction="none")
    expected = expected_losses(x)
    assert np.isinf(expected[3])  # equal labels need a blank between them
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    possible = np.where(np.isinf(expected), 0, expected)
    np.testing.assert_allclose(run(x, reduction="sum", zero_infinity=True)[0], possible.sum())
    mean = np.mean(possible / np.maximum(TARGET_LENGTHS, 1))
    np.testing.assert_allclose(run(x, zero_infinity=True)[0], mean)


def test_its_gradient_is_that_of_differences() -> None:
    x = log_probabilities()
    _, gradient = run(x, reduction="sum", zero_infinity=True)
    direction = np.random.default_rng(0).normal(size=x.shape)
    ends = [
        run(x + sign * 1e-6 * direction, reduction="sum", zero_infinity=True)[0] for sign in (1, -1)
    ]
    np.testing.assert_allclose(np.sum(gradient * direction), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


def test_the_cpu_computes_what_the_reference_does() -> None:
    arrays = [log_probabilities(), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS]
    made = graph(reduction="none", zero_infinity=True)
    for found, expected in zip(
        emitted([made]).call("f", arrays), evaluate(made, arrays)[0], strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("shapes", "error"),
    [
        (((5, 2), (2, 3), (2,), (2,)), ShapeError),
        (((5, 2, 3), (3, 3), (2,), (2,)), ShapeError),
        (((5, 2, 3), (2, 3), (3,), (2,)), ShapeError),
        (((5, 2, 3), (2, 3), (2,), (2, 1)), ShapeError),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    shapes: tuple[tuple[int, ...], ...], error: type[Exception]
) -> None:
    kinds = (dtypes.f32, dtypes.i64, dtypes.i64, dtypes.i64)
    nodes = [
        graph_input(f"x{i}", dtype, shape)
        for i, (dtype, shape) in enumerate(zip(kinds, shapes, strict=True))
    ]
    with pytest.raises(error, match="ctc_loss"):
        functions["ctc_loss"](*nodes)


def test_labels_are_whole_numbers() -> None:
    x = graph_input("x", dtypes.f32, (5, 2, 3))
    labels = graph_input("y", dtypes.f32, (2, 3))
    lengths = graph_input("n", dtypes.i64, (2,))
    with pytest.raises(DTypeError, match="whole numbers"):
        functions["ctc_loss"](x, labels, lengths, lengths)
