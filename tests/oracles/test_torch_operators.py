"""The operators that PyTorch describes for its own tests, with its samples: values and gradients.

Whatever is left out is named in `torch_left_out.py`, so that a new release shows what is new. Two
rules hold for all of them: whole numbers and bools do not turn into floats by themselves, and a
single number has no axes. Both are refused here, and taken by PyTorch.
"""

from __future__ import annotations

import itertools
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

import graphc.ir.ops  # noqa: F401  (fills the registry)
from graphc.errors import DTypeError, GraphcError, ShapeError
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from graphc.passes.autodiff import vjp
from tests.oracles.torch_left_out import (
    FIRST_ALONE,
    LEFT_OUT,
    LESS_ACCURATE,
    PARTS_LEFT_OUT,
    SAMPLES_LEFT_OUT,
    SLOPES_LEFT_OUT,
)
from tests.oracles.torch_operators import ARGUMENTS, CALLS, NAMES

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from torch.testing._internal.common_methods_invocations import op_db
except ImportError:  # PyTorch, or what its tests need, is not there
    torch, op_db = None, []

Array = np.ndarray[Any, Any]

SECONDS = float(os.environ.get("GRAPHC_TORCH_SECONDS", "0.5"))
"""For each operator: its samples are compared in turns over the dtypes until the time is over."""

ABOUT_PLACE = frozenset({"device", "layout", "memory_format", "pin_memory", "requires_grad"})
"""Arguments about where tensors are."""

TOLERANCE = 1e-7
TOLERANCES: Mapping[str, float] = {"float32": 3e-5, "complex64": 3e-5, "float16": 4e-3}
"""By the dtype of a result, where it is narrow; PyTorch computes some of whole numbers in f32."""


def full_name(info: Any) -> str:
    return info.name + (f".{info.variant_test_name}" if info.variant_test_name else "")


def is_left_out(info: Any) -> bool:
    return info.name in LEFT_OUT or full_name(info) in LEFT_OUT


def table(rows: Any, info: Any) -> Any:
    return rows.get(full_name(info), rows.get(info.name))


COMPARED = [info for info in op_db if not is_left_out(info)]


# -- both sides of a sample ------------------------------------------------------------------------


def tensors_of(value: Any) -> list[Any]:
    """The tensors in nested containers, each once."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    found = itertools.chain(*map(tensors_of, value)) if isinstance(value, list | tuple) else ()
    return list({id(one): one for one in found}.values())


def array_of(tensor: Any) -> Array:
    return np.asarray(tensor.detach().resolve_conj().resolve_neg().numpy(force=True))


class Operands:
    """The tensors of a sample as inputs of a graph."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.arrays: list[Array] = []
        self._of: dict[int, Tensor] = {}

    def input(self, array: Array) -> Node:
        dtype = dtypes.from_numpy(array.dtype)
        self.nodes.append(graph_input(f"x{len(self.nodes)}", dtype, array.shape))
        self.arrays.append(array)
        return self.nodes[-1]

    def lift(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) not in self._of:
                self._of[id(value)] = Tensor(self.input(array_of(value)))
            return self._of[id(value)]
        if isinstance(value, torch.dtype):
            return dtypes.from_numpy(torch.empty(0, dtype=value).numpy().dtype)
        if isinstance(value, list | tuple):
            items = map(self.lift, value)
            return tuple(items) if isinstance(value, torch.Size) else type(value)(items)
        if isinstance(value, dict):
            return {key: self.lift(one) for key, one in value.items() if key not in ABOUT_PLACE}
        return value


