"""The rooms import each other one way only, and nothing imports inside a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphc
from graphc import lazy

PACKAGE = Path(graphc.__file__).parent

# What each room may import besides itself, errors and settings, the standard library and
# third-party packages. `lazy` is no room: what is taken from it counts as what it stands for.
ALLOWED: dict[str, set[str] | None] = {
    "errors": set(),
    "config": set(),
    "lazy": set(),
    "ordinary_file": set(),
    "source_file": {"ordinary_file"},
    "ir": set(),
    "passes": {"ir"},
    "runtime": {"ir", "ordinary_file"},
    "codegen": {"ir", "passes", "runtime.program"},
    "frontend": {"ir", "passes"},
    "nn": {"ir", "frontend"},
    "optim": {"ir", "passes", "frontend"},
    "transforms": {"ir", "passes", "frontend"},
    "library": {"nn", "optim", "transforms", "frontend"},
    "compiler": {"ir", "passes", "codegen", "runtime", "frontend"},
    "api": {"ir", "runtime", "frontend", "library", "compiler", "source_file", "__version__"},
    "from_python": {"ir", "frontend", "compiler", "api"},
    "from_source": {"frontend", "library", "arrays.compiled_function", "source_file"},
    "arrays": {"ir", "runtime", "frontend", "transforms", "from_python"},
    "fft": {"arrays.functions"},
    "linalg": {"arrays.functions"},
    "cli": None,
    "__init__": None,
    "__main__": {"cli"},
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


def refused_imports(room: str, tree: ast.Module) -> Iterator[str]:
    """The imports of a module that its room may not have."""
    allowed = ALLOWED[room]
    if allowed is None:
        return
    permitted = allowed | {room} | ({"errors", "config"} if room != "errors" else set())
    for line, name in runtime_imports(tree):
        meant = stands_for(name)
        if meant.partition(".")[0] != "graphc":
            continue
        target = meant.removeprefix("graphc.")
        if not any(target == one or target.startswith(f"{one}.") for one in permitted):
            yield f"line {line}: {room} must not import {meant}"


def stands_for(name: str) -> str:
    """The module that is imported in the end: for a name in `graphc.lazy` the one behind it."""
    late = name.removeprefix("graphc.lazy.")
    return name if late == name else str(vars(lazy)[late]._Lazy__name)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(refused_imports(room_of(path), tree)) == []


@pytest.mark.parametrize(
    ("room", "statement", "meant"),
    [
        ("passes", "from graphc.lazy import compiler", "graphc.compiler"),
        ("runtime", "from graphc.lazy import elaborate as late", "graphc.frontend.elaborate"),
        ("codegen", "from graphc.lazy import cuda_executor", "graphc.runtime.cuda.executor"),
        ("ir", "from graphc import lazy", "graphc.lazy"),
        ("ir", "import graphc", "graphc"),
        ("errors", "from graphc import config", "graphc.config"),
        ("nn", "import graphc.passes.fusion.fuse", "graphc.passes.fusion.fuse"),
    ],
)
def test_imports_the_other_way_are_refused(room: str, statement: str, meant: str) -> None:
    refused = [f"line 1: {room} must not import {meant}"]
    assert list(refused_imports(room, ast.parse(statement))) == refused


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
    assert {room_of(path) for path in FILES} == set(ALLOWED)


BASIC_OPS = (
    "structural",
    "broadcasting",
    "conversion",
    "creation.constants",
    "elementwise.arithmetic",
    "elementwise.logic",
    "indexing.positions",
)


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
                module = name.removeprefix("graphc.ir.ops.")
                assert module.startswith(BASIC_OPS), f"{path}:{line}: {name}"
