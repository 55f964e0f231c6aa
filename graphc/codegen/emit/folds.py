"""Folds: reductions over a loop nest, in the order that `Fold` defines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from graphc.codegen.dialect import Dialect, LaneFold
from graphc.codegen.emit.blocks import Blocks, variable_name
from graphc.codegen.emit.spelling import Speller
from graphc.codegen.emit.values import Values
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.kernel import Fold, FoldTerm

__all__ = ["Folds"]

_ONCE_VARIABLE = dims.variable("_once", 0, 1)
assert isinstance(_ONCE_VARIABLE, Dim)
_ONCE: tuple[Dim, DimLike] = (_ONCE_VARIABLE, 1)


class Folds:
    """Writes `Fold` statements of a kernel with so many lanes into the open blocks."""

    def __init__(
        self, dialect: Dialect, lanes: int, blocks: Blocks, speller: Speller, values: Values
    ) -> None:
        self.dialect = dialect
        self.lanes = lanes
        self.blocks = blocks
        self.speller = speller
        self.values = values

    def write(self, fold: Fold) -> None:
        """The statement, in the innermost block."""
        if self.dialect.fold_is_looped:
            self._in_arrays(fold)
        else:
            self._in_threads(fold)
        for term in fold.terms:
            self.values.scalar_level[term.result] = self.blocks.here

    def _in_arrays(self, fold: Fold) -> None:
        """Host: an array of lanes for each term, filled by constant-trip inner loops."""
        lanes = self.lanes
        names = [f"{term.result.name}_lanes" for term in fold.terms]
        for name, term in zip(names, fold.terms, strict=True):
            ctype = self.dialect.compute_type(term.result.dtype)
            start = self.speller.constant(term.identity, term.result.dtype)
            self.blocks.line(f"{ctype} {name}[{lanes}];")
            self.blocks.line(f"for (int lane = 0; lane < {lanes}; ++lane) {name}[lane] = {start};")
        targets = [f"{name}[lane]" for name in names]

        *outer, (variable, extent) = fold.loops or (_ONCE,)
        with ExitStack() as nest:
            for loop in outer:
                nest.enter_context(self.blocks.serial(*loop))
            self._innermost(variable, extent, fold.terms, targets)
        for name, term in zip(names, fold.terms, strict=True):
            combined = self._combine(term, f"{name}[lane]", f"{name}[lane + width]")
            self.blocks.line(f"for (int width = {lanes // 2}; width > 0; width /= 2)")
            self.blocks.line("    for (int lane = 0; lane < width; ++lane)")
            self.blocks.line(f"        {name}[lane] = {combined};")
            ctype = self.dialect.compute_type(term.result.dtype)
            self.blocks.line(f"const {ctype} {term.result.name} = {name}[0];")

    def _innermost(
        self, variable: Dim, extent: DimLike, terms: Sequence[FoldTerm], targets: Sequence[str]
    ) -> None:
        """All lanes at once as often as that goes, then those of the last, partial turn."""
        blocks, lanes, index = self.blocks, self.lanes, self.dialect.index_type
        name, count = variable_name(variable), blocks.count(extent)
        is_short = dims.bounds(extent)[1] < lanes
        if not is_short:
            with blocks.scope(f"{name}_base") as base:
                with blocks.scope(name) as lane:
                    blocks.line(f"const {index} {name} = {name}_base + lane;")
                    self._terms(terms, targets)
                blocks.nest([f"for (int lane = 0; lane < {lanes}; ++lane) {{"], lane)
            step = f"{name}_base + {lanes} <= {count}; {name}_base += {lanes}"
            blocks.nest([f"for ({index} {name}_base = 0; {step}) {{"], base)
        if not dims.divides(extent, lanes):
            whole = "0" if is_short else f"{count} / {lanes} * {lanes}"
            with blocks.scope(name) as lane:
                blocks.line(f"const {index} {name} = {'lane' if is_short else f'{whole} + lane'};")
                self._terms(terms, targets)
            rest = count if is_short else f"{count} % {lanes}"
            blocks.nest([f"for (int lane = 0; lane < {rest}; ++lane) {{"], lane)

    def _in_threads(self, fold: Fold) -> None:
        """CUDA: each thread folds its iterations, then the block combines the threads."""
        for term in fold.terms:
            ctype = self.dialect.compute_type(term.result.dtype)
            start = self.speller.constant(term.identity, term.result.dtype)
            self.blocks.line(f"{ctype} {term.result.name} = {start};")
        *outer, (variable, extent) = fold.loops or (_ONCE,)
        with ExitStack() as nest:
            for loop in outer:
                nest.enter_context(self.blocks.serial(*loop))
            name, count = variable_name(variable), self.blocks.count(extent)
            with self.blocks.scope(name) as inner:
                self._terms(fold.terms, [term.result.name for term in fold.terms])
            self.blocks.nest(self.blocks.lane_head(name, count, self.lanes, inner), inner)
        folds = [
            LaneFold(term.result.name, term.result.dtype, self._combine(term, "left", "right"))
            for term in fold.terms
        ]
        for line in self.dialect.fold_lanes(folds, self.lanes):
            self.blocks.line(line)

    def _terms(self, terms: Sequence[FoldTerm], targets: Sequence[str]) -> None:
        for term, target in zip(terms, targets, strict=True):
            value = self.values.value(term.value)
            self.blocks.line(f"{target} = {self._combine(term, target, value)};")

    def _combine(self, term: FoldTerm, left: str, right: str) -> str:
        dtype = term.result.dtype
        return self.speller.apply(term.combine, [left, right], dtype, dtype)
