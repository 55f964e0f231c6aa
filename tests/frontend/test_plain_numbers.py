"""Python's numbers where functions take tensors, on arrays and in traces."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.arrays.functions import named
from graphc.errors import DTypeError, GraphcError
from graphc.frontend.tracing.random_draws import draws
from graphc.frontend.tracing.trace import trace
from graphc.ir.op import functions

pytestmark = pytest.mark.filterwarnings("ignore")


def taking_numbers() -> Iterator[tuple[str, int]]:
    """The functions of tensors without axes alone, and of how many of them."""
    for name, function in sorted(functions.items()):
        parameters = inspect.signature(function).parameters.values()
        needed = [
            one
            for one in parameters
            if one.default is one.empty
            and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ]
        if draws(function):
            continue
        if not needed or any(one.annotation not in ("Node", "Operand") for one in needed):
            continue
        try:
            trace(named(name), *[gc.f32[()]] * len(needed))
        except GraphcError:
            continue
        yield name, len(needed)


CALLS = dict(taking_numbers())


def leaves(value: Any) -> list[Any]:
    return [*value] if isinstance(value, tuple) else [value]


@pytest.mark.parametrize("name", CALLS)
def test_a_number_is_the_tensor_that_it_would_be(name: str) -> None:
    numbers = [0.5] * CALLS[name]
    found = leaves(named(name)(*numbers))
    expected = leaves(named(name)(*map(np.float32, numbers)))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
    graph, _ = trace(lambda: tuple(leaves(named(name)(*numbers))))
    found_types = [(one.dtype.numpy, one.shape) for one in graph.results]
    assert found_types == [(np.asarray(one).dtype, np.shape(one)) for one in expected]


@pytest.mark.parametrize("name", CALLS)
def test_a_whole_number_is_a_float_where_integers_are_refused(name: str) -> None:
    count = CALLS[name]
    try:
        expected = named(name)(*[np.int64(1)] * count)
    except GraphcError:
        expected = named(name)(*[np.float32(1)] * count)
    for one, other in zip(leaves(named(name)(*[1] * count)), leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


def test_most_functions_take_numbers() -> None:
    assert len(CALLS) > 200


@pytest.mark.parametrize(
    ("found", "dtype", "value"),
    [
        (lambda: gc.softplus(1), "float32", 1.3132616),
        (lambda: gc.sqrt(64), "float32", 8),
        (lambda: gc.hypot(3, 4), "float32", 5),
        (lambda: gc.relu(2), "int64", 2),
        (lambda: gc.power(2.0, 3), "float32", 8),
        (lambda: gc.logical_and(True, False), "bool", False),
        (lambda: gc.where(True, 1, 2.5), "float32", 1),
        (lambda: gc.multiply(2, 1j), "complex64", 2j),
        (lambda: gc.stack([1, 2.5])[0], "float32", 1),
        (lambda: gc.stack([np.float16(1), 2])[1], "float16", 2),
        (lambda: gc.addcmul(np.float16(1), 2, np.float16(3)), "float16", 7),
    ],
)
def test_numbers_have_the_dtype_of_what_is_beside_them(found: Any, dtype: str, value: Any) -> None:
    """A whole number is a float where nothing else is taken."""
    result = found()
    assert result.dtype == dtype
    np.testing.assert_allclose(result, value, rtol=1e-6)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: gc.exp(True),
        lambda: gc.exp(np.int64(1)),
        lambda: gc.exp(np.arange(3)),
        lambda: gc.hypot(np.arange(3), 4),
        lambda: gc.relu(10**30),
    ],
)
def test_arrays_are_no_numbers(refused: Any) -> None:
    with pytest.raises(DTypeError):
        refused()
