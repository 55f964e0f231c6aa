"""NumPy's linear algebra runs on one thread inside of graphc, and on as many as before outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import graphc as gc
from graphc.ir.blas import one_thread

SQUARE = np.eye(3, dtype=np.float32)


def numpys_threads() -> list[int]:
    """The number that each OpenBLAS of NumPy says."""
    libraries = ThreadpoolController().select(internal_api="openblas").info()
    return [one["num_threads"] for one in libraries if "numpy" in one["filepath"]]


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    with ThreadpoolController().select(user_api="blas").limit(limits=3):
        if not numpys_threads():
            pytest.skip("NumPy's BLAS is another one than the OpenBLAS of its wheels")
        yield


CALLS = {
    "eager": lambda: gc.linalg.solve(SQUARE, SQUARE),
    "cpu": lambda: gc.function(lambda a: gc.linalg.solve(a, a), device="cpu")(SQUARE),
    "reference": lambda: gc.function(lambda a: gc.linalg.solve(a, a), device="reference")(SQUARE),
}


@pytest.mark.parametrize("way", CALLS)
def test_a_call_runs_on_one_thread(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    solve, seen = np.linalg.solve, []

    def observed(a: Any, b: Any) -> Any:
        seen.append(numpys_threads())
        return solve(a, b)

    monkeypatch.setattr(np.linalg, "solve", observed)
    np.testing.assert_array_equal(CALLS[way](), SQUARE)
    assert seen and all(numbers == [1] for numbers in seen)
    assert numpys_threads() == [3]


@pytest.mark.parametrize("way", CALLS)
def test_after_an_error_the_number_is_as_before(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(a: Any, b: Any) -> Any:
        assert numpys_threads() == [1]
        raise MemoryError("no room for a matrix")

    monkeypatch.setattr(np.linalg, "solve", failing)
    with pytest.raises(MemoryError, match="no room"):
        CALLS[way]()
    assert numpys_threads() == [3]


def test_products_of_the_reference_run_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    matmul, seen = np.matmul, []

    def observed(a: Any, b: Any) -> Any:
        seen.append(numpys_threads())
        return matmul(a, b)

    monkeypatch.setattr(np, "matmul", observed)
    np.testing.assert_array_equal(gc.matmul(SQUARE, SQUARE), SQUARE)
    assert seen == [[1]]


def test_the_last_of_several_threads_puts_the_number_back() -> None:
    inside, may_go = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread:
            inside.set()
            may_go.wait(60)

    thread = threading.Thread(target=other)
    with one_thread, one_thread:
        thread.start()
        assert inside.wait(60)
    assert numpys_threads() == [1]
    may_go.set()
    thread.join()
    assert numpys_threads() == [3]
