"""Records behave as the dataclasses that they are written like."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from graphc.ir.record import Record


class Place(Record):
    where: str = field(default="", compare=False, repr=False, kw_only=True)


class Point(Place):
    x: int
    y: float = 2.0
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PlaceByPython:
    where: str = field(default="", compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class PointByPython(PlaceByPython):
    x: int
    y: float = 2.0
    tags: list[str] = field(default_factory=list)


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 3.0), {}),
    ((1, 3.0, ["a"]), {"where": "here"}),
    ((), {"y": 1.0, "x": 5}),
    ((1,), {"tags": ["b"], "where": "there"}),
]


@pytest.mark.parametrize(("given", "named"), CALLS)
def test_fields_are_those_of_a_dataclass(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    one, other = Point(*given, **named), PointByPython(*given, **named)
    assert asdict(one) == asdict(other)
    assert repr(one) == repr(other).replace("ByPython", "")
    assert asdict(replace(one, x=9)) == asdict(replace(other, x=9))
    assert pickle.loads(pickle.dumps(one)) == one == copy.deepcopy(one)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), {}),
        ((), {"y": 1.0}),
        ((1, 2.0, [], "here"), {}),
        ((1,), {"x": 1}),
        ((1, 2.0), {"y": 1.0, "tags": []}),
        ((1,), {"z": 1}),
        ((), {"z": 1}),
    ],
)
def test_other_arguments_are_refused(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Point, PointByPython):
        with pytest.raises(TypeError, match="Point"):
            kind(*given, **named)


def test_equality_is_of_class_and_of_the_fields_that_are_compared() -> None:
    class Other(Point):
        pass

    assert Point(1, where="a") == Point(1, where="b") != Point(2)
    assert Point(1) != Other(1) and Point(1) != (1, 2.0, [])
    assert hash(Place(where="a")) == hash(Place(where="b")) != hash(Other)


def test_records_do_not_change() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError, match="'x'"):
        point.x = 2
    with pytest.raises(FrozenInstanceError, match="'y'"):
        del point.y
    assert (point.x, point.y) == (1, 2.0)


def test_each_record_has_defaults_of_its_own_and_matches_by_position() -> None:
    assert Point(1).tags is not Point(1).tags
    match Point(1, 3.0):
        case Point(x, y):
            assert (x, y) == (1, 3.0)
    assert [one.name for one in fields(Point)] == ["where", "x", "y", "tags"]
