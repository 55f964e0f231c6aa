"""The public names for Python: functions, compiled models, derivatives on arrays."""

from __future__ import annotations

import argparse
import functools
import re
import sys
import threading
from array import array
from collections import UserDict, UserList, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

import networkx
import numpy as np
import pytest

import graphc as gc
from graphc import transforms
from graphc.arrays.captured import MOST_PARTS, captured_values
from graphc.errors import DimensionError, DTypeError, GraphcError, ShapeError, UsageError
from graphc.frontend.left_out import LEFT_OUT
from graphc.frontend.tracing.trees import leaves
from graphc.ir.op import functions


def test_every_function_of_the_language_is_a_name() -> None:
    # The tracer and branches; linear algebra has the functions of these names.
    assert gc.linalg.trace(np.eye(3)) == 3.0 and gc.linalg.cond(np.eye(3)) == 1.0
    for name in sorted(set(functions) - {"trace", "cond", "fft"}):
        assert callable(getattr(gc, name)), name


@pytest.mark.parametrize("traced", [False, True])
def test_names_of_the_submodules_mean_what_they_do_elsewhere(traced: bool) -> None:
    def of(function: Any) -> Any:
        return gc.function(function, device="reference")(x) if traced else function(x)

    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    for order in (None, 1, 2, -2, np.inf, "fro", "nuc"):
        expected = np.linalg.norm(x, order)  # type: ignore[call-overload]
        np.testing.assert_allclose(of(lambda a, o=order: gc.linalg.norm(a, o)), expected)
    expected = np.linalg.norm(x, 1, axis=1, keepdims=True)
    for named in ({"axis": 1, "keepdims": True}, {"dim": 1, "keepdim": True}):
        found = of(lambda a, named=named: gc.linalg.norm(a, 1, **named))
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        of(gc.linalg.vander), np.stack([np.vander(r)[:, ::-1] for r in x])
    )
    np.testing.assert_array_equal(of(lambda a: gc.linalg.vander(a[0], N=3)), [[1, 1, 1], [1, 2, 4]])
    np.testing.assert_array_equal(of(lambda a: gc.take_along_dim(a, np.array([[3, 0]]))), [5, 1])
    assert {"norm", "vander"} < set(dir(gc.linalg))


LEFT_OUT_ROWS = (Path(__file__).parents[1] / "docs" / "left_out.md").read_text().splitlines()


@pytest.mark.parametrize("name", LEFT_OUT)
def test_names_that_are_left_out_have_a_reason(name: str) -> None:
    (row,) = (row for row in LEFT_OUT_ROWS if f"`{name}`" in row.split(" | ")[0])
    assert row.split(" | ", 1)[1].removesuffix(" |") == LEFT_OUT[name]
    for module in (gc, gc.linalg, gc.optim):
        with pytest.raises(AttributeError) as caught:
            getattr(module, name)
        assert LEFT_OUT[name] in str(caught.value)


def test_a_matrix_is_not_traced() -> None:
    with pytest.raises(UsageError) as refused:
        gc.trace(np.eye(3))
    assert "graphc.linalg.trace" in (refused.value.hint or "")


def test_a_function_has_a_bounded_number_of_graphs() -> None:
    @gc.function(device="reference", max_graphs=2)
    def double(x):
        return {"twice": x + x}

    assert repr(double) == "<function double with 0 graphs of at most 2>"
    for size in (1, 2, 1):
        assert np.array_equal(double(np.ones(size))["twice"], np.full(size, 2.0))
    assert list(double.graphs) == ["x: f64[1]", "x: f64[2]"]
    with pytest.raises(UsageError, match="graphs already"):
        double(np.ones(3))


def test_named_dims_are_one_graph() -> None:
    @gc.function(device="reference")
    def total(x: gc.f32["B", 3]):
        return gc.sum(x, axis=1)

    for rows in (1, 4):
        assert np.array_equal(total(np.ones((rows, 3), np.float32)), np.full(rows, 3))
    assert len(total.graphs) == 1 and total.max_graphs == 32


def test_an_annotated_argument_of_a_function_is_read_as_that_of_a_module():
    @gc.function(device="reference")
    def rows(x: gc.f32["B", 4], scale, pair: (gc.f32[()], gc.i8["B"]) = (0, [])):
        return scale["by"] * gc.sum(x, axis=1) * pair[0] + gc.astype(pair[1], "f32")

    found = rows([[1, 2, 3, 4]], {"by": np.float32(2)}, (10, [1]))
    assert found.dtype == np.float32 and found.tolist() == [201]
    many = rows(np.ones((2, 4), np.float32), {"by": np.float32(1)}, (1, [0, 1]))
    assert many.tolist() == [4, 5] and len(rows.graphs) == 1
    for wrong, error in [(None, UsageError), ([[1, 2], [3]], ShapeError), (["a"], DTypeError)]:
        with pytest.raises(error, match="rows: the argument 'x'"):
            rows(wrong, {"by": np.float32(1)}, (1, [0]))


RATE = 2.0


def scaled(x: Any) -> Any:
    return x * RATE


