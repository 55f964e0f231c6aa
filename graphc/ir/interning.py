"""Hash consing: objects with equal fields are one object, so identity is structural equality.

Sources: A. P. Ershov, "On programming of arithmetic operations" (1958); J.-C. Filliâtre and
S. Conchon, "Type-safe modular hash-consing" (2006).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar
from weakref import WeakValueDictionary

__all__ = ["Interned"]

_T = TypeVar("_T")

_table: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()
_lock = threading.RLock()


class Interned(type):
    """Metaclass of immutable classes whose equal instances are the same object.

    The fields named in `__match_args__` (which a dataclass fills in) decide equality. They are
    told apart as a compiler must: 1, 1.0 and True differ, 0.0 and -0.0 differ, and a NaN is
    equal to a NaN. The table holds its objects weakly.
    """

    def __call__(cls: type[_T], *args: Any, **kwargs: Any) -> _T:  # noqa: D102
        instance: _T = super().__call__(*args, **kwargs)  # type: ignore[misc]
        fields: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined]
        key = (cls, *(_key(getattr(instance, field)) for field in fields))
        with _lock:
            return _table.setdefault(key, instance)  # type: ignore[no-any-return]


def _key(value: Any) -> Any:
    """A hashable stand-in that is equal exactly where the compiler must not tell apart."""
    kind = type(value)
    if kind is tuple:
        return tuple(map(_key, value))
    if kind is float:
        return (float, value.hex())
    if kind is complex:
        return (complex, value.real.hex(), value.imag.hex())
    if kind is bool:
        return (bool, int(value))
    return value
