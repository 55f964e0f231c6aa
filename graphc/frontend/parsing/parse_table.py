"""The parse table of the `.gc` language, as `table_generator` wrote it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from graphc.ir.record import Record

__all__ = ["GRAMMAR_FILE", "TABLE_FILE", "ParseTable", "Rule", "parse_table"]

GRAMMAR_FILE = Path(__file__).with_name("grammar.lark")
TABLE_FILE = Path(__file__).with_name("grammar.table.json")


class Rule(Record):
    """One production: what is popped, and which action makes the value that is pushed.

    Attributes:
        origin: name of the symbol that the rule produces.
        size: number of values popped.
        action: name of the action, or none where the one value is passed on; a name with an
            underscore in front stands for no node, its value is the list of its arguments.
        spliced: positions of values that are lists to be spread over the arguments.
        missing: number of absent optional values before each position, or empty.
    """

    origin: str
    size: int
    action: str | None
    spliced: tuple[int, ...]
    missing: tuple[int, ...]

    def arguments(self, values: list[Any]) -> list[Any]:
        """The arguments of the action for the values popped, whose lists it may consume."""
        if not self.spliced and not self.missing:
            return values
        arguments: list[Any] = []
        for position, value in enumerate(values):
            if self.missing:
                arguments += [None] * self.missing[position]
            if position not in self.spliced:
                arguments.append(value)
            elif arguments:
                arguments += value
            else:
                # Growing the first list in place keeps long sequences linear.
                arguments = value
        if self.missing:
            arguments += [None] * self.missing[-1]
        return arguments


class ParseTable(Record):
    """An LALR(1) table.

    Attributes:
        start: first state for each start symbol.
        end: state in which the text of each start symbol is complete.
        words: keywords, operators and punctuation with the names of their terminals.
        rules: the productions.
        states: for each state the action on each symbol: the next state, or `-1 - rule`.
    """

    start: dict[str, int]
    end: dict[str, int]
    words: dict[str, str]
    rules: tuple[Rule, ...]
    states: list[dict[str, int]]


@functools.cache
def parse_table() -> ParseTable:
    """Read the table that belongs to the grammar."""
    data = json.loads(TABLE_FILE.read_text(encoding="utf-8"))
    rules = tuple(
        Rule(origin, size, action, tuple(spliced), tuple(missing))
        for origin, size, action, spliced, missing in data["rules"]
    )
    return ParseTable(data["start"], data["end"], data["words"], rules, data["states"])