@pytest.mark.parametrize("transformed", [gc.function, gc.grad], ids=["function", "grad"])
def test_what_a_function_reads_from_around_it_is_a_part_of_its_signature(
    transformed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, table, traces = 1.0, np.ones(()), 0

    def body(x: gc.f64[()]) -> Any:
        nonlocal traces
        traces += 1
        return scaled(x) * number * table * (lambda y: y / number)(1.0)

    value = transformed(body)
    assert value(np.float64(1)) == value(np.float64(1)) == 2 and len(value.graphs) == 1
    table = np.full((), 3.0)
    assert value(np.float64(1)) == 6
    monkeypatch.setattr(sys.modules[__name__], "RATE", 4.0)
    assert value(np.float64(1)) == 12
    number = 8.0
    assert value(np.float64(1)) == 12
    number = 1.0
    traced = traces
    assert value(np.float64(1)) == 12 and traces == traced
    assert len(value.graphs) == 4 and any("number = 8.0" in text for text in value.graphs)


def of_rate(rate: Any) -> Callable[[Any], Any]:
    return lambda x: x * rate


AROUND: dict[str, Callable[[float], Callable[[Any], Any]]] = {
    "a number of NumPy": lambda rate: of_rate(np.float64(rate)),
    "a default": lambda rate: lambda x, pair=(1, (rate,)): x * pair[1][0],
    "a list": lambda rate: (lambda rates: lambda x: x * rates[0])([rate]),
    "a function": lambda rate: (lambda scale: lambda x: scale(x))(of_rate(rate)),
    "a partial function": lambda rate: functools.partial(lambda by, x: x * by, rate),
    "a batched function": lambda rate: gc.vmap(of_rate(rate)),
    "a compiled function": lambda rate: gc.function(of_rate(rate), device="reference"),
    "a checkpoint": lambda rate: gc.checkpoint(of_rate(rate)),
    "the first of two": lambda rate: (lambda a, b: lambda x: a(x) * b(x) / x)(
        of_rate(rate), of_rate(1.0)
    ),
    "the last of three": lambda rate: (lambda a, b, c: lambda x: a(x) * b(x) * c(x) / x / x)(
        of_rate(1.0), of_rate(0.5), of_rate(2.0 * rate)
    ),
}


@pytest.mark.parametrize("kind", AROUND)
def test_whatever_is_read_from_around_may_change(kind: str) -> None:
    used = AROUND[kind](2.0)
    value = gc.function(lambda x: used(x), device="reference")
    x = np.array([1.0, 2.0])
    for rate in (2.0, 8.0):
        used = AROUND[kind](rate)
        assert value(x).tolist() == [rate, 2 * rate]
        assert value(x).tolist() == [rate, 2 * rate]
    assert len(value.graphs) == 2


def test_variables_that_only_share_a_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Holder:
        RATE: Any = None

    def inside(x: Any) -> Any:
        def inner(y: Any) -> Any:
            RATE = 3.0
            return y * RATE

        Holder.RATE = inner(1.0)
        return inner(x) * RATE

    value = gc.function(inside, device="reference")
    assert value(np.float64(1)) == 6
    monkeypatch.setattr(sys.modules[__name__], "RATE", 4.0)
    assert value(np.float64(1)) == 12


class Settings:
    """An object whose attributes are a class's, its own, and computed from these."""

    rate = 1.0

    def __init__(self) -> None:
        self.own = 1.0

    @property
    def doubled(self) -> float:
        return 2 * self.own

    def scaled(self, x: Any) -> Any:
        return x * self.own


class Scale(gc.nn.Module):
    def __init__(self) -> None:
        self.parts = [{"by": 1.0}]

    def forward(self, x: Any) -> Any:
        return x * self.parts[0]["by"]


@dataclass
class Pair:
    by: Any


def changed(owner: Any, name: str) -> Callable[[], None]:
    return lambda: setattr(owner, name, 4.0)


def array_inside() -> tuple[Any, Any]:
    data = np.ones((2, 3))
    return lambda x: x * data[0, 0], lambda: data.fill(4)


def strided_array() -> tuple[Any, Any]:
    data = np.ones((2, 3), np.float32)
    rows = data.T[:, :1]
    return lambda x: x * rows[2, 0], lambda: data.fill(4)


def containers() -> tuple[Any, Any]:
    box: dict[Any, Any] = {"k": [(np.ones(()), SimpleNamespace(by=Pair(1.0)))]}
    box["box"] = box  # a cycle
    return (
        lambda x: x * box["box"]["k"][0][1].by.by,
        lambda: setattr(box["k"][0][1].by, "by", 4.0),
    )


def two_names() -> tuple[Any, Any]:
    one, other = {"by": 1.0}, {"by": 4.0}
    names = [one, other, one]

    def change() -> None:
        names[2] = other

    return lambda x: x * names[2]["by"], change


def appended() -> tuple[Any, Any]:
    factors = [1.0]
    return lambda x: functools.reduce(lambda a, b: a * b, factors, x), lambda: factors.append(4.0)


def object_inside() -> tuple[Any, Any]:
    settings = Settings()
    return lambda x: x * settings.own, changed(settings, "own")


def property_inside() -> tuple[Any, Any]:
    settings = Settings()
    return lambda x: x * settings.doubled / 2, changed(settings, "own")


def class_inside() -> tuple[Any, Any]:
    kind = type("Kind", (Settings,), {"rate": 1.0})
    return lambda x: x * kind.rate, changed(kind, "rate")


def method_inside() -> tuple[Any, Any]:
    settings = Settings()
    return settings.scaled, changed(settings, "own")


def module_inside() -> tuple[Any, Any]:
    module = ModuleType("settings_of_a_test")
    module.rate = 1.0  # type: ignore[attr-defined]
    return lambda x: x * module.rate, changed(module, "rate")


def model_inside() -> tuple[Any, Any]:
    model = gc.nn.Sequential(Scale())
    return lambda x: model(x), lambda: model[0].parts[0].update(by=4.0)


def object_in_a_list() -> tuple[Any, Any]:
    layers = [Settings(), Settings()]
    return lambda x: x * layers[1].own, changed(layers[1], "own")


def object_in_a_loop() -> tuple[Any, Any]:
    layers = {"a": (Settings(),), "b": (Settings(),)}

    def function(x: Any) -> Any:
        for (layer,) in layers.values():
            x = layer.scaled(x)
        return x

    return function, changed(layers["b"][0], "own")


def other_name() -> tuple[Any, Any]:
    settings = Settings()

    def function(x: Any) -> Any:
        other = settings
        return x * other.own

    return function, changed(settings, "own")


def handed_to_another() -> tuple[Any, Any]:
    settings = Settings()
    return lambda x: rate_of(settings) * x, changed(settings, "own")


def rate_of(settings: Any) -> Any:
    return settings.own


def by_text() -> tuple[Any, Any]:
    settings, names = Settings(), ["own"]
    return lambda x: x * getattr(settings, names[0]), changed(settings, "own")


def class_of_an_object_in_a_list() -> tuple[Any, Any]:
    kind = type("Kind", (Settings,), {"rate": 1.0})
    layers = [kind()]
    return lambda x: x * layers[0].rate, changed(kind, "rate")


def made_inside() -> tuple[Any, Any]:
    settings = Settings()

    class Reader:
        def __init__(self) -> None:
            self.rate = settings.own

    return lambda x: x * Reader().rate, changed(settings, "own")


def container_of_ones_own() -> tuple[Any, Any]:
    class Layers:
        def __init__(self) -> None:
            self._layers = [Settings()]

        def __getitem__(self, place: int) -> Settings:
            return self._layers[place]

    layers = Layers()
    return lambda x: x * layers[0].own, changed(layers[0], "own")


def subclass_of_a_dict() -> tuple[Any, Any]:
    class Options(dict[str, float]):
        def __getattr__(self, name: str) -> float:
            return self[name]

    options = Options(rate=1.0)
    return lambda x: x * options.rate, lambda: options.update(rate=4.0)


def command_line() -> tuple[Any, Any]:
    options = argparse.Namespace(rate=1.0)
    return lambda x: x * options.rate, changed(options, "rate")


def attribute_that_may_be_there() -> tuple[Any, Any]:
    settings = Settings()
    return lambda x: x * (4 if hasattr(settings, "late") else 1), changed(settings, "late")


def keys_of_a_dict() -> tuple[Any, Any]:
    settings = Settings()
    table = {settings: 1}
    return lambda x: x * sum(one.own for one in table), changed(settings, "own")


def bytes_that_change() -> tuple[Any, Any]:
    data, numbers = bytearray(b"\1"), array("d", [1.0])

    def change() -> None:
        data[0], numbers[0] = 2, 2.0

    return lambda x: x * data[0] * numbers[0], change


def containers_of_python() -> tuple[Any, Any]:
    class Options(UserDict[str, float]):
        pass

    table, row, options = {"by": 1.0}, UserList([1.0]), Options(by=1.0)
    view = MappingProxyType(table)

    def change() -> None:
        table["by"], row[0], options["by"] = 2.0, 0.5, 4.0

    return lambda x: x * view["by"] * row[0] * options["by"], change


class Foreign:
    """An array of another library."""

    def __init__(self) -> None:
        self._array = np.ones(1)

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def foreign_array() -> tuple[Any, Any]:
    foreign = Foreign()
    return lambda x: x * gc.asarray(foreign)[0], lambda: foreign._array.fill(4)


def slots() -> tuple[Any, Any]:
    class Slots:
        __slots__ = ("__hidden", "own", "unset")

        def __init__(self) -> None:
            self.own, self.__hidden = 1.0, 1.0

        def hide(self) -> None:
            self.__hidden = 4.0

        def scaled(self, x: Any) -> Any:
            return x * self.__hidden

        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

    layers = [Slots()]
    return lambda x: layers[0].scaled(x), layers[0].hide


def computed_once() -> tuple[Any, Any]:
    class Lazy:
        base = 1.0

        @functools.cached_property
        def rate(self) -> float:
            return self.base

    lazy = Lazy()
    return lambda x: x * lazy.rate, changed(lazy, "rate")


def queue_and_set() -> tuple[Any, Any]:
    queue, powers = deque([Settings()]), {1}

    def change() -> None:
        powers.add(2)
        queue[0].own = 2.0

    return lambda x: x * queue[-1].own ** max(powers), change


def attribute_of_a_function() -> tuple[Any, Any]:
    def function(x: Any) -> Any:
        return x * function.rate

    function.rate = 1.0  # type: ignore[attr-defined]
    return function, changed(function, "rate")


def imported_inside() -> tuple[Any, Any]:
    def function(x: Any) -> Any:
        import settings_of_a_test_inside as inside  # noqa: PLC0415 - that is the case

        return x * inside.rate

    module = ModuleType("settings_of_a_test_inside")
    module.rate = 1.0  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return function, changed(module, "rate")


def overridden() -> tuple[Any, Any]:
    class Wider(Settings):
        def scaled(self, x: Any) -> Any:
            return super().scaled(x) + 0

    settings = Wider()
    return lambda x: settings.scaled(x), changed(settings, "own")


def partial_method() -> tuple[Any, Any]:
    rates = Settings()

    class Scaled:
        def by(self, rates: Any, x: Any) -> Any:
            return x * rates.own

        scaled = functools.partialmethod(by, rates)

    one = Scaled()
    return lambda x: one.scaled(x), changed(rates, "own")


def matched() -> tuple[Any, Any]:
    settings = Settings()

    def function(x: Any) -> Any:
        match settings:
            case Settings(own=rate):
                return x * rate

    return function, changed(settings, "own")


CHANGES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "an array": array_inside,
    "a strided array": strided_array,
    "containers in containers": containers,
    "one of two names": two_names,
    "a longer list": appended,
    "an attribute": object_inside,
    "a property": property_inside,
    "an attribute of a class": class_inside,
    "an attribute behind a method": method_inside,
    "an attribute of a module": module_inside,
    "a model": model_inside,
    "an object in a list": object_in_a_list,
    "objects in a loop": object_in_a_loop,
    "an object by another name": other_name,
    "an object handed to another function": handed_to_another,
    "an attribute by its text": by_text,
    "the class of an object in a list": class_of_an_object_in_a_list,
    "what an object reads that is made inside": made_inside,
    "a container of one's own": container_of_ones_own,
    "a subclass of a dict": subclass_of_a_dict,
    "options of a command line": command_line,
    "an attribute that may be there": attribute_that_may_be_there,
    "objects that are keys": keys_of_a_dict,
    "bytes": bytes_that_change,
    "containers of Python": containers_of_python,
    "an array of another library": foreign_array,
    "slots": slots,
    "what is computed once": computed_once,
    "a queue and a set": queue_and_set,
    "an attribute of the function": attribute_of_a_function,
    "a module imported inside": imported_inside,
    "an attribute behind what is overridden": overridden,
    "an argument of a partial method": partial_method,
    "an object that is matched": matched,
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("transformed", [gc.function, gc.vmap], ids=["function", "vmap"])
def test_a_change_inside_what_is_read_is_seen(transformed: Any, kind: str) -> None:
    function, change = CHANGES[kind]()
    value = transformed(function)
    x = np.array([1.0, 2.0])
    assert value(x).tolist() == value(x).tolist() == [1, 2] and len(value.graphs) == 1
    change()
    assert value(x).tolist() == value(x).tolist() == [4, 8] and len(value.graphs) == 2


def test_an_attribute_of_an_argument_is_a_part_of_the_signature() -> None:
    model, settings = Scale(), Settings()
    both = gc.function(lambda model, s, x: model(x) * s.own, device="reference")
    assert both(model, settings, 2.0) == 2
    settings.own, model.parts[0]["by"] = 3.0, 5.0
    assert both(model, settings, 2.0) == 30


def test_what_a_function_changes_itself_is_no_part_of_its_signature() -> None:
    calls: list[int] = []
    settings = Settings()

    def counted(x: Any) -> Any:
        calls.append(len(calls))
        settings.own += 1
        return x * settings.rate

    value = gc.function(counted, device="reference")
    for size in (1, 2, 1, 2):
        assert value(np.ones(size)).tolist() == [1] * size
    # Twice to tell it from what another thread changes, once.
    assert len(calls) == 3 and len(value.graphs) == 2


@pytest.mark.parametrize("transformed", [gc.function, gc.vmap], ids=["function", "vmap"])
def test_what_another_thread_changes_meanwhile_is_a_part_of_the_signature(transformed: Any):
    settings, begun, changed_there = Settings(), threading.Event(), threading.Event()

    def function(x: Any) -> Any:
        rate = settings.own
        begun.set()
        changed_there.wait(10)
        return x * rate

    value = transformed(function)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(value(np.ones(2)).tolist()))
    thread.start()
    begun.wait(10)
    settings.own = 2.0
    changed_there.set()
    thread.join(10)
    assert found in ([[1, 1]], [[2, 2]])
    for own in (1.0, 2.0, 1.0):
        settings.own = own
        assert value(np.ones(2)).tolist() == [own] * 2


