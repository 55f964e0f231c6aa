"""graphc: a static-graph tensor compiler.

Names load when they are first used, so that importing the package costs little.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "load": "graphc.api",
    "build": "graphc.api",
    "load_file": "graphc.api",
    "GraphcError": "graphc.errors",
    "cond": "graphc.frontend.control_flow",
    "scan": "graphc.frontend.control_flow",
    "while_loop": "graphc.frontend.control_flow",
}

__all__ = ["GraphcError", "__version__", "build", "cond", "load", "load_file", "scan", "while_loop"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'graphc' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
