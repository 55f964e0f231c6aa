"""Values of Python in messages, which no array of thousands of numbers fills."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from graphc.frontend.tracing.trees import parts, statics

__all__ = ["shown", "tree_text"]

_LENGTH = 80
_ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")


def shown(value: Any) -> str:
    """A value in one short line, with its type where that is not plain to see.

    >>> shown(np.ones((2, 3))), shown({"a": [np.zeros(4, np.float32)]}), shown(3)
    ('array float64[2, 3]', "{'a': [array float32[4]]}", '3 (int)')
    """
    is_nested = parts(value) is not None or isinstance(value, np.ndarray)
    text = " ".join(tree_text(value).split())
    text = text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
    is_plain = is_nested or text.startswith("<")
    return text if is_plain else f"{text} ({type(value).__name__})"


def tree_text(tree: Any) -> str:
    """A tree as Python writes it, with the types of arrays in their place.

    The `repr` of a container of the user's is not asked: it may compute with what is inside.

    >>> tree_text({"a": (np.zeros(2), None)})
    "{'a': (array float64[2], None)}"
    """
    inside = parts(tree)
    if tree is None or inside is None:
        return _leaf_text(tree)
    texts = {key: tree_text(part) for key, part in {**inside, **statics(tree)}.items()}
    if isinstance(tree, list):
        return f"[{', '.join(texts.values())}]"
    if isinstance(tree, dict):
        return f"{{{', '.join(f'{key!r}: {text}' for key, text in texts.items())}}}"
    if type(tree) is tuple:
        return f"({', '.join(texts.values())}{',' * (len(texts) == 1)})"
    return f"{type(tree).__name__}({', '.join(f'{key}={text}' for key, text in texts.items())})"


def _leaf_text(leaf: Any) -> str:
    if isinstance(leaf, np.ndarray):
        return f"array {leaf.dtype}[{', '.join(map(str, leaf.shape))}]"
    return _ADDRESS.sub("", repr(leaf))