def test_an_attribute_made_while_tracing_leaves_the_others_in_the_signature() -> None:
    settings = Settings()

    def kept(x: Any) -> Any:
        settings.last = getattr(settings, "last", 0) + 1  # type: ignore[attr-defined]
        return x * settings.own

    value = gc.function(kept, device="reference")
    for own in (1.0, 3.0, 3.0):
        settings.own = own
        assert value(np.ones(2)).tolist() == [own] * 2
    assert len(value.graphs) == 2


class Stepping(Settings):
    step = 0

    def __repr__(self) -> str:
        return f"step {self.step}"


def test_what_is_equal_is_not_traced_anew() -> None:
    box = {"settings": Stepping()}
    value = gc.function(lambda x: box["settings"].scaled(x), device="reference")
    method = gc.function(box["settings"].scaled, device="reference")
    for step in range(3):
        box["settings"].step = step
        assert method(2.0) == 2
        box["settings"] = Stepping()
        assert value(2.0) == 2
    assert len(value.graphs) == len(method.graphs) == 1
    box["settings"].own = 3.0
    assert value(2.0) == 6


@pytest.mark.parametrize(
    "held",
    [
        np.array(["a", "b"]),
        np.array([None, 1]),
        np.array(["2026-01-01"], "datetime64[D]"),
        np.zeros(2, [("a", "i4"), ("b", "f8")]),
    ],
    ids=["texts", "objects", "dates", "records"],
)
def test_arrays_that_are_no_tensors_may_be_read(held: Any) -> None:
    value = gc.function(lambda x: x * len(held), device="reference")
    for size in (1, 2):
        assert value(np.ones(size)).tolist() == [len(held)] * size


