"""The public verbs on whole modules: build, load, call, save; devices; what start-up imports."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc
from graphc import api, config
from graphc.compiler import Built
from graphc.errors import (
    DeviceError,
    DimensionError,
    DTypeError,
    GraphcError,
    ModuleFormatError,
    NameLookupError,
    ShapeError,
    ToolchainError,
    UsageError,
)
from graphc.ir.op import functions
from graphc.runtime.cpu import compiler as host_compiler
from graphc.runtime.loaded import LoadedModule
from graphc.runtime.module_file import read_module

Array = np.ndarray[Any, Any]
SOURCE = '''"""A small classifier."""

dim B: 1..64

model MLP(n_in=8, n_out=3):
    fc1 = Linear(n_in, 16)
    fc2 = Linear(16, n_out)

    def forward(x: f32[B, n_in]) -> f32[B, n_out]:
        """Logits."""
        return fc2(gelu(fc1(x)))

def loss(net: MLP, x: f32[B, 8], y: i32[B]) -> f32[]:
    """Cross entropy."""
    return cross_entropy(net(x), y)

export predict = MLP.forward
export train = train_step(MLP, loss, adamw(lr=1e-2))
'''


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "mlp.gc"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def built(source: Path) -> Built:
    return graphc.build(source)


@pytest.fixture(scope="module")
def path(source: Path, built: Built) -> Path:
    target = source.with_suffix(".gcm")
    built.file.write(target)
    return target


def images(rows: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 8)).astype(np.float32)
    return x, rng.integers(0, 3, rows).astype(np.int32)


# -- calls and state ------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_the_cpu_agrees_with_the_reference(path: Path, rows: int) -> None:
    cpu, reference = graphc.load(path, "cpu"), graphc.load(path, "reference")
    x, y = images(rows)
    for _ in range(3):
        assert np.allclose(cpu.train(x, y), reference.train(x, y), rtol=1e-5)
    assert np.allclose(cpu.predict(x), reference.predict(x), rtol=1e-4, atol=1e-5)


def test_whole_models_are_as_near_on_every_device_as_is_stated(tmp_path: Path) -> None:
    """The digits model after a few steps, by the bound in "Numerics" of the architecture."""
    digits = Path(__file__).parents[1] / "examples/digits/mlp.gc"
    module = graphc.load_file(graphc.build(digits, targets=["cpu"]).file, "cpu")
    rng = np.random.default_rng(0)
    images = rng.random((64, 64), np.float32)
    for _ in range(20):
        module.train(images, rng.integers(0, 10, 64, np.int32))
    module.save(tmp_path / "digits.gcm")
    expected = module.predict(images[:16])
    for device in ("reference", "sim"):
        found = graphc.load(tmp_path / "digits.gcm", device).predict(images[:16])
        assert np.abs(found - expected).max() <= 2e-6 * np.abs(expected).max(), device


def test_training_goes_on_where_a_saved_module_stopped(path: Path, tmp_path: Path) -> None:
    module = graphc.load(path, "cpu")
    x, y = images(32)
    losses = [float(module.train(x, y)) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    again = graphc.load(module.save(tmp_path / "trained.gcm"), "cpu")
    for name, value in module.state_dict().items():
        assert np.array_equal(again.state_dict()[name], value)
    assert module.train(x, y) == again.train(x, y)
    assert np.array_equal(module.predict(x), again.predict(x))


def test_state_is_copied_out_and_in(path: Path) -> None:
    module = graphc.load(path, "cpu")
    x, y = images(4)
    before = module.state_dict()
    first = module.predict(x)
    module.train(x, y)
    assert not np.array_equal(module.predict(x), first)
    module.load_state_dict(before)
    assert np.array_equal(module.predict(x), first)
    before["fc1.weight"][:] = 0
    assert np.array_equal(module.predict(x), first)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda s: s.pop("fc1.weight"), NameLookupError),
        (lambda s: s.update(more=np.zeros(1)), NameLookupError),
        (lambda s: s.update({"fc1.weight": np.zeros((8, 16), np.float32)}), ShapeError),
        (lambda s: s.update({"fc2.bias": np.zeros(3)}), DTypeError),
        (lambda s: s.update({"fc2.bias": [0.0, 0.0, 0.0]}), DTypeError),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    path: Path, change: Any, error: type[GraphcError]
) -> None:
    module = graphc.load(path, "cpu")
    state = module.state_dict()
    other = {name: value + value.dtype.type(1) for name, value in state.items()}
    change(other)
    with pytest.raises(error) as caught:
        module.load_state_dict(other)
    assert caught.value.hint
    for name, value in module.state_dict().items():
        assert np.array_equal(value, state[name])


def test_two_modules_do_not_meet(path: Path) -> None:
    one, other = graphc.load(path, "cpu"), graphc.load(path, "cpu")
    x, y = images(4)
    first = other.predict(x)
    one.train(x, y)
    assert np.array_equal(other.predict(x), first)


def test_threads_take_turns(path: Path) -> None:
    module = graphc.load(path, "cpu")
    rows = [images(n, seed=n)[0] for n in (1, 5, 33, 64)]
    expected = [module.predict(x) for x in rows]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            if not np.array_equal(module.predict(rows[number]), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_state_dict_is_taken_between_two_calls(path: Path) -> None:
    """Every step counts itself and moves the weights: both are of one moment."""
    module = graphc.load(path, "cpu")
    x, y = images(64)
    seen: list[dict[str, Array]] = []
    at: dict[int, Array] = {0: module.state_dict()["fc1.weight"]}

    def train() -> None:
        for count in range(1, 60):
            module.train(x, y)
            at[count] = module.state_dict()["fc1.weight"]

    thread = threading.Thread(target=train)
    thread.start()
    while thread.is_alive():
        seen.append(module.state_dict())
    thread.join()
    for state in seen:
        assert np.array_equal(state["fc1.weight"], at[int(state["optimizer.step"])])


def test_wrong_calls_say_what_is_right(path: Path) -> None:
    module = graphc.load(path, "cpu")
    x, _ = images(2)
    with pytest.raises(UsageError, match="needs 'y'"):
        module.train(x)
    with pytest.raises(DTypeError, match="'x' is f64, expected f32"):
        module.predict(x.astype(float))
    with pytest.raises(DimensionError, match=r"dimension B is 65, expected 1\.\.64"):
        module.predict(np.zeros((65, 8), np.float32))
    with pytest.raises(AttributeError, match="no export 'forward'; it has predict, train"):
        _ = module.forward
    assert not hasattr(module, "forward")
    assert "predict(x: f32[B, 8]) -> f32[B, 3]" in repr(module)
    assert module.predict.__doc__ == "Logits."


def test_memory_is_known_before_a_call(path: Path) -> None:
    module = graphc.load(path, "cpu")
    one, most = module.memory("predict", B=1), module.memory("predict")
    assert one["input"] == 8 * 4 and most["input"] == 64 * 8 * 4
    assert one["result"] == 3 * 4 and one["state"] == most["state"]
    assert most["peak"] == sum(v for name, v in most.items() if name != "peak")
    with pytest.raises(NameLookupError, match="no dim 'C'"):
        module.memory("predict", C=1)
    with pytest.raises(NameLookupError, match="no export 'forward'"):
        module.memory("forward")
    with pytest.raises(DimensionError, match="B is 65"):
        module.memory("predict", B=65)


def test_memory_is_allocated_once(path: Path) -> None:
    module = graphc.load(path, "cpu")
    x, _ = images(64)
    module.predict(x)
    count = module.allocations
    for rows in (1, 64, 7):
        module.predict(x[:rows])
    assert module.allocations == count


# -- building -------------------------------------------------------------------------------------


def test_the_report_of_a_build(built: Built) -> None:
    predict, train = built.reports
    assert (predict.name, predict.target, predict.steps) == ("predict", "cpu", 2)
    assert predict.signature == "predict(x: f32[B, 8]) -> f32[B, 3]"
    # State stays in memory whichever export is called.
    assert train.state_bytes == predict.state_bytes > 0
    module = graphc.load_file(built.file, "cpu")
    assert predict.peak_bytes == module.memory("predict", 1)["peak"]
    one, four = module.memory("predict", 1), module.memory("predict", 4)
    assert one["scratch"] == predict.scratch_bytes > 0
    assert four["peak"] - one["peak"] == 3 * predict.scratch_bytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ["gpu"]}, "no target 'gpu'"),
        ({"max_memory": 100}, "--max-memory allows 100"),
        ({"seed": -1}, "the seed is -1"),
        ({"seed": 2**64}, "expected a number from 0"),
    ],
)
def test_builds_that_cannot_be(source: Path, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        graphc.build(source, **options)
    assert caught.value.hint


def test_a_seed_decides_the_first_weights(source: Path) -> None:
    one, same, other = (graphc.build(source, seed=seed).file.weights for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["fc1.weight"], other["fc1.weight"])


_BUILD = """
import sys, graphc
sys.stdout.write(graphc.build(sys.argv[1]).file.to_bytes().hex())
"""


def python(code: str, *arguments: str, folder: Path, **environment: str) -> str:
    """What a fresh interpreter prints."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(graphc.__file__).parent.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_names_of_the_package_are_all_listed_before_one_is_used(tmp_path: Path) -> None:
    code = "import sys, graphc; sys.stdout.write(' '.join(dir(graphc)))"
    assert {*functions} <= set(python(code, folder=tmp_path).split())


