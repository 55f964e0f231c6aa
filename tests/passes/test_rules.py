"""Every simplification rule: it fires on its examples, and both sides are equal bit for bit.

The operands are random numbers with the special values of their dtype among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.node import Node, topological
from graphc.ir.ops.contraction.matmul import matmul, widening_matmul
from graphc.ir.ops.control_flow import cond
from graphc.ir.ops.conversion import cast, converted
from graphc.ir.ops.creation.constants import full_like, number
from graphc.ir.ops.elementwise.arithmetic import add, divide, multiply, subtract
from graphc.ir.ops.elementwise.logic import where
from graphc.ir.ops.elementwise.transcendental import exp
from graphc.ir.ops.reductions.reduction import max_over, prod_over, sum_over
from graphc.ir.ops.structural import graph_input, input_
from graphc.ir.ops.views.shape import broadcast_to, permute_dims, reshape
from graphc.ir.ops.views.slicing import concat, pad, slice_
from graphc.passes.bodies import branch_graph
from graphc.passes.rules.casts import holds_all
from graphc.passes.rules.rule import Rule, identity
from graphc.passes.simplify import RULES, apply_rules
from tests.values import evaluate_nodes, random_array, same_bits, special_values


def inputs_of(node: Node) -> list[Node]:
    return [one for one in topological([node]) if one.op is input_]


def trials(node: Node, name: str) -> Iterator[dict[Node, np.ndarray]]:
    """Values for the inputs of an example: random, mixed with special ones, those alone, equal."""
    rng = np.random.default_rng(crc32(name.encode()))
    inputs = inputs_of(node)
    for special in (False, True, True, True, True, True):
        yield {one: random_array(one.tensor, rng, special=special) for one in inputs}
    for special in (False, True):
        by_type = {one.type: random_array(one.tensor, rng, special=special) for one in inputs}
        yield {one: by_type[one.type] for one in inputs}
    for position in range(max((len(special_values(one.dtype)) for one in inputs), default=0)):
        yield {
            one: np.full(one.shape, nth(special_values(one.dtype), position + number))
            for number, one in enumerate(inputs)
        }


def nth(values: tuple[Any, ...], number: int) -> Any:
    return values[number % len(values)]


def test_names_are_distinct() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_has_examples(rule: Rule) -> None:
    assert any(True for _ in rule.examples())


def difference(rule: Rule) -> tuple[Node, dict[Node, np.ndarray]] | None:
    """An example with values on which the two sides of a rule differ, if one is found."""
    for before in rule.examples():
        assert not rule.ops or before.op in rule.ops
        after = rule.apply(before)
        assert after is not None and after is not before
        assert after.type is before.type
        for values in trials(before, rule.name):
            if rule.reorders:
                values = {one: without_overflow(array) for one, array in values.items()}
            expected, found = evaluate_nodes([before, after], values)
            same = same_to_rounding if rule.reorders else same_bits
            if not same(expected, found):
                return before, values
    return None


def without_overflow(array: np.ndarray) -> np.ndarray:
    """Whether a sum overflows on the way depends on its order, and so does what inf makes of i."""
    if array.dtype.kind == "c":
        return np.where(np.isfinite(array) & (abs(array) < 100), array, 1).astype(array.dtype)
    if array.dtype.kind == "f":
        return np.where(np.isfinite(array) & (abs(array) > 100), 1, array).astype(array.dtype)
    return array


def same_to_rounding(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether sums of the same few terms agree, up to the order in which they were added."""
    if a.dtype.kind in "biu":
        return same_bits(a, b)
    # Six products of numbers up to 2 cancel to no less than a few units in the last place of 4.
    tolerance = 16 * dtypes.from_numpy(a.dtype).epsilon
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    return a.dtype == b.dtype and np.allclose(
        a.astype(wide), b.astype(wide), rtol=tolerance, atol=tolerance, equal_nan=True
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_fires_and_keeps_every_bit(rule: Rule) -> None:
    assert difference(rule) is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("x + 0.0 => x", ["float"]),
        ("x * 0.0 => 0.0", ["float"]),
        ("x - x => 0.0", ["float"]),
        ("x / x => 1", ["float"]),
        ("0.0 - x => -x", ["float"]),
        ("-(x - y) => y - x", ["float"]),
        ("x * 1 => x", ["complex"]),
        ("x == x => True", ["float"]),
        ("logical_not(x < y) => x >= y", ["float"]),
        ("(x + y) - y => x", ["float"]),
        ("abs(-x) => abs(x)", ["unsigned"]),
        ("abs(x) => x", ["signed"]),
        ("where(p, x, y) => where(p, y, x)", ["float"]),
        ("logical_xor(p, q) => logical_or(p, q)", []),
    ],
)
def test_rules_that_do_not_hold_are_found_out(text: str, kinds: list[str]) -> None:
    assert difference(identity(text, kinds)) is not None


