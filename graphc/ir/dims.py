"""Symbolic dimensions: integers, and exact integer expressions over named variables with a range.

A dimension is an `int` or a `Dim`. A `Dim` is immutable, interned and kept in normal form: a
polynomial with integer coefficients over atoms. An atom is a named `Variable`, or an `Opaque`
floor division, modulo, maximum or minimum that the polynomial arithmetic cannot open. Every
operation returns a plain `int` when its result is constant, so a `Dim` always depends on a name.

A variable that is a multiple of `m` counts in units of `m`: the atom of `B: 8..4096, multiple 8`
is `B//8`, and `B` itself is `8*atom`. Divisibility is then ordinary arithmetic of coefficients.

>>> B = variable("B", 1, 4096)
>>> (B * 64 + 3) // 64, (B * 64) % 64, (6 * B) // B
(B, 0, 6)
>>> bounds((B + 7) // 8)
(1, 512)
"""

from __future__ import annotations

import ast
import math
import operator
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any, Literal, NoReturn, TypeAlias
from weakref import WeakValueDictionary

from graphc.errors import DimensionError

Interval: TypeAlias = tuple[int, int]

MAX_SIZE = 256
"""Atoms and terms in one expression, nested ones counted; beyond it the expression is refused."""
MAX_DEPTH = 32
"""Levels of nested floor divisions, modulos, maxima and minima."""
MAX_BITS = 4096
"""Bits of a coefficient: far beyond any index range, and still printable as decimal text."""
MAX_TEXT = 16_384
"""Characters that `from_text` reads."""

_ELIMINATIONS = 3
"""How many opaque atoms `bounds` replaces by their defining inequalities on one line of proof."""

