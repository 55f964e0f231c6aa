"""Compile CUDA C to machine code with NVRTC, which needs neither a GPU nor a toolkit.

The same text, architecture and NVRTC release give the same bytes anywhere: nothing of the machine
enters a compilation, since the text includes no header and has a name made from its content.

Source: NVRTC User Guide, https://docs.nvidia.com/cuda/nvrtc/.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from graphc.errors import InternalError, ToolchainError, UsageError

__all__ = ["CompiledKernel", "Request", "compile_all", "compile_cubin", "compile_ptx", "version"]

# The numerics contract: products and sums are contracted only where the text says fma, and
# division, square roots and subnormals are IEEE 754's. These are NVRTC's defaults but the first.
_NUMERICS = ("--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false")
_LANGUAGE = ("--std=c++17", "--device-as-default-execution-space")


# Features of one architecture alone (a) and of its family (f) have variants of their own.
_FIRST_WITH = {"": 0, "a": 90, "f": 100}


@dataclass(frozen=True)
class CompiledKernel:
    """The result of one compilation.

    Attributes:
        name: the name the text was given by its author.
        arch: sm_80 and the like for a cubin, compute_80 and the like for PTX.
        code: the cubin, or PTX as ASCII text.
        log: what NVRTC and ptxas had to say; empty where all is well.
    """

    name: str
    arch: str
    code: bytes
    log: str


@dataclass(frozen=True)
class Request:
    """One compilation for `compile_all`; the fields are the arguments of `compile_cubin`."""

    source: str
    arch: str
    name: str
    fast: bool = False


def compile_cubin(source: str, arch: str, *, name: str, fast: bool = False) -> CompiledKernel:
    """Compile `source` to a cubin for `arch` (sm_80, sm_90a, ...).

    Args:
        source: CUDA C++ without includes.
        arch: a real architecture.
        name: what messages call the text.
        fast: spend less time on the machine code, as tests want.

    Raises:
        ToolchainError: NVRTC is not installed.
        UsageError: NVRTC does not know `arch`.
        InternalError: NVRTC refuses the text; its log is in the notes.
    """
    return _compile(source, arch, name, fast, "CUBIN")


def compile_ptx(source: str, arch: str, *, name: str, fast: bool = False) -> CompiledKernel:
    """Compile `source` to PTX for a virtual architecture (compute_80, ...); see `compile_cubin`."""
    return _compile(source, arch, name, fast, "PTX")


def compile_all(requests: Sequence[Request]) -> list[CompiledKernel]:
    """Compile several texts to cubins at once: NVRTC works outside Python's lock.

    Raises:
        What `compile_cubin` raises, for the first request in order that fails.
    """
    _nvrtc()
    with _interrupts_held() as held:
        pool = ThreadPoolExecutor(min(len(requests), os.cpu_count() or 1) or 1)
        try:
            futures = [pool.submit(_compile_request, request) for request in requests]
            for future in futures:
                while not wait([future], _SECONDS_BETWEEN_LOOKS).done:
                    if signal.sigtimedwait(held, 0) is not None:
                        raise KeyboardInterrupt
            return [future.result() for future in futures]
        finally:
            # Whoever is interrupted, or has an error to tell, does not wait for the others.
            pool.shutdown(wait=False, cancel_futures=True)


_SECONDS_BETWEEN_LOOKS = 0.05


@contextmanager
def _interrupts_held() -> Iterator[set[signal.Signals]]:
    """Hold interrupts back from this thread and those that it starts; they are looked for.

    NVRTC puts a handler of its own in the place of Python's for a time, which ends the process
    without a word.
    """
    if threading.current_thread() is not threading.main_thread():
        yield set()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield {signal.SIGINT}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def version() -> tuple[int, int]:
    """The release of the NVRTC that compiles, for cache keys and reports."""
    nvrtc = _nvrtc()
    major, minor = _checked(nvrtc, nvrtc.nvrtcVersion())
    return major, minor


def _compile_request(request: Request) -> CompiledKernel:
    return compile_cubin(request.source, request.arch, name=request.name, fast=request.fast)


def _compile(
    source: str, arch: str, name: str, fast: bool, form: Literal["CUBIN", "PTX"]
) -> CompiledKernel:
    nvrtc = _nvrtc()
    check_architecture(arch, "sm_" if form == "CUBIN" else "compute_")
    options = [f"--gpu-architecture={arch}", *_LANGUAGE, *_NUMERICS]
    if fast:
        options.append("--Ofast-compile=max")
    text = source.encode()
    # The name gets into the cubin; made from the content, it is the same everywhere.
    label = f"{hashlib.sha256(text).hexdigest()[:16]}.cu"
    (program,) = _checked(nvrtc, nvrtc.nvrtcCreateProgram(text, label.encode(), 0, [], []))
    try:
        (status,) = nvrtc.nvrtcCompileProgram(
            program, len(options), [option.encode() for option in options]
        )
        log = _get(nvrtc, program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        log = log.replace(label, f"{name}.cu").strip()
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise InternalError(
                f"NVRTC refuses the text of {name} for {arch}", notes=log.splitlines()
            )
        return CompiledKernel(name, arch, _get(nvrtc, program, form), log)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _get(nvrtc: Any, program: Any, what: str) -> bytes:
    """Fetch one of a program's results by NVRTC's pair of functions for size and content."""
    (size,) = _checked(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(program))
    # Bytes are not to be written to: those of one character are one object for all of Python.
    content = bytearray(size)
    _checked(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(program, content))
    return bytes(content)


def _checked(nvrtc: Any, result: tuple[Any, ...]) -> tuple[Any, ...]:
    status, *values = result
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise InternalError(f"NVRTC fails: {status.name}")
    return tuple(values)


def check_architecture(arch: str, prefix: str = "sm_") -> None:
    """Whether NVRTC compiles for an architecture: a real one, or with "compute_" a virtual one.

    Raises:
        UsageError: it does not.
        ToolchainError: there is no NVRTC.
    """
    known = _architectures()
    match = re.fullmatch(rf"{prefix}(\d+)([af]?)", arch)
    if match is None or int(match[1]) not in known or int(match[1]) < _FIRST_WITH[match[2]]:
        raise UsageError(
            f"NVRTC {'.'.join(map(str, version()))} has no architecture {arch!r}",
            code="unknown-target",
            hint=f"it has {', '.join(f'{prefix}{n}' for n in known)}",
        )


@functools.cache
def _architectures() -> tuple[int, ...]:
    nvrtc = _nvrtc()
    (count,) = _checked(nvrtc, nvrtc.nvrtcGetNumSupportedArchs())
    (architectures,) = _checked(nvrtc, nvrtc.nvrtcGetSupportedArchs())
    return tuple(architectures[:count])


@functools.cache
def _nvrtc() -> Any:
    """The bindings, loaded when first needed: they cost a tenth of a second and are optional."""
    try:
        nvrtc = importlib.import_module("cuda.bindings.nvrtc")
        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError) as error:
        raise ToolchainError(
            f"compiling for CUDA needs NVRTC, which cannot be loaded: {error}",
            hint="install graphc with its extra: pip install '.[cuda]'",
        ) from error
    return nvrtc
