"""What a `.gc` file defines, as names in Python."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from graphc.arrays.compiled_function import function
from graphc.frontend.elaborate import definitions
from graphc.lazy import library
from graphc.source_file import read_source

__all__ = ["source"]


def source(path: str | Path) -> SimpleNamespace:
    """What a `.gc` file defines, as attributes, with the docstring of the file.

    Its models are classes to be used in Python; its functions can be called with arrays, as a
    `graphc.function` can.

    Raises:
        GraphcError: the file cannot be read, or something is wrong in it.
    """
    found = definitions(read_source(path), str(path), library.library(), read_source)
    return SimpleNamespace(**{name: _in_python(value) for name, value in found.items()})


def _in_python(value: Any) -> Any:
    return function(value) if callable(value) and not isinstance(value, type) else value
