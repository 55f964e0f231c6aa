"""Layers as PyTorch has them: how each is made in both, and shapes that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphc import nn
from graphc.frontend.tracing.module import Module

__all__ = ["OF_TORCH", "LayerCase", "operands_of"]

Array = np.ndarray[Any, Any]

LINE, PICTURE, VOLUME = (3, 4, 9), (3, 4, 8, 6), (2, 4, 5, 4, 6)
SPATIAL = {1: LINE, 2: PICTURE, 3: VOLUME}


@dataclass(frozen=True)
class LayerCase:
    """A layer of both.

    Attributes:
        make: makes it.
        shapes: of its operands.
        arguments: what PyTorch makes its own of, where they are not those of `make`; functions
            make modules among them of the layers of the one library or of the other.
        draw: numbers of operands that are drawn otherwise than from a normal distribution.
        theirs: more arguments by name for PyTorch.
    """

    make: Callable[[], Module]
    shapes: tuple[tuple[int, ...], ...]
    arguments: tuple[Any, ...] = ()
    draw: Mapping[int, Callable[[np.random.Generator, tuple[int, ...]], Array]] = field(
        default_factory=dict
    )
    theirs: Mapping[str, Any] = field(default_factory=dict)


def operands_of(case: LayerCase) -> list[Array]:
    """Operands of the layer; the same every time."""
    rng = np.random.default_rng(11)
    return [
        case.draw[place](rng, shape) if place in case.draw else rng.normal(size=shape)
        for place, shape in enumerate(case.shapes)
    ]


def probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.05, 0.95, shape)


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice([-1.0, 1.0], shape)


def classes(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, 4, shape)


def bits(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, 2, shape).astype(np.float64)


def labels(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Classes but for the one called 0, which is the blank of CTC."""
    return rng.integers(1, 4, shape)


def lengths(size: int) -> Callable[[np.random.Generator, tuple[int, ...]], Array]:
    return lambda rng, shape: rng.integers(1, size + 1, shape)


