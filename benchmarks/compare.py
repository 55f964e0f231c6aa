"""Time graphc and its peers side by side, in one process and in turn.

    pip install -e ".[bench]"
    python benchmarks/compare.py [--threads 2] [--rounds 7] [--output FILE.json]

Each row is a workload; each system runs it in turn, several rounds, so that a machine that
slows down slows all of them. The median over rounds of a round's fastest call is shown, in
milliseconds. Values are compared before anything is timed. Memory is how far that of a fresh
process rises (`memory.py`), beside what graphc had printed before.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIZES = (784, 1024, 1024, 10)

Call = Callable[[], Any]


def main() -> None:
    """Run every workload and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "GRAPHC_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=true"

    rows = workloads(options.threads)
    results: dict[str, dict[str, float]] = {}
    for name, systems in rows.items():
        check_equal(name, systems)
        results[name] = measure(systems, options.rounds)
        print_row(name, results[name])
    memory = memory_rows()
    for name, (printed, measured) in memory.items():
        print(f"{name:28} printed {printed:>12} B   measured {measured:>12} B   "
              f"{(measured - printed) / printed:+.3%}")  # fmt: skip
    if options.output:
        write(options.output, options.threads, results, memory)


# -- workloads -------------------------------------------------------------------------------


def workloads(threads: int) -> dict[str, dict[str, Call]]:
    """Each workload as a call for each system. Peers that are not installed are left out."""
    import numpy as np

    import graphc

    rng = np.random.default_rng(0)
    mlp = graphc.load_file(graphc.build(HERE / "mlp.gc").file, "cpu")
    weights = mlp.state_dict()
    peers = [peer(weights, threads) for peer in (TorchPeer, JaxPeer) if peer.is_there()]
    rows: dict[str, dict[str, Call]] = {}
    for batch in (1, 32, 256):
        x = rng.standard_normal((batch, 784), np.float32)
        rows[f"MLP inference, batch {batch}"] = {
            "graphc": lambda x=x: mlp.predict(x),
            **{peer.name: peer.predict(x) for peer in peers},
        }
    x = rng.standard_normal((256, 784), np.float32)
    y = rng.integers(0, 10, 256).astype(np.int32)
    rows["MLP training step, batch 256"] = {
        "graphc": lambda: mlp.train(x, y),
        **{peer.name: peer.train(x, y) for peer in peers},
    }
    square = rng.standard_normal((4096, 4096), np.float32)
    softmax = graphc.load_file(graphc.build(HERE / "softmax.gc").file, "cpu")
    rows["softmax 4096 x 4096"] = {
        "graphc": lambda: softmax.rows(square),
        **{peer.name: peer.softmax(square) for peer in peers},
    }
    matmul = graphc.load_file(graphc.build(HERE / "matmul.gc").file, "cpu")
    for product, count, size in ((matmul.square, 2048, 2048), (matmul.row, 1, 4096)):
        a = rng.standard_normal((count, size), np.float32)
        b = rng.standard_normal((size, size), np.float32)
        rows[f"matmul {count} x {size} x {size}"] = {
            "graphc": lambda product=product, a=a, b=b: product(a, b),
            **{peer.name: peer.matmul(a, b) for peer in peers},
        }
    return rows


class TorchPeer:
    """PyTorch, eager."""

    name = "torch eager"

    @staticmethod
    def is_there() -> bool:
        """Whether it is installed."""
        return _installed("torch")

    def __init__(self, weights: dict[str, Any], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        layers = [torch.nn.Linear(i, o) for i, o in itertools.pairwise(SIZES)]
        for number, layer in enumerate(layers, 1):
            layer.weight.data = torch.from_numpy(weights[f"fc{number}.weight"].copy())
            layer.bias.data = torch.from_numpy(weights[f"fc{number}.bias"].copy())
        relu = torch.nn.ReLU()
        self.model = torch.nn.Sequential(layers[0], relu, layers[1], relu, layers[2])
        self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def predict(self, x: Any) -> Call:
        """Inference without gradients."""
        tensor = self.torch.from_numpy(x)

        def call() -> Any:
            with self.torch.inference_mode():
                return self.model(tensor).numpy()

        return call

    def train(self, x: Any, y: Any) -> Call:
        """One step: zero, forward, backward, update."""
        torch = self.torch
        tensor, labels = torch.from_numpy(x), torch.from_numpy(y).long()

        def call() -> Any:
            self.adam.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.model(tensor), labels)
            loss.backward()
            self.adam.step()
            return loss.detach().numpy()

        return call

    def softmax(self, x: Any) -> Call:
        """Over the last axis."""
        tensor = self.torch.from_numpy(x)
        return lambda: self.torch.softmax(tensor, -1).numpy()

    def matmul(self, a: Any, b: Any) -> Call:
        """The product of two matrices."""
        left, right = self.torch.from_numpy(a), self.torch.from_numpy(b)
        return lambda: (left @ right).numpy()


