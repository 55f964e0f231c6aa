"""How near the value of a node must be to what its op's reference gives for the same operands.

A graph is compared node by node: each against its reference on the operands that the backend
itself computed. So no tolerance depends on how errors grow along the graph; each is that of one
op, and states what the op promises:

- moving elements, casts, whole numbers and booleans: every bit;
- elementwise ops: every bit, but for the functions of `ULPS`;
- sums and matrix products of n terms: n u times the sum of the magnitudes, for the unit roundoff u
  of the dtype that they are accumulated in, whatever the order (N. Higham, "Accuracy and Stability
  of Numerical Algorithms", 2002, chapters 3 and 4), and one rounding to the dtype of the result;
- products of n factors: n u times the value.

Where the magnitudes overflow, or a product underflows on the way, the order decides whether a
number or an infinity comes out, and the order is the backend's affair: these are not compared.
Everywhere else NaN and infinities are where the reference has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.evaluate import evaluate_node
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import Contraction, Elementwise, Reduction
from graphc.ir.types import TupleType
from tests.values import same_bits

__all__ = [
    "COMPLEX_FUNCTIONS",
    "IN_NUMPY",
    "NUMPY_ULPS",
    "SPECIAL_ULPS",
    "ULPS",
    "first_inaccurate",
    "is_accurate",
    "is_near_complex",
    "least_of",
    "within",
]

Array = np.ndarray[Any, Any]

# Those of graphc/codegen/device/special.h: computed in f64 on every device, by the steps of their
# references, so that they differ by what the functions that they call do.
SPECIAL_ULPS: Mapping[str, tuple[float, float]] = {
    "airy_ai": (0.6, 16),
    "airy_ai_slope": (0.6, 16),
    "bessel_j0": (0.6, 16),
    "bessel_j1": (0.6, 16),
    "bessel_y0": (0.6, 16),
    "bessel_y1": (0.6, 16),
    "betainc": (0.6, 24),
    "cosine_integral": (0.6, 16),
    "dawsn": (0.6, 8),
    "expi": (0.6, 16),
    "expn": (0.6, 16),
    "fresnel_c": (0.6, 8),
    "fresnel_s": (0.6, 8),
    "gammainc": (0.6, 24),
    "gammaincc": (0.6, 24),
    "k0e": (0.6, 16),
    "k1e": (0.6, 8),
    "sine_integral": (0.6, 8),
}

CANCELLING = frozenset(
    {
        *("airy_ai", "airy_ai_slope", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"),
        *("betainc", "cosine_integral", "expi", "gammainc", "gammaincc"),
    }
)
"""Those of them with zeros, or that are 1 less a number: differences of moderate numbers."""

# Units in the last place that elementwise functions may be off by, in f32 and in f64: what
# graphc/codegen/device/math.h states, rounded up. Every other elementwise op is exact. In f64 the
# value they are compared with is itself NumPy's, with an error of its own.
ULPS: Mapping[str, tuple[float, float]] = {
    **SPECIAL_ULPS,
    "exp": (1.1, 1.1),
    "expm1": (1.5, 2),
    "exp2": (0.6, 2),
    "log": (0.9, 0.9),
    "log1p": (1.5, 2),
    "log2": (0.6, 2),
    "log10": (0.6, 2),
    "rsqrt": (1.5, 1.5),
    "sin": (2.7, 2),
    "cos": (2.7, 2),
    "tan": (0.6, 2),
    "asin": (0.6, 2),
    "acos": (0.6, 2),
    "atan": (0.6, 2),
    "atan2": (0.6, 2),
    "hypot": (0.6, 2),
    "sinh": (0.6, 2),
    "cosh": (0.6, 2),
    "tanh": (1.4, 1.4),
    "asinh": (0.6, 2),
    "acosh": (0.6, 2),
    "atanh": (0.6, 2),
    "erf": (1.2, 2),
    "erfc": (0.6, 2),
    "erfinv": (0.6, 4),
    "lgamma": (0.6, 8),
    "digamma": (0.6, 8),
    "logaddexp": (0.6, 2),
    "sigmoid": (2.5, 2.3),
    "power": (0.6, 2),
}

NUMPY_ULPS = 1

# Functions of complex numbers. Their errors are counted in units of the size of the value, in c64
# and in c128; every other elementwise op of complex numbers is exact.
_COMPLEX_ULPS = (0.75, 4.0)
_COMPLEX_IN_NUMPY = (8.0, 8.0)
COMPLEX_FUNCTIONS = frozenset(
    {
        "abs",
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "power",
    }
)

IN_NUMPY: Mapping[str, tuple[float, float]] = {name: (4, bound[1]) for name, bound in ULPS.items()}
"""The same for NumPy, which the reference and the interpreter compute with: its vectorised
functions in f32 are within 4 units (https://numpy.org/neps/nep-0038-SIMD-optimizations.html)."""


def within(found: Array, precise: Array, ulps: float, dtype: DType, least: float = 0.0) -> bool:
    """Whether `found` is within some units in the last place of the value in f64.

    Where that is below `least`, its units are those of `least`.
    """
    found = found.astype(np.float64)
    largest = float(np.float64(dtype.maximum_value))
    with np.errstate(all="ignore"):
        magnitude = np.maximum(np.abs(precise), max(least, float(dtype.smallest_normal)))
        exponent = np.floor(np.log2(np.where(np.isfinite(magnitude), magnitude, 1.0)))
        # log2 may round up to the next power of two.
        unit = np.exp2(np.minimum(exponent, np.log2(largest)) - (dtype.precision - 1))
        near = np.abs(found - precise) <= ulps * unit
        over = np.isinf(found) & (np.abs(precise) > largest) & (np.sign(found) == np.sign(precise))
    same = (found == precise) | (np.isnan(found) & np.isnan(precise))
    return bool(np.all(near | over | same))


def least_of(name: str, dtype: DType) -> float:
    """The value below which a function's error does not fall: in f64, where it is computed."""
    return 0.25 if name in CANCELLING and dtype is dtypes.f64 else 0.0


def is_near_complex(
    name: str,
    operands: Sequence[Array],
    found: Array,
    precise: Array,
    bounds: tuple[float, float] = _COMPLEX_ULPS,
) -> bool:
    """Whether a function of complex numbers is as near to its value in c128 as it promises.

    Infinities and NaN are where C99 Annex G has them; the sign of an infinity beside a NaN is open
    there, and the sign of a zero is not looked at. A power multiplies the error of its logarithm.
    """
    dtype = dtypes.from_numpy(found.dtype)
    found, precise = found.astype(np.complex128), precise.astype(np.complex128)
    with np.errstate(all="ignore"):
        allowed = np.full(precise.shape, bounds[0 if dtype.real is dtypes.f32 else 1])
        if name == "power":
            x, y = (operand.astype(np.complex128) for operand in operands)
            has_logarithm = (x != 0) & (y != 0)
            exponent = np.abs(np.where(has_logarithm, y, 0) * np.log(np.where(has_logarithm, x, 1)))
            exponent = np.where(has_logarithm, exponent, 0.0)
            allowed = allowed + 8 * exponent * dtypes.f64.epsilon / dtype.epsilon
            undecided = ~(exponent * dtypes.f64.epsilon < 2.0**-8)
        else:
            undecided = np.zeros(precise.shape, np.bool_)
        # Beside an infinity or a NaN the other part counts alone.
        size = np.hypot(*(np.where(np.isfinite(p), p, 0) for p in (precise.real, precise.imag)))
        unit = dtype.epsilon * np.maximum(size, float(dtype.smallest_normal))
        near = np.abs(found - precise) <= allowed * unit
        alike = _is_alike(found.real, precise.real, precise.imag, dtype)
        alike &= _is_alike(found.imag, precise.imag, precise.real, dtype)
        left = [
            np.where(np.isfinite(part - exact), np.abs(part - exact), 0)
            for part, exact in ((found.real, precise.real), (found.imag, precise.imag))
        ]
        alike &= ~np.isfinite(found) & (np.hypot(*left) <= allowed * unit)
    return bool(np.all(near | alike | undecided))


def _is_alike(found: Array, precise: Array, other: Array, dtype: DType) -> Array:
    """Whether a part is a number, infinite or NaN as it must be."""
    largest = float(dtype.maximum_value) * (1 - dtype.epsilon)
    over = np.isinf(found) & (np.abs(precise) >= largest)
    over &= (np.sign(found) == np.sign(precise)) | np.isnan(other)
    return np.asarray((np.isnan(found) & np.isnan(precise)) | over | np.isfinite(found - precise))


def is_accurate(
    node: Node,
    operands: Sequence[Array],
    found: Array,
    sizes: Mapping[str, int],
    ulps: Mapping[str, tuple[float, float]] = ULPS,
) -> bool:
    """Whether a backend's value of a node is as near to its reference as the op promises.

    Args:
        node: with one result.
        operands: the backend's values of the node's operands.
        found: its value of the node.
        sizes: the named dims.
        ulps: units in the last place that elementwise functions may be off by, in f32 and f64.
    """
    rule, dtype = node.op.lowering, node.dtype
    expected = np.asarray(evaluate_node(node, operands, sizes))
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    folds = isinstance(rule, Reduction | Contraction)
    is_function = isinstance(rule, Elementwise) and node.op.name in ulps
    if isinstance(rule, Elementwise) and operands[-1].dtype.kind == "c":
        if node.op.name not in COMPLEX_FUNCTIONS:
            return same_bits(found, expected)
        given = [operand.astype(np.complex128) for operand in operands]
        precise = np.asarray(evaluate_node(node, given, sizes, precise=True))
        bounds = _COMPLEX_IN_NUMPY if ulps is IN_NUMPY else _COMPLEX_ULPS
        return is_near_complex(node.op.name, operands, found, precise, bounds)
    is_extreme = isinstance(rule, Reduction) and rule.combine in ("maximum", "minimum")
    if not dtype.precision or is_extreme or not (folds or is_function):
        return same_bits(found, expected)
    wide = [operand.astype(_wide(operand.dtype)) for operand in operands]
    precise = np.asarray(evaluate_node(node, wide, sizes, precise=True))
    if is_function:
        units, least = _units(ulps[node.op.name], dtype), least_of(node.op.name, dtype)
        return within(found, precise, units, dtype, least)
    return _is_folded_accurately(node, wide, found, precise, sizes)


def first_inaccurate(
    graph: Graph,
    arrays: Sequence[Array],
    found: Sequence[Array],
    sizes: Mapping[str, int],
    ulps: Mapping[str, tuple[float, float]],
) -> str | None:
    """The first node whose value is not what its op gives for the operands that were computed.

    Args:
        graph: all of whose nodes with one result are results.
        arrays: the inputs.
        found: a backend's results.
        sizes, ulps: as for `is_accurate`.
    """
    values: dict[Node, Any] = dict(zip(graph.inputs, arrays, strict=True))
    values |= dict(zip(graph.results, found, strict=True))
    for node in graph.nodes():
        if node in graph.inputs:
            continue
        operands = [values[operand] for operand in node.inputs]
        if isinstance(node.type, TupleType):
            # Its parts are computed by the backend, and compared where they are projected.
            values[node] = evaluate_node(node, operands, sizes)
        elif not is_accurate(node, operands, values[node], sizes, ulps):
            return f"{node!r} of {operands} is {values[node]}"
    return None


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    kinds = {"float": np.dtype(np.float64), "complex": np.dtype(np.complex128)}
    return kinds.get(dtypes.from_numpy(dtype).kind, dtype)


def _units(bounds: tuple[float, float], dtype: DType) -> float:
    in_f32, in_f64 = bounds
    if dtype is dtypes.f64:
        return in_f64 + NUMPY_ULPS
    # Below f32: the function's own error there, and one rounding.
    return in_f32 if dtype.bits == 32 else 0.51


def _is_folded_accurately(
    node: Node, wide: Sequence[Array], found: Array, precise: Array, sizes: Mapping[str, int]
) -> bool:
    dtype, accumulator = node.dtype, node.dtype.accumulator
    # A product of complex numbers rounds in three places, in two components.
    steps = (_terms(node, sizes) + 1) * (4 if dtype.kind == "complex" else 1)
    # In f64 the reference is as far from the exact value as the backend.
    steps *= 2 if dtype.real is dtypes.f64 else 1
    with np.errstate(all="ignore"):
        largest, smallest = _extremes(node, wide, sizes)
        decides_order = largest >= accumulator.maximum_value / 2
        decides_order |= smallest < accumulator.smallest_normal
        magnitude = np.abs(precise) if _multiplies(node) else largest
        bound = steps * accumulator.epsilon / 2 * magnitude
        bound = bound + dtype.epsilon / 2 * np.abs(precise)
        bound = bound + steps * float(dtype.smallest_normal) * dtype.epsilon
        value = found.astype(precise.dtype)
        near = np.abs(value - precise) <= bound
        over = np.isinf(value) & (np.sign(value) == np.sign(precise))
        over &= np.abs(precise) + bound > float(dtype.maximum_value)
    same = (value == precise) | (np.isnan(value) & np.isnan(precise))
    return bool(np.all(near | over | same | decides_order))


def _multiplies(node: Node) -> bool:
    return isinstance(node.op.lowering, Reduction) and node.op.lowering.combine == "multiply"


def _terms(node: Node, sizes: Mapping[str, int]) -> int:
    """How many numbers each element of the result is folded from."""
    shape = node.inputs[0].shape
    axes = node["axes"] if isinstance(node.op.lowering, Reduction) else (len(shape) - 1,)
    return math.prod(dims.evaluate(shape[axis], sizes) for axis in axes)


def _extremes(
    node: Node, wide: Sequence[Array], sizes: Mapping[str, int]
) -> tuple[Array, Array | float]:
    """The largest magnitude that any order meets on the way, and for products the smallest.

    Infinite and undefined terms decide the result in every order, and are left out.
    """
    sizes_of = [np.abs(np.where(np.isfinite(operand), operand, 1.0)) for operand in wide]

    def folded(operands: Sequence[Array]) -> Array:
        given = [one.astype(array.dtype) for one, array in zip(operands, wide, strict=True)]
        return np.abs(np.asarray(evaluate_node(node, given, sizes, precise=True)))

    if not _multiplies(node):
        return folded(sizes_of), np.inf
    (factors,) = sizes_of
    factors = np.where(factors == 0, 1.0, factors)
    return folded([np.maximum(factors, 1.0)]), folded([np.minimum(factors, 1.0)])