def test_the_same_model_gives_the_same_bytes_wherever_it_lies(
    source: Path, built: Built, tmp_path: Path
) -> None:
    shutil.copy(source, tmp_path / "mlp.gc")
    here = python(_BUILD, "mlp.gc", folder=tmp_path, PYTHONHASHSEED="1")
    there = python(_BUILD, str(source), folder=Path("/"), PYTHONHASHSEED="2")
    assert here == there == built.file.to_bytes().hex()
    assert str(source.parent).encode() not in bytes.fromhex(here)


def test_a_loaded_module_still_knows_its_lines(path: Path) -> None:
    unit = api.unit_of(read_module(path))
    spans = {
        str(s) for g in unit.exports.values() for n in g.nodes() for s in unit.sources.spans(n)
    }
    assert "mlp.gc:11:20" in spans


# -- damaged modules ------------------------------------------------------------------------------


def test_weights_that_do_not_fit_the_graphs_are_refused(built: Built) -> None:
    weights = dict(built.file.weights)
    for name, value in (
        ("fc1.weight", np.zeros((1, 1), np.float32)),
        ("fc1.bias", np.zeros(16)),
    ):
        with pytest.raises(ModuleFormatError, match=f"the weight '{name}' is"):
            graphc.load_file(replace(built.file, weights={**weights, name: value}), "cpu")
    del weights["fc2.bias"]
    with pytest.raises(ModuleFormatError, match=r"lacks the weight 'fc2\.bias'"):
        graphc.load_file(replace(built.file, weights=weights), "cpu")


