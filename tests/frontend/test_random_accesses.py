"""Random accesses of index notation: what is accepted reads elements that exist, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.ir.evaluate import evaluate
from graphc.library import library


@st.composite
def subscripts(draw: st.DrawFn) -> tuple[str, bool]:
    """An index expression in i, and whether it is a sum, which says how far i runs."""
    c, n = draw(st.integers(-2, 4)), draw(st.integers(1, 4))
    form = draw(st.sampled_from(("i", "i + c", "n*i + c", "c - i", "(i + c) // n", "(i + c) % n")))
    form = draw(st.sampled_from((form, "i*i % n", "abs(i - n)", "i // n * n")))
    is_sum = form in ("i", "i + c", "n*i + c", "c - i", "(i + c) // n")
    return form.replace("c", f"({c})").replace("n", str(n)), is_sum


GUARDS = ("", "i > 0", "i >= 2", "i < 3", "i != 0", "~(i == 0)", "(1 <= i) & (i <= 3)", "2 > i > 0")


@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), subscripts(), st.sampled_from(GUARDS)),
        min_size=1,
        max_size=3,
    ),
    st.none() | st.integers(0, 6),
)
@settings(max_examples=200, deadline=None)
def test_random_accesses_read_what_they_say(
    reads: list[tuple[str, tuple[str, bool], str]], stated: int | None
) -> None:
    arrays = {"x": np.arange(1.0, 5), "y": np.arange(11.0, 16), "z": np.arange(21.0, 29)}
    terms = [
        f"where({guard}, {name}[{index}], 0)" if guard else f"{name}[{index}]"
        for name, (index, _), guard in reads
    ]
    left = "o[i]" if stated is None else f"o[i: {stated}]"
    text = f"def f(x: f64[4], y: f64[5], z: f64[8]):\n    {left} = {' + '.join(terms)}\n"
    try:
        graph = elaborate(f"{text}    return o\nexport f = f\n", "f.gc", library()).exports["f"]
    except GraphcError as error:
        assert not_required(reads, stated, arrays), error.render()
        return
    ((found,), _) = evaluate(graph, list(arrays.values()))
    assert stated is None or len(found) == stated
    for i, value in enumerate(found):
        terms_found = [
            arrays[name][place(index, i)]
            for name, (index, _), guard in reads
            if holds(guard, i) and is_inside(arrays[name], place(index, i))
        ]
        read = [one for one in reads if holds(one[2], i)]
        assert len(terms_found) == len(read), f"{text} reads outside at i = {i}"
        assert value == sum(terms_found)
    if stated is None and not any(guard for _, _, guard in reads):
        assert not fits_at(reads, len(found), arrays) or any(
            not is_sum for _, (_, is_sum), _ in reads
        )


def place(index: str, i: int) -> int:
    return int(eval(index, {"i": i, "abs": abs}))


def holds(guard: str, i: int) -> bool:
    return not guard or bool(eval(guard.replace("~", "not "), {"i": i}))


def is_inside(x: np.ndarray, index: int) -> bool:
    return 0 <= index < len(x)


def fits_at(reads: list[Any], i: int, arrays: dict[str, np.ndarray]) -> bool:
    """Whether every element that is read at i exists; guards count for sums alone."""
    return all(
        is_inside(arrays[name], place(index, i))
        for name, (index, is_sum), guard in reads
        if holds(guard, i) or not is_sum
    )


def not_required(reads: list[Any], stated: int | None, arrays: dict[str, np.ndarray]) -> bool:
    """Whether a statement may be refused: something is outside, disagrees, or is not said."""
    alone = {len(arrays[name]) for name, (index, _), _ in reads if index == "i"}
    if stated is not None:
        is_empty = not all(any(holds(guard, i) for i in range(stated)) for _, _, guard in reads)
        return is_empty or not all(fits_at(reads, i, arrays) for i in range(stated))
    if len(alone) > 1 or any(guard for _, _, guard in reads):
        return True
    limited = any(is_sum for _, (_, is_sum), _ in reads)
    return (
        not limited
        or not fits_at(reads, 0, arrays)
        or any(not is_sum for _, (_, is_sum), _ in reads)
    )


SYMBOLIC = (
    "i", "i + 1", "i - 1", "2*i + 1", "A - 1 - i", "A - i", "i + k", "2*i + k + 1", "i - k",
    "k - i", "(i + k) % A", "(i - 2) % A", "(i + 1) // 2", "(i + k) // 2", "i*k % A", "abs(i - k)",
    "A - 1 - k", "k", "(i + k) % 2", "i*A + k", "i*A // A", "minimum(i + k, A - 1)", "i // A",
    "A - 1 - i % A",
)  # fmt: skip
CONDITIONS = (
    "", "i > 0", "i + k < A", "i >= k", "(i >= k) & (i - k < A)", "i != A - 1", "k <= i < A - 1",
    "~(i == 0)", "(i > 0) & (2*i + k < A)", "(1 <= i) & ~(i + k >= A)", "A - i > k",
)  # fmt: skip
CODES = ("index-range", "index-extent", "shape-mismatch")


@given(
    st.lists(
        st.tuples(st.sampled_from("xy"), st.sampled_from(SYMBOLIC), st.sampled_from(CONDITIONS)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(("", ": A", ": A - 1", ": 2*A", ": 3", ": A // 2")),
    st.sampled_from(("", ": 2", ": A", ": A - 1")),
    st.integers(0, 4),
)
@settings(max_examples=200, deadline=None)
def test_what_is_accepted_for_a_dim_holds_for_its_sizes(
    reads: list[tuple[str, str, str]], free: str, reduced: str, least: int
) -> None:
    terms = [
        f"where({condition}, {name}[{index}], 0)" if condition else f"{name}[{index}]"
        for name, index, condition in reads
    ]
    lines = (
        f"dim A: {least}..5",
        "def f(x: f64[A], y: f64[A + 1]):",
        f"    o[i{free}] = sum[k{reduced}] ({' + '.join(terms)})",
        "    return o",
        "export f = f",
    )
    text = "".join(f"{line}\n" for line in lines)
    try:
        graph = elaborate(text, "f.gc", library()).exports["f"]
    except GraphcError as error:
        assert error.code in CODES, error.render()
        return
    for size in range(least, 6):
        arrays = {"x": np.arange(1.0, size + 1), "y": np.arange(11.0, size + 12)}
        ((found,), _) = evaluate(graph, list(arrays.values()))
        counts = {": 2": 2, ": A": size, ": A - 1": size - 1}
        for i, value in enumerate(found):
            expected = 0.0
            for k in range(counts.get(reduced, 0)):
                names: dict[str, Any] = {"abs": abs, "minimum": min}
                names |= zip("ikA", map(np.int64, (i, k, size)), strict=True)
                for name, index, condition in reads:
                    if not condition or eval(condition, names):
                        at_index = eval(index, names)
                        assert is_inside(arrays[name], at_index), f"{text} at {i}, {k}"
                        expected += arrays[name][at_index]
            assert value == expected or not reduced
