"""Pygments colours every example, and any text at all without losing a character."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from graphc.frontend.highlighting import GraphcLexer
from graphc.frontend.parsing.tokens import KEYWORDS, LINE_KEYWORDS, SYMBOLS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = {
    **{
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for folder in ("examples", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.gc")
    },
    **{
        f"{path.name} {number}": text
        for path in DOCUMENTS
        if path.name != "errors.md"
        for number, text in enumerate(
            re.findall(r"^```gc\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
        )
    },
}
WORDS = [
    *KEYWORDS,
    *LINE_KEYWORDS,
    *SYMBOLS,
    "x",
    "f32",
    "1.5",
    '"a"',
    '"""',
    "\n    ",
    "\n",
    "?",
    "#",
]


def kinds(text: str) -> list[tuple[object, str]]:
    return [one for one in GraphcLexer().get_tokens(text) if one[0] is not Whitespace]


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_examples_have_no_errors(text: str) -> None:
    found = list(GraphcLexer().get_tokens(text))
    assert "".join(part for _, part in found) == text.strip("\n") + "\n"
    assert [part for kind, part in found if kind is Error] == []


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=30))
def test_no_character_is_lost(text: str) -> None:
    found = list(GraphcLexer().get_tokens_unprocessed(text))
    assert "".join(part for _, _, part in found) == text
    position = 0
    for start, _, part in found:
        assert start == position and part
        position += len(part)


def test_words_have_their_kinds() -> None:
    text = (
        "@gradient(g)\ndef f(x: f32[3]):  # why\n    return not x @ sum[i] x[i] * 2, 'a', None ?\n"
    )
    assert kinds(text) == [
        (Operator, "@"), (Name.Decorator, "gradient"), (Punctuation, "("), (Name, "g"),
        (Punctuation, ")"), (Keyword.Declaration, "def"), (Name.Function, "f"),
        (Punctuation, "("), (Name, "x"), (Punctuation, ":"), (Keyword.Type, "f32"),
        (Punctuation, "["), (Number, "3"), (Punctuation, "]"), (Punctuation, ")"),
        (Punctuation, ":"), (Comment.Single, "# why"), (Keyword, "return"),
        (Operator.Word, "not"), (Name, "x"), (Operator, "@"), (Name.Builtin, "sum"),
        (Punctuation, "["), (Name, "i"), (Punctuation, "]"), (Name, "x"), (Punctuation, "["),
        (Name, "i"), (Punctuation, "]"), (Operator, "*"), (Number, "2"), (Punctuation, ","),
        (String, "'a'"), (Punctuation, ","), (Keyword.Constant, "None"), (Error, "?"),
    ]  # fmt: skip


@pytest.mark.parametrize("word", sorted({*KEYWORDS, *LINE_KEYWORDS}))
def test_every_keyword_is_one(word: str) -> None:
    found = {part: kind for kind, part in kinds(f"{word} name\n")}
    assert found[word] in (Keyword, Keyword.Declaration, Keyword.Constant, Operator.Word)


def test_pygments_finds_the_lexer() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (value,) = project["entry-points"]["pygments.lexers"].values()
    entry = importlib.metadata.EntryPoint("graphc", value, "pygments.lexers")
    assert entry.load() is GraphcLexer
    assert issubclass(GraphcLexer, Lexer)
    assert GraphcLexer.filenames == ["*.gc"]


def test_importing_graphc_loads_no_pygments() -> None:
    code = (
        "import sys, graphc, graphc.frontend.parsing.parser; assert 'pygments' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
