"""Calls of the host in the middle of a program: ops that a library of the host computes.

A step names an op of the registry that has the lowering `HostCall`; nothing else can be called, and
its operands and results have the types that the op's own rule gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import graphc.ir.ops  # noqa: F401  (fills the registry)
from graphc.ir.evaluate import evaluate_node
from graphc.ir.node import Node
from graphc.ir.op import HostCall, find
from graphc.ir.ops.structural import graph_input
from graphc.ir.types import TensorType, TupleType
from graphc.runtime.steps import HostCallStep

__all__ = ["called_node", "run_host_call"]

Array = np.ndarray[Any, Any]


def called_node(step: HostCallStep, types: Sequence[TensorType]) -> Node:
    """The op applied to operands of the types of its slots.

    Args:
        step: the call.
        types: those of all slots.

    Raises:
        ValueError: the op is none that the host computes, or the slots do not fit it.
        GraphcError: the op refuses the operands.
    """
    op = find(step.op)
    if not isinstance(op.lowering, HostCall):
        raise ValueError(f"{step.op} is not called on the host")
    operands = [
        graph_input(f"operand {number}", types[slot].dtype, types[slot].shape)
        for number, slot in enumerate(step.operands)
    ]
    node = op(*operands, **dict(step.attributes))
    expected = node.type.elements if isinstance(node.type, TupleType) else (node.type,)
    if [types[slot] for slot in step.results] != list(expected):
        raise ValueError(f"the results of {step.op} have other types than their slots")
    return node


def run_host_call(
    node: Node,
    operands: Sequence[Array],
    results: Sequence[Array],
    environment: Mapping[str, int],
) -> None:
    """Fill the results of a call; all arrays have the types of the node, for the given dims."""
    value = evaluate_node(node, operands, environment)
    parts = value if isinstance(value, tuple) else (value,)
    for result, part in zip(results, parts, strict=True):
        result[...] = part
