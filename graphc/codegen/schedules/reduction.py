"""Reduction groups: rows that are folded, once or in several stages, with what surrounds them.

Softmax, a normalisation or a loss is one group: its reductions run one after the other over
the same row, each using the results of those before, and the row's outputs follow:

    for step in grid:                          # some rows
        for row in the rows:
            fold over the row -> maximum
            fold over the row -> sum of exp(x - maximum)
            for lane in the row: out = exp(x - maximum) / sum

Where the innermost axis is kept, the lanes run along it instead, and each lane folds a column:

    for step in grid:                          # a stretch of columns
        for r in the reduced axes:
            for lane in the stretch: sum[lane] += x[r, lane]
        for lane in the stretch: out[lane] = sum[lane]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import LoopNest, environment, lane_loops, unflatten
from graphc.codegen.lowering import Lowering, flat_index
from graphc.codegen.schedules.schedule import (
    Scheduled,
    counter,
    output_buffers,
    scheduled,
    step_variable,
)
from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    Load,
    Scalar,
    Space,
    converted,
    substitute,
    walk,
)
from graphc.ir.kernel import (
    Block,
    Declare,
    Fold,
    FoldTerm,
    Let,
    Loop,
    LoopKind,
    Statement,
    Store,
    indices,
)
from graphc.ir.node import Node
from graphc.ir.op import Elementwise, Reduction, find
from graphc.passes.fusion.group import Group, aligned, domain_of, kept

__all__ = ["ReductionConfig", "default_config", "schedule"]


# What is done once is a loop over one lane.
_ONCE = (counter("_once", 1), 1)


@dataclass(frozen=True)
class ReductionConfig:
    """Sizes of the reduction schedule.

    Attributes:
        elements: elements of one grid step at least: short rows are taken several at a time.
            For the lanes of the dialect; in proportion less where rows need fewer.
        columns: columns of one grid step, where each lane folds a column.
        scratch: bytes of fast memory at most for values of a row that are computed once.
    """

    elements: int
    columns: int
    scratch: int


def default_config(dialect: Dialect) -> ReductionConfig:
    """Sizes that need no tuning."""
    return ReductionConfig(dialect.elements, dialect.lanes, dialect.scratch_bytes // 2)


@dataclass(frozen=True)
class _Fold:
    """One reduction of the group: its name, how it combines, and what it folds."""

    node: Node
    scalar: Scalar
    value: Expr

    @property
    def rule(self) -> Reduction:
        rule = self.node.op.lowering
        assert isinstance(rule, Reduction)
        return rule

    @property
    def accumulator(self) -> DType:
        return self.node.dtype.accumulator


def schedule(group: Group, dialect: Dialect, config: ReductionConfig | None = None) -> Scheduled:
    """The kernel of a reduction group."""
    config = config or default_config(dialect)
    work, inputs = _lowered(group)
    axes = work.nest.axes
    if axes and not axes[-1].reduced:
        lanes = dialect.lanes
        grid, step, body = _columns(work, dialect, config)
    else:
        lanes = dialect.lanes_for(axes[-1].extent if axes else 1)
        elements = config.elements * lanes // dialect.lanes
        grid, step, body = _rows(work, replace(config, elements=elements))
    return scheduled(group, inputs, grid, step, lanes, body)


def _lowered(group: Group) -> tuple[_Work, Mapping[Node, Buffer]]:
    """What the group folds and stores, and the parameters that it loads from."""
    domain = domain_of(group.shape)
    outer, outer_shape = kept(domain, group.axes), kept(group.shape, group.axes)
    results: dict[Node, Expr] = {}
    lowering = Lowering(group, lambda n, index: results.get(n) if index == outer else None)
    # Of rows without elements nothing may be read, not even before a loop that never runs.
    is_empty = dims.product(group.shape) == 0
    folds: list[_Fold] = []
    for node in (n for n in group.members if isinstance(n.op.lowering, Reduction)):
        if is_empty:
            results[node] = _identity_of(node)
            continue
        value = lowering.value(node.inputs[0], domain)
        results[node] = scalar = Scalar(f"{node.op.name}{len(folds)}", node.dtype)
        folds.append(_Fold(node, scalar, value))
    buffers = {node: buffer for buffer, node in output_buffers(group).items()}
    inner: list[Store] = []
    rows: list[Store] = []
    for node in group.outputs:
        if node.shape == group.shape and node not in results:
            position, value = flat_index(group.shape, domain), lowering.value(node, domain)
            inner.append(Store(buffers[node], position, value))
        else:
            at = aligned(outer, outer_shape, node.shape)
            if at is None:
                raise InternalError(f"{node!r} has not the shape of the rows of its reduction")
            position, value = flat_index(outer_shape, outer), lowering.value(node, at)
            rows.append(Store(buffers[node], position, value))
    stores = rows if is_empty else inner + rows
    nest = LoopNest.over(
        domain,
        group.shape,
        group.axes,
        [*(fold.value for fold in folds), *(store.value for store in stores)],
        [store.index for store in stores],
    ).collapsed()
    values = iter(nest.values)
    folds = [_Fold(fold.node, fold.scalar, next(values)) for fold in folds]
    stores = [
        Store(store.buffer, position, next(values))
        for store, position in zip(stores, nest.positions, strict=True)
    ]
    first_row = len(stores) - len(rows)
    return _Work(nest, folds, stores[:first_row], stores[first_row:]), lowering.inputs


@dataclass(frozen=True)
class _Work:
    """A group as loops: what is folded, and the stores inside and outside the reduced axes."""

    nest: LoopNest
    folds: Sequence[_Fold]
    inner_stores: Sequence[Store]
    outer_stores: Sequence[Store]

    def stages(self) -> list[list[_Fold]]:
        """The folds in order, those together that do not need each other's results."""
        stages: list[list[_Fold]] = []
        stage_of: dict[Scalar, int] = {}
        for fold in self.folds:
            needed = [stage_of[s] for s in _scalars(fold.value) if s in stage_of]
            stage = max(needed, default=-1) + 1
            stage_of[fold.scalar] = stage
            stages.extend([] for _ in range(stage + 1 - len(stages)))
            stages[stage].append(fold)
        return stages