def places(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Where in windows of 2 the maxima of [N, C, ...] were, as places among the elements."""
    sizes = shape[2:]
    at = np.indices(sizes)[:, None, None] * 2 + rng.integers(0, 2, (len(sizes), *shape))
    return np.ravel_multi_index(tuple(at), tuple(2 * size for size in sizes))


def of_library(layers: Any, arguments: tuple[Any, ...]) -> list[Any]:
    """Arguments, with modules made of the layers of a library."""
    return [one(layers) if callable(one) else one for one in arguments]


def _layer(name: str, shapes: tuple[tuple[int, ...], ...], *arguments: Any, **more: Any) -> Any:
    return LayerCase(lambda: getattr(nn, name)(*arguments), shapes, arguments, **more)


def _with_state(name: str, shape: tuple[Any, ...], *arguments: Any, **keywords: Any) -> LayerCase:
    from_torch = {key: value for key, value in keywords.items() if key != "theirs"}

    def make() -> Module:
        made: Module = getattr(nn, name)(*of_library(nn, arguments), **from_torch)
        return made

    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    return LayerCase(make, shapes, arguments, theirs={**from_torch, **keywords.get("theirs", {})})


def _recurrent_cases() -> dict[str, LayerCase]:
    cases = {}
    for name in ("RNNCell", "GRUCell", "LSTMCell"):
        cases[name] = _with_state(name, (3, 4), 4, 6)
        cases[f"{name} without a batch"] = _with_state(name, (4,), 4, 6)
    cases["RNNCell relu"] = _with_state("RNNCell", (3, 4), 4, 6, True, "relu")
    for name in ("RNN", "GRU", "LSTM"):
        cases[name] = _with_state(name, (7, 2, 4), 4, 6, num_layers=2, bidirectional=True)
        cases[f"{name} batch_first"] = _with_state(name, (2, 7, 4), 4, 6, batch_first=True)
        cases[f"{name} without a batch"] = _with_state(name, (7, 4), 4, 6, 2, batch_first=True)
    cases["GRU from a state"] = _with_state("GRU", ((7, 2, 4), (2, 2, 6)), 4, 6, 2)
    cases["GRU without a batch from a state"] = _with_state("GRU", ((7, 4), (2, 6)), 4, 6, 2)
    for bidirectional in (False, True):
        cases[f"LSTM projected {bidirectional}"] = _with_state(
            "LSTM", (7, 2, 4), 4, 6, 2, bidirectional=bidirectional, proj_size=3
        )
    cases["RNN relu"] = _with_state("RNN", (7, 2, 4), 4, 6, 1, "relu", False)
    return cases


def _attention_cases() -> dict[str, LayerCase]:
    attention, batched = "MultiheadAttention", ((5, 3, 8), (7, 3, 8), (7, 3, 8))
    of_features = ((5, 3, 8), (7, 3, 6), (7, 3, 4))
    cases = {
        attention: _with_state(attention, batched, 8, 4),
        f"{attention} batch_first": _with_state(attention, batched, 8, 2, batch_first=True),
        f"{attention} without a batch": _with_state(
            attention, ((5, 8), (7, 8), (7, 8)), 8, 2, batch_first=True
        ),
        f"{attention} of other features": _with_state(attention, of_features, 8, 2, kdim=6, vdim=4),
        f"{attention} with more keys": _with_state(
            attention, of_features, 8, 2, 0.0, True, True, True, 6, 4
        ),
        f"{attention} without a bias": _with_state(
            attention, batched, 8, 2, 0.0, False, True, batch_first=True
        ),
    }
    return {name: replace(case, shapes=_batch_first(case)) for name, case in cases.items()}


def _batch_first(case: LayerCase) -> tuple[tuple[int, ...], ...]:
    """The shapes of a case, whose first two of three axes are exchanged if it says so."""
    turned = case.theirs.get("batch_first") and len(case.shapes[0]) == 3
    return tuple((b, t, *rest) for t, b, *rest in case.shapes) if turned else case.shapes


def _cases() -> dict[str, LayerCase]:
    rows, table = ((5, 6),), ((5, 4), (5, 4))
    cases = {name: _layer(name, rows) for name in (
        "CELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LogSigmoid", "Mish", "ReLU6",
        "SELU", "Softshrink", "Softsign", "Tanhshrink", "GLU",
    )}  # fmt: skip
    cases["Softmin"] = LayerCase(lambda: nn.Softmin(1), rows, (1,))
    cases["Threshold"] = _layer("Threshold", rows, 0.25, -3.0)
    cases["PReLU"] = _with_state("PReLU", PICTURE, 4)
    for rank, shape in SPATIAL.items():
        cases[f"Conv{rank}d"] = _with_state(f"Conv{rank}d", shape, 4, 6, 3, 2, 1, 1, 2)
        cases[f"ConvTranspose{rank}d"] = _with_state(
            f"ConvTranspose{rank}d", shape, 4, 6, 3, 2, 1, 1, 2
        )
        cases[f"MaxPool{rank}d"] = _layer(f"MaxPool{rank}d", (shape,), 3, 2, 1)
        cases[f"AvgPool{rank}d"] = _layer(f"AvgPool{rank}d", (shape,), 3, 2, 1)
        cases[f"LPPool{rank}d"] = _layer(f"LPPool{rank}d", (shape,), 2.0, 3, 2)
        cases[f"MaxUnpool{rank}d"] = _layer(f"MaxUnpool{rank}d", (shape,) * 2, 2, draw={1: places})
        widths = (1, 2, 0, 3, 2, 1)[: 2 * rank]
        for kind in ("CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad"):
            cases[f"{kind}{rank}d"] = _layer(f"{kind}{rank}d", (shape,), widths)
        cases[f"ConstantPad{rank}d"] = _layer(f"ConstantPad{rank}d", (shape,), widths, 1.5)
        for kind in ("Avg", "Max"):
            name = f"Adaptive{kind}Pool{rank}d"
            cases[name] = _layer(name, (shape,), 2)
        cases[f"BatchNorm{rank}d"] = _with_state(f"BatchNorm{rank}d", shape, 4)
        cases[f"InstanceNorm{rank}d"] = _with_state(f"InstanceNorm{rank}d", shape, 4, affine=True)
        cases[f"InstanceNorm{rank}d tracks"] = _with_state(
            f"InstanceNorm{rank}d", shape, 4, 1e-3, 0.3, True, True, bias=False
        )
        cases[f"InstanceNorm{rank}d without a batch"] = _with_state(
            f"InstanceNorm{rank}d", shape[1:], 4, track_running_stats=True
        )
        cases[f"BatchNorm{rank}d of all batches"] = _with_state(
            f"BatchNorm{rank}d", shape, 4, momentum=None, bias=False
        )
        for padding_mode in ("reflect", "replicate", "circular"):
            padding = (1, 2, 0)[:rank]
            cases[f"Conv{rank}d {padding_mode}"] = _with_state(
                f"Conv{rank}d", shape, 4, 6, 3, 2, padding, padding_mode=padding_mode
            )
            cases[f"Conv{rank}d {padding_mode} same"] = _with_state(
                f"Conv{rank}d", shape[1:], 4, 6, 2, 1, "same", 3, 2, False, padding_mode
            )
        for padding in ("same", "valid"):
            cases[f"Conv{rank}d {padding}"] = _with_state(
                f"Conv{rank}d", shape, 4, 6, 4, 1, padding
            )
    for rank in (2, 3):
        cases[f"AvgPool{rank}d divided"] = _layer(
            f"AvgPool{rank}d", (SPATIAL[rank],), 3, 2, 1, True, False, 5
        )
    cases["GroupNorm without a bias"] = _with_state("GroupNorm", PICTURE, 2, 4, bias=False)
    cases["LayerNorm without a bias"] = _with_state("LayerNorm", PICTURE, 6, bias=False)
    cases["GroupNorm"] = _with_state("GroupNorm", PICTURE, 2, 4)
    cases["Upsample"] = LayerCase(
        lambda: nn.Upsample(scale_factor=2.0, mode="bilinear"), (PICTURE,), (),
        theirs={"scale_factor": 2.0, "mode": "bilinear"},
    )  # fmt: skip
    for kind in ("Nearest", "Bilinear"):
        name = f"Upsampling{kind}2d"
        cases[name] = _layer(name, (PICTURE,), None, 2.0)
    cases["Softmax2d"] = _layer("Softmax2d", (PICTURE,))
    cases["LocalResponseNorm"] = _layer("LocalResponseNorm", (PICTURE,), 3, 0.5)
    cases["Unfold"] = _layer("Unfold", (PICTURE,), (3, 2), 1, 1, 2)
    cases["Fold"] = _layer("Fold", ((3, 24, 16),), (8, 6), (3, 2), 1, 1, 2)
    cases["Unflatten"] = _layer("Unflatten", (PICTURE,), 2, (2, -1))
    cases["ChannelShuffle"] = _layer("ChannelShuffle", (PICTURE,), 2)
    cases["Bilinear"] = _with_state("Bilinear", ((3, 2, 4), (3, 2, 5)), 4, 5, 6)
    cases["EmbeddingBag"] = LayerCase(
        lambda: nn.EmbeddingBag(4, 3, mode="sum"), ((5, 6),), (4, 3), {0: classes}, {"mode": "sum"}
    )
    cases["CosineSimilarity"] = _layer("CosineSimilarity", (PICTURE,) * 2, 2)
    cases["PairwiseDistance"] = _layer("PairwiseDistance", table, 3.0)
    cases["PixelShuffle"] = _layer("PixelShuffle", (PICTURE,), 2)
    cases["PixelUnshuffle"] = _layer("PixelUnshuffle", (PICTURE,), 2)
    cases["Embedding padding"] = replace(
        _with_state("Embedding", (5, 6), 4, 3, 2), draw={0: classes}
    )
    cases["MaxPool2d indices"] = _layer("MaxPool2d", (PICTURE,), 3, 2, 1, 1, True)
    cases["AdaptiveMaxPool2d indices"] = _layer("AdaptiveMaxPool2d", (PICTURE,), 2, True)
    cases |= _recurrent_cases() | _attention_cases()
    sizes = (8, 2, 12, 0.0)
    cases["TransformerEncoderLayer"] = _with_state("TransformerEncoderLayer", (5, 3, 8), *sizes)
    cases["TransformerEncoder"] = _with_state(
        "TransformerEncoder", (5, 3, 8), lambda of: of.TransformerEncoderLayer(*sizes), 2
    )
    cases["TransformerDecoderLayer"] = _with_state(
        "TransformerDecoderLayer", ((3, 4, 8), (3, 5, 8)), *sizes, "gelu", 1e-4, True, True, False
    )
    cases["TransformerDecoder"] = _with_state(
        "TransformerDecoder",
        ((4, 3, 8), (5, 3, 8)),
        lambda of: of.TransformerDecoderLayer(*sizes),
        2,
        lambda of: of.LayerNorm(8),
    )
    cases["Transformer"] = _with_state("Transformer", ((5, 3, 8), (4, 3, 8)), 8, 2, 1, 2, 12, 0.0)
    return cases | _loss_cases()


def _loss_cases() -> dict[str, LayerCase]:
    table, cases = ((5, 4), (5, 4)), {}
    cases["CTCLoss"] = _layer(
        "CTCLoss", ((7, 2, 4), (2, 3), (2,), (2,)),
        draw={1: labels, 2: lambda rng, shape: np.full(shape, 7), 3: lengths(3)},
    )  # fmt: skip
    both = {0: probabilities, 1: probabilities}
    cases["BCELoss"] = _layer("BCELoss", table, draw=both)
    cases["CosineEmbeddingLoss"] = _layer("CosineEmbeddingLoss", (*table, (5,)), draw={2: signs})
    cases["GaussianNLLLoss"] = _layer("GaussianNLLLoss", (*table, (5, 4)), draw={2: probabilities})
    cases["HingeEmbeddingLoss"] = _layer("HingeEmbeddingLoss", table, draw={1: signs})
    cases["HuberLoss"] = _layer("HuberLoss", table)
    cases["KLDivLoss"] = _layer("KLDivLoss", table, draw={1: probabilities})
    cases["MarginRankingLoss"] = _layer("MarginRankingLoss", (*table, (5, 4)), draw={2: signs})
    cases["MultiLabelMarginLoss"] = _layer("MultiLabelMarginLoss", table, draw={1: classes})
    cases["MultiLabelSoftMarginLoss"] = _layer("MultiLabelSoftMarginLoss", table, draw={1: bits})
    cases["MultiMarginLoss"] = _layer("MultiMarginLoss", ((5, 4), (5,)), draw={1: classes})
    cases["NLLLoss"] = _layer("NLLLoss", ((5, 4), (5,)), draw={1: classes})
    cases["PoissonNLLLoss"] = _layer("PoissonNLLLoss", table, draw={1: probabilities})
    cases["SmoothL1Loss"] = _layer("SmoothL1Loss", table)
    cases["SoftMarginLoss"] = _layer("SoftMarginLoss", table, draw={1: signs})
    cases["TripletMarginLoss"] = _layer("TripletMarginLoss", (*table, (5, 4)))
    return cases | _weighted_loss_cases()


WEIGHT = np.array([0.5, 2.0, 1.0, 3.0], np.float32)


def _weighted_loss_cases() -> dict[str, LayerCase]:
    table, rows = ((5, 4), (5, 4)), ((5, 4), (5,))
    soft = {1: probabilities}
    kinds: dict[str, tuple[tuple[tuple[int, ...], ...], Any, dict[str, Any]]] = {
        "CrossEntropyLoss": (rows, {1: classes}, {"ignore_index": 2}),
        "CrossEntropyLoss smooth": (rows, {1: classes}, {"label_smoothing": 0.25}),
        "CrossEntropyLoss smooth and without a class": (
            rows, {1: classes}, {"label_smoothing": 0.25, "ignore_index": 1},
        ),
        "CrossEntropyLoss of probabilities": (table, soft, {"label_smoothing": 0.25}),
        "NLLLoss": (rows, {1: classes}, {"ignore_index": 2}),
        "BCELoss": (table, {0: probabilities, 1: probabilities}, {}),
        "BCEWithLogitsLoss": (table, soft, {"pos_weight": 2 * WEIGHT}),
        "MultiMarginLoss": (rows, {1: classes}, {"p": 2, "margin": 0.5}),
        "MultiLabelSoftMarginLoss": (table, {1: bits}, {}),
    }  # fmt: skip
    return {
        f"{name} weighted {reduction}": replace(
            _with_state(name.split()[0], shapes, weight=WEIGHT, reduction=reduction, **more),
            draw=draw,
        )
        for name, (shapes, draw, more) in kinds.items()
        for reduction in ("mean", "sum", "none")
    }


OF_TORCH = _cases()
"""The layers by name, and what is special about a case."""
