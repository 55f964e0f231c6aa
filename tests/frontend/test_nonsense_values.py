"""Every parameter of every function with values that it is not made for, on arrays and in traces.

What comes is a value or an error for the user, and never one of Python or NumPy.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.arrays.functions import named
from graphc.errors import GraphcError, InternalError
from graphc.frontend.tracing.trace import trace
from graphc.ir.op import functions
from tests.own_words import own_words
from tests.surface_calls import NAMES, SurfaceCall, calls_of

pytestmark = pytest.mark.filterwarnings("ignore")

VALUES: tuple[Any, ...] = (
    np.inf,
    np.nan,
    -1,
    10**13,
    2.0,
    np.int64(1),
    "text",
    None,
    [],
    (),
    {},
    [0.5, 1.5],
    (2.0, 3),
    np.ma.masked_array([1.0, 2.0], [True, False]),
    np.array([None, "a"], object),
)

Call = tuple[tuple[Any, ...], dict[str, Any]]


class _Taken(Exception):
    """Ends a call whose arguments are what was wanted."""


def base_call(one: SurfaceCall, tensors: list[Any]) -> Call:
    """The arguments that a call gives to the function."""
    found: list[Call] = []

    def take(*given: Any, **keywords: Any) -> Any:
        found.append((given, keywords))
        raise _Taken

    with suppress(_Taken):
        one.body(take, *tensors)
    return found[0]


def changed(name: str, base: Call) -> Iterator[Call]:
    """The call with each of its arguments, and each that it leaves out, as each of the values."""
    given, keywords = base
    parameters = inspect.signature(functions[name]).parameters.values()
    rest = [
        one.name
        for one in list(parameters)[len(given) :]
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    for value in VALUES:
        for place in range(len(given)):
            yield (*given[:place], value, *given[place + 1 :]), keywords
        for key in {*rest, *keywords}:
            yield given, {**keywords, key: value}


def is_explained(function: Any, call: Call) -> str:
    """What is wrong with how a call ends; nothing where it gives a value or an error of graphc."""
    given, keywords = call
    try:
        function(*given, **keywords)
    except InternalError as error:
        return f"{given} {keywords}: {error}"
    except GraphcError as error:
        words = ("object is not", "unexpected keyword", "positional argument", "keyword-only")
        leak = any(one in own_words(error) for one in words)
        return f"{given} {keywords}: {error}" if leak else ""
    except Exception as error:
        return f"{given} {keywords}: {type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_arrays(name: str) -> None:
    function = named(name)
    for one in calls_of(name)[:1]:
        base = base_call(one, list(one.arrays((0.2, 0.9))))
        wrong = [found for call in changed(name, base) if (found := is_explained(function, call))]
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_traces(name: str) -> None:
    function = named(name)
    wrong: list[str] = []

    def body(*tensors: Any) -> Any:
        for call in changed(name, base_call(one, list(tensors))):
            wrong.append(is_explained(function, call))
        return tensors[0] if tensors else gc.zeros(())

    for one in calls_of(name)[:1]:
        trace(lambda x=(): body(*x), *((one.types,) if one.types else ()), name="call")
    assert not any(wrong), "\n".join(filter(None, wrong))


X = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: gc.arange(0, np.inf), "give finite bounds"),
        (lambda: gc.arange(0, np.nan), "give finite bounds"),
        (lambda: gc.eye(-1), "-1 is no size"),
        (lambda: gc.pad(X, 10**9), "this machine has"),
        (lambda: gc.reshape(X, (2.0, 6)), "expected a size or a list of sizes"),
        (lambda: gc.zeros((2.0,)), "expected a size or a list of sizes"),
        (lambda: gc.reshape(X, (4, 3), order="F"), "no argument 'order'"),
        (lambda: gc.trace(X, offset=1), "graphc.linalg.trace"),
        (lambda: gc.gradient(X, 0.5, 2.0), "axis is 2.0 (float), expected a whole number"),
        (lambda: gc.sum(X, axis=1.0), "expected the number of an axis"),
        (lambda: gc.stack([X, X[0]]), "stack: f64[3, 4] and f64[4]"),
        (lambda: gc.unflatten(X, 1, (0, -1)), "does not split by 0"),
        (lambda: gc.tensor_split(X, 10**9), "1000000000 steps"),
    ],
)
def test_what_is_said(call: Any, expected: str) -> None:
    with pytest.raises(GraphcError) as refused:
        call()
    assert expected in own_words(refused.value)


def test_whole_numbers_of_numpy_are_sizes() -> None:
    two = np.int64(2)
    assert gc.nn.Linear(two, np.uint8(3)).weight.shape == (3, 2)
    assert gc.zeros((two,)).shape == gc.zeros(two).shape == (2,)
    assert gc.unflatten(np.zeros((4, 0)), two - 1, (two, 0, 0)).shape == (4, 2, 0, 0)


@pytest.mark.parametrize("name", ["intersect1d", "setdiff1d", "setxor1d", "union1d"])
def test_sets_of_arrays_need_no_size(name: str) -> None:
    a, b = np.array([3, 1, 2, 3]), np.array([[5, 3], [2, 2]])
    np.testing.assert_array_equal(named(name)(a, b), getattr(np, name)(a, b))
    held = named(name)(np.array([1.0, np.nan]), np.array([np.nan]), size=3, fill_value=-1.0)
    found = named(name)(np.array([1.0, np.nan]), np.array([np.nan]))
    np.testing.assert_array_equal(found, held[: len(found)])
