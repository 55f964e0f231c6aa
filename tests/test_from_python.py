"""The public names for Python: functions, compiled models, derivatives on arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.errors import UsageError
from graphc.ir.op import functions


def test_every_function_of_the_language_is_a_name() -> None:
    verbs = {"trace"}  # the tracer; the sum of a diagonal is `x.trace()`
    for name in sorted(set(functions) - verbs):
        assert callable(getattr(gc, name)), name


def test_a_function_has_a_bounded_number_of_graphs() -> None:
    @gc.function(device="reference", max_graphs=2)
    def double(x):
        return {"twice": x + x}

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
    assert len(total.graphs) == 1


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
