"""Classes of immutable data, made without generating code.

`dataclass(frozen=True)` writes and compiles up to seven methods for each class: for the hundred
classes that checking a source loads that was a seventh of the time that the check takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, ClassVar, dataclass_transform

__all__ = ["Record"]

_set = object.__setattr__


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record:
    """Base of classes that are written, and behave, like those of `dataclass(frozen=True)`.

    Records are equal if they are of one class and their fields are. `fields`, `replace` and
    `asdict` of `dataclasses` understand them. All fields are arguments of the class.

    >>> class Interval(Record):
    ...     low: int
    ...     high: int = 0
    >>> Interval(-1), Interval(-1) == Interval(-1, high=0), hash(Interval(1)) == hash(Interval(1))
    (Interval(low=-1, high=0), True, True)
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    _compared: ClassVar[tuple[str, ...]]
    _shown: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(init=False, repr=False, eq=False)(cls)
        cls._compared = tuple(one.name for one in fields(cls) if one.compare)
        cls._shown = tuple(one.name for one in fields(cls) if one.repr)
        cls.__init__ = _initialiser(cls)  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self._compared])

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Record)
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__qualname__}({shown})"


def _initialiser(cls: type[Record]) -> Callable[..., None]:
    """The `__init__` of a class: a closure over its fields."""
    names = [one.name for one in fields(cls)]
    in_order: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined]
    # What is to be given by name, by how much is given by position.
    others = [frozenset(names) - set(in_order[:count]) for count in range(len(in_order) + 1)]
    values = {one.name: one.default for one in fields(cls) if one.default is not MISSING}
    factories = {
        one.name: one.default_factory for one in fields(cls) if one.default_factory is not MISSING
    }

    def initialise(self: Record, *given: Any, **named: Any) -> None:
        if len(given) > len(in_order):
            raise TypeError(f"{cls.__name__} takes {', '.join(names)}, not {len(given)} values")
        for name, value in zip(in_order, given, strict=False):
            _set(self, name, value)
        expected = others[len(given)]
        if named.keys() != expected:
            for name in expected - named.keys():
                if name in values:
                    named[name] = values[name]
                elif name in factories:
                    named[name] = factories[name]()
            if named.keys() != expected:
                wrong = ", ".join(sorted(named.keys() ^ expected))
                raise TypeError(f"{cls.__name__}: missing, unknown or given twice: {wrong}")
        for name, value in named.items():
            _set(self, name, value)

    return initialise