def test_what_has_a_state_of_a_package_is_itself_alone() -> None:
    class Network(networkx.Graph):  # type: ignore[type-arg]
        pass

    held = [Network([(0, 1)])]
    value = gc.function(lambda x: x * held[0].number_of_edges(), device="reference")
    assert value(1.0) == 1
    held[0] = Network([(0, 1), (1, 2)])
    assert value(1.0) == 2


def test_the_inside_of_installed_packages_is_not_looked_through() -> None:
    network = networkx.path_graph(1000)
    found = captured_values(lambda x: x * networkx.density(network) * network.order())
    assert len(found) < 100


def test_a_model_is_looked_through_once() -> None:
    blocks = [gc.nn.Sequential(Scale(), Scale()) for _ in range(3)]
    found = captured_values(lambda x: gc.nn.Sequential(*blocks)(x))
    scales = {value.path for value in found.values() if getattr(value, "kind", None) is Scale}
    assert len(scales) == 6
    assert sum(path[-1] == "by" for path in found) == 6


def test_as_many_parts_of_containers_are_read_as_is_said() -> None:
    few, many = [0.0] * MOST_PARTS, [0.0] * (MOST_PARTS + 1)
    found = captured_values(lambda: few)
    assert len(found) == MOST_PARTS + 1 and found["few", 0] == 0
    assert captured_values(lambda: many) == {("many",): many}