F32, I32, F16, BF16 = dtypes.f32, dtypes.i32, dtypes.f16, dtypes.bf16
X, Y = (graph_input(name, F32, (3,)) for name in "xy")


# -- what only looks as if a rule were for it -----------------------------------------------------


def of(dtype: DType, *shape: DimLike, name: str = "x") -> Node:
    return graph_input(name, dtype, shape)


def quotients() -> Iterator[Node]:
    """Divisors that are no power of two, or whose inverse is no normal number."""
    for dtype in dtypes.computable():
        if dtype.kind == "float":
            largest = 2.0 ** (math.frexp(dtype.maximum_value)[1] - 1)
            for value in (3.0, 0.0, -0.0, math.inf, math.nan, largest, dtype.smallest_normal / 8):
                yield divide(of(dtype, 3), full_like(of(dtype, 3), value))


def sums_of(
    first: tuple[int, ...],
    second: tuple[int, ...],
    shape: tuple[int, ...] = (2, 3, 4),
    axes: tuple[int, ...] = (2,),
    dtype: DType = F32,
) -> Node:
    """Two tensors broadcast to one shape, multiplied and summed."""
    a, b = of(dtype, *first, name="a"), of(dtype, *second, name="b")
    return sum_over(multiply(*(broadcast_to(one, shape=shape) for one in (a, b))), axes=axes)


def products() -> Iterator[Node]:
    """Of operands that are not both widened from one dtype, to the one that they are summed in."""
    narrow, other = of(F16, 2, 2), of(BF16, 2, 2)
    yield matmul(cast(narrow, dtype=F32), cast(other, dtype=F32))
    yield matmul(cast(narrow, dtype=F32), of(F32, 2, 2))
    yield matmul(of(F32, 2, 2), cast(narrow, dtype=F32))
    yield matmul(cast(narrow, dtype=dtypes.f64), cast(narrow, dtype=dtypes.f64))
    yield matmul(cast(of(F32, 2, 2), dtype=dtypes.f64), cast(of(F32, 2, 2), dtype=dtypes.f64))
    for dtype in (dtypes.i16, F32):
        yield matmul(*(cast(of(dtype, 2, 2), dtype=F32) for _ in range(2)))


def constants() -> Iterator[Node]:
    one = number(1.0, F32)
    yield add(one, of(F32))
    either = branch_graph("either", [], [one])
    yield cond(number(True, dtypes.bool_), then=either, otherwise=either)
    yield filled(1.0)
    yield where(number(True, dtypes.bool_), one, of(F32))


def empty_slice() -> Node:
    """Along an axis of which no element may be left, every third one of which was taken."""
    count = dims.variable("B", 0, 4)
    return slice_(
        slice_(of(F32, 12), start=(0,), stop=(12,), step=(3,)),
        start=(0,), stop=(count,), step=(1,),
    )  # fmt: skip


def added(x: Node, *shape: DimLike) -> Node:
    return reshape(x, shape=shape)


