"""Random programs of the language, valid by construction.

Values are of five kinds, named by letters in the templates: a matrix [B, 3], a vector [3], a row
[B], a number [], and the sequence `s` [T, 3] that loops run over. A program is a line of
statements drawn from tables; what a statement needs is drawn from what stands before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from hypothesis import strategies as st

from graphc.ir import dims
from graphc.ir.graph import Graph
from graphc.ir.types import TensorType
from tests.values import random_array

__all__ = ["Program", "programs"]

SHAPES = {"m": "B, 3", "v": "3", "r": "B", "n": ""}

EXPRESSIONS: Sequence[tuple[str, str]] = (
    *(("m", text) for text in (
        "{m} + {m}", "{m} - {v}", "{m} * {v}", "sin({m})", "-{m} / (1.0 + abs({m}))", "{m} @ w",
        "maximum({m}, {m})", "where({m} > {v}, {m}, {m} * 0.5)", "squash({m}, by={number})",
        "squash({m})", "softmax({m}, axis={axis})", "{m}[:, ::-1]", "{F}(i32({m} * 3))",
        "concat([{m}[:, 1:], {m}[:, :1]], axis=1)", "expand_dims({r}, 1) - {m}", "net({m})",
        "{F}(f16({m}))", "{m} if K > 2 else {v}", "where(({m} < 0) | ~({m} <= 1), {m}, {n})",
        "{m} - mean({m}, axis=1, keepdims=True)", "cumulative_sum({m}, axis={axis}) * 0.5",
        "sum(stack([{m} * k for k in range(K)], axis=0), axis=0) / 3", "clip({m}, -1.0, 1.0)",
        "sort({m}, axis=1)", "take({m}, ids, axis=1)", "({m}.T).T", "reshape({m}, B, 3)",
    )),
    *(("v", text) for text in (
        "{v} + {v}", "tanh({v}) * {number}", "sum({m}, axis=0) / B", "w @ {v}", "{v} ** 2 / 4",
        "max({m}, axis=0)", "{m}[0]", "roll({v}, 1)", "pair({v})[0]", "{v} * {n}", "w[{place}]",
        "prod(stack([{v}, {v}]), axis=0)", "layer_norm({v})",
    )),
    *(("r", text) for text in (
        "mean({m}, axis=1)", "{m}[:, {place}]", "{F}(counts) * {number}", "{m} @ {v}", "{r} - {r}",
        "{F}(argmax({m}, axis=1))", "logsumexp({m}, axis=-1)", "where(counts > 1, {r}, {r} + 1)",
    )),
    *(("n", text) for text in (
        "{v}[{place}]", "mean({v})", "max({r})", "mean({m} * {m})", "{n} * {number}", "{F}(B) / 8",
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
    ("v", "{out}, {out}b = pair({v})\n{out} = {out} - {out}b"),
    ("v", "{out} = {v}\nfor row in s:\n    {out} = tanh({out} * {number} + row)"),
    ("v", "{out} = {v}\nfor t in range(T):\n    {out} = sin({out} + s[t] * {n})"),
    ("v", "{out} = {v}\nfor k in range(K):\n    {out} = {out} * 0.5 + sin({v} * k)"),
    ("n", "{out} = abs({n}) + 0.25\nwhile {out} < 4.0, at most {steps}:\n    {out} = {out} * 1.75"),
    ("v", "if {n} > {n}:\n    {out} = {v}\nelse:\n    {out} = {v} - 1.0"),
    ("v", "{out} = {v}\nfor row in s:\n    if sum(row) > 0:\n        {out} = {out} * 0.5 + row"),
)
"""What a statement defines, and its lines; {mv} is a name where {m} is any expression."""

HEAD = '''
"""A random program."""

dim B: 1..6
dim T: 0..5
const K = {places}

def squash(x, by: float = 0.5):
    """x, between -1 and 1."""
    return tanh(x * by)  # by may be 0

def pair(x):
    return sin(x), x * 0.5 - 1.0

model Layer(n):
    param weight: {F}[n, n] = full(0.5)

    def forward(x):
        return tanh(x @ weight)

model Net(n=3, gain=1.5):
    blocks = [Layer(n) for _ in range({blocks})]
    fc = Linear(n, n)
    param scale: {F}[n] = ones()

    def forward(x: {F}[B, n]) -> {F}[B, n]:
        for block in blocks:
            x = block(x)
        return x * scale * gain

    def narrow(x: f32[B, n]) -> f32[B, n]:
        return fc(x)
'''

PARAMETERS = (
    "net: Net, x: {F}[B, 3], y: {F}[3], w: {F}[3, 3], s: {F}[T, 3], counts: i32[B], ids: i32[3]"
)


@dataclass
class Program:
    """A program and the sizes and seed of the values that it is tried on.

    Attributes:
        text: its source.
        sizes: of the named dims.
        seed: of the values of inputs and state.
    """

    text: str
    sizes: dict[str, int]
    seed: int

    def __repr__(self) -> str:
        return f"{self.sizes}, seed {self.seed}\n{self.text}"

    def arrays(self, graph: Graph) -> list[np.ndarray]:
        """Values of the inputs of a graph of the program."""
        rng = np.random.default_rng(self.seed)
        types = [
            TensorType(node.dtype, tuple(dims.evaluate(size, self.sizes) for size in node.shape))
            for node in graph.inputs
        ]
        return [
            rng.integers(0, 3, one.shape).astype(one.dtype.numpy)
            if one.dtype.is_integer
            else random_array(one, rng, special=False)
            for one in types
        ]


@dataclass
class _Writer:
    """The body of a function, as far as it is drawn."""

    random: Random
    dtype: str
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
        text = template.replace("{F}", self.dtype)
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


@st.composite
def programs(draw: st.DrawFn, *, dtypes: Sequence[str] = ("f64", "f32")) -> Program:
    """Programs with a model, functions, loops, branches, index notation, and three exports.

    All that a program defines is among its results. Templates are equally likely, which those
    that hypothesis draws itself are not.
    """
    dtype = draw(st.sampled_from(list(dtypes)))
    random = draw(st.randoms(use_true_random=True))
    writer = _Writer(random, dtype)
    for _ in range(random.randint(1, 8)):
        writer.statement()
    values = [name for _, name in writer.defined]
    types = [f"{dtype}[{SHAPES[kind]}]" for kind, _ in writer.defined]
    result = f"({', '.join(types)})" if len(types) > 1 else types[0]
    head = HEAD.replace("{F}", dtype).replace("{places}", random.choice(("3", "2 + 1")))
    head = head.replace("{blocks}", str(random.randint(0, 2)))
    lines = [*writer.lines, f"return {', '.join(values)}"]
    body = "".join(f"    {line}\n" for line in lines)
    main = f"def main({PARAMETERS.replace('{F}', dtype)}) -> {result}:\n{body}"
    exports = "export main = main\nexport net = Net.forward\nexport narrow = Net.narrow\n"
    sizes = {"B": random.randint(1, 6), "T": random.randint(0, 5)}
    return Program(f"{head}\n{main}\n{exports}", sizes, random.randrange(2**16))
