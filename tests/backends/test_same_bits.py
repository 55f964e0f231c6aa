"""What a program computes does not depend on the number of threads: one table of every schedule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphc.frontend.tracing.control_flow import cond, scan, while_loop
from graphc.frontend.tracing.tensor import call
from graphc.frontend.tracing.trace import trace
from graphc.ir.dtype import bf16, c64, f32, f64, i64, u64
from graphc.ir.graph import Graph
from graphc.passes import pipeline
from graphc.runtime.cpu import pool
from graphc.runtime.cpu.executor import CpuExecutor
from tests.emitted import emitted
from tests.values import random_array, same_bits

Array = np.ndarray[Any, Any]

WIDE, LONG, IDS = f32[700, 130], f32[300_001], i64[40_000]

SCHEDULES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "pointwise": (lambda x: call("tanh", x) * 2 + x, (LONG,)),
    "pointwise in bf16": (lambda x: call("exp", x) / 3, (bf16[100_003],)),
    "rows reduced": (lambda x: (x.sum(axis=1), x.max(axis=-1)), (WIDE,)),
    "columns reduced": (lambda x: x.mean(axis=0), (WIDE,)),
    "rows normalised": (lambda x: call("softmax", x, axis=-1), (WIDE,)),
    "reduction in chunks": (lambda x: (x.sum(), (x * x).mean(), x.min()), (LONG,)),
    "reduction in chunks of f64": (lambda x: x.sum(), (f64[200_001],)),
    "product": (lambda x, w: x @ w, (WIDE, f32[130, 95])),
    "product with an epilogue": (lambda x, w: call("gelu", x @ w), (f32[257, 129], f32[129, 67])),
    "products of a batch": (lambda x, y: x @ y, (f64[9, 33, 17], f64[9, 17, 29])),
    "product with a vector": (lambda x, v: x @ v, (WIDE, f32[130])),
    "scatter": (
        lambda x, i, v: (call("index_add", x, 0, i, v), call("index_copy", x, 0, i, v)),
        (f32[997], IDS, f32[40_000]),
    ),
    "gather": (lambda x, i: call("take", x, i), (LONG, IDS)),
    "sort": (lambda x: (call("sort", x), call("argsort", x, axis=0)), (f32[600, 90],)),
    "one long sort": (lambda x: call("sort", x), (f32[100_003],)),
    "cumulative": (lambda x: (call("cumsum", x, axis=1), call("cummax", x, 0)[0]), (WIDE,)),
    "one long scan": (lambda x: call("cumsum", x), (LONG,)),
    "window": (lambda x, w: call("conv2d", x, w, padding=1), (f32[3, 5, 31, 33], f32[7, 5, 3, 3])),
    "random numbers": (
        lambda x: call("randn", 100, 333, seed=x, stream=1),
        (u64[()],),
    ),
    "complex": (lambda x: x * x + x, (c64[50_001],)),
    "loop": (lambda h, x: scan(lambda c, r: (call("tanh", c + r), c * r), h, x), (f32[130], WIDE)),
    "loop with a condition": (
        lambda x: while_loop(lambda c: (c * c).sum() < 1e6, lambda c: c * 1.5, x, max_steps=30),
        (LONG,),
    ),
    "branch": (lambda x: cond(x.sum() > 0, lambda: x * 2, lambda: call("sin", x)), (LONG,)),
}

THREADS = (1, 2, 4)


@cache
def graphs() -> dict[str, Graph]:
    found = {}
    for number, (name, (function, types)) in enumerate(SCHEDULES.items()):
        graph, sources = trace(function, *types, name=f"schedule_{number}")
        found[name] = pipeline.run(graph, pipeline.GRAPH_PASSES, sources)
    return found


@cache
def executor() -> CpuExecutor:
    """All programs in one unit."""
    return emitted(list(graphs().values()))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_number_of_threads_changes_no_bit(name: str) -> None:
    graph = graphs()[name]
    rng = np.random.default_rng(5)
    arrays = [
        rng.integers(0, 900, one.shape).astype(one.dtype.numpy)
        if one.dtype.is_integer
        else random_array(one.tensor, rng, special=False)
        for one in graph.inputs
    ]
    found = []
    for count in THREADS:
        pool.set_threads(count)
        found.append(executor().call(graph.name, arrays))
    for other in found[1:]:
        assert all(same_bits(a, b) for a, b in zip(found[0], other, strict=True))


# Large enough for OpenBLAS to share each of them among threads. Prints digests: by way, then op.
LINEAR_ALGEBRA = """
import hashlib, json
import numpy as np
import graphc as gc

def digest(*arrays):
    return hashlib.sha256(b"".join(np.asarray(one).tobytes() for one in arrays)).hexdigest()

def factors(a, b, spd):
    return {
        "solve": gc.linalg.solve(a, b),
        "inv": gc.linalg.inv(a),
        "qr": tuple(gc.linalg.qr(a)),
        "cholesky": gc.linalg.cholesky(spd),
        "eigh": tuple(gc.linalg.eigh(spd)),
        "svd": tuple(gc.linalg.svd(a)),
    }

def product(a, b):
    return {"product": a @ a, "product with few columns": a @ b}

found = {}
for dtype in (np.float32, np.float64):
    name = np.dtype(dtype).name
    a = np.random.default_rng(5).standard_normal((700, 700)).astype(dtype)
    spd = ((a + a.T) / 100 + 10 * np.eye(700)).astype(dtype)
    for way, values in {
        "cpu": gc.function(factors, device="cpu")(a, a[:, :50], spd),
        "eager": factors(a, a[:, :50], spd),
        "products of the reference":
            gc.function(product, device="reference")(a, a[:, :50].copy()),
    }.items():
        found[f"{way}, {name}"] = {
            op: digest(*one) if isinstance(one, tuple) else digest(one)
            for op, one in values.items()
        }
print(json.dumps(found))
"""


def test_the_number_of_threads_of_numpys_blas_changes_no_bit() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LINEAR_ALGEBRA],
            env={**os.environ, "OPENBLAS_NUM_THREADS": str(count)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in THREADS
    ]
    one, *others = [json.loads(process.communicate()[0]) for process in processes]
    assert all(other == one for other in others)
    for dtype in ("float32", "float64"):
        assert one[f"cpu, {dtype}"] == one[f"eager, {dtype}"]
