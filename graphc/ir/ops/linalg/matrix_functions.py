"""Functions of matrices [..., N, N], which act on the eigenvalues: how such an op is declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import Call, HostCall, Op, functions
from graphc.ir.ops.contraction.matmul import matrix_transpose
from graphc.ir.ops.creation.constants import ones_like, zeros_like
from graphc.ir.ops.elementwise.logic import equal, where
from graphc.ir.ops.linalg.matrices import (
    ALL_MATRICES,
    each_matrix,
    matrix_samples,
    refused_matrices,
    require_matrix,
)
from graphc.ir.ops.structural import stop_gradient

__all__ = ["matrix_function"]

Array = np.ndarray[Any, Any]


def matrix_function(name: str, of_one: Callable[[Array], Array], doc: str) -> Op:
    """The op of a function of one matrix in double, which the host computes.

    Args:
        of_one: a LinAlgError of it makes all elements NaN.
    """

    def reference(call: Call, a: Array) -> Array:
        result = np.empty_like(a)
        wide = a.astype(np.result_type(a.dtype, np.float64), copy=False)
        with np.errstate(all="ignore"):
            each_matrix(of_one, wide, (result,))
        return result

    op = Op(
        name,
        1,
        infer=lambda op, operands, attributes: require_matrix(op, operands[0], ALL_MATRICES, True),
        reference=reference,
        lowering=HostCall(),
        gradient=lambda node, g: _derivative_by_blocks(op, node, g),
        samples=matrix_samples(((3, 3), (2, 1, 1), (0, 0), (0, 2, 2)), ALL_MATRICES),
        refused=refused_matrices(square=True),
        doc=doc,
    )
    return op


def _derivative_by_blocks(function: Op, node: Node, g: Node) -> tuple[Node]:
    """The block above the diagonal of f([[a.T, g], [0, a.T]]) (R. Mathias, 1996, theorem 2.1).

    That is linear in g, which is brought to the size of 1, so that its own size halves nothing.
    """
    a = matrix_transpose(node.inputs[0])
    size = stop_gradient(functions["sum"](functions["abs"](g), axis=(-2, -1), keepdims=True))
    size = where(equal(size, zeros_like(size)), ones_like(size), size)
    above = functions["concat"]((a, functions["divide"](g, size)), -1)
    below = functions["concat"]((zeros_like(a), a), -1)
    whole = function(functions["concat"]((above, below), -2))
    count = a.shape[-1]
    block = functions["index"](whole, (..., slice(0, count), slice(count, None)))
    return (functions["multiply"](block, size),)
