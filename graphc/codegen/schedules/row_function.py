"""Groups of one row function: a device function computes a stretch of a row for each grid step.

for step in grid:                          # a stretch of a row
    function(row of out, rows of the operands, length, ..., first, count)
"""

from __future__ import annotations

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import unflatten
from graphc.codegen.schedules.schedule import (
    Scheduled,
    output_buffers,
    scheduled,
    step_variable,
)
from graphc.ir import dims
from graphc.ir.expr import Buffer
from graphc.ir.kernel import Address, Call
from graphc.ir.op import RowFunction
from graphc.passes.fusion.group import Group

__all__ = ["schedule"]


def schedule(group: Group, dialect: Dialect) -> Scheduled:
    """The kernel of one row function."""
    # Some for each lane, for each begins with a search; a multiple of every function's unit.
    elements = dialect.elements if dialect.nests_loops else 16 * dialect.lanes
    node = group.anchor
    rule = node.op.lowering
    assert isinstance(rule, RowFunction)
    *outer, length = node.shape
    parts = dims.ceil_div(length, elements)
    grid = dims.product(outer) * parts
    step = step_variable(grid)
    row, part = unflatten(step, [dims.product(outer), parts])
    first = part * elements
    count = dims.minimum(elements, length - first)
    (out,) = output_buffers(group)
    inputs = {o: Buffer(f"a{i}", o.dtype, 0) for i, o in enumerate(dict.fromkeys(node.inputs))}
    rows = (Address(inputs[operand], row * length) for operand in node.inputs)
    name = f"{rule.function(node)}_{node.inputs[0].dtype.name}"
    numbers = rule.arguments(node)
    call = Call(name, (Address(out, row * length), *rows, length, *numbers, first, count))
    return scheduled(group, inputs, grid, step, dialect.lanes, (call,))
