"""What every schedule returns, and the pieces that they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphc.codegen.bound_indices import numbered
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Buffer, WithIndex, walk
from graphc.ir.kernel import (
    Address,
    Block,
    Call,
    Fold,
    Kernel,
    LetIndex,
    Loop,
    ReadIndex,
    Store,
    expressions,
    indices,
    statements,
)
from graphc.ir.node import Node
from graphc.ir.op import Source, View
from graphc.passes.fuse import Group

__all__ = ["Scheduled", "Variant", "kernel_name", "make_kernel", "output_buffers", "step_variable"]


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


def step_variable(grid: DimLike) -> Dim:
    """The variable that counts the steps of a grid."""
    variable = dims.variable("_step", 0, max(dims.bounds(grid)[1] - 1, 1))
    assert isinstance(variable, Dim)
    return variable


def kernel_name(group: Group) -> str:
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


def make_kernel(
    name: str,
    parameters: Iterable[Buffer],
    written: Iterable[Buffer],
    grid: DimLike,
    step: Dim,
    lanes: int,
    body: Block,
) -> Kernel:
    """A kernel whose scalars are the variables that its body uses and does not define."""
    body = numbered(body)
    used: dict[str, Dim] = dict(dims.variables(grid))
    defined = set(dims.variables(step))
    for statement in statements(body):
        found: list[DimLike] = []
        match statement:
            case Loop(variable, extent, _, _):
                defined |= set(dims.variables(variable))
                found.append(extent)
            case Fold(loops, _):
                for variable, extent in loops:
                    defined |= set(dims.variables(variable))
                    found.append(extent)
            case Store(_, index, _):
                found.append(index)
            case LetIndex(variable, index):
                defined |= set(dims.variables(variable))
                found.append(index)
            case ReadIndex(variable, _):
                defined |= set(dims.variables(variable))
            case Call(_, arguments):
                found += [a.index for a in arguments if isinstance(a, Address)]
                found += [a for a in arguments if isinstance(a, int | Dim)]
            case _:
                pass
        for expr in walk(*expressions(statement)):
            found.extend(indices(expr))
            if isinstance(expr, WithIndex):
                defined |= set(dims.variables(expr.variable))
        for dim in found:
            used |= dims.variables(dim)
    scalars = tuple(used[name] for name in sorted(used) if name not in defined)
    return Kernel(name, tuple(parameters), frozenset(written), scalars, step, grid, lanes, body)
