"""A matrix product on its way to a kernel: operands as memory, tiles of the output, the epilogue.

What the schedules for contractions share. A grid step computes one tile of the output; how it does
that is the schedule's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.loops import unflatten
from graphc.codegen.lowering import Lowering, flat_index
from graphc.codegen.schedules.schedule import (
    Scheduled,
    output_buffers,
    scheduled,
    step_variable,
)
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Expr, Index, Load, Scalar, converted, substitute, walk
from graphc.ir.kernel import Address, Block, LetIndex, Loop, LoopKind, Statement, Store
from graphc.ir.node import Node
from graphc.passes.fusion.group import Group

__all__ = ["Operand", "Product", "let_index", "part", "shifted", "unrolled"]


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand: its element (i, k) as a value, and as memory if it lies there with strides.

    `address + i * along + k * deep` is then the flat index of the element in `buffer`. For the
    left operand i is a row of the product, for the right one a column.
    """

    value: Expr
    i: DimLike
    k: DimLike
    buffer: Buffer | None = None
    address: DimLike = 0
    along: DimLike = 0
    deep: DimLike = 0

    @classmethod
    def of(cls, value: Expr, i: DimLike, k: DimLike) -> Operand:
        """The operand whose element (i, k) is `value`."""
        if not isinstance(value, Load):
            return cls(value, i, k)
        along, deep = _stride(value.index, i), _stride(value.index, k)
        if along is None or deep is None:
            return cls(value, i, k)
        address = value.index - i * along - k * deep
        if {*dims.variables(i), *dims.variables(k)} & set(dims.variables(address)):
            return cls(value, i, k)
        return cls(value, i, k, value.buffer, address, along, deep)

    @property
    def runs_deep(self) -> bool:
        """Whether what follows along k, and not along i, follows in memory."""
        loads = (one for one in walk(self.value) if isinstance(one, Load))
        return any(_stride(load.index, self.k) == 1 for load in loads)

    def at(self, i: DimLike, k: DimLike) -> Address | None:
        """The address of element (i, k), or None."""
        if self.buffer is None:
            return None
        return Address(self.buffer, self.address + i * self.along + k * self.deep)

    def value_at(self, i: DimLike, k: DimLike) -> Expr:
        """The value of element (i, k), in the dtype that products of it are summed in."""
        value = substitute(self.value, shifted((self.i, i), (self.k, k)))
        return converted(value, value.dtype.accumulator)


def _stride(index: DimLike, variable: DimLike) -> DimLike | None:
    """By how much a flat index grows with a variable; None if not always by the same."""
    if not isinstance(variable, Dim):
        return 0
    (name,) = dims.variables(variable)
    stride = dims.substitute(index, {name: variable + 1}, proved=False) - index
    return None if name in dims.variables(stride) else stride


def _running(name: str, extent: DimLike) -> DimLike:
    """A variable that runs below `extent`."""
    return dims.variable(name, 0, max(dims.bounds(extent)[1] - 1, 0))


def shifted(*pairs: tuple[DimLike, DimLike]) -> dict[str, DimLike]:
    """Each variable by what it stands for."""
    return {name: value for variable, value in pairs for name in dims.variables(variable)}


def let_index(body: list[Statement], name: str, value: DimLike) -> DimLike:
    """A name for an index in `body`; numbers need none."""
    if isinstance(value, int):
        return value
    low, high = dims.bounds(value)
    variable = dims.variable(name, low, max(high, low + 1))
    assert isinstance(variable, Dim)
    body.append(LetIndex(variable, value))
    return variable


def unrolled(variable: Dim, extent: int, *body: Statement) -> Loop:
    """A loop that is written out, so that storage of a lane that it indexes lies in registers."""
    return Loop(variable, extent, LoopKind.UNROLLED, body)


def part(extent: DimLike, size: int, start: DimLike) -> DimLike:
    """How much of `extent` the part of at most `size` that begins at `start` has."""
    whole = dims.divides(extent, size) and dims.always_less_equal(1, extent)
    return size if whole else dims.minimum(size, extent - start)


class Product:
    """A contraction group whose grid steps compute tiles of `rows` x `columns` of the output.

    `body` begins with names for the place of the step's tile (`m0`, `n0`, the batch); a schedule
    appends what computes the tile.

    Args:
        group: the product and its epilogue.
        rows, columns: of a tile.
        band: tiles, one below the other, that come before those in the next columns. Steps that
            run at one time then read few different parts of the operands, which caches keep.
        column: the name of the variable that counts columns.
    """

    def __init__(
        self, group: Group, rows: int, columns: int, *, band: int = 1, column: str = "_column"
    ) -> None:
        self.group = group
        self.anchor = group.anchor
        self.number: DType = self.anchor.dtype.accumulator
        *batch, self.m, self.n = self.anchor.shape
        self.depth = self.anchor.inputs[0].shape[-1]
        self.index = tuple(_running(f"_b{axis}", extent) for axis, extent in enumerate(batch))
        self.row, self.column = _running("_row", self.m), _running(column, self.n)
        k = _running("_k", self.depth)
        self.product = Scalar("product", self.anchor.dtype)
        self.lowering = Lowering(group, self._computed)
        left, right = self.anchor.inputs
        self.left = Operand.of(self.lowering.value(left, (*self.index, self.row, k)), self.row, k)
        self.right = Operand.of(
            self.lowering.value(right, (*self.index, k, self.column)), self.column, k
        )
        tiles = [*batch, dims.ceil_div(self.m, rows), dims.ceil_div(self.n, columns)]
        self.grid = dims.product(tiles)
        self.step = step_variable(self.grid)
        self.body: list[Statement] = []
        *where, i, j = self._place(tiles, band)
        for variable, value in zip(self.index, where, strict=True):
            if isinstance(variable, Dim):
                self.body.append(LetIndex(variable, value))
        self.m0 = let_index(self.body, "_m0", i * rows)
        self.n0 = let_index(self.body, "_n0", j * columns)

    def _computed(self, node: Node, index: Index) -> Expr | None:
        """The product, for the epilogue."""
        return self.product if node is self.anchor else None

    def _place(self, tiles: Sequence[DimLike], band: int) -> tuple[DimLike, ...]:
        """The tile of a step: its batch index, and its numbers along rows and columns."""
        if band == 1:
            return unflatten(self.step, tiles)
        *batch, down, across = tiles
        *where, tile = unflatten(self.step, [*batch, down * across])
        tile = let_index(self.body, "_tile", tile)
        steps = dims.maximum(1, band * across)
        first = let_index(self.body, "_band", tile // steps * band)
        high = let_index(self.body, "_high", dims.maximum(1, dims.minimum(band, down - first)))
        inside = tile % steps
        return (*where, first + inside % high, inside // high)

    def stores(self, total: Expr, row: DimLike, column: DimLike) -> Block:
        """The epilogue of element (row, column) of the product, whose sum is `total`."""
        total = converted(total, self.anchor.dtype)
        index = (*self.index, self.row, self.column)
        there = shifted((self.row, row), (self.column, column))
        return tuple(
            Store(
                buffer,
                dims.substitute(flat_index(node.shape, index), there, proved=False),
                substitute(self.lowering.value(node, index), there, {self.product: total}),
            )
            for buffer, node in output_buffers(self.group).items()
        )

    def scheduled(self, lanes: int) -> Scheduled:
        """The kernel of what `body` holds by now."""
        inputs, body = self.lowering.inputs, tuple(self.body)
        return scheduled(self.group, inputs, self.grid, self.step, lanes, body)
