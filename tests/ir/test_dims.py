"""Symbolic dimensions against brute force over every value of their variables."""

from __future__ import annotations

import copy
import gc
import itertools
import math
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from graphc.errors import DimensionError, TracedValueError
from graphc.ir import dims
from graphc.ir.dims import Dim, DimLike, dim, division, proofs, variable

RANGES = {
    "A": (1, 5, 1),
    "B": (2, 6, 1),
    "M": (-4, -1, 1),
    "N": (-3, 3, 1),
    "V": (4, 12, 4),
    "W": (6, 12, 6),
}
VARIABLES = {name: variable(name, *facts) for name, facts in RANGES.items()}
VALUES = {
    name: [v for v in range(lo, hi + 1) if v % m == 0] for name, (lo, hi, m) in RANGES.items()
}
A, B, M, N, V, W = VARIABLES.values()

# An expression tree as a person wrote it: an integer, a name, or an operator with operands.
Tree: TypeAlias = Any

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}
NUMBERS = st.integers(-9, 9) | st.sampled_from([12, 16, 64, -64, 100])
LEAVES = st.sampled_from([*RANGES, *RANGES]) | NUMBERS


def _divisors(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    positive = st.integers(1, 9) | st.sampled_from(["A", "B", "V", ("*", "A", "B"), ("+", "A", 3)])
    bounded = st.tuples(st.just("max"), st.integers(1, 3), trees)
    negative = st.tuples(st.just("-"), st.just(0), positive | bounded) | st.sampled_from(
        ["M", ("*", "M", "B")]
    )
    return positive | bounded | negative


def _branches(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return (
        st.tuples(st.sampled_from("+-*"), trees, trees)
        | st.tuples(st.sampled_from(["//", "%"]), trees, _divisors(trees))
        | st.tuples(st.sampled_from(["max", "min"]), trees, trees)
        | trees.map(lambda tree: ("*", tree, tree))
    )


TREES = st.recursive(LEAVES, _branches, max_leaves=9)

thorough = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def raw_value(tree: Tree, values: Mapping[str, int]) -> int:
    """What the tree means, by Python's own integers."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return values[tree]
    kind, *operands = tree
    numbers = [raw_value(operand, values) for operand in operands]
    return (
        {"max": max, "min": min}[kind](numbers)
        if kind in ("max", "min")
        else (OPERATORS[kind](*numbers))
    )


@contextmanager
def within_limits() -> Iterator[None]:
    """Passes over the rare random expression that outgrows the limit of size."""
    try:
        yield
    except DimensionError as error:
        if error.code != "dim-size":
            raise
        reject()


@within_limits()
def build(tree: Tree) -> DimLike:
    """The tree as a dimension."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return VARIABLES[tree]
    kind, left, right = tree
    operands = build(left), build(right)
    if kind in ("max", "min"):
        return (dims.maximum if kind == "max" else dims.minimum)(*operands)
    return OPERATORS[kind](*operands)


def names_in(*trees: Tree) -> set[str]:
    found: set[str] = set()
    for tree in trees:
        if isinstance(tree, str) and tree in RANGES:
            found.add(tree)
        elif isinstance(tree, tuple):
            found |= names_in(*tree[1:])
    return found


def parts_of(tree: Tree) -> Iterator[Tree]:
    yield tree
    if isinstance(tree, tuple):
        for part in tree[1:]:
            yield from parts_of(part)


def assignments(names: set[str]) -> Iterator[dict[str, int]]:
    ordered = sorted(names)
    for values in itertools.product(*(VALUES[name] for name in ordered)):
        yield dict(zip(ordered, values, strict=True))


@thorough
@given(TREES)
def test_normal_form_has_the_value_of_the_expression(tree: Tree) -> None:
    normal = build(tree)
    lo, hi = dims.bounds(normal)
    for values in assignments(names_in(tree)):
        expected = raw_value(tree, values)
        assert dims.evaluate(normal, values) == expected
        # Bounds are those of calls, whose sizes and what these divide fit in 64 bits.
        if all(abs(raw_value(part, values)) < 2**63 for part in parts_of(tree)):
            assert lo <= expected <= hi


@thorough
@given(TREES)
def test_a_dim_depends_on_a_name_and_anything_else_is_an_int(tree: Tree) -> None:
    normal = build(tree)
    names = set(dims.variables(normal))
    assert isinstance(normal, Dim) == bool(names)
    assert isinstance(normal, Dim) or type(normal) is int
    assert names <= names_in(tree)


@thorough
@given(TREES)
def test_text_reads_back_as_the_same_dim(tree: Tree) -> None:
    normal = build(tree)
    text = str(normal)
    again = dims.from_text(text, VARIABLES)
    assert again is normal or again == normal
    for values in itertools.islice(assignments(names_in(tree)), 8):
        python = eval(text, {"__builtins__": {}, "max": max, "min": min}, values)
        assert python == raw_value(tree, values)


@thorough
@given(TREES, TREES)
def test_proofs_hold_for_all_values(left: Tree, right: Tree) -> None:
    a, b = build(left), build(right)
    pairs = [
        (raw_value(left, values), raw_value(right, values))
        for values in assignments(names_in(left, right))
    ]
    if a == b or dims.always_equal(a, b):
        assert all(x == y for x, y in pairs)
    if dims.always_less_equal(a, b):
        assert all(x <= y for x, y in pairs)
    if dims.never_equal(a, b):
        assert all(x != y for x, y in pairs)
    if all(y != 0 for _, y in pairs):
        try:
            proved = dims.divides(a, b)
        except DimensionError:
            return
        assert not proved or all(x % y == 0 for x, y in pairs)


@thorough
@given(TREES, st.dictionaries(st.sampled_from([*RANGES]), TREES, max_size=3))
@within_limits()
def test_substitution_commutes_with_evaluation(tree: Tree, replaced: dict[str, Tree]) -> None:
    trees = {}
    for name, inner in replaced.items():
        lo, hi, multiple = RANGES[name]
        clamped = ("max", -(-lo // multiple), ("min", hi // multiple, inner))
        trees[name] = ("*", multiple, clamped)
    result = dims.substitute(build(tree), {name: build(inner) for name, inner in trees.items()})
    for values in assignments(names_in(tree, *trees.values())):
        inner = {name: raw_value(one, values) for name, one in trees.items()}
        assert dims.evaluate(result, values) == raw_value(tree, values | inner)


@thorough
@given(TREES, TREES, TREES)
@within_limits()
def test_equal_polynomials_are_one_object(x: Tree, y: Tree, z: Tree) -> None:
    a, b, c = build(x), build(y), build(z)
    assert _same(a + b, b + a)
    assert _same(a * b, b * a)
    assert _same((a + b) + c, a + (b + c))
    assert _same((a * b) * c, a * (b * c))
    assert _same(a * (b + c), a * b + a * c)
    assert _same(a - a, 0)
    assert _same(0 - (-a), a)
    assert _same(dims.maximum(a, b), dims.maximum(b, a))
    assert _same(dims.minimum(a, a), a)


def _same(a: DimLike, b: DimLike) -> bool:
    return a is b or (type(a) is type(b) is int and a == b)


@thorough
@given(st.dictionaries(st.sampled_from([*RANGES]), NUMBERS, max_size=3), NUMBERS)
def test_bounds_of_affine_expressions_are_exact(slopes: dict[str, int], constant: int) -> None:
    affine = sum((VARIABLES[name] * slope for name, slope in slopes.items()), start=constant)
    found = [dims.evaluate(affine, values) for values in assignments(set(slopes))]
    assert dims.bounds(affine) == (min(found), max(found))


OPAQUE = st.sampled_from(
    [("//", "A", 3), ("%", "B", 4), ("max", "A", "B"), ("min", "A", "B"), ("//", "N", 2)]
)
FACTORS = st.sampled_from([1, -2, 3, "A", "M", "N"])


@thorough
@given(
    st.lists(st.tuples(FACTORS, OPAQUE, OPAQUE | st.just(1)), min_size=1, max_size=3),
    st.tuples(FACTORS, st.sampled_from([0, "A", "B", "N"])),
)
def test_bounds_of_opaque_atoms_under_factors_are_sound(
    parts: list[tuple[Tree, Tree, Tree]], linear: tuple[Tree, Tree]
) -> None:
    tree: Tree = ("*", *linear)
    for factor, left, right in parts:
        tree = ("+", tree, ("*", factor, ("*", left, right)))
    lo, hi = dims.bounds(build(tree))
    found = [raw_value(tree, values) for values in assignments(names_in(tree))]
    assert lo <= min(found)
    assert max(found) <= hi


WIDE = {
    "B": variable("B", 1, 4096),
    "A": variable("A", 1, 100),
    "V": variable("V", 8, 4096, 8),
    "W": variable("W", 6, 600, 6),
    "M": variable("M", -9, -1),
    "N": variable("N", -50, 50),
}
NORMAL_FORMS = {
    "(6*B)//B": "6",
    "(B*64)//64": "B",
    "(B*64)%64": "0",
    "(8*B + 3)//8": "B",
    "(8*B + 3)%8": "3",
    "(4*B + 3)//8": "B//2",
    "(4*B + 3)%8": "B%2*4 + 3",
    "(B - 1)//8": "(B + 7)//8 - 1",
    "B//4//2": "B//8",
    "(B//4 + 3)//2": "(B + 4)//8 + 1",
    "B%16%4": "B%4",
    "(B%16 + A)%4": "(A + B)%4",
    "(A*B)//(A*8)": "B//8",
    "(N*B)//(N*N + 1)": "B*N//(N*N + 1)",
    "(B*B - 1)//(B + 1)": "B - 1",
    "(A*B + A)%A": "0",
    "B//-8": "-B//8",
    "3//(B + 3)": "0",
    "-3//(B + 2)": "-1",
    "B//5000": "0",
    "B%5000": "B",
    "(B - 4096)//5000": "(B + 904)//5000 - 1",
    "V%8": "0",
    "V//8*8": "V",
    "V//16": "V//16",
    "(V + 15)//16": "(V + 8)//16",
    "V//2": "V//2",
    "(V + W)//24": "(V + W)//24",
    "(V//8 + W//6 + 1)//5": "(V*3 + W*4 + 24)//120",
    "(A*M)//(M*B)": "A//B",
    "(A*M)%(M*B)": "M*(A%B)",
    "V*V//64": "V//8*(V//8)",
    "(V + 4)%8": "4",
    "B + B*B + 1 - B": "B*B + 1",
    "1 - B": "1 - B",
    "-B*3": "-B*3",
    "-(B//8)*3": "-(B//8)*3",
    "3*(B//8)": "B//8*3",
    "A*(B//8)*(B%3)": "A*(B%3)*(B//8)",
    "64 % B": "64%B",
    "(A + B)//(B + 1)": "(A - 1)//(B + 1) + 1",
    "max(B, 1)": "B",
    "max(A, max(B, 0), A)": "max(A, B)",
    "max(A, A + 1)": "A + 1",
    "min(B, 5000)": "B",
    "max(B, 7) // 2": "max(7, B)//2",
    "3 // max(A, B)": "3//max(A, B)",
    "B // (max(A, 3)//2)": "B//(max(3, A)//2)",
}


@pytest.mark.parametrize(("text", "normal"), NORMAL_FORMS.items())
def test_normal_forms(text: str, normal: str) -> None:
    found = dims.from_text(text, WIDE)
    assert str(found) == normal
    assert dims.from_text(normal, WIDE) == found


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("B//4*4 + B%4", "B"),
        ("B//4", "B//8*2 + B//4%2"),
        ("B - B%8", "B//8*8"),
        ("max(A, B) + min(A, B)", "A + B"),
        ("(A + 7*B)//8 - B", "(A - B)//8"),
    ],
)
def test_equalities_that_need_a_proof(a: str, b: str) -> None:
    left, right = dims.from_text(a, WIDE), dims.from_text(b, WIDE)
    assert dims.always_equal(left, right)
    assert dims.always_less_equal(left, right)
    assert not dims.never_equal(left, right)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("B", "(B + 7)//8*8"),
        ("(B + 7)//8*8", "B + 7"),
        ("A", "max(A, B)"),
        ("min(A, B)", "A"),
        ("A*B - A", "A*B - 1"),
        ("B%8", "B"),
        ("A", "A*B"),
        ("B//A*A", "B"),
    ],
)
def test_inequalities_that_need_a_proof(a: str, b: str) -> None:
    left, right = dims.from_text(a, WIDE), dims.from_text(b, WIDE)
    assert dims.always_less_equal(left, right)
    assert not dims.always_less_equal(right, left - 1) or dims.never_equal(left, right)