def results_of(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [one for item in value for one in results_of(item)]
    return [value]


def called(info: Any, arguments: list[Any], keywords: dict[str, Any]) -> list[Node]:
    """The results here."""
    own, names = table(CALLS, info), table(ARGUMENTS, info)
    if own is not None:
        found = own(*arguments, **keywords)
    else:
        name = NAMES.get(info.name, info.name.split(".")[-1])
        if names:
            named = dict(zip(names.split(), arguments, strict=False))
            found = call(name, **named, **keywords)
        else:
            found = call(name, *arguments, **keywords)
    return [one.node for one in results_of(found)]


def weight_of(tensor: Any) -> Any:
    count = torch.arange(1.0, tensor.numel() + 1, dtype=torch.float64)
    return torch.sin(count).reshape(tensor.shape).to(tensor.dtype)


def _expected(info: Any, sample: Any, wrt: list[Any]) -> tuple[Any, list[Any]]:
    """PyTorch's results, and which tensors it differentiates: the first alone, if not all."""
    for given in (wrt, wrt[:1]):
        for one in wrt:
            one.requires_grad_(any(one is other for other in given))
        try:
            return info(sample.input, *sample.args, **sample.kwargs), given
        except RuntimeError as error:
            if "not differentiable" not in str(error):
                raise
    raise AssertionError(f"PyTorch does not differentiate {full_name(info)}")


def compare(info: Any, sample: Any, *, with_gradients: bool) -> None:
    given = tensors_of([sample.input, sample.args, sample.kwargs])
    for one in given:  # samples share tensors
        if one.is_leaf:
            one.requires_grad_(False)
    wrt = [one for one in given if with_gradients and one.is_leaf and one.dtype.is_floating_point]
    wrt += [one for one in given if with_gradients and one.is_leaf and one.dtype.is_complex]
    expected, wrt = _expected(info, sample, wrt)
    if sample.output_process_fn_grad is not None and not isinstance(expected, list | tuple):
        expected = sample.output_process_fn_grad(expected)
    wanted = [torch.as_tensor(one) for one in results_of(expected)]

    operands = Operands()
    arguments = operands.lift([sample.input, *sample.args])
    nodes = called(info, arguments, operands.lift(dict(sample.kwargs)))
    if table(FIRST_ALONE, info) is not None:
        nodes, wanted = nodes[:1], wanted[:1]
    assert len(nodes) == len(wanted)
    smooth = [(n, one) for n, one in zip(nodes, wanted, strict=True) if one.requires_grad]
    weights = [weight_of(one) for _, one in smooth]
    # PyTorch pairs a cotangent's conjugate.
    cotangents = [operands.input(array_of(one.conj())) for one in weights]
    known = [operands.lift(one).node for one in wrt]
    slopes = vjp([node for node, _ in smooth], known, cotangents) if smooth else []
    graph = Graph("both", tuple(operands.nodes), (), (*nodes, *slopes))
    values = evaluate(graph, operands.arrays)[0]

    for value, one in zip(values, wanted, strict=False):
        exact = array_of(one)
        if exact.dtype.kind in "iu" and value.dtype.kind in "biu":
            value = value.astype(exact.dtype)  # sums of bytes, their truth, places
        assert (value.shape, value.dtype.kind) == (exact.shape, exact.dtype.kind)
        near, _ = table(LESS_ACCURATE, info) or (TOLERANCE, "")
        near = max(near, TOLERANCES.get(str(exact.dtype), 0))
        np.testing.assert_allclose(value, exact, rtol=near, atol=near)
    if not smooth:
        return
    exact_slopes = torch.autograd.grad([one for _, one in smooth], wrt, weights, allow_unused=True)
    for value, x, slope in zip(values[len(nodes) :], wrt, exact_slopes, strict=True):
        exact = array_of(torch.zeros_like(x) if slope is None else slope.conj())
        np.testing.assert_allclose(value, exact, rtol=10 * TOLERANCE, atol=10 * TOLERANCE)


# -- what is taken ---------------------------------------------------------------------------------


def dtypes_of(info: Any) -> list[tuple[str, Any]]:
    if torch.float64 not in info.dtypes and torch.float32 in info.dtypes:
        return [("float", torch.float32)]
    kinds = (
        ("float", torch.float64),
        ("whole", torch.int64),
        ("bool", torch.bool),
        ("complex", torch.complex128),
        ("single", torch.float32),
        ("half", torch.float16),
        ("whole", torch.int32),
        ("byte", torch.uint8),
        ("complex", torch.complex64),
    )
    left_out = table(PARTS_LEFT_OUT, info)
    without = left_out[0].split() if left_out else []
    return [(kind, dtype) for kind, dtype in kinds if dtype in info.dtypes and kind not in without]


def is_among(rows: Any, info: Any, sample: Any) -> bool:
    """Whether a table tells of this sample of an operator."""
    row = table(rows, info)
    return row is not None and row[0](sample.input, *sample.args, **sample.kwargs)


def samples_of(info: Any, dtype: Any) -> Iterator[Any]:
    torch.manual_seed(0)
    for sample in info.reference_inputs("cpu", dtype, requires_grad=False):
        if not is_among(SAMPLES_LEFT_OUT, info, sample):
            yield sample


def in_turns(info: Any) -> Iterator[tuple[str, Any, Any]]:
    """The samples of an operator, one of each dtype at a time."""
    rows = [
        zip(itertools.repeat((kind, dtype)), samples_of(info, dtype))
        for kind, dtype in dtypes_of(info)
    ]
    for turn in itertools.zip_longest(*rows):
        yield from ((*one[0], one[1]) for one in turn if one is not None)


def is_refused_by_rule(error: GraphcError, kind: str, sample: Any) -> bool:
    if isinstance(error, DTypeError):
        return kind in ("byte", "whole", "bool")
    given = tensors_of([sample.input, sample.args, sample.kwargs])
    return (
        isinstance(error, ShapeError) and error.code == "axis" and any(x.ndim == 0 for x in given)
    )


@pytest.mark.parametrize("info", COMPARED, ids=full_name)
def test_values_and_gradients_are_those_of_torch(info: Any) -> None:
    left_out = table(PARTS_LEFT_OUT, info)
    has_gradients = info.supports_autograd and not (left_out and "gradient" in left_out[0].split())
    compared, end = 0, time.monotonic() + SECONDS
    for kind, dtype, sample in in_turns(info):
        try:
            smooth = (
                has_gradients
                and dtype in (torch.float64, torch.complex128)
                and not is_among(SLOPES_LEFT_OUT, info, sample)
            )
            compare(info, sample, with_gradients=smooth)
            compared += 1
        except GraphcError as error:
            if not is_refused_by_rule(error, kind, sample):
                raise
        if compared and time.monotonic() > end:
            break
    assert compared > 0


def test_every_operator_has_a_function_or_a_reason() -> None:
    """A new operator is neither called nor left out: it needs a function, or a row in a table."""
    for info in COMPARED:
        name = NAMES.get(info.name, info.name.split(".")[-1])
        assert table(CALLS, info) is not None or name in functions, full_name(info)


def test_the_tables_name_operators_that_there_are() -> None:
    known = {one for info in op_db for one in (info.name, full_name(info))}
    tables = (ARGUMENTS, CALLS, FIRST_ALONE, LEFT_OUT, LESS_ACCURATE, NAMES)
    samples = (PARTS_LEFT_OUT, SAMPLES_LEFT_OUT, SLOPES_LEFT_OUT)
    assert not {name for rows in (*tables, *samples) for name in rows} - known
