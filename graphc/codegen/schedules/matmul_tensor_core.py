"""Matrix products of f16 and bf16 on tensor cores, fed by asynchronous copies.

    for step in grid:                              # a tile of the output
        begin copying the first blocks of the operands into shared memory
        for block of the inner dimension:
            wait for its copies; barrier
            begin copying a block further on, over the one that was used last
            for each 16 of k in the block:
                load fragments of both operands from shared memory
                sums += left . right               # m16n8k16, in f32 registers
        for row, column of a lane: out = epilogue(sums)

Copies move 16 bytes at a time, so the schedule claims operands that lie in memory with a stride of
1 along one axis, and with strides and an offset that are proved to be multiples of 8 elements
elsewhere; parameters begin at multiples of 16 bytes. Either axis may be the one of stride 1, which
covers transposed operands: fragments are transposed as they are loaded. Other operands go
to the schedule `matmul_tiled`. At the edges copies fill with zeros what does not exist.

Chunks of 16 bytes are rotated within the lines of a tile by the line's number, so that the eight
rows that a fragment load reads together fall on different banks.

Products are exact in f32; the order in which the hardware sums the 16 products of an instruction
is its own, the instructions follow ascending k.

Next on this ladder are schedules for architectures that offer more, built from the same statements
and claimed before this one: `wgmma` reads both operands from shared memory and computes 64 rows
at a time (a `Call` on shared tiles, its sums still in LANE storage); bulk tensor copies replace
the loop over chunks by one `Call`, and waiting for them by a `Call` on an mbarrier, a SHARED buffer
of u64; warps that only copy and warps that only multiply are two branches (`If`) on the lane.

Sources: PTX ISA, "mma.m16n8k16", "ldmatrix", "cp.async"; the multistage pipeline is that of
CUTLASS, "Efficient GEMM in CUDA".
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.dialect import Dialect
from graphc.codegen.schedules.product import Operand, Product, let_index, unrolled
from graphc.codegen.schedules.schedule import Scheduled, Variant, counter
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
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

__all__ = ["TensorCoreConfig", "claims", "default_config", "variants"]

_WARP = 32
# Elements of 16 bits in a chunk of 16 bytes, and the bytes of both.
_CHUNK = 8
_CHUNK_BYTES = 16
_ELEMENT_BYTES = 2
# Chunks that all banks of shared memory hold together: 128 bytes.
_CHUNKS_OF_BANKS = 8
# The shape of the instruction: rows, columns and inner dimension.
_MMA_ROWS, _MMA_COLUMNS, _MMA_DEPTH = 16, 8, 16
# Floats of the product of one instruction that a lane holds.
_MMA_SUMS = 4


@dataclass(frozen=True)
class TensorCoreConfig:
    """Sizes of the schedule; all but `stages` and `band` are powers of two.

    Attributes:
        rows, columns: of an output tile, at least 16 each.
        depth: length of a block of the inner dimension, at least 16.
        stages: blocks in shared memory, at least 2: one is multiplied, the others are on their
            way. They take `stages * (rows + columns) * depth * 2` bytes.
        warp_rows, warp_columns: of the part of a tile that one warp computes; multiples of 16.
            Its sums take `warp_rows * warp_columns / 32` registers of each lane.
        band: tiles, one below the other, that are computed before those in the next columns, so
            that the operands' parts are found in the cache of all blocks.
    """

    rows: int = 128
    columns: int = 128
    depth: int = 32
    stages: int = 3
    warp_rows: int = 64
    warp_columns: int = 32
    band: int = 8

    @property
    def warps_across(self) -> int:
        """Warps that compute the columns of a tile."""
        return self.columns // self.warp_columns

    @property
    def lanes(self) -> int:
        """Lanes of a grid step."""
        return self.rows // self.warp_rows * self.warps_across * _WARP


def claims(group: Group, dialect: Dialect) -> bool:
    """Whether this schedule can compute the group."""
    if group.kind is not GroupKind.CONTRACTION:
        return False
    dtype = group.anchor.inputs[0].dtype
    needed = {f"gc_mma_m16n8k16_{dtype.name}", "gc_load_matrices_x4", "gc_copy_async_16"}
    if not needed <= dialect.functions:
        return False
    config = default_config(group)
    product = Product(group, config.rows, config.columns)
    return _lies_in_chunks(product.left) and _lies_in_chunks(product.right)


def _lies_in_chunks(operand: Operand) -> bool:
    """Whether the operand can be copied 16 aligned bytes at a time along one of its axes."""
    if operand.buffer is None:
        return False
    for contiguous, other in ((operand.deep, operand.along), (operand.along, operand.deep)):
        if contiguous == 1:
            return dims.divides(other, _CHUNK) and dims.divides(operand.address, _CHUNK)
    return False


def default_config(group: Group) -> TensorCoreConfig:
    """Tiles no larger than the product needs."""
    *_, m, n = group.anchor.shape
    low, narrow = dims.bounds(m)[1] <= 64, dims.bounds(n)[1] <= 64
    if low and narrow:
        return TensorCoreConfig(64, 64, 32, 3, 32, 32)
    if low:
        return TensorCoreConfig(64, 128, 32, 3, 32, 64)
    if narrow:
        return TensorCoreConfig(128, 64, 32, 3, 64, 32)
    return TensorCoreConfig()


def variants(group: Group, dialect: Dialect) -> list[Variant]:
    """The kernel of a matrix product with its epilogue."""
    return [Variant(_Tiles(group, default_config(group)).schedule())]


@dataclass(frozen=True)
class _Side:
    """One operand's way through a step: its blocks in shared memory, and a warp's fragments.

    A block is stored as it lies in memory: in lines along the axis of stride 1.

    Attributes:
        operand: where it comes from.
        start: its first row or column in the step's tile.
        limit: how many it has in all.
        deep_limit: length of the inner dimension.
        size: rows or columns of the tile.
        warp_size: those of one warp's part.
        config: the sizes of the schedule.
        name: of the storage.
    """

    operand: Operand
    start: DimLike
    limit: DimLike
    deep_limit: DimLike
    size: int
    warp_size: int
    config: TensorCoreConfig
    name: str

    @property
    def is_deep(self) -> bool:
        """Whether lines run along k."""
        return self.operand.deep == 1

    @property
    def lines(self) -> int:
        """Lines of a block."""
        return self.size if self.is_deep else self.config.depth

    @property
    def chunks(self) -> int:
        """Chunks of a line."""
        return (self.config.depth if self.is_deep else self.size) // _CHUNK

    @property
    def blocks(self) -> Buffer:
        """The blocks of all stages."""
        size = self.config.stages * self.size * self.config.depth
        return Buffer(self.name, dtypes.u16, size, Space.SHARED, 128)

    @property
    def fragments(self) -> Buffer:
        """A warp's part of 16 of k: four registers for each 16 rows or columns."""
        size = self.warp_size // _MMA_ROWS * 4
        return Buffer(f"{self.name}_fragments", dtypes.u32, size, Space.LANE)

    def place(self, stage: DimLike, line: DimLike, chunk: DimLike) -> Address:
        """The address of a chunk: rotated within its line."""
        rotation = line // max(_CHUNKS_OF_BANKS // self.chunks, 1)
        position = line * self.chunks + (chunk + rotation) % self.chunks
        return Address(self.blocks, (stage * self.lines * self.chunks + position) * _CHUNK)

    def copy(self, k0: DimLike, stage: DimLike) -> Loop:
        """Begin to copy the block from k0 on; neighbouring lanes copy neighbouring chunks."""
        number = counter("_chunk", self.lines * self.chunks)
        line, chunk = number // self.chunks, number % self.chunks
        i, k = (line, chunk * _CHUNK) if self.is_deep else (chunk * _CHUNK, line)
        source = self.operand.at(self.start + i, k0 + k)
        assert source is not None
        arguments = (self.place(stage, line, chunk), source, self._valid(self.start + i, k0 + k))
        call = Call("gc_copy_async_16", arguments)
        return Loop(number, self.lines * self.chunks, LoopKind.LANE, (call,))

    def _valid(self, i: DimLike, k: DimLike) -> DimLike:
        """Bytes of the chunk at (i, k) that exist. None may: its address is then not used."""
        rest, deep_rest = self.limit - i, self.deep_limit - k
        along, across = (deep_rest, rest) if self.is_deep else (rest, deep_rest)
        fits = dims.divides(self.limit, self.size)
        fits_deep = dims.divides(self.deep_limit, self.config.depth)
        bounds: list[DimLike] = [_CHUNK_BYTES]
        if not (fits_deep if self.is_deep else fits):
            bounds.append(along * _ELEMENT_BYTES)
        if not (fits if self.is_deep else fits_deep):
            bounds.append(across * _CHUNK_BYTES)
        return dims.maximum(0, dims.minimum(*bounds))

    def load(
        self,
        warp: DimLike,
        stage: DimLike,
        k: DimLike,
        halves: tuple[DimLike, DimLike],
        row: DimLike,
    ) -> Loop:
        """Load the fragments of the warp's part for one step along k.

        Each 16 x 16 elements are four matrices of 8 x 8. A lane brings the address of one row of
        one of them, and receives two elements of each.

        Args:
            warp: the number of the warp along this operand.
            stage: the block.
            k: the step within the block.
            halves: which half along this operand, and along k, the matrix of a lane is.
            row: which row of its matrix a lane brings.
        """
        part = counter("_part", self.warp_size // _MMA_ROWS)
        half, deep_half = halves
        first = warp * self.warp_size + part * _MMA_ROWS
        if self.is_deep:
            line, chunk = first + half * 8 + row, k * (_MMA_DEPTH // _CHUNK) + deep_half
        else:
            line, chunk = k * _MMA_DEPTH + deep_half * 8 + row, first // _CHUNK + half
        function = f"gc_load_matrices_x4{'' if self.is_deep else '_transposed'}"
        target = Address(self.fragments, part * 4)
        call = Call(function, (target, self.place(stage, line, chunk)))
        return unrolled(part, self.warp_size // _MMA_ROWS, call)


class _Tiles(Product):
    """A product whose tiles are spread over the fragments of the warps."""

    def __init__(self, group: Group, config: TensorCoreConfig) -> None:
        super().__init__(group, config.rows, config.columns, band=config.band)
        self.config = config
        rows, columns = config.warp_rows, config.warp_columns
        self.above = _Side(
            self.left, self.m0, self.m, self.depth, config.rows, rows, config, "left"
        )
        self.beside = _Side(
            self.right, self.n0, self.n, self.depth, config.columns, columns, config, "right"
        )
        self.sums = Buffer("sums", dtypes.f32, rows * columns // _WARP, Space.LANE)
        self.lane = counter("_lane", config.lanes)
        self.i, self.j = counter("_i", rows // _MMA_ROWS), counter("_j", columns // _MMA_COLUMNS)
        self.steps = dims.ceil_div(self.depth, config.depth)

    def schedule(self) -> Scheduled:
        """The whole kernel.

        The first barrier ends the reading of the step before, whose storage this one takes.
        """
        ahead = self.config.stages - 1
        for side in (self.above, self.beside):
            self.body += [Declare(side.blocks), Declare(side.fragments)]
        self.body += [Declare(self.sums), *self._zeros(), Barrier()]
        for early in range(ahead):
            self.body += self._copy(early, early)
        block = counter("_block", dims.bounds(self.steps)[1])
        body: list[Statement] = [
            *self._each_lane(Call(f"gc_copy_async_wait<{ahead - 1}>", ())),
            Barrier(),
        ]
        following = let_index(body, "_next", block + ahead)
        body += self._copy(following, following % self.config.stages)
        body += self._multiply(block % self.config.stages)
        self.body.append(Loop(block, self.steps, LoopKind.SERIAL, tuple(body)))
        self.body += self._epilogue()
        return self.scheduled(self.config.lanes)

    def _each_lane(self, *body: Statement) -> Block:
        return (Loop(self.lane, self.config.lanes, LoopKind.LANE, body),)

    def _warp(self, body: list[Statement]) -> tuple[DimLike, DimLike, DimLike]:
        """The warp's place in the tile, down and across, and the lane's number in it."""
        warp = let_index(body, "_warp", self.lane // _WARP)
        across = self.config.warps_across
        return warp // across, warp % across, let_index(body, "_warp_lane", self.lane % _WARP)

    def _elements(self, body: Block) -> Loop:
        """The body for each product of an instruction in a warp's part of the output."""
        columns = unrolled(self.j, self.config.warp_columns // _MMA_COLUMNS, *body)
        return unrolled(self.i, self.config.warp_rows // _MMA_ROWS, columns)

    @property
    def _first_sum(self) -> DimLike:
        """Where the sums of product (i, j) begin."""
        return (self.i * (self.config.warp_columns // _MMA_COLUMNS) + self.j) * _MMA_SUMS

    def _zeros(self) -> Block:
        element = counter("_element", self.config.warp_rows * self.config.warp_columns // _WARP)
        zero = Store(self.sums, element, Constant(0, dtypes.f32))
        return self._each_lane(unrolled(element, dims.bounds(self.sums.size)[1], zero))

    def _copy(self, block: DimLike, stage: DimLike) -> Block:
        """Begin to copy a block, if there is one, as a group of copies."""
        k0 = block * self.config.depth
        copies: Block = tuple(side.copy(k0, stage) for side in (self.above, self.beside))
        if not dims.always_less_equal(block + 1, self.steps):
            copies = (If(Inside(block, 0, self.steps), copies),)
        return (*copies, *self._each_lane(Call("gc_copy_async_commit", ())))

    def _multiply(self, stage: DimLike) -> Block:
        """Add the products of the block in a stage."""
        body: list[Statement] = []
        down, across, lane = self._warp(body)
        stage = let_index(body, "_stage", stage)
        k = counter("_k", self.config.depth // _MMA_DEPTH)
        lower, upper, row = lane // 8 % 2, lane // 16, lane % 8
        loads = (
            self.above.load(down, stage, k, (lower, upper), row),
            self.beside.load(across, stage, k, (upper, lower), row),
        )
        multiply = Call(
            f"gc_mma_m16n8k16_{self.anchor.inputs[0].dtype.name}",
            (
                Address(self.sums, self._first_sum),
                Address(self.above.fragments, self.i * 4),
                Address(self.beside.fragments, self.j * 2),
            ),
        )
        steps = self.config.depth // _MMA_DEPTH
        return self._each_lane(*body, unrolled(k, steps, *loads, self._elements((multiply,))))

    def _epilogue(self) -> Block:
        """Compute and store the outputs of every element that exists.

        Of a product of an instruction a lane holds two neighbours in a row, and two in the row
        that lies 8 below.
        """
        body: list[Statement] = []
        outer: list[Statement] = []
        inner: list[Statement] = []
        down, across, lane = self._warp(body)
        below, beside = counter("_below", 2), counter("_beside", 2)
        first_row = down * self.config.warp_rows + lane // 4
        first_column = across * self.config.warp_columns + lane % 4 * 2
        row = let_index(outer, "_row", self.m0 + first_row + self.i * _MMA_ROWS + below * 8)
        column = let_index(
            inner, "_column", self.n0 + first_column + self.j * _MMA_COLUMNS + beside
        )
        total = Load(self.sums, self._first_sum + below * 2 + beside)
        inner += _where(column, self.n, self.config.columns, self.stores(total, row, column))
        columns = unrolled(
            self.j, self.config.warp_columns // _MMA_COLUMNS, unrolled(beside, 2, *inner)
        )
        outer += _where(row, self.m, self.config.rows, (columns,))
        rows = self.config.warp_rows // _MMA_ROWS
        return self._each_lane(*body, unrolled(self.i, rows, unrolled(below, 2, *outer)))


def _where(index: DimLike, limit: DimLike, size: int, body: Block) -> Block:
    """The body where `index` exists; everywhere, if tiles never reach beyond `limit`."""
    return body if dims.divides(limit, size) else (If(Inside(index, 0, limit), body),)
