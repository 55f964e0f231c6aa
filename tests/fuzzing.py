"""How many random inputs are tried: `GRAPHC_FUZZ_COUNT` of each kind, where it is set."""

from __future__ import annotations

import os

__all__ = ["count"]


def count(usual: int) -> int:
    """The number of inputs that a test draws; `usual` in an ordinary run."""
    return int(os.environ.get("GRAPHC_FUZZ_COUNT", usual))
