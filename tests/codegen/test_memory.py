"""The memory plan: nothing that lives together overlaps, for any sizes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.codegen.memory import Lifetime, place

lifetimes = st.lists(
    st.builds(
        lambda nbytes, first, length: Lifetime(256 * nbytes, first, first + length),
        st.integers(0, 40),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=24,
)
often = settings(max_examples=300, deadline=None, derandomize=True)


def offsets_of(plan: list[tuple[int, ...]], sizes: list[int]) -> list[int]:
    """Offsets for some sizes: above whatever lies below."""
    known: dict[int, int] = {}

    def offset(i: int) -> int:
        if i not in known:
            known[i] = max((offset(j) + sizes[j] for j in plan[i]), default=0)
        return known[i]

    return [offset(i) for i in range(len(plan))]


def assert_apart(given_: list[Lifetime], offsets: list[int], sizes: list[int]) -> None:
    for i, one in enumerate(given_):
        for j, other in enumerate(given_[:i]):
            if one.overlaps(other):
                below = offsets[i] + sizes[i] <= offsets[j]
                assert below or offsets[j] + sizes[j] <= offsets[i], (i, j)


def greedy_peak(given_: list[Lifetime]) -> int:
    """The height of the greedy placement, found independently of the plan."""
    placed: list[tuple[int, Lifetime]] = []
    for one in sorted(given_, key=lambda lifetime: -lifetime.nbytes):
        taken = [(at, at + other.nbytes) for at, other in placed if one.overlaps(other)]
        starts = sorted([0, *(high for _, high in taken)])
        free = next(
            s for s in starts if all(s + one.nbytes <= low or high <= s for low, high in taken)
        )
        placed.append((free, one))
    return max((at + one.nbytes for at, one in placed), default=0)


@often
@given(lifetimes, st.randoms(use_true_random=False))
def test_what_lives_together_is_apart_for_any_sizes(given_: list[Lifetime], random) -> None:  # type: ignore[no-untyped-def]
    plan = place(given_)
    for scale in (0.0, 0.3, 1.0, 7.0):
        sizes = [int(one.nbytes * random.random() * scale) // 256 * 256 for one in given_]
        assert_apart(given_, offsets_of(plan, sizes), sizes)


@often
@given(lifetimes)
def test_the_peak_is_at_most_that_of_the_greedy_placement(given_: list[Lifetime]) -> None:
    plan = place(given_)
    sizes = [one.nbytes for one in given_]
    offsets = offsets_of(plan, sizes)
    peak = max((o + s for o, s in zip(offsets, sizes, strict=True)), default=0)
    assert peak <= greedy_peak([one for one in given_ if one.nbytes])
    for step in range(20):
        alive = sum(one.nbytes for one in given_ if one.first <= step <= one.last)
        assert peak >= alive


@often
@given(lifetimes)
def test_no_pair_is_kept_that_follows_from_others(given_: list[Lifetime]) -> None:
    plan = place(given_)
    below = [set(plan[i]) for i in range(len(plan))]

    def reaches(i: int, j: int) -> bool:
        return any(k == j or reaches(k, j) for k in below[i])

    for i, direct in enumerate(below):
        assert not any(reaches(k, j) for j in direct for k in direct if k != j), i


def test_a_plan_does_not_depend_on_sizes_that_are_equal() -> None:
    same = [Lifetime(512, 0, 3)] * 4
    assert place(same) == place([replace(one) for one in same]) == [(), (0,), (1,), (2,)]
