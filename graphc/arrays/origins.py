"""Where classes, functions and modules come from: the user's own, or what is installed."""

from __future__ import annotations

import functools
import re
import sys

__all__ = ["is_installed"]

_PACKAGES = frozenset({"graphc", "numpy", *sys.stdlib_module_names})

_INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")


def is_installed(module: str | None) -> bool:
    """Whether a module is part of Python, or of a package that is installed.

    >>> is_installed("math"), is_installed("numpy.linalg"), is_installed("__main__")
    (True, True, False)
    """
    return _is_installed(module or "")


@functools.lru_cache(maxsize=4096)
def _is_installed(module: str) -> bool:
    if module == "__main__":
        return False
    if module.partition(".")[0] in _PACKAGES:
        return True
    return _INSTALLED.search(getattr(sys.modules.get(module), "__file__", None) or "") is not None
