"""Linear algebra and Fourier transforms: values of NumPy, derivatives, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.frontend.tracing.trace import trace
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.creation.constants import tensor
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape)


def definite(*shape: int) -> Array:
    """Symmetric matrices whose eigenvalues are positive and apart."""
    count = shape[-1]
    q = np.linalg.qr(normal(*shape))[0]
    return q @ (np.arange(1.0, count + 1)[:, None] * q.swapaxes(-1, -2))


def applied(function: Callable[..., Any], *arrays: Array) -> Any:
    nodes = [
        graph_input(f"x{i}", dtypes.from_numpy(x.dtype), x.shape) for i, x in enumerate(arrays)
    ]
    found = function(*nodes)
    results = found if isinstance(found, tuple) else (found,)
    values = evaluate(Graph("f", tuple(nodes), (), results), list(arrays))[0]
    return values if isinstance(found, tuple) else values[0]


A, S, T = normal(2, 4, 4) + 3 * np.eye(4), definite(2, 4, 4), np.tril(normal(4, 4)) + 3 * np.eye(4)
TALL, WIDE, B = normal(2, 5, 3), normal(2, 3, 5), normal(2, 4, 3)

VALUES: list[tuple[str, tuple[Array, ...], dict[str, Any], Any]] = [
    ("solve", (A, B), {}, np.linalg.solve(A, B)),
    ("solve", (A[0], B[0, :, 0]), {}, np.linalg.solve(A[0], B[0, :, 0])),
    ("solve_triangular", (T, B[0]), {"upper": False}, np.linalg.solve(T, B[0])),
    ("solve_triangular", (T.T, B[0]), {"upper": True}, np.linalg.solve(T.T, B[0])),
    ("inv", (A,), {}, np.linalg.inv(A)),
    ("det", (A,), {}, np.linalg.det(A)),
    ("slogdet", (A,), {}, np.linalg.slogdet(A)),
    ("logdet", (S,), {}, np.linalg.slogdet(S)[1]),
    ("cholesky", (S,), {}, np.linalg.cholesky(S)),
    ("cholesky", (S,), {"upper": True}, np.linalg.cholesky(S).swapaxes(-1, -2)),
    ("eigvalsh", (S,), {}, np.linalg.eigvalsh(S)),
    ("svdvals", (TALL,), {}, np.linalg.svd(TALL, compute_uv=False)),
    ("pinv", (WIDE,), {}, np.linalg.pinv(WIDE)),
    ("lstsq", (TALL[0], normal(5, 2)), {}, None),
    ("matrix_rank", (np.outer(np.ones(4), np.ones(3)),), {}, 1),
    ("cond", (A,), {}, np.linalg.cond(A)),
    ("matrix_power", (A,), {"n": 5}, np.linalg.matrix_power(A, 5)),
    ("matrix_power", (A,), {"n": -2}, np.linalg.matrix_power(A, -2)),
    ("matrix_power", (A,), {"n": 0}, np.linalg.matrix_power(A, 0)),
    ("vander", (normal(4),), {}, None),
    ("diag_embed", (B,), {}, None),
    ("adjoint", (TALL,), {}, TALL.swapaxes(-1, -2)),
    ("triangular_solve", (B[0], T.T), {"transpose": True}, (np.linalg.solve(T, B[0]), T.T)),
]


@pytest.mark.parametrize(("name", "arrays", "arguments", "expected"), VALUES, ids=str)
def test_values_are_those_of_numpy(
    name: str, arrays: tuple[Array, ...], arguments: dict[str, Any], expected: Any
):
    found = applied(lambda *nodes: functions[name](*nodes, **arguments), *arrays)
    if name == "lstsq":
        expected = np.linalg.lstsq(*arrays, rcond=None)[0]
    elif name == "vander":
        expected = np.vander(*arrays)
    elif name == "diag_embed":
        expected = arrays[0][..., None] * np.eye(arrays[0].shape[-1])
    if isinstance(found, tuple):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


MATRICES = {"tall": TALL, "square": A, "wide": WIDE}
MATRICES |= {f"complex {name}": x + 1j * normal(*x.shape) for name, x in MATRICES.items()}


def adjoint(x: Array) -> Array:
    return x.conj().swapaxes(-1, -2)


def is_orthonormal(q: Array) -> bool:
    product = adjoint(q) @ q
    return np.allclose(product, np.eye(product.shape[-1]), atol=1e-12)


@pytest.mark.parametrize("is_whole", [False, True], ids=["thin", "whole"])
@pytest.mark.parametrize("x", MATRICES.values(), ids=MATRICES)
def test_factors_multiply_to_the_matrix(x: Array, is_whole: bool):
    rows, columns = x.shape[-2:]
    rank = min(rows, columns)
    mode = "complete" if is_whole else "reduced"
    q, r = applied(lambda one: functions["qr"](one, mode=mode), x)
    assert q.shape[-2:] == (rows, rows if is_whole else rank) and r.shape[-2] == q.shape[-1]
    np.testing.assert_allclose(q @ r, x, atol=1e-12)
    np.testing.assert_allclose(r, np.triu(r), atol=1e-12)
    u, s, vh = applied(lambda one: functions["svd"](one, full_matrices=is_whole), x)
    sides = (rows, columns) if is_whole else (rank, rank)
    assert (u.shape[-1], vh.shape[-2]) == sides and s.dtype == np.float64
    np.testing.assert_allclose(u[..., :rank] @ (s[..., None] * vh[..., :rank, :]), x, atol=1e-12)
    assert is_orthonormal(q) and is_orthonormal(u) and is_orthonormal(adjoint(vh))


def test_results_have_the_names_of_the_standard():
    names = {
        "eigh": ("eigenvalues", "eigenvectors"),
        "eig": ("eigenvalues", "eigenvectors"),
        "lu": ("P", "L", "U"),
        "lu_factor": ("LU", "pivots"),
        "qr": ("Q", "R"),
        "slogdet": ("sign", "logabsdet"),
        "svd": ("U", "S", "Vh"),
    }
    for name, fields in names.items():
        assert functions[name](held(S))._fields == fields
        traced: list[Any] = []

        def keep(x: Tensor, name: str = name, traced: list[Any] = traced) -> Tensor:
            traced.append(call(name, x))
            return x

        trace(keep, dtypes.f32[3, 3])
        assert traced[0]._fields == fields and isinstance(traced[0][0], Tensor)


HERMITIAN = S + 0.1j * np.triu(np.ones((4, 4)), 1) - 0.1j * np.tril(np.ones((4, 4)), -1)


@pytest.mark.parametrize("x", [S, HERMITIAN], ids=["symmetric", "hermitian"])
@pytest.mark.parametrize("triangle", ["L", "U"])
def test_eigenvectors_diagonalise(x: Array, triangle: str):
    half = np.tril(x) if triangle == "L" else np.triu(x)
    w, v = applied(lambda one: functions["eigh"](one, UPLO=triangle), half)
    assert w.dtype == np.float64
    np.testing.assert_allclose(v @ (w[..., None] * adjoint(v)), x, atol=1e-12)


@pytest.mark.parametrize("x", [A, MATRICES["complex square"], A.astype(np.float32)])
def test_general_eigenvectors_are_stretched(x: Array):
    w, v = applied(functions["eig"], x)
    assert w.dtype == v.dtype == np.result_type(x, np.complex64)
    np.testing.assert_allclose(x @ v, v * w[..., None, :], atol=1e-4 if w.itemsize == 8 else 1e-12)
    np.testing.assert_array_equal(applied(functions["eigvals"], x), w)


def test_roots_and_pseudoinverses_of_complex_matrices_are_those_of_numpy():
    for upper in (False, True):
        found = applied(lambda one, upper=upper: functions["cholesky"](one, upper), HERMITIAN)
        root = np.linalg.cholesky(HERMITIAN)
        np.testing.assert_allclose(found, adjoint(root) if upper else root, atol=1e-12)
    for name in ("complex tall", "complex wide"):
        found = applied(functions["pinv"], MATRICES[name])
        np.testing.assert_allclose(found, np.linalg.pinv(MATRICES[name]), atol=1e-12)
    for found, expected in zip(
        applied(functions["slogdet"], HERMITIAN), np.linalg.slogdet(HERMITIAN), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_rank_follows_from_the_size_and_not_from_its_range():
    sides = dims.variable("M", 0, 2**20), dims.variable("N", 1, 2**20)
    x = graph_input("x", dtypes.f32, sides)
    graph = Graph("rank", (x,), (), (functions["matrix_rank"](x),))
    for given in (np.eye(3), np.ones((2, 3)), np.diag([1, 1e-6, 1e-8])):
        given = given.astype(np.float32)
        assert evaluate(graph, [given])[0][0] == np.linalg.matrix_rank(given)


@pytest.mark.parametrize("x", MATRICES.values(), ids=MATRICES)
def test_each_matrix_may_have_a_tolerance_of_its_own(x: Array):
    rtol = np.array([1e-9, 0.5])
    found = applied(lambda one: functions["pinv"](one, held(rtol)), x)
    np.testing.assert_allclose(found, np.linalg.pinv(x, rtol=rtol), atol=1e-12)
    ranks = applied(lambda one: functions["matrix_rank"](one, held(rtol)), x)
    np.testing.assert_array_equal(ranks, np.linalg.matrix_rank(x, rtol=rtol))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functions["svd"](x)[0],
        lambda x: functions["qr"](x, mode="complete")[0],
    ],
)
def test_gradients_that_there_are_not_are_refused(function: Callable[[Node], Node]):
    x = functions["matrix_transpose"](graph_input("x", dtypes.f64, (3, 5)))
    y = functions["sum"](function(x))
    with pytest.raises(GraphcError) as caught:
        vjp([y], [x], [functions["ones_like"](y)])
    assert caught.value.code == "no-gradient"


def test_a_chain_is_multiplied_in_the_cheapest_order():
    a, b, c = normal(10, 30), normal(30, 5), normal(5, 60)
    nodes = [graph_input(n, dtypes.f64, x.shape) for n, x in zip("abc", (a, b, c), strict=True)]
    product: Node = functions["multi_dot"](*nodes)
    assert product.inputs[1] is nodes[2] and product.inputs[0].shape == (10, 5)
    np.testing.assert_allclose(applied(functions["multi_dot"], a, b, c), a @ b @ c)


def held(x: Array) -> Node:
    return tensor(data=x.tobytes(), dtype=dtypes.from_numpy(x.dtype), shape=x.shape)


# -- derivatives ----------------------------------------------------------------------------------


def real_result(function: Callable[..., Any], *nodes: Node) -> Node:
    """A scalar that depends on every element of every result."""
    found = function(*nodes)
    total: Node | None = None
    for number, one in enumerate(found if isinstance(found, tuple) else (found,)):
        parts = (
            [functions["real"](one), functions["imag"](one)]
            if one.dtype.kind == "complex"
            else [one]
        )
        for part in parts:
            size = int(np.prod([int(str(n)) for n in part.shape]))
            count = functions["arange"](1.0 + number, 1.0 + number + size, dtype=part.dtype)
            weight = functions["reshape"](functions["sin"](count), *part.shape)
            value = functions["sum"](functions["multiply"](part, weight))
            total = value if total is None else functions["add"](total, value)
    assert total is not None
    return total


def symmetrised(name: str) -> Callable[[Node], Any]:
    def call(x: Node) -> Any:
        return functions[name](
            functions["multiply"](functions["add"](x, functions["adjoint"](x)), 0.5)
        )

    return call


def of_complex(function: Callable[[Node], Any]) -> Callable[[Node, Node], Any]:
    return lambda re, im: function(functions["complex"](re, im))


def signless_svd(x: Node) -> tuple[Node, ...]:
    """What does not depend on the signs of singular vectors."""
    u, s, vh = functions["svd"](x, full_matrices=False)
    sizes = functions["diag_embed"](functions["exp"](functions["negative"](s)))
    sizes = functions["astype"](sizes, u.dtype)
    return functions["matmul"](u, functions["matmul"](sizes, vh)), s


def signless_eigh(x: Node) -> tuple[Node, ...]:
    w, v = functions["eigh"](functions["add"](x, functions["adjoint"](x)))
    return functions["abs"](v), w


def signless_qr(x: Node) -> tuple[Node, ...]:
    q, r = functions["qr"](x)
    return functions["matmul"](q, functions["sin"](r)), functions["multiply"](r, r)


def stretched(x: Node) -> tuple[Node, ...]:
    """Eigenvalues in the order of their real parts, and what their vectors have whatever the phase.

    The differences are those of a general matrix, whose eigenvalues are apart.
    """
    w, v = functions["eig"](x)
    order = functions["argsort"](functions["add"](functions["real"](w), functions["imag"](w)))
    projections = functions["abs"](v)
    wide = functions["broadcast_to"](functions["expand_dims"](order, -2), v.shape)
    sorted_ = functions["take_along_axis"]
    return sorted_(w, order, -1), sorted_(projections, wide, -1)


DERIVATIVES: list[tuple[str, Callable[..., Any], tuple[Array, ...]]] = [
    ("solve", functions["solve"], (A, B)),
    ("lower", lambda a, b: functions["solve_triangular"](a, b, upper=False), (T, B[0])),
    (
        "unit",
        lambda a, b: functions["solve_triangular"](a, b, upper=True, unitriangular=True),
        (T.T, B[0]),
    ),
    ("inv", functions["inv"], (A,)),
    ("det", functions["det"], (A,)),
    ("logdet", functions["logdet"], (S,)),
    ("slogdet complex", lambda a, b: functions["slogdet"](functions["complex"](a, b)), (A, S)),
    ("cholesky", symmetrised("cholesky"), (S,)),
    ("cholesky_solve", lambda b, a: functions["cholesky_solve"](
        b, symmetrised("cholesky")(a)), (B, S)),
    ("qr tall", signless_qr, (TALL,)),
    ("qr square", signless_qr, (A,)),
    ("qr wide", signless_qr, (WIDE,)),
    ("eigh", signless_eigh, (S,)),
    ("svd tall", signless_svd, (TALL,)),
    ("svd wide", signless_svd, (WIDE,)),
    ("svd square", signless_svd, (A,)),
    ("pinv tall", functions["pinv"], (TALL,)),
    ("pinv wide", functions["pinv"], (WIDE,)),
    ("matrix_exp", functions["matrix_exp"], (A,)),
    ("sqrtm", functions["sqrtm"], (S,)),
    ("sqrtm", functions["sqrtm"], (A @ A,)),
    ("matrix_exp", lambda a, b: functions["matrix_exp"](functions["complex"](a, b)), (A, S)),
    *((f"lu {name}", lambda x: functions["lu"](x)[1:], (x,)) for name, x in MATRICES.items()
      if x.dtype.kind == "f"),
    ("lu_factor", lambda a, b: functions["lu_factor"](functions["complex"](a, b))[0], (A, S)),
    ("lu_solve", lambda a, b: functions["lu_solve"](
        *functions["lu_factor"](a), b, adjoint=True), (A, B)),
    ("lu_solve", lambda a, b: functions["lu_solve"](
        *functions["lu_factor"](a), functions["matrix_transpose"](b), left=False), (A, B)),
    ("eig", stretched, (A,)),
    *((f"complex {name}", of_complex(function), (a, b)) for name, function, a, b in (
        ("cholesky", symmetrised("cholesky"), S, 0.1 * A),
        ("qr tall", signless_qr, TALL, TALL[::-1]),
        ("qr wide", signless_qr, WIDE, WIDE[::-1]),
        ("eigh", signless_eigh, S, A),
        ("svd tall", signless_svd, TALL, TALL[::-1]),
        ("svd wide", signless_svd, WIDE, WIDE[::-1]),
        ("pinv tall", functions["pinv"], TALL, TALL[::-1]),
        ("pinv wide", functions["pinv"], WIDE, WIDE[::-1]),
        ("solve", lambda a: functions["solve"](a, a), A, S),
        ("logdet", functions["logdet"], A, S),
        ("det", functions["det"], A, S),
    )),
    ("reflected", lambda x, t, y: functions["ormqr"](x, t, y, transpose=True), (
        TALL, normal(2, 3), normal(2, 5, 2))),
    ("reflections", functions["householder_product"], (TALL, normal(2, 2))),
    ("fft", lambda x: functions["fft"](x, n=7), (normal(2, 5),)),
    ("rfft", lambda x: functions["rfft"](x, norm="ortho"), (normal(2, 6),)),
    ("irfft", lambda x: functions["irfft"](functions["rfft"](x), n=5), (normal(2, 6),)),
    ("fftn", lambda x: functions["fftn"](functions["sin"](x)), (normal(3, 4),)),
]  # fmt: skip


def derivative(build: Callable[..., Node], arrays: tuple[Array, ...]) -> list[Array]:
    nodes = [graph_input(f"x{i}", dtypes.f64, x.shape) for i, x in enumerate(arrays)]
    result = build(*nodes)
    found = vjp([result], nodes, [functions["ones_like"](result)])
    return list(evaluate(Graph("g", tuple(nodes), (), tuple(found)), list(arrays))[0])


def value_of(build: Callable[..., Node], arrays: tuple[Array, ...]) -> float:
    nodes = [graph_input(f"x{i}", dtypes.f64, x.shape) for i, x in enumerate(arrays)]
    return float(evaluate(Graph("f", tuple(nodes), (), (build(*nodes),)), list(arrays))[0][0])


@pytest.mark.parametrize(("name", "function", "arrays"), DERIVATIVES, ids=lambda x: str(x)[:12])
def test_first_and_second_derivatives(
    name: str, function: Callable[..., Any], arrays: tuple[Array, ...]
):
    directions = [np.random.default_rng(3).normal(size=x.shape) for x in arrays]

    def first(*nodes: Node) -> Node:
        return real_result(function, *nodes)

    def second(*nodes: Node) -> Node:
        """The derivative along the directions."""
        result = first(*nodes)
        slopes = vjp([result], nodes, [functions["ones_like"](result)])
        total: Node | None = None
        for slope, direction in zip(slopes, directions, strict=True):
            along = functions["sum"](functions["multiply"](slope, held(direction)))
            total = along if total is None else functions["add"](total, along)
        assert total is not None
        return total

    for build in (first, second):
        step = 1e-6
        moved = [
            value_of(
                build, tuple(x + sign * step * d for x, d in zip(arrays, directions, strict=True))
            )
            for sign in (1, -1)
        ]
        expected = (moved[0] - moved[1]) / (2 * step)
        found = sum(
            float(np.sum(g * d)) for g, d in zip(derivative(build, arrays), directions, strict=True)
        )
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def expanded_determinant(x: Node) -> Node:
    """The sum over permutations, which knows no division."""
    count = int(str(x.shape[-1]))
    total: Node | None = None
    for columns in itertools.permutations(range(count)):
        term = held(np.asarray(np.linalg.det(np.eye(count)[list(columns)])))
        for row, column in enumerate(columns):
            one = functions["select"](functions["select"](x, 0, row), 0, column)
            term = functions["multiply"](term, one)
        total = term if total is None else functions["add"](total, term)
    assert total is not None
    return total


@pytest.mark.parametrize("rank", range(5))
def test_derivatives_of_determinants_are_those_of_the_sum_over_permutations(rank: int):
    x = normal(4, rank) @ normal(rank, 4)
    directions = [held(normal(4, 4)) for _ in range(3)]
    # Third derivatives need an invertible matrix.
    for order in range(1, 4 if rank == 4 else 3):
        found, expected = (
            applied(lambda node, f=function, n=order: along(f, node, directions[:n]), x)
            for function in (functions["det"], expanded_determinant)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def along(function: Callable[[Node], Node], x: Node, directions: list[Node]) -> Node:
    """The derivative along each of some directions."""
    value = function(x)
    for direction in directions:
        (slope,) = vjp([value], [x], [functions["ones_like"](value)])
        value = functions["sum"](functions["multiply"](slope, direction))
    return value


# -- Fourier transforms ---------------------------------------------------------------------------

Z, X = normal(3, 6) + 1j * normal(3, 6), normal(3, 6)
CUBE = normal(2, 4, 6)
TRANSFORMS: list[tuple[str, Array, dict[str, Any]]] = [
    *(
        (name, x, {"norm": norm, **keywords})
        for name, x in (
            ("fft", Z), ("ifft", Z), ("rfft", X), ("irfft", Z), ("hfft", Z), ("ihfft", X),
        )
        for norm in ("backward", "ortho", "forward")
        for keywords in ({}, {"n": 4}, {"n": 9}, {"axis": 0})
    ),
    *(
        (name, x, keywords)
        for name, x in (("fftn", CUBE), ("ifftn", CUBE), ("rfftn", CUBE), ("irfftn", CUBE + 1j))
        for keywords in ({}, {"axes": (0, 2)}, {"s": (3, 8), "axes": (1, 2)})
    ),
    ("fft2", CUBE, {}), ("ifft2", CUBE, {}), ("rfft2", CUBE, {}), ("irfft2", CUBE + 1j, {}),
    ("fftshift", X, {}), ("ifftshift", normal(5), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "keywords"), TRANSFORMS, ids=lambda one: str(one)[:30])
def test_transforms_are_those_of_numpy(name: str, x: Array, keywords: dict[str, Any]):
    found = applied(lambda node: functions[name](node, **keywords), x)
    np.testing.assert_allclose(found, getattr(np.fft, name)(x, **keywords), atol=1e-12)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies(n: int):
    for name in ("fftfreq", "rfftfreq"):
        found = applied(lambda name=name: functions[name](n, 0.5, dtypes.f64))
        np.testing.assert_allclose(found, getattr(np.fft, name)(n, 0.5))


# -- what cannot be computed ----------------------------------------------------------------------


def test_a_matrix_that_fails_does_not_spoil_the_others():
    x = np.stack([np.eye(2), np.zeros((2, 2)), -np.eye(2)])
    inverse, root = applied(functions["inv"], x), applied(functions["cholesky"], x)
    assert np.isnan(inverse[1]).all() and np.array_equal(inverse[[0, 2]], x[[0, 2]])
    assert np.array_equal(root[0], np.eye(2)) and np.isnan(root[2]).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["svd", "svdvals", "eigh", "eig", "pinv", "cholesky"])
def test_what_is_not_finite_has_no_factors_and_does_not_hang(name: str, value: float):
    x = np.stack([np.eye(3), np.eye(3)]).astype(np.float32)
    x[0, 1, 0] = value
    found = applied(functions[name], x)
    for one in found if isinstance(found, tuple) else (found,):
        assert np.isnan(one[0]).all() and np.isfinite(one[1]).all()


@pytest.mark.parametrize("name", ["eigh", "cholesky"])
def test_the_upper_triangle_is_not_looked_at(name: str):
    x = np.eye(3)
    x[0, 2] = np.inf
    found = applied(functions[name], x)
    for one in found if isinstance(found, tuple) else (found,):
        assert np.isfinite(one).all()


@pytest.mark.parametrize("norm", [0.01, 1.0, 30.0, 700.0])
def test_exponentials_of_matrices_of_any_size_are_those_of_their_eigenvalues(norm: float):
    w, v = np.linspace(-norm, 0.0, 5), np.linalg.qr(normal(5, 5))[0]
    found = applied(functions["matrix_exp"], v @ (w[:, None] * v.T))
    np.testing.assert_allclose(found, v @ (np.exp(w)[:, None] * v.T), atol=1e-15 * max(norm, 10))


def test_the_slope_of_an_exponential_does_not_depend_on_the_size_of_the_cotangent():
    x, g = (graph_input(name, dtypes.f64, (4, 4)) for name in "xg")
    (slope,) = vjp([functions["matrix_exp"](x)], [x], [g])
    graph = Graph("slope", (x, g), (), (slope,))
    small, large = (evaluate(graph, [A[0], size * B[0, :, :1] * A[1]])[0][0] for size in (1, 1e30))
    np.testing.assert_allclose(large, 1e30 * small, rtol=1e-13)
    assert not evaluate(graph, [A[0], np.zeros((4, 4))])[0][0].any()


@pytest.mark.parametrize("x", MATRICES.values(), ids=MATRICES)
def test_triangles_multiply_to_the_matrix_with_its_rows_exchanged(x: Array):
    p, lower, upper = applied(functions["lu"], x)
    np.testing.assert_allclose(p @ lower @ upper, x, atol=1e-12)
    rank = lower.shape[-1]
    ones = np.broadcast_to(np.ones(rank), (2, rank))
    np.testing.assert_array_equal(np.diagonal(lower, axis1=-2, axis2=-1), ones)
    np.testing.assert_array_equal(np.tril(lower), lower)
    np.testing.assert_array_equal(np.triu(upper), upper)
    parts = abs(lower.real) + abs(lower.imag)
    assert parts.max() <= (1 if x.dtype.kind == "f" else 2)


def test_factors_of_singular_and_infinite_matrices():
    x = np.stack([np.zeros((3, 3)), np.full((3, 3), np.inf), np.eye(3)])
    packed, pivots = applied(functions["lu_factor"], x)
    assert not packed[0].any() and np.isnan(packed[1]).all() and np.array_equal(packed[2], x[2])
    np.testing.assert_array_equal(pivots, np.broadcast_to([1, 2, 3], (3, 3)))


@pytest.mark.parametrize("x", [TALL, MATRICES["complex tall"]], ids=["real", "complex"])
def test_reflections_are_those_of_numpy(x: Array):
    raw, factors = np.linalg.qr(x, mode="raw")
    raw = raw.swapaxes(-1, -2)
    np.testing.assert_allclose(
        applied(functions["householder_product"], raw, factors), np.linalg.qr(x)[0], atol=1e-12
    )
    whole = np.linalg.qr(x, mode="complete")[0]
    other = np.eye(5) + 1
    for transpose in (False, True):
        q = adjoint(whole) if transpose else whole
        for left in (False, True):
            found = applied(
                lambda *nodes, left=left, transpose=transpose: functions["ormqr"](
                    *nodes, left=left, transpose=transpose
                ),
                raw, factors, other,
            )  # fmt: skip
            np.testing.assert_allclose(found, q @ other if left else other @ q, atol=1e-12)


REFUSED: list[tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]] = [
    ("inv", ((3, 4),), {}),
    ("inv", ((3,),), {}),
    ("solve", ((3, 3), (4, 1)), {}),
    ("solve", ((3, 3), ()), {}),
    ("qr", ((3, 3),), {"mode": "raw"}),
    ("matrix_power", ((3, 4),), {"n": 2}),
    ("multi_dot", (), {}),
    ("lu", ((3,),), {}),
    ("lu_solve", ((3, 4), (3,), (3, 1)), {}),
    ("householder_product", ((3, 4), (3,)), {}),
    ("householder_product", ((4, 3), (4,)), {}),
    ("ormqr", ((4, 3), (2, 3), (4, 4)), {}),
    ("matrix_exp", ((3, 4),), {}),
    ("sqrtm", ((3, 4),), {}),
    ("hankel", ((),), {}),
    ("toeplitz", ((0,), (3,)), {}),
    ("companion", ((0,),), {}),
    ("hadamard", (), {"n": 6}),
    ("convolution_matrix", ((3,),), {"n": 3, "mode": "circular"}),
    ("fft", ((0,),), {}),
    ("fft", ((4,),), {"norm": "half"}),
    ("fft", ((4,),), {"axis": 1}),
    ("irfft", ((1,),), {}),
    ("fftn", ((4, 4),), {"s": (2,), "axes": (0, 1)}),
    ("fftfreq", (), {"n": 0}),
    ("fftfreq", (), {"n": 5, "d": 0}),
    ("rfftfreq", (), {"n": 5, "d": 0.0}),
]


@pytest.mark.parametrize(("name", "shapes", "arguments"), REFUSED)
def test_operands_that_do_not_fit_are_refused(
    name: str, shapes: tuple[tuple[int, ...], ...], arguments: dict[str, Any]
):
    nodes = [graph_input(f"x{i}", dtypes.f32, shape) for i, shape in enumerate(shapes)]
    with pytest.raises(GraphcError):
        functions[name](*nodes, **arguments)


NILPOTENT = np.array([[0.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    "x",
    [np.zeros((3, 3)), np.diag([4.0, 0, 1]), np.ones((3, 3)), NILPOTENT + np.eye(2),
     -np.eye(2) + 0j, np.zeros((0, 0))],
)  # fmt: skip
def test_roots_of_matrices_multiply_to_them(x: Array):
    root = applied(functions["sqrtm"], x)
    np.testing.assert_allclose(root @ root, x, atol=1e-12)


@pytest.mark.parametrize("x", [NILPOTENT, -np.eye(2), np.full((2, 2), np.inf)])
def test_matrices_without_a_root_are_nan(x: Array):
    assert np.isnan(applied(functions["sqrtm"], np.stack([x, np.eye(2)]))[0]).all()
    np.testing.assert_array_equal(
        applied(functions["sqrtm"], np.stack([x, np.eye(2)]))[1], np.eye(2)
    )
