"""Layers of `torch.nn` that are none here, and why; `docs/left_out.md` tells it to people."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LEFT_OUT"]

_RANKS = ("1d", "2d", "3d")

LEFT_OUT: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "LazyLinear",
            *(f"Lazy{kind}{rank}" for kind in ("Conv", "ConvTranspose") for rank in _RANKS),
            *(f"Lazy{kind}Norm{rank}" for kind in ("Batch", "Instance") for rank in _RANKS),
            "UninitializedBuffer",
            "UninitializedParameter",
        ),
        "state has a size when a layer is made: give the layer its number of features",
    ),
    **dict.fromkeys(
        ("AdaptiveLogSoftmaxWithLoss", "FractionalMaxPool2d", "FractionalMaxPool3d"),
        "sizes that depend on data, or random numbers whose count depends on random numbers",
    ),
    **dict.fromkeys(("SyncBatchNorm", "DataParallel"), "one device runs a module"),
    **dict.fromkeys(
        ("LinearCrossEntropyLoss", "LinearCrossEntropyOptions"),
        "`linear_cross_entropy` with the weight of a `Linear`, which has no options: kernels are "
        "fused by themselves",
    ),
    **dict.fromkeys(
        ("Container", "CrossMapLRN2d", "NLLLoss2d", "RNNBase", "RNNCellBase"),
        "old names and bases of others: `Module`, `LocalResponseNorm`, `NLLLoss`, `RNN`, `RNNCell`",
    ),
}
"""The reason for each name, as it stands in `docs/left_out.md`."""
