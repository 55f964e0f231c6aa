"""Linear algebra: the extension of the array API standard, and more of NumPy and PyTorch.

On tensors of a trace and on arrays, as all functions of the package; `docs/ops.md` describes them.

>>> import numpy as np
>>> import graphc as gc
>>> gc.linalg.solve(np.eye(2) * 2, np.ones(2))
array([0.5, 0.5])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.arrays.functions import member, named

_NAMES = (
    "chain_matmul",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "circulant",
    "companion",
    "cond",
    "convolution_matrix",
    "coshm",
    "cosm",
    "cross",
    "det",
    "diagonal",
    "diagonal_matrix",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "fiedler",
    "hadamard",
    "hankel",
    "hilbert",
    "householder_product",
    "inv",
    "inverse",
    "khatri_rao",
    "kron",
    "leslie",
    "logdet",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "lu_unpack",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "ormqr",
    "outer",
    "pinv",
    "qr",
    "sinhm",
    "sinm",
    "slogdet",
    "solve",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tanhm",
    "tanm",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "toeplitz",
    "trace",
    "vecdot",
    "vector_norm",
)


def norm(x: Any, ord: Any = None, *arguments: Any, **keywords: Any) -> Any:
    """`graphc.norm`, of a matrix without axes the norm of the matrix.

    >>> float(norm(np.diag([3.0, 4.0]), 2))
    4.0
    """
    is_given = arguments or not keywords.keys().isdisjoint(("axis", "dim"))
    if isinstance(ord, int | float) and np.ndim(x) == 2 and not is_given:
        keywords["axis"] = (0, 1)
    return named("norm")(x, ord, *arguments, **keywords)


def vander(x: Any, *, N: Any = None) -> Any:
    """`graphc.vander` with powers that ascend, as `torch.linalg` has it.

    >>> vander(np.array([2.0, 3.0]), N=3)
    array([[1., 2., 4.],
           [1., 3., 9.]])
    """
    return named("vander")(x, N, increasing=True)


def __getattr__(name: str) -> Callable[..., Any]:
    return member(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return sorted((*_NAMES, "norm", "vander"))
