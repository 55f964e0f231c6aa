"""graphc: a static-graph tensor compiler.

Names load when they are first used, so that importing the package costs little. Besides those
listed here, every function of the language is one (`graphc.sum`, `graphc.permute_dims`), every
dtype by both of its names (`graphc.f32`, `graphc.float32`), and the constants `pi`, `e`, `inf`,
`nan` and `newaxis` of the array API standard.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import Any

__version__ = "0.1.0"
__array_api_version__ = "2025.12"

_LAZY = {
    "Export": "graphc.frontend.tracing.trace",
    "GraphcError": "graphc.errors",
    "Tensor": "graphc.frontend.tracing.tensor",
    "__array_namespace_info__": "graphc.arrays.array_api",
    "broadcast_shapes": "graphc.arrays.array_api",
    "build": "graphc.api",
    "can_cast": "graphc.arrays.array_api",
    "compile": "graphc.from_python",
    "cond": "graphc.arrays.transforms",
    "custom_gradient": "graphc.arrays.transforms",
    "dim": "graphc.frontend.tracing.named_dims",
    "finfo": "graphc.arrays.array_api",
    "from_dlpack": "graphc.arrays.array_api",
    "function": "graphc.arrays.compiled_function",
    "iinfo": "graphc.arrays.array_api",
    "isdtype": "graphc.arrays.array_api",
    "load": "graphc.api",
    "load_file": "graphc.api",
    "result_type": "graphc.arrays.array_api",
    "jvp": "graphc.arrays.transforms",
    "scan": "graphc.arrays.transforms",
    "set_threads": "graphc.runtime.cpu.pool",
    "source": "graphc.from_source",
    "stateless_call": "graphc.arrays.transforms",
    "trace": "graphc.from_python",
    "train_step": "graphc.optim",
    "tree_map": "graphc.frontend.tracing.nesting",
    "vjp": "graphc.arrays.transforms",
    "while_loop": "graphc.arrays.transforms",
}

_RENAMED = {
    "bool": ("graphc.ir.dtype", "bool_"),
}

_TRANSFORMS = ("checkpoint", "grad", "hessian", "jacfwd", "jacobian", "value_and_grad", "vmap")
"""Transforms of a function into another one, which arrays can be given to."""

_MODULES = {
    "fft": "graphc.fft",
    "initializers": "graphc.frontend.tracing.initializers",
    "linalg": "graphc.linalg",
    "nn": "graphc.nn",
    "optim": "graphc.optim",
}

_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None}

__all__ = ["GraphcError", "__version__", "build", "load", "load_file"]


def __getattr__(name: str) -> Any:
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    value = _found(name)
    if value is None:
        if _is_no_name(name):
            raise AttributeError(f"module 'graphc' has no attribute {name!r}")
        raise importlib.import_module("graphc.frontend.tracing.members").no_member(
            "graphc", name, __dir__()
        )
    globals()[name] = value
    return value


def _found(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _RENAMED:
        module, attribute = _RENAMED[name]
        return getattr(importlib.import_module(module), attribute)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _TRANSFORMS:
        transform = getattr(importlib.import_module("graphc.transforms"), name)
        return importlib.import_module("graphc.arrays.compiled_function").compiled(transform)
    if _is_no_name(name):
        return None
    for dtype in importlib.import_module("graphc.ir.dtype").ALL:
        if name in (dtype.name, dtype.array_api_name):
            return dtype
    functions = importlib.import_module("graphc.arrays.functions")
    return functions.named(name) if functions.is_function(name) else None


def _is_no_name(name: str) -> bool:
    # `from graphc import config` asks for the name before it imports the module.
    return name.startswith("_") or importlib.util.find_spec(f"graphc.{name}") is not None


def __dir__() -> list[str]:
    importlib.import_module("graphc.ir.ops")  # fills the registry
    functions = importlib.import_module("graphc.ir.op").functions
    own = (*_LAZY, *_RENAMED, *_TRANSFORMS, *_MODULES, *_CONSTANTS)
    return sorted({*__all__, *own, *functions})
