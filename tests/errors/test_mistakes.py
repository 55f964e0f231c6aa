"""What users of PyTorch, NumPy and JAX write at first: what they are told, where, and what to do.

The caret is given as the text below which it stands.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphcError, register_source
from graphc.frontend.elaborate import elaborate
from graphc.library import library


@dataclass(frozen=True)
class Told:
    """An error: part of its message and of its hint, and what the caret stands below."""

    message: str
    hint: str
    caret: str


HEAD = "dim B: 1..64\n"


def function(body: str) -> str:
    """A program with an exported function of `x: f32[B, 12]` and `m: f32[4, 4]`."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"{HEAD}def f(x: f32[B, 12], m: f32[4, 4]):\n{lines}export f = f\n"


def model(body: str) -> str:
    """A program with a model that has the members of `body`."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return (
        f"{HEAD}model M(n=12):\n{lines}    def forward(x: f32[B, n]):\n        return x\n"
        "export f = M.forward\n"
    )


_PAIR = "take the values by [0], the indices by [1]"

IN_PROGRAMS: dict[str, Told] = {
    # -- text
    function("return x[1:2:3:4]"): Told("expected ',' or ']'", "start:stop:step", ":"),
    function("for i in range(3) do\n    x = x + i\nreturn x"): Told(
        "found the name 'do'", "ends with ':'", "do"
    ),
    function("y = x\nprint y\nreturn y"): Told("the name 'y'", "nothing is printed", "y"),
    "def reset() -> :\n    return 1\n": Told("found ':'", "leave '->' away", ":"),
    function("return x.max(dim=1)"): Told("max with dim=", "argmax", "x.max(dim=1)"),
    function("return x is m"): Told("asks whether a value is None", "compare with '=='", "x is m"),
    function("if m:\n    x = 2 * x\nreturn x"): Told(
        "the condition of a branch is f32[4, 4]", "if x is None", "m"
    ),
    function("return sm[d] x[0, d]"): Told("the name 'x'", "did you mean 'sum[d]'", "x"),
    function("y[i] = summ[d] x[i, d]\nreturn y"): Told("name 'x'", "mean 'sum[d]'", "x"),
    function('y = f"{B}"\nreturn x'): Told("found a string", "without values inside", '"{B}"'),
    "dim B: 64\n": Told("expected '..'", "dim B: 1..64; one size", ""),
    "const N: 3\n": Told("expected '='", "const N = 8", ":"),
    model("param w = zeros(3)"): Told("expected ':'", "type stands behind", "="),
    model("buffer w: f32[3]"): Told("the name 'w'", "state name: f32[64]", "w"),
    function("return x * 2.5j"): Told("'2.5j' is not a number", "complex(0, 1)", "2.5j"),
    "model M(nn.Module):\n    fc = Linear(2, 2)\n": Told("found '.'", "no base class", "."),
    "model M(Module):\n    def forward(x: f32[2]):\n        return x\nexport f = M.forward\n": Told(
        "'Module' has none", "no base class", "M.forward"
    ),
    "def f(x: f32[2]) -> f32[2]:\n    y = 2 * x\nexport f = f\n": Told(
        "f ends without `return`", "`return value`", "def f(x: f32[2]) -> f32[2]:"
    ),
    "def f(x: f32[2]) -> (f32[2], f32[2]):\n    if x[0] > 0:\n        x = -x\nexport f = f\n": Told(
        "f ends without `return`", "`return value`", "def f(x: f32[2]) -> (f32[2], f32[2]):"
    ),
    function("def g(y):\n    z = y\nreturn g(x) * 2"): Told(
        "a tuple of 0", "ends without `return`", "g(x) * 2"
    ),
    function("y[i] = any[j] x[i, j] > 1\nreturn y"): Told(
        "1 (int)", "in parentheses, any[i] (x[i] > 0)", "any[j] x[i, j] > 1"
    ),
    function("return all[i, j] x[i, j] > 1"): Told(
        "1 (int)", "in parentheses, all[i] (x[i] > 0)", "all[i, j] x[i, j] > 1"
    ),
    function("for row in x:\n    ys[t] = row\nreturn ys"): Told(
        "without indices", "for t, row in enumerate(x):", "row"
    ),
    function("for a in x:\n    for b in a:\n        ys[t] = b\nreturn ys"): Told(
        "'t' runs", "for t, b in enumerate(a):", "ys[t] = b"
    ),
    # -- names
    model("def __init__(n):\n    return n"): Told(
        "cannot be called '__init__'", "no constructor", "def __init__(n):"
    ),
    function("return scan(f, x, x)"): Told("nothing is called 'scan'", "for t in range(T)", "scan"),
    function("return fori_loop(0, 9, f, x)"): Told("'fori_loop'", "for t in range(T)", "fori_loop"),
    function("return while_loop(f, f, x)"): Told("'while_loop'", "at most 100: x", "while_loop"),
    function("return lax.scan(f, x, x)"): Told("called 'lax'", "for t in range(T)", "lax"),
    function("return cond(x[0, 0] > 0, f, f, x)"): Told(
        "cond takes 1 argument", "`if condition: ", "cond(x[0, 0] > 0, f, f, x)"
    ),
    function("return x[[[0, 1], [1]]]"): Told(
        "is no tensor of indices", "of equal lengths", "x[[[0, 1], [1]]]"
    ),
    model("bn = BatchNorm(n)"): Told("'BatchNorm'", "BatchNorm1d", "BatchNorm"),
    model("fc = Linear(n, n)").replace("= M.forward", "= M(3)"): Told(
        "a M is made here", "export M.forward", "M(3)"
    ),
    # -- values
    function("v, i = max(x, axis=1)\nreturn v"): Told("assigned to 2 names", "argmax(x)", "v, i"),
    function("return cat(x, x)"): Told("tensors is tensor f32", "cat([x, y])", "cat(x, x)"),
    function("y = [1.0, 2.0]\nreturn x + y"): Told("a list of 2", "tensor([1.0", "x + y"),
    function("return x ^ 2"): Told("bitwise_xor", "a power is x ** 2", "x ^ 2"),
    function("return zeros(x.shape[2])"): Told("number 2 is no index", "count from 0", "2"),
    function("return x.size(2)"): Told("there is no axis 2", "axes are -2 to 1", "x.size(2)"),
    function("for a, b in zip(x, [1, 2]):\n    y = a\nreturn x"): Told(
        "zip of a tensor and a list of 2", "stack(values)", "zip(x, [1, 2])"
    ),
    function("for a, b in zip(x, m):\n    y = a\nreturn x"): Told(
        "tensor f32[B, 12] has B rows, tensor f32[4, 4] has 4", "one length", "zip(x, m)"
    ),
    function("for i, v in enumerate(sum(x)):\n    y = v\nreturn x"): Told(
        "a f32[] has no rows", "", "enumerate(sum(x))"
    ),
    function("return [a + b for a, b in zip(m, m)]"): Told(
        "the rows of tensor f32[4, 4] and tensor f32[4, 4]", "the whole tensor", "zip(m, m)"
    ),
    function("for r, q in reversed(zip(x, x)):\n    y = r\nreturn x"): Told(
        "are taken from the first on", "zip(reversed(x), reversed(y))", "reversed(zip(x, x))"
    ),
    function("for row in list(x):\n    y = row\nreturn x"): Told(
        "nothing is called 'list'", "for row in x:", "list"
    ),
    "def g(x: f32[3]):\n    return sum(x)\nexport f = vjp(g)\n": Told(
        "vjp needs the arguments", "grad(f)", "vjp(g)"
    ),
    function("return fft.rfft(x)"): Told("no member 'rfft'", "no prefix: rfft(x)", "fft.rfft"),
    "export f = train_step(M, loss, rmsprop(1e-3))\nmodel M:\n    fc = Linear(1, 1)\n"
    "def loss(net: M):\n    return sum(net.fc.weight)\n": Told(
        "nothing is called 'rmsprop'", "sgd, adam and adamw", "rmsprop"
    ),
    function("return sum(x[0, i] for i in range(3))"): Told(
        "found the keyword 'for'", "sum([f(x) for x in values])", "for"
    ),
    function("rows = [x]\nreturn cat([m, *rows])"): Told("found '*'", "[x] + rows", "*"),
    model("w = Parameter(zeros(3))"): Told("'Parameter'", "param w: f32[4]", "Parameter"),
    model("def __call__(x):\n        return x"): Told(
        "called '__call__'", "def forward(x)", "def __call__(x):"
    ),
    function("return dot(m, m)"): Told("dot: f32[4, 4] is no vector", "x @ y", "dot(m, m)"),
    function("return outer(m, m)"): Told("f32[4, 4] is no vector", "x.flatten()", "outer(m, m)"),
    # -- tuples
    function("a, b, c = split(x, 3, axis=1)\nreturn a"): Told(
        "a tuple of 4 is assigned to 3 names", "3 pieces are chunk(x, 3)", "a, b, c"
    ),
    function("a, b = x.split(3, 1)\nreturn a"): Told(
        "a tuple of 4 is assigned to 2 names", "chunk(x, 2)", "a, b"
    ),
    function("return min(topk(x, 3))"): Told(
        "min: x is a tuple of 2 tensors, expected a tensor", _PAIR, "min(topk(x, 3))"
    ),
    function("return relu(topk(x, 3))"): Told("a tuple of 2 tensors", _PAIR, "relu(topk(x, 3))"),
    function("return topk(x, 3) * 2"): Told("no operand of '*'", _PAIR, "topk(x, 3) * 2"),
    function("return topk(x, 3).sum()"): Told("no member 'sum'", _PAIR, "topk(x, 3).sum"),
    function("return exp((x, x, x))"): Told(
        "a tuple of 3 tensors", "by [0] for the first", "exp((x, x, x))"
    ),
    # -- methods
    function("return x.type(f16)"): Told("no member 'type'", "x.to(f16)", "x.type"),
    function("return x.at[0].set()"): Told("set needs the argument", "set(value)", "x.at[0].set()"),
    function("return m.at[0].apply(3)"): Told("takes a function", "f(x[i])", "m.at[0].apply(3)"),
    function("return x.at(0).set(1)"): Told("x.at is called", "x.at[i]", "x.at(0)"),
    function("return x.sum + 1"): Told(
        "the method sum of a tensor", "call it: x.sum()", "x.sum + 1"
    ),
    function("return -x.exp"): Told("the method exp of a tensor", "call it: x.exp()", "-x.exp"),
    function("return +x.exp"): Told("the method exp of a tensor", "call it: x.exp()", "+x.exp"),
    function("return x.sum > 0"): Told("sum of a tensor is not called", "x.sum()", "x.sum > 0"),
    function("return x.sum(axes=1)"): Told("no argument 'axes'", "'axis'", "x.sum(axes=1)"),
    function("return x.sum(out=m)"): Told("no argument 'out'", "are values", "x.sum(out=m)"),
    function("return x.relu(inplace=True)"): Told(
        "no argument 'inplace'", "assign what", "x.relu(inplace=True)"
    ),
    function("return x.unfold(1)"): Told("argument 'size'", "(dimension, size", "x.unfold(1)"),
    # -- dims
    function("return x[:, :B / 2]"): Told("(B / 2) is no place", "divided by '//'", "B / 2"),
    function("return x[B / 2]"): Told("(B / 2) is no place", "divided by '//'", "B / 2"),
    function("return zeros(B / 2)"): Told("is no size", "divided by '//'", "zeros(B / 2)"),
    function("return zeros(4 / 2)"): Told("2.0 is no size", "divided by '//'", "zeros(4 / 2)"),
    function("for i in range(B / 2):\n    x = x + 1\nreturn x"): Told(
        "expected whole numbers", "divided by '//'", "range(B / 2)"
    ),
    HEAD + "def f(x: f32[B / 2]):\n    return x\nexport f = f\n": Told(
        "(B / 2)", "divided by '//'", "B / 2"
    ),
    HEAD + "def f(x: f32[B, 4]) -> f32[BB, 4]:\n    return x\nexport f = f\n": Told(
        "no dim is called 'BB'", "declare one: dim BB", "BB"
    ),
    "dim Batch: 1..9\ndef f(x: f32[Batch]) -> f32[2 * Bacth]:\n    return x\nexport f = f\n": Told(
        "no dim is called 'Bacth'", "did you mean 'Batch'", "2 * Bacth"
    ),
    HEAD + "dim C: 1..9\ndef f(x: f32[B]) -> f32[C]:\n    return x\nexport f = f\n": Told(
        "B meets C", "f32[B] in the annotation", "x"
    ),
    HEAD
    + "def f(x: f32[B]) -> (f32[B], (f32[], f32[C])):\n    return x, (1.0, x)\nexport f = f\n": (
        Told("no dim is called 'C'", "declare one", "C")
    ),
    function("y: f32[C, 4] = x\nreturn y"): Told("no dim is called 'C'", "declare one", "C"),
    # -- control flow
    function("for i in range(0):\n    y = x\nreturn y"): Told(
        "'y' has no value: the loop", "before the loop", "y"
    ),
    function("for layer in []:\n    y = x\nreturn y"): Told("runs 0 times", "before the loop", "y"),
    model("if B > 2:\n    fc = Linear(n, n)"): Told(
        "which parts a model has", "decide by numbers", "B > 2"
    ),
    function("return cond(m, m, m)"): Told("takes 1 argument", "if condition", "cond(m, m, m)"),
    # -- functions of functions
    function("return grad(sum(x))(x)"): Told("takes a function", "grad(f)", "grad(sum(x))"),
    function("return vmap(relu(x))(x)"): Told("takes a function", "vmap(f)", "vmap(relu(x))"),
    function("return vmap(Linear)(x)"): Told("the class Linear", "Linear(...)", "vmap(Linear)"),
}


@pytest.mark.parametrize("text", IN_PROGRAMS)
def test_a_mistake_in_a_program_is_explained(text: str) -> None:
    with pytest.raises(GraphcError) as caught:
        elaborate(text, "mistake.gc", library())
    _require(caught.value, text, IN_PROGRAMS[text])


def _require(error: GraphcError, text: str, told: Told) -> None:
    (only,) = error.errors
    assert told.message in only.message, only.render()
    assert told.hint in (only.hint or ""), only.render()
    span = only.span
    assert span is not None
    line = text.split("\n")[span.line - 1]
    end = span.end_column - 1 if span.line == span.end_line else None
    assert line[span.column - 1 : end] == told.caret, only.render()


_CALL = "give the function first"
_DIM = "gc.asarray(x.shape[0])"

IN_PYTHON: dict[str, Told] = {
    # -- tuples
    "gc.min(gc.topk(x, 3))": Told("a tuple of 2 tensors", _PAIR, "gc.min(gc.topk(x, 3))"),
    "x + gc.topk(x, 3)": Told("a tuple of 2 tensors", _PAIR, "x + gc.topk(x, 3)"),
    # -- NumPy
    "np.sum(x, out=np.zeros(3))": Told(
        "no argument 'out'", "tensors are values", "np.sum(x, out=np.zeros(3))"
    ),
    "x / np.sqrt(x.shape[0])": Told("dim B has no value", "gc.asarray(B)", "np.sqrt(x.shape[0])"),
    "x / math.sqrt(x.shape[0])": Told(
        "dim B has no value", "gc.asarray(B)", "math.sqrt(x.shape[0])"
    ),
    "gc.sqrt(x.shape[0])": Told("x is B (Dim)", "asarray(B)", "gc.sqrt(x.shape[0])"),
    "np.float32(2) * x.shape[0]": Told(
        "B has no value", "gc.asarray(B)", "np.float32(2) * x.shape[0]"
    ),
    "gc.sum(x, axis=x.shape[0])": Told(
        "axis is B (Dim), expected the number of an axis",
        "a fixed size",
        "gc.sum(x, axis=x.shape[0])",
    ),
    # -- what other libraries call so
    "x.max(dim=1)[0]": Told(
        "max with dim= gives values and", "argmax their places", "x.max(dim=1)"
    ),
    "gc.min(x, dim=1, keepdim=True)": Told(
        "min with dim=", "min(x, axis=...)", "gc.min(x, dim=1, keepdim=True)"
    ),
    "gc.median(x, dim=1)": Told("median with dim=", "kthvalue", "gc.median(x, dim=1)"),
    "x.nanmedian(dim=1)": Told("nanmedian with dim=", "kthvalue", "x.nanmedian(dim=1)"),
    "gc.max(x, np.zeros((0, 3)))": Told(
        "axis is tensor f64[0, 3]", "maximum(x, y)", "gc.max(x, np.zeros((0, 3)))"
    ),
    "gc.max(x, np.array([1]))": Told(
        "axis is tensor i64[1]", "maximum(x, y)", "gc.max(x, np.array([1]))"
    ),
    "gc.max(x, np.array(1.0))": Told("axis is 1.0", "maximum(x, y)", "gc.max(x, np.array(1.0))"),
    "gc.var_mean(x)": Told("needs the argument 'correction'", "N - 1", "gc.var_mean(x)"),
    "gc.std_mean(x, 1)": Told("needs the argument 'correction'", "N - 1", "gc.std_mean(x, 1)"),
    "m.norm(2)": Told("of all elements, or of the matrix", "vector_norm(x, 2)", "m.norm(2)"),
    "gc.norm(m, p=1)": Told("or of the matrix", "matrix_norm(x, 1)", "gc.norm(m, p=1)"),
    "gc.norm(m[None], 2)": Told("or of the matrix", "give the axis", "gc.norm(m[None], 2)"),
    "gc.layer_norm(m, m[0], m[1], 1.0)": Told(
        "3 tensors beside x", "layer_norm(x, weight, eps=", "gc.layer_norm(m, m[0], m[1], 1.0)"
    ),
    "gc.layer_norm(m, np.ones(()))": Told(
        "the weight has no axes", "its size, layer_norm(x, ", "gc.layer_norm(m, np.ones(()))"
    ),
    "gc.quantile(x, 0.5, weights=x)": Told(
        "no argument 'weights'", "argsort(x)", "gc.quantile(x, 0.5, weights=x)"
    ),
    "gc.intersect1d(x, x, return_indices=True)": Told(
        "no argument 'return_indices'", "isin(x, y)", "gc.intersect1d(x, x, return_indices=True)"
    ),
    "gc.rms_norm(m, m[0], 1.0)": Told(
        "2 tensors beside x", "rms_norm(x, weight, eps=", "gc.rms_norm(m, m[0], 1.0)"
    ),
    "gc.vmap(lambda x, by: x * by)(m, by=[1.0, 2.0])": Told(
        "by=[1.0, 2.0] is given by name",
        "in_axes",
        "gc.vmap(lambda x, by: x * by)(m, by=[1.0, 2.0])",
    ),
    "gc.vmap(lambda x, by: x)(m, by={'a': m})": Told(
        "is given by name", "by position", "gc.vmap(lambda x, by: x)(m, by={'a': m})"
    ),
    "gc.function(gc.exp, static_argnums=1)(x)": Told(
        "no argument 'static_argnums'", "static as", "gc.function(gc.exp, static_argnums=1)"
    ),
    "gc.function(devise='cpu')(gc.exp)(x)": Told(
        "no argument 'devise'", "did you mean 'device'", "gc.function(devise='cpu')"
    ),
    # -- dims
    "gc.zeros((x.shape[0] / 2,))": Told("B / 2 is no whole number", "//", "x.shape[0] / 2"),
    "gc.zeros((x.shape[0] * 0.5,))": Told("no whole number", _DIM, "x.shape[0] * 0.5"),
    "x * x.shape[0] ** -0.5": Told("B ** -0.5 is no whole number", _DIM, "x.shape[0] ** -0.5"),
    "x * (1 / x.shape[0])": Told("1 / B is no whole number", _DIM, "1 / x.shape[0]"),
    "x if f'{x.shape[0]:3d}' else x": Told(
        "dim B has no value", "gc.asarray(B)", "f'{x.shape[0]:3d}'"
    ),
    # -- methods
    "x.at[0].set()": Told("set needs the argument 'value'", "set(value)", "x.at[0].set()"),
    "x.at[0].get(1)": Told("get takes no arguments, 1", "get()", "x.at[0].get(1)"),
    "x.at[0].set(3, mode='drop')": Told(
        "no argument 'mode'", "out of range", "x.at[0].set(3, mode='drop')"
    ),
    "x.at[0].apply(3)": Told("takes a function", "x.at[i].apply(f)", "x.at[0].apply(3)"),
    "x.at(0).set(1)": Told("x.at is called", "x.at[i]", "x.at(0)"),
    "x.unfold(1)": Told("argument 'size'", "unfold(dimension, size, step)", "x.unfold(1)"),
    "x.T()": Told("no function: 'Tensor'", "no methods", "x.T()"),
    "x.type(gc.f16)": Told("no function: 'TensorType'", "x.to(f16)", "x.type(gc.f16)"),
    "x.t(1)": Told("t takes no arguments, 1", "t()", "x.t(1)"),
    "x.sum + 1": Told("the method sum of a tensor is not called", "call it: x.sum()", "x.sum + 1"),
    "2 * x.float": Told("method float of a tensor is not called", "x.float()", "2 * x.float"),
    "-x.exp": Told("the method exp of a tensor is not called", "call it: x.exp()", "-x.exp"),
    "x.sum[0]": Told("the method sum of a tensor is not called", "call it: x.sum()", "x.sum[0]"),
    "max(x.exp)": Told("the method exp of a tensor is not called", "x.exp()", "max(x.exp)"),
    "x.sum(axes=1)": Told("no argument 'axes'", "'axis'", "x.sum(axes=1)"),
    "gc.concat(x, x)": Told("expected a list of tensors", "concat([x, y])", "gc.concat(x, x)"),
    "x ^ 2": Told("bitwise_xor", "a power is x ** 2", "x ^ 2"),
    "x.size(5)": Told("there is no axis 5", "axes are -2 to 1", "x.size(5)"),
    # -- functions of functions
    "gc.cond(m)": Told("cond takes a function", "linalg.cond(x)", "gc.cond(m)"),
    "gc.cond(m[0, 0] > 0, m, -m)": Told(
        "is given a Tensor", "lambda: a", "gc.cond(m[0, 0] > 0, m, -m)"
    ),
    "gc.vmap(abs, axes=1)(x)": Told(
        "argument 'axes'", "it is vmap(function, in_axes=0", "gc.vmap(abs, axes=1)"
    ),
    "gc.scan(x, x, x)": Told("scan takes a function", "scan(body", "gc.scan(x, x, x)"),
    "gc.while_loop(True, abs, x)": Told(
        "while_loop takes a function", "condition, body", "gc.while_loop(True, abs, x)"
    ),
    "gc.grad(gc.sum, argnums='a')(x)": Told(
        "argnums is 'a' (str)", "number of an argument", "gc.grad(gc.sum, argnums='a')(x)"
    ),
    "gc.jacobian(gc.sum, argnums=1.5)(x)": Told(
        "argnums is 1.5 (float)", "number of an argument", "gc.jacobian(gc.sum, argnums=1.5)(x)"
    ),
    "gc.scan(lambda c: c, 0.0, x)": Told(
        "scan gives 2 arguments to <lambda>(c)", "body(c, x)", "gc.scan(lambda c: c, 0.0, x)"
    ),
    "gc.scan(lambda c, r: (c, r), 0.0, length=x)": Told(
        "length is <tensor f32[B, 12]>", "x.shape[0]", "gc.scan(lambda c, r: (c, r), 0.0, length=x)"
    ),
    "gc.while_loop(lambda: True, abs, x, max_steps=3)": Told(
        "gives 1 argument to <lambda>()",
        "condition(carry)",
        "gc.while_loop(lambda: True, abs, x, max_steps=3)",
    ),
    "gc.while_loop(all, lambda a, b: a, x, max_steps=3)": Told(
        "gives 1 argument to <lambda>(a, b)",
        "body(carry)",
        "gc.while_loop(all, lambda a, b: a, x, max_steps=3)",
    ),
    "gc.while_loop(all, abs, x, max_steps=m)": Told(
        "max_steps is <tensor f32[4, 4]>", "x.shape[0]", "gc.while_loop(all, abs, x, max_steps=m)"
    ),
    "gc.cond(m[0, 0] > 0, lambda: m, abs, m)": Told(
        "cond gives 1 argument to <lambda>()",
        "f(x) and g(x)",
        "gc.cond(m[0, 0] > 0, lambda: m, abs, m)",
    ),
    "gc.cond(True, x, x)": Told("is given a Tensor", "lambda: a", "gc.cond(True, x, x)"),
    "gc.cond(False, lambda: x)": Told("a NoneType", "lambda: a", "gc.cond(False, lambda: x)"),
    "gc.custom_gradient(lambda g: g)(gc.exp)(x)": Told(
        "custom_gradient gives 3 arguments to <lambda>(g)",
        "(x, value, g)",
        "gc.custom_gradient(lambda g: g)(gc.exp)(x)",
    ),
    "gc.jvp(abs, [x], [x, x])": Told(
        "tangents is [<tensor f32[B, 12]>, <tensor f32[B, 12]>], expected the form of (",
        "nest tensors in the same",
        "gc.jvp(abs, [x], [x, x])",
    ),
    "gc.jvp(abs, [x], [m])": Told(
        "tangents[0] is f32[4, 4] for f32[B, 12]", "cast or broadcast", "gc.jvp(abs, [x], [m])"
    ),
    "gc.vjp(abs, x)[1]({'a': x})": Told(
        "the cotangent is {'a': <tensor f32[B, 12]>}, expected the form of",
        "nest tensors in the same",
        "gc.vjp(abs, x)[1]({'a': x})",
    ),
    "gc.vmap(gc.add)(x, 1.0)": Told(
        "arguments[1] is f32[], which has no axis 0", "in_axes=(0, None)", "gc.vmap(gc.add)(x, 1.0)"
    ),
    "gc.vmap(gc.add)(m, m[:2])": Told(
        "arguments[0] has 4 parts, and arguments[1] has 2", "", "gc.vmap(gc.add)(m, m[:2])"
    ),
    "gc.nn.Parameter(3, init=2.0)": Told(
        "init takes a function", "full(2.0)", "gc.nn.Parameter(3, init=2.0)"
    ),
    "gc.nn.Parameter(3, init=gc.initializers.ones)": Told(
        "3 arguments to ones()", "ones()", "gc.nn.Parameter(3, init=gc.initializers.ones)"
    ),
    "gc.Tensor([1, 2])": Told("made of [1, 2]", "gc.tensor([1.0, 2.0])", "gc.Tensor([1, 2])"),
    "gc.dim()": Told("a dim needs a name", 'gc.dim("B", 1, 4096)', "gc.dim()"),
    "gc.vjp(abs)": Told("vjp needs the arguments", "grad(f)", "gc.vjp(abs)"),
    "gc.dim(3)": Told("a dim is called 3 (int)", 'gc.dim("B", 1, 4096)', "gc.dim(3)"),
    "gc.dim('N', 1.5)": Told("lo is 1.5 (float)", 'gc.dim("B", 1, 4096)', "gc.dim('N', 1.5)"),
    "gc.function(3)": Told("takes a function", "@graphc.function", "gc.function(3)"),
    "gc.vmap(gc.nn.Linear)(x)": Told("class Linear", "Linear(...)", "gc.vmap(gc.nn.Linear)"),
    "gc.vjp(3, x)": Told("vjp takes a function", _CALL, "gc.vjp(3, x)"),
    "gc.jvp(x, [x], [x])": Told("jvp takes a function", _CALL, "gc.jvp(x, [x], [x])"),
    **{
        f"gc.{name}(x)(x)": Told(f"{name} takes a function", _CALL, f"gc.{name}(x)")
        for name in ("grad", "vmap", "checkpoint", "jacobian", "hessian", "value_and_grad")
    },
    "gc.custom_gradient(x)(abs)(x)": Told(
        "custom_gradient takes a function", _CALL, "gc.custom_gradient(x)"
    ),
    "gc.custom_gradient(abs)(x)(x)": Told(
        "custom_gradient takes a function", _CALL, "gc.custom_gradient(abs)(x)"
    ),
}

_numbers = itertools.count()


def traced(text: str) -> Any:
    """The graph of an expression of `x: f32[B, 12]` and `m: f32[4, 4]`."""
    source, file = f"f = lambda x, m: {text}\n", f"<mistake {next(_numbers)}>"
    register_source(file, source)
    names: dict[str, Any] = {"gc": gc, "np": np, "math": math}
    exec(compile(source, file, "exec"), names)
    return gc.trace(names["f"], gc.f32["B", 12], gc.f32[4, 4])


@pytest.mark.parametrize("text", IN_PYTHON)
def test_a_mistake_in_python_is_explained(text: str) -> None:
    with pytest.raises(GraphcError) as caught:
        traced(text)
    _require(caught.value, f"f = lambda x, m: {text}", IN_PYTHON[text])


NUMPYS = {
    "np.mean(x)": "gc.mean(x)",
    "np.sum(x, axis=1, keepdims=True)": "gc.sum(x, axis=1, keepdims=True)",
    "np.mean(x, dtype=np.float64)": "gc.mean(x, dtype=gc.f64)",
    "np.sum(x, dtype=np.float64)": "gc.sum(x, dtype=gc.f64)",
    "np.max(x, axis=1)": "gc.max(x, axis=1)",
    "np.std(x, ddof=1)": "gc.std(x, correction=1)",
    "np.argmax(x, axis=1)": "gc.argmax(x, axis=1)",
    "np.cumsum(x, axis=1)": "gc.cumsum(x, axis=1)",
    "np.any(x > 0)": "gc.any(x > 0)",
    "np.reshape(x, (-1,))": "gc.reshape(x, (-1,))",
    "np.clip(x, 0, 1)": "gc.clip(x, 0, 1)",
    "np.argsort(x)": "gc.argsort(x)",
    "np.take(x, np.array([0]), axis=1)": "gc.take(x, np.array([0]), axis=1)",
    "np.round(x)": "gc.round(x)",
    "np.zeros(3, np.float32) + gc.zeros(np.int64(2) * x.shape[0] - np.int64(2) * x.shape[0] + 3)": (
        "np.zeros(3, np.float32) + gc.zeros(3)"
    ),
    "gc.zeros((x.shape[0] ** 2,))": "gc.zeros((x.shape[0] * x.shape[0],))",
    "gc.stack(divmod(x, 2))": "gc.stack((x // 2, x % 2))",
    "gc.stack(divmod(2, x))": "gc.stack((2 // x, 2 % x))",
    "gc.zeros(divmod(x.shape[0], 4))": "gc.zeros((x.shape[0] // 4, x.shape[0] % 4))",
    "gc.zeros(divmod(99, x.shape[0]))": "gc.zeros((99 // x.shape[0], 99 % x.shape[0]))",
}


@pytest.mark.parametrize("text", NUMPYS)
def test_functions_of_numpy_that_call_methods_are_those_of_the_package(text: str) -> None:
    assert traced(text).graph == traced(NUMPYS[text]).graph


def test_a_dim_of_a_file_is_named_where_another_one_has_its_name(tmp_path: Any) -> None:
    file = tmp_path / "scaled.gc"
    file.write_text(
        "dim N: 1..8\nmodel M(n=4):\n    fc = Linear(n, 2)\n\n"
        "    def forward(x: f32[N, n]):\n        return fc(x)\n"
    )
    source = gc.source(str(file))
    net = source.M()
    with pytest.raises(GraphcError, match="it is not proved to stay in that range") as caught:
        gc.trace(lambda x: net(x), gc.f32["N", 4], models=(net,))
    assert "f32[file.N, 4]" in (caught.value.hint or "")
    assert gc.trace(lambda x: net(x), gc.f32[source.N, 4], models=(net,)).graph.results


class Net(gc.nn.Module):
    """A model that is handed over as a class."""

    def forward(self, x: Any) -> Any:
        """The same."""
        return x


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ((Net, gc.f32[2]), "Net is traced with 1 arguments", "Net(...)"),
        ((lambda x: x, gc.f32), "is the dtype f32, expected a type", 'f32["B", 64]'),
        ((lambda x: x.sum, gc.f32[2]), "the result is a function", "x.sum()"),
    ],
)
def test_what_is_traced_is_explained(given: tuple[Any, ...], message: str, hint: str) -> None:
    with pytest.raises(GraphcError) as caught:
        gc.trace(*given)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("eval", "train_step"),
        ("state_dict", "graphc.compile"),
        ("cuda", "no devices"),
        ("wieght", "did you mean 'weight'"),
    ],
)
def test_members_of_models_that_there_are_not(name: str, hint: str) -> None:
    layer = gc.nn.Linear(2, 2)
    assert not hasattr(layer, name)
    with pytest.raises(AttributeError, match=f"'Linear' has no attribute '{name}': .*{hint}"):
        getattr(layer, name)
