"""The device that programs run on: memory, copies, kernels, and recordings of them.

All calls of CUDA are here. Whatever else there is in the process shares the device's primary
context with it.

Nothing of CUDA is touched before `cuda.core.Device()` has answered: without a driver, other calls
fail in ways that cannot be explained, or never return.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphc.errors import DeviceError, GraphcError, ModuleFormatError
from graphc.runtime.program import Geometry

__all__ = ["Gpu", "Memory", "Recording"]

# Cubins of any release of CUDA 13 run on drivers from this one on (CUDA Compatibility, "Minor
# Version Compatibility"); releases are counted as 1000 * major + 10 * minor.
_CUDA_RELEASE = 13_000
_DRIVER_RELEASE = "580"

# What a block may have of dynamic shared memory without asking for it.
_USUAL_SHARED_BYTES = 48 * 1024

_ELSEWHERE = 'load with device="cpu", or device="sim" to run the CUDA kernels on the CPU'


@dataclass(frozen=True)
class Memory:
    """A piece of memory; `owner` keeps it allocated."""

    address: int
    nbytes: int
    owner: Any


@dataclass
class Recording:
    """What was recorded, once the block that records it has ended."""

    graph: Any = None


class Gpu:
    """The current CUDA device, or the first one, with a stream on it.

    Its methods are not for several threads at a time.

    Raises:
        DeviceError: there is no driver or no device, or the driver is too old.
    """

    def __init__(self) -> None:
        self._core = _load("cuda.core")
        self._device = _open(self._core)
        # Only now: see above.
        self._driver = _load("cuda.bindings.driver")
        self._check_release()
        self.number = int(self._device.device_id)
        self.name = str(self._device.name)
        major, minor = self._device.compute_capability
        self.capability = (int(major), int(minor))
        self._device.set_current()
        self._stream = self._device.create_stream()
        self._target = self.stream

    @property
    def stream(self) -> int:
        """The handle of the stream that all work is ordered on."""
        return int(self._stream.handle)

    def make_current(self) -> None:
        """Let the calling thread work on this device."""
        self._core.Device(self.number).set_current()

    # -- kernels -----------------------------------------------------------------------------

    def load(self, cubin: bytes, geometry: Mapping[str, Geometry]) -> dict[str, Any]:
        """The kernels of a cubin, ready to launch as `geometry` says, by name."""
        with _explained("the driver refuses the module's cubin"):
            code = self._core.ObjectCode.from_cubin(cubin)
            return {name: self._kernel(code, name, shape) for name, shape in geometry.items()}

    def _kernel(self, code: Any, name: str, shape: Geometry) -> Any:
        try:
            kernel = code.get_kernel(name)
        except Exception as error:
            if "NOT_FOUND" not in str(error):
                raise
            raise ModuleFormatError(
                f"the module's cubin has no kernel {name!r}", hint="build the module again"
            ) from error
        if shape.shared_bytes > _USUAL_SHARED_BYTES:
            self._allow_shared(kernel, name, shape.shared_bytes)
        return kernel

    def _allow_shared(self, kernel: Any, name: str, nbytes: int) -> None:
        most = int(self._device.properties.max_shared_memory_per_block_optin)
        if nbytes > most:
            raise DeviceError(
                f"kernel {name} needs {nbytes} bytes of shared memory; "
                f"a block has {most} on {self.name}",
                code="shared-memory",
            )
        attribute = self._driver.CUfunction_attribute
        self._check(
            self._driver.cuKernelSetAttribute(
                attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                nbytes,
                kernel.handle,
                self._driver.CUdevice(self.number),
            )
        )

    def launch(self, kernel: Any, blocks: int, shape: Geometry, arguments: Sequence[Any]) -> None:
        """Launch a kernel.

        By the driver's own call: `cuda.core.launch` takes no structs.

        Args:
            arguments: a ctypes object for each parameter; copied.
        """
        addresses = (ctypes.c_void_p * max(len(arguments), 1))(*map(ctypes.addressof, arguments))
        self._check(
            self._driver.cuLaunchKernel(
                self._driver.CUfunction(int(kernel.handle)),
                *(blocks, 1, 1),
                *(shape.lanes, 1, 1),
                shape.shared_bytes,
                self._driver.CUstream(self._target),
                ctypes.addressof(addresses),
                0,
            )
        )

    # -- memory ------------------------------------------------------------------------------

    def allocate(self, nbytes: int, purpose: str) -> Memory:
        """Memory on the device, aligned to 256 bytes.

        Raises:
            DeviceError: there is not enough; the message has the numbers.
        """
        try:
            # A pool gives no address for nothing.
            buffer = self._device.allocate(max(nbytes, 1), stream=self._stream)
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error):
                raise _failure(f"{self.name} gives no memory", error) from error
            free, total = self._check(self._driver.cuMemGetInfo())
            raise DeviceError(
                f"{self.name} has no memory left for {purpose}: {nbytes} bytes are needed, "
                f"{free} of {total} are free",
                code="out-of-memory",
                hint="smaller dims need less, and so does a build with max_memory",
            ) from error
        return Memory(int(buffer.handle), nbytes, buffer)

    def allocate_pinned(self, nbytes: int) -> Memory:
        """Memory of the host that the device copies from and to without the processor."""
        try:
            buffer = self._core.LegacyPinnedMemoryResource().allocate(max(nbytes, 1))
        except Exception as error:
            raise DeviceError(
                f"the system gives no {nbytes} bytes of memory that stays in place: {error}",
                code="out-of-memory",
            ) from error
        return Memory(int(buffer.handle), nbytes, buffer)

    def free(self, memory: Memory) -> None:
        """Give memory back, after all work that was started."""
        self.wait()
        memory.owner.close()

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copy between addresses of the device, the host, or both."""
        if nbytes:
            stream = self._driver.CUstream(self._target)
            self._check(self._driver.cuMemcpyAsync(target, source, nbytes, stream))

    # -- order -------------------------------------------------------------------------------

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Record the launches and copies of a block, which does not run them."""
        made = Recording()
        with _explained("the steps of the call cannot be recorded"):
            builder = self._device.create_graph_builder()
            try:
                builder.begin_building()
                self._target = int(builder.stream.handle)
                yield made
                made.graph = builder.end_building().complete()
            finally:
                self._target = self.stream
                builder.close()

    def replay(self, recording: Recording) -> None:
        """Start what was recorded."""
        with _explained("the device refuses the call"):
            recording.graph.launch(self._stream)

    def wait(self) -> None:
        """Wait for all work that was started.

        Raises:
            DeviceError: some of it failed.
        """
        with _explained("the device failed in the call"):
            self._stream.sync()

    # -- errors ------------------------------------------------------------------------------

    def _check(self, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        """What a call of the driver gives, its status aside."""
        status, *values = answer
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise DeviceError(f"{self.name} refuses its work: {status.name}", code="cuda")
        return tuple(values)

    def _check_release(self) -> None:
        status, release = self._driver.cuDriverGetVersion()
        if status == self._driver.CUresult.CUDA_SUCCESS and release < _CUDA_RELEASE:
            raise DeviceError(
                f"the driver is of CUDA {release // 1000}.{release % 1000 // 10}; "
                f"CUDA {_CUDA_RELEASE // 1000}.0 is needed",
                code="driver-too-old",
                hint=f"install driver {_DRIVER_RELEASE} or later, or {_ELSEWHERE}",
            )


def _open(core: Any) -> Any:
    """The current device or the first one; the first call of CUDA in the process."""
    try:
        return core.Device()
    except RuntimeError as error:
        raise DeviceError(
            f"there is no CUDA driver: {error}",
            code="driver-missing",
            hint=f"install NVIDIA's driver, {_DRIVER_RELEASE} or later, or {_ELSEWHERE}",
        ) from error
    except Exception as error:
        raise DeviceError(
            f"the CUDA driver offers no GPU: {error}",
            code="gpu-missing",
            hint=f"see whether nvidia-smi lists one and CUDA_VISIBLE_DEVICES hides none, "
            f"or {_ELSEWHERE}",
        ) from error


@functools.cache
def _load(name: str) -> Any:
    """A package of the extra `cuda`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DeviceError(
            f"running on a GPU needs {name}, which cannot be loaded: {error}",
            code="package-missing",
            hint="install graphc with its extra: pip install '.[cuda]'",
        ) from error


def _failure(what: str, error: Exception) -> DeviceError:
    return DeviceError(f"{what}: {error}", code="cuda")


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Errors of CUDA as errors of graphc."""
    try:
        yield
    except GraphcError:
        raise
    except Exception as error:
        raise _failure(what, error) from error
