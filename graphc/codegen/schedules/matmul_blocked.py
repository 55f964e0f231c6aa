"""Matrix products on a CPU: packed blocks, a microkernel, and the group's epilogue over each tile.

    for step in grid:                              # a tile of the output
        for block of the inner dimension:
            pack the right operand's block         # through permutes, slices and the like
            for group of the tile's rows:
                pack the left operand's rows
                tile += left . right               # the microkernel
        for row, lane in the tile: out = epilogue(tile[row, lane])

The scheme is that of K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
Multiplication" (2008). Every element is one chain of multiply-adds over ascending k, whatever the
tiles: the bits of a row do not depend on how many rows are multiplied with it.

For few rows packing would cost more than the product. They take a kernel that reads the right
operand straight from memory, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import lane_loops, serial_loops
from graphc.codegen.schedules.product import Operand, Product, let_index, part
from graphc.codegen.schedules.schedule import Scheduled, Variant, counter
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, Inside, Load, Space
from graphc.ir.kernel import (
    Address,
    Block,
    Call,
    Declare,
    Statement,
    Store,
)
from graphc.passes.fusion.group import Group, GroupKind

__all__ = ["MatmulConfig", "claims", "default_config", "variants"]

# What rows and columns of tiles are multiples of: any microkernel's rows and panels fit.
_ROWS_MULTIPLE = 6
_COLUMNS_MULTIPLE = 64


@dataclass(frozen=True)
class MatmulConfig:
    """Sizes of the schedule.

    Attributes:
        rows, columns: of an output tile; multiples of 6 and of 64.
        depth: length of a block of the inner dimension. A block of the right operand,
            depth x columns, stays in the second-level cache.
        group: rows of the left operand that are packed at a time; a multiple of 6.
        padding: elements between packed rows of the left operand, so that those that are read
            together do not fall on one set of the first-level cache.
        few_rows: up to so many rows are multiplied without packing; at most 4.
        few_columns: columns of a tile then; a multiple of 64.
    """

    rows: int = 192
    columns: int = 256
    depth: int = 512
    group: int = 48
    padding: int = 16
    few_rows: int = 4
    few_columns: int = 64


def claims(group: Group, dialect: Dialect) -> bool:
    """Whether this schedule can compute the group."""
    return group.kind is GroupKind.CONTRACTION and "gc_multiply_packed" in dialect.functions


def default_config(group: Group) -> MatmulConfig:
    """Tiles no larger than the product, of equal height where its height is known.

    Where one tile holds all columns, packing them again costs little, and low tiles give every
    thread work.
    """
    (*_, m, n), k = group.anchor.shape, group.anchor.inputs[0].shape[-1]
    plain = MatmulConfig()
    tallest, widest, deepest = (max(dims.bounds(extent)[1], 1) for extent in (m, n, k))
    most = plain.group if widest <= _COLUMNS_MULTIPLE else plain.rows
    tiles = -(-tallest // most) if isinstance(m, int) else 1
    return MatmulConfig(
        rows=min(most, _round_up(-(-tallest // tiles), _ROWS_MULTIPLE)),
        columns=min(plain.columns, _round_up(widest, _COLUMNS_MULTIPLE)),
        depth=min(plain.depth, deepest),
    )


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


class _Product(Product):
    """A product whose steps gather their tile in scratch memory before the epilogue."""

    def __init__(self, group: Group, dialect: Dialect, rows: int, columns: int) -> None:
        super().__init__(group, rows, columns, column="_lane")
        self.dialect = dialect
        self.tile = Buffer("tile", self.number, rows * columns, Space.SHARED)
        self.tile_rows, self.tile_columns = rows, columns
        self.body.insert(0, Declare(self.tile))
        self.rows = let_index(self.body, "_rows", part(self.m, rows, self.m0))
        self.columns = let_index(self.body, "_columns", part(self.n, columns, self.n0))

    def finish(self) -> Scheduled:
        """The kernel, with the epilogue over the tile at its end."""
        total = Load(self.tile, self.row * self.tile_columns + self.column)
        stores = self.stores(total, self.m0 + self.row, self.n0 + self.column)
        self.body += _loops(((self.row, self.rows), (self.column, self.columns)), stores)
        return self.scheduled(self.dialect.lanes)


def _loops(axes: Sequence[tuple[DimLike, DimLike]], body: Block) -> Block:
    """Loops over all axes around the body, the innermost over the lanes."""
    loops = [
        (variable if isinstance(variable, Dim) else counter(f"_once{number}", 1), extent)
        for number, (variable, extent) in enumerate(axes)
    ]
    return lane_loops(loops, body)


def _few_rows(product: _Product) -> Scheduled | None:
    """Rows of the left operand against the right one where it lies; None without strides."""
    left, right = product.left.at(product.m0, 0), product.right.at(product.n0, 0)
    if left is None or right is None:
        return None
    name = f"gc_multiply_rows_{product.anchor.inputs[0].dtype.name}"
    product.body.append(
        Call(
            name,
            (
                Address(product.tile, 0), product.tile_columns,
                left, product.left.along, product.left.deep,
                right, product.right.along, product.right.deep,
                product.rows, product.columns, product.depth,
            ),
        )
    )  # fmt: skip
    return product.finish()


def _blocked(product: _Product, config: MatmulConfig) -> Scheduled:
    """The loop over blocks of the inner dimension; one empty block gives zeros."""
    blocks = dims.maximum(1, dims.ceil_div(product.depth, config.depth))
    block = _counter("_block", dims.bounds(blocks)[1])
    right = Buffer("right", product.number, config.depth * product.tile_columns, Space.SHARED)
    body: list[Statement] = []
    k0 = let_index(body, "_k0", block * config.depth)
    depth = let_index(body, "_depth", part(product.depth, config.depth, k0))
    body += _pack(
        "gc_pack_right", (Address(right, 0),), product.right,
        (product.n0, k0), (product.columns, depth), (product.tile_columns, config.depth),
    )  # fmt: skip
    group = min(config.group, product.tile_rows)
    stride = config.depth + config.padding
    left = Buffer("left", product.number, group * stride, Space.SHARED)
    counted = dims.ceil_div(product.rows, group)
    number = _counter("_group", -(-product.tile_rows // group))
    first = number * group
    inner: list[Statement] = []
    here = let_index(inner, "_here", part(product.rows, group, first))
    inner += _pack(
        "gc_pack_left", (Address(left, 0), stride), product.left,
        (product.m0 + first, k0), (here, depth), (group, config.depth),
    )  # fmt: skip
    inner.append(
        Call(
            f"gc_multiply_packed_{product.number.name}",
            (
                Address(product.tile, first * product.tile_columns), product.tile_columns,
                Address(left, 0), stride, Address(right, 0),
                here, product.columns, depth, Inside(block, 0, 1),
            ),
        )
    )  # fmt: skip
    body += _serial(number, counted, tuple(inner))
    product.body += [Declare(right), Declare(left), *_serial(block, blocks, tuple(body))]
    return product.finish()


def _counter(name: str, most: int) -> DimLike:
    """A variable that counts to `most`, for a loop; 0 where there is none."""
    return counter(name, most) if most > 1 else 0


def _serial(variable: DimLike, extent: DimLike, body: Block) -> Block:
    """The body for each value of the variable; without a loop where that is 0 alone."""
    return serial_loops([(variable, extent)], body) if isinstance(variable, Dim) else body


def _pack(
    function: str,
    target: tuple[Address | int, ...],
    operand: Operand,
    start: tuple[DimLike, DimLike],
    extent: tuple[DimLike, DimLike],
    most: tuple[int, int],
) -> Block:
    """Pack a block of an operand; one without strides is computed into scratch first."""
    there = operand.at(*start)
    if there is not None:
        assert operand.buffer is not None
        name = f"{function}_{operand.buffer.dtype.name}"
        return (Call(name, (*target, there, operand.along, operand.deep, *extent)),)
    number = operand.value.dtype.accumulator
    scratch = Buffer(f"{function[3:]}_block", number, most[0] * most[1], Space.SHARED)
    i0, k0 = start
    i, k = operand.i, operand.k
    value = operand.value_at(i0 + i, k0 + k)
    # The block lies as the operand does, so that vectors run along both.
    axes = [(i, extent[0]), (k, extent[1])]
    along, deep = (most[1], 1) if operand.runs_deep else (1, most[0])
    store = Store(scratch, i * along + k * deep, value)
    fill = _loops(axes if operand.runs_deep else axes[::-1], (store,))
    name = f"{function}_{number.name}"
    call = Call(name, (*target, Address(scratch, 0), along, deep, *extent))
    return (Declare(scratch), *fill, call)


def variants(group: Group, dialect: Dialect) -> list[Variant]:
    """The kernels of a matrix product with its epilogue: one, or one more for few rows."""
    config = default_config(group)
    rows = group.anchor.shape[-2]
    least, most = dims.bounds(rows)
    found = []
    if least <= config.few_rows:
        few = _few_rows(_Product(group, dialect, config.few_rows, config.few_columns))
        if few is not None and most <= config.few_rows:
            return [Variant(few)]
        if few is not None:
            found.append(Variant(few, rows, least, config.few_rows))
    blocked = _blocked(_Product(group, dialect, config.rows, config.columns), config)
    return [*found, Variant(blocked)]