@pytest.mark.parametrize("sources", [[], {"predict": [1]}, {"predict": [[["a", 1]]]}, "text"])
def test_source_lines_of_another_form_are_refused(built: Built, sources: Any) -> None:
    with pytest.raises(ModuleFormatError, match="source lines"):
        graphc.load_file(replace(built.file, sources=sources), "reference")


def test_a_damaged_entry_of_the_cache_is_made_again(
    path: Path, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    x, _ = images(2)
    expected = graphc.load(path, "cpu").predict(x)
    (entry,) = (tmp_path / "programs").iterdir()
    for damaged in ("", "{}", entry.read_text()[:100]):
        entry.write_text(damaged)
        assert np.array_equal(graphc.load(path, "cpu").predict(x), expected)


# -- devices --------------------------------------------------------------------------------------


def test_an_unknown_device(path: Path) -> None:
    with pytest.raises(DeviceError, match="no device 'tpu'") as caught:
        graphc.load(path, "tpu")
    assert "cpu, cuda" in str(caught.value.hint)


def test_the_automatic_device_is_the_cpu(path: Path) -> None:
    assert graphc.load(path).device == "cpu"


def test_the_environment_names_the_device(path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GRAPHC_DEVICE", "reference")
    assert graphc.load(path).device == graphc.load(path, "auto").device == "reference"
    assert graphc.load(path, "cpu").device == "cpu"


def test_a_missing_compiler(
    path: Path, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment.setenv("GRAPHC_CC", "/nowhere/cc")
    with pytest.raises(ToolchainError, match="/nowhere/cc"):
        graphc.load(path, "cpu")
    x, _ = images(2)
    with caplog.at_level(logging.WARNING, "graphc"):
        modules: list[LoadedModule] = [graphc.load(path), graphc.load(path)]
    assert [one.device for one in modules] == ["reference"] * 2
    assert len(caplog.records) == 1 and "/nowhere/cc" in caplog.text
    environment.delenv("GRAPHC_CC")
    host_compiler.find_compiler.cache_clear()
    config.settings.cache_clear()
    assert np.allclose(modules[0].predict(x), graphc.load(path, "cpu").predict(x), rtol=1e-5)


def test_a_module_without_cuda_kernels(path: Path) -> None:
    with pytest.raises(DeviceError, match="without CUDA kernels"):
        graphc.load(path, "cuda")


REAL_CDLL = ctypes.CDLL


def no_driver(name: str, *rest: Any) -> Any:
    """Loads any library but that of the driver."""
    if "cuda" in name:
        raise OSError(f"{name}: cannot open shared object file")
    return REAL_CDLL(name, *rest)


def test_a_missing_driver(
    built: Built, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = replace(built.file, programs={"cuda": {}}, binaries={"cubins/sm_90a.cubin": b""})
    environment.setattr(ctypes, "CDLL", no_driver)
    with pytest.raises(DeviceError, match="no CUDA driver"):
        graphc.load_file(file, "cuda")
    with caplog.at_level(logging.WARNING, "graphc"):
        assert graphc.load_file(file).device == "cpu"
    assert "no CUDA driver" in caplog.text


# -- start-up -------------------------------------------------------------------------------------

_IMPORTS = """
import json, sys, graphc
{then}
print(json.dumps(sorted(sys.modules)))
"""


def imported(then: str, folder: Path) -> set[str]:
    output = python(_IMPORTS.format(then=then), folder=folder)
    return set(json.loads(output.splitlines()[-1]))


def names_of(modules: set[str], *roots: str) -> list[str]:
    return sorted(
        name for name in modules if any(name == r or name.startswith(f"{r}.") for r in roots)
    )


HEAVY = ("lark", "networkx", "cuda", "tqdm", "argparse", "scipy", "multiprocessing")
COMPILER = ("graphc.passes", "graphc.codegen", "graphc.frontend", "graphc.compiler", "graphc.nn")


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    found = imported("", tmp_path)
    assert not names_of(found, *HEAVY, *COMPILER, "numpy", "safetensors", "ml_dtypes")


def test_loading_and_calling_a_known_module_compiles_nothing(path: Path, tmp_path: Path) -> None:
    graphc.load(path, "cpu")
    call = f"""
import numpy
print(graphc.load({str(path)!r}, "cpu").predict(numpy.zeros((2, 8), "float32")).shape)
"""
    found = imported(call, tmp_path)
    others = ("graphc.library", "graphc.cli", "graphc.ir.ops", "graphc.ir.expr", "numpy.ma")
    assert not names_of(found, *HEAVY, *COMPILER, *others)


_GENERATED = """
from graphc.cli import main
main(["check", "model.gc"])
print(sum(
    getattr(getattr(method, "__code__", None), "co_filename", None) == "<string>"
    for name, module in list(sys.modules.items()) if name.startswith("graphc.")
    for one in vars(module).values() if isinstance(one, type) and one.__module__ == name
    for method in vars(one).values()
))
"""


def test_checking_a_source_loads_little(tmp_path: Path) -> None:
    (tmp_path / "model.gc").write_text(
        "dim B: 1..64\nmodel Net():\n    fc = Linear(4, 2)\n"
        "    def forward(x: f32[B, 4]) -> f32[B, 2]:\n        return gelu(fc(x))\n"
        "def loss(net: Net, x: f32[B, 4]) -> f32[]:\n    return net(x).sum()\n"
        "export predict = Net.forward\nexport train = train_step(Net, loss, adamw(lr=1e-3))\n"
    )
    output = python(_IMPORTS.format(then=_GENERATED), folder=tmp_path).splitlines()
    found = set(json.loads(output[-1]))
    assert "graphc.optim.adam" in found and "train(" in output[1]
    running = ("graphc.runtime", "graphc.codegen", "graphc.compiler", "zipfile", "concurrent")
    heavy = {*HEAVY, "ml_dtypes", "safetensors"} - {"argparse"}
    assert not names_of(found, *running, *heavy)
    # Code that dataclasses write and compile as they are imported: each of these methods takes
    # as long as loading a small module. What is no part of any hot loop is a `Record`.
    assert int(output[-2]) <= 120
