"""Random programs of the language, valid by construction.

Values are of five kinds, named by letters in the templates: a matrix [B, 3], a vector [3], a row
[B], a number [], and the sequence `s` [T, 3] that loops run over. A function is a line of
statements drawn from tables; what a statement needs is drawn from what stands before it. A program
has two of them: `main`, and the loss of a training step. What they call is in the program or in a
file that it imports.

Values are smooth in the inputs but at few points, so that rounding decides little: see
`is_well_posed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from hypothesis import strategies as st

from graphc.frontend.elaborate import elaborate
from graphc.ir import dims
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Unit
from graphc.ir.node import Node
from graphc.ir.types import TensorType
from graphc.library import library
from tests.values import random_array

__all__ = ["Program", "is_well_posed", "programs", "with_updates"]

SHAPES = {"m": "B, 3", "v": "3", "r": "B", "n": ""}

EXPRESSIONS: Sequence[tuple[str, str]] = (
    *(("m", text) for text in (
        "{m} + {m}", "{m} - {v}", "{m} * {v}", "sin({m})", "-{m} / (1.0 + abs({m}))", "{m} @ w",
        "maximum({m}, {m})", "where({m} > {v}, {m}, {m} * 0.5)", "{parts}squash({m}, by={number})",
        "{parts}squash({m})", "softmax({m}, axis={axis})", "{m}[:, ::-1]", "{F}(i32({m} * 3))",
        "concat([{m}[:, 1:], {m}[:, :1]], axis=1)", "expand_dims({r}, 1) - {m}", "net({m})",
        "{F}(f16({m}))", "{m} if K > 2 else {v}", "where(({m} < 0) | ~({m} <= 1), {m}, {n})",
        "{m} - mean({m}, axis=1, keepdims=True)", "cumulative_sum({m}, axis={axis}) * 0.5",
        "sum(stack([{m} * k for k in range(K)], axis=0), axis=0) / 3", "clip({m}, -1.0, 1.0)",
        "sort({m}, axis=1)", "take({m}, ids, axis=1)", "({m}.T).T", "reshape({m}, B, 3)",
        "{parts}deep({m})", "{parts}bent({m})", "{parts}stepped({m})", "vmap(grad(energy))({m})",
        "dropout({m}, 0.25)", "{m} + normal((B, 3), 0.0, 0.1, {F})", "{m}.at[:, {place}].add({r})",
        "{m}.at[:, ids].set({m})", "mean(stack([block({m}) for block in net.blocks]), 0)",
        "{parts}tabled({m})", "vmap({parts}swept)({m})", "{parts}drawn({m})",
        "vmap(grad({parts}summed))({m})", "{m} + {F}(f8e5m2(stop_gradient({m}))) * 0.5",
        "{m} * asarray([True, False, True]).cast({F})", "{m}[:, [2, 0, -1]]",
    )),
    *(("v", text) for text in (
        "{v} + {v}", "tanh({v}) * {number}", "sum({m}, axis=0) / B", "w @ {v}", "{v} ** 2 / 4",
        "max({m}, axis=0)", "{m}[0]", "roll({v}, 1)", "{parts}pair({v})[0]", "{v} * {n}",
        "prod(stack([{v}, {v}]), axis=0)", "layer_norm({v})", "grad(energy)({v})", "w[{place}]",
        "{parts}bent({v})",
        "{v} * uniform((3,), -1.0, 1.0, {F})", "{v} + {F}(rand(3, seed=7) < 0.5)",
        "{v}.at[ids].add({v})", "jvp(sin, ({v},), ({v},))[1]", "net.scale * {v}",
        "{parts}tabled({v})", "{parts}swept({v})", "grad({parts}summed)({v})",
        "jvp({parts}swept, ({v},), ({v},))[1]", "{v}.at[[2, 2, 0]].add({v})",
    )),
    *(("r", text) for text in (
        "mean({m}, axis=1)", "{m}[:, {place}]", "{F}(counts) * {number}", "{m} @ {v}", "{r} - {r}",
        "{F}(argmax({m}, axis=1))", "logsumexp({m}, axis=-1)", "where(counts > 1, {r}, {r} + 1)",
        "{F}(randint(-3, 9, (B,))) / 4", "vmap(energy)({m})", "take({v}, counts)",
    )),
    *(("n", text) for text in (
        "{v}[{place}]", "mean({v})", "max({r})", "mean({m} * {m})", "{n} * {number}", "{F}(B) / 8",
        "energy({v})", "sum({v} * {F}(randperm(3)))", "{F}(net.seen) + {n}",
    )),
)  # fmt: skip
"""What an expression gives, and its text."""

STATEMENTS: Sequence[tuple[str, str]] = (
    ("m", "{out}[i, j] = {mv}[i, j] * {vv}[j] + i / 4"),
    ("m", "{out}[i, j] = sum[k] {mv}[i, k] * w[k, j]"),
    ("m", "{out}[i, j] = where(j <= i, {mv}[i, j], 0.5)"),
    ("v", "{out}[j] = mean[b] {mv}[b, j] * {rv}[b]"),
    ("v", "{out}[j] = {vv}[2 - j] - {vv}[j]"),
    ("r", "{out}[b] = max[j] ({mv}[b, j] + {vv}[j])"),
    ("m", "{out} = {m}\n{out} += {v}\n{out} *= 0.5"),
    (
        "m",
        "{out} = pad({mv}, ((0, 0), (2, 2)))\n{out}[b, j] = sum[u] {out}[b, 2 * j + u] * w[u, j]",
    ),
    ("m", "{out}[b, j] = {mv}[b, ids[j]] - {vv}[(j + {place}) % 3]"),
    ("m", "{out}[b, j] = {mv}[b, j] + {mv}[b // 2, j]"),
    ("m", "{out}[b, j] = softmax({mv}[b, j], axis=j) * {vv}[counts[b]]"),
    ("m", "{out}[b, j] = {mv}[b, j] * 0.5\n{out} = softmax(where(j <= b, {out}, -1.0), axis=j)"),
    ("m", "{out} = pad({mv}, ((0, 1), (1, 0)))\n{out}[b, j] = {out}[b + 1, j + 1] - {out}[b, j]"),
    ("m", "{out}[b, j: 3] = sum[k: 2] {mv}[b, (j + k) % 3] * w[k, j // 2]"),
    ("m", "{out}[b, j] = {mv}[b, j] - where((b > 0) & (j < 2), {mv}[b - 1, j + 1], {number})"),
    ("v", "{out}[j: 3] = {vv}[j * j % 3] / (j + 1) + {vv}[abs(j - 1)]"),
    ("r", "{out}[b: B] = sum[c] where(c <= b, {rv}[c], 0.5) / B"),
    ("r", "{out}[b] = {rv}[b] - {rv}[(b + 1) % B] + where(b == 0, 0.5, {rv}[b - 1])"),
    ("m", "{out} = net.tracked({m})"),
    ("v", "{out} = net.counted(s, {v})"),
    ("v", "{out} = {v}\nfor row in s:\n    {out} = {parts}bent({out} + row) + {F}(rand(3)) / 4"),
    (
        "v",
        "{out} = {v}\nfor t in range(T):\n    {out} = squared({out}, s[t])\n"
        "    {out}s[t] = {out}\n{out} = {out} + sum({out}s, axis=0) / 8",
    ),
    ("v", "{out}, {out}b = {parts}pair({v})\n{out} = {out} - {out}b"),
    ("v", "{out} = {v}\nfor row in s:\n    {out} = tanh({out} * {number} + row)"),
    ("v", "{out} = {v}\nfor t in range(T):\n    {out} = sin({out} + s[t] * {n})"),
    (
        "v",
        "{out} = {v}\nfor t in range(T):\n"
        "    {out}b[j: 3] = where(j > 0, {out}[j - 1], s[t, 0]) * {vv}[(j + t) % 3]\n"
        "    {out} = sin({out}b + {parts}tabled({out}))",
    ),
    (
        "v",
        "{out} = {v}\nfor t in range(T):\n"
        "    {out}[j: 3] = sum[k: 2] {out}[(j + k) % 3] * {vv}[j] / (k + {F}(t) + 1)",
    ),
    (
        "v",
        "{out} = {v}\nfor t in arange(3):\n    if sum({out}) > {number}:\n"
        "        {out} = {parts}drawn({out}) * {vv}[t]",
    ),
    ("v", "{out} = {v}\nfor n in range(K):\n    {out} = {out} * 0.5 + sin({v} * n)"),
    ("v", "for n in range(3):\n    {out}[n] = {vv}[n] * (n + 1) / 2"),
    ("n", "{out} = abs({n}) + 0.25\nwhile {out} < 4.0, at most {steps}:\n    {out} = {out} * 1.75"),
    ("v", "if {n} > {n}:\n    {out} = {v}\nelse:\n    {out} = {v} - 1.0"),
    ("v", "{out} = {v}\nfor row in s:\n    if sum(row) > 0:\n        {out} = {out} * 0.5 + row"),
)
"""What a statement defines, and its lines; {mv} is a name where {m} is any expression."""

PARTS = '''
"""What programs are made of."""

dim N: 1..9

def squash(x, by: float = 0.5):
    """x, between -1 and 1."""
    return tanh(x * by)  # by may be 0

def pair(x):
    return sin(x), x * 0.5 - 1.0

@checkpoint
def deep(x):
    return sin(cos(x) * 2.0) * x

@checkpoint
def tabled(x):
    return take(sin(x), [2, 0, 0], axis=-1) * asarray([0.5, -1.0, 2.0]).cast({F})

@checkpoint
def drawn(x):
    return dropout(cos(x), 0.25) + asarray([0.25, 0.5, -0.5]).cast({F})

def swept(x):
    for k in arange(3):
        x = tabled(x) * 0.5 + x[k]
    return x

def summed(x):
    return sum(swept(x) * bent(x))

def slope(x, value, g):
    return g * (1.0 + value * value) / (1.0 + x * x)

@gradient(slope)
def bent(x: {F}[..., N]) -> {F}[..., N]:
    return tanh(x) * x

@gradient(straight_through)
def stepped(x: {F}[..., N]) -> {F}[..., N]:
    return x - sin(x * 3) / 4

model Layer(n):
    param weight: {F}[n, n] = full(0.5)

    def forward(x):
        return tanh(x @ weight)
'''

IMPORTS: Sequence[tuple[str, str]] = (
    (
        "from parts import Layer, bent, deep, drawn, pair, squash, stepped, summed, swept, tabled",
        "",
    ),
    ("import parts", "parts."),
    ("import parts as p", "p."),
    (PARTS, ""),
)
"""How a program comes by its parts, and what stands before their names."""

HEAD = """
{import}

