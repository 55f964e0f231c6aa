"""The simulator: CUDA C text, exactly as NVRTC compiles it, run on the CPU.

Each CUDA thread of a block is a fiber; barriers, shuffles, tensor core instructions and
asynchronous copies are ordinary functions. With `check=True` every access of memory is checked:
bounds, races, uninitialised shared memory, copies that were not waited for.

What is where:
    kernels.py           compile and launch, the interface for the rest of graphc
    build.py             the host compiler: text to a shared object, cached by content
    arguments.py         arguments against the parameters that the compiler saw
    buffers.py           arrays with red zones, for the checker
    findings.py          findings of the checker, with their source lines
    cuda*.hpp            CUDA's built-ins for the host compiler
    interface.hpp        what kernels and the runtime below know of each other
    fiber.hpp            switching stacks
    block.hpp            a block in execution, a launch, a finding
    scheduler.cpp        threads, blocks, barriers and warp operations
    async_copy.cpp       cp.async
    checker.cpp          the rules, by what shadow memory remembers
    shadow.hpp           shadow memory: regions and their cells
    ordering.hpp         which accesses are ordered: barriers, warp barriers, fences
    instrumentation.cpp  the calls that the compiler inserts before accesses
"""

from graphc.runtime.simulator.findings import Finding
from graphc.runtime.simulator.kernels import SimulatedKernels

__all__ = ["Finding", "SimulatedKernels"]
