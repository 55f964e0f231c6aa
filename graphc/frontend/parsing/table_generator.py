"""Generates the parse table of the `.gc` language from its grammar.

Lark reads `grammar.lark` and computes the LALR table; this module writes it, in a canonical
order, to `grammar.table.json`, from where the parser takes it. Building the table anew takes
longer than checking a model, so it is built when the grammar changes and kept beside it; a test
holds the two together. Run it with

    python -m graphc.frontend.parsing.table_generator
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

from lark import Lark
from lark.lexer import Lexer
from lark.parsers.lalr_analysis import Shift

from graphc.frontend.parsing.parse_table import GRAMMAR_FILE, TABLE_FILE

__all__ = ["generate_table"]

START_RULES = ("module", "value")


class _ExternalLexer(Lexer):
    """Stands for the project's own lexer: lark needs one, but only its table is used."""

    def __init__(self, configuration: object) -> None:
        pass

    def lex(self, state: object, parser_state: object = None) -> Any:
        raise NotImplementedError


def generate_table(grammar: Path = GRAMMAR_FILE) -> str:
    """The parse table of a grammar as JSON text, a function of the grammar alone.

    A state is an object from symbol to action: a number >= 0 is the state after a shift (or
    after a reduction, for the name of a rule), a number < 0 is `-1 - rule`. A rule is
    `[origin, size, action, spliced, missing]`: what it is called with is its `size` values,
    where those at the positions `spliced` are lists to be spread, and `missing[i]` counts the
    optional values absent before position `i`. An action of null passes the one value on.
    """
    lark = Lark(
        grammar.read_text(encoding="utf-8"),
        parser="lalr",
        lexer=_ExternalLexer,
        start=list(START_RULES),
        keep_all_tokens=True,
        maybe_placeholders=True,
    )
    table = lark.parser.parser._parse_table
    order = _reachable_states(table)
    rules: dict[str, int] = {}
    states = []
    for state in order:
        row = {}
        for symbol, (action, argument) in sorted(table.states[state].items()):
            if action is Shift:
                row[_symbol(symbol)] = order[argument]
            else:
                description = json.dumps(_describe_rule(argument))
                row[_symbol(symbol)] = -1 - rules.setdefault(description, len(rules))
        states.append(row)
    words = {
        terminal.pattern.value: terminal.name
        for terminal in sorted(lark.terminals, key=lambda terminal: terminal.name)
        if terminal.pattern.type == "str"
    }
    lines = ['{"start": ' + json.dumps({s: order[table.start_states[s]] for s in START_RULES})]
    lines.append(', "end": ' + json.dumps({s: order[table.end_states[s]] for s in START_RULES}))
    lines.append(', "words": ' + json.dumps(words))
    lines.append(', "rules": [\n' + ",\n".join(rules) + "\n]")
    lines.append(', "states": [\n' + ",\n".join(json.dumps(row) for row in states) + "\n]}")
    return "\n".join(lines) + "\n"


def _symbol(name: str) -> str:
    return "END" if name == "$END" else name


def _reachable_states(table: Any) -> dict[Any, int]:
    """Number the states breadth first; lark's own numbers depend on the order of its sets."""
    order: dict[Any, int] = {}
    queue = deque(table.start_states[start] for start in START_RULES)
    while queue:
        state = queue.popleft()
        if state in order:
            continue
        order[state] = len(order)
        shifts = ((s, a) for s, (action, a) in table.states[state].items() if action is Shift)
        queue.extend(target for _, target in sorted(shifts, key=lambda shift: shift[0]))
    return order


def _describe_rule(rule: Any) -> list[Any]:
    passes_on = rule.options.expand1 and not rule.alias and len(rule.expansion) == 1
    spliced = [
        position
        for position, symbol in enumerate(rule.expansion)
        if not symbol.is_term and symbol.name.startswith("_")
    ]
    missing = [0] * (len(rule.expansion) + 1)
    position = 0
    for absent in rule.options.empty_indices or ():
        if absent:
            missing[position] += 1
        else:
            position += 1
    name = str(rule.origin.name)
    action = None if passes_on else rule.alias or name
    return [name, len(rule.expansion), action, spliced, missing if any(missing) else []]


if __name__ == "__main__":
    TABLE_FILE.write_text(generate_table(), encoding="utf-8")