dim B: 1..6
dim T: 0..5
const K = {places}

def energy(x: {F}[3]) -> {F}[]:
    return sum(sin(x) * x)

def squared(x, y):
    return x - x * x / 8 + y

def rate(step):
    return 0.1 / (1 + step)

model Net(n=3, gain=1.5):
    blocks = [{parts}Layer(n) for _ in range({blocks})]
    fc = Linear(n, n)
    param scale: {F}[n] = ones()
    state seen: i32[] = zeros()
    state running: {F}[n] = 0.5

    def forward(x: {F}[B, n]) -> {F}[B, n]:
        for block in blocks[{first}:]:
            x = block(x)
        return x * scale * gain

    def tracked(x: {F}[B, n]) -> {F}[B, n]:
        update seen = seen + 1
        update running = 0.75 * running + 0.25 * mean(x, axis=0)
        return forward(x) - running

    def counted(s, h):
        for row in s:
            h = tanh(h + row) - running
            if sum(row) > 0:
                update seen = seen + 1
            update running = 0.5 * running + 0.25 * h
        return h

    def narrow(x: f32[B, n]) -> f32[B, n]:
        return fc(x)
"""

OPTIMIZERS = (
    "sgd(lr=0.1)", "sgd(lr=rate, momentum=0.9)", "adam(lr=0.01, weight_decay=0.1)",
    "sgd(lr=0.1, momentum=0.5, nesterov=True, weight_decay=0.01)", "adamw(lr=rate)",
    "adam(lr=0.01, betas=(0.5, 0.75), eps=1e-4)", "adamw(lr=1e-3, weight_decay=0.1)",
)  # fmt: skip

EXPORTS = """
export main = main
export net = Net.forward
export tracked = Net.tracked
export narrow = Net.narrow
export train = train_step(Net, loss, {optimizer})
"""

PARAMETERS = (
    "net: Net, x: {F}[B, 3], y: {F}[3], w: {F}[3, 3], s: {F}[T, 3], counts: i32[B], ids: i32[3]"
)


@dataclass
class Program:
    """A program and the sizes and seed of the values that it is tried on.

    Attributes:
        text: its source.
        files: the text of the files that it may import, by their paths.
        sizes: of the named dims.
        seed: of the values of inputs.
    """

    text: str
    files: dict[str, str]
    sizes: dict[str, int]
    seed: int

    def __repr__(self) -> str:
        return f"{self.sizes}, seed {self.seed}\n{self.text}"

    def unit(self, change: Callable[[str], str] = str) -> Unit:
        """What the program means, after a change of the text of every file."""
        read = {path: change(text) for path, text in self.files.items()}.__getitem__
        return elaborate(change(self.text), "program.gc", library(), read)

    def arrays(self, graph: Graph, state: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Values of the inputs of a graph of the program; those that are state have its value."""
        rng = np.random.default_rng(self.seed)
        return [
            state[node["name"]] if node["name"] in state else self._array(node, rng)
            for node in graph.inputs
        ]

    def _array(self, node: Node, rng: np.random.Generator) -> np.ndarray:
        shape = tuple(dims.evaluate(size, self.sizes) for size in node.shape)
        if node.dtype.is_integer:
            return np.asarray(rng.integers(0, 3, shape)).astype(node.dtype.numpy)
        return random_array(TensorType(node.dtype, shape), rng, special=False)


