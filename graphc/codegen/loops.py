"""The loop nest of a group: its axes, and merging those that memory cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import Expr, Index, substitute, walk
from graphc.ir.kernel import Block, Loop, LoopKind, indices

__all__ = ["Axis", "LoopNest", "environment", "lane_loops", "serial_loops", "unflatten"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One loop: its variable, its extent, and whether a reduction runs over it."""

    variable: Dim
    extent: DimLike
    reduced: bool = False

    @property
    def loop(self) -> tuple[Dim, DimLike]:
        """Its variable and its extent."""
        return self.variable, self.extent


@dataclass(frozen=True, slots=True)
class LoopNest:
    """Axes from outer to inner, with the values and store positions computed inside.

    Attributes:
        values: expressions in the variables of the axes.
        positions: flat indices that results are stored at.
    """

    axes: tuple[Axis, ...]
    values: tuple[Expr, ...]
    positions: tuple[DimLike, ...]

    @classmethod
    def over(
        cls,
        domain: Index,
        shape: Sequence[DimLike],
        reduced: Iterable[int],
        values: Sequence[Expr],
        positions: Sequence[DimLike],
    ) -> LoopNest:
        """The nest of a domain; axes of extent 1 have no loop."""
        axes = set(reduced)
        loops = tuple(
            Axis(variable, extent, number in axes)
            for number, (variable, extent) in enumerate(zip(domain, shape, strict=True))
            if isinstance(variable, Dim)
        )
        return cls(loops, tuple(values), tuple(positions))

    def collapsed(self) -> LoopNest:
        """Merge neighbouring axes wherever every index runs through both as through one.

        `for i < I: for j < J: y[i*J + j] = f(x[i*J + j])` becomes one loop over I*J.
        """
        nest, outer = self, len(self.axes) - 2
        while outer >= 0:
            merged = nest._merge(outer)
            nest = merged if merged is not None else nest
            outer -= 1
        return nest

    def mentions_only_axes(self) -> bool:
        """Whether every index is made of the loops' own variables, without named dims."""
        own = {name for axis in self.axes for name in dims.variables(axis.variable)}
        return all(own.issuperset(dims.variables(index)) for index in self._indices())

    def _merge(self, position: int) -> LoopNest | None:
        outer, inner = self.axes[position], self.axes[position + 1]
        if outer.reduced != inner.reduced:
            return None
        extent = outer.extent * inner.extent
        (outer_name,) = dims.variables(outer.variable)
        (inner_name,) = dims.variables(inner.variable)
        last = max(dims.bounds(extent)[1] - 1, 0)
        merged = dims.variable(f"{outer_name}_{inner_name}", 0, last)
        if not isinstance(merged, Dim):
            return None
        forward: dict[str, DimLike] = {outer_name: 0, inner_name: merged}
        back = {f"{outer_name}_{inner_name}": outer.variable * inner.extent + inner.variable}
        for index in self._indices():
            candidate = dims.substitute(index, forward, proved=False)
            if dims.substitute(candidate, back, proved=False) != index:
                return None
        return LoopNest(
            (
                *self.axes[:position],
                Axis(merged, extent, outer.reduced),
                *self.axes[position + 2 :],
            ),
            tuple(substitute(value, forward) for value in self.values),
            tuple(dims.substitute(index, forward, proved=False) for index in self.positions),
        )

    def _indices(self) -> Iterable[DimLike]:
        yield from self.positions
        for expr in walk(*self.values):
            yield from indices(expr)


def environment(axes: Iterable[Axis], index: Sequence[DimLike]) -> dict[str, DimLike]:
    """The axes' variables with the values of an index."""
    return {
        name: value
        for axis, value in zip(axes, index, strict=True)
        for name in dims.variables(axis.variable)
    }


def serial_loops(loops: Sequence[tuple[Dim, DimLike]], body: Block) -> Block:
    """Loops around the body, the first outermost."""
    for variable, extent in reversed(loops):
        body = (Loop(variable, extent, LoopKind.SERIAL, body),)
    return body


def lane_loops(loops: Sequence[tuple[Dim, DimLike]], body: Block) -> Block:
    """Loops around the body, the innermost over the lanes."""
    *outer, (variable, extent) = loops
    return serial_loops(outer, (Loop(variable, extent, LoopKind.LANE, body),))


def unflatten(flat: DimLike, extents: Sequence[DimLike]) -> tuple[DimLike, ...]:
    """The index along each extent of position `flat` in row-major order."""
    found: list[DimLike] = []
    for extent in reversed(extents[1:]):
        # Where an extent is 0 there is no position, and nothing runs.
        divisor = dims.maximum(1, extent)
        found.append(flat % divisor)
        flat = flat // divisor
    return (flat, *reversed(found)) if extents else ()
