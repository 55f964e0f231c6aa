"""Scatter groups: a tensor with updates combined into it, each element by one owner.

No two lanes ever touch one element, so that updates meet in their order and nothing is atomic:
the same input gives the same bits. A grid step owns a stretch of the positions that indices can
name. Where the tensor has axes that are not indexed (the columns of a table), lanes run along
them and the step takes the updates that fall into its stretch:

    for step in grid:                           # a stretch of positions, and some columns
        for row in the stretch:
            for lane in the columns: out[row, lane] = x[row, lane]
        for u in the updates:
            if indices[u] is in the stretch:
                for lane in the columns: out[indices[u], lane] += updates[u, lane]

Where there are none, each lane owns a stretch of its own and looks at every update.

A scatter in place finds in the memory that it writes what it begins with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import serial_loops, unflatten
from graphc.codegen.lowering import Lowering, flat_index
from graphc.codegen.schedules.schedule import (
    Scheduled,
    counter,
    output_buffers,
    scheduled,
    step_variable,
)
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Apply, Buffer, Expr, Index, IndexValue, Load, converted
from graphc.ir.kernel import Block, If, Loop, LoopKind, ReadIndex, Store
from graphc.ir.op import Op, find
from graphc.ir.ops.elementwise.arithmetic import add, multiply, subtract
from graphc.ir.ops.elementwise.logic import greater_equal, less, logical_and
from graphc.ir.ops.indexing.positions import kept_axes, position_of
from graphc.passes.fusion.group import Group

__all__ = ["ScatterConfig", "default_config", "schedule"]

# More positions than this are counted in no single stretch.
_LONGEST = 2**30

# Elements that an owner may store in the time it takes to look at an update of another: where
# owners are few, the processor cannot foresee whose an update is.
_ELEMENTS_FOR_A_LOOK = 8


@dataclass(frozen=True)
class ScatterConfig:
    """Sizes of the scatter schedule.

    Attributes:
        columns: columns of one grid step, where lanes run along axes that are not indexed.
        owners: stretches that the positions are cut into at least, if there are as many
            positions. Each owner looks at the indices of all updates.
        lanes: lanes of one grid step where each owns a stretch.
        is_balanced: whether there are fewer owners where looking at the updates would cost more
            than what they share: one for a histogram, which few threads make no faster.
    """

    columns: int
    owners: int
    lanes: int
    is_balanced: bool = False


def default_config(dialect: Dialect) -> ScatterConfig:
    """Sizes that need no tuning."""
    if dialect.nests_loops:
        return ScatterConfig(dialect.elements, 32, 1, is_balanced=True)
    return ScatterConfig(dialect.lanes, 512, dialect.lanes)


def schedule(
    group: Group,
    dialect: Dialect,
    config: ScatterConfig | None = None,
    *,
    in_place: bool = False,
) -> Scheduled:
    """The kernel of a scatter group.

    Args:
        group: of a scatter.
        dialect: what the kernel is for.
        config: sizes; those of the dialect by default.
        in_place: whether the tensor lies where the result is stored. The kernel may still read
            the tensor for its updates and indices: then it is one of its inputs, and the kernel
            is of no use.
    """
    config = config or default_config(dialect)
    (out,) = output_buffers(group)
    work = _Work(group, out)
    if work.columns == 1:
        grid, step, body = _apart(work, config, in_place)
        lanes = config.lanes if config.lanes > 1 else dialect.lanes
    else:
        grid, step, body = _together(work, config, in_place)
        lanes = dialect.lanes_for(dims.minimum(work.columns, config.columns))
    return scheduled(group, work.lowering.inputs, grid, step, lanes, body)


class _Work:
    """A scatter as loops: where elements lie, what they begin with, what is combined into them.

    Attributes:
        aligned: extents of the axes that tensor and indices share.
        positions: how many positions the indices can name.
        columns: how many elements there are at each.
        turns: how many updates there are for each aligned index.
    """

    def __init__(self, group: Group, out: Buffer) -> None:
        self.node = group.anchor
        self.out = out
        self.lowering = Lowering(group)
        self.base, self.updates, *self.indices = self.node.inputs
        self.batch: int = self.node["batch"]
        self.axes: tuple[int, ...] = self.node["axes"]
        shape = self.base.shape
        self.kept = kept_axes(len(shape), self.axes, self.batch)
        self.aligned = shape[: self.batch]
        self.positions = dims.product(shape[axis] for axis in self.axes)
        self.columns = dims.product(shape[axis] for axis in self.kept)
        self.turns = dims.product(self.indices[0].shape[self.batch :])

    def index(self, aligned: Index, position: DimLike, column: DimLike) -> Index:
        """The index of an element of the tensor."""
        shape = self.base.shape
        place = dict(enumerate(aligned))
        for axes, flat in ((self.axes, position), (self.kept, column)):
            extents = [shape[axis] for axis in axes]
            place |= dict(zip(axes, unflatten(flat, extents), strict=True))
        return tuple(place[axis] for axis in range(len(shape)))

    def begin(self, aligned: Index, position: DimLike, column: DimLike) -> Store:
        """An element becomes what it is before any update."""
        index = self.index(aligned, position, column)
        place = flat_index(self.base.shape, index)
        return Store(self.out, place, self.lowering.value(self.base, index))

    def combine(self, aligned: Index, position: DimLike, column: DimLike, turn: Index) -> Store:
        """An update is combined into an element."""
        place = flat_index(self.base.shape, self.index(aligned, position, column))
        extents = [self.base.shape[axis] for axis in self.kept]
        at = (*aligned, *turn, *unflatten(column, extents))
        value = self.lowering.value(self.updates, at)
        if self.node["combine"] != "set":
            op = find(self.node["combine"])
            value = Apply(op, (Load(self.out, place), value), self.out.dtype)
        return Store(self.out, place, value)

    def each_update(self) -> tuple[list[tuple[Dim, DimLike]], Index]:
        """The loops over the updates of an aligned index, and their index."""
        extents = self.indices[0].shape[self.batch :]
        loops = [(counter(f"_turn{n}", extent), extent) for n, extent in enumerate(extents)]
        return loops, tuple(variable for variable, _ in loops)

    def within(self, aligned: Index, turn: Index, first: DimLike, count: DimLike) -> _Hit:
        """Where an update falls in the stretch of `count` positions from `first` on."""
        inside: list[Expr] = []
        flat: Expr | None = None
        for operand, axis in zip(self.indices, self.axes, strict=True):
            size = self.base.shape[axis]
            index = self.lowering.value(operand, (*aligned, *turn))
            position = position_of(index, size)
            if position.inside is not None:
                inside.append(position.inside)
            wide = converted(position.value, dtypes.i64)
            if flat is None:
                flat = wide
            else:
                scaled = _applied(multiply, flat, IndexValue(size, dtypes.i64))
                flat = _applied(add, scaled, wide)
        assert flat is not None
        offset = _applied(subtract, flat, IndexValue(first, dtypes.i64))
        zero, end = IndexValue(0, dtypes.i64), IndexValue(count, dtypes.i64)
        inside.append(Apply(greater_equal, (offset, zero), dtypes.bool_))
        inside.append(Apply(less, (offset, end), dtypes.bool_))
        return _Hit(reduce(_both, inside), offset)


@dataclass(frozen=True)
class _Hit:
    """Whether an update falls into a stretch, and how far from its beginning."""

    condition: Expr
    offset: Expr


def _both(a: Expr, b: Expr) -> Expr:
    return Apply(logical_and, (a, b), dtypes.bool_)


def _applied(op: Op, a: Expr, b: Expr) -> Expr:
    return Apply(op, (a, b), dtypes.i64)


def _owners(work: _Work, config: ScatterConfig) -> int:
    """The owners of all positions, as many as what they do at updates and elements is worth."""
    if not config.is_balanced:
        return config.owners
    positions, columns, turns = (
        max(dims.bounds(size)[1], 1) for size in (work.positions, work.columns, work.turns)
    )
    worth = columns * (turns + positions) // (turns * _ELEMENTS_FOR_A_LOOK)
    return max(min(config.owners, worth), 1)


def _stretch(work: _Work, owners: int) -> int:
    """How many positions one owner has, so that there are `owners` of them."""
    others = dims.bounds(dims.product(work.aligned))[1]
    wanted = max(owners // max(others, 1), 1)
    return min(max(-(-dims.bounds(work.positions)[1] // wanted), 1), _LONGEST)


def _together(work: _Work, config: ScatterConfig, in_place: bool) -> tuple[DimLike, Dim, Block]:
    """Lanes along the columns: a step owns a stretch of positions."""
    columns = dims.minimum(config.columns, work.columns)
    blocks = dims.ceil_div(work.columns, config.columns)
    length = _stretch(work, max(_owners(work, config) // dims.bounds(blocks)[1], 1))
    stretches = dims.ceil_div(work.positions, length)
    grid = dims.product([*work.aligned, stretches, blocks])
    step = step_variable(grid)
    *aligned, stretch, block = unflatten(step, [*work.aligned, stretches, blocks])
    first = stretch * length
    count = dims.minimum(length, work.positions - first)
    here = dims.minimum(config.columns, work.columns - block * config.columns)
    row, lane = counter("_row", length), counter("_lane", columns)
    offset = counter("_offset", length)
    column = block * config.columns + lane
    where = tuple(aligned)
    loops, turn = work.each_update()
    hit = work.within(where, turn, first, count)
    combine = work.combine(where, first + offset, column, turn)
    update: Block = (
        If(
            hit.condition,
            (ReadIndex(offset, hit.offset), Loop(lane, here, LoopKind.LANE, (combine,))),
        ),
    )
    body = serial_loops(loops, update)
    if not in_place:
        begin = work.begin(where, first + row, column)
        over_lanes = Loop(lane, here, LoopKind.LANE, (begin,))
        body = (Loop(row, count, LoopKind.SERIAL, (over_lanes,)), *body)
    return grid, step, body


def _apart(work: _Work, config: ScatterConfig, in_place: bool) -> tuple[DimLike, Dim, Block]:
    """One element at each position: a lane owns a stretch of them."""
    length = _stretch(work, _owners(work, config) * config.lanes)
    taken = length * config.lanes
    parts = dims.ceil_div(work.positions, taken)
    grid = dims.product([*work.aligned, parts])
    step = step_variable(grid)
    *aligned, part = unflatten(step, [*work.aligned, parts])
    here = dims.minimum(config.lanes, dims.ceil_div(work.positions - part * taken, length))
    lane = counter("_lane", config.lanes)
    row, offset = counter("_row", length), counter("_offset", length)
    first = part * taken + (lane * length if config.lanes > 1 else 0)
    count = dims.minimum(length, work.positions - first)
    where = tuple(aligned)
    loops, turn = work.each_update()
    hit = work.within(where, turn, first, count)
    combine = work.combine(where, first + offset, 0, turn)
    update: Block = (If(hit.condition, (ReadIndex(offset, hit.offset), combine)),)
    body = serial_loops(loops, update)
    if not in_place:
        begin = work.begin(where, first + row, 0)
        body = (Loop(row, count, LoopKind.SERIAL, (begin,)), *body)
    return grid, step, (Loop(lane, here, LoopKind.LANE, body),)