def with_updates(graph: Graph, name: str) -> Graph:
    """The graph with its state as inputs, and the new state as results."""
    new = (value for _, value in graph.updates)
    return Graph(name, (*graph.inputs, *graph.state), (), (*graph.results, *new))


def is_well_posed(
    graph: Graph, arrays: Sequence[np.ndarray], results: Sequence[np.ndarray]
) -> bool:
    """Whether inputs that differ by little have results that do.

    Where they do not, a rounding decides what is the larger number, or which way a loop goes.
    """
    rng = np.random.default_rng(1)
    for _ in range(3):
        near = [
            array * (1 + 1e-12 * rng.uniform(-1, 1, array.shape))
            if array.dtype == np.float64
            else array
            for array in arrays
        ]
        for one, other in zip(evaluate(graph, near)[0], results, strict=True):
            if not np.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True):
                return False
    return True


@dataclass
class _Writer:
    """The body of a function, as far as it is drawn."""

    random: Random
    dtype: str
    parts: str
    names: dict[str, list[str]] = field(
        default_factory=lambda: {"m": ["x"], "v": ["y"], "r": [], "n": []}
    )
    lines: list[str] = field(default_factory=list)
    defined: list[tuple[str, str]] = field(default_factory=list)

    def name(self, kind: str) -> str:
        """A name of a value; one is defined where there is none."""
        if not self.names[kind]:
            self.define(kind, f"{{out}} = {self.expression(kind, 0)}")
        return self.random.choice(self.names[kind])

    def expression(self, kind: str, depth: int) -> str:
        """A name or, down to a depth, an expression of others."""
        if depth <= 0 and self.names[kind]:
            return self.name(kind)
        texts = [text for gives, text in EXPRESSIONS if gives == kind]
        return f"({self.filled(self.random.choice(texts), depth - 1)})"

    def filled(self, template: str, depth: int) -> str:
        """The template with everything drawn but {out}."""
        text = template.replace("{F}", self.dtype).replace("{parts}", self.parts)
        choices = {"number": ("0.5", "-1.25", "2", "1e-3"), "place": ("0", "2", "-1")}
        choices |= {"axis": ("0", "1", "-1"), "steps": ("1", "3", "7")}
        for what, values in choices.items():
            while f"{{{what}}}" in text:
                text = text.replace(f"{{{what}}}", self.random.choice(values), 1)
        for kind in SHAPES:
            while f"{{{kind}v}}" in text:
                text = text.replace(f"{{{kind}v}}", self.name(kind), 1)
            while f"{{{kind}}}" in text:
                text = text.replace(f"{{{kind}}}", self.expression(kind, depth), 1)
        return text

    def define(self, kind: str, text: str) -> None:
        """Write the lines of a statement that defines a new name."""
        out = f"v{len(self.lines)}"
        self.lines += text.replace("{out}", out).split("\n")
        self.names[kind].append(out)
        self.defined.append((kind, out))

    def statement(self) -> None:
        """Draw a statement."""
        if self.random.random() < 0.6:
            kind, template = self.random.choice(STATEMENTS)
            self.define(kind, self.filled(template, 1))
        else:
            kind = self.random.choice(list(SHAPES))
            self.define(kind, f"{{out}} = {self.expression(kind, 2)}")

    def body(self) -> str:
        """The lines so far, as the body of a function."""
        return "".join(f"    {line}\n" for line in self.lines)


