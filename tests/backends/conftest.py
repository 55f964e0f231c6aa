"""Threads of the CPU, for the tests that set them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphc import config
from graphc.runtime.cpu import pool


@pytest.fixture
def threads() -> Iterator[None]:
    """Share all launches with the threads that a test sets, and restore their number afterwards."""
    pool.set_least_work(0)
    yield
    pool.set_least_work()
    pool.set_threads(config.settings().threads)
