"""What functions take: names of PyTorch, dtypes of other libraries, and no tensors for sizes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphcError, UsageError
from graphc.frontend.elaborate import elaborate
from graphc.frontend.foreign_names import of_a_pair
from graphc.frontend.tracing.arguments import first_names
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.op import functions
from graphc.library import library
from tests.own_words import own_words

PYTORCH = {
    "axis": ("dim", "dims"),
    "axes": ("dims", "dim"),
    "dim": ("axis",),
    "keepdims": ("keepdim",),
}
"""By the name of an argument, those that it has besides."""


def _spellings() -> list[tuple[str, str, str]]:
    return [
        (name, parameter, second)
        for name, function in functions.items()
        for parameter in inspect.signature(function).parameters
        for second in PYTORCH.get(parameter, ())
        if second not in inspect.signature(function).parameters
    ]


@pytest.mark.parametrize(("name", "parameter", "second"), _spellings())
def test_every_axis_has_the_name_of_pytorch(name: str, parameter: str, second: str) -> None:
    function = functions[name]
    if of_a_pair(name, second):
        with pytest.raises(UsageError, match="values and their places"):
            first_names(name, function, {second: 1})
        return
    assert first_names(name, function, {second: 1}) == {parameter: 1}
    for both in ({second: 1, parameter: 1}, {parameter: 1, second: 1}):
        with pytest.raises(UsageError, match="given twice"):
            first_names(name, function, both)


X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("traced", [False, True])
def test_second_names_are_those_of_arrays_too(traced: bool) -> None:
    def call(function: Any) -> Any:
        return gc.function(function, device="reference")(X) if traced else function(X)

    np.testing.assert_array_equal(
        call(lambda x: gc.sum(x, dim=1, keepdim=True)), X.sum(axis=1, keepdims=True)
    )
    np.testing.assert_array_equal(call(lambda x: gc.repeat(x, 2, dim=1)), X.repeat(2, axis=1))
    np.testing.assert_array_equal(call(lambda x: gc.permute(x, dims=(1, 0))), X.T)
    index = np.array([1, 0])
    np.testing.assert_array_equal(
        call(lambda x: gc.index_select(x, axis=1, index=index)), X[:, [1, 0]]
    )
    with pytest.raises(UsageError, match="given twice"):
        call(lambda x: gc.sum(x, dim=1, axis=1))
    with pytest.raises(UsageError, match="given twice"):
        call(lambda x: gc.sum(x, 1, dim=1))
    with pytest.raises(UsageError, match="did you mean 'axis'"):
        call(lambda x: gc.softmax(x, axs=1))


class _TorchDType:
    """Stands for `torch.float32`, which a program without PyTorch has not."""

    def __repr__(self) -> str:
        return "torch.float32"


_TorchDType.__name__, _TorchDType.__module__ = "dtype", "torch"


@pytest.mark.parametrize(
    ("spelling", "dtype"),
    [
        ("float32", dtypes.f32),
        ("f16", dtypes.f16),
        (np.float32, dtypes.f32),
        (np.dtype("int8"), dtypes.i8),
        (np.intp, dtypes.i64),
        (bool, dtypes.bool_),
        (gc.bfloat16, dtypes.bf16),
        (_TorchDType(), dtypes.f32),
    ],
)
def test_dtypes_of_other_libraries(spelling: Any, dtype: dtypes.DType) -> None:
    assert gc.zeros((2, 3), dtype=spelling).dtype == dtype.numpy
    assert gc.astype(X, spelling).dtype == dtype.numpy
    graph = gc.trace(lambda x: x.to(spelling), gc.f32[2]).text()
    assert f"-> {dtype.name}[2]" in graph
    if dtype.kind == "float":
        assert gc.nn.Parameter((2,), dtype=spelling).dtype is dtype


@pytest.mark.parametrize("spelling", [float, int, "float", complex])
def test_a_dtype_without_a_width(spelling: Any) -> None:
    with pytest.raises(DTypeError, match="say how wide"):
        gc.zeros((2, 3), dtype=spelling)


@pytest.mark.parametrize("spelling", [3, "cat", object(), gc.sum])
def test_what_is_no_dtype(spelling: Any) -> None:
    with pytest.raises(DTypeError, match="the dtypes are"):
        gc.zeros((2, 3), dtype=spelling)


SIZES = {
    "arange(n)": "arange: start is tensor i32[], expected a size",
    "zeros((n, 3))": "zeros: shape is tensor i32[]",
    "x.reshape(n, 3)": "reshape: shape is tensor i32[]",
    "broadcast_to(x, n, 3)": "broadcast_to: shape is tensor i32[]",
    "eye(n)": "eye: rows is tensor i32[], expected a size",
    "tile(x, n)": "tile: repetitions is tensor i32[]",
    "full((2, n), 1.0)": "full: shape is tensor i32[]",
}


@pytest.mark.parametrize("call", SIZES)
def test_sizes_are_no_tensors(call: str) -> None:
    source = f"def f(x: f32[2, 3], n: i32[]):\n    return {call}\n\nexport f = f\n"
    with pytest.raises(GraphcError) as caught:
        elaborate(source, "sizes.gc", library())
    traced: dict[str, Any] = {name: getattr(gc, name) for name in functions}
    with pytest.raises(GraphcError) as in_python:
        gc.trace(lambda x, n: eval(call, traced, {"x": x, "n": n}), gc.f32[2, 3], gc.i32[()])
    for error in (caught.value, in_python.value):
        assert SIZES[call] in error.message
        assert "never the value of a tensor" in (error.hint or "")


def test_a_dtype_by_a_function_of_the_language() -> None:
    with pytest.raises(DTypeError, match="say how wide: f32 or f64"):
        elaborate(
            "def f(x: f32[3]):\n    return zeros(3, dtype=float)\n\nexport f = f\n",
            "float.gc",
            library(),
        )


@pytest.mark.parametrize("layer", ["Softmax", "LogSoftmax", "Softmin", "GLU"])
def test_layers_along_an_axis_have_the_name_of_pytorch_too(layer: str) -> None:
    source = (
        f"model M():\n    part = {layer}(dim=1)\n    flat = Flatten(start_dim=0)\n\n"
        "    def forward(x: f32[2, 4, 3]):\n        return flat(part(x))\n\nexport f = M.forward\n"
    )
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3) / 24
    (found,) = evaluate(elaborate(source, "layers.gc", library()).exports["f"], [x])[0]
    make = getattr(gc.nn, layer)
    function = {"LogSoftmax": "log_softmax"}.get(layer, layer.lower())
    np.testing.assert_array_equal(found, getattr(gc, function)(x, dim=1).reshape(-1))
    with pytest.raises(UsageError) as caught:
        make(dim=1, axis=1)
    assert caught.value.code == "argument-twice"


def test_to_takes_what_has_a_dtype() -> None:
    for given in (gc.f16, "float16", np.float16, np.zeros(2, np.float16)):
        assert gc.trace(lambda x, one=given: x.to(one), gc.f32[2]).text().count("f16[2]") == 2
    assert "f64[2]" in gc.trace(lambda x, y: x.to(y), gc.f32[2], gc.f64[3]).text()
    for wrong in ({"device": "cuda"}, {"device": "cpu:0", "dtype": gc.f16}):
        with pytest.raises(UsageError, match="is moved to"):
            gc.trace(lambda x, one=wrong: x.to(**one), gc.f32[2])


def test_types_of_numpy_are_dtypes_to_ask_about() -> None:
    assert gc.isdtype(np.float32, "real floating") and gc.finfo("f16").bits == 16


def test_a_branch_is_no_condition_number() -> None:
    source = "def f(p: bool[], x: f32[]):\n    return cond(p, x, x)\n\nexport f = f\n"
    with pytest.raises(GraphcError, match="a branch is `if condition"):
        elaborate(source, "cond.gc", library())


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: x.repeat(2, 3), np.tile(X, (2, 3))),
        (lambda x: x.repeat((2, 2, 3)), np.tile(X, (2, 2, 3))),
        (lambda x: x[0].repeat(2), np.tile(X[0], 2)),
        (lambda x: x.repeat(2, axis=1), X.repeat(2, axis=1)),
        (lambda x: gc.repeat(x, 2), X.repeat(2)),
        (
            lambda x: x.unfold(1, 2, 1),
            np.lib.stride_tricks.sliding_window_view(X, 2, axis=1),
        ),
        (
            lambda x: x.unfold(-2, 1, 2),
            np.lib.stride_tricks.sliding_window_view(X, 1, axis=0)[::2],
        ),
        (
            lambda x: x.unfold(size=2, dimension=0, step=1),
            np.lib.stride_tricks.sliding_window_view(X, 2, axis=0),
        ),
    ],
)
def test_methods_mean_what_those_of_pytorch_do(call: Any, expected: Any) -> None:
    np.testing.assert_array_equal(gc.function(call, device="reference")(X), expected)


def test_a_repetition_that_pytorch_refuses_is_refused() -> None:
    with pytest.raises(UsageError, match="a number for each axis") as caught:
        gc.trace(lambda x: x.repeat(2), gc.f32[2, 3])
    assert "repeat(x, n) each element" in own_words(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        gc.sum,
        lambda masked: gc.stack([masked, masked]),
        lambda masked: gc.function(lambda x: x * masked)(np.ones(2)),
        gc.function(lambda x: x * 2),
    ],
)
def test_masks_of_arrays_are_not_lost(call: Any) -> None:
    with pytest.raises(UsageError) as caught:
        call(np.ma.masked_array([1.0, 2.0], [False, True]))
    assert "would be lost" in own_words(caught.value)