def _main(writer: _Writer) -> str:
    """A function all of whose values are results."""
    values = [name for _, name in writer.defined]
    types = [f"{writer.dtype}[{SHAPES[kind]}]" for kind, _ in writer.defined]
    result = f"({', '.join(types)})" if len(types) > 1 else types[0]
    writer.lines.append(f"return {', '.join(values)}")
    return f"def main({PARAMETERS}) -> {result}:\n{writer.body()}"


def _loss(writer: _Writer) -> str:
    """A function of the parameters that is one number."""
    terms = " + ".join(f"mean({name} * {name})" for _, name in writer.defined)
    writer.lines.append(f"return mean(net(x) ** 2) + {terms}")
    return f"def loss({PARAMETERS}) -> {{F}}[]:\n{writer.body()}"


@st.composite
def programs(draw: st.DrawFn, *, dtypes: Sequence[str] = ("f64", "f32", "bf16")) -> Program:
    """Programs with imports, models, functions, loops, branches, index notation, derivatives,
    random numbers, state, and a training step.

    Templates are equally likely, which those that hypothesis draws itself are not.
    """
    dtype = draw(st.sampled_from(list(dtypes)))
    random = draw(st.randoms(use_true_random=True))
    imported, parts = random.choice(IMPORTS)
    functions = []
    for function in (_main, _loss):
        writer = _Writer(random, dtype, parts)
        for _ in range(random.randint(1, 8)):
            writer.statement()
        functions.append(function(writer))
    text = "\n".join((HEAD, *functions, EXPORTS))
    choices = {"import": imported, "F": dtype, "parts": parts}
    choices |= {"places": random.choice(("3", "2 + 1")), "blocks": str(random.randint(1, 3))}
    choices |= {"first": str(random.randint(0, 3)), "optimizer": random.choice(OPTIMIZERS)}
    for name, value in choices.items():
        text = text.replace(f"{{{name}}}", value)
    sizes = {"B": random.randint(1, 6), "T": random.randint(0, 5)}
    files = {"parts.gc": PARTS.replace("{F}", dtype)}
    return Program(text, files, sizes, random.randrange(2**16))