class JaxPeer:
    """JAX, compiled, with donated state."""

    name = "JAX jit"

    @staticmethod
    def is_there() -> bool:
        """Whether it is installed."""
        return _installed("jax")

    def __init__(self, weights: dict[str, Any], threads: int) -> None:
        import jax
        import jax.numpy as jnp

        self.jax = jax
        self.params = [
            (jnp.array(weights[f"fc{n}.weight"]), jnp.array(weights[f"fc{n}.bias"]))
            for n in range(1, len(SIZES))
        ]

        def forward(params: Any, x: Any) -> Any:
            for number, (weight, bias) in enumerate(params):
                x = x @ weight.T + bias
                x = jax.nn.relu(x) if number < len(params) - 1 else x
            return x

        def loss(params: Any, x: Any, y: Any) -> Any:
            logits = jax.nn.log_softmax(forward(params, x))
            return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))

        def step(params: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
            value, grads = jax.value_and_grad(loss)(params, x, y)
            t = t + 1
            tree = jax.tree_util.tree_map
            m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
            v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
            c1, c2 = 1 - 0.9**t, 1 - 0.999**t
            params = tree(
                lambda p, m, v: p - 1e-3 * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), params, m, v
            )
            return value, params, m, v, t

        self.forward = jax.jit(forward)
        self.step = jax.jit(step, donate_argnums=(0, 1, 2))
        self.jax_softmax = jax.jit(lambda x: jax.nn.softmax(x, axis=-1))
        self.jax_matmul = jax.jit(jnp.matmul)

    def predict(self, x: Any) -> Call:
        """Inference, waited for."""
        device_x = self.jax.numpy.array(x)
        params = self.jax.tree_util.tree_map(self.jax.numpy.array, self.params)
        return lambda: self.forward(params, device_x).block_until_ready()

    def train(self, x: Any, y: Any) -> Call:
        """One step, waited for."""
        jnp, tree = self.jax.numpy, self.jax.tree_util.tree_map
        zeros = tree(jnp.zeros_like, self.params)
        state = [tree(jnp.array, self.params), zeros, tree(jnp.zeros_like, zeros), jnp.float32(0)]
        device_x, device_y = jnp.array(x), jnp.array(y)

        def call() -> Any:
            value, *state[:] = self.step(*state, device_x, device_y)
            return value.block_until_ready()

        return call

    def softmax(self, x: Any) -> Call:
        """Over the last axis."""
        device_x = self.jax.numpy.array(x)
        return lambda: self.jax_softmax(device_x).block_until_ready()

    def matmul(self, a: Any, b: Any) -> Call:
        """The product of two matrices, waited for."""
        left, right = self.jax.numpy.array(a), self.jax.numpy.array(b)
        return lambda: self.jax_matmul(left, right).block_until_ready()


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


# -- measuring -------------------------------------------------------------------------------


def check_equal(name: str, systems: dict[str, Call]) -> None:
    """Every system computes the same, to float32's accuracy."""
    import numpy as np

    values = {system: np.asarray(call()) for system, call in systems.items()}
    for system, value in values.items():
        np.testing.assert_allclose(
            value, values["graphc"], rtol=2e-3, atol=2e-4, err_msg=f"{name}: {system}"
        )


def measure(systems: dict[str, Call], rounds: int) -> dict[str, float]:
    """Milliseconds of each system: the median over rounds of the fastest call of a round."""
    best: dict[str, list[float]] = {system: [] for system in systems}
    for _ in range(rounds):
        for system, call in systems.items():
            times = []
            end = time.perf_counter() + 0.25
            while time.perf_counter() < end or len(times) < 3:
                begin = time.perf_counter()
                call()
                times.append(time.perf_counter() - begin)
            best[system].append(min(times))
    return {system: statistics.median(times) * 1e3 for system, times in best.items()}


def memory_rows() -> dict[str, tuple[int, int]]:
    """Printed and measured bytes of inference and of a training step."""
    rows = {}
    for export, batch in itertools.product(("predict", "train"), (256, 4096)):
        command = [sys.executable, HERE / "memory.py", "--export", export, "--batch", str(batch)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        rows[f"memory of {export}, batch {batch}"] = (found["printed"], found["measured"])
    return rows


def print_row(name: str, times: dict[str, float]) -> None:
    """One line: each system's milliseconds, and graphc's speed over the best peer's."""
    cells = "   ".join(f"{system} {ms:8.3f} ms" for system, ms in times.items())
    peers = [ms for system, ms in times.items() if system != "graphc"]
    ratio = f"   {min(peers) / times['graphc']:.2f}x" if peers else ""
    print(f"{name:28} {cells}{ratio}", flush=True)


def write(path: Path, threads: int, results: Any, memory: Any) -> None:
    """The figures with the machine and the versions that they were measured on."""
    packages = [p for p in ("graphc", "numpy", "torch", "jax") if _installed(p)]
    record = {
        "machine": {
            "processor": processor(),
            "threads": threads,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {p: importlib.metadata.version(p) for p in packages},
        "milliseconds": results,
        "memory": {name: {"printed": p, "measured": m} for name, (p, m) in memory.items()},
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
