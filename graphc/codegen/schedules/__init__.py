"""Schedules: how a group becomes a kernel. One file for each shape of computation.

A schedule asks the dialect for capabilities and never for its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from graphc.codegen.dialect import Dialect
from graphc.codegen.schedules import (
    cumulative,
    matmul_blocked,
    matmul_tensor_core,
    matmul_tiled,
    pointwise,
    reduction,
    row_function,
    scatter,
)
from graphc.codegen.schedules.schedule import Scheduled, Variant
from graphc.errors import InternalError
from graphc.passes.fusion.group import Group, GroupKind

__all__ = ["schedule_group"]


class _Schedule(Protocol):
    def schedule(self, group: Group, dialect: Dialect) -> Scheduled: ...


_SCHEDULES: Mapping[GroupKind, _Schedule] = {
    GroupKind.POINTWISE: pointwise,
    GroupKind.REDUCTION: reduction,
    GroupKind.CUMULATIVE: cumulative,
    GroupKind.ROW_FUNCTION: row_function,
    GroupKind.SCATTER: scatter,
}


class _ProductSchedule(Protocol):
    def claims(self, group: Group, dialect: Dialect) -> bool: ...
    def variants(self, group: Group, dialect: Dialect) -> list[Variant]: ...


# Those that ask more of the dialect and of the operands come first.
_PRODUCTS: tuple[_ProductSchedule, ...] = (matmul_blocked, matmul_tensor_core, matmul_tiled)


def schedule_group(group: Group, dialect: Dialect) -> list[Variant]:
    """The kernels for a group: one, or one for each range of a dim."""
    for product in _PRODUCTS:
        if product.claims(group, dialect):
            return product.variants(group, dialect)
    if group.kind in _SCHEDULES:
        return [Variant(_SCHEDULES[group.kind].schedule(group, dialect))]
    raise InternalError(f"no schedule claims a group of kind {group.kind.value}")