def test_never_equal_sees_parity_and_range() -> None:
    assert dims.never_equal(2 * A, 2 * B + 1)
    assert dims.never_equal(A, B + 4)
    assert dims.never_equal(3, 4)
    assert not dims.never_equal(A, B)
    assert not dims.never_equal(A, A)


def test_integers_stay_exact_beyond_every_machine_word() -> None:
    rows, columns = variable("rows", 1, 2**40), variable("columns", 1, 2**40)
    size = dims.product((rows, columns, 2**10))
    assert dims.bounds(size) == (2**10, 2**63 - 1)
    assert dims.evaluate(size, {"rows": 2**40 - 1, "columns": 3}) == (2**40 - 1) * 3 * 2**10
    assert size // 2**10 == rows * columns
    assert dims.bounds((rows + 2**70) // 2**35) == (2**35, 2**35 + 2**5)


def test_products_and_rounded_up_quotients() -> None:
    assert dims.product(()) == 1
    assert dims.product((A, 0, B)) == 0
    for a, b in itertools.product([-7, 0, 7, 8, A, N, V], [-3, 4, B, -B]):
        result = dims.ceil_div(a, b)
        names = set(dims.variables(a)) | set(dims.variables(b))
        for values in assignments(names):
            x, y = dims.evaluate(a, values), dims.evaluate(b, values)
            assert dims.evaluate(result, values) == -(-x // y)


JOINED = variable("i", -5, 18)
QUOTIENTS: dict[str, Callable[[DimLike, DimLike], DimLike]] = {
    "its own": lambda n, d: n // d,
    "moved": lambda n, d: n // d - 3,
    "with a stride": lambda n, d: A * 5 + n // d,
    "twice": lambda n, d: n // d * 2,
    "negated": lambda n, d: 7 - n // d,
    "cut off": lambda n, d: dims.minimum(n // d, 2),
    "of another number": lambda n, d: (n + 1) // d,
    "by another number": lambda n, d: n // (d + 1),
    "none": lambda n, d: 0,
    "undivided": lambda n, d: n,
}


@pytest.mark.parametrize("divisor", [1, 2, 7, 8, 25, A, V, A * B], ids=str)
def test_joined_is_the_sum_for_every_value(divisor: DimLike) -> None:
    """Of negative numbers, and where the divisor does not divide the size, too."""
    numbers = (JOINED, -JOINED, JOINED * 3 + 2, JOINED + V, JOINED * A, JOINED // 4)
    for number, (name, quotient_of) in itertools.product(numbers, QUOTIENTS.items()):
        quotient, remainder = quotient_of(number, divisor), number % divisor
        joined = dims.joined(quotient, remainder, divisor)
        if joined is quotient * divisor + remainder:
            continue
        used = {*dims.variables(quotient), *dims.variables(number), *dims.variables(divisor)}
        for place, values in itertools.product(range(-5, 19), assignments(used - {"i"})):
            given = {"i": place, **values}
            q, r, d = (dims.evaluate(one, given) for one in (quotient, remainder, divisor))
            assert dims.evaluate(joined, given) == q * d + r, (number, name)


def test_joined_undoes_division_beyond_every_machine_word() -> None:
    wide = variable("w", -(2**62), 2**62)
    assert dims.joined(wide // 2**40, wide % 2**40, 2**40) is wide
    assert dims.joined(wide // 2**40 + 2**70, wide % 2**40, 2**40) is wide + 2**110
    assert dims.joined(wide // 12, wide // 4 % 3, 3) is wide // 4


def test_variables_come_in_order_and_with_their_range() -> None:
    found = dims.variables(V * 2 + dims.maximum(B, A * N) // 3)
    assert list(found) == ["A", "B", "N", "V"]
    assert all(found[name] is VARIABLES[name] for name in found)
    assert dims.variables(7) == {}
    assert dims.bounds(variable("V2", 1, 100, 8)) == (8, 96)


def test_python_and_numpy_integers_stand_on_both_sides() -> None:
    assert 3 + A is A + 3
    assert 3 - A is -A + 3
    assert +A is A
    assert np.int64(3) * A is A * 3
    assert A * np.int64(3) is A * 3
    assert np.int32(7) // B is 7 // B
    assert type(A * np.int64(0)) is int
    for other in (1.0, "x", None):
        with pytest.raises(TypeError):
            A + other  # type: ignore[operator]


def test_a_dim_refuses_what_has_no_answer_at_build_time() -> None:
    for compare in (lambda: A < B, lambda: A <= 1, lambda: A > B, lambda: A >= 1):
        with pytest.raises(TracedValueError, match="is not known while the graph is built"):
            compare()
    for ask in (bool, int, float, complex, range, math.sqrt, [A].__getitem__):
        with pytest.raises(TracedValueError, match=r"the dim A .* while the graph is built"):
            ask(A)
    with pytest.raises(AttributeError, match="immutable"):
        A.terms = ()
    with pytest.raises(AttributeError, match="immutable"):
        del A.terms
    with pytest.raises(TypeError, match="variable"):
        Dim()
    assert A != 1
    assert A != "A"


def test_copies_and_pickles_are_the_same_object() -> None:
    for d in (A, dims.maximum(A, B) // 3 + V, N % 7):
        assert copy.copy(d) is d
        assert copy.deepcopy(d) is d
        assert pickle.loads(pickle.dumps(d)) is d


@pytest.mark.parametrize("divide", [lambda n, d: n // d, lambda n, d: n % d, dims.divides])
@pytest.mark.parametrize("divisor", [0, N, N * A, A - 1, B - A])
def test_possible_division_by_zero_is_refused(
    divide: Callable[[DimLike, DimLike], object], divisor: DimLike
) -> None:
    with pytest.raises(DimensionError, match="division by zero") as refused:
        divide(B, divisor)
    assert refused.value.code == "dim-zero-division"
    assert str(divisor) in refused.value.message


def test_one_name_with_two_ranges_is_refused() -> None:
    other = variable("A", 1, 7)
    for mix in (
        lambda: A + other,
        lambda: A * other,
        lambda: B // other * A,
        lambda: dims.maximum(A, other),
        lambda: (A // 2) * (other % 2),
        lambda: dims.substitute(A + B, {"B": dims.minimum(other + 1, 6)}),
    ):
        with pytest.raises(DimensionError, match=r"named A.*1\.\.(5|7)") as refused:
            mix()
        assert refused.value.code == "dim-conflict"
    assert dims.substitute(A + B, {"A": dims.minimum(other, 5)}) is B + dims.minimum(other, 5)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("B", 5, 4), "the range 5..4 is empty"),
        (("B", 9, 15, 8), "no multiple of 8 lies in 9..15"),
        (("B", 1, 4, 0), "multiple of 0"),
        (("B", 1, 2**63), "64 bits"),
        (("", 1, 2), "''"),
        (("1B", 1, 2), "1B"),
        (("max", 1, 2), "max"),
        (("for", 1, 2), "for"),
        (("ﬁ", 1, 2), "cannot name"),
    ],
)
def test_declarations_that_mean_nothing_are_refused(arguments: Any, found: str) -> None:
    with pytest.raises(DimensionError) as refused:
        variable(*arguments)
    assert found in refused.value.message
    assert refused.value.hint


def test_evaluation_and_substitution_stay_in_range() -> None:
    with pytest.raises(DimensionError, match="dimension A has no value"):
        dims.evaluate(A + 1, {"B": 2})
    for value in (0, 6, -1):
        with pytest.raises(DimensionError, match=rf"dimension A is {value}, expected 1\.\.5"):
            dims.evaluate(A + 1, {"A": value})
        with pytest.raises(DimensionError, match=rf"dimension A is {value}"):
            dims.substitute(A + 1, {"A": value})
    with pytest.raises(DimensionError, match=r"V is 6, expected 4\.\.12, a multiple of 4"):
        dims.evaluate(V, {"V": 6})
    with pytest.raises(DimensionError, match=r"B cannot stand for dimension A"):
        dims.substitute(A + 1, {"A": B})
    with pytest.raises(DimensionError, match=r"cannot stand for dimension V"):
        dims.substitute(V, {"V": B + 2})
    assert dims.substitute(V + A, {"V": 2 * V - V, "C": 7}) is V + A
    assert dims.substitute(A + B, {"A": B - 1, "B": 1 + A}) is A + B
    assert dims.substitute(3, {"A": 1}) == 3


@pytest.mark.parametrize(
    ("pattern", "value", "known", "expected"),
    [
        (5, 5, {}, {}),
        (5, 6, {}, None),
        (A, 3, {}, {"A": 3}),
        (A, 9, {}, None),
        (2 * A + 1, 7, {}, {"A": 3}),
        (2 * A, 7, {}, None),
        (-A + 6, 2, {}, {"A": 4}),
        (A * B, 12, {"B": 4}, {"A": 3}),
        (A * B, 12, {"A": 3, "B": 4}, {}),
        (A * B, 13, {"A": 3, "B": 4}, None),
        (V, 8, {}, {"V": 8}),
        (V, 6, {}, None),
        (V // 2, 4, {}, {"V": 8}),
        (N, -3, {}, {"N": -3}),
    ],
)
def test_solve(
    pattern: DimLike, value: int, known: dict[str, int], expected: dict[str, int] | None
) -> None:
    assert dims.solve(pattern, value, known) == expected


@pytest.mark.parametrize("pattern", [A * B, A + B, A * A, (A + 1) // 2, dims.maximum(A, B)])
def test_solve_refuses_what_one_size_does_not_determine(pattern: DimLike) -> None:
    with pytest.raises(DimensionError, match="does not determine A") as refused:
        dims.solve(pattern, 4, {})
    assert refused.value.code == "dim-unsolvable"


@thorough
@given(st.sampled_from([*RANGES]), st.integers(-9, 9).filter(bool), st.integers(-9, 9), st.data())
def test_solve_inverts_evaluation(name: str, slope: int, offset: int, data: st.DataObject) -> None:
    pattern = VARIABLES[name] * slope + offset
    value = data.draw(st.sampled_from(VALUES[name]))
    assert dims.solve(pattern, value * slope + offset, {}) == {name: value}


@pytest.mark.parametrize(
    ("pattern", "shape", "known", "expected"),
    [
        ((), (), {}, {}),
        ((B, 64), (3, 64), {}, {"B": 3}),
        ((A * B, A), (12, 3), {}, {"A": 3, "B": 4}),
        ((A * B, A + 1, (A + B) // 2), (12, 4, 3), {}, {"A": 3, "B": 4}),
        ((B, B), (3, 3), {"A": 1}, {"A": 1, "B": 3}),
        ((N, 0), (0, 0), {}, {"N": 0}),
    ],
)
def test_bind(
    pattern: tuple[DimLike, ...],
    shape: tuple[int, ...],
    known: dict[str, int],
    expected: dict[str, int],
) -> None:
    before = dict(known)
    assert dims.bind(pattern, shape, known) == expected
    assert known == before


@pytest.mark.parametrize(
    ("pattern", "shape", "known", "code", "found"),
    [
        ((B, 64), (3,), {}, "dim-rank", "x has 1 dimensions, [3], expected 2: [B, 64]"),
        ((B, 64), (3, 63), {}, "dim-mismatch", "x of shape [3, 63], axis 1: the size is 63"),
        ((B, B), (3, 4), {}, "dim-mismatch", "axis 1: the size is 4, expected B, where B is 3"),
        ((B,), (3,), {"B": 4}, "dim-mismatch", "the size is 3, expected B, where B is 4"),
        ((64, B), (64, 7), {}, "dim-out-of-range", "axis 1: dimension B is 7, expected 2..6"),
        ((2 * B,), (14,), {}, "dim-out-of-range", "dimension B is 7, expected 2..6"),
        ((2 * B,), (7,), {}, "dim-mismatch", "the size is 7, expected B*2, where B is 2..6"),
        ((V,), (6,), {}, "dim-mismatch", "6, expected V, where V is 4..12, a multiple of 4"),
        ((V,), (16,), {}, "dim-out-of-range", "V is 16, expected 4..12, a multiple of 4"),
        ((A * B,), (6,), {}, "dim-unsolvable", "A*B = 6 does not determine A and B"),
        ((A * B, A), (7, 3), {}, "dim-mismatch", "the size is 7, expected A*B, where A is 3"),
        ((A,), (3,), {"A": 9}, "dim-out-of-range", "A is 9"),
    ],
)
def test_bind_refuses_with_the_name_the_value_and_the_range(
    pattern: tuple[DimLike, ...],
    shape: tuple[int, ...],
    known: dict[str, int],
    code: str,
    found: str,
) -> None:
    with pytest.raises(DimensionError) as refused:
        dims.bind(pattern, shape, known, subject="x")
    assert refused.value.code == code
    assert found in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A +",
        "A / B",
        "A ** 2",
        "1.5",
        "True",
        "'A'",
        "C",
        "A.b",
        "A[0]",
        "f(A)",
        "max()",
        "max(A, key=B)",
        "max(*A)",
        "A if B else N",
        "A < B",
        "lambda: A",
        "not A",
        "~A",
        "A\x00",
        "A; B",
        "A // 0",
        "(" * 5000,
        "-" * 5000 + "A",
        "9" * 5000,
        "*".join(["9" * 300] * 10),
        "+".join(["A"] * 20_000),
        "*".join(["(A + B + N + V + 1)"] * 40),
        "//2 + A)" * 40,
    ],
    ids=lambda text: text[:20],
)
def test_text_that_is_no_dimension_is_refused(text: str) -> None:
    with pytest.raises(DimensionError) as refused:
        dims.from_text(text, VARIABLES)
    assert refused.value.hint


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from([*"AN()+-*/%,0128. \n", "max(", "min(", "//", "for", "=", ":"]), max_size=20
    ).map("".join)
)
def test_any_text_is_a_dimension_or_an_explained_error(text: str) -> None:
    try:
        found = dims.from_text(text, VARIABLES)
    except DimensionError as refused:
        assert refused.hint
    else:
        assert dims.from_text(str(found), VARIABLES) == found


def test_expressions_have_a_limit_of_size() -> None:
    def grow(step: Callable[[DimLike], DimLike]) -> None:
        d: DimLike = A
        for _ in range(1000):
            d = step(d)

    grows: list[Callable[[DimLike], DimLike]] = [
        lambda d: d * d,
        lambda d: d * (A + B + 1),
        lambda d: (d * 3 + B) // 7,
        lambda d: dims.maximum(d * 3, B * 40) % 97,
        lambda d: d * 2**60,
    ]
    for step in grows:
        with pytest.raises(DimensionError, match="a dimension is an expression of") as refused:
            grow(step)
        assert refused.value.code == "dim-size"


REMEMBERED = [
    dim.variable_dim, dim._add, dim._subtract, dim._multiply,
    division.floor_divide, division.modulo, proofs.always_less_equal,
]  # fmt: skip


def test_unused_expressions_are_forgotten() -> None:
    def forget() -> None:
        for function in REMEMBERED:
            function.cache_clear()
        gc.collect()

    forget()
    before = len(dim._interned)
    made = [A * i + B * (i + 1) + 12345 for i in range(1, 200)]
    assert len(dim._interned) >= before + 199
    del made
    forget()
    assert len(dim._interned) <= before + 2


def test_few_expressions_are_remembered() -> None:
    most = sum(function.cache_info().maxsize or 10**9 for function in REMEMBERED)
    assert most < 100_000
    for i in range(20_000):
        assert (A * i + B) // 7 is (A * i + B) // 7
    gc.collect()
    assert len(dim._interned) < 3 * most


def test_threads_get_the_same_objects() -> None:
    def make(seed: int) -> list[DimLike]:
        places = list(range(200))
        random.Random(seed).shuffle(places)
        made = {i: (A * (i + 2) + B * 7919) // (i % 5 + 3) for i in places}
        return [made[i] for i in range(200)]

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(make, range(8))
    assert all(a is b for other in others for a, b in zip(first, other, strict=True))


PROGRAM = """
from graphc.ir import dims
names = {n: dims.variable(n, 1, 50 + i) for i, n in enumerate(["zeta", "Alpha", "mid", "B"])}
texts = ["zeta*Alpha - B//3*mid + 7", "max(B, mid, Alpha) - min(zeta, B, 9)%4",
         "(mid*zeta + B*Alpha*3)//(Alpha + 2)*zeta%11", "(B + mid)*(zeta - Alpha)*B"]
found = [dims.from_text(text, names) for text in texts]
for d in sorted(found, key=dims.sort_key):
    print(d, dims.bounds(d), list(dims.variables(d)))
"""


def test_order_and_text_do_not_depend_on_the_process() -> None:
    outputs = set()
    for seed in ("0", "1", "12345"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 4


@thorough
@given(st.lists(TREES, min_size=2, max_size=6))
def test_sort_key_orders_integers_and_dims_alike(trees: list[Tree]) -> None:
    made = [build(tree) for tree in trees]
    ordered = sorted(made, key=dims.sort_key)
    made.reverse()
    assert ordered == sorted(made, key=dims.sort_key)
    for a, b in itertools.combinations(ordered, 2):
        assert (dims.sort_key(a) == dims.sort_key(b)) == (a == b)


def test_divisors_whose_product_is_not_seen_to_be_positive():
    h, w, k, m = (
        dims.variable(*one) for one in (("H", 8, 99), ("W", 8, 99), ("K", 1, 7), ("M", 1, 7))
    )
    n = dims.variable("N", 0, 10**6)
    a, b = h - k + 1, k * (w - m + 1)
    found = n // a // b
    for values in ((12345, 8, 9, 7, 1), (999999, 31, 8, 3, 7), (0, 8, 8, 7, 7)):
        given = dict(zip("NHWKM", values, strict=True))
        expected = values[0] // dims.evaluate(a, given) // dims.evaluate(b, given)
        assert dims.evaluate(found, given) == expected
