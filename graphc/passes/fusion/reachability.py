"""Which fusion groups depend on which, while groups grow and merge.

All groups that depend on a group are kept as the bits of one integer, so that asking for a path
costs nothing, and a change costs one pass over the groups.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Reachability"]

_T = TypeVar("_T", bound=Hashable)


class Reachability(Generic[_T]):
    """A directed acyclic graph that answers whether there is a path.

    >>> order = Reachability[str]()
    >>> order.add("c"); order.add("b", ["c"]); order.add("a", ["b", "c"])
    >>> order.has_path("a", "c"), order.has_path("c", "a")
    (True, False)
    >>> order.has_indirect_path("a", "c"), order.has_indirect_path("b", "c")
    (True, False)
    """

    def __init__(self) -> None:
        self._bit: dict[_T, int] = {}
        self._users: dict[_T, dict[_T, None]] = {}
        self._after: dict[_T, int] = {}

    def add(self, one: _T, users: Iterable[_T] = ()) -> None:
        """Add a group; `users` depend on it."""
        self._bit[one] = 1 << len(self._bit)
        self._users[one] = {}
        self._after[one] = 0
        self.connect(one, users)

    def connect(self, one: _T, users: Iterable[_T]) -> None:
        """Further groups depend on `one`."""
        reached = self._after[one]
        for user in users:
            self._users[one][user] = None
            reached |= self._bit[user] | self._after[user]
        if reached != self._after[one]:
            self._after[one] = reached
            bit = self._bit[one]
            for other, after in self._after.items():
                if after & bit:
                    self._after[other] = after | reached

    def merge(self, one: _T, other: _T) -> None:
        """`other` becomes a part of `one`; no path between them passes through a third group."""
        both = self._bit[one] | self._bit[other]
        reached = (self._after[one] | self._after.pop(other)) & ~both
        self._after[one] = reached
        for before, after in self._after.items():
            if after & both:
                self._after[before] = after | reached | both
        users = self._users.pop(other)
        for found in self._users.values():
            if other in found:
                del found[other]
                found[one] = None
        self._users[one] = {
            user: None for user in (*self._users[one], *users) if user not in (one, other)
        }

    def has_path(self, source: _T, target: _T) -> bool:
        """Whether `target` depends on `source`."""
        return bool(self._after[source] & self._bit[target])

    def has_indirect_path(self, source: _T, target: _T) -> bool:
        """Whether `target` depends on `source` through another group."""
        return self.has_path(source, target) and any(
            self.has_path(user, target) for user in self._users[source] if user != target
        )

    def users(self, one: _T) -> list[_T]:
        """The groups that depend on `one` directly."""
        return list(self._users[one])

    def edges(self) -> Iterator[tuple[_T, _T]]:
        """Every group with each of those that depend on it directly."""
        for one, users in self._users.items():
            for user in users:
                yield one, user
