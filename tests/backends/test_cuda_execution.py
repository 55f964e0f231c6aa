"""Programs on a GPU: what the executor asks of the device, what it says where there is none, and,
where there is one (`-m gpu`), every op on it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from graphc.codegen.cuda import ARCHITECTURES
from graphc.codegen.nvrtc import compile_cubin
from graphc.errors import (
    DeviceError,
    DimensionError,
    DTypeError,
    GraphcError,
    ShapeError,
    UsageError,
)
from graphc.ir import dims, op
from graphc.ir import dtype as dtypes
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.ops.structural import graph_input
from graphc.runtime.cpu.compiler import find_compiler
from graphc.runtime.cuda import gpu as gpu_module
from graphc.runtime.cuda.cubins import best_cubin
from graphc.runtime.cuda.executor import CudaExecutor
from graphc.runtime.cuda.gpu import Gpu
from graphc.runtime.simulator.build import build_module, read_kernel_text
from tests.backends.op_samples import (
    COMPOSED,
    CUDA_ULPS,
    UNITS,
    assert_as_promised,
    cases,
    graphs_of,
)
from tests.simulated import CudaCode, cuda_code, simulated
from tests.simulated_gpu import SimulatedGpu
from tests.values import same_bits

Array = np.ndarray[Any, Any]

B = dims.variable("B", 0, 64)


def training() -> Graph:
    """A softmax, a sum, and updates of state of several shapes, which one launch makes."""
    x = graph_input("x", dtypes.f32, (B, 40))
    scale = graph_input("scale", dtypes.f32, (40,))
    state = [
        graph_input(f"w{number}", dtypes.f32, shape)
        for number, shape in enumerate([(40,), (3, 5), (0, 7), (700,)])
    ]
    functions = op.functions
    scaled = functions["multiply"](functions["softmax"](x, axis=-1), scale)
    moved = functions["sum"](functions["multiply"](scaled, state[0]), axis=0)
    updates = [(state[0], functions["add"](state[0], moved))]
    updates += [(w, functions["multiply"](w, 0.5)) for w in state[1:]]
    return Graph("train", (x, scale), tuple(state), (scaled, moved), tuple(updates))


@cache
def code() -> CudaCode:
    return cuda_code([training()])


def state() -> dict[str, Array]:
    rng = np.random.default_rng(5)
    return {n["name"]: rng.random(n.tensor.shape, np.float32) for n in training().state}


def inputs(batch: int) -> list[Array]:
    rng = np.random.default_rng(batch)
    return [rng.random((batch, 40), np.float32), rng.random(40, np.float32)]


def executor(gpu: Gpu | None = None) -> CudaExecutor:
    cubins = {"sm_90": code().source.encode()}
    return CudaExecutor(code().program, cubins, state(), gpu or SimulatedGpu())


def assert_same(found: list[Array], expected: list[Array]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert same_bits(a, b), (a, b)


# -- what the executor asks of the device ---------------------------------------------------------


def test_calls_of_any_shapes_give_what_the_kernels_give() -> None:
    """Batches that grow, shrink and are empty; state that each call changes."""
    expected, found = simulated([training()], state()), executor()
    for batch in (3, 64, 0, 1, 64, 3):
        assert_same(found.call("train", inputs(batch)), expected.call("train", inputs(batch)))
        for name, value in found.state.items():
            assert same_bits(value, expected.state[name]), name


def test_a_launch_takes_several_bindings_in_a_table() -> None:
    assert any(geometry.segments for geometry in code().program.geometry.values())


def test_a_call_is_recorded_once_for_its_shapes_and_memory_grows_to_the_largest() -> None:
    gpu = SimulatedGpu()
    module = executor(gpu)
    for batch in (64, 3, 64, 3, 1):
        module.call("train", inputs(batch))
    assert gpu.recordings == 3
    assert module.allocations == 2  # on the device, and on the host


def test_results_are_the_callers_own() -> None:
    module = executor()
    first = module.call("train", inputs(3))
    kept = [result.copy() for result in first]
    module.call("train", [array * 2 for array in inputs(3)])
    assert_same(first, kept)


def test_state_is_replaced_in_place_and_given_as_copies() -> None:
    module = executor()
    module.call("train", inputs(3))
    changed = {name: value + 1 for name, value in state().items()}
    module.set_state({name: np.asfortranarray(value) for name, value in changed.items()})
    for name, value in module.state.items():
        assert same_bits(value, changed[name]), name
        value[...] = 0
        assert same_bits(module.state[name], changed[name]), name


def test_threads_take_turns() -> None:
    module, expected = executor(), simulated([training()], state())
    reference = expected.call("train", inputs(5))[0]
    wrong: list[Array] = []

    def run() -> None:
        for _ in range(5):
            found = module.call("train", inputs(5))[0]
            if not same_bits(found, reference):
                wrong.append(found)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_memory_the_module_stays_usable() -> None:
    gpu = SimulatedGpu()
    module = executor(gpu)
    module.call("train", inputs(2))
    free, gpu.free_bytes = gpu.free_bytes, 0
    with pytest.raises(DeviceError, match="the call"):
        module.call("train", inputs(64))
    gpu.free_bytes = free
    assert_same(
        [module.call("train", inputs(64))[0]],
        [simulated([training()], state()).call("train", inputs(64))[0]],
    )


class OnDevice:
    """An array of another package on the GPU, by DLPack."""

    def __init__(self, array: Array, number: int = 0) -> None:
        self.array, self.number = array, number
        self.streams: list[int] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.number

    def __dlpack__(self, *, stream: int, **_: Any) -> Any:
        self.streams.append(stream)
        return self.array.__dlpack__()


def aligned(array: Array, offset: int) -> Array:
    """A copy that lies `offset` bytes beyond a multiple of 64."""
    raw = np.empty(array.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Withheld(OnDevice):
    """A tensor that its package does not give, say because it needs a gradient."""

    def __dlpack__(self, *, stream: int, **_: Any) -> Any:
        raise BufferError("detach it first")


@pytest.mark.parametrize("offset", [0, 4])
def test_arrays_on_the_device_are_read_there(offset: int) -> None:
    pytest.importorskip("cuda.core")
    x, scale = inputs(6)
    expected = simulated([training()], state()).call("train", [x, scale])
    given = OnDevice(aligned(x, offset))
    gpu = SimulatedGpu()
    module = executor(gpu)
    assert_same(module.call("train", [given, scale]), expected)
    # The producer was told which stream has to wait for it.
    assert given.streams == [gpu.stream]
    # The recording reads the array, not a copy that was made when it was recorded.
    module.set_state(state())
    given.array[...] = 0
    expected = simulated([training()], state()).call("train", [np.zeros_like(x), scale])
    assert_same(module.call("train", [given, scale]), expected)
    assert gpu.recordings == 1


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (OnDevice(inputs(6)[0], number=1), DeviceError),
        (OnDevice(np.zeros((40, 6), np.float32).T), ShapeError),
        (OnDevice(np.zeros((6, 40), np.float64)), DTypeError),
        (OnDevice(np.zeros((6, 41), np.float32)), DimensionError),
        (OnDevice(np.zeros((6, 40, 1), np.float32)), ShapeError),
        (Withheld(np.zeros((6, 40), np.float32)), UsageError),
        (OnDevice(np.zeros((65, 40), np.float32)), DimensionError),
    ],
)
def test_arrays_on_the_device_that_do_not_fit_are_refused(
    array: OnDevice, error: type[GraphcError]
) -> None:
    pytest.importorskip("cuda.core")
    with pytest.raises(error, match="x"):
        executor().call("train", [array, inputs(6)[1]])


# -- cubins ---------------------------------------------------------------------------------------

ALL = ["sm_80", "sm_86", "sm_90", "sm_90a", "sm_100", "sm_100f", "sm_103a", "sm_120"]
CHOICES = [
    (ALL, (8, 0), "sm_80"),
    (ALL, (8, 6), "sm_86"),
    (ALL, (8, 9), "sm_86"),
    (ALL, (9, 0), "sm_90a"),
    (["sm_80", "sm_90"], (9, 0), "sm_90"),
    (ALL, (10, 0), "sm_100f"),
    (ALL, (10, 3), "sm_103a"),
    (["sm_100", "sm_103a"], (10, 1), "sm_100"),
    (ALL, (12, 1), "sm_120"),
    (ARCHITECTURES, (10, 0), "sm_100"),
]


@pytest.mark.parametrize(("architectures", "capability", "expected"), CHOICES)
def test_the_cubin_that_suits_best(
    architectures: list[str], capability: tuple[int, int], expected: str
) -> None:
    assert best_cubin(architectures, capability, "GPU") == expected
    assert best_cubin(list(reversed(architectures)), capability, "GPU") == expected


@pytest.mark.parametrize(
    ("architectures", "capability"),
    [(["sm_80", "sm_100"], (9, 0)), (["sm_90a"], (9, 1)), (["sm_86"], (8, 0)), ([], (9, 0))],
)
def test_a_device_without_a_cubin(architectures: list[str], capability: tuple[int, int]) -> None:
    with pytest.raises(DeviceError) as caught:
        best_cubin(architectures, capability, "GPU")
    text = caught.value.render()
    assert all(arch in text for arch in architectures)
    assert f"sm_{capability[0]}{capability[1]}" in text


# -- where there is no device ---------------------------------------------------------------------


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


WITHOUT_A_DEVICE = """
from graphc.errors import DeviceError
from graphc.runtime.cuda.executor import CudaExecutor
from graphc.runtime.program import Program
for _ in range(2):
    try:
        CudaExecutor(Program("cuda", {}), {"sm_90a": b"cubin"}, {})
    except DeviceError as error:
        print(error.render())
