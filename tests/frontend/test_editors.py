"""The grammars for editors are current, and colour the examples as the lexer does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pygments.token import Comment, Keyword, Name, Number, Operator, String

from graphc.frontend.highlighting import GraphcLexer
from tests.frontend.test_highlighting import EXAMPLES
from tests.test_docs import loaded

FOLDER = Path(__file__).parents[2] / "editors"
GENERATED = loaded(FOLDER / "generate.py").texts()
GRAMMAR = json.loads((FOLDER / "vscode/syntaxes/graphc.tmLanguage.json").read_text("utf-8"))

KINDS = {
    "comment": (Comment, "graphcComment"),
    "string": (String, "graphcString"),
    "constant.language": (Keyword.Constant, "graphcConstant"),
    "constant.numeric": (Number, "graphcNumber"),
    "keyword.operator.word": (Operator.Word, "graphcOperator"),
    "storage.type": (Keyword.Type, "graphcType"),
    "keyword.control": (Keyword, "graphcKeyword"),
    "keyword.declaration": (Keyword.Declaration, "graphcKeyword"),
    "entity.name.function.decorator": (Name.Decorator, "graphcDecorator"),
}
"""By scope: the kind of token that Pygments is told of, and Vim's group."""


@pytest.mark.parametrize("path", GENERATED)
def test_the_file_is_current(path: str) -> None:
    assert (FOLDER / path).read_text("utf-8") == GENERATED[path], "run python editors/generate.py"


def test_there_are_no_other_files() -> None:
    paths = {str(one.relative_to(FOLDER)) for one in FOLDER.rglob("*") if one.is_file()}
    assert {one for one in paths if "__pycache__" not in one} == {"generate.py", *GENERATED}


class TextMate:
    """Colours text as an editor does: line by line, the first of the rules that match soonest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.scopes = [""] * len(text)
        self._end: tuple[re.Pattern[str], str] | None = None

    def run(self) -> list[str]:
        start = 0
        for line in self.text.splitlines(keepends=True):
            self._line(line.rstrip("\r\n"), start)
            start += len(line)
        return self.scopes

    def _line(self, line: str, start: int) -> None:
        place = 0
        while place < len(line):
            rules = list(self._rules())
            found = [(rule, re.compile(rule["match"]).search(line, place)) for rule in rules]
            matches = [(match.start(), rule, match) for rule, match in found if match]
            first = min(matches, key=lambda one: one[0], default=None)
            if self._end is not None:
                stop = first[0] if first else len(line)
                self._paint(start + place, start + stop, self._end[1])
            if first is None:
                return
            _, rule, match = first
            self._matched(rule, match, start)
            place = max(match.end(), place + (match.end() == place))

    def _rules(self) -> Iterator[dict[str, Any]]:
        if self._end is not None:
            yield {"match": self._end[0], "name": self._end[1], "closes": True}
            yield {"match": r"\\.", "name": self._end[1]}
            return
        for rule in GRAMMAR["patterns"]:
            yield {**rule, "match": rule.get("match", rule.get("begin"))}

    def _matched(self, rule: dict[str, Any], match: re.Match[str], start: int) -> None:
        self._paint(start + match.start(), start + match.end(), rule.get("name", ""))
        for number, one in rule.get("captures", {}).items():
            first, last = match.span(int(number))
            self._paint(start + first, start + last, one["name"])
        if rule.get("closes"):
            self._end = None
        elif "begin" in rule:
            self._end = re.compile(rule["end"]), rule["name"]

    def _paint(self, first: int, last: int, scope: str) -> None:
        self.scopes[first:last] = [scope] * (last - first)


def kind_of(scope: str) -> Any:
    found = [one for one in KINDS if f"{scope}.".startswith(f"{one}.")]
    return KINDS[max(found, key=len)][0] if found else None


def expected(text: str) -> list[Any]:
    kinds: list[Any] = [None] * len(text)
    known = {kind for kind, _ in KINDS.values()}
    for place, kind, part in GraphcLexer().get_tokens_unprocessed(text):
        named = next((one for one in (kind, kind.parent) if one in known), None)
        kinds[place : place + len(part)] = [named] * len(part)
    return kinds


def first_difference(text: str, one: list[Any], other: list[Any]) -> str | None:
    for place, (a, b) in enumerate(zip(one, other, strict=True)):
        if a != b and not text[place].isspace():
            return f"{text[max(0, place - 20) : place + 20]!r} at {text[place]!r}: {a}, {b}"
    return None


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_an_editor_colours_as_the_lexer_does(text: str) -> None:
    scopes = [kind_of(scope) for scope in TextMate(text).run()]
    assert first_difference(text, scopes, expected(text)) is None


WORDS = '''\
dim B: 1..4096, multiple of 8
const N = 0x1F + 1_000 - 1.5e-3 + .5 + 2. * 3e8
"""A docstring with # no comment and 'no' string
over lines, with \\""" inside."""
@gradient(straight_through)
def f(x: f32[B, 3], dim: i32[], state: bool[], in_: c64[]):  # dim B: 1..2, "no string"
    model = "a # b \\" c" + 'd'
    state = not x1 or True and None
    while model, at most 100:
        y[i] = sum[j] x[i, j] * sum(x)
    if dim if state else param:
        return export.update, multiple, f32, x.f32
'''


def test_words_that_are_keywords_in_places_alone() -> None:
    scopes = [kind_of(scope) for scope in TextMate(WORDS).run()]
    assert first_difference(WORDS, scopes, expected(WORDS)) is None


@pytest.mark.skipif(shutil.which("vim") is None, reason="there is no Vim")
def test_vim_colours_as_the_lexer_does(tmp_path: Path) -> None:
    (tmp_path / "words.gc").write_text(WORDS, encoding="utf-8")
    script = """
let groups = []
for line in range(1, line('$'))
  for column in range(1, col([line, '$']) - 1)
    call add(groups, synIDattr(synID(line, column, 1), 'name'))
  endfor
  call add(groups, '')
endfor
call writefile(groups, 'groups.txt')
qall!
"""
    (tmp_path / "groups.vim").write_text(script, encoding="utf-8")
    runtime = f"set runtimepath^={FOLDER / 'vim'} | filetype on | syntax on"
    command = ["vim", "-u", "NONE", "-n", "-es", "-c", runtime, "-c", "edit words.gc"]
    command += ["-c", "syntax sync fromstart", "-c", "source groups.vim", "-c", "qall!"]
    subprocess.run(command, cwd=tmp_path, timeout=60, check=False)
    groups = (tmp_path / "groups.txt").read_text("utf-8").split("\n")[: len(WORDS)]
    names = dict(KINDS.values())
    wanted = [names.get(kind, "") for kind in expected(WORDS)]
    plain = ["" if group == "graphcReduction" else group for group in groups]
    assert first_difference(WORDS, plain, wanted) is None
