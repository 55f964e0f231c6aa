"""Kernels as text, a line for each statement: the form of dumps, goldens and verification errors.

    kernel divide_sum(a0: f32, out0: f32 written)
      scalars B
      lanes 64
      for _step < B:
        fold _i1 < 10:
          sum0: f32 = add(f32(0), a0[_i1 + _step*10])
        lane for _i1 < 10:
          out0[_i1 + _step*10] = a0[_i1 + _step*10] / sum0

Ops that C writes as operators are written so; others, and conversions, as calls: `f32(x)` is `x`
as an f32. A value that is needed twice has a line and a number of its own. A listing is drawn from
what is stored alone, so that it can show a kernel that breaks an invariant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import (
    Apply,
    Constant,
    Convert,
    Expr,
    Guard,
    IndexValue,
    Inside,
    Load,
    Scalar,
    WithIndex,
    walk,
)
from graphc.ir.kernel import (
    Address,
    Barrier,
    Block,
    Call,
    Declare,
    Fold,
    FoldTerm,
    If,
    Kernel,
    Let,
    LetIndex,
    Loop,
    ReadIndex,
    Statement,
    Store,
    expressions,
)
from graphc.ir.op import Elementwise, Op
from graphc.ir.source_map import portable

__all__ = ["kernel_listing", "kernel_neighbourhood", "statement_text"]

_STEP = "  "
_LINES_SHOWN = 3

# A value is named once the text that it stands in would nest deeper than this.
_DEPTH_INLINE = 4

_OPERATOR = re.compile(r"\{0\} (\S+) \{1\}")


def kernel_listing(kernel: Kernel) -> str:
    """The kernel as text; the lines of the model that it computes come first, as comments.

    >>> from graphc.ir import dims
    >>> from graphc.ir import dtype as dtypes
    >>> from graphc.ir.expr import Buffer
    >>> from graphc.ir.kernel import LoopKind
    >>> i, step = dims.variable("i", 0, 63), dims.variable("step", 0, 7)
    >>> a, b = Buffer("a", dtypes.f32, 0), Buffer("b", dtypes.f32, 0)
    >>> body = (Loop(i, 64, LoopKind.LANE, (Store(b, step * 64 + i, Load(a, step * 64 + i)),)),)
    >>> print(kernel_listing(Kernel("copy", (a, b), frozenset({b}), (), step, 8, 64, body)))
    kernel copy(a: f32, b: f32 written)
      lanes 64
      for step < 8:
        lane for i < 64:
          b[i + step*64] = a[i + step*64]
    """
    return "\n".join(line.text for line in _lines(kernel))


def kernel_neighbourhood(kernel: Kernel, position: int) -> list[str]:
    """The lines around a statement, whose own are marked.

    Args:
        kernel: the kernel.
        position: the statement's number in the order of `statements(kernel.body)`.
    """
    lines = list(_lines(kernel))
    own = [number for number, line in enumerate(lines) if line.position == position]
    first = max(own[0] - _LINES_SHOWN, 0)
    shown = lines[first : own[-1] + _LINES_SHOWN + 1]
    return [f"{'>' if line.position == position else ' '} {line.text}" for line in shown]


def statement_text(statement: Statement) -> str:
    """A statement as text, without the statements inside it."""
    return "\n".join(_Statement(statement, "").lines())


@dataclass(frozen=True, slots=True)
class _Line:
    """A line, and the number of the statement that it belongs to (-1: the kernel's own)."""

    text: str
    position: int = -1


def _lines(kernel: Kernel) -> Iterator[_Line]:
    for span in kernel.spans:
        yield _Line(f"# {portable(span)}")
    parameters = ", ".join(
        f"{b.name}: {b.dtype.name}{' written' if b in kernel.written else ''}"
        for b in kernel.parameters
    )
    yield _Line(f"kernel {kernel.name}({parameters})")
    if kernel.scalars:
        yield _Line(f"{_STEP}scalars {', '.join(map(str, kernel.scalars))}")
    yield _Line(f"{_STEP}lanes {kernel.lanes}")
    yield _Line(f"{_STEP}for {kernel.step} < {kernel.grid}:")
    yield from _block_lines(kernel.body, _STEP * 2, iter(range(2**62)))


def _block_lines(block: Block, indent: str, numbers: Iterator[int]) -> Iterator[_Line]:
    for statement in block:
        position = next(numbers)
        for text in _Statement(statement, indent).lines():
            yield _Line(text, position)
        if isinstance(statement, Loop | If):
            yield from _block_lines(statement.body, indent + _STEP, numbers)


class _Statement:
    """One statement on its way to text; shared values are numbered within it."""

    def __init__(self, statement: Statement, indent: str) -> None:
        self.statement = statement
        self.indent = indent
        self.texts: dict[Expr, str] = {}

    def lines(self) -> list[str]:
        named = [f"{self.indent}{line}" for line in self._name_values()]
        return [*named, *(f"{self.indent}{line}" for line in self._spelled())]

    def _name_values(self) -> Iterator[str]:
        """Spell every value; those that are shared or nested deep get lines of their own."""
        roots = expressions(self.statement)
        order = list(walk(*roots))
        uses = Counter(operand for expr in order for operand in expr.operands)
        uses.update(roots)
        depth: dict[Expr, int] = {}
        named = 0
        for expr in order:
            depth[expr] = 1 + max((depth[operand] for operand in expr.operands), default=0)
            self.texts[expr] = _expression(expr, [self.texts[o] for o in expr.operands])
            is_root = expr in roots and uses[expr] == 1
            if expr.operands and not is_root and (uses[expr] > 1 or depth[expr] > _DEPTH_INLINE):
                yield f"%{named} = {_bare(self.texts[expr])}"
                self.texts[expr], depth[expr] = f"%{named}", 0
                named += 1

    def _spelled(self) -> list[str]:
        match self.statement:
            case Declare(buffer):
                space = buffer.space.value
                return [f"{space} {buffer.name}: {buffer.dtype.name}[{buffer.size}]"]
            case Let(scalar, value):
                return [f"{scalar.name}: {scalar.dtype.name} = {_bare(self.texts[value])}"]
            case LetIndex(variable, index):
                return [f"{variable} = {index}"]
            case ReadIndex(variable, value):
                return [f"{variable} = {_bare(self.texts[value])}"]
            case Store(buffer, index, value):
                return [f"{buffer.name}[{index}] = {_bare(self.texts[value])}"]
            case Loop(variable, extent, kind, _):
                return [f"{kind.value} for {variable} < {extent}:"]
            case If(condition, _):
                return [f"if {_bare(self.texts[condition])}:"]
            case Barrier():
                return ["barrier"]
            case Fold(loops, terms):
                nest = ", ".join(f"{variable} < {extent}" for variable, extent in loops)
                return [f"fold {nest or 'once'}:", *(_STEP + self._term(term) for term in terms)]
            case Call(function, arguments):
                return [f"{function}({', '.join(map(self._argument, arguments))})"]

    def _term(self, term: FoldTerm) -> str:
        identity = f"{term.result.dtype.name}({term.identity!r})"
        combined = f"{term.combine.name}({identity}, {_bare(self.texts[term.value])})"
        return f"{term.result.name}: {term.result.dtype.name} = {combined}"

    def _argument(self, argument: Address | Expr | DimLike | str) -> str:
        match argument:
            case Address(buffer, index):
                return f"&{buffer.name}[{index}]"
            case Expr():
                return self.texts[argument]
            case str():
                return repr(argument)
            case int() | Dim():
                return str(argument)


def _expression(expr: Expr, operands: Sequence[str]) -> str:
    """The text of an expression from those of its operands."""
    match expr:
        case Constant(value, dtype):
            return f"{dtype.name}({value!r})"
        case Scalar(name, _):
            return name
        case IndexValue(index, dtype):
            return f"{dtype.name}({index})"
        case Inside(index, low, high):
            return f"({low} <= {index} < {high})"
        case Load(buffer, index):
            return f"{buffer.name}[{index}]"
        case Convert(_, dtype):
            return f"{dtype.name}({_bare(operands[0])})"
        case Guard():
            condition, chosen, otherwise = operands
            return f"({chosen} if {condition} else {otherwise})"
        case WithIndex(variable, _, _):
            return f"({operands[1]} at {variable} = {_bare(operands[0])})"
        case Apply(op, _, _):
            return _applied(op, operands)
    return repr(expr)


def _applied(op: Op, operands: Sequence[str]) -> str:
    """Infix where the op's C spelling is."""
    if isinstance(op.lowering, Elementwise) and len(operands) == 2:
        spelling = op.lowering.c if isinstance(op.lowering.c, str) else op.lowering.c.get("*", "")
        operator = _OPERATOR.fullmatch(spelling)
        if operator is not None:
            return f"({operands[0]} {operator[1]} {operands[1]})"
    return f"{op.name}({', '.join(map(_bare, operands))})"


def _bare(text: str) -> str:
    """The text without parentheses around all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text
