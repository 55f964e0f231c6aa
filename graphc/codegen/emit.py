"""The emitter: kernel IR to readable text of the C family, spelled by a dialect.

Each value is computed once, in the outermost loop where its operands exist: what does not
change in a loop is named before it. Values are named after the op that computes them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from graphc.codegen.dialect import Dialect, LaneFold
from graphc.codegen.index import c_identifier, c_index
from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
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
    LoopKind,
    Statement,
    Store,
    indices,
    statements,
)
from graphc.ir.op import Elementwise

__all__ = ["emit_kernel"]

_COLUMNS = 100

# An expression nested deeper than this gets a name, so that lines stay readable.
_DEPTH_INLINE = 3

_ATOM = re.compile(r"[A-Za-z0-9_.]+(\([^()]*\)|\[[^\[\]]*\])?")

# Operators of C whose result may not fit the type of their operands.
_SUM_OR_PRODUCT = re.compile(r"[-+*]")


class _Scope:
    """One block of the text: its lines, and the values that have a name in it.

    Nothing is loaded outside of a conditional block for use inside: its place may not exist.
    """

    def __init__(self, level: int, variables: Sequence[str], is_conditional: bool) -> None:
        self.level = level
        self.variables = set(variables)
        self.is_conditional = is_conditional
        self.lines: list[str] = []
        self.names: dict[Expr, str] = {}


class _Emitter:
    def __init__(self, kernel: Kernel, dialect: Dialect) -> None:
        self.kernel = kernel
        self.dialect = dialect
        self.scopes: list[_Scope] = []
        self.counter: dict[str, int] = {}
        self.lane: str | None = None
        stored = {s.buffer for s in statements(kernel.body) if isinstance(s, Store)}
        called = {
            argument.buffer
            for s in statements(kernel.body)
            if isinstance(s, Call)
            for argument in s.arguments
            if isinstance(argument, Address)
        }
        self.volatile = stored | {b for b in called if b.space is not Space.GLOBAL}
        if not dialect.moves_loads:
            self.volatile |= set(kernel.parameters)
        self.scalar_level: dict[Scalar, int] = {}

    def run(self) -> str:
        kernel, step = self.kernel, _name(self.kernel.step)
        lines = self.dialect.open_kernel(kernel, step, c_index(kernel.grid))
        with self.scope(step) as body:
            self.block(kernel.body)
        depth = sum(line.count("{") - line.count("}") for line in lines)
        lines += ["    " * depth + line for line in body.lines]
        lines += ["    " * level + "}" for level in reversed(range(depth))]
        return "\n".join(part for line in lines for part in _folded(line)) + "\n"

    # -- scopes ------------------------------------------------------------------------------

    @contextmanager
    def scope(self, *variables: str, is_conditional: bool = False) -> Iterator[_Scope]:
        """A nested block; its lines are the caller's to place."""
        scope = _Scope(len(self.scopes), variables, is_conditional)
        self.scopes.append(scope)
        try:
            yield scope
        finally:
            self.scopes.pop()

    def line(self, text: str) -> None:
        self.scopes[-1].lines.append(text)

    def nest(self, head: Sequence[str], inner: _Scope) -> None:
        """Add an inner block below its head (whose last line opens a brace)."""
        lines = self.scopes[-1].lines
        lines.extend(head)
        lines.extend("    " + line for line in inner.lines)
        lines.append("}")

    def fresh(self, hint: str) -> str:
        number = self.counter.get(hint, 0)
        self.counter[hint] = number + 1
        return f"{hint}_{number}"

    # -- statements --------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        for is_store, run in itertools.groupby(block, lambda s: isinstance(s, Store)):
            statements = list(run)
            if is_store and len(statements) > 1:
                self.stores([s for s in statements if isinstance(s, Store)])
            else:
                for statement in statements:
                    self.statement(statement)

    def stores(self, stores: Sequence[Store]) -> None:
        """Several stores: all values are computed before the first one is written.

        Parameters may be bound to the same memory (updates in place).
        """
        texts = self.texts([store.value for store in stores])
        names = []
        for store in stores:
            name = self.fresh(f"{store.buffer.name}_value")
            ctype = self.dialect.compute_type(store.value.dtype)
            self.line(f"const {ctype} {name} = {texts[store.value]};")
            names.append(name)
        for store, name in zip(stores, names, strict=True):
            target = self.element(store.buffer, store.index)
            self.line(f"{target} = {self.to_storage(name, store.buffer)};")

    def statement(self, statement: Statement) -> None:
        match statement:
            case Declare(buffer):
                size = c_index(buffer.size)
                for line in self.dialect.declare(buffer, size, self.kernel.lanes):
                    self.line(line)
            case Let(scalar, value):
                text = self.value(value)
                self.line(
                    f"const {self.dialect.compute_type(scalar.dtype)} {scalar.name} = {text};"
                )
                self.scalar_level[scalar] = len(self.scopes) - 1
            case LetIndex(variable, index):
                name = _name(variable)
                self.line(f"const {self.dialect.index_type} {name} = {c_index(index)};")
                self.scopes[-1].variables.add(name)
            case Store(buffer, index, value):
                text = self.value(value)
                self.line(f"{self.element(buffer, index)} = {self.to_storage(text, buffer)};")
            case Loop():
                self.loop(statement)
            case If(condition, body):
                head = [f"if ({self.value(condition)}) {{"]
                with self.scope(is_conditional=True) as inner:
                    self.block(body)
                self.nest(head, inner)
            case Barrier():
                for line in self.dialect.barrier():
                    self.line(line)
            case Fold():
                self.fold(statement)
            case Call(function, arguments):
                texts = ", ".join(self.argument(argument) for argument in arguments)
                self.line(f"{function}({texts});")

    def loop(self, loop: Loop) -> None:
        variable, extent = _name(loop.variable), self.count(loop.extent)
        outer_lane = self.lane
        if loop.kind is LoopKind.LANE:
            self.lane = variable
        # One lane alone may load what it then replaces: the others must not load it as well.
        is_for_one = loop.kind is LoopKind.LANE and dims.bounds(loop.extent)[1] <= 1
        with self.scope(variable, is_conditional=is_for_one) as inner:
            self.block(loop.body)
        self.lane = outer_lane
        if loop.kind is LoopKind.LANE:
            head = self.lane_head(variable, extent, inner)
            if head:
                self.nest(head, inner)
            else:
                self.scopes[-1].lines += inner.lines
            return
        index = self.dialect.index_type
        unroll = ["#pragma GCC unroll 64" if self.dialect.nests_loops else "#pragma unroll"]
        head = unroll if loop.kind is LoopKind.UNROLLED else []
        test = f"{variable} < {extent}"
        self.nest([*head, f"for ({index} {variable} = 0; {test}; ++{variable}) {{"], inner)

    def lane_head(self, variable: str, extent: str, inner: _Scope) -> list[str]:
        """The head of a loop over lanes, made for what its body uses; none if it needs none."""
        is_used = any(re.search(rf"\b{variable}\b", line) for line in inner.lines)
        return self.dialect.lane_loop(variable, extent, self.kernel.lanes, is_used=is_used)

    def count(self, extent: DimLike) -> str:
        """The extent of a loop as a number or a name, so that no iteration computes it again."""
        text = c_index(extent)
        if re.fullmatch(r"\w+", text):
            return text
        name = self.fresh("count")
        self.line(f"const {self.dialect.index_type} {name} = {text};")
        return name

    def argument(self, argument: Address | Expr | DimLike | str) -> str:
        match argument:
            case Address(buffer, index):
                return f"&{self.element(buffer, index)}"
            case Expr():
                return self.value(argument)
            case str():
                return argument
            case _:
                return c_index(argument)

    # -- folds -------------------------------------------------------------------------------

    def fold(self, fold: Fold) -> None:
        if self.dialect.fold_is_looped:
            self.fold_in_arrays(fold)
        else:
            self.fold_in_threads(fold)
        for term in fold.terms:
            self.scalar_level[term.result] = len(self.scopes) - 1

    def fold_in_arrays(self, fold: Fold) -> None:
        """Host: an array of lanes for each term, filled by constant-trip inner loops."""
        lanes, index = self.kernel.lanes, self.dialect.index_type
        names = [f"{term.result.name}_lanes" for term in fold.terms]
        for name, term in zip(names, fold.terms, strict=True):
            ctype = self.dialect.compute_type(term.result.dtype)
            start = self.constant(term.identity, term.result.dtype)
            self.line(f"{ctype} {name}[{lanes}];")
            self.line(f"for (int lane = 0; lane < {lanes}; ++lane) {name}[lane] = {start};")
        targets = [f"{name}[lane]" for name in names]

        def body() -> None:
            *outer, (variable, extent) = fold.loops or (_ONCE,)
            if outer:
                (head_variable, head_extent), *rest = outer
                self.serial(head_variable, head_extent, lambda: nested(rest, variable, extent))
            else:
                innermost(variable, extent)

        def nested(rest: list[tuple[Dim, DimLike]], variable: Dim, extent: DimLike) -> None:
            if rest:
                self.serial(rest[0][0], rest[0][1], lambda: nested(rest[1:], variable, extent))
            else:
                innermost(variable, extent)

        def innermost(variable: Dim, extent: DimLike) -> None:
            name, count = _name(variable), self.count(extent)
            exact = dims.divides(extent, lanes)
            short = dims.bounds(extent)[1] < lanes
            if not short:
                with self.scope(f"{name}_base") as base:
                    with self.scope(name) as lane:
                        self.line(f"const {index} {name} = {name}_base + lane;")
                        self.fold_terms(fold.terms, targets)
                    self.nest([f"for (int lane = 0; lane < {lanes}; ++lane) {{"], lane)
                step = f"{name}_base + {lanes} <= {count}; {name}_base += {lanes}"
                self.nest([f"for ({index} {name}_base = 0; {step}) {{"], base)
            if not exact:
                with self.scope(name) as lane:
                    self.line(f"const {index} {name} = {whole(count, short)} + lane;")
                    self.fold_terms(fold.terms, targets)
                rest = count if short else f"{count} % {lanes}"
                self.nest([f"for (int lane = 0; lane < {rest}; ++lane) {{"], lane)

        def whole(count: str, short: bool) -> str:
            return "0" if short else f"{count} / {lanes} * {lanes}"

        body()
        for name, term in zip(names, fold.terms, strict=True):
            combined = self.combine(term, f"{name}[lane]", f"{name}[lane + width]")
            self.line(f"for (int width = {lanes // 2}; width > 0; width /= 2)")
            self.line(f"    for (int lane = 0; lane < width; ++lane) {name}[lane] = {combined};")
            ctype = self.dialect.compute_type(term.result.dtype)
            self.line(f"const {ctype} {term.result.name} = {name}[0];")

    def serial(self, variable: Dim, extent: DimLike, body: Callable[[], None]) -> None:
        name, index, count = _name(variable), self.dialect.index_type, self.count(extent)
        with self.scope(name) as inner:
            body()
        self.nest([f"for ({index} {name} = 0; {name} < {count}; ++{name}) {{"], inner)

    def fold_in_threads(self, fold: Fold) -> None:
        """CUDA: each thread folds its iterations, then the block combines the threads."""
        for term in fold.terms:
            ctype = self.dialect.compute_type(term.result.dtype)
            start = self.constant(term.identity, term.result.dtype)
            self.line(f"{ctype} {term.result.name} = {start};")
        loops = fold.loops or (_ONCE,)
        self.thread_loops(loops, fold.terms)
        folds = [
            LaneFold(term.result.name, term.result.dtype, self.combine(term, "left", "right"))
            for term in fold.terms
        ]
        for line in self.dialect.fold_lanes(folds, self.kernel.lanes):
            self.line(line)

    def thread_loops(self, loops: Sequence[tuple[Dim, DimLike]], terms: Sequence[FoldTerm]) -> None:
        (variable, extent), *rest = loops
        if rest:
            self.serial(variable, extent, lambda: self.thread_loops(rest, terms))
            return
        name, count = _name(variable), self.count(extent)
        with self.scope(name) as inner:
            self.fold_terms(terms, [term.result.name for term in terms])
        self.nest(self.lane_head(name, count, inner), inner)

    def fold_terms(self, terms: Sequence[FoldTerm], targets: Sequence[str]) -> None:
        for term, target in zip(terms, targets, strict=True):
            value = self.value(term.value)
            self.line(f"{target} = {self.combine(term, target, value)};")

    def combine(self, term: FoldTerm, left: str, right: str) -> str:
        return self.spell(
            term.combine.lowering, [left, right], term.result.dtype, term.result.dtype
        )

    # -- expressions -------------------------------------------------------------------------

    def value(self, root: Expr) -> str:
        """The text of an expression, valid in the innermost scope."""
        return self.texts([root])[root]

    def texts(self, roots: Sequence[Expr]) -> dict[Expr, str]:
        """Texts of expressions, valid in the innermost scope."""
        here = len(self.scopes) - 1
        order = list(_walk_outside_guards(roots))
        levels: dict[Expr, int] = {}
        uses: dict[Expr, int] = {}
        outermost: dict[Expr, int] = {}
        for expr in order:
            # A guard is a statement of its own, written here: what needs it cannot move out.
            own = here if isinstance(expr, Guard) else self.own_level(expr)
            levels[expr] = max([own, *(levels[c] for c in _children(expr))])
        for expr in order:
            for child in _children(expr):
                uses[child] = uses.get(child, 0) + 1
                outermost[child] = max(outermost.get(child, 0), levels[expr])
        for root in roots:
            uses[root] = uses.get(root, 0) + 1
            outermost[root] = max(outermost.get(root, 0), here)
        texts: dict[Expr, str] = {}
        depth: dict[Expr, int] = {}
        for expr in order:
            known = self.known(expr)
            if known is not None:
                texts[expr], depth[expr] = known, 0
                continue
            level = levels[expr]
            if isinstance(expr, Guard):
                texts[expr], depth[expr] = self.guard(expr, texts), 0
                continue
            text = self.spelling(expr, texts)
            depth[expr] = 1 + max((depth[c] for c in _children(expr)), default=0)
            leaf = isinstance(expr, Constant | Scalar | IndexValue)
            moves = level < outermost[expr] or uses[expr] > 1 or isinstance(expr, Load)
            is_last_use = expr in roots and level == here and uses[expr] == 1
            if not leaf and not is_last_use and (moves or depth[expr] > _DEPTH_INLINE):
                text, depth[expr] = self.define(expr, text, level), 0
            texts[expr] = text
        return texts

    def own_level(self, expr: Expr) -> int:
        """The innermost scope that an expression needs by itself, its operands aside."""
        here = len(self.scopes) - 1
        if isinstance(expr, Scalar):
            return self.scalar_level.get(expr, here)
        level = 0
        if isinstance(expr, Load):
            if expr.buffer in self.volatile or expr.buffer.space is not Space.GLOBAL:
                return here
            level = max((s.level for s in self.scopes if s.is_conditional), default=0)
        names = {c_identifier(name) for index in indices(expr) for name in dims.variables(index)}
        for scope in reversed(self.scopes):
            if names & scope.variables:
                return max(level, scope.level)
        return level

    def known(self, expr: Expr) -> str | None:
        for scope in reversed(self.scopes):
            if expr in scope.names:
                return scope.names[expr]
        return None

    def define(self, expr: Expr, text: str, level: int) -> str:
        scope = self.scopes[level]
        name = self.fresh(_hint(expr))
        scope.lines.append(f"const {self.dialect.compute_type(expr.dtype)} {name} = {text};")
        if not self.is_volatile(expr):
            scope.names[expr] = name
        return name

    def is_volatile(self, expr: Expr) -> bool:
        """Whether the value may differ in the next statement."""
        return any(
            isinstance(e, Load)
            and (e.buffer in self.volatile or e.buffer.space is not Space.GLOBAL)
            for e in walk(expr)
        )

    def guard(self, expr: Guard, texts: Mapping[Expr, str]) -> str:
        """`T t; if (condition) { ...; t = value; } else { ...; t = otherwise; }`.

        Each side is computed behind the test; a constant stands before it.
        """
        name, ctype = self.fresh("guarded"), self.dialect.compute_type(expr.dtype)
        head = [f"if ({texts[expr.condition]}) {{"]
        if isinstance(expr.otherwise, Constant):
            self.line(f"{ctype} {name} = {self.value(expr.otherwise)};")
            self.nest(head, self.assignment(name, expr.value))
            return name
        self.line(f"{ctype} {name};")
        # What both need stands before the test.
        sides = [self.assignment(name, side) for side in (expr.value, expr.otherwise)]
        for opening, side in zip((head, ["else {"]), sides, strict=True):
            self.nest(opening, side)
        return name

    def assignment(self, name: str, value: Expr) -> _Scope:
        """The block of one side of a guard."""
        with self.scope(is_conditional=True) as side:
            self.line(f"{name} = {self.value(value)};")
        return side

    def spelling(self, expr: Expr, texts: Mapping[Expr, str]) -> str:
        match expr:
            case Constant(value, dtype):
                return self.constant(value, dtype)
            case Scalar(name, _):
                return name
            case IndexValue(index, dtype):
                return f"({self.dialect.compute_type(dtype)})({c_index(index)})"
            case Inside(index, low, high):
                return self.inside(index, low, high)
            case Load(buffer, index):
                return self.from_storage(self.element(buffer, index), buffer)
            case Convert(value, dtype):
                return self.convert(texts[value], value.dtype, dtype)
            case Apply(op, arguments, dtype):
                operand = arguments[-1].dtype if arguments else dtype
                return self.spell(op.lowering, [texts[a] for a in arguments], operand, dtype)
        raise InternalError(f"the emitter cannot spell {type(expr).__name__}")

    def spell(
        self, lowering: object, operands: Sequence[str], operand: DType, result: DType
    ) -> str:
        assert isinstance(lowering, Elementwise)
        suffix = "f32" if operand in (dtypes.f16, dtypes.bf16) else operand.name
        spelling, atoms = lowering.spelling(operand), [_atom(text) for text in operands]
        wrapping = self.dialect.wrapping_type(operand)
        if wrapping and _SUM_OR_PRODUCT.search(spelling):
            atoms = [f"({wrapping}){text}" for text in atoms]
            return f"({self.dialect.compute_type(result)})({spelling.format(*atoms)})"
        text = spelling.format(*atoms, t=suffix)
        if result in (dtypes.f16, dtypes.bf16):
            return f"gc_round_{result.name}({text})"
        if result.is_integer and result.bits < 64:
            return f"({self.dialect.compute_type(result)})({text})"
        return text

    def inside(self, index: DimLike, low: DimLike, high: DimLike) -> str:
        tests = []
        if not dims.always_less_equal(low, index):
            tests.append(f"{c_index(low)} <= {c_index(index)}")
        if not dims.always_less_equal(index + 1, high):
            tests.append(f"{c_index(index)} < {c_index(high)}")
        return " && ".join(tests) or "true"

    def element(self, buffer: Buffer, index: DimLike) -> str:
        if buffer.space is Space.LANE:
            return self.dialect.lane_element(buffer, c_index(index), self.lane or "0")
        return f"{buffer.name}[{c_index(index)}]"

    def from_storage(self, text: str, buffer: Buffer) -> str:
        narrow = buffer.dtype in (dtypes.f16, dtypes.bf16) and buffer.space is Space.GLOBAL
        return f"gc_{buffer.dtype.name}_to_f32({text})" if narrow else text

    def to_storage(self, text: str, buffer: Buffer) -> str:
        narrow = buffer.dtype in (dtypes.f16, dtypes.bf16) and buffer.space is Space.GLOBAL
        return f"gc_f32_to_{buffer.dtype.name}({text})" if narrow else text

    def convert(self, text: str, source: DType, target: DType) -> str:
        """A value as another dtype, as `cast` says."""
        ctype = self.dialect.compute_type(target)
        if target is dtypes.bool_:
            return f"({_atom(text)} != 0)"
        if target.is_integer and source.kind == "float":
            wide = "f64" if source is dtypes.f64 else "f32"
            return f"gc_truncate_{wide}_{target.name}({text})"
        if target in (dtypes.f16, dtypes.bf16):
            wide = source.name if source in (dtypes.f64, dtypes.i64, dtypes.u64) else "f32"
            if source in (dtypes.i32, dtypes.u32):
                wide, text = "f64", f"(double){_atom(text)}"
            return f"gc_round_{wide}_{target.name}({text})"
        return f"({ctype}){_atom(text)}"

    def constant(self, value: bool | int | float | complex, dtype: DType) -> str:
        if dtype is dtypes.bool_:
            return "true" if value else "false"
        if dtype.kind == "float":
            assert isinstance(value, int | float)
            suffix = "" if dtype is dtypes.f64 else "f"
            if math.isnan(value):
                return f"GC_NAN_F{64 if dtype is dtypes.f64 else 32}"
            if math.isinf(value):
                text = f"GC_INFINITY_F{64 if dtype is dtypes.f64 else 32}"
                return text if value > 0 else f"(-{text})"
            text = repr(float(value)) + suffix
            return text if math.copysign(1.0, value) > 0 else f"({text})"
        assert isinstance(value, int)
        if dtype.bits < 32:
            return str(value) if value >= 0 else f"({value})"
        if dtype.kind == "unsigned":
            return f"{value}{'ULL' if dtype.bits == 64 else 'U'}"
        suffix = "LL" if dtype.bits == 64 else ""
        if value == dtype.minimum_value:
            return f"({value + 1}{suffix} - 1)"
        return f"{value}{suffix}" if value >= 0 else f"({value}{suffix})"


