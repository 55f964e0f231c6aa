"""The class of symbolic dimensions, their interning, and their limits of size."""

from __future__ import annotations

import functools
import operator
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from keyword import iskeyword
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias, cast
from weakref import WeakValueDictionary

from graphc.errors import DimensionError, TracedValueError
from graphc.ir.dims import polynomial
from graphc.ir.dims.atoms import (
    Atom,
    Monomial,
    Opaque,
    OpaqueKind,
    SortKey,
    Terms,
    TermsView,
    Variable,
    monomial_key,
)
from graphc.ir.dims.printing import sum_text

Form: TypeAlias = tuple[tuple[Monomial, int], ...]
Interval: TypeAlias = tuple[int, int]

MAX_SIZE = 1024
"""Terms and atoms in one expression, nested ones counted; a larger expression is refused."""
MAX_DEPTH = 32
"""Levels of nested floor divisions, modulos, maxima and minima."""
MAX_BITS = 1024
"""Bits of a number in an expression: far beyond any index range, and printable in decimal."""
LARGEST_VALUE = 2**63 - 1
"""Limit of the range of a variable, to both sides."""

_BRANCH = (
    "choose with gc.where or gc.cond, by the dim as a tensor: gc.asarray(x.shape[0]) > 2; or give "
    "the axis a fixed size"
)


class Dim:
    """An integer expression that depends on at least one variable; equal forms are one object.

    `==` compares the normal forms: it never says True for different values, and may say False
    for equal ones, where `always_equal` searches for a proof.
    """

    __slots__ = (
        "__weakref__",
        "bounds_found",
        "depth",
        "key",
        "names",
        "size",
        "terms",
        "text_found",
    )

    terms: Form
    """Monomials with their coefficients, none of them zero, highest degree first."""
    names: Mapping[str, Variable]
    """The variables of the expression, nested ones too, sorted by name."""
    key: SortKey
    size: int
    depth: int
    bounds_found: Interval | None
    text_found: str | None

    def __new__(cls) -> Dim:
        """Refuse: expressions come from `variable` and from arithmetic."""
        raise TypeError("a Dim is made by graphc.ir.dims.variable and by arithmetic")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Dim is immutable; cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Dim is immutable; cannot delete {name!r}")

    def __reduce__(self) -> tuple[Callable[[Form], DimLike], tuple[Form]]:
        return _from_form, (self.terms,)

    def __repr__(self) -> str:
        if self.text_found is None:
            object.__setattr__(self, "text_found", sum_text(self))
        return cast("str", self.text_found)

    def __bool__(self) -> NoReturn:
        raise TracedValueError(
            f"whether the dim {self} is 0 is not known while the graph is built", hint=_BRANCH
        )

    def __lt__(self, other: object) -> bool:
        raise self._unordered("<", other)

    def __le__(self, other: object) -> bool:
        raise self._unordered("<=", other)

    def __gt__(self, other: object) -> bool:
        raise self._unordered(">", other)

    def __ge__(self, other: object) -> bool:
        raise self._unordered(">=", other)

    def _unordered(self, symbol: str, other: object) -> TracedValueError:
        return TracedValueError(
            f"whether {self} {symbol} {other!r} is not known while the graph is built",
            hint=_BRANCH,
        )

    def __index__(self) -> int:
        raise TracedValueError(
            f"the dim {self} has no value while the graph is built, expected a whole number",
            hint="loop over an axis with gc.scan; or give the axis a fixed size",
        )

    def __float__(self) -> float:
        raise TracedValueError(
            f"the dim {self} has no value while the graph is built, expected a number",
            hint=f"as a tensor it is gc.asarray({self}); or give the axis a fixed size",
        )

    __complex__ = __float__

    def __array_ufunc__(
        self, ufunc: object, method: str, *operands: object, **named: object
    ) -> Any:
        """Arithmetic of a dim and a whole number of NumPy; nothing else has a value."""
        compute = _OF_NUMPY.get(getattr(ufunc, "__name__", ""))
        numbers = [_as_dim(one) for one in operands]
        if compute is None or method != "__call__" or None in numbers:
            return self.__float__()
        return compute(*numbers)

    def __format__(self, form: str) -> str:
        try:
            return format(str(self), form)
        except ValueError:
            return format(self.__float__(), form)

    def __truediv__(self, other: object) -> Any:
        return self._fraction(other, f"{self} / {other}")

    def __rtruediv__(self, other: object) -> Any:
        return self._fraction(other, f"{other} / {self}")

    def _fraction(self, other: object, text: str) -> Any:
        return _no_size(text) if isinstance(other, int | float | complex | Dim) else NotImplemented

    def __pow__(self, other: object) -> Any:
        if type(other) is not int or other < 0:
            return self._fraction(other, f"{self} ** {other}")
        return functools.reduce(operator.mul, [self] * min(other, MAX_SIZE + 1), 1)

    def __rpow__(self, other: object) -> Any:
        return self._fraction(other, f"{other} ** {self}")

    def __add__(self, other: DimLike) -> DimLike:
        return _operate(_add, self, other)

    def __radd__(self, other: DimLike) -> DimLike:
        return _operate(_add, other, self)

    def __sub__(self, other: DimLike) -> DimLike:
        return _operate(_subtract, self, other)

    def __rsub__(self, other: DimLike) -> DimLike:
        return _operate(_subtract, other, self)

    def __mul__(self, other: DimLike) -> DimLike:
        return _operate(_multiply, self, other)

    def __rmul__(self, other: DimLike) -> DimLike:
        return _operate(_multiply, other, self)

    def __floordiv__(self, other: DimLike) -> DimLike:
        return _operate(rules["//"], self, other)

    def __rfloordiv__(self, other: DimLike) -> DimLike:
        return _operate(rules["//"], other, self)

    def __mod__(self, other: DimLike) -> DimLike:
        return _operate(rules["%"], self, other)

    def __rmod__(self, other: DimLike) -> DimLike:
        return _operate(rules["%"], other, self)

    def __divmod__(self, other: DimLike) -> tuple[DimLike, DimLike]:
        return self // other, self % other

    def __rdivmod__(self, other: DimLike) -> tuple[DimLike, DimLike]:
        return other // self, other % self

    def __neg__(self) -> DimLike:
        return from_terms(polynomial.scale(terms_of(self), -1))

    def __pos__(self) -> Dim:
        return self


