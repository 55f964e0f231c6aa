"""Statements: blocks, loops and stores, around the values and folds in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from graphc.codegen.dialect import Dialect
from graphc.codegen.emit.blocks import Blocks, variable_name
from graphc.codegen.emit.folds import Folds
from graphc.codegen.emit.spelling import Speller
from graphc.codegen.emit.values import Values
from graphc.codegen.index import c_index
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.expr import Expr, Load, Space
from graphc.ir.kernel import (
    Address,
    Barrier,
    Block,
    Call,
    Declare,
    Fold,
    If,
    Kernel,
    Let,
    LetIndex,
    Loop,
    LoopKind,
    ReadIndex,
    Statement,
    Store,
)

__all__ = ["Statements"]


class Statements:
    """Writes the statements of a kernel into the open blocks."""

    def __init__(self, kernel: Kernel, dialect: Dialect, blocks: Blocks) -> None:
        self.kernel = kernel
        self.dialect = dialect
        self.blocks = blocks
        self.speller = Speller(dialect)
        self.values = Values(kernel, dialect, blocks, self.speller)
        self.folds = Folds(dialect, kernel.lanes, blocks, self.speller, self.values)

    def write(self, block: Block) -> None:
        """The statements of a block, in the innermost block of the text."""
        for is_store, run in itertools.groupby(block, lambda s: isinstance(s, Store)):
            statements = list(run)
            if is_store and len(statements) > 1:
                self._stores([s for s in statements if isinstance(s, Store)])
            else:
                for statement in statements:
                    self._statement(statement)

    def _stores(self, stores: Sequence[Store]) -> None:
        """Several stores: all values are computed before the first one is written.

        Parameters may be bound to the same memory (updates in place).
        """
        texts = self.values.texts([store.value for store in stores])
        names = []
        for store in stores:
            name = texts[store.value]
            # What was loaded last has no name of its own: it is an element that may change.
            if not name.isidentifier() or isinstance(store.value, Load):
                name = self.blocks.fresh(f"{store.buffer.name}_value")
                ctype = self.dialect.compute_type(store.value.dtype)
                self.blocks.line(f"const {ctype} {name} = {texts[store.value]};")
            names.append(name)
        for store, name in zip(stores, names, strict=True):
            target = self.speller.element(store.buffer, store.index)
            self.blocks.line(f"{target} = {self.speller.to_storage(name, store.buffer)};")

    def _statement(self, statement: Statement) -> None:
        match statement:
            case Declare(buffer):
                size = c_index(buffer.size)
                for line in self.dialect.declare(buffer, size, self.kernel.lanes):
                    self.blocks.line(line)
            case Let(scalar, value):
                text = self.values.value(value)
                self.blocks.line(
                    f"const {self.dialect.compute_type(scalar.dtype)} {scalar.name} = {text};"
                )
                self.values.scalar_level[scalar] = self.blocks.here
            case LetIndex(variable, index):
                name = variable_name(variable)
                self.blocks.line(f"const {self.dialect.index_type} {name} = {c_index(index)};")
                self.blocks.scopes[-1].variables.add(name)
            case ReadIndex(variable, value):
                text = self.values.value(value)
                self.values.name_index(variable_name(variable), text, self.blocks.here)
            case Store(buffer, index, value):
                text = self.speller.to_storage(self.values.value(value), buffer)
                self.blocks.line(f"{self.speller.element(buffer, index)} = {text};")
            case Loop():
                self._loop(statement)
            case If(condition, body):
                head = [f"if ({self.values.value(condition)}) {{"]
                with self.blocks.scope(is_conditional=True) as inner:
                    self.write(body)
                self.blocks.nest(head, inner)
            case Barrier():
                for line in self.dialect.barrier():
                    self.blocks.line(line)
            case Fold():
                self.folds.write(statement)
            case Call(function, arguments):
                texts = ", ".join(self._argument(argument) for argument in arguments)
                self.blocks.line(f"{function}({texts});")

    def _loop(self, loop: Loop) -> None:
        variable, extent = variable_name(loop.variable), self.blocks.count(loop.extent)
        outer_lane = self.speller.lane
        if loop.kind is LoopKind.LANE:
            self.speller.lane = variable
        # One lane alone may load what it then replaces: the others must not load it as well.
        is_for_one = loop.kind is LoopKind.LANE and dims.bounds(loop.extent)[1] <= 1
        with self.blocks.scope(variable, is_conditional=is_for_one) as inner:
            self.write(loop.body)
        self.speller.lane = outer_lane
        if loop.kind is LoopKind.LANE:
            self.blocks.nest(
                self.blocks.lane_head(variable, extent, self.kernel.lanes, inner), inner
            )
            return
        index = self.dialect.index_type
        unroll = ["#pragma GCC unroll 64" if self.dialect.nests_loops else "#pragma unroll"]
        head = unroll if loop.kind is LoopKind.UNROLLED else []
        test = f"{variable} < {extent}"
        self.blocks.nest([*head, f"for ({index} {variable} = 0; {test}; ++{variable}) {{"], inner)

    def _argument(self, argument: Address | Expr | DimLike | str) -> str:
        match argument:
            case Address(buffer, 0) if buffer.space is not Space.LANE:
                return buffer.name
            case Address(buffer, index):
                return f"&{self.speller.element(buffer, index)}"
            case Expr():
                return self.values.value(argument)
            case str():
                return argument
            case _:
                return c_index(argument)
