"""Derivatives where a function has a kink, a tie, a pole or a zero: one table, and one rule.

Where a function has its least or largest value the derivative is 0, in any order; so it is where a
point has no direction. Elements that tie for an extreme share its derivative, and those that are
sorted keep their order. A slope that is infinite is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["CORNERS", "Corner"]

INF = math.inf


class Corner(NamedTuple):
    """A place, the derivatives by each operand there, and whether the second ones are finite."""

    call: Callable[..., Any]
    operands: tuple[Any, ...]
    slopes: tuple[Any, ...]
    torch: Callable[..., Any] | str
    """PyTorch's function, whose derivatives are the same, or why they are not."""
    second: bool = True


def _weighted(call: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The sum of what a call on a namespace gives, each element times its place."""

    def summed(space: Any, x: Any) -> Any:
        values = call(space, x)
        return sum((i + 1) * values[i] for i in range(len(x)))

    return summed


def _both(name: str) -> Callable[..., Any]:
    return lambda space, *x: getattr(space, name)(*x)


def _function(name: str) -> Callable[..., Any]:
    """One that PyTorch has in `torch.nn.functional`."""
    return lambda torch, *x: getattr(torch.nn.functional, name)(*x)


def _norm(order: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return (
        lambda gc, x: gc.vector_norm(x, ord=order),
        lambda torch, x: torch.linalg.vector_norm(x, order),
    )


def _norms() -> dict[str, Corner]:
    rows = {}
    for order in (-INF, -2, -1, 0.5, 1, 1.5, 2, 3, 4, INF):
        ours, theirs = _norm(order)
        rows[f"vector_norm of order {order} at 0"] = Corner(
            ours, ([0.0] * 3,), ([0.0] * 3,), theirs
        )
    ours, _ = _norm(0)
    counted = "PyTorch's derivative is one number"
    rows["vector_norm of order 0"] = Corner(ours, ([0.0, 3.0],), ([0.0, 0.0],), counted)
    for order in (-2, -1):
        ours, theirs = _norm(order)
        name = f"vector_norm of order {order} beside a 0"
        rows[name] = Corner(ours, ([0.0, 3.0],), ([0.0, 0.0],), theirs)
    ours, theirs = _norm(0.5)
    slopes = ([0.0, 1.0],)
    rows["vector_norm of order 0.5 beside a 0"] = Corner(ours, ([0.0, 3.0],), slopes, theirs)
    ours, theirs = _norm(INF)
    slopes = ([1 / 3, 1 / 3, -1 / 3],)
    rows["vector_norm of ties"] = Corner(ours, ([3.0, 3.0, -3.0],), slopes, theirs)
    return rows


def _of_one_number() -> dict[str, Corner]:
    slopes = {
        "abs": 0.0,
        "sign": 0.0,
        "relu": 0.0,
        "sinc": 0.0,
        "sqrt": INF,
        "log": INF,
        "rsqrt": -INF,
    }
    return {
        f"{name} at 0": Corner(_both(name), (0.0,), (slope,), _both(name), math.isfinite(slope))
        for name, slope in slopes.items()
    }


def _powers() -> dict[str, Corner]:
    def of(exponent: float) -> Callable[[Any, Any], Any]:
        return lambda _, x: x**exponent

    slopes = {-1.0: -INF, 0.0: 0.0, 0.5: INF, 1.0: 1.0, 2.0: 0.0, 3.0: 0.0}
    rows = {
        f"0 to the power {exponent}": Corner(
            of(exponent), (0.0,), (slope,), of(exponent), math.isfinite(slope)
        )
        for exponent, slope in slopes.items()
    }
    for x, y, slope in (
        (0.0, 0.0, (0.0, 0.0)),
        (0.0, 2.0, (0.0, 0.0)),
        (2.0, 0.0, (0.0, math.log(2))),
    ):
        rows[f"{x} to the power {y}, which moves"] = Corner(
            _both("pow"), (x, y), slope, _both("pow")
        )
    return rows


_ANY_TIE = "of equal elements PyTorch takes any"
_INFINITE = "PyTorch's is infinite or NaN"
_ROW = [2.0, 2.0, 2.0]

CORNERS: dict[str, Corner] = {
    **_of_one_number(),
    **_powers(),
    **_norms(),
    "std of equal elements": Corner(
        _both("std"), (_ROW,), ([0.0] * 3,), lambda torch, x: torch.std(x, correction=0)
    ),
    "std of one element": Corner(
        lambda gc, x: gc.std(x, correction=1), ([2.0],), ([math.nan],), _both("std"), False
    ),
    "nanstd of equal elements": Corner(
        _both("nanstd"), ([2.0, math.nan, 2.0],), ([0.0] * 3,), "PyTorch has none"
    ),
    "cbrt at 0": Corner(_both("cbrt"), (0.0,), (INF,), "PyTorch has none", False),
    "atan2 at 0": Corner(_both("atan2"), (0.0, 0.0), (0.0, 0.0), _both("atan2")),
    "hypot at 0": Corner(_both("hypot"), (0.0, 0.0), (0.0, 0.0), _INFINITE),
    "copysign of 0": Corner(_both("copysign"), (0.0, -1.0), (0.0, 0.0), _both("copysign")),
    "maximum": Corner(_both("maximum"), (1.0, 1.0), (0.5, 0.5), _both("maximum")),
    "minimum": Corner(_both("minimum"), (1.0, 1.0), (0.5, 0.5), _both("minimum")),
    "amax": Corner(_both("amax"), ([2.0, 1.0, 2.0],), ([0.5, 0.0, 0.5],), _both("amax")),
    "amin": Corner(_both("amin"), ([1.0, 2.0, 1.0],), ([0.5, 0.0, 0.5],), _both("amin")),
    **{
        f"clip at {x}": Corner(
            lambda gc, x: gc.clip(x, 0.0, 1.0), (x,), (0.5,), "PyTorch's is 1: a bound is inside"
        )
        for x in (0.0, 1.0)
    },
    "sort of ties": Corner(
        _weighted(_both("sort")),
        ([2.0, 1.0, 2.0, 1.0],),
        ([3.0, 1.0, 4.0, 2.0],),
        _weighted(lambda torch, x: torch.sort(x, stable=True)[0]),
    ),
    "topk of ties": Corner(
        _weighted(lambda gc, x: gc.topk(x, 4)[0]),
        ([2.0, 1.0, 2.0, 1.0],),
        ([1.0, 3.0, 2.0, 4.0],),
        _ANY_TIE,
    ),
    "cummax of ties": Corner(
        _weighted(lambda space, x: space.cummax(x, 0)[0]),
        ([1.0, 1.0, 0.0],),
        ([1.0, 5.0, 0.0],),
        _weighted(lambda space, x: space.cummax(x, 0)[0]),
    ),
    "prod with a zero": Corner(
        _both("prod"), ([0.0, 2.0, 3.0],), ([6.0, 0.0, 0.0],), _both("prod")
    ),
    "prod with zeros": Corner(_both("prod"), ([0.0, 2.0, 0.0],), ([0.0] * 3,), _both("prod")),
    "cumprod with a zero": Corner(
        _weighted(lambda space, x: space.cumprod(x, 0)),
        ([2.0, 0.0, 3.0],),
        ([1.0, 22.0, 0.0],),
        _weighted(lambda space, x: space.cumprod(x, 0)),
    ),
    "cumprod with zeros": Corner(
        _weighted(lambda space, x: space.cumprod(x, 0)),
        ([2.0, 0.0, 0.0],),
        ([1.0, 4.0, 0.0],),
        _weighted(lambda space, x: space.cumprod(x, 0)),
    ),
    "logsumexp of nothing": Corner(
        lambda gc, x: gc.logsumexp(x, 0),
        ([-INF, -INF],),
        ([math.nan] * 2,),
        lambda torch, x: torch.logsumexp(x, 0),
        False,
    ),
    "logsumexp with nothing": Corner(
        lambda gc, x: gc.logsumexp(x, 0),
        ([-INF, 1.0],),
        ([0.0, 1.0],),
        lambda torch, x: torch.logsumexp(x, 0),
    ),
    "softmax of nothing": Corner(
        _weighted(lambda space, x: space.softmax(x, 0)),
        ([-INF, -INF],),
        ([math.nan] * 2,),
        _weighted(lambda space, x: space.softmax(x, 0)),
        False,
    ),
    "logaddexp of nothing": Corner(
        _both("logaddexp"), (-INF, -INF), (math.nan, math.nan), _both("logaddexp"), False
    ),
    "logaddexp with nothing": Corner(
        _both("logaddexp"), (-INF, 1.0), (0.0, 1.0), _both("logaddexp")
    ),
    "xlogy at 0": Corner(_both("xlogy"), (0.0, 0.0), (0.0, 0.0), _INFINITE),
    "xlog1py at 0": Corner(_both("xlog1py"), (0.0, -1.0), (0.0, 0.0), _INFINITE),
    "entr at 0": Corner(_both("entr"), (0.0,), (0.0,), _INFINITE),
    "where around a root": Corner(
        lambda gc, x: gc.where(x > 0, gc.sqrt(gc.where(x > 0, x, 1.0)), 0.0),
        (0.0,),
        (0.0,),
        lambda torch, x: torch.where(x > 0, torch.sqrt(torch.where(x > 0, x, 1.0)), 0.0),
    ),
    "a root inside of where": Corner(
        lambda gc, x: gc.where(x > 0, gc.sqrt(x), 0.0),
        (0.0,),
        (math.nan,),
        lambda torch, x: torch.where(x > 0, torch.sqrt(x), 0.0),
        False,
    ),
    "huber_loss at delta": Corner(
        _both("huber_loss"), (1.0, 0.0), (1.0, -1.0), _function("huber_loss")
    ),
    "smooth_l1_loss at beta": Corner(
        _both("smooth_l1_loss"), (1.0, 0.0), (1.0, -1.0), _function("smooth_l1_loss")
    ),
    "l1_loss of equals": Corner(_both("l1_loss"), (1.0, 1.0), (0.0, 0.0), _function("l1_loss")),
    "binary_cross_entropy at 0": Corner(
        _both("binary_cross_entropy"), (0.0, 0.0), (1.0, 100.0), "PyTorch's quotient is 0 / 1e-12"
    ),
    "cosine_similarity at 0": Corner(
        lambda gc, x, y: gc.cosine_similarity(x, y, axis=0, eps=0.5),
        ([0.0, 0.0], [3.0, 4.0]),
        ([1.2, 1.6], [0.0, 0.0]),
        lambda torch, x, y: torch.cosine_similarity(x, y, dim=0, eps=0.5),
    ),
    "normalize at 0": Corner(
        _weighted(lambda gc, x: gc.normalize(x, axis=0, eps=0.5)),
        ([0.0, 0.0],),
        ([2.0, 4.0],),
        _weighted(lambda torch, x: torch.nn.functional.normalize(x, dim=0, eps=0.5)),
    ),
    "lp_pool1d at 0": Corner(
        lambda gc, x: gc.sum(gc.lp_pool1d(x, 2.0, 2)),
        ([[0.0, 0.0]],),
        ([[0.0, 0.0]],),
        lambda torch, x: torch.nn.functional.lp_pool1d(x, 2.0, 2).sum(),
    ),
}
"""What is asked of each function of `graphc`; `call` and `torch` take the package first."""