"""


@pytest.mark.skipif(has_driver(), reason="there is a driver")
def test_without_a_driver_it_is_said_and_nothing_hangs() -> None:
    pytest.importorskip("cuda.core")
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_DEVICE],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.count("error[driver-missing]") == 2
    assert "hint: install NVIDIA's driver" in result.stdout


def unusable(error: Exception) -> Any:
    def open_device() -> None:
        raise error

    return SimpleNamespace(Device=open_device)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("Failed to dlopen libcuda.so.1"), "driver-missing"),
        (type("CUDAError", (Exception,), {})("CUDA_ERROR_NO_DEVICE"), "gpu-missing"),
        (ValueError("device_id must be within [0, 0), got 0"), "gpu-missing"),
    ],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: str
) -> None:
    monkeypatch.setattr(gpu_module, "_load", {"cuda.core": unusable(error)}.__getitem__)
    with pytest.raises(DeviceError) as caught:
        Gpu()
    assert caught.value.code == expected
    assert str(error) in caught.value.message


def test_a_driver_that_is_too_old_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SimpleNamespace(
        CUresult=SimpleNamespace(CUDA_SUCCESS=0), cuDriverGetVersion=lambda: (0, 12_080)
    )
    packages = {"cuda.core": SimpleNamespace(Device=object), "cuda.bindings.driver": driver}
    monkeypatch.setattr(gpu_module, "_load", packages.__getitem__)
    with pytest.raises(DeviceError, match=r"CUDA 12\.8") as caught:
        Gpu()
    assert caught.value.code == "driver-too-old"


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    gpu_module._load.cache_clear()
    try:
        with pytest.raises(DeviceError, match=r"cuda\.core") as caught:
            Gpu()
    finally:
        gpu_module._load.cache_clear()
    assert caught.value.code == "package-missing"


# What `gpu.py` and `device_arrays.py` use of the packages, which have no device to show it on here.
USED = {
    "cuda.core": ["Device", "ObjectCode.from_cubin", "ObjectCode.get_kernel", "Kernel.handle",
                  "Device.set_current", "Device.create_stream", "Device.allocate", "Device.name",
                  "Device.create_graph_builder", "Device.compute_capability", "Device.device_id",
                  "Device.properties", "Stream.handle", "Stream.sync", "Buffer.handle",
                  "Buffer.close", "LegacyPinnedMemoryResource.allocate"],
    "cuda.core.graph": ["GraphBuilder.begin_building", "GraphBuilder.end_building",
                        "GraphBuilder.stream", "GraphBuilder.complete", "GraphBuilder.close",
                        "Graph.launch"],
    "cuda.core.utils": ["StridedMemoryView.from_dlpack", "StridedMemoryView.shape",
                        "StridedMemoryView.strides", "StridedMemoryView.dtype",
                        "StridedMemoryView.ptr"],
    "cuda.bindings.driver": ["cuLaunchKernel", "cuKernelSetAttribute", "cuMemcpyAsync",
                             "cuMemGetInfo", "cuDriverGetVersion", "CUfunction", "CUstream",
                             "CUdevice", "CUresult.CUDA_SUCCESS",
                             "CUfunction_attribute."
                             "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"],
}  # fmt: skip


@pytest.mark.parametrize("package", USED)
def test_the_packages_have_what_is_used_of_them(package: str) -> None:
    module = pytest.importorskip(package)
    for path in USED[package]:
        found = module
        for name in path.split("."):
            found = getattr(found, name)


# -- on a device ----------------------------------------------------------------------------------


@pytest.mark.skipif(has_driver(), reason="there is a driver, and perhaps a device")
def test_what_is_asked_of_a_device_is_what_the_driver_understands(tmp_path: Path) -> None:
    """The tests of a device, with the packages as they are, over a driver without one.

    A driver of the same name takes the place of NVIDIA's; see `tests/simulated_driver.c`.
    """
    root = Path(__file__).parents[2]
    driver, source = tmp_path / "libcuda.so.1", root / "tests" / "simulated_driver.c"
    compiler = find_compiler().command
    subprocess.run(
        [*compiler, "-shared", "-fPIC", "-o", str(driver), str(source), "-ldl"], check=True
    )
    tests = ["-m", "gpu", "-k", "not tensors", str(Path(__file__).relative_to(root))]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=root,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]


@pytest.fixture(scope="module")
def device() -> Gpu:
    return Gpu()


def loaded(code: CudaCode, state: dict[str, Array], gpu: Gpu) -> CudaExecutor:
    """An executor of CUDA code, compiled for the very device."""
    arch = f"sm_{gpu.capability[0]}{gpu.capability[1]}"
    if gpu.name == "simulated GPU":
        cubin = bytes(build_module(read_kernel_text(code.source), check=False))
    else:
        cubin = compile_cubin(code.source, arch, name="test").code
    return CudaExecutor(code.program, {arch: cubin}, state, gpu)


@pytest.mark.gpu
def test_a_device_computes_what_the_graph_says(device: Gpu) -> None:
    graph, known, module = training(), state(), loaded(code(), state(), device)
    for batch in (3, 64, 0, 1, 64):
        expected, new = evaluate(graph, inputs(batch), list(known.values()), precise=True)
        found = module.call("train", inputs(batch))
        known = dict(module.state)
        for a, b in zip([*found, *known.values()], [*expected, *new], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.gpu
def test_a_device_gives_the_same_bits_again(device: Gpu) -> None:
    module = loaded(code(), state(), device)
    first = module.call("train", inputs(64))
    module.set_state(state())
    assert_same(module.call("train", inputs(64)), first)


@pytest.mark.gpu
def test_tensors_on_a_device_are_read_there(device: Gpu) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch has no device")
    module = loaded(code(), state(), device)
    expected = module.call("train", inputs(7))
    module.set_state(state())
    tensors = [torch.from_numpy(array).cuda() for array in inputs(7)]
    assert_same(module.call("train", tensors), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("number", range(len(UNITS)))
def test_every_op_on_a_device_is_as_near_to_its_reference_as_it_promises(
    device: Gpu, number: int
) -> None:
    module = loaded(cuda_code(graphs_of(UNITS[number])), {}, device)
    for one in UNITS[number]:
        for case in cases(one, module.call, special=one not in COMPOSED):
            assert_as_promised(one, case, CUDA_ULPS)