def test_too_many_values_from_around_a_function_are_refused() -> None:
    function = gc.function(lambda x: x + step, device="reference", max_graphs=2)
    for step in range(2):
        assert function(np.float32(1)) == 1 + step
    step = 2
    with pytest.raises(UsageError, match=r"step = 2\) would be one more"):
        function(np.float32(1))


def test_a_module_gives_a_tuple_where_a_function_gives_what_is_nested():
    def parts(x: gc.f32[2]):
        return {"a": x, "b": [x + 1, None, x + 2]}

    x = np.zeros(2, np.float32)
    found = gc.function(parts, device="reference")(x)
    assert list(found) == ["a", "b"] and found["b"][1] is None and found["b"][2][0] == 2
    several = gc.compile(parts, device="reference")(x)
    assert isinstance(several, tuple) and [one[0] for one in several] == [0, 1, 2]


def test_a_compiled_model_is_called_and_saved(tmp_path: Path) -> None:
    model = gc.nn.Sequential(gc.nn.Linear(3, 4), gc.nn.ReLU(), gc.nn.Linear(4, 2))
    module = gc.compile(model, gc.f32["B", 3], device="reference")
    x = np.ones((2, 3), np.float32)
    again = gc.load(module.save(tmp_path / "model.gcm"), "reference")
    assert np.array_equal(module(x), again.forward(x))


def test_derivatives_are_taken_of_arrays_on_the_cpu() -> None:
    assert np.allclose(gc.grad(lambda x: x * x * x)(np.float64(2.0)), 12.0)


def test_functions_are_evaluated_on_arrays() -> None:
    assert np.array_equal(gc.sum(np.ones((2, 3)), axis=1), [3.0, 3.0])
    assert np.array_equal(gc.concat([np.ones(1), np.zeros(1)]), [1.0, 0.0])


def test_a_model_of_a_file_is_a_class() -> None:
    net = gc.source(Path(__file__).parents[1] / "examples/digits/mlp.gc").MLP()
    assert "v0 = " in gc.trace(net, gc.f32[gc.dim("B", 1, 8), 64]).text()


SOURCE = '''"""What the file is for."""
dim N: 1..8

def twice(x: f32[N, 4]) -> f32[N, 4]:
    """Twice."""
    return x * 2

def shifted(x: f32[M, 4], y: f32[M], by: int = 2):
    return x + y[:, None] * by

def last(x: f32[..., K]):
    return x[..., -1]

model Net(n=4):
    """A net."""
    param w: f32[n, 3] = ones()
    def forward(x: f32[N, n]):
        return x @ w
    def half(x: f32[N, n]):
        """Half."""
        return x / 2
'''


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("source") / "nets.gc"
    path.write_text(SOURCE)
    return gc.source(path)


def test_a_built_file_has_its_docstrings(tmp_path: Path) -> None:
    path = tmp_path / "nets.gc"
    path.write_text(SOURCE + "export net = Net.forward\nexport half = Net.half\n")
    module = gc.load_file(gc.build(path).file, "reference")
    assert module.__doc__ == "What the file is for."
    assert module.net.__doc__ == "A net." and module.half.__doc__ == "Half."


def test_a_model_is_documented_by_forward_or_else_its_class() -> None:
    class Net(gc.nn.Module):
        """A net."""

        def forward(self, x: gc.f32[2]):
            return x

    class Documented(Net):
        """A net."""

        def forward(self, x: gc.f32[2]):
            """What it computes."""
            return x

    for model, text in [(Net(), "A net."), (Documented(), "What it computes.")]:
        assert gc.compile(model, device="reference").forward.__doc__ == text


def test_a_file_has_its_docstrings(definitions: Any) -> None:
    assert definitions.__doc__ == "What the file is for."
    assert definitions.twice.__doc__ == "Twice." and definitions.Net.__doc__ == "A net."
    assert definitions.Net().half.__doc__ == "Half."


