"""Recurrent cells, and layers that run them along time.

Weights are called and laid out as in PyTorch: gates one below the other in `weight_ih` and
`weight_hh`. Sequences are [batch, time, features].
"""

from __future__ import annotations

import math
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend.tracing.control_flow import scan
from graphc.frontend.tracing.initializers import uniform
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

Weights = tuple[Any, Any, Any, Any]


def _step(kind: str, x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> Any:
    """The state after a row."""
    if len(state) == 1:
        return (call(kind, x, *state, *weights),)
    return call(kind, x, state, *weights)


_CELLS = {"rnn_tanh_cell": (1, 1), "gru_cell": (3, 1), "lstm_cell": (4, 2)}
"""Of each step: its gates, and the tensors of its state."""


class _Recurrent(Module):
    _cell: str

    def _parameters(
        self, inputs: int, hidden: int, bias: bool, dtype: DType, suffix: str = ""
    ) -> None:
        """Weights and biases evenly spread over (-k, k), k = 1 / sqrt(hidden)."""
        rows = _CELLS[self._cell][0] * hidden
        bound = 1 / math.sqrt(hidden) if hidden else 1.0
        shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden)}
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(shape, dtype, uniform(-bound, bound)))
        for name in ("bias_ih", "bias_hh"):
            value = Parameter(rows, dtype, uniform(-bound, bound)) if bias else None
            setattr(self, name + suffix, value)

    def _weights(self, suffix: str = "") -> Weights:
        return (
            getattr(self, "weight_ih" + suffix),
            getattr(self, "weight_hh" + suffix),
            getattr(self, "bias_ih" + suffix),
            getattr(self, "bias_hh" + suffix),
        )

    def _require(self, x: Tensor, rank: int, features: int) -> None:
        if x.ndim != rank or x.shape[-1] != features:
            axes = ["batch", *["time"] * (rank == 3), str(features)]
            raise ShapeError(
                f"{type(self).__name__} takes [{', '.join(axes)}], and was given {x.type}"
            )


class _Cell(_Recurrent):
    """One step of a recurrent layer.

    Args:
        input_size, hidden_size: features of the operand and of the state.
        bias: whether there are two.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, dtype: DType = dtypes.f32
    ) -> None:
        self._input_size, self._hidden_size = input_size, hidden_size
        self._parameters(input_size, hidden_size, bias, dtype)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """The next state of [batch, hidden_size] from `x` [batch, input_size] and the one before.

        A state of zeros is where one begins by default. That of an LSTM is a pair, (h, c).
        """
        self._require(x, 2, self._input_size)
        count = _CELLS[self._cell][1]
        if state is None:
            zero = call("zeros", (x.shape[0], self._hidden_size), x.dtype)
            before = (zero,) * count
        else:
            before = tuple(state) if count > 1 else (state,)
        after = _step(self._cell, x, before, self._weights())
        return after if count > 1 else after[0]


class RNNCell(_Cell):
    """tanh(W x + b + U h + c) (J. Elman, 1990)."""

    _cell = "rnn_tanh_cell"


class GRUCell(_Cell):
    """One step of a gated recurrent unit (K. Cho et al., 2014)."""

    _cell = "gru_cell"


class LSTMCell(_Cell):
    """One step of a long short-term memory; its state is a pair (h, c)."""

    _cell = "lstm_cell"


class _Layers(_Recurrent):
    """Recurrent layers one above the other, each along time.

    Args:
        input_size, hidden_size: features of the operand and of the state.
        num_layers: layers; each one's results are the operand of the next.
        bias: whether there are two in each.
        bidirectional: whether each layer runs backwards as well; results are concatenated.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._input_size, self._hidden_size = input_size, hidden_size
        self._directions = ("", "_reverse") if bidirectional else ("",)
        self._num_layers = num_layers
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else hidden_size * len(self._directions)
            for direction in self._directions:
                self._parameters(inputs, hidden_size, bias, dtype, f"_l{layer}{direction}")

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The results [batch, time, hidden] of the last layer, and the last states of all.

        States are [layers, batch, hidden_size], for two directions twice as many; zeros by default.
        That of an LSTM is a pair, (h, c).
        """
        self._require(x, 3, self._input_size)
        count = _CELLS[self._cell][1]
        given = None if state is None else (tuple(state) if count > 1 else (state,))
        zero = call("zeros", (x.shape[0], self._hidden_size), x.dtype)
        rows = call("permute_dims", x, (1, 0, 2))
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self._num_layers):
            outputs = []
            for direction in self._directions:
                weights, number = self._weights(f"_l{layer}{direction}"), len(last)
                first = (zero,) * count if given is None else tuple(s[number] for s in given)

                def body(
                    before: tuple[Tensor, ...], row: Tensor, weights: Weights = weights
                ) -> tuple[tuple[Tensor, ...], Tensor]:
                    after = _step(self._cell, row, before, weights)
                    return after, after[0]

                after, output = scan(body, first, rows, reverse=bool(direction))
                last.append(after)
                outputs.append(output)
            rows = outputs[0] if len(outputs) == 1 else call("concat", outputs, axis=-1)
        states = tuple(call("stack", list(parts), axis=0) for parts in zip(*last, strict=True))
        results: Tensor = call("permute_dims", rows, (1, 0, 2))
        return results, (states if count > 1 else states[0])


class RNN(_Layers):
    """Layers of tanh(W x + b + U h + c) along time (J. Elman, 1990)."""

    _cell = "rnn_tanh_cell"


class GRU(_Layers):
    """Layers of gated recurrent units along time (K. Cho et al., 2014).

    >>> from graphc.frontend.tracing.trace import trace
    >>> results = trace(GRU(4, 6), dtypes.f32["B", "T", 4])[0].results
    >>> [result.type for result in results]
    [f32[B, T, 6], f32[1, B, 6]]
    """

    _cell = "gru_cell"


class LSTM(_Layers):
    """Layers of long short-term memory along time (S. Hochreiter and J. Schmidhuber, 1997)."""

    _cell = "lstm_cell"
