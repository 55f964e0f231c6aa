"""Functions of the surface against those of the same name in PyTorch: values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import graphc.ir.ops  # noqa: F401  (fills the registry)
from graphc.frontend.tracing.arguments import first_names
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp

pytestmark = pytest.mark.torch
try:
    import torch
    import torch.nn.functional as nn_functional
except ImportError:  # the tests are deselected
    torch = nn_functional = None

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """A function of both, with its operands.

    Attributes:
        name: what graphc calls it.
        operands: arrays; the floats among them are differentiated, but for those of `fixed`.
        keywords: for both, but for those that `ours` and `theirs` add.
        torch_name: what PyTorch calls it, if not the same.
        fixed: numbers of operands that PyTorch does not differentiate.
        tensors: operands by name, not differentiated.
    """

    name: str
    operands: tuple[Array, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    torch_name: str = ""
    ours: Mapping[str, Any] = field(default_factory=dict)
    theirs: Mapping[str, Any] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()
    tensors: Mapping[str, Array] = field(default_factory=dict)

    def __str__(self) -> str:
        given = {**self.keywords, **self.ours, **dict.fromkeys(self.tensors, "...")}
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in given.items())})"

    @property
    def torch_function(self) -> Callable[..., Any]:
        name = self.torch_name or self.name
        for module in (nn_functional, torch, torch.special, torch.linalg):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape) * 2


def positive(*shape: int) -> Array:
    return RNG.uniform(0.05, 0.95, shape)


def labels(*shape: int, below: int, low: int = 0) -> Array:
    return RNG.integers(low, below, shape)


def signs(*shape: int) -> Array:
    return RNG.choice([-1.0, 1.0], shape)


X = np.concatenate([normal(40), [0.0, 7.0, -7.0, 40.0, -40.0]])
A, B = normal(5, 7), normal(5, 7)
ROWS, CLASSES = normal(6, 4), np.array([0, 3, -100, 2, 2, 1])
WEIGHT = positive(4)

ACTIVATIONS = [
    Case(name, (X,))
    for name in (
        "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
        "logsigmoid", "mish", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu", "softplus",
        "softshrink", "softsign", "tanh", "tanhshrink",
    )
]  # fmt: skip
ACTIVATIONS += [
    Case("celu", (X,), {"alpha": 0.5}),
    Case("elu", (X,), {"alpha": 0.5}),
    Case("gelu", (X,), {"approximate": "tanh"}),
    Case("glu", (normal(4, 6),), {"dim": 1}),
    Case("hardshrink", (X,), {"lambd": 1.5}),
    Case("hardtanh", (X,), {"min_val": -0.5, "max_val": 2.0}),
    Case("leaky_relu", (X,), {"negative_slope": 0.3}),
    Case("log_softmax", (A,), {"dim": 1}),
    Case("normalize", (A,), {"dim": 1}),
    Case("normalize", (A,), {"dim": 0, "p": 3.0}),
    Case("prelu", (normal(2, 3, 4), positive(3))),
    Case("prelu", (normal(2, 3), positive(1))),
    Case("softmax", (A,), {"dim": 0}),
    Case("softmin", (A,), {"dim": 1}),
    Case("softplus", (X,), {"beta": 2.0}),
    Case("softshrink", (X,), {"lambd": 0.25}),
    Case("threshold", (X,), {"threshold": 0.25, "value": -3.0}),
]

LOSSES = [
    Case(name, operands, {**keywords, "reduction": reduction})
    for reduction in ("mean", "sum", "none")
    for name, operands, keywords in (
        ("mse_loss", (A, B), {}),
        ("l1_loss", (A, B), {}),
        ("huber_loss", (A, B), {"delta": 0.75}),
        ("smooth_l1_loss", (A, B), {"beta": 0.5}),
        ("smooth_l1_loss", (A, B), {"beta": 0.0}),
        ("binary_cross_entropy", (positive(5, 7), positive(5, 7)), {}),
        ("binary_cross_entropy_with_logits", (A, positive(5, 7)), {}),
        ("kl_div", (A, positive(5, 7)), {}),
        ("kl_div", (A, B), {"log_target": True}),
        ("poisson_nll_loss", (A, positive(5, 7) * 9), {}),
        ("poisson_nll_loss", (positive(5, 7), positive(5, 7) * 9), {"log_input": False}),
        ("poisson_nll_loss", (A, positive(5, 7) * 9), {"full": True}),
        ("gaussian_nll_loss", (A, B, positive(5, 7)), {}),
        ("gaussian_nll_loss", (A, B, positive(5, 7)), {"full": True}),
        ("hinge_embedding_loss", (A, signs(5, 7)), {}),
        ("margin_ranking_loss", (A, B, signs(5, 7)), {"margin": 0.5}),
        ("cosine_embedding_loss", (A, B, signs(5)), {"margin": 0.1}),
        ("triplet_margin_loss", (A, B, normal(5, 7)), {}),
        ("triplet_margin_loss", (A, B, normal(5, 7)), {"swap": True, "p": 1.0}),
        ("multi_margin_loss", (ROWS, labels(6, below=4)), {}),
        ("multi_margin_loss", (ROWS, labels(6, below=4)), {"margin": 0.5}),
        ("multilabel_soft_margin_loss", (A, positive(5, 7)), {}),
        ("multilabel_margin_loss", (ROWS, np.array([[0, 3, -1, 1]] * 3 + [[2, 1, 0, -1]] * 3)), {}),
        ("nll_loss", (ROWS, CLASSES), {}),
        ("cross_entropy", (ROWS, CLASSES), {}),
        ("cross_entropy", (ROWS, CLASSES), {"label_smoothing": 0.3}),
        ("cross_entropy", (ROWS, positive(6, 4)), {}),
        ("cross_entropy", (ROWS, positive(6, 4)), {"label_smoothing": 0.3}),
    )
] + [
    *(
        Case(name, (*operands, counts), {})
        for name, operands, counts in (
            ("poisson_nll_loss", (A,), labels(5, 7, below=4)),
            ("soft_margin_loss", (A,), signs(5, 7).astype(np.int64)),
            ("hinge_embedding_loss", (A,), signs(5, 7).astype(np.int32)),
            ("margin_ranking_loss", (A, B), signs(5, 7).astype(np.int8)),
            ("cosine_embedding_loss", (A, B), signs(5).astype(np.int64)),
        )
    ),
    Case("soft_margin_loss", (A, signs(5, 7)), {}, fixed=(1,)),
    Case("kl_div", (A, positive(5, 7)), {"reduction": "batchmean"}),
    Case("nll_loss", (ROWS, labels(6, below=4)), {"ignore_index": 2}),
    Case("cross_entropy", (ROWS, labels(6, below=4)), {"ignore_index": 2}),
    Case("cross_entropy", (normal(2, 4, 5), labels(2, 5, below=4)), {}, ours={"axis": 1}),
    *(
        Case(name, (ROWS, target), {**keywords, "reduction": reduction}, tensors={"weight": WEIGHT})
        for reduction in ("mean", "sum", "none")
        for name, target, keywords in (
            ("cross_entropy", CLASSES, {}),
            ("cross_entropy", CLASSES, {"label_smoothing": 0.3}),
            ("cross_entropy", positive(6, 4), {"label_smoothing": 0.3}),
            ("nll_loss", CLASSES, {}),
            ("multi_margin_loss", labels(6, below=4), {}),
            ("multilabel_soft_margin_loss", positive(6, 4), {}),
            ("binary_cross_entropy_with_logits", positive(6, 4), {}),
        )
    ),
    *(
        Case(name, (A, B), {"reduction": reduction}, tensors={"weight": positive(5, 7)})
        for name in ("mse_loss", "l1_loss", "huber_loss")
        for reduction in ("mean", "sum", "none")
    ),
    Case("binary_cross_entropy", (positive(6, 4), positive(6, 4)), tensors={"weight": WEIGHT}),
    Case(
        "binary_cross_entropy_with_logits",
        (ROWS, positive(6, 4)),
        tensors={"weight": WEIGHT, "pos_weight": WEIGHT * 3},
    ),
]

DISTANCES = [
    *(
        Case("vector_norm", (A,), {"ord": order, "dim": dim, "keepdim": keepdim})
        for order in (2, 1, 3, 0.5, float("inf"), float("-inf"), -1)
        for dim in (None, 0, (0, 1))
        for keepdim in (False, True)
    ),
    *(
        Case("matrix_norm", (normal(2, 3, 4),), {"ord": order, "dim": dim})
        for order in ("fro", 1, -1, float("inf"), float("-inf"))
        for dim in ((-2, -1), (2, 0))
    ),
    Case("cosine_similarity", (A, B), {"dim": 1}),
    Case("pairwise_distance", (A, B)),
    Case("pairwise_distance", (A, B), {"p": 1.0, "keepdim": True}),
    Case("cdist", (normal(2, 3, 4), normal(2, 5, 4))),
    Case("cdist", (normal(3, 4), normal(5, 4)), {"p": 1.0}),
    Case("cdist", (normal(3, 4), normal(5, 4)), {"p": 3.0}),
]

PICTURE = normal(2, 3, 4, 5)
C, V3 = normal(2, 3), normal(4, 3)

VIEWS = [
    Case("narrow", (A,), {"dim": 1, "start": 2, "length": 3}),
    Case("unbind", (A,), {"dim": 1}),
    Case("chunk", (A,), {"chunks": 3, "dim": 1}),
    Case("tensor_split", (A,), ours={"sections": 3, "axis": 1}, theirs={"sections": 3, "dim": 1}),
    Case("rot90", (PICTURE,), ours={"k": 3, "axes": (1, 3)}, theirs={"k": 3, "dims": (1, 3)}),
    Case("diff", (A,), {"n": 2, "dim": 0}),
    Case("diff", (A, ), {"dim": 1}, tensors={"prepend": normal(5, 2), "append": normal(5, 1)}),
    Case("pixel_shuffle", (normal(2, 12, 3, 2),), {"upscale_factor": 2}),
    Case("pixel_unshuffle", (normal(2, 3, 4, 6),), {"downscale_factor": 2}),
    Case("channel_shuffle", (normal(2, 6, 3, 2),), {"groups": 3}),
    *(
        Case("pad", (PICTURE,), {"mode": mode}, ours={"widths": [(0, 0), (0, 0), (2, 1), (0, 3)]},
             theirs={"pad": (0, 3, 2, 1)})
        for mode in ("constant", "reflect", "replicate", "circular")
    ),
]  # fmt: skip

PRODUCTS = [
    Case("outer", (normal(3), normal(4))),
    Case("dot", (normal(3), normal(3))),
    Case("mv", (normal(2, 3), normal(3))),
    Case("inner", (normal(2, 3), normal(4, 3))),
    Case("vecdot", (normal(2, 3), normal(4, 1, 3))),
    Case("tensordot", (normal(2, 3, 4), normal(3, 4, 5)), {"dims": 2}),
    Case("tensordot", (normal(2, 3, 4), normal(4, 5, 2)), {"dims": ([0, 2], [2, 0])}),
    Case("kron", (normal(2, 3), normal(4, 1, 2))),
    Case("cross", (V3, normal(4, 3)), {"dim": -1}),
    Case("addmm", (normal(2, 4), C, normal(3, 4)), {"beta": 0.5, "alpha": 2.0}),
    Case("baddbmm", (normal(2, 2, 4), normal(2, 2, 3), normal(2, 3, 4))),
    Case("addcmul", (A, B, normal(7)), {"value": 0.5}),
    Case("addcdiv", (A, B, positive(7)), {"value": 0.5}),
    Case("bilinear", (normal(4, 3), normal(4, 2), normal(5, 3, 2), normal(5))),
    Case("trace", (normal(4, 4),)),
]

NORMALISATIONS = [
    Case("batch_norm", (PICTURE,), ours={"training": True},
         theirs={"running_mean": None, "running_var": None, "training": True}),
    Case("batch_norm", (PICTURE, normal(3), positive(3), normal(3), normal(3)), fixed=(1, 2)),
    Case("group_norm", (normal(2, 6, 4),), {"num_groups": 3},
         tensors={"weight": normal(6), "bias": normal(6)}),
    Case("instance_norm", (PICTURE,)),
    Case("layer_norm", (A,), theirs={"normalized_shape": (7,)}),
    Case("local_response_norm", (normal(2, 6, 4),), {"size": 3, "alpha": 0.5}),
    Case("local_response_norm", (normal(2, 6, 4),), {"size": 4, "beta": 0.5, "k": 2.0}),
    Case("rms_norm", (A,), {"eps": 1e-5}, theirs={"normalized_shape": (7,)}),
]  # fmt: skip

INTERPOLATIONS = [
    *(
        Case("interpolate", (PICTURE,), {"size": size, "mode": mode, "align_corners": corners})
        for mode in ("bilinear", "bicubic")
        for size in ((7, 3), (4, 9), (1, 1))
        for corners in (False, True)
    ),
    Case("interpolate", (PICTURE,), {"size": (7, 3), "mode": "nearest"}),
    Case("interpolate", (PICTURE,), {"size": (7, 3), "mode": "nearest-exact"}),
    Case("interpolate", (PICTURE,), {"scale_factor": 2.5, "mode": "nearest"}),
    Case("interpolate", (PICTURE,), {"scale_factor": 1.7, "mode": "bilinear"}),
    Case("interpolate", (normal(2, 3, 8),), {"size": 5, "mode": "linear"}),
    Case("interpolate", (normal(2, 3, 8),), {"size": 4, "mode": "area"}),
    Case("interpolate", (normal(1, 2, 3, 4, 2),), {"size": (5, 3, 4), "mode": "trilinear"}),
]
LINE = np.array([1.0, 0.5, -2.0, 0.0, 3.0, 0.0, 3.0, 2.0])

SCANS = [
    *(
        Case(name, (A,), {"dim": dim})
        for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
        for dim in (0, 1)
    ),
    *(Case(name, (LINE,), {"dim": 0}) for name in ("cumprod", "cummax", "cummin")),
    Case("logcumsumexp", (np.array([-np.inf, -800.0, -700.0, 5.0, 900.0, 1.0]),), {"dim": 0}),
]
TIES = np.array([[3.0, 1.0, 1.0, 2.0, 3.0, 0.0], [np.nan, 1.0, -np.inf, np.inf, np.nan, 1.0]])

ORDERS = [
    *(
        Case("sort", (x,), {"dim": 1, "descending": descending, "stable": True})
        for x in (A, TIES)
        for descending in (False, True)
    ),
    Case("argsort", (TIES,), {"dim": 1, "descending": True, "stable": True}),
    Case("sort", (normal(50, 3),), {"dim": 0, "stable": True}),
    *(Case("topk", (A,), {"k": 3, "dim": dim, "largest": dim > 0}) for dim in (0, 1)),
    Case("kthvalue", (A,), {"k": 3, "dim": 1, "keepdim": True}),
    *(
        Case("quantile", (A,), {"q": q, "dim": dim, "interpolation": method})
        for method in ("linear", "lower", "higher", "nearest", "midpoint")
        for q, dim in ((0.3, 1), (0.5, 0), (1.0, None), (0.0, 1))
    ),
]
MIXED = np.array([[np.nan, 1.0, -2.0], [3.0, np.inf, 0.0], [0.5, -np.inf, -0.0]])
PAIR = np.array([[1.0, 1.0, -2.0], [np.nan, np.inf, 4.0], [0.5, -np.inf, 0.0]])

ELEMENTWISE = [
    *(
        Case(name, (np.concatenate([np.linspace(-3.7, 5.3, 37)]),))
        for name in ("digamma", "lgamma", "erfc", "sinc", "frac", "deg2rad", "rad2deg")
    ),
    Case("erfinv", (np.linspace(-0.999, 0.999, 21),)),
    Case("sgn", (A,), fixed=(0,)),
    *(Case(name, (MIXED,), fixed=(0,)) for name in ("isposinf", "isneginf", "signbit")),
    *(Case(name, (MIXED, PAIR), fixed=(0, 1)) for name in ("fmax", "fmin", "nextafter")),
    Case("nan_to_num", (MIXED,)),
    Case("nan_to_num", (MIXED,), {"nan": 1.0, "posinf": 2.0, "neginf": 3.0}),
    Case("isclose", (MIXED, PAIR), fixed=(0, 1)),
    Case("isclose", (MIXED, PAIR), {"equal_nan": True, "rtol": 0.5}, fixed=(0, 1)),
    Case("allclose", (A, A), fixed=(0, 1)),
    # PyTorch gives 0 for NaN, NumPy and graphc NaN.
    Case("heaviside", (np.nan_to_num(MIXED), PAIR), fixed=(0, 1)),
    Case("lerp", (A, B, positive(5, 7))),
    Case("logaddexp", (A, B)),
    Case("logaddexp", (MIXED, PAIR), fixed=(0, 1)),
    Case("logaddexp2", (A, B)),
    Case("logit", (positive(9),)),
    Case("logit", (np.array([0.0, 0.5, 1.0]),), {"eps": 0.1}),
    Case("xlogy", (A, positive(5, 7))),
    Case("xlogy", (np.zeros(5), np.array([0.0, -1.0, 2.0, np.nan, np.inf])), fixed=(0, 1)),
    Case("xlog1py", (A, positive(5, 7))),
    Case("entr", (np.array([0.0, -1.0, 0.5, 2.0]),), fixed=(0,)),
]

SUMMARIES = [
    *(
        Case(name, (x,), {"dim": dim})
        for name in ("nansum", "nanmean", "logsumexp", "count_nonzero")
        for x in (A, np.where(A > 2, np.nan, A))
        for dim in (0, 1)
        if name != "logsumexp" or x is A
    ),
    Case("aminmax", (A,), {"dim": 1, "keepdim": True}),
    Case("std_mean", (A,), {"dim": 1, "correction": 1}),
    Case("var_mean", (A,), {"dim": 0, "correction": 0}),
    Case("cov", (A,)),
]


CASES = [
    *ACTIVATIONS,
    *LOSSES,
    *DISTANCES,
    *VIEWS,
    *PRODUCTS,
    *NORMALISATIONS,
    *INTERPOLATIONS,
    *SCANS,
    *ORDERS,
    *ELEMENTWISE,
    *SUMMARIES,
]


def results_of(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def ours(case: Case) -> tuple[list[Array], list[Array]]:
    nodes = [
        graph_input(f"x{i}", dtypes.from_numpy(one.dtype), one.shape)
        for i, one in enumerate(case.operands)
    ]
    named = {
        name: graph_input(name, dtypes.from_numpy(one.dtype), one.shape)
        for name, one in case.tensors.items()
    }
    given = first_names(case.name, functions[case.name], {**case.keywords, **case.ours})
    results = results_of(functions[case.name](*nodes, **named, **given))
    smooth = [node for node in results if node.dtype.precision]
    wrt = [n for i, n in enumerate(nodes) if n.dtype.precision and i not in case.fixed]
    gradients: list[Node] = vjp(smooth, wrt, [weight_of(node) for node in smooth])
    graph = Graph("g", (*nodes, *named.values()), (), (*results, *gradients))
    values = evaluate(graph, [*case.operands, *case.tensors.values()])[0]
    return list(values[: len(results)]), list(values[len(results) :])


def weight_of(node: Node) -> Node:
    count = functions["arange"](1.0, float(max(1, int(str(node.tensor.size)))) + 1.0)
    scaled = functions["sin"](functions["cast"](count, node.dtype))
    return functions["reshape"](scaled, *node.shape)


def theirs(case: Case) -> tuple[list[Array], list[Array]]:
    tensors = [
        torch.tensor(one, requires_grad=one.dtype.kind == "f" and i not in case.fixed)
        for i, one in enumerate(case.operands)
    ]
    named = {name: torch.tensor(one) for name, one in case.tensors.items()}
    results = results_of(case.torch_function(*tensors, **named, **case.keywords, **case.theirs))
    results = tuple(torch.as_tensor(result) for result in results)
    smooth = [one for one in results if one.dtype.is_floating_point and one.requires_grad]
    weights = [
        torch.sin(torch.arange(1.0, one.numel() + 1, dtype=one.dtype)).reshape(one.shape)
        for one in smooth
    ]
    wrt = [one for one in tensors if one.requires_grad]
    gradients = (
        torch.autograd.grad(smooth, wrt, weights, allow_unused=True)
        if smooth
        else [None] * len(wrt)
    )
    zeros = [torch.zeros_like(x) if g is None else g for x, g in zip(wrt, gradients, strict=True)]
    return [one.detach().numpy() for one in results], [one.numpy() for one in zeros]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_those_of_pytorch(case: Case) -> None:
    found, found_gradients = ours(case)
    expected, expected_gradients = theirs(case)
    # PyTorch gives positions along with what it sorts.
    for a, b in zip(found, expected, strict=case.name != "sort"):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    for a, b in zip(found_gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
