"""What names mean where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphc.errors import NameLookupError, Span
from graphc.frontend.elaboration.refusal import Consequence, unknown_name

if TYPE_CHECKING:
    from graphc.frontend.elaboration.rows import Rows

__all__ = ["UNKNOWN", "Definitions", "Scope"]

_MISSING: Any = object()

UNKNOWN: Any = object()
"""What a name means whose definition failed: whatever it was to be, that is no second error."""


class Scope:
    """Names of one block, over those of the block around it.

    Args:
        outer: the scope around it, if there is one.
        names: what the names mean at first; not copied, so that the attributes of a model can be
            the names of its methods.
    """

    def __init__(self, outer: Scope | None, names: Mapping[str, Any] | None = None) -> None:
        self.outer = outer
        self._given = names if names is not None else {}
        self._own: dict[str, Any] = {}
        self._axes: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, Span | None] = {}
        self._without: dict[str, tuple[str, str]] = {}
        self._counters: dict[str, Rows] = {}
        self._sizes: set[str] = set()

    def find(self, name: str) -> Any:
        """What the name means, or `Scope.MISSING`."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._own:
                return scope._own[name]
            if name in scope._given:
                return scope._given[name]
            scope = scope.outer
        return _MISSING

    MISSING = _MISSING

    def look_up(self, name: str, span: Span | None) -> Any:
        """What the name means.

        Raises:
            NameLookupError: nothing; the hint has the nearest name.
            Consequence: its definition failed.
        """
        found = self.find(name)
        if found is UNKNOWN:
            raise Consequence(f"{name!r} is not known", span=span)
        if found is _MISSING:
            self._require_value(name, span)
            raise unknown_name(name, *self._names(), span)
        return found

    def define(
        self, name: str, value: Any, axes: tuple[str, ...] = (), place: Span | None = None
    ) -> None:
        """Give a name a meaning in this block; the axes of a tensor may have names too."""
        self._own[name] = value
        self._axes[name] = axes
        self._places[name] = place
        self._counters.pop(name, None)
        self._sizes.discard(name)

    def mark_size(self, name: str) -> None:
        """Say that a name of this block is computed from dims of the function's types."""
        self._sizes.add(name)

    def is_size(self, name: str) -> bool:
        """Whether a name is computed from dims of the function's types, be it a number or not."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._own or name in scope._given:
                return name in scope._sizes
            scope = scope.outer
        return False

    def leave_without(self, name: str, why: str, hint: str) -> None:
        """Say why a name that a block inside assigns has no value after it, if it has none."""
        if self.find(name) is _MISSING:
            self._without[name] = why, hint

    def withhold(self, name: str, why: str, hint: str) -> None:
        """Say why a name has no value in this block, whatever it has around it."""
        self.define(name, _MISSING)
        self._without[name] = why, hint

    def count(self, name: str, rows: Rows) -> None:
        """Say that a name is the number of a loop's iteration, until it is given another value."""
        self._counters[name] = rows

    def stop_counting(self, name: str) -> None:
        """Say that a name is the number of a loop's iteration no more."""
        self._counters.pop(name, None)

    def counted(self, name: str) -> tuple[Rows, Scope] | None:
        """The rows of the loop whose number a name is, and the scope of its body."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._counters:
                return scope._counters[name], scope
            is_known = name in scope._own or name in scope._given
            scope = None if is_known else scope.outer
        return None

    def _require_value(self, name: str, span: Span | None) -> None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope._without:
                why, hint = scope._without[name]
                raise NameLookupError(f"{name!r} {why}", span=span, hint=hint)
            scope = scope.outer

    def axis_names(self, name: str) -> tuple[str, ...]:
        """The indices that a tensor was defined with; none for any other value."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._own:
                return scope._axes[name]
            scope = None if name in scope._given else scope.outer
        return ()

    def place_of(self, name: str) -> Span | None:
        """Where the name was given its meaning, if that is known."""
        scope: Scope | None = self
        while scope is not None:
            place = scope._places.get(name)
            if place is not None:
                return place
            scope = None if name in scope._given else scope.outer
        return None

    def assigned(self) -> list[str]:
        """The names that were given a meaning in this block."""
        return list(self._own)

    def _names(self) -> tuple[list[str], list[str]]:
        """The names that mean something here, inner ones first, and those of the language."""
        scope, names = self, list[str]()
        while scope.outer is not None:
            names += [*scope._own, *(name for name in scope._given if not name.startswith("_"))]
            scope = scope.outer
        return names, [name for name in scope._given if not name.startswith("_")]


class Definitions:
    """What an imported file defines, by name.

    Args:
        name: of the file, for messages.
        scope: of the file.
    """

    def __init__(self, name: str, scope: Scope) -> None:
        self.name = name
        self._scope = scope

    def __repr__(self) -> str:
        return f"<the file {self.name}>"

    def find(self, name: str) -> Any:
        """What the file defines under a name, or `Scope.MISSING`."""
        return self._scope._own.get(name, _MISSING)

    def names(self) -> list[str]:
        """The names that the file defines."""
        return list(self._scope._own)
