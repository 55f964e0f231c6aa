"""Golden texts, settings, and tests that need a GPU or PyTorch."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphc import api, config
from graphc.lazy import host_compiler

GOLDENS = Path(__file__).parent / "goldens"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write the golden texts instead of comparing"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text is the one kept in `tests/goldens` under the name."""

    def compare(name: str, text: str) -> None:
        path = GOLDENS / name
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"there is no {path}; run pytest --update-goldens"
        assert text == path.read_text(encoding="utf-8"), "run pytest --update-goldens, then look"

    return compare


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Settings that a test changes are read again, and once more after it."""
    caches = (config.settings, host_compiler.find_compiler, api._notice)
    for one in caches:
        one.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    for one in caches:
        one.cache_clear()


@functools.cache
def has_gpu() -> bool:
    """Whether the driver is there and finds a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 < count.value


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is marked `gpu` or `torch` where there is none."""
    missing = []
    if any(item.get_closest_marker("gpu") for item in items) and not has_gpu():
        missing.append("gpu")
    if importlib.util.find_spec("torch") is None:
        missing.append("torch")
    deselected = [item for item in items if any(map(item.get_closest_marker, missing))]
    if deselected:
        items[:] = [item for item in items if item not in deselected]
        config.hook.pytest_deselected(items=deselected)
