"""Recurrent cells, and layers that run them along time.

Weights are called and laid out as in PyTorch: gates one below the other in `weight_ih` and
`weight_hh`. So are sequences: [time, batch, features], with `batch_first` [batch, time, features],
or without a batch [time, features].
"""

from __future__ import annotations

import math
from typing import Any

from graphc.errors import ShapeError, UsageError
from graphc.frontend.tracing.control_flow import scan
from graphc.frontend.tracing.initializers import uniform
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.state import Parameter
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.ops.nn.recurrent_cells import GATES
from graphc.nn.dropout import Dropout

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

Weights = tuple[Any, ...]


class _Recurrent(Module):
    _cell: str
    _hidden_size: int
    _output_size: int

    def _choose(self, nonlinearity: str) -> None:
        """The cell of a nonlinearity."""
        if nonlinearity not in ("tanh", "relu"):
            raise UsageError(
                f"{type(self).__name__}: nonlinearity is {nonlinearity!r}",
                hint='expected "tanh" or "relu"',
            )
        self._cell = f"rnn_{nonlinearity}_cell"

    @property
    def _is_pair(self) -> bool:
        """Whether the state is two tensors."""
        return self._cell == "lstm_cell"

    def _parameters(
        self,
        inputs: int,
        hidden: int,
        bias: bool,
        dtype: DType,
        suffix: str = "",
        projected: int = 0,
    ) -> None:
        """Weights and biases evenly spread over (-k, k), k = 1 / sqrt(hidden)."""
        rows = GATES[self._cell] * hidden
        bound = 1 / math.sqrt(hidden) if hidden else 1.0
        shapes = {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, projected or hidden),
            "bias_ih": rows if bias else None,
            "bias_hh": rows if bias else None,
            **({"weight_hr": (projected, hidden)} if projected else {}),
        }
        self._names = tuple(shapes)
        for name, shape in shapes.items():
            init = uniform(-bound, bound)
            value = None if shape is None else Parameter(shape, dtype, init)
            setattr(self, name + suffix, value)

    def _weights(self, suffix: str = "") -> Weights:
        return tuple(getattr(self, name + suffix) for name in self._names)

    def _step(self, x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, ...]:
        """The state after a row."""
        after = call(self._cell, x, state if self._is_pair else state[0], *weights)
        return tuple(after) if self._is_pair else (after,)

    def _states(self, given: Any, axes: tuple[Any, ...], x: Tensor) -> tuple[Tensor, ...]:
        """The tensors of a state, which is zeros where none is given."""
        if given is None:
            features = (self._output_size, self._hidden_size)[: 2 if self._is_pair else 1]
            return tuple(call("zeros", (*axes, size), x.dtype) for size in features)
        return tuple(given) if self._is_pair else (given,)

    def _require(self, x: Tensor, axes: str, features: int) -> None:
        """Refuse what is not [*axes, features], the batch among the axes or not."""
        ranks = (len(axes.split(", ")), len(axes.split(", ")) + 1)
        if x.ndim not in ranks or x.shape[-1] != features:
            raise ShapeError(
                f"{type(self).__name__} takes [{axes}, {features}], and was given {x.type}"
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
        self._input_size = input_size
        self._hidden_size = self._output_size = hidden_size
        self._parameters(input_size, hidden_size, bias, dtype)

    def forward(self, x: Tensor, hx: Any = None) -> Any:
        """The next state [batch, hidden_size] from `x` [batch, input_size] and the one before, hx.

        A state of zeros is where one begins by default. That of an LSTM is a pair, (h, c). The axis
        of the batch may be missing.
        """
        self._require(x, "batch", self._input_size)
        before = self._states(hx, x.shape[:-1], x)
        after = self._step(x, before, self._weights())
        return after if self._is_pair else after[0]


class RNNCell(_Cell):
    """tanh(W x + b + U h + c), or relu of it (J. Elman, 1990)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: DType = dtypes.f32,
    ) -> None:
        self._choose(nonlinearity)
        super().__init__(input_size, hidden_size, bias, dtype)


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
        batch_first: whether sequences are [batch, time, features].
        dropout: the probability of dropout between layers, in training.
        bidirectional: whether each layer runs backwards as well; results are concatenated.
        proj_size: of an LSTM, features that results and h are projected to; 0 projects nothing.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._input_size, self._hidden_size = input_size, hidden_size
        self._output_size = self._require_projection(proj_size)
        self._directions = ("", "_reverse") if bidirectional else ("",)
        self._num_layers, self._batch_first = num_layers, batch_first
        self._dropout = Dropout(dropout)
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else self._output_size * len(self._directions)
            for direction in self._directions:
                suffix = f"_l{layer}{direction}"
                self._parameters(inputs, hidden_size, bias, dtype, suffix, proj_size)

    def _require_projection(self, proj_size: int) -> int:
        """The features of results, which are those of states or of their projection."""
        if proj_size and (not self._is_pair or not 0 < proj_size < self._hidden_size):
            raise UsageError(
                f"{type(self).__name__}: proj_size is {proj_size}",
                hint=f"an LSTM takes 1 to {self._hidden_size - 1}, or 0, which projects nothing"
                if self._is_pair
                else "LSTM has projections",
            )
        return proj_size or self._hidden_size

    def forward(self, x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        """The results [time, batch, hidden] of the last layer, and the last states of all.

        States are [layers, batch, hidden_size], for two directions twice as many; zeros by default,
        or else `hx`. That of an LSTM is a pair, (h, c), h of proj_size if there is one. Without a
        batch they have no such axis.
        """
        self._require(x, "batch, time" if self._batch_first else "time, batch", self._input_size)
        is_turned = self._batch_first and x.ndim == 3
        rows = call("swapaxes", x, 0, 1) if is_turned else x
        number = self._num_layers * len(self._directions)
        first = self._states(hx, (number, *rows.shape[1:-1]), x)
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self._num_layers):
            rows = rows if layer == 0 else self._dropout(rows)
            outputs = []
            for direction in self._directions:
                before = tuple(state[len(last)] for state in first)
                output, after = self._run(rows, before, f"_l{layer}{direction}")
                last.append(after)
                outputs.append(output)
            rows = outputs[0] if len(outputs) == 1 else call("concat", outputs, axis=-1)
        states = tuple(call("stack", list(parts), axis=0) for parts in zip(*last, strict=True))
        results: Tensor = call("swapaxes", rows, 0, 1) if is_turned else rows
        return results, (states if self._is_pair else states[0])

    def _run(
        self, rows: Tensor, first: tuple[Tensor, ...], suffix: str
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the layer of that suffix gives along time, and its last state."""
        weights = self._weights(suffix)

        def body(before: tuple[Tensor, ...], row: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            after = self._step(row, before, weights)
            return after, after[0]

        last, results = scan(body, first, rows, reverse=suffix.endswith("_reverse"))
        return results, last


class RNN(_Layers):
    """Layers of tanh(W x + b + U h + c), or of relu of it, along time (J. Elman, 1990)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DType = dtypes.f32,
    ) -> None:
        self._choose(nonlinearity)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            dtype=dtype,
        )


class GRU(_Layers):
    """Layers of gated recurrent units along time (K. Cho et al., 2014).

    >>> from graphc.frontend.tracing.trace import trace
    >>> results = trace(GRU(4, 6, batch_first=True), dtypes.f32["B", "T", 4])[0].results
    >>> [result.type for result in results]
    [f32[B, T, 6], f32[1, B, 6]]
    """

    _cell = "gru_cell"


class LSTM(_Layers):
    """Layers of long short-term memory along time (S. Hochreiter and J. Schmidhuber, 1997)."""

    _cell = "lstm_cell"
