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
from graphc.codegen.loops import unflatten
from graphc.codegen.lowering import Lowering, flat_index
from graphc.codegen.schedules.schedule import (
    Scheduled,
    Variant,
    kernel_name,
    make_kernel,
    output_buffers,
    step_variable,
)
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Convert, Expr, Index, Inside, Load, Scalar, Space, substitute
from graphc.ir.kernel import (
    Address,
    Block,
    Call,
    Declare,
    LetIndex,
    Loop,
    LoopKind,
    Statement,
    Store,
)
from graphc.ir.node import Node
from graphc.passes.fuse import Group, GroupKind

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


@dataclass(frozen=True, slots=True)
class _Operand:
    """An operand: its element (i, k) as a value, and as memory if it lies there with strides.

    `address + i * along + k * deep` is then the flat index of the element in `buffer`.
    """

    value: Expr
    i: DimLike
    k: DimLike
    buffer: Buffer | None = None
    address: DimLike = 0
    along: DimLike = 0
    deep: DimLike = 0

    @classmethod
    def of(cls, value: Expr, i: DimLike, k: DimLike) -> _Operand:
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

    def at(self, i: DimLike, k: DimLike) -> Address | None:
        """The address of element (i, k), or None."""
        if self.buffer is None:
            return None
        return Address(self.buffer, self.address + i * self.along + k * self.deep)


def _stride(index: DimLike, variable: DimLike) -> DimLike | None:
    """By how much a flat index grows with a variable; None if not always by the same."""
    if not isinstance(variable, Dim):
        return 0
    (name,) = dims.variables(variable)
    stride = dims.substitute(index, {name: variable + 1}, proved=False) - index
    return None if name in dims.variables(stride) else stride


def _running(name: str, extent: DimLike) -> DimLike:
    """A variable that runs below `extent`; 0 where nothing else can be."""
    return dims.variable(name, 0, max(dims.bounds(extent)[1] - 1, 0))


def _shifted(*pairs: tuple[DimLike, DimLike]) -> dict[str, DimLike]:
    """Each variable by what it stands for."""
    return {name: value for variable, value in pairs for name in dims.variables(variable)}


def _let(body: list[Statement], name: str, value: DimLike) -> DimLike:
    """A name for an index in `body`; numbers need none."""
    if isinstance(value, int):
        return value
    low, high = dims.bounds(value)
    variable = dims.variable(name, low, max(high, low + 1))
    assert isinstance(variable, Dim)
    body.append(LetIndex(variable, value))
    return variable


def _part(extent: DimLike, size: int, start: DimLike) -> DimLike:
    """How much of `extent` the part of at most `size` that begins at `start` has."""
    whole = dims.divides(extent, size) and dims.always_less_equal(1, extent)
    return size if whole else dims.minimum(size, extent - start)


class _Product:
    """A contraction group as it becomes a kernel with tiles of `rows` x `columns`."""

    def __init__(self, group: Group, dialect: Dialect, rows: int, columns: int) -> None:
        self.group = group
        self.dialect = dialect
        self.anchor = group.anchor
        self.number: DType = self.anchor.dtype.accumulator
        self.tile = Buffer("tile", self.number, rows * columns, Space.SHARED)
        self.tile_rows, self.tile_columns = rows, columns
        *batch, m, n = self.anchor.shape
        self.depth = self.anchor.inputs[0].shape[-1]
        self.index = tuple(_running(f"_b{axis}", extent) for axis, extent in enumerate(batch))
        self.row, self.lane, k = (
            _running("_row", m),
            _running("_lane", n),
            _running("_k", self.depth),
        )
        self.product = Scalar("product", self.anchor.dtype)
        self.lowering = Lowering(group, self.computed)
        left, right = self.anchor.inputs
        self.left = _Operand.of(self.lowering.value(left, (*self.index, self.row, k)), self.row, k)
        self.right = _Operand.of(
            self.lowering.value(right, (*self.index, k, self.lane)), self.lane, k
        )
        self.grid = dims.product([*batch, dims.ceil_div(m, rows), dims.ceil_div(n, columns)])
        self.step = step_variable(self.grid)
        self.body: list[Statement] = [Declare(self.tile)]
        *where, i, j = unflatten(
            self.step, [*batch, dims.ceil_div(m, rows), dims.ceil_div(n, columns)]
        )
        for variable, value in zip(self.index, where, strict=True):
            if isinstance(variable, Dim):
                self.body.append(LetIndex(variable, value))
        self.m0 = _let(self.body, "_m0", i * rows)
        self.n0 = _let(self.body, "_n0", j * columns)
        self.rows = _let(self.body, "_rows", _part(m, rows, self.m0))
        self.columns = _let(self.body, "_columns", _part(n, columns, self.n0))

    def computed(self, node: Node, index: Index) -> Expr | None:
        """The product, for the epilogue."""
        return self.product if node is self.anchor else None

    def finish(self) -> Scheduled:
        """The kernel, with the epilogue over the tile at its end."""
        outputs = output_buffers(self.group)
        index = (*self.index, self.row, self.lane)
        total: Expr = Load(self.tile, self.row * self.tile_columns + self.lane)
        if self.number is not self.anchor.dtype:
            total = Convert(total, self.anchor.dtype)
        there = _shifted((self.row, self.m0 + self.row), (self.lane, self.n0 + self.lane))
        stores = tuple(
            Store(
                buffer,
                dims.substitute(flat_index(node.shape, index), there, proved=False),
                substitute(self.lowering.value(node, index), there, {self.product: total}),
            )
            for buffer, node in outputs.items()
        )
        self.body += _loops(((self.row, self.rows), (self.lane, self.columns)), stores)
        inputs = {buffer: node for node, buffer in self.lowering.inputs.items()}
        kernel = make_kernel(
            kernel_name(self.group), [*inputs, *outputs], outputs, self.grid, self.step,
            self.dialect.lanes, tuple(self.body),
        )  # fmt: skip
        return Scheduled(kernel, inputs, outputs, {dim: dim for dim in kernel.scalars})


