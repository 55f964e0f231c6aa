"""Compile CUDA text for the CPU and launch its kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphc import config
from graphc.errors import SimulatorError, UsageError
from graphc.runtime.simulator.buffers import BufferRecord, CheckedBuffers
from graphc.runtime.simulator.build import KernelText, build_module, read_kernel_text
from graphc.runtime.simulator.findings import (
    MAX_FINDINGS,
    FindingRecord,
    LaunchShape,
    describe_findings,
)

__all__ = ["Argument", "Dimensions", "Scalar", "SimulatedKernels"]

Array: TypeAlias = npt.NDArray[Any]
Scalar: TypeAlias = "ctypes._SimpleCData[Any] | ctypes.Structure"
Argument: TypeAlias = "Array | Scalar"
Dimensions: TypeAlias = tuple[int, int, int]

# Limits of compute capabilities 8.0 to 10.0 (CUDA C++ Programming Guide, "Technical
# Specifications per Compute Capability").
_MAX_GRID = (2**31 - 1, 65535, 65535)
_MAX_BLOCK = (1024, 1024, 64)
_MAX_THREADS = 1024
_MAX_SHARED_BYTES = 227 * 1024


class SimulatedKernels:
    """The kernels of one CUDA text, ready to run on the CPU.

    >>> import ctypes, numpy as np
    >>> kernels = SimulatedKernels.compile('''
    ... extern "C" __global__ void scale(float* x, float factor, int n) {
    ...   int i = blockIdx.x * blockDim.x + threadIdx.x;
    ...   if (i < n) x[i] *= factor;
    ... }''')
    >>> x = np.arange(5, dtype=np.float32)
    >>> arguments = [x, ctypes.c_float(2.0), ctypes.c_int(5)]
    >>> kernels.launch("scale", (1, 1, 1), (32, 1, 1), 0, arguments)
    >>> x
    array([0., 2., 4., 6., 8.], dtype=float32)
    """

    def __init__(self, module: Path, text: KernelText, check: bool) -> None:
        self._module = module
        self._check = check
        self._library = ctypes.CDLL(str(module))
        self._library.simulator_launch.restype = ctypes.c_int
        self._kernels = {
            name: _Kernel(name, parameters, _kernel_record(self._library, name))
            for name, parameters in text.parameters.items()
        }

    @classmethod
    def compile(cls, source: str, check: bool = False) -> SimulatedKernels:
        """Compile `source`, the text that NVRTC compiles too; compiled texts are cached.

        With `check`, launches report accesses out of bounds, races, asynchronous copies that
        nobody waited for and reads of uninitialised shared memory. Barriers and warp operations
        that threads never meet at are reported without it as well.

        Raises:
            ToolchainError: there is no C++ compiler.
            InternalError: the compiler refuses the text.
        """
        text = read_kernel_text(source)
        return cls(build_module(text, check), text, check)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the kernels, in the order of the text."""
        return tuple(self._kernels)

    def launch(
        self,
        name: str,
        grid: Dimensions,
        block: Dimensions,
        shared_bytes: int,
        arguments: Sequence[Argument],
        seed: int = 0,
        *,
        threads: int | None = None,
    ) -> None:
        """Run a kernel to its end.

        Args:
            name: the kernel.
            grid: dimensions of the grid in blocks, x first.
            block: dimensions of a block in threads, x first.
            shared_bytes: size of the dynamic shared memory.
            arguments: C-contiguous arrays for pointers (the kernel writes into them), ctypes
                scalars of the exact C type for numbers, ctypes structures for structs.
            seed: other than 0, a random order in which threads take turns; 0 is ascending.
            threads: threads of the machine that run blocks, by default as the settings say.
                Checking takes one.

        Raises:
            SimulatorError: the kernel broke a rule; its `findings` are `Finding`s.
            UsageError: a launch that CUDA would refuse, or arguments of the wrong types.
        """
        kernel = self._kernels.get(name)
        if kernel is None:
            raise UsageError(f"no kernel is named {name!r}; there are {', '.join(self._kernels)}")
        _check_dimensions(name, grid, block, shared_bytes)
        kernel.check_arguments(arguments)
        arrays = kernel.named_arrays(arguments)
        buffers = CheckedBuffers(arrays) if self._check else None
        configuration = _Configuration(
            grid, block, shared_bytes, seed, 1 if self._check else threads or _default_threads()
        )
        records = self._run(kernel, configuration, arguments, buffers)
        if buffers is not None:
            buffers.copy_back()
        if records:
            names = _RegionNames(self._library, buffers, shared_bytes)
            shape = LaunchShape(name, grid, block, names.name_of)
            findings = describe_findings(self._module, records, shape)
            raise SimulatorError(f"kernel {name} breaks the rules of CUDA", findings=findings)

    def _run(
        self,
        kernel: _Kernel,
        configuration: _Configuration,
        arguments: Sequence[Argument],
        buffers: CheckedBuffers | None,
    ) -> list[FindingRecord]:
        values = [_as_ctypes(argument, buffers) for argument in arguments]
        pointers = (ctypes.c_void_p * max(1, len(values)))(*map(ctypes.addressof, values))
        table = buffers.table if buffers is not None else (BufferRecord * 0)()
        records = (FindingRecord * MAX_FINDINGS)()
        count = self._library.simulator_launch(
            ctypes.byref(kernel.record),
            pointers,
            (ctypes.c_uint * 3)(*configuration.grid),
            (ctypes.c_uint * 3)(*configuration.block),
            ctypes.c_uint64(configuration.shared_bytes),
            ctypes.c_uint64(configuration.seed & (2**64 - 1)),
            ctypes.c_uint(configuration.threads),
            table,
            ctypes.c_uint(len(table)),
            records,
        )
        if count < 0:
            raise SimulatorError(f"{kernel.name}: no memory for the stacks of simulated threads")
        return list(records[:count])


