"""What each function of the language takes, differentiates and runs on, found by calling it.

A sample call is recorded as the function sees it, with its tensors as operands of any dtype, and
made again with other dtypes. What gives a graph is accepted; the nodes of the graph say the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphc.errors import GraphcError
from graphc.frontend.tracing.arguments import signature_of
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir.dtype import ALL, DType, c128, computable, f64
from graphc.ir.graph import nested_graphs
from graphc.ir.node import Node, topological
from graphc.ir.op import Decomposition, HostCall, Op, functions, registry
from graphc.ir.ops.structural import graph_input, projections
from graphc.ir.types import is_differentiable
from graphc.passes.autodiff import vjp
from tests.recorded_calls import (
    Made,
    Operand,
    Recorded,
    recorded_calls,
    tensors_left_out,
    worded_calls,
)
from tests.surface_calls import operand_count

__all__ = ["Facts", "facts_of", "kinds"]


@dataclass(frozen=True)
class Facts:
    """Three cells of a table: see the head of `docs/ops.md`."""

    dtypes: str
    gradient: str
    backends: str


@cache
def facts_of(name: str) -> Facts:
    """The facts of a function, by the first of its names."""
    calls = recorded_calls(name)
    if not calls:
        return Facts(_refusal(name), "none", "none")
    worded = [*calls, *worded_calls(calls[0])]
    return Facts(_dtypes(calls), _gradient(worded), _backends(worded))


def _refusal(name: str) -> str:
    """What a function says that no tensor is good for."""
    try:
        call(name, *(Tensor(graph_input("x", f64, (3,))) for _ in range(operand_count(name) or 0)))
    except GraphcError as error:
        return f"refused: {error.message}"
    raise AssertionError(f"{name} has no sample call")


# -- dtypes ---------------------------------------------------------------------------------------


def _dtypes(calls: Sequence[Recorded]) -> str:
    taken: dict[str, frozenset[DType]] = {}
    probed: set[Any] = set()
    for one in calls:
        kinds_of = {(operand.parameter, operand.dtype.kind) for operand in one.varied}
        told = {value for value in one.arguments.values() if isinstance(value, DType)}
        if not probed >= kinds_of | told:
            probed |= kinds_of | told
            for operand, dtypes in _taken(one):
                taken[operand.parameter] = taken.get(operand.parameter, frozenset()) | dtypes
    if not taken:
        return _given(calls)
    cells = {name: kinds(dtypes) for name, dtypes in taken.items()}
    return _by_parameter(cells | dict.fromkeys(tensors_left_out(calls), "not probed"))


def _taken(one: Recorded) -> Iterator[tuple[Operand, frozenset[DType]]]:
    """The dtypes of operands: of those that have one dtype in the sample together.

    Beside operands that stay what they are, one, or all but one, may also be of another kind:
    the exponent of `ldexp`, or what goes with the mask of `masked_scatter`.
    """
    for group in _groups(one):
        taken: dict[Operand, set[DType]] = {operand: set() for operand in group}
        for chosen, dtypes in _choices(group):
            for dtype in dtypes:
                missing = not all(dtype in taken[operand] for operand in chosen)
                if missing and one.made(dict.fromkeys(chosen, dtype)) is not None:
                    for operand in chosen:
                        taken[operand].add(dtype)
        yield from ((operand, frozenset(dtypes)) for operand, dtypes in taken.items())


def _choices(group: Sequence[Operand]) -> Iterator[tuple[Sequence[Operand], Sequence[DType]]]:
    """Operands to vary together, and the dtypes to try: all; but one; one."""
    yield group, ALL
    kind = group[0].dtype.kind
    # A complex number beside floats is promotion.
    promoted = ("float", "complex") if kind == "float" else (kind,)
    others = [dtype for dtype in computable() if dtype.kind not in promoted]
    if len(group) > 2:
        yield from (([x for x in group if x is not operand], others) for operand in group)
    if len(group) > 1:
        real = [dtype for dtype in others if dtype.kind not in ("bool", "complex")]
        yield from (([operand], real) for operand in group)


def _groups(one: Recorded) -> Iterable[list[Operand]]:
    groups: dict[DType, list[Operand]] = {}
    for operand in one.varied:
        groups.setdefault(operand.dtype, []).append(operand)
    return groups.values()


def _given(calls: Sequence[Recorded]) -> str:
    """The dtypes that a function of no tensors can be told to give, or what it gives."""
    if "dtype" in signature_of(functions[calls[0].name]).parameters:
        told = {d for one in calls for d in ALL if one.also("dtype", d).made() is not None}
        return f"`dtype`: {kinds(told)}"
    given = {x.dtype for one in calls if (made := one.made()) for x in made.results}
    return f"gives {kinds(given)}"


_GROUPS = (
    ("bool", ("bool",)),
    ("integers", ("signed", "unsigned")),
    ("floats", ("float",)),
    ("complex", ("complex",)),
    ("f8", ("storage",)),
)


def kinds(dtypes: Iterable[DType]) -> str:
    """Dtypes in words: `all`, `numbers`, `bool, floats`; a part of a group by its names."""
    taken = frozenset(dtypes)
    if taken == frozenset(ALL):
        return "all"
    if taken == frozenset(computable()):
        return "all but f8"
    words = []
    for word, members in _GROUPS:
        group = [dtype for dtype in ALL if dtype.kind in members]
        there = [dtype.name for dtype in group if dtype in taken]
        words += [word] if len(there) == len(group) else there
    return ", ".join(words).replace("integers, floats, complex", "numbers")


def _by_parameter(cells: Mapping[str, str], always: bool = False) -> str:
    """What is said of each parameter, once for those that share it; for all, without names."""
    names: dict[str, list[str]] = {}
    for name, cell in cells.items():
        names.setdefault(cell, []).append(f"`{name}`")
    if len(names) == 1 and not always:
        return next(iter(names))
    return "; ".join(f"{', '.join(those)}: {cell}" for cell, those in names.items())


# -- gradients ------------------------------------------------------------------------------------


_ORDER = ("any order", "first order", "refused", "zero", "none")
"""What is said of an operand: the first of these that holds in a call."""


def _gradient(calls: Sequence[Recorded]) -> str:
    found: dict[str, set[str]] = {}
    for one in calls:
        for parameter, word in _derivatives(one):
            found.setdefault(parameter, set()).add(word)
    cells = {name: _said(words) for name, words in found.items()}
    if set(cells.values()) <= {"none"}:
        return "none"
    return _by_parameter(cells, always=True)


def _said(words: set[str]) -> str:
    word = next(word for word in _ORDER if word in words)
    return f"{word}, refused in some calls" if word != "refused" and "refused" in words else word


def _derivatives(one: Recorded) -> Iterator[tuple[str, str]]:
    """What is said of each operand that may be a float or complex."""
    for group in _groups(one):
        is_float = group[0].dtype.kind == "float"
        for chosen, _ in itertools.islice(_choices(group), 1 if is_float else None):
            for dtype in (f64, c128):
                if (made := one.made(dict.fromkeys(chosen, dtype))) is not None:
                    for operand in chosen:
                        yield operand.parameter, _derivative(made, made.nodes[operand])


def _derivative(made: Made, x: Node) -> str:
    results = [one for one in made.results if is_differentiable(one.type)]
    if not results:
        return "none"
    weights = [graph_input(f"g{i}", one.dtype, one.shape) for i, one in enumerate(results)]
    try:
        (gradient,) = vjp(results, [x], weights)
    except GraphcError as error:
        if error.code != "no-gradient":
            raise
        return "refused"
    if not set(weights) & set(topological([gradient])):
        return "zero"
    return "any order" if _active(results, [x]) <= _of_any_order() else "first order"


def _active(results: Sequence[Node], wrt: Sequence[Node]) -> set[Op]:
    """The ops on paths with derivatives."""
    active = set(wrt)
    ops = set()
    for node in topological(results):
        if is_differentiable(node.type) and any(one in active for one in node.inputs):
            active.add(node)
            ops.add(node.op)
    return ops


@cache
def _of_any_order() -> set[Op]:
    """The ops that have derivatives of any order: none of them leads to an op without one."""
    leads = {op: _needed(op) for op in registry.values()}
    good = {op for op, needed in leads.items() if needed is not None}
    while True:
        lost = {op for op in good if not leads[op] <= good}
        if not lost:
            return good
        good -= lost


def _needed(op: Op) -> set[Op] | None:
    """The ops that the first derivatives of an op are made of; None where it has none."""
    needed: set[Op] = set()
    refused = False
    for sample in op.samples():
        inputs = [graph_input(f"x{i}", t.dtype, t.shape) for i, t in enumerate(sample.operands)]
        parts = projections(op(*inputs, **sample.attributes))
        results = [one for one in parts if is_differentiable(one.type)]
        wrt = [one for one in inputs if is_differentiable(one.type)]
        weights = [graph_input(f"g{i}", one.dtype, one.shape) for i, one in enumerate(results)]
        try:
            needed |= _active(vjp(results, wrt, weights), [*wrt, *weights])
        except GraphcError:
            refused = True
    return None if refused and not needed else needed


# -- backends -------------------------------------------------------------------------------------


def _backends(calls: Sequence[Recorded]) -> str:
    hosts = [_host_ops(made.results) for one in calls if (made := one.made()) is not None]
    always, ever = set.intersection(*hosts), set.union(*hosts)
    if not ever:
        return "all"
    named = ", ".join(f"`{name}`" for name in sorted(always or ever))
    return f"all; {named} on the host" + ("" if always else " in some calls")


def _host_ops(results: Iterable[Node]) -> set[str]:
    """The ops that the host computes, with those that composite ops and loops are made of."""
    found: set[str] = set()
    for node in topological(results):
        match node.op.lowering:
            case HostCall():
                found.add(node.op.name)
            case Decomposition() as rule:
                found |= _host_ops([rule.expand(node)])
            case _:
                for graph in nested_graphs(node):
                    found |= _host_ops(graph.roots)
    return found
