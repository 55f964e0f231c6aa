"""The rooms import each other one way only, and nothing imports inside a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphc

PACKAGE = Path(graphc.__file__).parent

# What each room may import besides itself, the standard library and third-party packages.
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "lazy": None,
    "ir": {"errors", "config"},
    "passes": {"ir", "errors", "config", "lazy"},
    "codegen": {"ir", "passes", "runtime.program", "errors", "config"},
    "runtime": {"ir", "errors", "config", "lazy", "ordinary_file"},
    "frontend": {"ir", "passes", "errors", "config"},
    "nn": {"frontend", "passes", "ir", "errors", "config"},
    "optim": {"frontend", "passes", "ir", "errors", "config"},
    "transforms": {"frontend", "passes", "ir", "errors", "config"},
    "eager": None,
    "fft": {"eager"},
    "linalg": {"eager"},
    "ordinary_file": {"errors"},
    "source_file": {"ordinary_file", "errors", "config"},
    "from_python": None,
    "array_api": None,
    "array_functions": {"ir", "errors"},
    "compiled_function": None,
    "library": {"nn", "optim", "transforms", "frontend", "passes", "ir", "errors", "config"},
    "compiler": None,
    "api": None,
    "cli": None,
    "__init__": None,
    "__main__": None,
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def runtime_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import outside `if TYPE_CHECKING`."""
    typing_only = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for child in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    allowed = ALLOWED[room_of(path)]
    if allowed is None:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, name in runtime_imports(tree):
        if not name.startswith("graphc."):
            continue
        target = name.removeprefix("graphc.")
        permitted = allowed | {room_of(path)}
        assert any(target == room or target.startswith(f"{room}.") for room in permitted), (
            f"{path}:{line}: {room_of(path)} must not import {name}"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_import_is_seen_here(path: Path) -> None:
    """Relative ones are not written, and rooms are named to the importer in two files alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}:{node.lineno}"
        names_a_room = (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and "graphc" in ast.unparse(node)
        )
        assert not names_a_room or path.name in ("__init__.py", "lazy.py"), f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_sits_inside_a_function(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                assert not isinstance(node, ast.Import | ast.ImportFrom), (
                    f"{path}:{node.lineno}: list it in lazy.py instead"
                )


def test_every_room_is_listed() -> None:
    assert {room_of(path) for path in FILES} <= set(ALLOWED)


def test_ir_names_no_op_outside_its_declarations() -> None:
    """They read the registry; what they build themselves takes a few ops that all the others need.

    Derivatives are sums and products, and the conditions of kernels are comparisons of indices.
    """
    for path in [
        *(PACKAGE / "codegen").rglob("*.py"),
        PACKAGE / "ir" / "evaluate.py",
        PACKAGE / "passes" / "autodiff.py",
    ]:
        for line, name in runtime_imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name.startswith("graphc.ir.ops."):
                module = name.removeprefix("graphc.ir.ops.").split(".")[0]
                assert module in {
                    "structural",
                    "creation",
                    "broadcasting",
                    "arithmetic",
                    "conversion",
                    "logic",
                    "positions",
                }, f"{path}:{line}: {name}"
