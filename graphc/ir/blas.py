"""NumPy's BLAS and LAPACK on one thread: the order of their sums follows the number of threads.

An OpenBLAS with POSIX threads, as NumPy's wheels hold it, has one number of threads for the
process, and none for a thread alone: `openblas_set_num_threads_local` sets the same. So it is set
to 1 when the first caller comes, and put back when the last one goes. The package threadpoolctl,
which knows more libraries, leaves the number as it is without a word while another thread of the
process holds a limit (release 3.8), and sets that of every library there is.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from types import TracebackType

from numpy.linalg import _umath_linalg

__all__ = ["one_thread"]

_POSIX_THREADS = 1


def _number_of_threads() -> tuple[Callable[[], int], Callable[[int], object]]:
    """The functions that read and set the number of the OpenBLAS that NumPy is linked with.

    Other libraries are left as they are: nothing is set, and 1 is read. So is an OpenBLAS with
    OpenMP, where each thread has a number of its own.
    """
    linked = ctypes.CDLL(_umath_linalg.__file__)  # finds what the libraries it needs define
    for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "_64", "")):
        read, write, kind = (
            getattr(linked, f"{prefix}openblas_{name}{suffix}", None)
            for name in ("get_num_threads", "set_num_threads", "get_parallel")
        )
        if read and write and kind and kind() == _POSIX_THREADS:
            return read, write
    return (lambda: 1), (lambda number: None)


class _OneThread:
    """A context that several threads may be in at once, and one thread several times."""

    def __init__(self) -> None:
        self._read, self._write = _number_of_threads()
        self._lock = threading.Lock()
        self._callers = 0
        self._before = 1

    def __enter__(self) -> None:
        with self._lock:
            if not self._callers:
                self._before = self._read()
                self._write(1)
            self._callers += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._callers -= 1
            if not self._callers:
                self._write(self._before)


one_thread = _OneThread()
"""`with one_thread:` NumPy's linear algebra gives the same bits whatever the environment says."""
