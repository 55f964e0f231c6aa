"""Dense data in a graph is state of the module."""

from __future__ import annotations

import numpy as np
import pytest

import graphc
from graphc.frontend.trace import Export
from graphc.frontend.unit import build_unit
from graphc.ir import dtype as dtypes
from graphc.passes.tables import lift_tables

TABLE = np.array([1.0, -2.0, np.nan], np.float32)


def scaled(x: dtypes.f32[3]):
    return x * TABLE


def shifted(x: dtypes.f32[2, 3]):
    return x + TABLE


def unit():
    return build_unit({"scaled": Export(scaled), "shifted": Export(shifted)})


def test_equal_tables_are_one_state_and_are_never_updated() -> None:
    lifted = lift_tables(unit())
    (name,) = lifted.state
    assert name.startswith("table.")
    for graph in lifted.exports.values():
        assert [node["name"] for node in graph.state] == [name]
        assert not graph.updates
        assert all(node.op.name != "tensor" for node in graph.nodes())
    assert lift_tables(lifted) is lifted


@pytest.mark.parametrize("device", ["cpu", "reference", "sim"])
def test_a_module_keeps_its_tables(device: str) -> None:
    module = graphc.load_file(graphc.build(unit()).file, device)
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(module.scaled(x), x * TABLE)
    np.testing.assert_array_equal(module.shifted(np.stack([x, x])), np.stack([x, x]) + TABLE)
