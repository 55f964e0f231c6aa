"""Convolutions, pooling and attention against those of the same name in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.test_torch import Case, normal, ours, theirs

pytestmark = pytest.mark.torch

LINE, PICTURE, VOLUME = normal(2, 4, 9), normal(2, 4, 7, 6), normal(2, 4, 5, 4, 6)
TAPS = (3, 2, 3)
OPERANDS = {1: LINE, 2: PICTURE, 3: VOLUME}


STEPS: list[dict[str, int]] = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"stride": 2, "padding": 1, "dilation": 2},
]


CONVOLUTIONS = [
    Case(f"conv{rank}d", (x, normal(6, 4 // groups, *TAPS[:rank]), normal(6)), {
        **how, "groups": groups})
    for rank, x in OPERANDS.items()
    for groups in (1, 2)
    for how in STEPS
] + [
    Case("conv2d", (PICTURE, normal(8, 1, 3, 3)), {"groups": 4, "padding": 1}),
    Case("conv2d", (PICTURE[0], normal(3, 4, 3, 2)), {"stride": (2, 1), "padding": (0, 1)}),
    Case("conv2d", (PICTURE, normal(3, 4, 3, 2)), {"padding": "same"}),
    Case("conv2d", (PICTURE, normal(3, 4, 1, 1)), {"padding": "valid"}),
    Case("conv1d", (LINE, normal(3, 4, 4)), {"padding": "same", "dilation": 2}),
]  # fmt: skip

TRANSPOSED = [
    Case(f"conv_transpose{rank}d", (x, normal(4, 3, *TAPS[:rank]), normal(3 * groups)), {
        **how, "groups": groups})
    for rank, x in OPERANDS.items()
    for groups in (1, 2)
    for how in (
        {}, {"stride": 2, "output_padding": 1}, {"padding": 1},
        {"stride": 2, "padding": 1, "dilation": 2, "output_padding": 1},
    )
] + [Case("conv_transpose1d", (LINE[1], normal(4, 3, 2)), {"stride": 3})]  # fmt: skip

MAXIMA = [
    Case(f"max_pool{rank}d", (x,), {"kernel_size": 2, "ceil_mode": ceil, **how})
    for rank, x in OPERANDS.items()
    for ceil in (False, True)
    for how in ({}, {"stride": 1, "padding": 1}, {"stride": 3}, {"dilation": 2})
] + [
    Case("max_pool2d", (PICTURE,), {"kernel_size": (3, 2), "padding": (1, 0)},
         ours={"return_indices": True}, theirs={"return_indices": True}),
    Case("max_pool1d", (LINE,), {"kernel_size": 3, "dilation": 2, "stride": 2},
         ours={"return_indices": True}, theirs={"return_indices": True}),
]  # fmt: skip

MEANS = [
    Case(f"avg_pool{rank}d", (x,), {
        "kernel_size": 3, "ceil_mode": ceil, "count_include_pad": include, **how})
    for rank, x in OPERANDS.items()
    for ceil in (False, True)
    for include in (False, True)
    for how in ({}, {"stride": 2, "padding": 1})
] + [
    Case("avg_pool2d", (PICTURE,), {"kernel_size": 2, "divisor_override": 3}),
    Case("lp_pool1d", (abs(LINE),), {"norm_type": 3.0, "kernel_size": 2}),
    Case("lp_pool2d", (abs(PICTURE),), {"norm_type": 2.0, "kernel_size": 2, "stride": 1}),
]  # fmt: skip

ADAPTIVE = [
    Case(f"adaptive_{kind}_pool{rank}d", (x,), {"output_size": (size,) * rank})
    for kind in ("avg", "max")
    for rank, x in OPERANDS.items()
    for size in (1, 2, 3, 4)
] + [Case("adaptive_avg_pool2d", (PICTURE,), {"output_size": (None, 4)})]

COLUMNS = [
    Case("unfold", (PICTURE,), {"kernel_size": (3, 2), "stride": 2, "padding": 1}),
    Case("unfold", (PICTURE[0],), {"kernel_size": 2, "dilation": 2}),
    Case("fold", (normal(2, 12, 12),), {"output_size": (7, 6), "kernel_size": (3, 2), "stride": 2,
                                        "padding": (1, 0)}),
    Case("fold", (normal(8, 20),), {"output_size": (6, 5), "kernel_size": 2}),
]  # fmt: skip

Q, K, V = normal(2, 4, 5, 3), normal(2, 4, 7, 3), normal(2, 4, 7, 6)
MASK = np.array([[(i + 2 * j) % 3 > 0 for j in range(7)] for i in range(5)])
ATTENTION = [
    Case("scaled_dot_product_attention", (Q, K, V), how, tensors=tensors)
    for how, tensors in (
        ({}, {}),
        ({"is_causal": True}, {}),
        ({"scale": 0.25}, {}),
        ({}, {"attn_mask": MASK}),
        ({}, {"attn_mask": MASK & (np.arange(5) != 2)[:, None]}),
        ({}, {"attn_mask": np.where((np.arange(5) != 2)[:, None], normal(5, 7), -np.inf)}),
        ({}, {"attn_mask": normal(4, 5, 7)}),
    )
] + [
    Case("scaled_dot_product_attention", (Q, K[:, :2], V[:, :2]), {"enable_gqa": True}),
    Case("scaled_dot_product_attention", (Q[0, 0], K[0, 0], V[0, 0])),
]

CASES = [*CONVOLUTIONS, *TRANSPOSED, *MAXIMA, *MEANS, *ADAPTIVE, *COLUMNS, *ATTENTION]


@pytest.mark.filterwarnings("ignore:Using padding=.same.")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_pytorch(case: Case) -> None:
    found, found_gradients = ours(case)
    expected, expected_gradients = theirs(case)
    for a, b in zip([*found, *found_gradients], [*expected, *expected_gradients], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
