"""Scan groups: partial results along an axis, one lane for each row.

    for step in grid:                          # some rows
        for lane in the rows: total[lane] = start
        for i in the axis:
            for lane in the rows:
                total[lane] = combine(total[lane], x[lane, i])
                out[lane, i] = total[lane]

The order of a row is ascending everywhere, so the bits are too. Lanes run along the innermost axis
where it is not the one that is scanned. A group with one long row is one lane's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import Axis, LoopNest, environment, serial_loops, unflatten
from graphc.codegen.lowering import Lowering, flat_index
from graphc.codegen.schedules.schedule import (
    Scheduled,
    counter,
    output_buffers,
    scheduled,
    step_variable,
)
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, Constant, Expr, Index, Load, Space, converted, substitute
from graphc.ir.kernel import Block, Declare, Loop, LoopKind, Store
from graphc.ir.node import Node
from graphc.ir.op import Cumulative
from graphc.passes.fusion.group import Group, domain_of

__all__ = ["schedule"]


def schedule(group: Group, dialect: Dialect) -> Scheduled:
    """The kernel of a scan group.

    A step takes few rows, which are its lanes, for there is no other parallelism.
    """
    rows = dialect.lanes_for(32)
    scan = group.anchor
    rule, dtype = scan.op.lowering, scan.dtype.accumulator
    assert isinstance(rule, Cumulative)
    total = Buffer("total", dtype, 1, Space.LANE)
    domain = domain_of(group.shape)
    combined: list[Expr] = []

    def computed(node: Node, index: Index) -> Expr | None:
        if node is not scan or not combined:
            return None
        return converted(combined[0], node.dtype)

    lowering = Lowering(group, computed)
    operands = (converted(lowering.value(operand, domain), dtype) for operand in scan.inputs)
    combined.append(rule.step(Load(total, 0), tuple(operands)))
    outputs = output_buffers(group)
    values = [combined[0], *(lowering.value(node, domain) for node in outputs.values())]
    position = flat_index(group.shape, domain)
    nest = LoopNest.over(
        domain, group.shape, group.axes, values, [position] * len(outputs)
    ).collapsed()
    stores = (
        Store(total, 0, nest.values[0]),
        *(
            Store(buffer, place, value)
            for buffer, place, value in zip(outputs, nest.positions, nest.values[1:], strict=True)
        ),
    )
    grid, step, lane, here, index = _rows(nest, rows)
    start = Store(total, 0, Constant(rule.start(dtype), dtype))
    body: Block = (Loop(lane, here, LoopKind.LANE, tuple(_at(s, index) for s in stores)),)
    scanned = [axis.loop for axis in nest.axes if axis.reduced]
    body = (
        Declare(total),
        Loop(lane, here, LoopKind.LANE, (start,)),
        *serial_loops(scanned, body),
    )
    return scheduled(group, lowering.inputs, grid, step, rows, body)


def _at(store: Store, index: Mapping[str, DimLike]) -> Store:
    place = dims.substitute(store.index, index, proved=False)
    return Store(store.buffer, place, substitute(store.value, index))


def _rows(nest: LoopNest, rows: int) -> tuple[DimLike, Dim, Dim, DimLike, dict[str, DimLike]]:
    """Grid, step, lane, lanes that there are, and the axes' variables at a step and a lane."""
    axes = [axis for axis in nest.axes if not axis.reduced]
    outer: Sequence[Axis] = ()
    if len(axes) > 1 and axes[-1] is nest.axes[-1]:
        # No lane divides: the step knows the outer axes, the lane is a place in the last.
        outer, axes = axes[:-1], axes[-1:]
    count = dims.product([axis.extent for axis in axes])
    parts = dims.ceil_div(count, rows)
    grid = dims.product([axis.extent for axis in outer]) * parts
    step = step_variable(grid)
    lane = counter("_lane", rows)
    *where, part = unflatten(step, [*(axis.extent for axis in outer), parts])
    places = [*where, *unflatten(part * rows + lane, [axis.extent for axis in axes])]
    index = environment([*outer, *axes], places)
    return grid, step, lane, dims.minimum(rows, count - part * rows), index