@dataclass(frozen=True)
class _Configuration:
    grid: Dimensions
    block: Dimensions
    shared_bytes: int
    seed: int
    threads: int


class _ParameterRecord(ctypes.Structure):
    """`Parameter` of interface.hpp."""

    _fields_ = (("kind", ctypes.c_uint), ("bytes", ctypes.c_uint), ("writable", ctypes.c_uint))


class _KernelRecord(ctypes.Structure):
    """`Kernel` of interface.hpp."""

    _fields_ = (
        ("invoke", ctypes.c_void_p),
        ("parameters", ctypes.POINTER(_ParameterRecord)),
        ("parameter_count", ctypes.c_uint),
    )


# `enum class ParameterKind` of interface.hpp.
_INTEGER, _FLOATING, _POINTER, _OTHER = range(4)
_KIND_NAMES = ("an integer", "a floating-point number", "a pointer", "a struct")


@dataclass(frozen=True)
class _Kernel:
    """A kernel with its parameters as the compiler saw them."""

    name: str
    parameters: tuple[str, ...]
    record: _KernelRecord

    def check_arguments(self, arguments: Sequence[Argument]) -> None:
        """Refuse arguments that are not of the kernel's parameter types."""
        if len(arguments) != self.record.parameter_count:
            raise UsageError(
                f"kernel {self.name} takes {self.record.parameter_count} arguments, "
                f"not {len(arguments)}"
            )
        for name, parameter, argument in self._pairs(arguments):
            problem = _mismatch(parameter, argument)
            if problem:
                raise UsageError(f"kernel {self.name}, parameter {name}: {problem}")

    def named_arrays(self, arguments: Sequence[Argument]) -> list[tuple[str, Array]]:
        """The arrays among the arguments, with the names of their parameters."""
        return [(n, a) for n, _, a in self._pairs(arguments) if isinstance(a, np.ndarray)]

    def _pairs(self, arguments: Sequence[Argument]) -> list[tuple[str, _ParameterRecord, Argument]]:
        records = self.record.parameters[: self.record.parameter_count]
        return list(zip(self.parameters, records, arguments, strict=True))


