"""The arguments that layers are made of, against PyTorch's: their order and their defaults."""

from __future__ import annotations

import inspect

import pytest

from graphc import nn
from graphc.frontend.tracing.arguments import signature_of
from graphc.ir.op import functions
from graphc.ir.ops.argument_names import second_names

pytestmark = pytest.mark.torch
try:
    import torch
    from torch.nn import functional
except ImportError:  # the tests are deselected
    torch = functional = None

OTHERS = ("device", "dtype", "inplace")
"""Graphs have no devices, a dtype stands where a device would, and tensors are values."""

SOFTMAX = "PyTorch's default, an axis that depends on the rank, is deprecated"
ACTIVATION = "a function by its name, so that the language can say it"
EXCEPTIONS = {
    **{(name, "axis"): SOFTMAX for name in ("Softmax", "LogSoftmax", "Softmin")},
    ("Upsample", "align_corners"): "None means False",
    **{
        (name, "activation"): ACTIVATION
        for name in ("Transformer", "TransformerEncoderLayer", "TransformerDecoderLayer")
    },
}
"""Arguments with another default than PyTorch's, and why."""

LAYERS = sorted({*nn.LIBRARY, "TripletMarginWithDistanceLoss"})


def of_torch(name: str) -> list[inspect.Parameter]:
    """The parameters of a layer of PyTorch; those of recurrent layers are in its base."""
    layer = getattr(torch.nn, name)
    if name not in ("RNN", "GRU", "LSTM"):
        return list(inspect.signature(layer).parameters.values())
    given = list(inspect.signature(torch.nn.RNNBase).parameters.values())[1:]
    if name == "RNN":  # documented: it takes its nonlinearity after the number of layers
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        given.insert(3, inspect.Parameter("nonlinearity", kind, default="tanh"))
    return given


def by_position(parameters: list[inspect.Parameter]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in kinds]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_made_of_arguments_in_the_order_of_torch(name: str) -> None:
    layer = getattr(nn, name)
    first = second_names(layer.__init__)
    theirs = [
        one.replace(name=first.get(one.name, one.name))
        for one in of_torch(name)
        if one.name not in OTHERS
    ]
    ours = [one for one in signature_of(layer).parameters.values() if one.name not in OTHERS]
    # What PyTorch takes at a place means the same here, or is taken by name alone.
    own = by_position(ours)
    assert own == by_position(theirs)[: len(own)]
    defaults = {one.name: one.default for one in theirs}
    for one in ours:
        is_same = defaults.get(one.name, one.default) == one.default
        assert is_same is ((name, one.name) not in EXCEPTIONS), one.name


OTHER_ORDERS = {
    "multi_head_attention_forward": "keys and values from before have no place",
    "pad": "a pair of widths for each axis: docs/python.md",
}
"""Functions that take other arguments by position, and why."""

CORNERS = "None means False"
TRAINING = "dropouts are alike: who calls one wants it to drop"
OTHER_DEFAULTS = {
    **{(name, "axis"): SOFTMAX for name in ("softmax", "log_softmax", "softmin")},
    **{
        (name, "align_corners"): CORNERS
        for name in ("affine_grid", "grid_sample", "interpolate", "upsample")
    },
    **{(name, "training"): TRAINING for name in ("alpha_dropout", "feature_alpha_dropout")},
    **{
        ("batch_norm", name): "without running moments those of the operand are taken"
        for name in ("running_mean", "running_var")
    },
    ("linear_cross_entropy", "ignore_index"): "None is -100",
    **{
        (name, "normalized_shape"): "the weight's shape, or the last axis"
        for name in ("layer_norm", "rms_norm")
    },
    ("one_hot", "classes"): "-1 would be a size that depends on data",
    ("pad", "value"): "None means 0",
    ("softplus", "threshold"): "exact: where PyTorch turns to x itself, no digit changes",
}
"""Arguments of functions with another default than PyTorch's, and why."""

DEPRECATED = ("size_average", "reduce", "_stacklevel", "inplace", "out")
"""What PyTorch keeps for old programs, or for tensors that change."""

FUNCTIONS = sorted(name for name in functions if callable(getattr(functional, name, None)))


def of_function(name: str) -> list[inspect.Parameter]:
    """The parameters of a function of PyTorch; documentation has those of what is not Python."""
    function = getattr(functional, f"{name}_with_indices", getattr(functional, name))
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:
        text = " ".join(function.__doc__.split("->")[0].split())
        arguments = text[text.index("(") + 1 : text.rindex(")")]
        made = eval(f"lambda {arguments}: None", {"Tensor": None})
        return list(inspect.signature(made).parameters.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_arguments_in_the_order_of_torch(name: str) -> None:
    first = second_names(functions[name])
    theirs = [
        one.replace(name=first.get(one.name, one.name))
        for one in of_function(name)
        if one.name not in DEPRECATED
    ]
    ours = list(signature_of(functions[name]).parameters.values())
    places, known = by_position(ours), by_position(theirs)
    count = min(len(places), len(known))
    assert (places[:count] == known[:count]) is (name not in OTHER_ORDERS)
    defaults = {one.name: one.default for one in theirs}
    for one in ours:
        is_same = defaults.get(one.name, one.default) == one.default
        assert is_same is ((name, one.name) not in OTHER_DEFAULTS), one.name
