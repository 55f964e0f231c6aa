"""Nested blocks of text: their lines, and the names that values have in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from graphc.codegen.dialect import Dialect
from graphc.codegen.index import c_identifier, c_index
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Expr

__all__ = ["Blocks", "Scope", "folded", "variable_name"]

_COLUMNS = 100


class Scope:
    """One block of the text: its lines, and the values that have a name in it.

    Nothing is loaded outside of a conditional block for use inside: its place may not exist.
    """

    def __init__(self, level: int, variables: Sequence[str], is_conditional: bool) -> None:
        self.level = level
        self.variables = set(variables)
        self.is_conditional = is_conditional
        self.lines: list[str] = []
        self.names: dict[Expr, str] = {}
        self.counts: dict[str, str] = {}


class Blocks:
    """The blocks that are open, outermost first, and the names that are taken."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.scopes: list[Scope] = []
        self._counter: dict[str, int] = {}

    @property
    def here(self) -> int:
        """The level of the innermost block."""
        return len(self.scopes) - 1

    @contextmanager
    def scope(self, *variables: str, is_conditional: bool = False) -> Iterator[Scope]:
        """A nested block; its lines are the caller's to place."""
        scope = Scope(len(self.scopes), variables, is_conditional)
        self.scopes.append(scope)
        try:
            yield scope
        finally:
            self.scopes.pop()

    def line(self, text: str) -> None:
        """Add a line to the innermost block."""
        self.scopes[-1].lines.append(text)

    def nest(self, head: Sequence[str], inner: Scope) -> None:
        """Add an inner block below its head, whose last line opens a brace, or without one."""
        lines = self.scopes[-1].lines
        if not head:
            lines.extend(inner.lines)
            return
        lines.extend(head)
        lines.extend("    " + line for line in inner.lines)
        lines.append("}")

    def fresh(self, hint: str) -> str:
        """A name that is not taken."""
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}_{number}"

    def count(self, extent: DimLike) -> str:
        """The extent of a loop as a number or a name, so that no iteration computes it again."""
        text = c_index(extent)
        if re.fullmatch(r"\w+", text):
            return text
        for scope in reversed(self.scopes):
            if text in scope.counts:
                return scope.counts[text]
        name = self.fresh("count")
        self.line(f"const {self.dialect.index_type} {name} = {text};")
        self.scopes[-1].counts[text] = name
        return name

    @contextmanager
    def serial(self, variable: Dim, extent: DimLike) -> Iterator[None]:
        """A loop whose body is written inside."""
        name, index, count = variable_name(variable), self.dialect.index_type, self.count(extent)
        with self.scope(name) as inner:
            yield
        self.nest([f"for ({index} {name} = 0; {name} < {count}; ++{name}) {{"], inner)

    def lane_head(self, variable: str, extent: str, lanes: int, inner: Scope) -> list[str]:
        """The head of a loop over lanes, made for what its body uses; none if it needs none."""
        is_used = any(re.search(rf"\b{variable}\b", line) for line in inner.lines)
        return self.dialect.lane_loop(variable, extent, lanes, is_used=is_used)


def variable_name(variable: Dim) -> str:
    """The C name of a variable."""
    (name,) = dims.variables(variable)
    return c_identifier(name)


def folded(line: str) -> Iterator[str]:
    """A line in parts of at most `_COLUMNS` where that can be, the further ones indented.

    It is broken after a comma or before an operator, between brackets that are as few as can be.
    """
    indent = " " * (len(line) - len(line.lstrip()) + 8)
    while len(line) > _COLUMNS and not line.lstrip().startswith(("#", "/")):
        at = _break(line, len(indent) + 1)
        if at is None:
            break
        yield line[:at]
        line = indent + line[at:].lstrip()
    yield line


# A space after a comma or semicolon, or before an operator of two operands.
_BREAK = re.compile(r"(?<=[,;]) | (?=(?:[-+*/%<>?:]|&&|\|\||[<>=!]=) )")


def _break(line: str, first: int) -> int | None:
    """Where to break a line: in its second half if that can be, the fewest brackets open."""
    found = [match.start() for match in _BREAK.finditer(line, first, _COLUMNS + 2)]
    found = [at for at in found if at <= _COLUMNS]
    found = [at for at in found if at >= _COLUMNS // 2] or found
    return min(found, key=lambda at: (_open(line[:at]), -at), default=None)


def _open(text: str) -> int:
    """How many brackets are open at the end of a text."""
    return sum(text.count(one) for one in "([{") - sum(text.count(one) for one in ")]}")
