"""The documents that are made from declarations are current."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

LIST_OPS = Path(__file__).parent.parent / "docs" / "list_ops.py"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_ops_is_current() -> None:
    list_ops = loaded(LIST_OPS)
    assert list_ops.PATH.read_text(encoding="utf-8") == list_ops.text(), (
        "run python docs/list_ops.py"
    )
