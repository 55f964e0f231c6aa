"""Every simplification rule: it fires on its examples, and both sides are equal bit for bit.

The operands are random numbers with the special values of their dtype among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node, topological
from graphc.ir.ops.arithmetic import add, subtract
from graphc.ir.ops.conversion import cast, converted
from graphc.ir.ops.creation import full_like
from graphc.ir.ops.structural import graph_input, input_
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


# -- the language of identities -------------------------------------------------------------------

F32, I32 = dtypes.f32, dtypes.i32
X, Y = (graph_input(name, F32, (3,)) for name in "xy")


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
