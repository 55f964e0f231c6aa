"""Matrix products on a GPU without tensor cores: tiles in shared memory, a register tile per lane.

    for step in grid:                              # a tile of the output
        sums = 0                                   # each lane's part of the tile, in registers
        for block of the inner dimension:
            copy the operands' blocks into shared memory, through any view
            barrier
            for k in the block: sums += left[k] x right[k]
            barrier
        for row, column of a lane: out = epilogue(sums)

Any dtype and any size. Every element is one chain of multiply-adds over ascending k, fused for
floats: the bits are those of the products on the host, whatever the tiles. Places beyond the
operands are not read: their last row, column and k stand in, and what is computed from those is
not stored.

The scheme, with the lanes' tiles interleaved so that neighbours touch neighbouring words, is that
of R. Nath, S. Tomov and J. Dongarra, "An Improved MAGMA GEMM for Fermi Graphics Processing Units"
(2010).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.dialect import Dialect
from graphc.codegen.schedules.product import Operand, Product, let_index, unrolled
from graphc.codegen.schedules.schedule import Scheduled, Variant, counter
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Constant, Inside, Load, Space
from graphc.ir.kernel import (
    Address,
    Barrier,
    Block,
    Call,
    Declare,
    If,
    Loop,
    LoopKind,
    Statement,
    Store,
)
from graphc.passes.fusion.group import Group, GroupKind

__all__ = ["TiledConfig", "claims", "default_config", "variants"]

# Bytes that a lane reads from shared memory at a time.
_VECTOR_BYTES = 16


@dataclass(frozen=True)
class TiledConfig:
    """Sizes of the schedule; all are powers of two.

    Attributes:
        rows, columns: of an output tile.
        depth: length of a block of the inner dimension.
        lane_rows, lane_columns: of the part of a tile that one lane computes.
        padding: elements between the rows of a tile in shared memory, so that lanes that store
            a column of them meet in few banks.
        band: tiles, one below the other, that are computed before those in the next columns, so
            that the operands' parts are found in the cache of all blocks.
    """

    rows: int = 128
    columns: int = 128
    depth: int = 16
    lane_rows: int = 8
    lane_columns: int = 8
    padding: int = 4
    band: int = 8

    @property
    def lanes(self) -> int:
        """Lanes of a grid step."""
        return self.rows // self.lane_rows * (self.columns // self.lane_columns)


def claims(group: Group, dialect: Dialect) -> bool:
    """Whether this schedule can compute the group."""
    return group.kind is GroupKind.CONTRACTION and "gc_multiply_add" in dialect.functions


def default_config(group: Group) -> TiledConfig:
    """Tiles no larger than the product needs; 64-bit numbers take two registers each."""
    *_, m, n = group.anchor.shape
    tall, wide = dims.bounds(m)[1] > 16, dims.bounds(n)[1] > 16
    if not tall:
        return TiledConfig(16, 128, 32, 2, 4)
    if not wide:
        return TiledConfig(128, 16, 32, 4, 2)
    is_large = min(dims.bounds(m)[1], dims.bounds(n)[1]) >= 512
    if is_large and group.anchor.dtype.accumulator.itemsize <= 4:
        return TiledConfig()
    return TiledConfig(64, 64, 16, 4, 4)


def variants(group: Group, dialect: Dialect) -> list[Variant]:
    """The kernel of a matrix product with its epilogue."""
    return [Variant(_Tiles(group, default_config(group)).schedule())]


@dataclass(frozen=True)
class _Side:
    """One operand's way through a step: its tile in shared memory, and the lanes' parts of it.

    Attributes:
        operand: where it comes from.
        start: its first row or column in the step's tile.
        limit: how many it has in all.
        size: rows or columns of the tile.
        lane_size: those of one lane's part.
        config: the sizes of the schedule.
        name: of the tile.
    """

    operand: Operand
    start: DimLike
    limit: DimLike
    size: int
    lane_size: int
    config: TiledConfig
    name: str

    @property
    def number(self) -> DType:
        return self.operand.value.dtype.accumulator

    @property
    def stride(self) -> int:
        return self.size + self.config.padding

    @property
    def tile(self) -> Buffer:
        """The block of the operand, a row for each k."""
        return Buffer(self.name, self.number, self.config.depth * self.stride, Space.SHARED)

    @property
    def part(self) -> Buffer:
        """What a lane multiplies with at one k."""
        return Buffer(f"{self.name}_part", self.number, self.lane_size, Space.LANE)

    @property
    def fits(self) -> bool:
        """Whether tiles of this size never reach beyond the operand."""
        return dims.divides(self.limit, self.size)

    def offset(self, element: DimLike, lane: DimLike) -> DimLike:
        """The place in the tile of an element of a lane's part.

        Parts are interleaved in pieces that are read at once: neighbouring lanes read
        neighbouring pieces, from different banks.
        """
        piece = min(self.lane_size, max(_VECTOR_BYTES // self.number.itemsize, 1))
        lanes = self.size // self.lane_size
        return element // piece * (piece * lanes) + lane * piece + element % piece

    def fill(self, start: DimLike, depth: DimLike, limit: DimLike) -> Loop:
        """Copy a block into the tile; neighbouring lanes read neighbours in memory.

        Args:
            start: the first k of the block.
            depth: how many there are; not more than a block's, if that is no number.
            limit: how many there are in all.
        """
        extent = depth if isinstance(depth, int) else self.config.depth
        element = counter("_element", self.size * extent)
        if self.operand.runs_deep:
            i, k = element // extent, element % extent
        else:
            i, k = element % self.size, element // self.size
        there, deep = self.start + i, start + k
        if not self.fits:
            there = dims.minimum(there, self.limit - 1)
        if not isinstance(depth, int):
            deep = dims.minimum(deep, limit - 1)
        store = Store(self.tile, k * self.stride + i, self.operand.value_at(there, deep))
        return Loop(element, self.size * extent, LoopKind.LANE, (store,))


class _Tiles(Product):
    """A product whose tiles are spread over the registers of the lanes."""

    def __init__(self, group: Group, config: TiledConfig) -> None:
        super().__init__(group, config.rows, config.columns, band=config.band)
        self.config = config
        rows, columns = config.lane_rows, config.lane_columns
        self.above = _Side(self.left, self.m0, self.m, config.rows, rows, config, "left")
        self.beside = _Side(self.right, self.n0, self.n, config.columns, columns, config, "right")
        self.sums = Buffer("sums", self.number, rows * columns, Space.LANE)
        self.lane = counter("_lane", config.lanes)
        self.i, self.j = counter("_i", rows), counter("_j", columns)
        across = config.columns // columns
        self.down, self.across = self.lane // across, self.lane % across

    def schedule(self) -> Scheduled:
        """The whole kernel."""
        depth = self.config.depth
        if self.depth != 0:
            for side in (self.above, self.beside):
                self.body += [Declare(side.tile), Declare(side.part)]
        self.body += [Declare(self.sums), *self._zeros()]
        whole, rest = self.depth // depth, self.depth % depth
        if whole != 0:
            block = counter("_block", dims.bounds(whole)[1])
            body = self._block(block * depth, depth)
            self.body.append(Loop(block, whole, LoopKind.SERIAL, body))
        if isinstance(rest, Dim):
            self.body.append(If(Inside(0, 0, rest), self._block(whole * depth, rest)))
        elif rest:
            self.body += self._block(whole * depth, rest)
        self.body += self._epilogue()
        return self.scheduled(self.config.lanes)

    def _each_lane(self, *body: Statement) -> Block:
        return (Loop(self.lane, self.config.lanes, LoopKind.LANE, body),)

    def _elements(self, body: Block) -> Loop:
        """The body for each element of a lane's part of the output."""
        columns = unrolled(self.j, self.config.lane_columns, *body)
        return unrolled(self.i, self.config.lane_rows, columns)

    @property
    def _total_place(self) -> DimLike:
        """Where element (i, j) of a lane's part is summed."""
        return self.i * self.config.lane_columns + self.j

    def _zeros(self) -> Block:
        zero = Store(self.sums, self._total_place, Constant(0, self.number))
        return self._each_lane(self._elements((zero,)))

    def _block(self, start: DimLike, depth: DimLike) -> Block:
        """Add the products of `depth` elements of the inner dimension, from `start` on.

        The barrier before filling the tiles ends the reading of the block, or step, before.
        """
        body: list[Statement] = []
        start = let_index(body, "_k0", start)
        fills = [side.fill(start, depth, self.depth) for side in (self.above, self.beside)]
        return (*body, Barrier(), *fills, Barrier(), *self._multiply(depth))

    def _multiply(self, depth: DimLike) -> Block:
        """Add the products of the block in shared memory."""
        k = counter("_k", self.config.depth)
        reads = []
        for side, element, lane in (
            (self.above, self.i, self.down),
            (self.beside, self.j, self.across),
        ):
            value = Load(side.tile, k * side.stride + side.offset(element, lane))
            reads.append(unrolled(element, side.lane_size, Store(side.part, element, value)))
        left, right = Load(self.above.part, self.i), Load(self.beside.part, self.j)
        add = Call(
            f"gc_multiply_add_{self.number.name}",
            (Address(self.sums, self._total_place), left, right),
        )
        kind = LoopKind.UNROLLED if isinstance(depth, int) else LoopKind.SERIAL
        return self._each_lane(Loop(k, depth, kind, (*reads, self._elements((add,)))))

    def _epilogue(self) -> Block:
        """Compute and store the outputs of every element that exists."""
        inner: list[Statement] = []
        column = self.n0 + self.beside.offset(self.j, self.across)
        column = let_index(inner, "_column", column)
        outer: list[Statement] = []
        row = let_index(outer, "_row", self.m0 + self.above.offset(self.i, self.down))
        stores = self.stores(Load(self.sums, self._total_place), row, column)
        inner += stores if self.beside.fits else [If(Inside(column, 0, self.n), stores)]
        columns = unrolled(self.j, self.config.lane_columns, *inner)
        outer.append(columns if self.above.fits else If(Inside(row, 0, self.m), (columns,)))
        return self._each_lane(unrolled(self.i, self.config.lane_rows, *outer))
