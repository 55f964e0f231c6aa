"""Writes the grammars for editors from the words of the language's own lexer.

python editors/generate.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graphc.frontend.parsing.tokens import KEYWORDS, LINE_KEYWORDS, NAME, NUMBER, SYMBOLS
from graphc.frontend.syntax import REDUCTIONS
from graphc.ir import dtype as dtypes

__all__ = ["FOLDER", "texts"]

FOLDER = Path(__file__).parent

_CONSTANTS = ("True", "False", "None")
_PHRASES = sorted(word for word in KEYWORDS if " " in word)
_OPERATOR_WORDS = sorted(word for word, kind in KEYWORDS.items() if kind in ("BINARY", "PREFIX"))
_OPERATORS = sorted(
    (symbol for symbol in SYMBOLS if symbol not in set("()[],:.")), key=len, reverse=True
)
_DTYPES = [dtype.name for dtype in dtypes.ALL]
_PLAIN = sorted({*KEYWORDS} - {*_CONSTANTS, *_PHRASES, *_OPERATOR_WORDS, "def"})

_DEFINITIONS = {"def": "function", "model": "class", "dim": "constant", "const": "constant"}
"""Words before a name that they define, and what it names."""


_BLANKS = r"[ \t]+"
_LINE_START = r"^[ \t]*"


def _words(words: Iterable[str]) -> str:
    spaced = "|".join(word.replace(" ", _BLANKS) for word in words)
    return rf"(?:{spaced})\b"


_KEYWORD_NEXT = _words(word for word in KEYWORDS if " " not in word)


def _before_a_name(words: Iterable[str], place: str) -> str:
    """Words that are keywords where they stand in a place and before a name."""
    return rf"{place}({'|'.join(words)})(?=[ \t]+(?!{_KEYWORD_NEXT}){NAME})"


def textmate() -> Mapping[str, Any]:
    """The grammar for Visual Studio Code and others that read TextMate's.

    Its expressions are of the kind that Oniguruma and Python read alike.
    """
    escape = {"name": "constant.character.escape.graphc", "match": r"\\."}
    long_strings = [
        {
            "name": "string.quoted.triple.graphc",
            "begin": quote * 3,
            "end": quote * 3,
            "patterns": [escape],
        }
        for quote in ('"', "'")
    ]
    defined = [
        {
            "match": f"{_before_a_name([word], _LINE_START)}{_BLANKS}({NAME})",
            "captures": {
                "1": {"name": "keyword.declaration.graphc"},
                "2": {"name": f"entity.name.{kind}.graphc"},
            },
        }
        for word, kind in _DEFINITIONS.items()
    ]
    rules = [
        {"name": "comment.line.number-sign.graphc", "match": "#.*$"},
        *long_strings,
        _rule("string.quoted.double.graphc", r'"(?:[^"\\]|\\.)*"'),
        _rule("string.quoted.single.graphc", r"'(?:[^'\\]|\\.)*'"),
        *defined,
        _captured("keyword.declaration.graphc", _before_a_name(sorted(LINE_KEYWORDS), _LINE_START)),
        _captured("keyword.declaration.graphc", _before_a_name(["state"], r"(?<=[(,])[ \t]*")),
        _captured("entity.name.function.decorator.graphc", rf"^[ \t]*@[ \t]*({NAME})"),
        _rule("keyword.declaration.graphc", r"def\b"),
        _rule("constant.language.graphc", _words(_CONSTANTS)),
        _rule("keyword.operator.word.graphc", _words(_OPERATOR_WORDS)),
        _rule("keyword.control.graphc", _words([*_PHRASES, *_PLAIN])),
        _rule("storage.type.graphc", _words(_DTYPES)),
        _rule("support.function.graphc", rf"{_words(REDUCTIONS)}(?=\[)"),
        _rule("variable.other.graphc", NAME),
        _rule("constant.numeric.graphc", NUMBER),
        _rule("keyword.operator.graphc", "|".join(map(re.escape, _OPERATORS))),
    ]
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "graphc",
        "scopeName": "source.graphc",
        "fileTypes": ["gc"],
        "patterns": rules,
    }


def _rule(scope: str, match: str) -> Mapping[str, Any]:
    return {"name": scope, "match": match}


def _captured(scope: str, match: str) -> Mapping[str, Any]:
    return {"match": match, "captures": {"1": {"name": scope}}}


def _vscode_package() -> Mapping[str, Any]:
    language = {
        "id": "graphc",
        "aliases": ["graphc"],
        "extensions": [".gc"],
        "configuration": "./language-configuration.json",
    }
    grammar = {
        "language": "graphc",
        "scopeName": "source.graphc",
        "path": "./syntaxes/graphc.tmLanguage.json",
    }
    return {
        "name": "graphc",
        "displayName": "graphc",
        "description": "Colours and indentation for .gc files",
        "publisher": "graphc",
        "version": "0.1.0",
        "license": "Apache-2.0",
        "engines": {"vscode": "^1.60.0"},
        "contributes": {"languages": [language], "grammars": [grammar]},
    }


def _vscode_configuration() -> Mapping[str, Any]:
    pairs = [["(", ")"], ["[", "]"]]
    return {
        "comments": {"lineComment": "#"},
        "brackets": pairs,
        "autoClosingPairs": [*pairs, ['"', '"'], ["'", "'"]],
        "onEnterRules": [{"beforeText": r":\s*$", "action": {"indent": "indent"}}],
    }


def vim() -> str:
    """The syntax file for Vim and Neovim; of matches at one place the last one counts."""
    line_words = "\\|".join(sorted(LINE_KEYWORDS))
    exponent = r"\%([eE][+-]\=\d[0-9_]*\)\=\w*"
    reductions = "\\|".join(REDUCTIONS)
    keyword_next = "\\|".join(word for word in KEYWORDS if " " not in word)
    before_a_name = rf"\ze[ \t]\+\%(\%({keyword_next}\)\>\)\@![A-Za-z_]"
    phrases = "\\|".join(word.replace(" ", "[ \\t]\\+") for word in _PHRASES)
    lines = [
        '" Made by editors/generate.py from the words of the lexer.',
        "if exists('b:current_syntax')",
        "  finish",
        "endif",
        "",
        rf"syntax match graphcNumber /\<\d[0-9_]*\%(\.\.\@![0-9_]*\)\={exponent}/",
        rf"syntax match graphcNumber /\%(\w\|\.\)\@<!\.\d[0-9_]*{exponent}/",
        r"syntax match graphcNumber /\<0[xXoObB]\w*/",
        f"syntax keyword graphcType {' '.join(_DTYPES)}",
        f"syntax keyword graphcConstant {' '.join(_CONSTANTS)}",
        f"syntax keyword graphcOperator {' '.join(_OPERATOR_WORDS)}",
        f"syntax keyword graphcKeyword def {' '.join(_PLAIN)}",
        rf"syntax match graphcKeyword /\<\%({phrases}\)\>/",
        rf"syntax match graphcKeyword /^\s*\zs\%({line_words}\){before_a_name}/",
        rf"syntax match graphcKeyword /[(,]\s*\zsstate{before_a_name}/",
        rf"syntax match graphcReduction /\<\%({reductions}\)\ze\[/",
        r"syntax match graphcDecorator /^\s*@\s*\zs\h\w*/",
        r"syntax match graphcComment /#.*$/ contains=@Spell",
        r"syntax region graphcString start=/\"/ skip=/\\./ end=/\"/ oneline",
        r"syntax region graphcString start=/'/ skip=/\\./ end=/'/ oneline",
        r'syntax region graphcString start=/"""/ skip=/\\./ end=/"""/ contains=@Spell',
        r"syntax region graphcString start=/'''/ skip=/\\./ end=/'''/ contains=@Spell",
        "",
        *(
            f"highlight default link graphc{group} {target}"
            for group, target in (
                ("Comment", "Comment"),
                ("Constant", "Constant"),
                ("Decorator", "PreProc"),
                ("Keyword", "Statement"),
                ("Number", "Number"),
                ("Operator", "Operator"),
                ("Reduction", "Function"),
                ("String", "String"),
                ("Type", "Type"),
            )
        ),
        "",
        "let b:current_syntax = 'graphc'",
    ]
    return "\n".join(lines) + "\n"


def texts() -> Mapping[str, str]:
    """What each file says, by its path in this folder."""
    documents = {
        "vscode/package.json": _vscode_package(),
        "vscode/language-configuration.json": _vscode_configuration(),
        "vscode/syntaxes/graphc.tmLanguage.json": textmate(),
    }
    return {
        **{path: json.dumps(document, indent=2) + "\n" for path, document in documents.items()},
        "vim/ftdetect/graphc.vim": "autocmd BufNewFile,BufRead *.gc set filetype=graphc\n",
        "vim/syntax/graphc.vim": vim(),
    }


if __name__ == "__main__":
    for name, text in texts().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
