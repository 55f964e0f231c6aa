"""Calls as other libraries order them: what is refused says how it is written here."""

import numpy as np
import pytest

import graphc
from graphc.errors import GraphcError
from graphc.frontend.elaborate import elaborate
from graphc.library import library
from tests.own_words import own_words

SIGNATURE = "def f(x: f32[B, 3, 4], y: i32[B, 4], w: f32[4], z: f32[T]) -> f32[]:\n"
CALLS = {
    "cross_entropy(x, y)": "axis=1",
    "layer_norm(x, w, w, 0.5)": "layer_norm(x, weight, eps=",
    "rms_norm(x, w, 0.5)": "rms_norm(x, weight, eps=",
}


@pytest.mark.parametrize("call", CALLS)
def test_what_is_refused_says_how_it_is_written(call: str) -> None:
    source = f"dim B: 1..8\ndim T: 1..8\n\n{SIGNATURE}    return {call}\n\nexport f = f\n"
    with pytest.raises(GraphcError) as caught:
        elaborate(source, "f.gc", library())
    assert CALLS[call] in own_words(caught.value)


def test_an_axis_that_may_be_empty_is_rolled() -> None:
    @graphc.function(device="reference")
    def rolled(x: graphc.f32[graphc.dim("T", 0, 32, 4)]) -> object:  # type: ignore[valid-type]
        return graphc.roll(x, 1)

    for count in (0, 4, 8):
        x = np.arange(count, dtype=np.float32)
        np.testing.assert_array_equal(rolled(x), np.roll(x, 1))
