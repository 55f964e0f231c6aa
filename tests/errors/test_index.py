"""The error index: it has every code that the sources can raise, and its examples raise them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import cli
from graphc.errors import ErrorGroup, GraphcError

PACKAGE = Path(graphc.__file__).parent
TEXT = (PACKAGE.parent / "docs" / "errors.md").read_text(encoding="utf-8")
RENDERED = re.compile(r"^error\[([\w-]+)\]", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """The blocks of a section of the index, by their kind."""

    code: str
    blocks: dict[str, str]


def _sections() -> Iterator[Example]:
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        code = section.split("\n", 1)[0]
        section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        assert len(dict(blocks)) == len(blocks), f"{code} has two blocks of a kind"
        yield Example(code, dict(blocks))


EXAMPLES = list(_sections())
UNSHOWN = re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE)


def _codes_of(node: ast.AST) -> Iterator[str]:
    """The codes that an expression, a definition or a call in a source gives to errors."""
    match node:
        case ast.Call(func=ast.Name(id="refused"), args=[_, code, *_]):
            yield from _texts(code)
        case ast.keyword(arg="code", value=value):
            yield from _texts(value)
        case ast.AnnAssign(target=ast.Name(id="default_code"), value=ast.expr() as value):
            yield from _texts(value)
        case ast.Assign(targets=[ast.Name(id="default_code")], value=value):
            yield from _texts(value)


def _texts(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case ast.Name(id="code"):
            pass  # A function that is given the code by its callers.
        case _:
            raise AssertionError(f"a code is no literal: {ast.unparse(value)}")


def codes_of_the_sources() -> set[str]:
    return {
        code
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for code in _codes_of(node)
    }


def test_the_index_has_every_code_once_and_no_other() -> None:
    listed = [*(one.code for one in EXAMPLES), *UNSHOWN]
    assert len(set(listed)) == len(listed)
    assert set(listed) == codes_of_the_sources()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.code)
def test_the_example_is_told_its_code(
    example: Example,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = dict(example.blocks)
    if "python" in blocks:
        assert _python(blocks.pop("python")) == [example.code]
    else:
        if "gc" in blocks:
            Path("model.gc").write_text(blocks.pop("gc"), encoding="utf-8")
        commands = blocks.pop("console", "$ graphc check model.gc\n")
        assert _console(commands, capsys) == [example.code]
    assert not blocks


def _python(text: str) -> list[str]:
    with pytest.raises(GraphcError) as caught:
        exec(compile(text, "example", "exec"), {"np": np, "gc": graphc, "Path": Path})
    error = caught.value
    return [one.code for one in (error.errors if isinstance(error, ErrorGroup) else (error,))]


def _console(text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The codes that the last of some commands prints; those before it succeed.

    A command with settings of its own runs in a process of its own, which reads them.
    """
    *before, last = re.findall(r"^\$ (?:(\w+)=(\w+) )?graphc (.*)\n", text, re.MULTILINE)
    for _, _, line in before:
        assert cli.main(line.split()) == 0, capsys.readouterr().err
    name, value, line = last
    if not name:
        assert cli.main(line.split()) != 0
        return RENDERED.findall(capsys.readouterr().err)
    result = subprocess.run(
        [sys.executable, "-m", "graphc", *line.split()],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    return RENDERED.findall(result.stderr)
