"""Storage of a lane with several elements: every target gives the bits of the kernel's meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.codegen import cuda, host
from graphc.codegen.host_entry import entry_symbol
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer, Load, Space
from graphc.ir.kernel import Declare, Kernel, Loop, LoopKind, Statement, Store
from graphc.ir.kernels.evaluate import evaluate_kernel
from graphc.ir.kernels.verify import verify_kernel
from graphc.ir.types import TensorType
from graphc.runtime.cpu.compiler import compile_object
from graphc.runtime.cpu.executor import CpuExecutor
from graphc.runtime.program import Entry, Program, Slot
from graphc.runtime.simulator.executor import SimulatorExecutor
from graphc.runtime.steps import Alternative, Binding, LaunchStep
from tests.values import random_array, same_bits

LANES, STEPS = 32, 3


def variable(name: str, extent: int) -> Dim:
    made = dims.variable(name, 0, extent - 1)
    assert isinstance(made, Dim)
    return made


def reversing(dtype: DType, size: int, active: int) -> Kernel:
    """Each of `active` lanes keeps `size` elements, and then stores them in reverse."""
    x, y = Buffer("a0", dtype, 0), Buffer("out0", dtype, 0)
    kept = Buffer("kept", dtype, size, Space.LANE)
    step, lane, i = variable("_step", STEPS), variable("_lane", LANES), variable("_i", size)
    first = (step * active + lane) * size

    def each(store: Store) -> Statement:
        inner = Loop(i, size, LoopKind.SERIAL, (store,))
        return Loop(lane, active, LoopKind.LANE, (inner,))

    body = (
        Declare(kept),
        each(Store(kept, i, Load(x, first + i))),
        each(Store(y, first + size - 1 - i, Load(kept, i))),
    )
    return Kernel("reversing", (x, y), frozenset({y}), (), step, STEPS, LANES, body)


def executor_of(device: str, kernel: Kernel, dtype: DType, size: int) -> Any:
    type_ = TensorType(dtype, (size,))
    slots = (Slot("x", "input", type_), Slot("result", "result", type_))
    launch = Alternative(kernel.name, (Binding((0, 1), (), STEPS),), (False, True))
    entry = Entry("run", {}, slots, (0,), (), (1,), (LaunchStep((launch,)),))
    kernels = {kernel.name: kernel}
    if device == "sim":
        program = Program("cuda", {"run": entry}, cuda.CUDA.geometry(kernels, [entry]))
        return SimulatorExecutor(program, cuda.emit_unit(kernels, [entry]).source, {})
    code = compile_object(host.emit_unit(kernels, [entry]).source)
    return CpuExecutor(Program("cpu", {"run": entry}), code, {}, {"run": entry_symbol("run")})


@pytest.mark.parametrize("active", [1, 5, LANES])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.i64, dtypes.u8, dtypes.bool_])
@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_each_lane_has_elements_of_its_own(
    device: str, dtype: DType, size: int, active: int
) -> None:
    kernel = reversing(dtype, size, active)
    verify_kernel(kernel)
    count = STEPS * active * size
    given = random_array(TensorType(dtype, (count,)), np.random.default_rng(count))
    (found,) = executor_of(device, kernel, dtype, count).call("run", [given])
    expected = given.reshape(-1, size)[:, ::-1].reshape(-1)
    assert same_bits(found, expected)
    meant = np.zeros_like(given)
    evaluate_kernel(kernel, [given, meant], [])
    assert same_bits(meant, expected)
