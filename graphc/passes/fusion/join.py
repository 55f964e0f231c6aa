"""Joining a fusion group: whether a node may be computed where its users are."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.errors import DimensionError
from graphc.ir import dims
from graphc.ir.expr import Index
from graphc.ir.node import Node
from graphc.ir.op import Contraction, Element, Elementwise, Reduction, Source, View
from graphc.passes.fusion.draft import (
    Draft,
    can_be_epilogue,
    is_one_long_row,
    is_reduction,
    names_of,
    widen,
)
from graphc.passes.fusion.drafts import MEMBERS_AT_MOST, Drafts
from graphc.passes.fusion.group import GroupKind, kept

__all__ = ["accepts_pointwise", "join"]

# Outputs that a matrix product's epilogue may store: the value and, for training, what its
# gradient needs.
_EPILOGUE_OUTPUTS_AT_MOST = 2
# Nodes that are computed anew at each read, rather than stored, where they read no tensor.
_NUMBERS_AT_MOST = 12


def join(
    drafts: Drafts, node: Node, group: Draft, users: Iterable[Node], *, stored: bool = False
) -> bool:
    """Make the node a member if it fits; `stored`: other groups load it from this one."""
    if len(group.at) >= MEMBERS_AT_MOST or group.kind is GroupKind.APART:
        return False
    reads = drafts.reads(node, group, users)
    if reads is not None and (stored or node in drafts.roots):
        own = group.store_index(node)
        reads = None if own is None else reads | {own}
    if reads is None:
        return False
    match node.op.lowering:
        case Elementwise() | Element() | View() | Source():
            accepted = accepts_pointwise(drafts, node, group, reads)
        case Reduction():
            accepted = _accepts_reduction(drafts, node, group, reads)
        case Contraction():
            accepted = _accepts_contraction(drafts, node, group, reads)
        case _:
            accepted = False
    if accepted:
        group.at[node] = {group.outer} if is_reduction(node) else reads
    return accepted


def accepts_pointwise(drafts: Drafts, node: Node, group: Draft, reads: set[Index]) -> bool:
    """Whether a group that reads the node at these indices may compute it there."""
    if reads == {group.domain} and node.shape == group.shape:
        return True
    if group.kind in (GroupKind.CONTRACTION, GroupKind.CUMULATIVE):
        return False
    if group.kind is GroupKind.REDUCTION and reads == {group.row_index(node)}:
        return True
    if len(reads) > 1 or _is_rounded_product(node):
        return False
    # Read through a view: computed where it is read, unless that would repeat work.
    (index,) = reads
    lowering = node.op.lowering
    cheap = isinstance(lowering, Elementwise | Element) and lowering.cheap
    shape = group.shape
    if group.kind is GroupKind.REDUCTION and names_of(index) <= names_of(group.outer):
        cheap, shape = isinstance(lowering, Elementwise | Element), kept(shape, group.axes)
    repeats = not dims.always_less_equal(dims.product(shape), node.tensor.size)
    if not cheap or (repeats and not _is_of_numbers(node)):
        return False
    try:
        drafts.reads_of(node, index)
    except DimensionError:  # the index of what it reads would be beyond all limits
        return False
    return True


def _is_rounded_product(node: Node) -> bool:
    """Whether the node is a matrix product, and what elementwise ops add to it, in a narrower
    dtype: the product's kernel then stores that, and not the wider numbers for other kernels."""
    if len(node.inputs) != 1 or node.inputs[0].dtype.bits <= node.dtype.bits:
        return False
    found = [node.inputs[0]]
    for one in found:
        if isinstance(one.op.lowering, Contraction):
            return True
        if isinstance(one.op.lowering, Elementwise) and len(found) <= _NUMBERS_AT_MOST:
            found += one.inputs
    return False


def _is_of_numbers(node: Node) -> bool:
    """Whether a few cheap operations on indices and constants give the node, as in a causal mask:
    these cost less than loading what they gave."""
    found, pending = {node}, [node]
    while pending:
        one = pending.pop()
        lowering = one.op.lowering
        cheap = isinstance(lowering, Elementwise | Element) and lowering.cheap
        if not (cheap or isinstance(lowering, View | Source)) or len(found) > _NUMBERS_AT_MOST:
            return False
        new = [operand for operand in one.inputs if operand not in found]
        found.update(new)
        pending += new
    return True


def _accepts_reduction(drafts: Drafts, node: Node, group: Draft, reads: set[Index]) -> bool:
    axes: tuple[int, ...] = node["axes"]
    operand = node.inputs[0].shape
    if group.kind is GroupKind.REDUCTION:
        return reads == {group.outer} and operand == group.shape and axes == group.axes
    if group.kind is not GroupKind.POINTWISE or drafts.updates_state(group):
        return False
    if (
        operand == group.shape
        and reads == {kept(group.domain, axes)}
        and not is_one_long_row(operand, axes)
    ):
        group.kind, group.axes = GroupKind.REDUCTION, axes
        return True
    if reads == {group.domain} and node.shape == group.shape and can_be_epilogue(group):
        widen(group, operand, axes)
        return True
    return False


def _accepts_contraction(drafts: Drafts, node: Node, group: Draft, reads: set[Index]) -> bool:
    accepted = (
        group.kind is GroupKind.POINTWISE
        and reads == {group.domain}
        and node.shape == group.shape
        and node not in drafts.roots
        and not drafts.updates_state(group)
        and can_be_epilogue(group)
        and sum(drafts.is_output(m, group) for m in group.at) <= _EPILOGUE_OUTPUTS_AT_MOST
    )
    if accepted:
        group.kind = GroupKind.CONTRACTION
    return accepted
