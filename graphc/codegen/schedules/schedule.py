"""What every schedule returns, and the pieces that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.codegen.bound_indices import numbered
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, WithIndex, walk
from graphc.ir.kernel import (
    Block,
    Kernel,
    defined_indices,
    expressions,
    indices,
    own_indices,
    statements,
)
from graphc.ir.node import Node
from graphc.ir.op import Source, View
from graphc.passes.fusion.group import Group

__all__ = ["Scheduled", "Variant", "counter", "output_buffers", "scheduled", "step_variable"]


@dataclass(frozen=True)
class Scheduled:
    """A kernel for a group, and what its parameters stand for.

    Attributes:
        kernel: names nothing of the model, so that groups that compute alike share it.
        inputs: nodes by the parameter that they are loaded from.
        outputs: nodes by the parameter that they are stored to.
        scalars: values of the kernel's scalars, as dims of the graph.
    """

    kernel: Kernel
    inputs: Mapping[Buffer, Node]
    outputs: Mapping[Buffer, Node]
    scalars: Mapping[Dim, DimLike]


@dataclass(frozen=True)
class Variant:
    """A scheduled kernel for the calls in which `low <= dim <= high`; dim 0 stands for all."""

    scheduled: Scheduled
    dim: DimLike = 0
    low: int = 0
    high: int = 0


def counter(name: str, extent: DimLike) -> Dim:
    """A variable that counts to `extent`, for a loop."""
    variable = dims.variable(name, 0, max(dims.bounds(extent)[1] - 1, 1))
    assert isinstance(variable, Dim)
    return variable


def step_variable(grid: DimLike) -> Dim:
    """The variable that counts the steps of a grid."""
    return counter("_step", grid)


def _kernel_name(group: Group) -> str:
    """A C identifier that says what the group computes: its ops, shortened when they are many.

    The name of one op alone may be that of a function of libm, which kernels call.
    """
    names = [
        node.op.name for node in group.members if not isinstance(node.op.lowering, View | Source)
    ]
    shown = list(dict.fromkeys(names)) or ["copy"]
    if len(shown) > 5:
        shown = [*shown[:4], f"and_{len(shown) - 4}_more"]
    return "_".join(shown if len(shown) > 1 else [*shown, "kernel"])


def output_buffers(group: Group) -> dict[Buffer, Node]:
    """A parameter for each output of the group."""
    return {
        Buffer(f"out{number}", node.dtype, 0): node for number, node in enumerate(group.outputs)
    }


def scheduled(
    group: Group,
    inputs: Mapping[Node, Buffer],
    grid: DimLike,
    step: Dim,
    lanes: int,
    body: Block,
    scalars: Mapping[Dim, DimLike] | None = None,
) -> Scheduled:
    """The kernel that computes a group by `body`, and what its parameters stand for.

    Args:
        group: what is computed; its outputs are stored to `output_buffers`.
        inputs: the parameters that nodes are loaded from.
        grid: the number of steps, counted by `step`.
        step: the variable of the step.
        lanes: lanes of a step.
        body: a step.
        scalars: those that are not dims of the graph, with what they stand for.
    """
    outputs = output_buffers(group)
    body = numbered(body)
    kernel = Kernel(
        _kernel_name(group),
        (*inputs.values(), *outputs),
        frozenset(outputs),
        _scalars(grid, step, body),
        step,
        grid,
        lanes,
        body,
    )
    loaded = {buffer: node for node, buffer in inputs.items()}
    values = {dim: dim for dim in kernel.scalars} | dict(scalars or {})
    return Scheduled(kernel, loaded, outputs, values)


def _scalars(grid: DimLike, step: Dim, body: Block) -> tuple[Dim, ...]:
    """The variables that a kernel uses and does not define, in the order of their names."""
    used: dict[str, Dim] = dict(dims.variables(grid))
    defined = set(dims.variables(step))
    for statement in statements(body):
        found = own_indices(statement)
        for expr in walk(*expressions(statement)):
            found += indices(expr)
            if isinstance(expr, WithIndex):
                defined |= set(dims.variables(expr.variable))
        for variable in defined_indices(statement):
            defined |= set(dims.variables(variable))
        for dim in found:
            used |= dims.variables(dim)
    return tuple(used[name] for name in sorted(used) if name not in defined)
