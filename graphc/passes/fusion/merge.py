"""Merging fusion groups: groups that read one node, and reductions with what reads their rows."""

from __future__ import annotations

from graphc.passes.fusion.draft import Draft, can_be_epilogue, is_one_long_row, renamed
from graphc.passes.fusion.drafts import MEMBERS_AT_MOST, Drafts
from graphc.passes.fusion.group import GroupKind, aligned, kept
from graphc.passes.fusion.reads import operands_read

__all__ = ["extend_reductions", "merge_all"]


def merge_all(drafts: Drafts, groups: list[Draft]) -> list[Draft]:
    """Merge the groups that read one node, as far as they fit together."""
    merged = [groups[0]]
    for group in groups[1:]:
        for index, other in enumerate(merged):
            combined = _merge(drafts, other, group)
            if combined is not None:
                merged[index] = combined
                break
        else:
            merged.append(group)
    return merged


def _merge(drafts: Drafts, a: Draft, b: Draft) -> Draft | None:
    if b.kind is GroupKind.REDUCTION and a.kind is GroupKind.POINTWISE:
        a, b = b, a
    if not _fit_together(drafts, a, b):
        return None
    for node, at in b.at.items():
        a.at[node] = a.at.get(node, set()) | at
        groups = [group for group in drafts.groups_of[node] if group not in (a, b)]
        drafts.groups_of[node] = [*groups, a]
    drafts.paths.merge(a, b)
    return a


def _fit_together(drafts: Drafts, a: Draft, b: Draft) -> bool:
    """Whether one kernel can compute both groups, of which `b` may be a reduction if `a` is."""
    alone = (
        GroupKind.CONTRACTION,
        GroupKind.APART,
        GroupKind.CUMULATIVE,
        GroupKind.ROW_FUNCTION,
        GroupKind.SCATTER,
    )
    if a.shape != b.shape or a.kind in alone or b.kind in alone:
        return False
    if b.kind is GroupKind.REDUCTION and a.axes != b.axes:
        return False
    if a.kind is not b.kind and drafts.updates_state(b):
        return False
    return (
        len(a.at) + len(b.at) <= MEMBERS_AT_MOST
        and not drafts.paths.has_indirect_path(a, b)
        and not drafts.paths.has_indirect_path(b, a)
        and _reads_in_place(drafts, a, b)
        and _reads_in_place(drafts, b, a)
    )


def _reads_in_place(drafts: Drafts, source: Draft, target: Draft) -> bool:
    """Whether `target` reads what `source` stores at the indices at which it is computed."""
    if not drafts.paths.has_path(source, target):
        return True
    for user in target.at:
        for node in operands_read(user, drafts.stored_views):
            if node in source.at and node not in target.at:
                reads = drafts.reads(node, target, [user])
                if reads is None or not reads <= source.at[node]:
                    return False
    return True


def extend_reductions(drafts: Drafts) -> None:
    """Let reductions take the groups that read their results at the same rows.

    `x / (sum(x) + 1)`: the quotient could not wait for the sum in one group before the sum
    was known to be a reduction over the quotient's own rows.
    """
    merged: set[Draft] = set()
    for draft in drafts.all():
        if draft.kind is not GroupKind.REDUCTION or draft in merged:
            continue
        if is_one_long_row(draft.shape, draft.axes):
            continue
        pending = drafts.paths.users(draft)
        while pending:
            user = pending.pop()
            if _absorb(drafts, draft, user):
                merged.add(user)
                pending = drafts.paths.users(draft)


def _absorb(drafts: Drafts, reduction: Draft, user: Draft) -> bool:
    """Merge a group that reads a reduction's results into it, if it fits."""
    before = user.shape, user.domain, user.at
    if user.kind is GroupKind.POINTWISE and user.shape != reduction.shape:
        rows = kept(reduction.shape, reduction.axes)
        index = aligned(reduction.outer, rows, user.shape)
        if index is None or not can_be_epilogue(user):
            return False
        user.at = renamed(user, index)
        user.shape, user.domain = reduction.shape, reduction.domain
    if user.kind is not GroupKind.CONTRACTION and _fit_together(drafts, reduction, user):
        _merge(drafts, reduction, user)
        return True
    user.shape, user.domain, user.at = before
    return False