def _mismatch(parameter: _ParameterRecord, argument: Argument) -> str | None:
    """What is wrong with an argument, or None."""
    if isinstance(argument, np.ndarray):
        if parameter.kind != _POINTER:
            return f"expected {_KIND_NAMES[parameter.kind]}, got an array"
        if not argument.flags.c_contiguous:
            return "the array is not C-contiguous"
        if parameter.writable and not argument.flags.writeable:
            return "the array is read-only, and the kernel may write to it"
        return None
    kind = _kind_of(argument)
    if kind is None:
        return f"expected an array or a ctypes scalar, got {type(argument).__name__}"
    if kind != parameter.kind or ctypes.sizeof(argument) != parameter.bytes:
        expected = f"{_KIND_NAMES[parameter.kind]} of {parameter.bytes} bytes"
        return f"expected {expected}, got {type(argument).__name__}"
    return None


def _kind_of(argument: Any) -> int | None:
    if isinstance(argument, (ctypes.c_float, ctypes.c_double)):
        return _FLOATING
    if isinstance(argument, (ctypes.Structure, ctypes.Array)):
        return _OTHER
    is_number = isinstance(argument, ctypes._SimpleCData) and isinstance(
        argument.value, (int, bool)
    )
    return _INTEGER if is_number else None


def _as_ctypes(argument: Argument, buffers: CheckedBuffers | None) -> Any:
    if not isinstance(argument, np.ndarray):
        return argument
    address = argument.ctypes.data if buffers is None else buffers.address_of(argument)
    return ctypes.c_void_p(address)


def _check_dimensions(name: str, grid: Dimensions, block: Dimensions, shared_bytes: int) -> None:
    """Refuse what cuLaunchKernel refuses with CUDA_ERROR_INVALID_VALUE."""
    for what, dimensions, limits in (("grid", grid, _MAX_GRID), ("block", block, _MAX_BLOCK)):
        if any(not 1 <= d <= limit for d, limit in zip(dimensions, limits, strict=True)):
            raise UsageError(
                f"kernel {name}: a {what} of {dimensions}; CUDA takes 1 to {limits}",
                hint="a launch without work is to be left out" if 0 in dimensions else None,
            )
    if block[0] * block[1] * block[2] > _MAX_THREADS:
        raise UsageError(f"kernel {name}: a block of {block}; CUDA takes {_MAX_THREADS} threads")
    if not 0 <= shared_bytes <= _MAX_SHARED_BYTES:
        raise UsageError(
            f"kernel {name}: {shared_bytes} bytes of shared memory; "
            f"there are {_MAX_SHARED_BYTES} at most"
        )


@dataclass(frozen=True)
class _RegionNames:
    """Names of the checker's regions: buffers, shared variables, dynamic shared memory."""

    library: ctypes.CDLL
    buffers: CheckedBuffers | None
    shared_bytes: int

    def name_of(self, region: int, offset: int) -> tuple[str, int, int]:
        """Name of the variable at an offset in a region, offset in it, and its size."""
        count = 0 if self.buffers is None else len(self.buffers.table)
        if self.buffers is not None and region < count:
            return self.buffers.name_of(region, offset)
        shared_name = self.library.simulator_shared_name
        shared_name.restype = ctypes.c_char_p
        shared_bytes = self.library.simulator_shared_bytes
        shared_bytes.restype = ctypes.c_uint64
        size = shared_bytes(ctypes.c_uint(region - count)) or self.shared_bytes
        distance = (offset + 2**63) % 2**64 - 2**63
        return shared_name(ctypes.c_uint(region - count)).decode(), distance, size


def _kernel_record(library: ctypes.CDLL, name: str) -> _KernelRecord:
    return _KernelRecord.in_dll(library, f"simulator_kernel_{name}")


def _default_threads() -> int:
    return config.settings().threads
