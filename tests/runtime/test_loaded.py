"""Loaded modules: exports as methods, and golden files of every format version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc import api
from graphc.errors import UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.runtime.loaded import LoadedModule
from graphc.runtime.module_file import ModuleFile
from graphc.runtime.reference import ReferenceExecutor

F: Any = functions
GOLDENS = Path(__file__).parent.parent / "goldens"


# -- golden files: each loads for ever ------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize(
    "path", sorted(GOLDENS.glob("perceptron-format-*.gcm")), ids=lambda p: p.stem
)
def test_golden_modules_predict_and_train_as_ever(path: Path, device: str) -> None:
    module = api.load(path, device)
    expected = np.load(GOLDENS / "perceptron.npz")
    x, y = expected["x"], expected["y"]
    assert np.allclose(module.predict(x), expected["before"], rtol=1e-5, atol=1e-6)
    losses = [float(module.train(x, y)) for _ in range(3)]
    assert np.allclose(losses, expected["losses"], rtol=1e-5)
    assert np.allclose(module.predict(x), expected["after"], rtol=1e-4, atol=1e-5)


def test_there_is_a_golden_module() -> None:
    assert (GOLDENS / "perceptron-format-1.gcm").exists()


# -- exports --------------------------------------------------------------------------------------


def module(docs: dict[str, str] | None = None) -> LoadedModule:
    """A counter, a pair, and exports that are called like methods of the class."""
    batch = dims.variable("B", 1, 4)
    x, count = graph_input("x", dtypes.i32, (batch,)), graph_input("count", dtypes.i32, ())
    now = F["add"](count, 1)
    graphs = {
        "tick": Graph("tick", (), (count,), (now,), ((count, now),)),
        "pair": Graph("pair", (x,), (), (x, F["multiply"](x, 2))),
        "nothing": Graph("nothing", (), (count,), (), ((count, now),)),
        "save": Graph("save", (x,), (), (F["multiply"](x, 3),)),
    }
    exports = {name: {"doc": (docs or {}).get(name, "")} for name in graphs}
    executor = ReferenceExecutor(graphs, {"count": np.array(0, np.int32)})
    return LoadedModule(executor, ModuleFile({"exports": exports}, {}, {}), "reference")


def test_one_result_is_an_array_and_several_are_a_tuple() -> None:
    one = module()
    x = np.arange(3, dtype=np.int32)
    assert one.tick().shape == ()
    first, second = one.pair(x)
    assert np.array_equal(first, x) and np.array_equal(second, 2 * x)
    assert one.nothing() == ()


def test_state_passes_from_call_to_call_and_export_to_export() -> None:
    one = module()
    assert [int(one.tick()), one.nothing(), int(one.tick())] == [1, (), 3]
    assert one.state_dict() == {"count": 3}


def test_an_export_called_like_a_method_is_reached_by_name() -> None:
    one = module()
    assert np.array_equal(one.exports["save"](np.ones(2, np.int32)), [3, 3])
    with pytest.raises(UsageError, match=r"ends in \.gcm"):
        one.save("model.txt")


def test_exports_are_documented() -> None:
    one = module({"pair": "Twice."})
    assert one.pair.__doc__ == "Twice." and one.pair.__name__ == "pair"
    assert one.tick.__doc__ is None and one.__doc__ is None
    assert one.pair.signature == "pair(x: i32[B]) -> (i32[B], i32[B])"
    assert repr(one.tick) == "<export tick() -> i32[]>"
    assert repr(one).splitlines()[0] == "<module on reference>"


def test_results_do_not_change_when_the_state_does() -> None:
    one = module()
    first = one.tick()
    state = one.state_dict()
    one.tick()
    assert first == 1 and state["count"] == 1
