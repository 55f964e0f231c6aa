"""The process's thread pool, in C; all modules share it."""

from __future__ import annotations

import ctypes
import functools
from importlib.resources import files

from graphc import config
from graphc.errors import UsageError
from graphc.runtime.cpu.compiler import compile_object

__all__ = ["Runner", "runner", "set_least_work", "set_threads", "shared_loops", "threads"]

LEAST_WORK = 1 << 18
"""Work of a launch that is worth other threads, in the unit of `graphc/ir/kernels/work.py`.

A core does as much in about 4 us. A thread that spins for work, as those of the pool do between
launches that follow each other, answers in about one; to wake a sleeping one is a call of the
system, and nobody waits for it to come.
"""


class Runner(ctypes.Structure):
    """What generated code is given to spread a kernel over threads (`struct gc_runner`)."""

    _fields_ = (("parallel_for", ctypes.c_void_p), ("pool", ctypes.c_void_p))


@functools.cache
def _library() -> ctypes.CDLL:
    folder = files(__package__ or "graphc.runtime.cpu")
    header = (folder / "pool.h").read_text(encoding="utf-8")
    body = (folder / "pool.c").read_text(encoding="utf-8")
    library = ctypes.CDLL(str(compile_object(body.replace('#include "pool.h"', header))))
    library.gc_pool_create.restype = ctypes.c_void_p
    library.gc_pool_create.argtypes = [ctypes.c_int, ctypes.c_int64]
    library.gc_pool_set_threads.restype = None
    library.gc_pool_set_threads.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.gc_pool_set_least_work.restype = None
    library.gc_pool_set_least_work.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    library.gc_pool_shared_loops.restype = ctypes.c_int64
    library.gc_pool_shared_loops.argtypes = [ctypes.c_void_p]
    library.gc_pool_threads.restype = ctypes.c_int
    library.gc_pool_threads.argtypes = [ctypes.c_void_p]
    return library


@functools.cache
def runner() -> Runner:
    """The pool of this process, with as many threads as the settings say."""
    library = _library()
    pool = library.gc_pool_create(config.settings().threads, LEAST_WORK)
    if not pool:
        raise MemoryError("no memory for the thread pool")
    function = ctypes.cast(library.gc_parallel_for, ctypes.c_void_p)
    return Runner(function, pool)


def shared_loops() -> int:
    """How many launches ran on more than one thread so far."""
    return int(_library().gc_pool_shared_loops(runner().pool))


def set_least_work(work: int = LEAST_WORK) -> None:
    """Run launches of less work than this on the thread that calls.

    Results do not depend on it; 0 shares every launch of several grid steps.
    """
    _library().gc_pool_set_least_work(runner().pool, work)


def threads() -> int:
    """How many threads run kernels on the CPU from the next call on."""
    if not runner.cache_info().currsize:
        return config.settings().threads
    return int(_library().gc_pool_threads(runner().pool))


def set_threads(threads: int) -> None:
    """Use this many threads on the CPU from the next call on. Results do not depend on it.

    By default there are as many as processors, or as `GRAPHC_THREADS` says.

    >>> set_threads(2)

    Raises:
        UsageError: no whole number from 1 to 1024.
    """
    if type(threads) is not int or not 1 <= threads <= config.MOST_THREADS:
        raise UsageError(
            f"set_threads was given {threads!r}, expected a whole number from 1 to "
            f"{config.MOST_THREADS}"
        )
    _library().gc_pool_set_threads(runner().pool, threads)
