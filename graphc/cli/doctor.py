"""Say what this machine has and lacks: compilers, CUDA, packages, cache.

The exit code is 1 where no device but the slow reference evaluator can run, or a package that
every command needs is missing.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import platform
import shutil

from graphc import __version__, config
from graphc.codegen import nvrtc
from graphc.errors import DeviceError, GraphcError, ToolchainError
from graphc.runtime.cache import cache_directory
from graphc.runtime.cpu.compiler import find_compiler

__all__ = ["add_arguments", "run"]


_PACKAGES = ("numpy", "lark", "networkx", "ml_dtypes", "tqdm")
_CACHE = "cache directory"
_COMPILER = "C compiler (device cpu)"
_DRIVER = "CUDA driver (device cuda)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`graphc doctor` takes none."""


def run(options: argparse.Namespace) -> int:
    """Print a line for each thing, with what to do where it is missing."""
    settings = config.settings()
    missing: set[str] = set()
    print(f"graphc {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(f"threads: {settings.threads}")
    for name, probe in (
        (_CACHE, _cache),
        (_COMPILER, _compiler),
        ("C++ compiler (device sim)", _cxx),
        ("NVRTC (targets sm_...)", _nvrtc),
        (_DRIVER, _driver),
    ):
        try:
            print(f"[ok]      {name}: {probe()}")
        except GraphcError as error:
            missing.add(name)
            print(f"[missing] {name}: {error.message}")
            if error.hint:
                print(f"          {error.hint}")
    packages = [_package(name) for name in _PACKAGES]
    runs = _CACHE not in missing and (_COMPILER not in missing or _DRIVER not in missing)
    return 0 if runs and all(packages) else 1


def _package(name: str) -> bool:
    """Print a package's release; whether there is one."""
    try:
        print(f"[ok]      {name} {importlib.metadata.version(name)}")
    except importlib.metadata.PackageNotFoundError:
        print(f"[missing] {name}\n          pip install {name}")
        return False
    return True


def _cache() -> str:
    return str(cache_directory())


def _compiler() -> str:
    return " ".join(find_compiler().command)


def _cxx() -> str:
    path = shutil.which("g++")
    if path is None:
        raise ToolchainError("g++ was not found", hint="Debian and Ubuntu: apt install g++")
    return path


def _nvrtc() -> str:
    return ".".join(map(str, nvrtc.version()))


def _driver() -> str:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise DeviceError(
            "no CUDA driver was found (libcuda.so.1)",
            hint="install NVIDIA's driver, 580 or later; the other devices need none",
        ) from None
    return "libcuda.so.1"
