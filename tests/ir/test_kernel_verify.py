"""Each check of the kernels' verifier, on a kernel that breaks what it guards; and the listing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graphc.errors import Span, VerificationError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    Guard,
    IndexValue,
    Inside,
    Load,
    Scalar,
    Space,
    WithIndex,
)
from graphc.ir.kernel import (
    Address,
    Barrier,
    Call,
    Declare,
    Fold,
    FoldTerm,
    If,
    Kernel,
    Let,
    LetIndex,
    Loop,
    LoopKind,
    ReadIndex,
    Statement,
    Store,
)
from graphc.ir.kernels.listing import kernel_listing
from graphc.ir.kernels.verify import CHECKS, verify_kernel
from graphc.ir.op import registry
from graphc.ir.ops.elementwise.arithmetic import add, multiply
from graphc.ir.ops.reductions.reduction import sum_over

F32, BOOL = dtypes.f32, dtypes.bool_
X, Y = Buffer("x", F32, 0), Buffer("y", F32, 0)
TILE = Buffer("tile", F32, 64, Space.SHARED)
OWN = Buffer("own", F32, 2, Space.LANE)
HALVES = Buffer("h", dtypes.f16, 0)
WORDS = Buffer("words", dtypes.u16, 512, Space.SHARED)
OTHERS = Buffer("others", dtypes.u16, 512, Space.SHARED)
COUNT = dims.variable("_n", 0, 100)


def counter(name: str, extent: int) -> Dim:
    return dims.variable(name, 0, max(extent - 1, 1))


STEP, LANE, K = counter("_step", 8), counter("_lane", 64), counter("_k", 16)


def kernel(*body: Statement, **changes: Any) -> Kernel:
    plain = Kernel("kernel", (X, Y), frozenset({Y}), (), STEP, 8, 64, body)
    return replace(plain, **changes)


def lanes(*body: Statement, extent: DimLike = 64, variable: Dim = LANE) -> Loop:
    return Loop(variable, extent, LoopKind.LANE, body)


def serial(*body: Statement, extent: DimLike = 16, variable: Dim = K) -> Loop:
    return Loop(variable, extent, LoopKind.SERIAL, body)


def one(value: float = 1.0) -> Constant:
    return Constant(value, F32)


def into(buffer: Buffer, index: DimLike, value: Expr | None = None) -> Store:
    return Store(buffer, index, value if value is not None else one())


def total(value: Expr, result: Scalar | None = None, **changes: Any) -> Fold:
    term = FoldTerm(result or Scalar("total", F32), add, 0.0, value)
    return Fold(((LANE, 64),), (replace(term, **changes),))


def looked_up(number: int) -> WithIndex:
    return WithIndex(K, Constant(number, dtypes.i32), Load(X, K))


def copied(target: Buffer, place: DimLike, source: Buffer, index: DimLike) -> Loop:
    addresses = Address(target, place), Address(source, index)
    return lanes(Call("gc_copy_async_16", (*addresses, 16)))


OUT = lanes(into(Y, STEP * 64 + LANE))
HIDDEN = lanes(into(TILE, LANE, Load(X, LANE)))

BROKEN: dict[str, list[Kernel]] = {
    "names": [
        kernel(OUT, name="while"),
        kernel(OUT, name="a-b"),
        kernel(OUT, parameters=(X, Y, Buffer("begin", F32, 0))),
        kernel(Let(Scalar("2x", F32), one()), OUT),
        kernel(Declare(Buffer("half", F32, 1, Space.SHARED)), OUT),
        kernel(total(one(), Scalar("float", F32)), OUT),
    ],
    "parameters": [
        kernel(OUT, parameters=(X, Y, Buffer("x", dtypes.i32, 0))),
        kernel(OUT, parameters=(X, Y, TILE)),
        kernel(OUT, parameters=(X,)),
    ],
    "scalars": [
        kernel(OUT, scalars=(COUNT, COUNT)),
        kernel(OUT, scalars=(COUNT + 1,)),
        kernel(OUT, scalars=(STEP,)),
        kernel(OUT, grid=COUNT),
        kernel(OUT, lanes=48),
        kernel(OUT, lanes=0),
    ],
    "scopes": [
        kernel(Let(Scalar("s", F32), one()), Let(Scalar("s", F32), one())),
        kernel(Let(Scalar("x", F32), one())),
        kernel(Declare(TILE), serial(Declare(TILE))),
        kernel(serial(serial(OUT))),
        kernel(LetIndex(K, STEP), serial(OUT)),
        kernel(Loop(STEP, 8, LoopKind.SERIAL, (OUT,))),
        kernel(Let(Scalar("k", F32), one()), serial(OUT)),
        kernel(total(one()), total(one())),
        kernel(lanes(into(Y, LANE, Apply(add, (looked_up(0), looked_up(1)), F32)))),
    ],
    "defined": [
        kernel(into(Y, K)),
        kernel(lanes(into(Y, LANE, IndexValue(K, F32)))),
        kernel(serial(OUT, extent=COUNT)),
        kernel(serial(OUT), lanes(into(Y, K))),
        kernel(lanes(into(Y, dims.variable("_lane", 0, 31)))),
        kernel(lanes(into(Y, LANE, Scalar("s", F32)))),
        kernel(Let(Scalar("s", F32), one()), lanes(into(Y, LANE, Scalar("s", dtypes.f64)))),
        kernel(lanes(into(TILE, LANE))),
        kernel(serial(Declare(TILE)), lanes(into(TILE, LANE))),
        kernel(lanes(into(Buffer("z", F32, 0), LANE))),
        kernel(Call("gc_function", (Address(TILE, 0),))),
        kernel(total(Scalar("total", F32))),
        kernel(Declare(Buffer("tile", F32, COUNT, Space.SHARED))),
        kernel(Fold(((K, COUNT),), total(one()).terms)),
        kernel(Call("gc_function", (Address(Y, K),))),
        kernel(Call("gc_function", (K,))),
    ],
    "stores": [
        kernel(lanes(into(X, LANE))),
        kernel(lanes(Call("gc_multiply_add_f32", (Address(X, LANE), one(), one())))),
    ],
    "types": [
        kernel(lanes(into(Y, LANE, Constant(1, dtypes.i32)))),
        kernel(lanes(into(Y, LANE, Constant(1j, F32)))),
        kernel(Let(Scalar("s", dtypes.i8), Constant(300, dtypes.i8))),
        kernel(Let(Scalar("s", F32), Constant(1.0, dtypes.f64))),
        kernel(lanes(into(Y, LANE, Apply(add, (one(),), F32)))),
        kernel(lanes(into(Y, LANE, Apply(add, (one(), Constant(1.0, dtypes.f64)), F32)))),
        kernel(lanes(into(Y, LANE, Apply(registry["equal"], (one(), one()), F32)))),
        kernel(lanes(into(Y, LANE, Apply(sum_over, (one(),), F32)))),
        kernel(lanes(into(Y, LANE, Convert(Constant(1j, dtypes.c64), F32)))),
        kernel(lanes(into(Y, LANE, Guard(one(), one(), one())))),
        kernel(lanes(into(Y, LANE, Guard(Inside(LANE, 0, 3), one(), Constant(1, dtypes.i8))))),
        kernel(If(one(), (OUT,))),
        kernel(ReadIndex(K, one()), OUT),
        kernel(lanes(Let(Scalar("s", BOOL), IndexValue(LANE, BOOL)))),
        kernel(lanes(into(Y, LANE, WithIndex(K, one(), Load(X, K))))),
        kernel(total(Constant(1, dtypes.i32))),
        kernel(total(one(), identity=1j)),
        kernel(total(one(), combine=registry["equal"])),
    ],
    "lane-loops": [
        kernel(lanes(lanes(into(Y, LANE), variable=K, extent=16))),
        kernel(lanes(serial(lanes(into(Y, LANE), variable=counter("_j", 4), extent=4)))),
    ],
    "divergence": [
        kernel(lanes(Barrier())),
        kernel(lanes(serial(If(Inside(LANE, 0, 3), (Barrier(),))))),
        kernel(lanes(Fold(((K, 16),), total(one()).terms))),
    ],
    "storage": [
        kernel(Declare(OWN), into(OWN, 0)),
        kernel(Declare(OWN), lanes(into(OWN, 0), variable=counter("_wide", 128), extent=128)),
        kernel(Declare(OWN), total(Load(OWN, 0))),
        kernel(Declare(Buffer("z", F32, 4))),
        kernel(lanes(Declare(TILE))),
    ],
    "single-stores": [
        kernel(into(Y, STEP)),
        kernel(lanes(into(Y, STEP))),
        kernel(lanes(LetIndex(K, STEP), into(Y, K))),
        kernel(Declare(TILE), into(TILE, 0)),
    ],
    "ranges": [
        kernel(OUT, grid=9),
        kernel(lanes(into(Y, LANE), extent=65)),
        kernel(serial(OUT, extent=COUNT), scalars=(COUNT,)),
        kernel(Loop(dims.variable("_k", 1, 4), 3, LoopKind.SERIAL, (OUT,))),
        kernel(LetIndex(K, STEP * 16), OUT),
        kernel(LetIndex(dims.variable("_k", 0, 64, 2), STEP * 3), OUT),
        kernel(Fold(((K, 17),), total(one()).terms)),
        kernel(serial(OUT, variable=dims.variable("_k", 0, 64, 2))),
    ],
    "bounds": [
        kernel(Declare(TILE), lanes(into(TILE, LANE + 1))),
        kernel(Declare(TILE), lanes(into(TILE, LANE - 1))),
        kernel(Declare(OWN), serial(lanes(into(OWN, K)))),
        kernel(Declare(TILE), Call("gc_function", (Address(TILE, STEP * 16),))),
        kernel(Declare(TILE), Call("gc_function", (Address(TILE, 65),))),
        kernel(Declare(TILE), HIDDEN, Barrier(), total(Load(TILE, LANE * 2))),
    ],
    "barriers": [
        kernel(Declare(TILE), HIDDEN, lanes(into(Y, LANE, Load(TILE, 63 - LANE)))),
        kernel(Declare(TILE), HIDDEN, total(Load(TILE, 63 - LANE))),
        kernel(Declare(TILE), HIDDEN, Let(Scalar("s", F32), Load(TILE, 0))),
        kernel(Declare(TILE), HIDDEN, If(Inside(STEP, 0, 3), (Barrier(),)), total(Load(TILE, 0))),
        kernel(Declare(TILE), lanes(into(TILE, 0), extent=1), total(Load(TILE, 0))),
        kernel(Declare(TILE), lanes(into(TILE, (LANE + 1) % 64)), total(Load(TILE, LANE))),
        # The next iteration stores over what this one reads.
        kernel(
            Declare(TILE), serial(HIDDEN, Barrier(), lanes(into(Y, LANE, Load(TILE, 63 - LANE))))
        ),
        kernel(
            Declare(TILE),
            lanes(into(TILE, LANE)),
            lanes(into(TILE, 63 - LANE)),
        ),
        kernel(
            Declare(WORDS),
            copied(WORDS, LANE * 8, HALVES, LANE * 8),
            copied(WORDS, 504 - LANE * 8, HALVES, LANE * 8),
            parameters=(HALVES, Y),
        ),
        kernel(
            Declare(WORDS),
            Declare(OTHERS),
            copied(WORDS, LANE * 8, HALVES, LANE * 8),
            copied(OTHERS, LANE * 8, WORDS, 504 - LANE * 8),
            parameters=(HALVES, Y),
        ),
    ],
}

CASES = [(name, broken) for name, kernels in BROKEN.items() for broken in kernels]


@pytest.mark.parametrize(
    ("name", "broken"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)]
)
def test_check_fails(name: str, broken: Kernel) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_kernel(broken)
    (guarantee,) = (check.guarantee for check in CHECKS if check.name == name)
    assert caught.value.notes[0] == f"check {name}: {guarantee}"


def test_every_check_is_tested_and_says_what_it_guarantees() -> None:
    assert [check.name for check in CHECKS] == list(BROKEN)
    assert all(check.guarantee for check in CHECKS)


SOUND = {
    "lanes with storage of their own": kernel(
        Declare(OWN),
        lanes(into(OWN, 0), into(OWN, 1)),
        serial(lanes(into(OWN, 1, Apply(multiply, (Load(OWN, 0), Load(X, K))  , F32)))),
        lanes(into(Y, LANE, Load(OWN, 1))),
    ),
    "a barrier between lanes": kernel(
        Declare(TILE),
        serial(
            HIDDEN, Barrier(), lanes(into(Y, LANE, Load(TILE, 63 - LANE))), Barrier()
        ),
    ),
    "one lane's own element needs none": kernel(
        Declare(TILE), serial(HIDDEN, total(Load(TILE, LANE)), lanes(into(Y, LANE)))
    ),
    "a part of a buffer for each iteration": kernel(
        Declare(TILE),
        serial(
            Barrier(),
            lanes(into(TILE, K % 2 * 32 + LANE), extent=32),
            lanes(into(Y, LANE, Load(TILE, (K + 1) % 2 * 32 + 31 - LANE)), extent=32),
        ),
    ),
    "a fold of several terms, and blocks with the same names": kernel(
        total(one()),
        serial(LetIndex(counter("_j", 64), K * 4), lanes(into(Y, counter("_j", 64) + LANE))),
        serial(LetIndex(counter("_j", 64), K), lanes(into(Y, counter("_j", 64) + LANE))),
    ),
    "bounds by a loop": kernel(
        Declare(TILE),
        LetIndex(dims.variable("_rows", 0, 64), dims.minimum(64, COUNT)),
        lanes(into(TILE, counter("_row", 1000)), variable=counter("_row", 1000),
              extent=dims.variable("_rows", 0, 64)),
        scalars=(COUNT,),
    ),
    "nothing at all": kernel(),
}  # fmt: skip


@pytest.mark.parametrize("sound", SOUND.values(), ids=SOUND.keys())
def test_sound_kernels_pass(sound: Kernel) -> None:
    verify_kernel(sound)


def test_a_guarded_index_needs_no_proof() -> None:
    inside = Guard(Inside(LANE + 1, 0, 64), Load(TILE, LANE + 1), one())
    verify_kernel(kernel(Declare(TILE), HIDDEN, Barrier(), lanes(into(Y, LANE, inside))))


def test_the_error_shows_the_neighbourhood_and_the_source() -> None:
    span = Span("m.gc", 3, 5, 3, 9)
    with pytest.raises(VerificationError) as caught:
        verify_kernel(kernel(Declare(TILE), serial(lanes(into(TILE, LANE + 1))), spans=(span,)))
    assert caught.value.span == span
    assert caught.value.message == ("kernel 'kernel': tile[_lane + 1] is not proved to be below 64")
    assert caught.value.notes[1:] == (
        "      shared tile: f32[64]",
        "      serial for _k < 16:",
        "        lane for _lane < 64:",
        ">         tile[_lane + 1] = f32(1.0)",
    )


# -- the listing ----------------------------------------------------------------------------------


def test_listing_of_every_statement() -> None:
    shared = Apply(multiply, (Load(X, LANE), Load(X, LANE)), F32)
    twice = Apply(add, (shared, Apply(registry["exp"], (shared,), F32)), F32)
    text = kernel_listing(
        kernel(
            Declare(TILE),
            LetIndex(counter("_j", 64), STEP * 2),
            Let(Scalar("s", dtypes.i32), Convert(Load(X, 0), dtypes.i32)),
            total(Apply(registry["where"], (Inside(LANE, 0, 3), one(), one(2)), F32)),
            serial(lanes(into(TILE, LANE, twice)), Barrier()),
            If(Inside(STEP, 0, COUNT), (Call("gc_call", (Address(TILE, 4), 3, STEP, "text")),)),
            lanes(into(Y, LANE, Guard(Inside(LANE, 1, 9), Load(X, LANE), one(-0.0)))),
            Loop(K, 16, LoopKind.UNROLLED, (lanes(into(Y, K + LANE, IndexValue(K, F32))),)),
            spans=(Span("m.gc", 3, 5, 3, 9), Span("m.gc", 4, 1, 4, 9)),
            scalars=(COUNT,),
        )
    )
    assert (
        text
        == """\
# m.gc:3:5
# m.gc:4:1
kernel kernel(x: f32, y: f32 written)
  scalars _n
  lanes 64
  for _step < 8:
    shared tile: f32[64]
    _j = _step*2
    s: i32 = i32(x[0])
    fold _lane < 64:
      total: f32 = add(f32(0.0), where(0 <= _lane < 3, f32(1.0), f32(2)))
    serial for _k < 16:
      lane for _lane < 64:
        %0 = x[_lane] * x[_lane]
        tile[_lane] = %0 + exp(%0)
      barrier
    if 0 <= _step < _n:
      gc_call(&tile[4], 3, _step, 'text')
    lane for _lane < 64:
      y[_lane] = x[_lane] if (1 <= _lane < 9) else f32(-0.0)
    unrolled for _k < 16:
      lane for _lane < 64:
        y[_k + _lane] = f32(_k)"""
    )


def test_a_listing_of_shared_values_does_not_grow_with_their_uses() -> None:
    value: Expr = Load(X, LANE)
    for _ in range(200):
        value = Apply(add, (value, value), F32)
    lines = kernel_listing(kernel(lanes(into(Y, LANE, value)))).splitlines()
    assert len(lines) < 210
    assert max(map(len, lines)) < 100
