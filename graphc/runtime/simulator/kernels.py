"""Compile CUDA text for the CPU and launch its kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphc import config
from graphc.errors import SimulatorError, UsageError
from graphc.runtime.simulator.arguments import (
    Argument,
    Dimensions,
    Kernel,
    KernelRecord,
    as_ctypes,
)
from graphc.runtime.simulator.buffers import BufferRecord, CheckedBuffers
from graphc.runtime.simulator.build import KernelText, build_module, read_kernel_text
from graphc.runtime.simulator.findings import (
    MAX_FINDINGS,
    FindingRecord,
    LaunchShape,
    describe_findings,
)

__all__ = ["SimulatedKernels"]

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
            name: Kernel(
                name, parameters, KernelRecord.in_dll(self._library, f"simulator_kernel_{name}")
            )
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
        kernel: Kernel,
        configuration: _Configuration,
        arguments: Sequence[Argument],
        buffers: CheckedBuffers | None,
    ) -> list[FindingRecord]:
        values = [as_ctypes(argument, buffers) for argument in arguments]
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
            raise SimulatorError(f"{kernel.name}: no memory is left for the simulated threads")
        return list(records[:count])


@dataclass(frozen=True)
class _Configuration:
    grid: Dimensions
    block: Dimensions
    shared_bytes: int
    seed: int
    threads: int


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


def _default_threads() -> int:
    return config.settings().threads