def _scalars(expr: Expr) -> list[Scalar]:
    return [e for e in walk(expr) if isinstance(e, Scalar)]


def _identity(fold: _Fold) -> bool | int | float:
    return fold.rule.identity(fold.accumulator)


def _identity_of(node: Node) -> Expr:
    """The value of a reduction over nothing."""
    rule, accumulator = node.op.lowering, node.dtype.accumulator
    assert isinstance(rule, Reduction)
    return converted(Constant(rule.identity(accumulator), accumulator), node.dtype)


def _at(
    store: Store, index: Mapping[str, DimLike], results: Mapping[Expr, Expr] | None = None
) -> Store:
    value = substitute(store.value, index, results or {})
    return Store(store.buffer, dims.substitute(store.index, index, proved=False), value)


def _rows(work: _Work, config: ReductionConfig) -> tuple[DimLike, Dim, Block]:
    """Lanes along the reduced axes: a step takes one long row or several short ones."""
    outer = [axis for axis in work.nest.axes if not axis.reduced]
    inner = [axis for axis in work.nest.axes if axis.reduced]
    rows = dims.product([axis.extent for axis in outer])
    length = max(1, dims.bounds(dims.product([axis.extent for axis in inner]))[1])
    rows_per_step = max(1, config.elements // length)
    grid = dims.ceil_div(rows, rows_per_step)
    step = step_variable(grid)
    row = dims.variable("_row", 0, rows_per_step - 1) if rows_per_step > 1 else 0
    here = dims.minimum(rows_per_step, rows - step * rows_per_step)
    index = environment(
        outer, unflatten(step * rows_per_step + row, [axis.extent for axis in outer])
    )
    body: list[Statement] = []
    loops = [axis.loop for axis in inner]
    values: dict[Expr, Expr] = {}
    room = config.scratch if len(inner) == 1 else 0
    for stage in work.stages():
        for fold in stage:
            value = substitute(fold.value, index, values)
            nbytes = length * value.dtype.accumulator.itemsize
            if nbytes <= room and _is_costly(value, inner[0].variable):
                room -= nbytes
                scratch = Buffer(f"{fold.scalar.name}_row", value.dtype, length, Space.SHARED)
                store = Store(scratch, inner[0].variable, value)
                body += [Declare(scratch), *lane_loops(loops, (store,))]
                values[value] = Load(scratch, inner[0].variable)
        body += _fold_stage(stage, loops, index, values)
    if work.inner_stores:
        stores = tuple(_at(store, index, values) for store in work.inner_stores)
        body += lane_loops(loops or [_ONCE], stores)
    if work.outer_stores:
        body += lane_loops([_ONCE], tuple(_at(store, index) for store in work.outer_stores))
    if isinstance(row, Dim):
        return grid, step, (Loop(row, here, LoopKind.SERIAL, tuple(body)),)
    return grid, step, tuple(body)


def _is_costly(value: Expr, variable: Dim) -> bool:
    """Whether computing the value along `variable` again costs more than reading fast memory.

    What does not change along it is computed once anyway.
    """
    names = dims.variables(variable).keys()
    changing: set[Expr] = set()
    for expr in walk(value):
        own = any(not names.isdisjoint(dims.variables(index)) for index in indices(expr))
        if own or not changing.isdisjoint(expr.operands):
            changing.add(expr)
    rules = (e.op.lowering for e in changing if isinstance(e, Apply))
    return any(isinstance(rule, Elementwise) and not rule.cheap for rule in rules)


def _fold_stage(
    stage: list[_Fold],
    loops: Sequence[tuple[Dim, DimLike]],
    index: Mapping[str, DimLike],
    values: Mapping[Expr, Expr],
) -> list[Statement]:
    terms, lets = [], []
    for fold in stage:
        wide = fold.accumulator is not fold.node.dtype
        result = Scalar(f"{fold.scalar.name}_wide", fold.accumulator) if wide else fold.scalar
        value = substitute(converted(fold.value, fold.accumulator), index, values)
        terms.append(FoldTerm(result, find(fold.rule.combine), _identity(fold), value))
        if wide:
            lets.append(Let(fold.scalar, Convert(result, fold.node.dtype)))
    return [Fold(tuple(loops), tuple(terms)), *lets]


def _columns(work: _Work, dialect: Dialect, config: ReductionConfig) -> tuple[DimLike, Dim, Block]:
    """Lanes along the innermost, kept axis: each lane folds its columns."""
    *others, last = work.nest.axes
    outer = [axis for axis in others if not axis.reduced]
    reduced = [axis.loop for axis in others if axis.reduced]
    columns = config.columns
    parts = dims.ceil_div(last.extent, columns)
    grid = dims.product([axis.extent for axis in outer]) * parts
    step = step_variable(grid)
    *where, part = unflatten(step, [*(axis.extent for axis in outer), parts])
    first = part * columns
    here = dims.minimum(columns, last.extent - first)
    lane = counter("_lane", columns)
    index = environment([*outer, last], [*where, first + lane])
    body: list[Statement] = []
    results: dict[Expr, Expr] = {}
    for fold in work.folds:
        accumulator = Buffer(fold.scalar.name, fold.accumulator, 1, Space.LANE)
        total = Load(accumulator, 0)
        start = Store(accumulator, 0, Constant(_identity(fold), fold.accumulator))
        value = substitute(converted(fold.value, fold.accumulator), index, results)
        combined = Apply(find(fold.rule.combine), (total, value), fold.accumulator)
        body.append(Declare(accumulator))
        body.append(Loop(lane, here, LoopKind.LANE, (start,)))
        body += lane_loops([*reduced, (lane, here)], (Store(accumulator, 0, combined),))
        results[fold.scalar] = converted(total, fold.node.dtype)
    for loops, stores in ((reduced, work.inner_stores), ([], work.outer_stores)):
        if stores:
            block = tuple(_at(store, index, results) for store in stores)
            body += lane_loops([*loops, (lane, here)], block)
    return grid, step, tuple(body)