@pytest.mark.parametrize("types", [(), (gc.f32["N", 4],), (np.ones((3, 4), np.float32),)])
@pytest.mark.parametrize(("name", "value"), [("twice", 2), ("Net", 4), ("half", 0.5)])
def test_a_file_says_types_and_dims(definitions: Any, name: str, value: float, types: Any) -> None:
    net = definitions.Net()
    what = {"twice": definitions.twice, "Net": net, "half": net.half}[name]
    module = gc.compile(what, *types, device="reference")
    assert np.all(module(np.ones((3, 4), np.float32)) == value)
    if not types or not isinstance(types[0], np.ndarray):
        (export,) = module.exports.values()
        assert "x: f32[N, 4]" in export.signature
        with pytest.raises(DimensionError, match="8"):
            module(np.ones((9, 4), np.float32))


def test_a_model_of_a_file_has_types_by_its_own_arguments(definitions: Any) -> None:
    assert gc.trace(definitions.Net(5)).graph.inputs[0].type.shape[1] == 5


def test_a_function_of_a_file_is_called_with_arrays(definitions: Any) -> None:
    x, y = np.ones((2, 4), np.float32), np.arange(2, dtype=np.float32)
    assert np.array_equal(definitions.twice(x), 2 * x)
    assert np.array_equal(definitions.shifted(x, y), x + 2 * y[:, None])
    assert np.array_equal(definitions.shifted(x, y, by=3), x + 3 * y[:, None])
    assert definitions.last(x).shape == (2,) and definitions.last(y) == 1
    assert np.all(gc.grad(lambda x: definitions.twice(x).sum())(x) == 2)
    # One graph for any number of rows.
    definitions.twice(x[:1])
    assert len(definitions.twice.graphs) == 1


RESULTS: dict[str, list[Any]] = {
    "x.shape": [np.array(3), np.array(4)],
    "x.shape[0] * 2, [x]": [np.array(6), np.ones((3, 4), np.float32)],
    "x.shape[0] ** 2 // 2": [np.array(4)],
    "7, 0.5, True": [np.array(7), np.array(0.5, np.float32), np.array(True)],
    "x.shape[1] if x.shape[1] > 3 else x": [np.array(4)],
}


@pytest.mark.parametrize("text", RESULTS)
def test_sizes_and_numbers_that_are_results_are_arrays_everywhere(
    text: str, tmp_path: Path
) -> None:
    path, x = tmp_path / "sizes.gc", np.ones((3, 4), np.float32)
    path.write_text(f"dim B: 1..9\ndef f(x: f32[B, 4]):\n    return {text}\nexport f = f\n")
    function = eval(f"lambda x: ({text})")
    for found in (
        gc.function(function)(x),
        gc.compile(function, gc.f32["B", 4], device="reference")(x),
        gc.source(path).f(x),
        gc.load_file(gc.build(path).file, "reference")(x),
    ):
        for one, expected in zip(leaves([found]), RESULTS[text], strict=True):
            np.testing.assert_array_equal(one, expected, strict=True)


def test_a_formula_of_a_dim_is_a_result_in_python_too(tmp_path: Path) -> None:
    path = tmp_path / "half.gc"
    path.write_text("dim B: 1..9\ndef f(x: f32[B]):\n    return B / 2\n")
    assert gc.source(path).f(np.ones(3, np.float32)) == np.float32(1.5)


def test_models_and_functions_of_a_file_take_arrays_inside_a_trace(definitions: Any) -> None:
    net, x = definitions.Net(), np.ones((3, 4), np.float32)

    def shifted(y: gc.f32[()]) -> Any:
        return net(x) + net.forward(x) + net.half(x)[:, :3] + definitions.twice(x)[:, :3] + y

    module = gc.compile({"f": shifted, "net": net}, device="reference")
    np.testing.assert_array_equal(module.f(np.float32(1)), np.full((3, 3), 11.5, np.float32))


def test_no_message_has_an_array_in_it() -> None:
    large = np.arange(10000.0)
    for refused in (
        lambda: gc.trace(lambda x: gc.scan(lambda c, r: large, x, x), gc.f32[3]),
        lambda: gc.trace(lambda x: gc.softmax(x, axis=large), gc.f32[3]),
        lambda: gc.grad(lambda x: {"loss": large})(large),
        lambda: gc.vmap(lambda x: [lambda: large])(large),
    ):
        with pytest.raises(GraphcError) as caught:
            refused()
        assert len(caught.value.render()) < 800, caught.value


def test_an_array_is_the_first_value_of_state() -> None:
    values = np.arange(6.0).reshape(3, 2).T
    first, narrow = gc.nn.Parameter(values), gc.nn.Parameter(values, gc.f32)
    table = gc.nn.Buffer(np.array(7, np.int8))
    assert [one.type for one in (first, narrow, table)] == [
        *(gc.trace(lambda x: x, dtype[2, 3]).graph.inputs[0].type for dtype in (gc.f64, gc.f32)),
        gc.trace(lambda x: x, gc.i8[()]).graph.inputs[0].type,
    ]

    class Net(gc.nn.Module):
        def __init__(self):
            self.first, self.narrow, self.table = first, narrow, table

        def forward(self):
            return self.first + self.narrow.double() + self.table.double()

    module = gc.compile(Net(), device="reference")
    assert np.array_equal(module(), 2 * values + 7)
    with pytest.raises(DTypeError, match="no gradient"):
        gc.nn.Parameter(np.arange(3))


# -- the array API standard -----------------------------------------------------------------------

# The extensions of the standard, release 2024.12.
LINALG = (
    "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank "
    "matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"
)
FFT = "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"


