"""Connectionist temporal classification: the loss of sequences without alignment.

A. Graves, S. Fernández, F. Gomez and J. Schmidhuber (2006), equations 6 to 8, in logarithms: the
forward variables of all prefixes of the labels, with blanks between them, are carried through a
scan over time, and the gradient is that of the scan.
"""

from __future__ import annotations

from graphc.errors import DTypeError, ShapeError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.control_flow import scan
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.creation.constants import constant_like, iota
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.elementwise.logic import equal, logical_and, not_equal, where
from graphc.ir.ops.nn.losses import Reduce, reduced
from graphc.ir.ops.structural import graph_input, project

__all__: list[str] = []

# The logarithm of no probability: far below any other, and finite, so that differences of two of
# them are 0 and not NaN.
_IMPOSSIBLE = -1e30


@surface("ctc_loss")
def ctc_loss(
    log_probs: Node,
    targets: Node,
    input_lengths: Node,
    target_lengths: Node,
    blank: int = 0,
    reduction: Reduce = "mean",
    zero_infinity: bool = False,
) -> Node:
    """-log of the probability of the targets, over all their alignments with the input.

    Args:
        log_probs: [T, N, C], logarithms of the probabilities of the classes.
        targets: [N, S], classes other than `blank`; what lies behind a target's length is not
            looked at.
        input_lengths: [N], at most T.
        target_lengths: [N], at most S.
        blank: the class that stands between labels.
        reduction: "mean" divides each loss by the length of its target, then takes the mean.
        zero_infinity: infinite losses, of targets that do not fit their input, count as 0.

    Raises:
        ShapeError: operands that do not fit.
    """
    _require(log_probs, targets, input_lengths, target_lengths)
    wide = cast_to(log_probs, log_probs.dtype.accumulator)
    labels, may_skip = _with_blanks(targets, blank)
    place = iota(shape=labels.shape, axis=1, dtype=dtypes.i64)
    begin = where(equal(place, constant_like(0, place)), *_certain(labels, wide))
    last = _last(begin, wide, labels, may_skip, input_lengths)
    ends = functions["multiply"](cast_to(target_lengths, dtypes.i64), 2)
    both = [_at(last, ends)]
    before = functions["maximum"](functions["subtract"](ends, 1), 0)
    has_labels = functions["greater"](ends, 0)
    label_end = _at(last, before)
    both.append(where(has_labels, label_end, constant_like(_IMPOSSIBLE, label_end)))
    loss = functions["negative"](functions["logaddexp"](*both))
    impossible = functions["greater"](loss, -_IMPOSSIBLE / 2)
    instead = 0.0 if zero_infinity else float("inf")
    loss = where(impossible, constant_like(instead, loss), loss)
    if reduction == "mean":
        size = functions["maximum"](cast_to(target_lengths, loss.dtype), 1.0)
        loss = functions["divide"](loss, size)
    return cast_to(reduced(loss, reduction), log_probs.dtype)


def _require(log_probs: Node, targets: Node, input_lengths: Node, target_lengths: Node) -> None:
    if log_probs.dtype.kind != "float" or not targets.dtype.is_integer:
        raise DTypeError(
            f"ctc_loss: {log_probs.type} and {targets.type}, expected floats and whole numbers"
        )
    if len(log_probs.shape) != 3 or len(targets.shape) != 2:
        raise ShapeError(
            f"ctc_loss: {log_probs.type} and {targets.type}, expected [T, N, C] and [N, S]"
        )
    for name, node in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if not node.dtype.is_integer:
            raise DTypeError(f"ctc_loss: {name} is {node.type}, expected whole numbers")
        if len(node.shape) != 1 or not dims.always_equal(node.shape[0], log_probs.shape[1]):
            raise ShapeError(f"ctc_loss: {name} is {node.type}, expected [{log_probs.shape[1]}]")
    if not dims.always_equal(targets.shape[0], log_probs.shape[1]):
        raise ShapeError(f"ctc_loss: {targets.type} for a batch of {log_probs.shape[1]}")


def _with_blanks(targets: Node, blank: int) -> tuple[Node, Node]:
    """blank, label, blank, label, ..., blank; and where the blank before a label may be left out.

    It may between two labels that differ.
    """
    labels = cast_to(targets, dtypes.i64)
    batch, size = labels.shape
    blanks = constant_like(blank, labels)
    pairs = functions["stack"]([blanks, labels], axis=2)
    flat = functions["reshape"](pairs, batch, 2 * size)
    spread = functions["pad"](flat, [(0, 0), (0, 1)], blank)
    earlier = functions["pad"](spread, [(0, 0), (2, 0)], blank)
    earlier = functions["narrow"](earlier, 1, 0, 2 * size + 1)
    is_label = not_equal(spread, constant_like(blank, spread))
    return spread, logical_and(is_label, not_equal(spread, earlier))


def _certain(labels: Node, like: Node) -> tuple[Node, Node]:
    """Logarithms of one and of nothing, for each place."""
    zeros: Node = functions["zeros"](labels.shape, like.dtype)
    return zeros, constant_like(_IMPOSSIBLE, zeros)


def _last(begin: Node, log_probs: Node, labels: Node, may_skip: Node, lengths: Node) -> Node:
    """The forward variables at the end of each input.

    Before the first step the first place is certain, with nothing emitted: from there it goes to
    the first blank or the first label, which is what equation 6 begins with.
    """
    names = ("forward", "step", "row", "labels", "may_skip", "lengths")
    step = functions["zeros"]((), dtypes.i64)
    counted = cast_to(lengths, dtypes.i64)
    row = graph_input("row", log_probs.dtype, log_probs.shape[1:])
    given = (begin, step, row, labels, may_skip, counted)
    inputs = tuple(
        graph_input(name, node.dtype, node.shape) for name, node in zip(names, given, strict=True)
    )
    forward, now, row, places, skips, ends = inputs
    moved = _stepped(forward, row, places, skips)
    is_running = functions["expand_dims"](functions["less"](now, ends), 1)
    after = functions["where"](is_running, moved, forward)
    body = Graph("ctc", inputs, (), (after, add(now, constant_like(1, now))))
    loop = scan(
        begin,
        step,
        log_probs,
        labels,
        may_skip,
        counted,
        body=body,
        carries=2,
        slices=1,
        length=log_probs.shape[0],
    )
    return project(loop, index=0)


def _stepped(forward: Node, row: Node, labels: Node, may_skip: Node) -> Node:
    one, two = _shifted(forward, 1), _shifted(forward, 2)
    impossible = constant_like(_IMPOSSIBLE, forward)
    total = functions["logaddexp"](
        functions["logaddexp"](forward, one), where(may_skip, two, impossible)
    )
    probability = functions["take_along_axis"](row, labels, axis=1)
    return functions["maximum"](add(total, probability), _IMPOSSIBLE)  # type: ignore[no-any-return]


def _shifted(x: Node, by: int) -> Node:
    padded = functions["pad"](x, [(0, 0), (by, 0)], _IMPOSSIBLE)
    return functions["narrow"](padded, 1, 0, x.shape[1])  # type: ignore[no-any-return]


def _at(x: Node, places: Node) -> Node:
    """The element of each row at a place."""
    index = functions["expand_dims"](places, 1)
    taken = functions["take_along_axis"](x, index, axis=1)
    return functions["squeeze"](taken, 1)  # type: ignore[no-any-return]