_ONCE_VARIABLE = dims.variable("_once", 0, 1)
assert isinstance(_ONCE_VARIABLE, Dim)
_ONCE: tuple[Dim, DimLike] = (_ONCE_VARIABLE, 1)


def _name(variable: Dim) -> str:
    (name,) = dims.variables(variable)
    return c_identifier(name)


def _folded(line: str) -> Iterator[str]:
    """A line in parts of at most `_COLUMNS`, broken after a comma or at a space, and indented."""
    indent = " " * (len(line) - len(line.lstrip()) + 8)
    while len(line) > _COLUMNS and not line.lstrip().startswith(("#", "/")):
        at = line.rfind(", ", _COLUMNS // 2, _COLUMNS) + 1
        at = at or line.rfind(" ", len(indent) + 1, _COLUMNS + 1)
        if at < 0:
            break
        yield line[:at]
        line = indent + line[at + 1 :]
    yield line


def _hint(expr: Expr) -> str:
    match expr:
        case Apply(op, _, _):
            return op.name
        case Load(buffer, _):
            return buffer.name
        case Convert(_, dtype):
            return f"as_{dtype.name}"
        case _:
            return "t"


def _atom(text: str) -> str:
    return text if _ATOM.fullmatch(text) else f"({text})"


def _children(expr: Expr) -> tuple[Expr, ...]:
    """The operands that are computed outside of an expression's own test."""
    return (expr.condition,) if isinstance(expr, Guard) else expr.operands


def _walk_outside_guards(roots: Sequence[Expr]) -> Iterator[Expr]:
    done: set[Expr] = set()
    for root in roots:
        if root in done:
            continue
        done.add(root)
        stack = [(root, iter(_children(root)))]
        while stack:
            expr, pending = stack[-1]
            for child in pending:
                if child not in done:
                    done.add(child)
                    stack.append((child, iter(_children(child))))
                    break
            else:
                stack.pop()
                yield expr


def emit_kernel(kernel: Kernel, dialect: Dialect) -> str:
    """The text of a kernel in the dialect."""
    return _Emitter(kernel, dialect).run()