@pytest.mark.parametrize(("name", "members"), [("linalg", LINALG), ("fft", FFT)])
def test_extensions_are_modules(name: str, members: str) -> None:
    module = getattr(gc, name)
    assert set(members.split()) <= set(dir(module))
    for member in dir(module):
        assert callable(getattr(module, member))
    with pytest.raises(AttributeError, match="no attribute 'sum'"):
        _ = module.sum


def test_extensions_compute_in_traces_and_on_arrays() -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    solved = gc.function(lambda a, b: gc.linalg.solve(a, b), device="reference")
    assert np.allclose(solved(a, np.ones(2)), np.linalg.solve(a, np.ones(2)))
    assert np.allclose(gc.fft.rfft(a[0]), np.fft.rfft(a[0]))


def test_a_tensor_says_where_its_functions_are() -> None:
    def mean(x: Any) -> Any:
        xp = x.__array_namespace__(api_version="2024.12")
        assert xp is gc
        with pytest.raises(UsageError, match=r"1999\.12"):
            x.__array_namespace__(api_version="1999.12")
        return xp.mean(xp.astype(x, xp.float64), axis=0)

    assert gc.function(mean, device="reference")(np.array([1, 2], np.int32)) == 1.5


@pytest.mark.parametrize("name", ["i32", "int32", gc.i32, np.int32, np.dtype("int32")])
def test_dtypes_go_by_any_of_their_names(name: Any) -> None:
    halves = gc.function(lambda x: (x.astype(name), gc.zeros((2,), dtype=name)), device="reference")
    cast, zeros = halves(np.array([1.5, -2.5]))
    assert np.array_equal(cast, [1, -2]) and cast.dtype == zeros.dtype == np.int32


def test_a_name_of_no_dtype_is_refused() -> None:
    with pytest.raises(DTypeError, match="unknown dtype 'i33'"):
        gc.trace(lambda x: x.astype("i33"), gc.f32[3])


# -- functions ------------------------------------------------------------------------------------


def test_sizes_are_expressions_of_dims() -> None:
    @gc.function(device="reference")
    def halves(x: gc.f32["2*B", "B + 1"], y: gc.f32["B"]):
        return x[: x.shape[0] // 2].sum(axis=1) + y

    for size in (1, 3):
        found = halves(np.ones((2 * size, size + 1), np.float32), np.ones(size, np.float32))
        assert np.array_equal(found, np.full(size, size + 2))
    assert len(halves.graphs) == 1
    with pytest.raises(DimensionError, match=r"size is 3, expected B\*2"):
        halves(np.ones((3, 2), np.float32), np.ones(1, np.float32))


@pytest.mark.parametrize("made", [gc.function, gc.grad], ids=lambda one: one.__name__)
def test_a_function_of_a_function_has_a_device_and_graphs_of_its_own(made: Any) -> None:
    inner = made(lambda x: (x * x).sum())
    outer = gc.function(inner, device="reference", max_graphs=1)
    assert (inner.device, outer.device) == (None, "reference")
    assert (inner.max_graphs, outer.max_graphs) == (32, 1)
    x = np.arange(3.0)
    assert np.array_equal(outer(x), inner(x))
    assert len(outer.graphs) == len(inner.graphs) == 1
    inner(np.arange(4.0))
    assert len(outer.graphs) == 1 and outer.__name__ == inner.__name__


def test_a_function_that_wraps_another_has_arguments_of_its_own() -> None:
    inner = gc.function(lambda x, factor: x * factor, device="reference")

    @functools.wraps(inner)
    def doubled(x: Any) -> Any:
        return inner(x, 2.0)

    @functools.wraps(doubled)
    def scaled(x: Any, factor: Any) -> Any:
        return doubled(x) * factor

    @functools.wraps(scaled)
    def handed_on(*arguments: Any, **keywords: Any) -> Any:
        return scaled(*arguments, **keywords)

    x = np.arange(3.0)
    assert np.array_equal(inner(x, 5.0), 5 * x)
    assert np.array_equal(gc.function(doubled, device="reference")(x), 2 * x)
    for one in (scaled, handed_on):
        assert np.array_equal(gc.function(one, device="reference")(x, factor=3.0), 6 * x)
        assert gc.grad(one)(2.0, 3.0) == 6
        assert np.array_equal(gc.vmap(one)(x, x), 2 * x * x)

    @functools.wraps(lambda row: row)
    def step(carry: Any, row: Any) -> Any:
        return carry + doubled(row), None

    assert gc.function(lambda x: gc.scan(step, 0.0, x)[0], device="reference")(x) == 6


def test_parts_of_complex_numbers_are_attributes() -> None:
    z = np.array([1 + 2j, -3j], np.complex64)
    for parts in (lambda z: (z.real, z.imag), lambda z: (gc.real(z), gc.imag(z))):
        real, imaginary = gc.function(parts, device="reference")(z)
        assert np.array_equal(real, z.real) and np.array_equal(imaginary, z.imag)


def test_a_function_that_draws_needs_no_seed() -> None:
    x = np.ones((2, 3), np.float32)
    for draw in (gc.function(gc.randn_like), gc.vmap(gc.randn_like), gc.compile(gc.rand_like, x)):
        first, second = draw(x), draw(x)
        assert first.shape == (2, 3) and not np.array_equal(first, second)
    seeded = gc.function(gc.randn_like)
    assert np.array_equal(seeded(x, seed=7), seeded(x, seed=7))


def test_defaults_are_no_arguments_of_a_transform() -> None:
    images, filters = np.ones((1, 2, 5, 5), np.float32), np.ones((3, 4, 2, 3, 3), np.float32)
    convolved = gc.vmap(gc.conv2d, in_axes=(None, 0))(images, filters)
    assert np.array_equal(convolved, np.full((3, 1, 4, 3, 3), 18))
    # What is given by name is given whole.
    scaled = gc.vmap(lambda x, factor=1.0: x.sum() * factor)
    assert np.array_equal(scaled(np.ones((2, 3)), factor=np.asarray(2.0)), [6.0, 6.0])
    assert np.array_equal(scaled(np.ones((2, 3))), [3.0, 3.0])


@pytest.mark.parametrize(
    ("what", "found", "hint"),
    [
        (gc.nn.Linear, "the class Linear", r"make a model of it: Linear\(...\)"),
        ("model.gc", "a str", "`graphc build model.gc`"),
        ({"forward": None}, "a NoneType", "give a model or a function"),
    ],
)
def test_what_is_neither_model_nor_function_is_not_compiled(what: Any, found: str, hint: str):
    with pytest.raises(
        UsageError, match=f"compile takes a function, and is given {found}"
    ) as error:
        gc.compile(what)
    assert re.search(hint, str(error.value))


def test_a_dim_without_a_range_is_the_one_of_its_name() -> None:
    assert gc.trace(abs, gc.f32[gc.dim("N")]).graph == gc.trace(abs, gc.f32["N"]).graph
    assert gc.dim("N", np.int64(2), 8, multiple=2) is gc.dim("N", 2, 8, 2)


def test_one_size_is_a_shape() -> None:
    assert gc.zeros(3).shape == gc.ones(3).shape == gc.full(3, 1.5).shape == (3,)
    assert gc.trace(lambda x: gc.ones(x.shape[0]) * x, gc.f32["B"]).graph.results


def test_threads_share_a_function_that_is_traced_once_for_each_signature() -> None:
    traced: list[int] = []

    @gc.function(device="cpu")
    def square(x):
        traced.append(threading.get_ident())
        return x * x

    wrong: list[int] = []

    def work(number: int) -> None:
        for size in (1, 2, 3, 2, 1):
            given = np.full(size, float(number))
            if not np.array_equal(square(given), given * given):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    # The first one twice, since the function changes what it reads.
    assert len(square.graphs) == 3 and len(traced) == 4


def test_a_function_runs_as_cuda_kernels_on_the_simulator() -> None:
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    row_sums = gc.function(lambda x: gc.softmax(x, axis=-1) * 2, device="sim")
    expected = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) * 2
    assert np.allclose(row_sums(x), expected, rtol=1e-6)


