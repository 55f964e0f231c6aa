"""One step of recurrent networks, with the weights of PyTorch: gates one below the other.

A state [..., hidden] follows from an input [..., features] and the state before it.
"""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.arithmetic import add, multiply, subtract
from graphc.ir.ops.broadcasting import promoted

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
) -> list[tuple[Node, Node]]:
    """For each gate what comes from the input, and what from the state.

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
    from_input = F["linear"](x, weight_ih, bias_ih)
    from_state = F["linear"](hidden, weight_hh, bias_hh)
    parts = (F["chunk"](one, count, axis=-1) for one in promoted(from_input, from_state))
    return list(zip(*parts, strict=True))


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
    ((ahead, back),) = _gates("rnn_tanh_cell", x, hidden, (weight_ih, weight_hh, bias_ih, bias_hh))
    return F["tanh"](add(ahead, back))  # type: ignore[no-any-return]


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
    ((ahead, back),) = _gates("rnn_relu_cell", x, hidden, (weight_ih, weight_hh, bias_ih, bias_hh))
    return F["relu"](add(ahead, back))  # type: ignore[no-any-return]


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
    reset, update, new = _gates("gru_cell", x, hidden, (weight_ih, weight_hh, bias_ih, bias_hh))
    kept = F["sigmoid"](add(*update))
    proposed = F["tanh"](add(new[0], multiply(F["sigmoid"](add(*reset)), new[1])))
    return add(proposed, multiply(kept, subtract(hidden, proposed)))


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
    gates = _gates("lstm_cell", x, hidden, (weight_ih, weight_hh, bias_ih, bias_hh), cell)
    entry, forget, new, out = (add(*one) for one in gates)
    kept = multiply(F["sigmoid"](forget), cell)
    cell = add(kept, multiply(F["sigmoid"](entry), F["tanh"](new)))
    hidden = multiply(F["sigmoid"](out), F["tanh"](cell))
    return (hidden if weight_hr is None else F["linear"](hidden, weight_hr)), cell
