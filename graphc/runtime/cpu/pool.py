"""The process's thread pool, in C; all modules share it."""

from __future__ import annotations

import ctypes
import functools
from importlib.resources import files

from graphc import config
from graphc.errors import UsageError
from graphc.runtime.cpu.compiler import compile_object

__all__ = ["Runner", "runner", "set_threads", "threads"]


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
    library.gc_pool_create.argtypes = [ctypes.c_int]
    library.gc_pool_set_threads.restype = None
    library.gc_pool_set_threads.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.gc_pool_threads.restype = ctypes.c_int
    library.gc_pool_threads.argtypes = [ctypes.c_void_p]
    return library


@functools.cache
def runner() -> Runner:
    """The pool of this process, with as many threads as the settings say."""
    library = _library()
    pool = library.gc_pool_create(config.settings().threads)
    if not pool:
        raise MemoryError("no memory for the thread pool")
    function = ctypes.cast(library.gc_parallel_for, ctypes.c_void_p)
    return Runner(function, pool)


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
