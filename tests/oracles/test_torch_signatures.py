"""The arguments that layers are made of, against PyTorch's: their order and their defaults."""

from __future__ import annotations

import inspect

import pytest

from graphc import nn
from graphc.frontend.tracing.arguments import signature_of
from graphc.ir.ops.spelling import second_names

pytestmark = pytest.mark.torch
try:
    import torch
except ImportError:  # the tests are deselected
    torch = None

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
    return [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]


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
