"""Convolution, pooling and attention: values of SciPy, every backend, named dims, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage, signal

from graphc.errors import GraphcError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp
from tests.emitted import emitted
from tests.simulated import simulated

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def graph(name: str, *arrays: Array, **arguments: Any) -> Graph:
    """The function of arrays, with its gradients."""
    nodes = [
        graph_input(f"x{i}", dtypes.from_numpy(x.dtype), x.shape) for i, x in enumerate(arrays)
    ]
    result: Node = functions[name](*nodes, **arguments)
    weight = graph_input("g", result.dtype, result.shape)
    return Graph("f", (*nodes, weight), (), (result, *vjp([result], nodes, [weight])))


def value(name: str, *arrays: Array, **arguments: Any) -> Array:
    made = graph(name, *arrays, **arguments)
    shape = tuple(int(str(size)) for size in made.inputs[-1].shape)
    return evaluate(made, [*arrays, np.ones(shape, np.float32)])[0][0]


def test_a_convolution_is_the_correlation_of_scipy():
    x, w = normal(2, 3, 9, 8), normal(4, 3, 3, 2)
    expected = [
        [sum(signal.correlate(x[n, c], w[o, c], "valid") for c in range(3)) for o in range(4)]
        for n in range(2)
    ]
    np.testing.assert_allclose(value("conv2d", x, w), expected, rtol=1e-4, atol=1e-5)
    even = value("conv2d", x, w, stride=2, padding=(1, 0))
    spread = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    np.testing.assert_allclose(
        even, value("conv2d", spread, w)[:, :, ::2, ::2], rtol=1e-4, atol=1e-5
    )


def test_a_transposed_convolution_is_the_full_convolution_of_scipy():
    x, w = normal(1, 1, 5, 6), normal(1, 1, 3, 2)
    expected = signal.convolve(x[0, 0], w[0, 0], "full")
    np.testing.assert_allclose(
        value("conv_transpose2d", x, w)[0, 0], expected, rtol=1e-4, atol=1e-5
    )


def test_maxima_of_windows_are_those_of_scipy():
    x = normal(1, 1, 12, 9)
    expected = ndimage.maximum_filter(x[0, 0], (3, 3))[1:-1, 1:-1][::2, ::2]
    np.testing.assert_array_equal(value("max_pool2d", x, kernel_size=3, stride=2)[0, 0], expected)


CASES = [
    ("conv1d", (normal(2, 4, 9), normal(6, 2, 3), normal(6)), {"groups": 2, "padding": "same"}),
    ("conv2d", (normal(2, 3, 7, 6), normal(5, 3, 3, 2)), {"stride": (2, 1), "padding": 1}),
    ("conv2d", (normal(2, 4, 7, 6), normal(4, 1, 3, 3)), {"groups": 4, "dilation": 2}),
    ("conv2d", (normal(0, 3, 7, 6), normal(5, 3, 3, 2)), {}),
    ("conv3d", (normal(1, 2, 4, 5, 3), normal(3, 2, 2, 2, 2)), {}),
    ("conv_transpose2d", (normal(2, 3, 4, 5), normal(3, 2, 3, 2)), {"stride": 2, "padding": 1}),
    ("max_pool2d", (normal(2, 3, 7, 6),), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg_pool2d", (normal(2, 3, 7, 6),), {"kernel_size": 3, "ceil_mode": True}),
    ("adaptive_avg_pool2d", (normal(2, 3, 7, 6),), {"output_size": 4}),
    ("scaled_dot_product_attention", tuple(normal(2, 2, 5, 4) for _ in "qkv"), {"window": 2}),
    ("scaled_dot_product_attention", (normal(7, 4), normal(3, 4), normal(3, 4)), {"window": 2}),
    ("scaled_dot_product_attention", tuple(normal(2, 2, 5, 4) for _ in "qkv"), {"is_causal": True}),
]


@pytest.mark.parametrize("backend", ["cpu", "sim"])
@pytest.mark.parametrize(("name", "arrays", "arguments"), CASES, ids=lambda one: str(one)[:20])
def test_backends_compute_what_the_reference_does(
    name: str, arrays: tuple[Array, ...], arguments: dict[str, Any], backend: str
):
    made = graph(name, *arrays, **arguments)
    shape = tuple(int(str(size)) for size in made.inputs[-1].shape)
    given = [*arrays, normal(*shape)]
    run = emitted if backend == "cpu" else simulated
    for found, expected in zip(run([made]).call("f", given), evaluate(made, given)[0], strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_batch_and_pictures_may_be_named_dims():
    batch, side = dims.variable("B", 1, 64), dims.variable("S", 8, 256)
    x = graph_input("x", dtypes.f32, (batch, 3, 2 * side, side))
    w = graph_input("w", dtypes.f32, (16, 3, 3, 3))
    assert functions["conv2d"](x, w, padding=1).shape == (batch, 16, 2 * side, side)
    assert functions["conv2d"](x, w, stride=2).shape == (
        batch, 16, (2 * side - 3) // 2 + 1, (side - 3) // 2 + 1,
    )  # fmt: skip
    assert functions["max_pool2d"](x, 2).shape[2] == side
    assert functions["adaptive_avg_pool2d"](x, 1).shape == (batch, 3, 1, 1)


F = dtypes.f32
REFUSED = [
    ("conv2d", ((2, 3), (4, 3, 3, 3)), {}),
    ("conv2d", ((2, 3, 7, 7), (4, 2, 3, 3)), {}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3)), {}),
    ("conv2d", ((2, 3, 2, 7), (4, 3, 3, 3)), {}),
    ("conv2d", ((2, 4, 7, 7), (3, 2, 3, 3)), {"groups": 2}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3, 3)), {"groups": 0}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3, 3)), {"stride": 0}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3, 3)), {"stride": 2, "padding": "same"}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3, 3)), {"padding": "full"}),
    ("conv2d", ((2, 3, 7, 7), (4, 3, 3, 3), (3,)), {}),
    ("conv_transpose1d", ((2, 3, 7), (4, 3, 3)), {}),
    ("conv_transpose1d", ((2, 3, 7), (3, 3, 3)), {"output_padding": 1}),
    ("conv_transpose1d", ((2, 3, 1), (3, 3, 2)), {"padding": 2}),
    ("max_pool2d", ((3, 7),), {"kernel_size": 2}),
    ("max_pool2d", ((3, 7, 7),), {"kernel_size": 2, "padding": 2}),
    ("avg_pool2d", ((3, 7, 7),), {"kernel_size": 2, "divisor_override": 0}),
    ("lp_pool1d", ((3, 7),), {"norm_type": 0.0, "kernel_size": 2}),
    ("adaptive_max_pool2d", ((3, 7, 7),), {"output_size": (1, 2, 3)}),
    ("fold", ((2, 12, 11),), {"output_size": 5, "kernel_size": 2}),
    ("scaled_dot_product_attention", ((4, 3), (5, 3), (5,)), {}),
    ("scaled_dot_product_attention", ((4, 3), (5, 3), (5, 2)), {"dropout_p": 0.5}),
    ("scaled_dot_product_attention", ((3, 4, 3), (2, 5, 3), (2, 5, 2)), {"enable_gqa": True}),
    ("scaled_dot_product_attention", ((4, 3), (5, 3), (5, 2)), {"window": 0}),
]


@pytest.mark.parametrize(("name", "shapes", "arguments"), REFUSED)
def test_operands_that_do_not_fit_are_refused(
    name: str, shapes: tuple[tuple[int, ...], ...], arguments: dict[str, Any]
):
    nodes = [graph_input(f"x{i}", F, shape) for i, shape in enumerate(shapes)]
    with pytest.raises(GraphcError) as caught:
        functions[name](*nodes, **arguments)
    assert type(caught.value) is not GraphcError
