"""Values: the text of expressions, each computed once, in the outermost block where it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.codegen.dialect import Dialect
from graphc.codegen.emit.blocks import Blocks, Scope, variable_name
from graphc.codegen.emit.spelling import Speller
from graphc.codegen.index import c_identifier
from graphc.ir import dims
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    Guard,
    IndexValue,
    Inside,
    Load,
    Scalar,
    Space,
    WithIndex,
    computed_always,
    walk,
)
from graphc.ir.kernel import Address, Call, Kernel, Store, indices, statements

__all__ = ["Values"]

# An expression nested deeper than this gets a name, so that lines stay readable.
_DEPTH_INLINE = 3


class Values:
    """Writes what expressions are computed from into the open blocks.

    Attributes:
        scalar_level: the levels of the blocks in which scalars are defined.
    """

    def __init__(self, kernel: Kernel, dialect: Dialect, blocks: Blocks, speller: Speller) -> None:
        self.dialect = dialect
        self.blocks = blocks
        self.speller = speller
        self.scalar_level: dict[Scalar, int] = {}
        self._may_change = _changing(kernel, dialect)
        self._is_volatile: dict[Expr, bool] = {}

    def value(self, root: Expr) -> str:
        """The text of an expression, valid in the innermost scope."""
        return self.texts([root])[root]

    def texts(self, roots: Sequence[Expr]) -> dict[Expr, str]:
        """Texts of expressions, valid in the innermost scope."""
        here = self.blocks.here
        self._find_volatile(roots)
        order = list(walk(*roots, operands=computed_always))
        levels: dict[Expr, int] = {}
        named: dict[Expr, list[str]] = {}
        given: dict[str, Expr] = {}
        for expr in order:
            if isinstance(expr, WithIndex) and variable_name(expr.variable) not in given:
                given[variable_name(expr.variable)] = expr.value
                named.setdefault(expr.value, []).append(variable_name(expr.variable))
        uses: dict[Expr, int] = {}
        outermost: dict[Expr, int] = {}
        for expr in order:
            # A guard is a statement of its own, written here: what needs it cannot move out.
            own = here if isinstance(expr, Guard) else self._own_level(expr)
            # The value of an index comes before what uses it, since a body is walked after it.
            decided = [levels[given[name]] for name in _variables(expr) if name in given]
            levels[expr] = max([own, *decided, *(levels[c] for c in computed_always(expr))])
        for expr in order:
            for child in computed_always(expr):
                uses[child] = uses.get(child, 0) + 1
                outermost[child] = max(outermost.get(child, 0), levels[expr])
        for root in roots:
            uses[root] = uses.get(root, 0) + 1
            outermost[root] = max(outermost.get(root, 0), here)
        texts: dict[Expr, str] = {}
        depth: dict[Expr, int] = {}
        for expr in order:
            known = self._known(expr)
            level = levels[expr]
            if known is not None:
                texts[expr], depth[expr] = known, 0
            elif isinstance(expr, Guard):
                texts[expr], depth[expr] = self._guard(expr, texts), 0
                if not self._is_volatile[expr]:
                    # Sides of later guards would else compute it, and what it needs, again.
                    self.blocks.scopes[here].names[expr] = texts[expr]
            elif isinstance(expr, WithIndex):
                texts[expr], depth[expr] = texts[expr.body], depth[expr.body]
                if uses[expr] > 1 and depth[expr] > 0:
                    texts[expr], depth[expr] = self._define(expr, texts[expr], level), 0
            else:
                text = self.speller.expression(expr, texts)
                depth[expr] = 1 + max((depth[c] for c in computed_always(expr)), default=0)
                leaf = isinstance(expr, Constant | Scalar | IndexValue)
                moves = level < outermost[expr] or uses[expr] > 1 or isinstance(expr, Load)
                is_last_use = expr in roots and level == here and uses[expr] == 1
                if not leaf and not is_last_use and (moves or depth[expr] > _DEPTH_INLINE):
                    text, depth[expr] = self._define(expr, text, level), 0
                texts[expr] = text
            for name in named.get(expr, ()):
                self.name_index(name, texts[expr], level)
        return texts

    def name_index(self, name: str, text: str, level: int) -> None:
        """Give an index variable the value that data decides, unless it has it already."""
        if any(name in scope.variables for scope in self.blocks.scopes):
            return
        scope, ctype = self.blocks.scopes[level], self.dialect.index_type
        scope.lines.append(f"const {ctype} {name} = ({ctype})({text});")
        scope.variables.add(name)

    def _own_level(self, expr: Expr) -> int:
        """The innermost scope that an expression needs by itself, its operands aside."""
        here = self.blocks.here
        if isinstance(expr, Scalar):
            return self.scalar_level.get(expr, here)
        level = 0
        if isinstance(expr, Load):
            if self._loads_what_changes(expr):
                return here
            level = max((s.level for s in self.blocks.scopes if s.is_conditional), default=0)
        names = _variables(expr)
        for scope in reversed(self.blocks.scopes):
            if names & scope.variables:
                return max(level, scope.level)
        return level

    def _known(self, expr: Expr) -> str | None:
        for scope in reversed(self.blocks.scopes):
            if expr in scope.names:
                return scope.names[expr]
        return None

    def _define(self, expr: Expr, text: str, level: int) -> str:
        scope = self.blocks.scopes[level]
        name = self.blocks.fresh(_hint(expr))
        scope.lines.append(f"const {self.dialect.compute_type(expr.dtype)} {name} = {text};")
        if not self._is_volatile[expr]:
            scope.names[expr] = name
        return name

    def _find_volatile(self, roots: Sequence[Expr]) -> None:
        """Which expressions may have another value in the next statement."""
        known = self._is_volatile

        def unknown(expr: Expr) -> tuple[Expr, ...]:
            return () if expr in known else expr.operands

        for expr in walk(*roots, operands=unknown):
            if expr not in known:
                below = any(known[operand] for operand in expr.operands)
                known[expr] = below or self._loads_what_changes(expr)

    def _loads_what_changes(self, expr: Expr) -> bool:
        return isinstance(expr, Load) and (
            expr.buffer in self._may_change or expr.buffer.space is not Space.GLOBAL
        )

    def _guard(self, expr: Guard, texts: Mapping[Expr, str]) -> str:
        """`T t; if (condition) { ...; t = value; } else { ...; t = otherwise; }`.

        Each side is computed behind the test; a constant stands before it.
        """
        name, ctype = self.blocks.fresh("guarded"), self.dialect.compute_type(expr.dtype)
        head = [f"if ({texts[expr.condition]}) {{"]
        if isinstance(expr.otherwise, Constant):
            self.blocks.line(f"{ctype} {name} = {self.value(expr.otherwise)};")
            self.blocks.nest(head, self._assignment(name, expr.value))
            return name
        self.blocks.line(f"{ctype} {name};")
        # What both need stands before the test.
        sides = [self._assignment(name, side) for side in (expr.value, expr.otherwise)]
        for opening, side in zip((head, ["else {"]), sides, strict=True):
            self.blocks.nest(opening, side)
        return name

    def _assignment(self, name: str, value: Expr) -> Scope:
        """The block of one side of a guard."""
        with self.blocks.scope(is_conditional=True) as side:
            self.blocks.line(f"{name} = {self.value(value)};")
        return side


def _variables(expr: Expr) -> set[str]:
    """The variables of an expression's own indices, as the text calls them."""
    return {c_identifier(name) for index in indices(expr) for name in dims.variables(index)}


def _changing(kernel: Kernel, dialect: Dialect) -> frozenset[Buffer]:
    """The buffers whose elements may change while the kernel runs."""
    everything = list(statements(kernel.body))
    stored = {s.buffer for s in everything if isinstance(s, Store)}
    called = {
        argument.buffer
        for s in everything
        if isinstance(s, Call)
        for argument in s.arguments
        if isinstance(argument, Address)
    }
    changing = stored | {b for b in called if b.space is not Space.GLOBAL}
    return frozenset(changing if dialect.moves_loads else changing | set(kernel.parameters))


def _hint(expr: Expr) -> str:
    match expr:
        case Apply(op, _, _):
            return op.name
        case Load(buffer, _):
            return buffer.name
        case Convert(_, dtype):
            return f"as_{dtype.name}"
        case Inside():
            return "is_inside"
        case _:
            return "value"