OpaqueKind: TypeAlias = Literal["//", "%", "max", "min"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A named dimension: every value is a multiple of `multiple` in `lo..hi`, both included."""

    name: str
    lo: int
    hi: int
    multiple: int = 1

    @property
    def key(self) -> tuple[Any, ...]:
        """Place in the total order of atoms: by name, then by range."""
        return (0, self.name, self.lo, self.hi, self.multiple)

    @property
    def interval(self) -> Interval:
        """Range of the atom, which counts in units of `multiple`."""
        return self.lo // self.multiple, self.hi // self.multiple

    def range_text(self) -> str:
        """The range as the language writes it: `1..4096`, and the multiple where there is one."""
        text = f"{self.lo}..{self.hi}"
        return text if self.multiple == 1 else f"{text}, a multiple of {self.multiple}"

    def admits(self, value: int) -> bool:
        """Whether `value` is in the range and divisible by the multiple."""
        return self.lo <= value <= self.hi and value % self.multiple == 0


@dataclass(frozen=True, slots=True)
class Opaque:
    """A normalised floor division, modulo, maximum or minimum that stays as it is."""

    kind: OpaqueKind
    arguments: Shape
    key: tuple[Any, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = tuple(sort_key(argument) for argument in self.arguments)
        object.__setattr__(self, "key", (1, self.kind, keys))

    @property
    def interval(self) -> Interval:
        """Range of the atom, from the ranges of its arguments."""
        ranges = [bounds(argument) for argument in self.arguments]
        if self.kind == "//":
            return _quotient_interval(*ranges)
        if self.kind == "%":
            (_, numerator_hi), (_, divisor_hi) = ranges
            low_is_known = ranges[0][0] >= 0
            return 0, min(divisor_hi - 1, numerator_hi) if low_is_known else divisor_hi - 1
        pick = max if self.kind == "max" else min
        return pick(lo for lo, _ in ranges), pick(hi for _, hi in ranges)


Atom: TypeAlias = Variable | Opaque
Monomial: TypeAlias = tuple[Atom, ...]
"""A product of atoms in their order, repeated for powers; `()` is the constant one."""
Terms: TypeAlias = dict[Monomial, int]


class Dim:
    """An integer expression that depends on at least one variable; equal forms are one object."""

    __slots__ = ("__weakref__", "_bounds", "_depth", "_key", "_size", "_text", "_variables", "terms")

    terms: tuple[tuple[Monomial, int], ...]
    """Monomials with their non-zero coefficients, highest degree first."""

    # NumPy scalars leave arithmetic with a Dim to the Dim.
    __array_ufunc__ = None

    def __new__(cls) -> Dim:
        """Refuse: expressions come from `variable` and arithmetic."""
        raise TypeError("a Dim is made by graphc.ir.dims.variable() and by arithmetic")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Dim is immutable; cannot set {name!r}")

    def __reduce__(self) -> tuple[Callable[..., DimLike], tuple[object, ...]]:
        return _from_items, (self.terms,)

    def __repr__(self) -> str:
        return to_text(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"the truth of the symbolic dimension {self} is not known at build time; "
            "compare with always_equal, never_equal or always_less_equal"
        )

    def _refuse_order(self, other: object) -> NoReturn:
        raise TypeError(
            f"cannot order the symbolic dimension {self} and {other!r} at build time; "
            "use always_less_equal(a, b), or sort_key to sort"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _refuse_order

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
        return _operate(_floor_divide, self, other)

    def __rfloordiv__(self, other: DimLike) -> DimLike:
        return _operate(_floor_divide, other, self)

    def __mod__(self, other: DimLike) -> DimLike:
        return _operate(_modulo, self, other)

    def __rmod__(self, other: DimLike) -> DimLike:
        return _operate(_modulo, other, self)

    def __neg__(self) -> DimLike:
        return _multiply(self, -1)

    def __pos__(self) -> Dim:
        return self


DimLike: TypeAlias = int | Dim
Shape: TypeAlias = tuple[DimLike, ...]

_interned: WeakValueDictionary[tuple[tuple[Monomial, int], ...], Dim] = WeakValueDictionary()
_interning = threading.Lock()


# Construction and normal form of polynomials.


def variable(name: str, lo: int, hi: int, multiple: int = 1) -> Dim:
    """A named dimension whose values are the multiples of `multiple` in `lo..hi`.

    Args:
        name: an identifier of the language.
        lo: smallest value, included; rounded up to a multiple.
        hi: largest value, included; rounded down to a multiple.
        multiple: a positive number that divides every value.

    Raises:
        DimensionError: the name is no identifier, or the range holds no value.
    """
    _check_name(name)
    if multiple < 1:
        raise DimensionError(
            f"dimension {name}: the multiple is {multiple}",
            code="dim-multiple",
            hint="a multiple is a positive integer",
        )
    first, last = -(-lo // multiple) * multiple, hi // multiple * multiple
    if first > last:
        raise DimensionError(
            f"dimension {name}: no multiple of {multiple} lies in {lo}..{hi}",
            code="dim-range",
            hint="write the smaller number first, and make room for one value at least",
        )
    atom = Variable(name, first, last, multiple)
    made = _from_terms({(atom,): multiple})
    assert isinstance(made, Dim)
    return made


def _check_name(name: str) -> None:
    # The parser of Python normalises identifiers, so only normalised names survive a round trip.
    proper = name.isidentifier() and unicodedata.normalize("NFKC", name) == name
    if not proper or iskeyword(name) or name in ("max", "min"):
        raise DimensionError(
            f"{name!r} cannot name a dimension",
            code="dim-name",
            hint="use letters, digits and underscores, and no reserved word",
        )


def sort_key(d: DimLike) -> tuple[Any, ...]:
    """Key of a total order of dimensions that is the same in every process."""
    return d._key if isinstance(d, Dim) else (0, d)


def _monomial_key(monomial: Monomial) -> tuple[Any, ...]:
    # Graded lexicographic: compatible with multiplication, as long division needs.
    return -len(monomial), tuple(atom.key for atom in monomial)


def _terms_of(d: DimLike) -> Terms:
    if isinstance(d, Dim):
        return dict(d.terms)
    return {(): d} if d else {}


def _from_items(items: Iterable[tuple[Monomial, int]]) -> DimLike:
    return _from_terms(dict(items))


def _from_terms(terms: Terms) -> DimLike:
    """The one dimension with these terms; zero coefficients are dropped."""
    items = [item for item in terms.items() if item[1]]
    if not items:
        return 0
    if len(items) == 1 and items[0][0] == ():
        return items[0][1]
    items.sort(key=lambda item: _monomial_key(item[0]))
    form = tuple(items)
    with _interning:
        made = _interned.get(form)
    return made if made is not None else _intern(form)


def _intern(form: tuple[tuple[Monomial, int], ...]) -> Dim:
    atoms = [atom for monomial, _ in form for atom in monomial]
    nested = [a for atom in atoms if isinstance(atom, Opaque) for a in atom.arguments]
    inner = [argument for argument in nested if isinstance(argument, Dim)]
    size = len(form) + len(atoms) + sum(argument._size for argument in inner)
    depth = max((argument._depth + 1 for argument in inner), default=0)
    if size > MAX_SIZE or depth > MAX_DEPTH or any(abs(c).bit_length() > MAX_BITS for _, c in form):
        raise DimensionError(
            f"a dimension grew to {size} terms, nested {depth} deep",
            code="dim-size",
            hint=f"the limits are {MAX_SIZE} terms, {MAX_DEPTH} levels and {MAX_BITS} bits "
            "in a number; name a part of the expression as a dimension of its own",
        )
    new = object.__new__(Dim)
    store = object.__setattr__
    store(new, "terms", form)
    store(new, "_key", (1, tuple((_monomial_key(m), c) for m, c in form)))
    store(new, "_size", size)
    store(new, "_depth", depth)
    store(new, "_variables", _merge_variables(atoms, inner))
    store(new, "_bounds", None)
    store(new, "_text", None)
    with _interning:
        return _interned.setdefault(form, new)


def _merge_variables(atoms: Iterable[Atom], inner: Iterable[Dim]) -> dict[str, Variable]:
    merged: dict[str, Variable] = {}
    found = [atom for atom in atoms if isinstance(atom, Variable)]
    for dim in inner:
        found.extend(dim._variables.values())
    for one in found:
        other = merged.setdefault(one.name, one)
        if other != one:
            raise DimensionError(
                f"two dimensions named {one.name} meet: one is {other.range_text()}, "
                f"the other {one.range_text()}",
                code="dim-conflict",
                hint="rename one of them, or give both the same range",
            )
    return dict(sorted(merged.items()))


def _operate(function: Callable[[DimLike, DimLike], DimLike], a: object, b: object) -> Any:
    left, right = _as_dim(a), _as_dim(b)
    if left is None or right is None:
        return NotImplemented
    return function(left, right)


def _as_dim(value: object) -> DimLike | None:
    if isinstance(value, Dim):
        return value
    try:
        return int(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        return None


def _add(a: DimLike, b: DimLike) -> DimLike:
    total = _terms_of(a)
    for monomial, coefficient in _terms_of(b).items():
        total[monomial] = total.get(monomial, 0) + coefficient
    return _from_terms(total)


def _subtract(a: DimLike, b: DimLike) -> DimLike:
    return _add(a, _multiply(b, -1))


def _multiply(a: DimLike, b: DimLike) -> DimLike:
    total: Terms = {}
    for left, x in _terms_of(a).items():
        for right, y in _terms_of(b).items():
            monomial = tuple(sorted(left + right, key=lambda atom: atom.key))
            total[monomial] = total.get(monomial, 0) + x * y
    return _from_terms(total)


# Floor division and modulo.


def _floor_divide(n: DimLike, d: DimLike) -> DimLike:
    """`n // d` as Python rounds, to minus infinity."""
    if not _divisor_is_positive(n, d, "//"):
        n, d = -n, -d
    if isinstance(n, int) and isinstance(d, int):
        return n // d
    quotient, remainder = _long_division(n, d)
    return quotient + _floor_of_reduced(remainder, d)


def _modulo(n: DimLike, d: DimLike) -> DimLike:
    """`n % d` with the sign of `d`, as in Python."""
    if not _divisor_is_positive(n, d, "%"):
        return -_modulo(-n, -d)
    if isinstance(n, int) and isinstance(d, int):
        return n % d
    _, remainder = _long_division(n, d)
    return _modulo_of_reduced(remainder, d)


def _divisor_is_positive(n: DimLike, d: DimLike, sign: str) -> bool:
    lo, hi = bounds(d)
    if lo <= 0 <= hi:
        raise DimensionError(
            f"division by zero is possible: {n} {sign} {d}, and {d} is in {lo}..{hi}",
            code="dim-zero-division",
            hint="give the divisor a range without zero, or divide by max(1, ...)",
        )
    return lo > 0


def _long_division(n: DimLike, d: DimLike) -> tuple[DimLike, DimLike]:
    """`q, r` with `n == q*d + r`, and no term of `r` that the leading term of `d` could reduce.

    Quotients of coefficients round to zero, so that `(A - B)//8` keeps its form; the constant
    term alone is reduced to `0..d-1`, so that `(B - 1)//8` and `(B + 7)//8 - 1` are one form.
    """
    divisor = _terms_of(d)
    lead = min(divisor, key=_monomial_key)
    work, quotient, remainder = _terms_of(n), Terms(), Terms()
    while work:
        top = min(work, key=_monomial_key)
        coefficient = work.pop(top)
        cofactor = _cofactor(top, lead)
        if cofactor is None:
            remainder[top] = coefficient
            continue
        times = coefficient // divisor[lead]
        if top and times < 0 and times * divisor[lead] != coefficient:
            times += 1
        if coefficient != times * divisor[lead]:
            remainder[top] = coefficient - times * divisor[lead]
        if not times:
            continue
        quotient[cofactor] = times
        for monomial, other in divisor.items():
            if monomial != lead:
                place = tuple(sorted(cofactor + monomial, key=lambda atom: atom.key))
                work[place] = work.get(place, 0) - times * other
                if not work[place]:
                    del work[place]
    return _from_terms(quotient), _from_terms(remainder)


def _cofactor(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """`monomial / divisor`, or None where it does not divide."""
    left = list(monomial)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _floor_of_reduced(r: DimLike, d: DimLike) -> DimLike:
    constant = _constant_quotient(r, d)
    if constant is not None:
        return constant
    factor, smaller_r, smaller_d = _without_common_factor(r, d)
    if factor != 1:
        return _floor_divide(smaller_r, smaller_d)
    inner = _single_floor_division(r)
    if inner is not None:
        # floor(floor(x/a) + c) / d) = floor((x + a*c) / (a*d)) for positive integers a, d.
        (x, a), c = inner
        return _floor_divide(x + a * c, a * d)
    return _from_terms({(Opaque("//", (r, d)),): 1})


def _modulo_of_reduced(r: DimLike, d: DimLike) -> DimLike:
    constant = _constant_quotient(r, d)
    if constant is not None:
        return r - d * constant
    factor, smaller_r, smaller_d = _without_common_factor(r, d)
    if factor != 1:
        return factor * _modulo(smaller_r, smaller_d) + (r - factor * smaller_r)
    opened = _open_inner_modulos(r, d)
    if opened is not r:
        return _modulo(opened, d)
    return _from_terms({(Opaque("%", (r, d)),): 1})


def _constant_quotient(r: DimLike, d: DimLike) -> int | None:
    lo, hi = _quotient_interval(bounds(r), bounds(d))
    if lo == hi:
        return lo
    if lo <= 0 <= hi and always_less_equal(0, r) and always_less_equal(r + 1, d):
        return 0
    if lo <= -1 <= hi and always_less_equal(r, -1) and always_less_equal(-d, r):
        return -1
    return None


def _quotient_interval(n: Interval, d: Interval) -> Interval:
    corners = [x // y for x in n for y in d]
    return min(corners), max(corners)


def _without_common_factor(r: DimLike, d: DimLike) -> tuple[DimLike, DimLike, DimLike]:
    """`f, r', d'` with `d == f*d'` and `0 <= r - f*r' < f`: the floor of the quotient stays.

    With a number as divisor the constant term of `r` is rounded down: `(4*B + 3)//8 == B//2`.
    """
    top, bottom = _terms_of(r), _terms_of(d)
    rounded = isinstance(d, int)
    kept = [c for monomial, c in top.items() if monomial or not rounded]
    content = math.gcd(*kept, *bottom.values())
    shared = _common_monomial([*top, *bottom])
    if content == 1 and not shared:
        return 1, r, d
    factor = _from_terms({shared: content})
    return factor, _scaled_down(top, shared, content), _scaled_down(bottom, shared, content)


def _scaled_down(terms: Terms, shared: Monomial, content: int) -> DimLike:
    smaller: Terms = {}
    for monomial, coefficient in terms.items():
        cofactor = _cofactor(monomial, shared)
        assert cofactor is not None
        smaller[cofactor] = coefficient // content
    return _from_terms(smaller)


def _common_monomial(monomials: Sequence[Monomial]) -> Monomial:
    shared = list(monomials[0])
    for monomial in monomials[1:]:
        left, still = list(monomial), []
        for atom in shared:
            if atom in left:
                left.remove(atom)
                still.append(atom)
        shared = still
    return tuple(shared)


def _single_floor_division(r: DimLike) -> tuple[tuple[DimLike, DimLike], int] | None:
    """`(x, a), c` where `r` is `x//a + c`."""
    terms = _terms_of(r)
    constant = terms.pop((), 0)
    if len(terms) != 1:
        return None
    ((monomial, coefficient),) = terms.items()
    if coefficient != 1 or len(monomial) != 1:
        return None
    atom = monomial[0]
    if not isinstance(atom, Opaque) or atom.kind != "//":
        return None
    return (atom.arguments[0], atom.arguments[1]), constant


def _open_inner_modulos(r: DimLike, d: DimLike) -> DimLike:
    """`r` with `c*(n % a)` replaced by `c*n` wherever `d` divides `c*a`: equal modulo `d`."""
    opened = r
    for monomial, coefficient in _terms_of(r).items():
        for atom in monomial:
            if isinstance(atom, Opaque) and atom.kind == "%":
                numerator, inner = atom.arguments
                rest = list(monomial)
                rest.remove(atom)
                cofactor = _from_terms({tuple(rest): coefficient})
                if _long_division(cofactor * inner, d)[1] == 0:
                    opened = opened - cofactor * (_from_terms({(atom,): 1}) - numerator)
                    break
    return opened


def ceil_div(a: DimLike, b: DimLike) -> DimLike:
    """`a / b` rounded up.

    >>> ceil_div(variable("B", 1, 64), 8), ceil_div(9, 8)
    ((B + 7)//8, 2)
    """
    if bounds(b)[1] < 0:
        return -_floor_divide(a, -b)
    return _floor_divide(a + b - 1, b)


def divides(n: DimLike, d: DimLike) -> bool:
    """Whether `d` is proved to divide `n`; False means unknown or no."""
    return isinstance(rest := _modulo(n, d), int) and rest == 0


def product(shape: Iterable[DimLike]) -> DimLike:
    """The number of elements of a shape."""
    total: DimLike = 1
    for d in shape:
        total = total * d
    return total


# Maximum and minimum.


def maximum(*dims: DimLike) -> DimLike:
    """The largest of one or more dimensions; those that never win are dropped."""
    return _extremum("max", dims)


def minimum(*dims: DimLike) -> DimLike:
    """The smallest of one or more dimensions; those that never win are dropped."""
    return _extremum("min", dims)


def _extremum(kind: Literal["max", "min"], dims: Sequence[DimLike]) -> DimLike:
    if not dims:
        raise DimensionError(
            f"{kind} of no dimensions", code="dim-empty", hint="give one dimension at least"
        )
    flat = sorted({x for d in dims for x in _operands(kind, d)}, key=sort_key)
    kept: list[DimLike] = []
    for candidate in flat:
        if any(_loses(kind, candidate, other) for other in kept):
            continue
        kept = [other for other in kept if not _loses(kind, other, candidate)]
        kept.append(candidate)
    if len(kept) == 1:
        return kept[0]
    return _from_terms({(Opaque(kind, tuple(kept)),): 1})


def _operands(kind: OpaqueKind, d: DimLike) -> Shape:
    if isinstance(d, Dim) and len(d.terms) == 1:
        monomial, coefficient = d.terms[0]
        if coefficient == 1 and len(monomial) == 1:
            atom = monomial[0]
            if isinstance(atom, Opaque) and atom.kind == kind:
                return atom.arguments
    return (d,)


def _loses(kind: Literal["max", "min"], a: DimLike, b: DimLike) -> bool:
    return always_less_equal(a, b) if kind == "max" else always_less_equal(b, a)


# Bounds and proofs.


def bounds(d: DimLike) -> Interval:
    """A range that holds every value of `d`: exact for affine expressions, sound for all.

    >>> A, B = variable("A", 1, 4), variable("B", 1, 4)
    >>> bounds(A * B - A), bounds((B + 7) // 8 * 8 - B)
    ((0, 12), (0, 7))
    """
    if not isinstance(d, Dim):
        return d, d
    if d._bounds is None:
        found = _lower_bound(d, _ELIMINATIONS), -_lower_bound(-d, _ELIMINATIONS)
        object.__setattr__(d, "_bounds", found)
    known: Interval = d._bounds
    return known


def _lower_bound(p: DimLike, eliminations: int) -> int:
    if isinstance(p, int):
        return p
    best = _box_lower(_terms_of(p))
    if eliminations:
        for atom in _opaque_atoms(p):
            found = _eliminate(p, atom, eliminations - 1)
            if found is not None:
                best = max(best, found)
    return best


def _opaque_atoms(p: Dim) -> list[Opaque]:
    found = {atom for monomial, _ in p.terms for atom in monomial if isinstance(atom, Opaque)}
    return sorted(found, key=lambda atom: atom.key)


def _box_lower(terms: Terms) -> int:
    """Smallest value over independent atoms, where monotone in an atom taken at its end."""
    if any(len(monomial) > 1 for monomial in terms):
        for atom in dict.fromkeys(atom for monomial in terms for atom in monomial):
            lo, hi = _terms_interval(_derivative(terms, atom))
            if lo >= 0 or hi <= 0:
                end = atom.interval[0] if lo >= 0 else atom.interval[1]
                return _box_lower(_with_value(terms, atom, end))
    return _terms_interval(terms)[0]


def _derivative(terms: Terms, atom: Atom) -> Terms:
    result: Terms = {}
    for monomial, coefficient in terms.items():
        power = monomial.count(atom)
        if power:
            lowered = list(monomial)
            lowered.remove(atom)
            place = tuple(lowered)
            result[place] = result.get(place, 0) + coefficient * power
    return result


def _with_value(terms: Terms, atom: Atom, value: int) -> Terms:
    result: Terms = {}
    for monomial, coefficient in terms.items():
        place = tuple(other for other in monomial if other != atom)
        power = len(monomial) - len(place)
        result[place] = result.get(place, 0) + coefficient * value**power
    return result


def _terms_interval(terms: Terms) -> Interval:
    total_lo = total_hi = 0
    for monomial, coefficient in terms.items():
        lo, hi = _monomial_interval(monomial)
        if coefficient < 0:
            lo, hi = hi, lo
        total_lo += coefficient * lo
        total_hi += coefficient * hi
    return total_lo, total_hi


def _monomial_interval(monomial: Monomial) -> Interval:
    lo = hi = 1
    for atom in dict.fromkeys(monomial):
        power = monomial.count(atom)
        ends = [end**power for end in atom.interval]
        if power % 2 == 0 and atom.interval[0] < 0 < atom.interval[1]:
            ends.append(0)
        corners = [x * y for x in (lo, hi) for y in (min(ends), max(ends))]
        lo, hi = min(corners), max(corners)
    return lo, hi


def _eliminate(p: Dim, atom: Opaque, eliminations: int) -> int | None:
    """A lower bound of `p = cofactor*atom + rest` from what defines the atom."""
    if any(monomial.count(atom) > 1 for monomial, _ in p.terms):
        return None
    cofactor = _from_terms(_derivative(_terms_of(p), atom))
    rest = _from_terms(_with_value(_terms_of(p), atom, 0))
    if atom.kind == "%":
        n, d = atom.arguments
        return _lower_bound(cofactor * (n - d * (n // d)) + rest, eliminations)
    lo, hi = _terms_interval(_terms_of(cofactor))
    if lo < 0 < hi:
        return None
    if atom.kind == "//":
        return _lower_by_quotient(atom, cofactor, rest, lo >= 0, eliminations)
    found = [_lower_bound(cofactor * a + rest, eliminations) for a in atom.arguments]
    return max(found) if (atom.kind == "max") == (lo >= 0) else min(found)


def _lower_by_quotient(
    atom: Opaque, cofactor: DimLike, rest: DimLike, grows: bool, eliminations: int
) -> int:
    # n - d + 1 <= d*(n//d) <= n, with d > 0; the proof bounds d*p and divides by d.
    n, d = atom.arguments
    end = n - d + 1 if grows else n
    scaled = _lower_bound(cofactor * end + d * rest, eliminations)
    return min(-(-scaled // x) for x in bounds(d))


def always_less_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a <= b` is proved for all values of the variables; False means unknown or no."""
    return bounds(b - a)[0] >= 0


def always_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a == b` is proved for all values of the variables; False means unknown or no."""
    return a == b or bounds(a - b) == (0, 0)


def never_equal(a: DimLike, b: DimLike) -> bool:
    """Whether `a != b` is proved for all values of the variables; False means unknown or no."""
    difference = a - b
    lo, hi = bounds(difference)
    if lo > 0 or hi < 0:
        return True
    terms = _terms_of(difference)
    constant = terms.pop((), 0)
    return bool(terms) and constant % math.gcd(*terms.values()) != 0


# Values.


def variables(d: DimLike) -> dict[str, Dim]:
    """The variables that `d` depends on, by name and in the order of their names."""
    if not isinstance(d, Dim):
        return {}
    found = {}
    for name, atom in d._variables.items():
        dim = _from_terms({(atom,): atom.multiple})
        assert isinstance(dim, Dim)
        found[name] = dim
    return found


def evaluate(d: DimLike, values: Mapping[str, int]) -> int:
    """The value of `d`.

    Raises:
        DimensionError: a variable has no value, or one outside its range.
    """
    if not isinstance(d, Dim):
        return d
    for name, declared in d._variables.items():
        if name not in values:
            raise DimensionError(
                f"dimension {name} has no value, needed for {d}",
                code="dim-unbound",
                hint=f"give a value for {name} in {declared.range_text()}",
            )
        _check_value(declared, values[name])
    result = _rebuild(d, values)
    assert isinstance(result, int)
    return result


def _check_value(declared: Variable, value: int) -> None:
    if not declared.admits(value):
        raise DimensionError(
            f"dimension {declared.name} is {value}, expected {declared.range_text()}",
            code="dim-out-of-range",
            hint=f"use a value in the range, or widen the declaration of {declared.name}",
        )


def substitute(d: DimLike, values: Mapping[str, DimLike]) -> DimLike:
    """`d` with variables replaced, all at once.

    Raises:
        DimensionError: a replacement is not proved to stay in the range of its variable.
    """
    if not isinstance(d, Dim):
        return d
    for name, declared in d._variables.items():
        if name in values:
            _check_replacement(declared, values[name])
    return _rebuild(d, values)


def _check_replacement(declared: Variable, value: DimLike) -> None:
    if isinstance(value, int):
        _check_value(declared, value)
        return
    lo, hi = bounds(value)
    if lo < declared.lo or hi > declared.hi or not divides(value, declared.multiple):
        raise DimensionError(
            f"{value} is in {lo}..{hi}, and cannot stand for dimension {declared.name}, "
            f"which is {declared.range_text()}",
            code="dim-out-of-range",
            hint=f"narrow the dimensions in {value}, or widen the declaration of {declared.name}",
        )


def _rebuild(d: DimLike, values: Mapping[str, DimLike]) -> DimLike:
    """`d` computed again from its atoms; variables without a value stay."""
    if not isinstance(d, Dim):
        return d
    total: DimLike = 0
    for monomial, coefficient in d.terms:
        term: DimLike = coefficient
        for atom in monomial:
            term = term * _atom_value(atom, values)
        total = total + term
    return total


def _atom_value(atom: Atom, values: Mapping[str, DimLike]) -> DimLike:
    if isinstance(atom, Variable):
        if atom.name in values:
            return values[atom.name] // atom.multiple
        return _from_terms({(atom,): 1})
    arguments = [_rebuild(argument, values) for argument in atom.arguments]
    return _APPLY[atom.kind](*arguments)


_APPLY: dict[OpaqueKind, Callable[..., DimLike]] = {
    "//": operator.floordiv,
    "%": operator.mod,
    "max": maximum,
    "min": minimum,
}


# Binding at call time.


def solve(pattern: DimLike, value: int, known: Mapping[str, int]) -> dict[str, int] | None:
    """Values of the unknown variable of `pattern` that make it equal to `value`.

    Returns `{}` where nothing is unknown and the values agree, `{name: x}` where one unknown
    occurs linearly, and None where no integer (in or out of range) solves the equation.

    >>> solve(2 * variable("N", 1, 8) + 1, 9, {})
    {'N': 4}

    Raises:
        DimensionError: several unknowns, or one that does not occur linearly.
    """
    rest = substitute(pattern, known)
    if not isinstance(rest, Dim):
        return {} if rest == value else None
    if not _is_linear_in_one(rest):
        raise DimensionError(
            f"the value {value} of {pattern} does not determine {', '.join(rest._variables)}",
            code="dim-unsolvable",
            hint="use the name alone, or a multiple of it plus a number, in one of the shapes",
        )
    ((atom,), slope), *constant = rest.terms
    assert isinstance(atom, Variable)
    offset = constant[0][1] if constant else 0
    steps, odd = divmod(value - offset, slope)
    return None if odd else {atom.name: steps * atom.multiple}


def _is_linear_in_one(d: Dim) -> bool:
    atoms = [monomial for monomial, _ in d.terms if monomial]
    return len(atoms) == 1 and len(atoms[0]) == 1 and isinstance(atoms[0][0], Variable)


def bind(
    pattern: Sequence[DimLike],
    shape: Sequence[int],
    known: Mapping[str, int],
    subject: str = "the array",
) -> dict[str, int]:
    """`known` with the values that matching `shape` against `pattern` gives to its variables.

    Axes that determine a variable are read first, whatever their order, so that `[N*M, N]` binds.

    >>> bind((variable("B", 1, 4096), 64), (32, 64), {})
    {'B': 32}

    Raises:
        DimensionError: another rank, a value outside a range, or sizes that do not agree.
    """
    expected = "[" + ", ".join(map(to_text, pattern)) + "]"
    if len(pattern) != len(shape):
        raise DimensionError(
            f"{subject} has {len(shape)} dimensions {list(shape)}, expected {len(pattern)}: "
            f"{expected}",
            code="dim-rank",
            hint="reshape it, or change the declared shape",
        )
    found = dict(known)
    waiting = list(enumerate(zip(pattern, shape, strict=True)))
    while waiting:
        ready = [item for item in waiting if _is_solvable(item[1][0], found)]
        axis, (one, size) = (ready or waiting)[0]
        waiting.remove((axis, (one, size)))
        found |= _bind_axis(one, size, found, f"{subject} of shape {list(shape)}, axis {axis}")
    return found


def _is_solvable(pattern: DimLike, known: Mapping[str, int]) -> bool:
    rest = substitute(pattern, known)
    return not isinstance(rest, Dim) or _is_linear_in_one(rest)


def _bind_axis(
    pattern: DimLike, size: int, known: Mapping[str, int], place: str
) -> dict[str, int]:
    solved = solve(pattern, size, known)
    if solved is None:
        values = {name: known[name] for name in variables(pattern) if name in known}
        given = "".join(f", where {name} is {value}" for name, value in values.items())
        raise DimensionError(
            f"{place}: the size is {size}, expected {pattern}{given}",
            code="dim-mismatch",
            hint="give an array whose size agrees with the declared shape",
        )
    for name, value in solved.items():
        assert isinstance(pattern, Dim)
        declared = pattern._variables[name]
        if not declared.admits(value):
            raise DimensionError(
                f"{place}: dimension {name} is {value}, expected {declared.range_text()}",
                code="dim-out-of-range",
                hint=f"use a size in the range, or widen the declaration of {name}",
            )
    return solved


# Text.


def to_text(d: DimLike) -> str:
    """`d` as an expression of the language; `from_text` reads it back.

    >>> B = variable("B", 1, 64)
    >>> to_text(64 - B), to_text(maximum(B * 2, 16) + (B - 1) // 8)
    ('64 - B', 'max(B*2, 16) + (B + 7)//8 - 1')
    """
    if not isinstance(d, Dim):
        return str(d)
    if d._text is None:
        object.__setattr__(d, "_text", _sum_text(d))
    text: str = d._text
    return text


def _sum_text(d: Dim) -> str:
    items = list(d.terms)
    positive = next((i for i, item in enumerate(items) if item[1] > 0), 0)
    items.insert(0, items.pop(positive))
    text = _term_text(*items[0], leading=True)
    for monomial, coefficient in items[1:]:
        sign = " - " if coefficient < 0 else " + "
        text += sign + _term_text(monomial, abs(coefficient), leading=False)
    return text


def _term_text(monomial: Monomial, coefficient: int, leading: bool) -> str:
    negative = leading and coefficient < 0
    number = abs(coefficient)
    factors = []
    for atom in monomial:
        text, number = _factor_text(atom, number)
        factors.append(text)
    if number != 1 or not factors:
        factors.append(str(number))
    # `*`, `//` and `%` group to the left, so only later factors (and what follows a minus sign,
    # which binds more tightly) need parentheses.
    bare = 0 if negative else 1
    factors[bare:] = [_enclosed(f) for f in factors[bare:]]
    return ("-" if negative else "") + "*".join(factors)


def _enclosed(factor: str) -> str:
    is_name_or_call = factor.isidentifier() or factor.isdigit() or factor.startswith(("max(", "min("))
    return factor if is_name_or_call else f"({factor})"


def _factor_text(atom: Atom, number: int) -> tuple[str, int]:
    """Text of an atom, and the coefficient that is left beside it.

    The atom of a variable with a multiple `m` stands for `B//m`; a factor `g` of `m` found in the
    coefficient turns it into `B//(m/g)`, and into `B` when it is all of `m`.
    """
    if isinstance(atom, Variable):
        shared = math.gcd(number, atom.multiple)
        parts = atom.multiple // shared
        return atom.name if parts == 1 else f"{atom.name}//{parts}", number // shared
    texts = [to_text(argument) for argument in atom.arguments]
    if atom.kind in ("max", "min"):
        return f"{atom.kind}({', '.join(texts)})", number
    numerator, divisor = atom.arguments
    if isinstance(numerator, Dim) and len(numerator.terms) > 1:
        texts[0] = f"({texts[0]})"
    return f"{texts[0]}{atom.kind}{_enclosed(texts[1])}", number


def from_text(text: str, variables: Mapping[str, DimLike]) -> DimLike:
    """The dimension that an expression of integers, names, `+ - * // %`, `max` and `min` means.

    >>> from_text("(B + 7)//8 * 8", {"B": variable("B", 1, 64)})
    (B + 7)//8*8

    Raises:
        DimensionError: anything else in the text, an unknown name, or too long a text.
    """
    if len(text) > MAX_TEXT:
        raise _text_error(f"an expression of {len(text)} characters", f"the limit is {MAX_TEXT}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        result = _from_node(tree.body, variables)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _text_error(f"{text[:80]!r} is no expression ({error})", "write B*2 + 1") from error
    if isinstance(result, int) and abs(result).bit_length() > MAX_BITS:
        raise _text_error("a number is too large", f"the limit is {MAX_BITS} bits")
    return result


def _text_error(found: str, hint: str) -> DimensionError:
    return DimensionError(f"dimension: {found}", code="dim-text", hint=hint)


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], DimLike]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _modulo,
}


def _from_node(node: ast.expr, names: Mapping[str, DimLike]) -> DimLike:
    # Sums lean to the left: walking that spine in a loop keeps the recursion shallow.
    spine: list[ast.BinOp] = []
    while isinstance(node, ast.BinOp):
        spine.append(node)
        node = node.left
    value = _from_operand(node, names)
    for step in reversed(spine):
        function = _OPERATORS.get(type(step.op))
        if function is None:
            raise _text_error(f"operator {type(step.op).__name__}", "use + - * // % max min")
        value = function(value, _from_node(step.right, names))
    return value


def _from_operand(node: ast.expr, names: Mapping[str, DimLike]) -> DimLike:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name):
            known = ", ".join(sorted(names)) or "none"
            raise _text_error(f"unknown name {name!r}", f"declared dimensions: {known}")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_from_node(operand, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _from_node(operand, names)
        case ast.Call(func=ast.Name(id="max" | "min" as kind), args=[_, *_] as args, keywords=[]):
            return _APPLY[kind](*[_from_node(argument, names) for argument in args])
    raise _text_error(f"{ast.unparse(node)[:80]!r}", "use integers, names, + - * // % max min")