# -- models that update state ---------------------------------------------------------------------


class Normalised(gc.nn.Module):
    """A running mean of what it is given, and a weight that draws at random."""

    def __init__(self) -> None:
        self.weight = gc.nn.Parameter(3, gc.f32, gc.initializers.ones())
        self.mean = gc.nn.Buffer(3)
        self.dropout = gc.nn.Dropout(0.5)

    def forward(self, x):
        self.mean.update(0.5 * self.mean + 0.5 * x.mean(axis=0))
        return self.dropout((x - self.mean) * self.weight)


def test_gradients_of_models_that_update_state() -> None:
    net = Normalised()

    def slopes(x: gc.f32["B", 3]):
        loss = lambda model, x: model(x).sum()  # noqa: E731
        by_model, by_x = transforms.grad(loss, argnums=(0, 1))(net, x)
        return by_model["weight"], by_x

    export = gc.Export(slopes, training=True, models=(net,))
    module = gc.compile({"slopes": export}, device="reference")
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    by_weight, by_x = module.slopes(x)
    mean = x.mean(axis=0) / 2
    assert np.allclose(module.state_dict()["mean"], mean)
    # The mask is 0 or 2 for each element; the mean depends on x as well.
    masks = list(np.ndindex(*(2,) * 6))
    assert any(
        np.allclose(by_weight, (2 * np.reshape(mask, (2, 3)) * (x - mean)).sum(axis=0))
        and np.allclose(by_x, 2 * np.reshape(mask, (2, 3)) - np.reshape(mask, (2, 3)).sum(0) / 2)
        for mask in masks
    )
    again, _ = module.slopes(x)
    assert np.allclose(module.state_dict()["mean"], mean / 2 + x.mean(axis=0) / 2)
    assert not np.array_equal(again, by_weight)


def energy(x: gc.f32["B", 3], y: gc.f32["B"]) -> Any:
    return (x.sum(axis=-1) * y).sum()


class Energy:
    def __call__(self, x: gc.f32["B", 3], y: gc.f32["B"]) -> Any:
        return energy(x, y)


CALLED: dict[str, tuple[str, Callable[..., Any]]] = {
    "a function": ("energy", gc.function(energy)),
    "a partial function": ("energy", gc.function(functools.partial(functools.partial(energy)))),
    "an object": ("Energy", gc.function(Energy())),
    "a gradient": ("energy", gc.grad(energy)),
    "what is computed again": ("energy", gc.function(gc.checkpoint(energy))),
}


@pytest.mark.parametrize("what", CALLED)
def test_sizes_that_do_not_fit_are_told_of_the_function_at_the_call(what: str) -> None:
    name, function = CALLED[what]
    with pytest.raises(DimensionError) as caught:
        function(np.ones((2, 3), np.float32), np.ones(3, np.float32))
    assert caught.value.notes == (f"{name} declares y: f32[B]",)
    assert caught.value.span is not None and Path(caught.value.span.file) == Path(__file__)
    text = Path(__file__).read_text().splitlines()[caught.value.span.line - 1]
    assert text.strip().startswith("function(np.ones(")
