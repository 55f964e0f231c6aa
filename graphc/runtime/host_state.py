"""State in the memory of the host, which calls and `set_state` replace one at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["HostState"]

Array = np.ndarray[Any, Any]


class HostState:
    """What executors share whose state is arrays.

    Attributes:
        state: the current values by name; each stays the same array.
    """

    def __init__(self, state: Mapping[str, Array]) -> None:
        self.state = dict(state)
        self._lock = threading.Lock()

    def set_state(self, values: Mapping[str, Array]) -> None:
        """Replace values of state in place."""
        with self._lock:
            for name, value in values.items():
                self.state[name][...] = value
