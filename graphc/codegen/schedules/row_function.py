"""Groups of one row function: a device function computes a stretch of a row for each grid step.

for step in grid:                          # a stretch of a row
    function(row of out, rows of the operands, length, ..., first, count)
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.dialect import Dialect
from graphc.codegen.loops import unflatten
from graphc.codegen.schedules.schedule import (
    Scheduled,
    kernel_name,
    make_kernel,
    output_buffers,
    step_variable,
)
from graphc.ir import dims
from graphc.ir.expr import Buffer
from graphc.ir.kernel import Address, Call
from graphc.ir.op import RowFunction
from graphc.passes.group import Group, GroupKind

__all__ = ["RowFunctionConfig", "claims", "default_config", "schedule"]


@dataclass(frozen=True)
class RowFunctionConfig:
    """Sizes of the schedule of row functions.

    Attributes:
        elements: elements of one grid step, a multiple of every function's unit of work.
    """

    elements: int


def claims(group: Group) -> bool:
    """Whether this schedule can compute the group."""
    return group.kind is GroupKind.ROW_FUNCTION


def default_config(dialect: Dialect) -> RowFunctionConfig:
    """Sizes that need no tuning: some elements for each lane, for each begins with a search."""
    return RowFunctionConfig(dialect.elements if dialect.nests_loops else 16 * dialect.lanes)


def schedule(group: Group, dialect: Dialect, config: RowFunctionConfig | None = None) -> Scheduled:
    """The kernel of one row function."""
    config = config or default_config(dialect)
    node = group.anchor
    rule = node.op.lowering
    assert isinstance(rule, RowFunction)
    *outer, length = node.shape
    parts = dims.ceil_div(length, config.elements)
    grid = dims.product(outer) * parts
    step = step_variable(grid)
    row, part = unflatten(step, [dims.product(outer), parts])
    first = part * config.elements
    count = dims.minimum(config.elements, length - first)
    (out,) = outputs = output_buffers(group)
    inputs = {Buffer(f"a{i}", o.dtype, 0): o for i, o in enumerate(dict.fromkeys(node.inputs))}
    buffers = {operand: buffer for buffer, operand in inputs.items()}
    rows = (Address(buffers[operand], row * length) for operand in node.inputs)
    name = f"{rule.function(node)}_{node.inputs[0].dtype.name}"
    numbers = rule.arguments(node)
    call = Call(name, (Address(out, row * length), *rows, length, *numbers, first, count))
    kernel = make_kernel(
        kernel_name(group), [*inputs, out], [out], grid, step, dialect.lanes, (call,)
    )
    return Scheduled(kernel, inputs, outputs, {dim: dim for dim in kernel.scalars})
