"""Pointwise groups: every output element from elements of the inputs.

    for step in grid:                      # a stretch of the iteration space
        for lane in the stretch:
            out[...] = f(a[...], b[...])

Axes that memory cannot tell apart are merged first. When one loop is left, the kernel depends
on the number of elements alone, so that tensors of any shape share it and one launch can run
over many of them (all parameters of an optimizer, say).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import LoopNest, environment, unflatten
from graphc.codegen.lowering import Lowering, flat_index
from graphc.codegen.schedules.schedule import (
    Scheduled,
    output_buffers,
    scheduled,
    step_variable,
)
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, substitute
from graphc.ir.kernel import Block, Loop, LoopKind, Store
from graphc.passes.fusion.group import Group, domain_of

__all__ = ["schedule"]

# Stands for the number of elements in kernels that depend on nothing else.
_ELEMENTS = dims.variable("_n", 0, 2**62)


def schedule(group: Group, dialect: Dialect, elements: int | None = None) -> Scheduled:
    """The kernel of a pointwise group, whose grid steps have so many elements."""
    elements = dialect.elements if elements is None else elements
    lowering = Lowering(group)
    domain = domain_of(group.shape)
    values = [lowering.value(node, domain) for node in group.outputs]
    position = flat_index(group.shape, domain)
    nest = LoopNest.over(domain, group.shape, (), values, [position] * len(values)).collapsed()
    scalars: dict[Dim, DimLike] = {}
    if len(nest.axes) == 1 and nest.mentions_only_axes():
        scalars[_ELEMENTS] = nest.axes[0].extent
        nest = replace(nest, axes=(replace(nest.axes[0], extent=_ELEMENTS),))
    outputs = list(output_buffers(group))
    if len(nest.axes) <= 1 or not dialect.nests_loops:
        grid, step, body = _flat(nest, outputs, elements)
    else:
        grid, step, body = _nested(nest, outputs, elements)
    return scheduled(group, lowering.inputs, grid, step, dialect.lanes, body, scalars)


def _stores(nest: LoopNest, outputs: list[Buffer], index: Mapping[str, DimLike]) -> Block:
    return tuple(
        Store(buffer, dims.substitute(position, index, proved=False), substitute(value, index))
        for buffer, value, position in zip(outputs, nest.values, nest.positions, strict=True)
    )


def _flat(nest: LoopNest, outputs: list[Buffer], elements: int) -> tuple[DimLike, Dim, Block]:
    """One loop over all elements; several axes are found by division."""
    extents = [axis.extent for axis in nest.axes]
    count = dims.product(extents)
    grid = dims.ceil_div(count, elements)
    step = step_variable(grid)
    lane = dims.variable("_lane", 0, elements - 1)
    flat = step * elements + lane
    index = environment(nest.axes, unflatten(flat, extents))
    here = dims.minimum(elements, count - step * elements)
    return grid, step, (Loop(lane, here, LoopKind.LANE, _stores(nest, outputs, index)),)


def _nested(nest: LoopNest, outputs: list[Buffer], elements: int) -> tuple[DimLike, Dim, Block]:
    """Lanes along the innermost axis, rows of the other axes around them.

    A step takes several short rows, or a part of a long one.
    """
    *outer, inner = nest.axes
    outer_extents = [axis.extent for axis in outer]
    rows = dims.product(outer_extents)
    length = dims.bounds(inner.extent)[1]
    if length > 4 * elements:
        parts = dims.ceil_div(inner.extent, elements)
        grid = rows * parts
        step = step_variable(grid)
        lane = dims.variable("_lane", 0, elements - 1)
        *where, part = unflatten(step, [*outer_extents, parts])
        start = part * elements
        index = environment(nest.axes, (*where, start + lane))
        here = dims.minimum(elements, inner.extent - start)
        return grid, step, (Loop(lane, here, LoopKind.LANE, _stores(nest, outputs, index)),)
    rows_per_step = max(1, elements // max(length, 1))
    grid = dims.ceil_div(rows, rows_per_step)
    step = step_variable(grid)
    row = dims.variable("_row", 0, rows_per_step - 1)
    lane = dims.variable("_lane", 0, max(length - 1, 0))
    first = step * rows_per_step
    index = environment(nest.axes, (*unflatten(first + row, outer_extents), lane))
    lanes = Loop(lane, inner.extent, LoopKind.LANE, _stores(nest, outputs, index))
    here = dims.minimum(rows_per_step, rows - first)
    return grid, step, (Loop(row, here, LoopKind.SERIAL, (lanes,)),)
