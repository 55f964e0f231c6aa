"""The square roots of matrices [..., N, N], and functions that follow from their exponentials.

N. Higham, "Functions of Matrices" (2008), whose equation numbers these are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.elementwise.arithmetic import add, negative, scaled, subtract
from graphc.ir.ops.linalg.matrix_exponential import matrix_exponential
from graphc.ir.ops.linalg.matrix_functions import matrix_function
from graphc.ir.ops.linalg.solve import solve

__all__ = ["matrix_root"]

Array = np.ndarray[Any, Any]

_MOST_STEPS = 100


def _by_eigenvectors(a: Array, most: float) -> Array:
    """V sqrt(w) V^-1: of singular matrices too, but not where V loses more than `most`."""
    is_hermitian = bool((a == a.conj().T).all())
    values, vectors = np.linalg.eigh(a) if is_hermitian else np.linalg.eig(a)
    noise = len(a) * np.finfo(np.float64).eps * np.abs(values).max(initial=0.0)
    values = np.where(np.abs(values) <= noise, 0.0, values)
    turned = vectors * np.sqrt(values.astype(np.complex128))
    if is_hermitian:
        return np.asarray(turned @ vectors.conj().T)
    if np.linalg.cond(vectors) > most:
        raise np.linalg.LinAlgError("the eigenvectors are nearly parallel")
    return np.asarray(np.linalg.solve(vectors.T, turned.T).T)


def _by_iteration(a: Array) -> Array:
    """E. Denman's and A. Beavers's iteration with products and scaling (6.29)."""
    one = np.eye(len(a), dtype=np.complex128)
    root, rest = a.astype(np.complex128), a.astype(np.complex128)
    for _ in range(_MOST_STEPS):
        away = np.abs(rest - one).max(initial=0.0)
        if away < 4 * len(a) * np.finfo(np.float64).eps:
            return root
        inverse, scale = np.linalg.inv(rest), 1.0
        if away > 1e-2:
            scale = math.exp(-np.linalg.slogdet(rest)[1] / (2 * len(a)))
        near = inverse / (scale * scale)
        root = 0.5 * scale * root @ (one + near)
        rest = 0.5 * (one + 0.5 * (scale * scale * rest + near))
    raise np.linalg.LinAlgError("the iteration does not end")


def _is_root(root: Array, a: Array) -> bool:
    wrong = np.abs(root @ root - a).max(initial=0.0)
    return bool(
        wrong <= 1e-10 * max(np.abs(root).max(initial=0.0) ** 2, np.abs(a).max(initial=0.0))
    )


def _root(a: Array) -> Array:
    attempts: tuple[Callable[[Array], Array], ...] = (
        functools.partial(_by_eigenvectors, most=1e3),
        _by_iteration,
        functools.partial(_by_eigenvectors, most=1e8),
    )
    for compute in attempts:
        try:
            root = compute(a)
        except np.linalg.LinAlgError:
            continue
        if not np.iscomplexobj(a):
            root = root.real
        if _is_root(root, a):
            return root
    raise np.linalg.LinAlgError("there is no such root")


matrix_root = matrix_function(
    "matrix_root",
    _root,
    "The principal square root of a matrix; NaN where there is none of the dtype.",
)


@surface("sqrtm")
def sqrtm(x: Node) -> Node:
    """The principal square roots of matrices [..., N, N]: y with y @ y = x.

    NaN where there is none: of real matrices with negative eigenvalues, which complex ones have
    (`sqrtm(cast(x, c128))`), and of singular ones without as many eigenvectors as rows. Singular
    matrices have no gradient. Computed in double.
    """
    return matrix_root(x)


# -- angles ---------------------------------------------------------------------------------------


def _halves(x: Node, is_turned: bool) -> tuple[Node, Node]:
    """The even and the odd part of the exponential of `x`, or of `x` times the imaginary unit."""
    if is_turned and x.dtype.kind == "complex":
        x = functions["multiply"](x, 1j)
    elif is_turned:
        whole = matrix_exponential(functions["complex"](functions["zeros_like"](x), x))
        return functions["real"](whole), functions["imag"](whole)
    ahead, back = matrix_exponential(x), matrix_exponential(negative(x))
    even, odd = scaled(add(ahead, back), 0.5), scaled(subtract(ahead, back), 0.5)
    return even, functions["multiply"](odd, -1j) if is_turned else odd


def _declare_angle(name: str, what: str) -> None:
    is_turned = "h" not in name

    def call(x: Node) -> Node:
        even, odd = _halves(x, is_turned)
        if name.startswith("tan"):
            return solve(even, odd)
        return even if name.startswith("cos") else odd

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"The {what} of matrices [..., N, N], by their exponentials."
    surface(name)(call)


for _name, _what in (("cos", "cosine"), ("sin", "sine"), ("tan", "tangent")):
    _declare_angle(f"{_name}m", _what)
    _declare_angle(f"{_name}hm", f"hyperbolic {_what}")