NEAR_MISSES: dict[str, Callable[[], Iterable[Node]]] = {
    "x / 2**n => x * 2**-n": quotients,
    "op(constants) => constant": constants,
    "op(filled) => filled": lambda: (
        add(of(F32), of(F32, name="y")),
        add(X, filled(1.0)),
        sum_over(filled(1.0), axes=(0,)),
    ),
    "cast after a cast that loses nothing": lambda: (
        cast(cast(of(dtypes.from_name(source), 3), dtype=between), dtype=target)
        for source, between, target in (
            ("f32", F16, F32),
            ("f16", BF16, F32),
            ("bf16", F16, F32),
            ("f32", I32, F32),
            ("i32", F32, I32),
            ("u8", dtypes.i8, I32),
            ("i8", dtypes.u16, I32),
            ("i32", dtypes.bool_, I32),
            ("f32", dtypes.f8e5m2, F32),
            ("f8e4m3", dtypes.f8e5m2, F32),
            ("f8e5m2", dtypes.f8e4m3, F32),
            # Floats saturate where whole numbers wrap.
            ("i8", F32, dtypes.u8),
            ("u64", dtypes.f64, dtypes.i64),
        )
    ),
    "view of a filled tensor": lambda: (reshape(of(F32, 2, 3), shape=(3, 2)),),
    "permutation that keeps the order": lambda: (permute_dims(of(F32, 2, 3), axes=(1, 0)),),
    "permutation of added axes of size 1": lambda: (
        permute_dims(added(of(F32, 6), 2, 3), axes=(1, 0)),
        permute_dims(added(of(F32, 6), 2, 1, 3), axes=(2, 0, 1)),
        permute_dims(added(of(F32, 2, 1, 3), 2, 3), axes=(1, 0)),
    ),
    "broadcast of new leading axes": lambda: (
        broadcast_to(added(of(F32, 3, 1), 1, 3), shape=(2, 3)),
        broadcast_to(added(of(F32, 3), 3, 1), shape=(3, 2)),
        broadcast_to(added(of(F32, 1, 2, 2), 2, 2), shape=(3, 2, 2)),
    ),
    "slice of everything": lambda: (
        slice_(of(F32, 3), start=(0,), stop=(3,), step=(2,)),
        slice_(of(F32, 3), start=(1,), stop=(3,), step=(1,)),
        slice_(of(F32, 3), start=(0,), stop=(2,), step=(1,)),
    ),
    "pad by nothing": lambda: (
        pad(of(F32, 3), before=(0,), after=(1,), value=0.0),
        pad(of(F32, 3), before=(1,), after=(0,), value=0.0),
    ),
    "slice of slice": lambda: (empty_slice(),),
    "slice of pad": lambda: (
        slice_(pad(X, before=(2,), after=(2,)), start=(1,), stop=(4,), step=(1,)),
        slice_(pad(X, before=(2,), after=(2,)), start=(3,), stop=(6,), step=(1,)),
    ),
    "slice of concat": lambda: (
        slice_(concat(X, Y, axis=0), start=(2,), stop=(5,), step=(1,)),
    ),
    "pad of pad": lambda: (
        pad(pad(X, before=(1,), after=(0,), value=0.0), before=(1,), after=(0,), value=-0.0),
        pad(pad(X, before=(1,), after=(0,), value=0.0), before=(1,), after=(0,), value=1.0),
    ),
    "concat of concat": lambda: (
        concat(concat(of(F32, 2, 3), of(F32, 2, 3), axis=0), of(F32, 4, 1), axis=1),
    ),
    "elementwise node of added axes of size 1": lambda: (
        add(added(X, 1, 3), of(F32, 1, 3)),
        exp(added(of(F32, 6), 2, 3)),
        exp(added(of(F32, 1, 3), 3)),
        add(added(of(F32, 1, 3), 1, 1, 3), added(X, 1, 1, 3)),
    ),
    "fold over some axes of size 1": lambda: (
        sum_over(of(F32, 2, 3), axes=(1,)),
        sum_over(of(F32, 1, 1), axes=(0, 1)),
    ),
    "fold over axes of size 1 alone": lambda: (
        prod_over(of(dtypes.c64, 1, 2), axes=(0,)),
        max_over(of(F32, 1, 2), axes=(0, 1)),
    ),
    "fold of fold": lambda: (
        sum_over(sum_over(of(F32, 2, 3), axes=(0,)), axes=(0,)),
        max_over(sum_over(of(I32, 2, 3), axes=(0,)), axes=(0,)),
    ),
    "fold of a filled tensor": lambda: (
        sum_over(filled(0.1), axes=(0,)),
        prod_over(full_like(of(I32, 3), 2), axes=(0,)),
        max_over(broadcast_to(of(F32), shape=(dims.variable("B", 0, 8),)), axes=(0,)),
        max_over(filled(1.0), axes=()),
        max_over(X, axes=(0,)),
    ),
    "sum of a product is a matrix product": lambda: (
        sums_of((2, 1, 4), (3, 4), dtype=F16),
        sums_of((2, 1, 4), (3, 1)),
        sums_of((2, 1, 1), (3, 1)),
        sums_of((2, 3, 4), (3, 4)),
        sums_of((2, 1, 4), (2, 1, 4)),
        sums_of((2, 1, 4, 5), (3, 4, 1), (2, 3, 4, 5), (2, 3)),
        sums_of((2, 1, 4, 1), (3, 4, 1), (2, 3, 4, 5), (2,)),
        sum_over(add(of(F32, 2, 3), of(F32, 2, 3, name="y")), axes=(1,)),
    ),
    "transposed product": lambda: (
        permute_dims(matmul(of(F32, 2, 3, 4), of(F32, 2, 4, 5)), axes=(1, 0, 2)),
        permute_dims(add(of(F32, 2, 3), of(F32, 2, 3, name="y")), axes=(1, 0)),
    ),
    "product of widened matrices": products,
    "rounded product of narrow matrices": lambda: (
        cast(widening_matmul(of(F16, 2, 2), of(F16, 2, 2)), dtype=BF16),
        cast(matmul(of(F32, 2, 2), of(F32, 2, 2)), dtype=F16),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_rule_leaves_what_only_looks_alike(name: str) -> None:
    (rule,) = (rule for rule in RULES if rule.name == name)
    for node in NEAR_MISSES[name]():
        assert not rule.ops or node.op in rule.ops
        assert rule.apply(node) is None, node


# -- the language of identities -------------------------------------------------------------------


def filled(value: float) -> Node:
    return full_like(X, value)


def test_numbers_tell_zeros_apart() -> None:
    rule = identity("x + -0.0 => x", ["float"])
    assert rule.apply(add(X, filled(-0.0))) is X
    assert rule.apply(add(filled(-0.0), X)) is X
    assert rule.apply(add(X, filled(0.0))) is None


def test_operands_of_ops_that_do_not_commute_keep_their_order() -> None:
    rule = identity("x - 0.0 => x", ["float"])
    assert rule.apply(subtract(X, filled(0.0))) is X
    assert rule.apply(subtract(filled(0.0), X)) is None


def test_a_variable_means_one_node() -> None:
    rule = identity("x - x => 0", ["float"])
    assert rule.apply(subtract(X, Y)) is None
    assert rule.apply(subtract(X, X)) is filled(0.0)


def test_kinds_are_kept_to() -> None:
    n = graph_input("n", I32, (3,))
    rule = identity("x + 0 => x", ["signed"])
    assert rule.apply(add(n, full_like(n, 0))) is n
    assert rule.apply(add(X, filled(0.0))) is None


@pytest.mark.parametrize("text", ["x => x", "x @ y => x", "f(x) => x"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(GraphcError):
        identity(text)


# -- casts ----------------------------------------------------------------------------------------


def test_holds_all_against_every_value() -> None:
    """Every value of a narrow dtype, through a wider one and back."""
    narrow = [d for d in dtypes.ALL if d.bits <= 16 and d.kind != "complex"]
    for source in narrow:
        bits = np.arange(2**source.bits).astype(f"u{source.itemsize}")
        every = bits % 2 == 1 if source.kind == "bool" else bits.view(source.numpy)
        for target in dtypes.ALL:
            if target.kind == "complex" or target is source:
                continue
            there = converted(every, target)
            back = converted(there, source)
            with np.errstate(all="ignore"):
                is_exact = same_bits(every, back) and same_bits(
                    converted(every, dtypes.f64), converted(there, dtypes.f64)
                )
            assert is_exact or not holds_all(target, source)
            if target.kind != "storage":
                assert is_exact is holds_all(target, source)


def test_rounding_casts_stay() -> None:
    for between in (dtypes.bf16, dtypes.f16, dtypes.i32, dtypes.f8e4m3):
        node = cast(cast(X, dtype=between), dtype=F32)
        assert apply_rules(node) is None
    assert apply_rules(cast(cast(X, dtype=dtypes.f64), dtype=F32)) is X