def _loops(axes: Sequence[tuple[DimLike, DimLike]], body: Block) -> Block:
    """Loops over all axes around the body, the innermost over the lanes."""
    kind = LoopKind.LANE
    for number, (variable, extent) in reversed(list(enumerate(axes))):
        once = dims.variable(f"_once{number}", 0, 1)
        loop = variable if isinstance(variable, Dim) else once
        assert isinstance(loop, Dim)
        body = (Loop(loop, extent, kind, body),)
        kind = LoopKind.SERIAL
    return body


def _few_rows(product: _Product) -> Scheduled | None:
    """Rows of the left operand against the right one where it lies; None without strides."""
    left, right = product.left.at(product.m0, 0), product.right.at(product.n0, 0)
    if left is None or right is None:
        return None
    name = f"gc_multiply_rows_{product.anchor.dtype.name}"
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
    block = dims.variable("_block", 0, max(dims.bounds(blocks)[1] - 1, 1))
    assert isinstance(block, Dim)
    right = Buffer("right", product.number, config.depth * product.tile_columns, Space.SHARED)
    body: list[Statement] = []
    k0 = _let(body, "_k0", block * config.depth)
    depth = _let(body, "_depth", _part(product.depth, config.depth, k0))
    body += _pack(
        "gc_pack_right", (Address(right, 0),), product.right,
        (product.n0, k0), (product.columns, depth), (product.tile_columns, config.depth),
    )  # fmt: skip
    group = min(config.group, product.tile_rows)
    stride = config.depth + config.padding
    left = Buffer("left", product.number, group * stride, Space.SHARED)
    groups = dims.variable("_group", 0, max(product.tile_rows // group, 1))
    assert isinstance(groups, Dim)
    first = groups * group
    inner: list[Statement] = []
    here = _let(inner, "_here", _part(product.rows, group, first))
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
    body.append(Loop(groups, dims.ceil_div(product.rows, group), LoopKind.SERIAL, tuple(inner)))
    product.body += [
        Declare(right), Declare(left), Loop(block, blocks, LoopKind.SERIAL, tuple(body))
    ]  # fmt: skip
    return product.finish()


def _pack(
    function: str,
    target: tuple[Address | int, ...],
    operand: _Operand,
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
    value = substitute(operand.value, _shifted((i, i0 + i), (k, k0 + k)))
    if number is not value.dtype:
        value = Convert(value, number)
    fill = _loops(((i, extent[0]), (k, extent[1])), (Store(scratch, i * most[1] + k, value),))
    name = f"{function}_{number.name}"
    call = Call(name, (*target, Address(scratch, 0), most[1], 1, *extent))
    return (Declare(scratch), *fill, call)


def variants(group: Group, dialect: Dialect, config: MatmulConfig | None = None) -> list[Variant]:
    """The kernels of a matrix product with its epilogue: one, or one more for few rows."""
    config = config or default_config(group)
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