DimLike: TypeAlias = int | Dim

_OF_NUMPY: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "equal": operator.eq,
    "floor_divide": operator.floordiv,
    "multiply": operator.mul,
    "not_equal": operator.ne,
    "remainder": operator.mod,
    "subtract": operator.sub,
}
"""What NumPy calls the arithmetic of dims."""

remembered = functools.lru_cache(maxsize=1 << 13)
"""For operations on dims: planning asks the same of equal layers, and equal dims are one object.
Bounded, since what is remembered keeps its dims."""

rules: dict[OpaqueKind, Callable[..., DimLike]] = {}
"""The operation behind each kind of opaque atom; the module that defines one enters it here."""

_interned: WeakValueDictionary[Form, Dim] = WeakValueDictionary()
_interning = threading.Lock()


def variable(name: str, lo: int, hi: int, multiple: int = 1) -> Dim:
    """A named dimension whose values are the multiples of `multiple` in `lo..hi`.

    >>> variable("B", 1, 4096) * 2 + 1
    B*2 + 1

    Args:
        name: an identifier of the language.
        lo: smallest value, included; rounded up to a multiple.
        hi: largest value, included; rounded down to a multiple.
        multiple: a positive number that divides every value.

    Raises:
        DimensionError: the name is no identifier, the range holds no value, or more than 64 bits.
    """
    _check_name(name)
    lo, hi, multiple = operator.index(lo), operator.index(hi), operator.index(multiple)
    if max(abs(lo), abs(hi), abs(multiple)) > LARGEST_VALUE:
        raise DimensionError(
            f"dimension {name}: the range does not fit in 64 bits",
            code="dim-range",
            hint=f"sizes reach from {-LARGEST_VALUE} to {LARGEST_VALUE}",
        )
    if multiple < 1:
        raise DimensionError(
            f"dimension {name}: a multiple of {multiple}",
            code="dim-range",
            hint="a multiple is a positive number",
        )
    if lo > hi:
        raise DimensionError(
            f"dimension {name}: the range {lo}..{hi} is empty",
            code="dim-range",
            hint=f"write the smaller number first: {hi}..{lo}",
        )
    first, last = -(-lo // multiple) * multiple, hi // multiple * multiple
    if first > last:
        raise DimensionError(
            f"dimension {name}: no multiple of {multiple} lies in {lo}..{hi}",
            code="dim-range",
            hint=f"make room for one: {lo}..{-(-lo // multiple) * multiple}, for example",
        )
    return variable_dim(Variable(name, first, last, multiple))


@remembered
def variable_dim(declared: Variable) -> Dim:
    """The variable as a dimension: its atom times its multiple."""
    return cast("Dim", from_terms({(declared,): declared.multiple}))


def _check_name(name: str) -> None:
    # Python's parser normalises identifiers, so that only normalised ones survive a round trip.
    proper = name.isidentifier() and unicodedata.is_normalized("NFKC", name)
    if not proper or iskeyword(name) or name in ("max", "min"):
        raise DimensionError(
            f"{name!r} cannot name a dimension",
            code="dim-name",
            hint="use letters, digits and underscores, and no reserved word",
        )


def terms_of(d: DimLike) -> Terms:
    """The polynomial of `d`, as a copy."""
    if isinstance(d, Dim):
        return dict(d.terms)
    return {(): d} if d else {}


def from_terms(terms: TermsView) -> DimLike:
    """The one dimension with these terms; zero coefficients are dropped."""
    items = [item for item in terms.items() if item[1]]
    if not items:
        return 0
    if len(items) == 1 and not items[0][0]:
        return items[0][1]
    if len(items) > 1:
        items.sort(key=lambda item: monomial_key(item[0]))
    return _from_form(tuple(items))


def from_atom(atom: Atom) -> DimLike:
    """The dimension that is one atom."""
    return from_terms({(atom,): 1})


def _from_form(form: Form) -> Dim:
    with _interning:
        found = _interned.get(form)
    if found is not None:
        return found
    new = _new(form)
    with _interning:
        return _interned.setdefault(form, new)


def _new(form: Form) -> Dim:
    atoms = {atom: None for monomial, _ in form for atom in monomial}
    nested = [a for atom in atoms if isinstance(atom, Opaque) for a in atom.arguments]
    inner = [argument for argument in nested if isinstance(argument, Dim)]
    occurrences = [atom for monomial, _ in form for atom in monomial]
    size = len(form) + sum(_atom_size(atom) for atom in occurrences)
    depth = max((argument.depth for argument in inner), default=0) + bool(nested)
    check_size(size, depth, [c for _, c in form] + [a for a in nested if isinstance(a, int)])
    new = object.__new__(Dim)
    facts = {
        "terms": form,
        "names": _merge_names(atoms, inner),
        "key": (1, tuple((monomial_key(monomial), c) for monomial, c in form)),
        "size": size,
        "depth": depth,
        "bounds_found": None,
        "text_found": None,
    }
    for name, fact in facts.items():
        object.__setattr__(new, name, fact)
    return new


def _atom_size(atom: Atom) -> int:
    if isinstance(atom, Variable):
        return 1
    return 1 + sum(a.size if isinstance(a, Dim) else 1 for a in atom.arguments)


def check_size(size: int, depth: int, numbers: Iterable[int]) -> None:
    """Refuse an expression beyond the limits, on which proofs and recursion rely."""
    bits = max((number.bit_length() for number in numbers), default=0)
    if size > MAX_SIZE or depth > MAX_DEPTH or bits > MAX_BITS:
        raise DimensionError(
            f"a dimension is an expression of {size} parts, nested {depth} deep, with numbers of "
            f"{bits} bits",
            code="dim-size",
            hint=f"the limits are {MAX_SIZE} parts, {MAX_DEPTH} levels and {MAX_BITS} bits; "
            "name a part of the expression as a dimension of its own",
        )


def _merge_names(atoms: Iterable[Atom], inner: Iterable[Dim]) -> Mapping[str, Variable]:
    found = [atom for atom in atoms if isinstance(atom, Variable)]
    for dim in inner:
        found.extend(dim.names.values())
    merged: dict[str, Variable] = {}
    for one in found:
        other = merged.setdefault(one.name, one)
        if other != one:
            raise DimensionError(
                f"two dimensions named {one.name} meet: one is {other.range_text()}, "
                f"the other {one.range_text()}",
                code="dim-conflict",
                hint="rename one of them, or give both the same range",
            )
    return MappingProxyType(dict(sorted(merged.items())))


def _operate(function: Callable[..., DimLike], a: object, b: object) -> DimLike:
    left, right = _as_dim(a), _as_dim(b)
    if isinstance(a, float) or isinstance(b, float):
        _no_size(f"what {a} and {b} make")
    if left is None or right is None:
        return cast("DimLike", NotImplemented)
    return function(left, right)


def _no_size(text: str) -> NoReturn:
    raise TracedValueError(
        f"{text} is no whole number, and has no value while the graph is built",
        hint="sizes are divided by //; as a tensor the dim is gc.asarray(x.shape[0])",
    )


def _as_dim(value: object) -> DimLike | None:
    if type(value) is int or isinstance(value, Dim):
        return value
    try:
        return int(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        return None


@remembered
def _add(a: DimLike, b: DimLike) -> DimLike:
    return from_terms(polynomial.add(terms_of(a), terms_of(b)))


@remembered
def _subtract(a: DimLike, b: DimLike) -> DimLike:
    return from_terms(polynomial.add(terms_of(a), polynomial.scale(terms_of(b), -1)))


@remembered
def _multiply(a: DimLike, b: DimLike) -> DimLike:
    return from_terms(polynomial.multiply(terms_of(a), terms_of(b)))
