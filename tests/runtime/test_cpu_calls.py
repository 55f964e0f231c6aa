"""Calls on the CPU: which arguments are taken as they lie, and threads that call at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc
from graphc.frontend.elaborate import elaborate
from graphc.library import library
from graphc.runtime.cpu import executor
from graphc.runtime.loaded import LoadedModule

Array = np.ndarray[Any, Any]

SOURCE = """
dim B: 1..64

def double(x: f32[B, 4]) -> f32[B, 4]:
    return x + x

export double = double
"""


@pytest.fixture(scope="module")
def module() -> LoadedModule:
    built = graphc.build(elaborate(SOURCE, "double.gc", library()))
    return graphc.load_file(built.file, "cpu")


def locked(array: Array) -> Array:
    array.flags.writeable = False
    return array


def shifted(array: Array) -> Array:
    """The same values at an odd address."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    found = memory[1:].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found


@pytest.mark.parametrize(
    ("form", "is_bound"),
    [
        (lambda x: x, False),
        (locked, False),
        (lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape), False),
        (np.asfortranarray, True),
        (shifted, True),
        (lambda x: x.astype(">f4"), True),
    ],
    ids=["own", "read-only", "bytes", "Fortran order", "unaligned", "other byte order"],
)
def test_contiguous_aligned_arguments_are_taken_as_they_lie(
    form: Callable[[Array], Array],
    is_bound: bool,
    module: LoadedModule,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    module.double(x)
    bound = []
    real = executor.bind_arguments

    def bind_arguments(entry: Any, arguments: Any) -> Any:
        bound.append(arguments)
        return real(entry, arguments)

    monkeypatch.setattr(executor, "bind_arguments", bind_arguments)
    given = form(x.copy())
    np.testing.assert_array_equal(module.double(given), x + x)
    np.testing.assert_array_equal(given, x)
    assert bool(bound) == is_bound


def test_threads_that_call_one_module_get_their_own_results(module: LoadedModule) -> None:
    barrier = threading.Barrier(6)
    wrong: list[int] = []

    def work(number: int) -> None:
        barrier.wait()
        for step in range(50):
            # Each call has other shapes than the last, so that frames are made and evicted.
            x = np.full((1 + (7 * number + step) % 64, 4), number, np.float32)
            result = module.double(x)
            if result.shape != x.shape or not np.array_equal(result, x + x):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
