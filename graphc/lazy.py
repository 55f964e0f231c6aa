"""The modules that load when they are first used, all of them: they keep start-up fast.

`from graphc.lazy import compiler` costs nothing; `compiler.build_module` imports it. No other
place of the package imports inside a function.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "aligned",
    "cache",
    "compiler",
    "cpu_executor",
    "cuda_executor",
    "elaborate",
    "formatter",
    "graph_text",
    "host_calls",
    "host_compiler",
    "library",
    "loaded",
    "module_file",
    "networkx",
    "nvrtc",
    "program_data",
    "reference",
    "signature",
    "simulator_executor",
]


class _Lazy:
    """Stands for a module until an attribute of it is asked for."""

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, attribute: str) -> Any:
        # Introspection (inspect, doctest) looks for these on everything it meets.
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self.__name), attribute)


if TYPE_CHECKING:
    import networkx

    from graphc import compiler, library
    from graphc.codegen import nvrtc
    from graphc.frontend import elaborate, graph_text
    from graphc.frontend.formatting import formatter
    from graphc.runtime import aligned, cache, host_calls, loaded, module_file, reference, signature
    from graphc.runtime import program as program_data
    from graphc.runtime.cpu import compiler as host_compiler
    from graphc.runtime.cpu import executor as cpu_executor
    from graphc.runtime.cuda import executor as cuda_executor
    from graphc.runtime.simulator import executor as simulator_executor
else:
    # The passes and code generation; what a module that the cache knows does not need.
    compiler = _Lazy("graphc.compiler")
    # The language: lark, and the library of layers that its names stand for.
    elaborate = _Lazy("graphc.frontend.elaborate")
    graph_text = _Lazy("graphc.frontend.graph_text")
    library = _Lazy("graphc.library")
    # Expressions as they are written, for messages.
    formatter = _Lazy("graphc.frontend.formatting.formatter")
    # The compiler for GPUs, which a command line may name architectures of.
    nvrtc = _Lazy("graphc.codegen.nvrtc")
    # All ops, for programs that call some on the host.
    host_calls = _Lazy("graphc.runtime.host_calls")
    # Modules and how they run; what checking a source does not need.
    aligned = _Lazy("graphc.runtime.aligned")
    cache = _Lazy("graphc.runtime.cache")
    host_compiler = _Lazy("graphc.runtime.cpu.compiler")
    loaded = _Lazy("graphc.runtime.loaded")
    module_file = _Lazy("graphc.runtime.module_file")
    program_data = _Lazy("graphc.runtime.program")
    # One device is used, the others are not.
    cpu_executor = _Lazy("graphc.runtime.cpu.executor")
    cuda_executor = _Lazy("graphc.runtime.cuda.executor")
    reference = _Lazy("graphc.runtime.reference")
    signature = _Lazy("graphc.runtime.signature")
    simulator_executor = _Lazy("graphc.runtime.simulator.executor")
    # Few derivatives are those of loops.
    networkx = _Lazy("networkx")
