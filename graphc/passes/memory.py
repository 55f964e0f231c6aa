"""Memory: place the temporaries of a program in one arena.

Two temporaries that are alive at the same time must not overlap. Placing the largest first, each
at the lowest free offset, comes close to the lower bound on real programs (Y. Pisarchyk and J.
Lee, "Efficient memory management for deep neural net inference", 2020, "greedy by size").

Sizes may depend on named dims, so the plan is not offsets but an order: for each pair that is
alive together, which one lies below. Offsets follow from the order for any dims, and for the
largest dims none is higher than in the greedy placement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Lifetime", "place"]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A temporary: its bytes at the largest dims, and the first and last step that need it."""

    nbytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        """Whether both are alive during some step."""
        return self.first <= other.last and other.first <= self.last


def place(lifetimes: Sequence[Lifetime]) -> list[tuple[int, ...]]:
    """For each temporary, those that it lies directly above.

    >>> a, b, c = Lifetime(100, 0, 1), Lifetime(50, 1, 2), Lifetime(100, 2, 3)
    >>> place([a, b, c])  # a and c share the bottom; b lies above both
    [(), (0, 2), ()]
    """
    offsets = _greedy(lifetimes)
    order = sorted(range(len(lifetimes)), key=lambda i: (offsets[i], lifetimes[i].nbytes, i))
    below: dict[int, int] = {}
    found: list[tuple[int, ...]] = [()] * len(lifetimes)
    for number, i in enumerate(order):
        lower = [j for j in order[:number] if lifetimes[i].overlaps(lifetimes[j])]
        # Bits, so that those below one that is below are left out quickly: they follow from it.
        implied = 0
        for j in lower:
            implied |= below[j]
        found[i] = tuple(sorted(j for j in lower if not implied >> j & 1))
        below[i] = implied
        for j in lower:
            below[i] |= 1 << j
    return found


def _greedy(lifetimes: Sequence[Lifetime]) -> list[int]:
    """Offsets: the largest first, each at the lowest place that is free while it lives."""
    offsets: dict[int, int] = {}
    for i in sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].nbytes, i)):
        offset = 0
        taken = sorted(
            (offsets[j], offsets[j] + lifetimes[j].nbytes)
            for j in offsets
            if lifetimes[i].overlaps(lifetimes[j])
        )
        for low, high in taken:
            if offset + lifetimes[i].nbytes <= low:
                break
            offset = max(offset, high)
        offsets[i] = offset
    return [offsets[i] for i in range(len(lifetimes))]
