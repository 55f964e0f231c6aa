"""Launches of one kernel become one only where no order between them matters."""

from __future__ import annotations

import pytest

from graphc.codegen.merge_launches import merge_launches
from graphc.runtime.program import Alternative, Binding, LaunchStep


def launch(kernel: str, reads: str, writes: str) -> LaunchStep:
    """A launch over slots that letters stand for."""
    slots = tuple(map(ord, reads + writes))
    written = (False,) * len(reads) + (True,) * len(writes)
    return LaunchStep(
        (Alternative(kernel, (Binding(slots, (), 1),), written),), f"{reads}>{writes}"
    )


def merged(*launches: str) -> list[str]:
    """The steps that `kernel reads>writes` become."""
    steps = []
    for text in launches:
        kernel, _, slots = text.partition(" ")
        reads, _, writes = slots.partition(">")
        steps.append(launch(kernel, reads, writes))
    return [step.text for step in merge_launches(steps)]


@pytest.mark.parametrize(
    ("launches", "expected"),
    [
        ([], []),
        (["f a>b", "f c>d"], ["a>b, c>d"]),
        (["f a>b", "g b>c", "f x>y"], ["a>b, x>y", "b>c"]),
        (["f a>b", "f b>c"], ["a>b", "b>c"]),
        (["f a>b", "f c>a"], ["a>b", "c>a"]),
        (["f a>b", "f c>b"], ["a>b", "c>b"]),
        (["f a>b", "g x>a", "f a>c"], ["a>b", "x>a", "a>c"]),
        (["f a>b", "g x>y", "f c>x"], ["a>b", "x>y", "c>x"]),
        (["f a>b", "g x>y", "f c>y"], ["a>b", "x>y", "c>y"]),
        (["f a>b", "f b>c", "f d>e"], ["a>b", "b>c, d>e"]),
        (["f a>a", "f b>b"], ["a>a, b>b"]),
    ],
)
def test_order_is_kept_where_it_matters(launches: list[str], expected: list[str]) -> None:
    assert merged(*launches) == expected


def test_all_bindings_are_kept_in_order() -> None:
    (step,) = merge_launches([launch("f", letter, letter.upper()) for letter in "abc"])
    (alternative,) = step.alternatives
    assert [binding.slots for binding in alternative.bindings] == [
        (ord(letter), ord(letter.upper())) for letter in "abc"
    ]


def test_launches_whose_kernels_depend_on_a_dim_merge_if_all_are_equal() -> None:
    def step(limit: int, slot: int) -> LaunchStep:
        few, many = (
            Alternative(name, (Binding((slot,), (), 1),), (True,), dim, 0, high)
            for name, dim, high in (("few", 1, limit), ("many", 0, 0))
        )
        return LaunchStep((few, many))

    assert len(merge_launches([step(4, 0), step(4, 1)])) == 1
    assert len(merge_launches([step(4, 0), step(8, 1)])) == 2
