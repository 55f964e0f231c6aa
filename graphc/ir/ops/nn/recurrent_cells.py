"""One step of recurrent networks, with the weights of PyTorch: gates one below the other.

A state [..., hidden] follows from an input [..., features] and the state before it. Of f16 and bf16
all is computed in f32, and the state rounded.
"""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.broadcasting import promoted
from graphc.ir.ops.contraction.matmul import wide_linear
from graphc.ir.ops.conversion import cast_to, widened
from graphc.ir.ops.elementwise.arithmetic import add, multiply, subtract

__all__ = ["GATES"]

F = functions

GATES = {"rnn_tanh_cell": 1, "rnn_relu_cell": 1, "gru_cell": 3, "lstm_cell": 4}
"""The gates of each cell, whose rows are one below the other in its weights."""


def _gates(
    name: str,
    x: Node,
    hidden: Node,
    weights: tuple[Node, Node, Node | None, Node | None],
    cell: Node | None = None,
) -> tuple[list[tuple[Node, Node]], DType]:
    """For each gate what comes from the input, and what from the state; and the result's dtype.

    A cell has as many features as the state where that is no projection.
    """
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    count, cell = GATES[name], cell or hidden
    size = cell.shape[-1] if cell.shape else None
    if any(len(one.shape) != 2 or one.shape[0] != count * size for one in (weight_ih, weight_hh)):  # type: ignore[operator]
        raise ShapeError(
            f"{name}: weights {weight_ih.type} and {weight_hh.type} for a state {cell.type}",
            hint=f"expected {count} rows for each feature of the state",
        )
    from_input = wide_linear(x, weight_ih, bias_ih)
    from_state = wide_linear(hidden, weight_hh, bias_hh)
    parts = (F["chunk"](one, count, axis=-1) for one in promoted(from_input, from_state))
    given = (x, hidden, *(weight for weight in weights if weight is not None))
    dtype = dtypes.promote_all(one.dtype for one in given)
    return list(zip(*parts, strict=True)), dtype


@surface("rnn_tanh_cell")
def rnn_tanh_cell(
    x: Node,
    hidden: Node,
    weight_ih: Node,
    weight_hh: Node,
    bias_ih: Node | None = None,
    bias_hh: Node | None = None,
) -> Node:
    """The next state: tanh(W x + b + U h + c) (J. Elman, 1990)."""
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    ((ahead, back),), dtype = _gates("rnn_tanh_cell", x, hidden, weights)
    return cast_to(F["tanh"](add(ahead, back)), dtype)


@surface("rnn_relu_cell")
def rnn_relu_cell(
    x: Node,
    hidden: Node,
    weight_ih: Node,
    weight_hh: Node,
    bias_ih: Node | None = None,
    bias_hh: Node | None = None,
) -> Node:
    """The next state: relu(W x + b + U h + c)."""
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    ((ahead, back),), dtype = _gates("rnn_relu_cell", x, hidden, weights)
    return cast_to(F["relu"](add(ahead, back)), dtype)


@surface("gru_cell")
def gru_cell(
    x: Node,
    hidden: Node,
    weight_ih: Node,
    weight_hh: Node,
    bias_ih: Node | None = None,
    bias_hh: Node | None = None,
) -> Node:
    """The next state of a gated recurrent unit; gates: reset, update, new.

    K. Cho et al., 2014, with the reset gate after the product, as cuDNN has it.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    (reset, update, new), dtype = _gates("gru_cell", x, hidden, weights)
    kept = F["sigmoid"](add(*update))
    proposed = F["tanh"](add(new[0], multiply(F["sigmoid"](add(*reset)), new[1])))
    return cast_to(add(proposed, multiply(kept, subtract(widened(hidden), proposed))), dtype)


@surface("lstm_cell")
def lstm_cell(
    x: Node,
    state: tuple[Node, Node],
    weight_ih: Node,
    weight_hh: Node,
    bias_ih: Node | None = None,
    bias_hh: Node | None = None,
    weight_hr: Node | None = None,
) -> tuple[Node, Node]:
    """The next state (h, c) of a long short-term memory; gates: entry, forget, new, out.

    S. Hochreiter and J. Schmidhuber, 1997, with forget gates (F. Gers et al., 2000). With
    `weight_hr` [projection, hidden] h is a projection (H. Sak et al., 2014).
    """
    hidden, cell = state
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    gates, dtype = _gates("lstm_cell", x, hidden, weights, cell)
    entry, forget, new, out = (add(*one) for one in gates)
    kept = multiply(F["sigmoid"](forget), widened(cell))
    cell = add(kept, multiply(F["sigmoid"](entry), F["tanh"](new)))
    hidden = multiply(F["sigmoid"](out), F["tanh"](cell))
    if weight_hr is not None:
        # What is multiplied has the dtype of the weights, as in every product.
        hidden = F["linear"](cast_to(hidden, dtype), weight_hr)
    return cast_to(hidden, dtype), cast_to(cell, dtype)
