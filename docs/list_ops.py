"""Writes docs/ops.md, the tables of functions, layers and ops, from their declarations.

python docs/list_ops.py
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import graphc.ir.ops  # noqa: F401  (fills the registry)
from graphc.frontend.tracing.arguments import name_of, signature_of, usage
from graphc.frontend.tracing.initializers import INITIALIZERS
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import Branch, Decomposition, HostCall, Loop, Op, Sample, functions, registry
from graphc.ir.ops.structural import graph_input, project
from graphc.ir.types import TensorType, is_differentiable
from graphc.library import library

# What the functions accept is found by the sample calls of the tests.
sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.surface_facts import facts_of

__all__ = ["PATH", "text"]

PATH = Path(__file__).parent / "ops.md"

_HEAD = """\
# Functions and ops

Made by `docs/list_ops.py` from the declarations; a test keeps it current.

## Functions

What the language and Python call. Tensors are broadcast and promoted, axes may be negative, and
PyTorch's argument names (`dim`, `keepdim`) are taken beside those of the array API. What other
libraries have and this one leaves out is listed, with the reasons, in `left_out.md`.

The last three columns are found by calling each function, as the tests do, and by looking at the
graph that comes of it.

- *dtypes*: what its tensors may be. "floats" are f16, bf16, f32 and f64, "integers" the signed and
  the unsigned ones, "numbers" integers, floats and complex numbers, "f8" the 8-bit floats, "all"
  every dtype, bool too. Arguments for which something else holds are named. A function of no
  tensors has the dtypes that it can be told to give, or the one that it gives. "not probed" is said
  of an argument that may be a tensor and is a number or a list in all sample calls.
- *gradient*: the arguments by which it can be differentiated, and how often. "zero" is the
  derivative of steps, and by what gives only a shape or a position; "refused" says that asking for
  one is an error, "in some calls" that it is one for some shapes or modes; "none", that no argument
  or no result is a float.
- *backends*: "all" are `cpu`, `cuda`, `sim` and `reference`, by kernels made here or, for
  `reference`, NumPy. An op "on the host" is called there in between, in LAPACK or an FFT, on every
  backend: a program for a GPU runs, but waits for the host and copies to it and back.

| function | other names | what it gives | dtypes | gradient | backends |
| --- | --- | --- | --- | --- | --- |
"""

_LIBRARY = """
## Layers, losses, optimizers, transforms

What a model is made of and trained by, in the language by these names; from Python they are in
`graphc.nn`, `graphc.optim` and `graphc`.

| name | what it is |
| --- | --- |
"""

_INITIALIZERS = """
## First values

What a parameter or state begins with: `param w: f32[4] = normal(std=0.02)`. In Python they are in
`graphc.initializers`.

| name | what it gives |
| --- | --- |
"""

_OPS = """
## Ops

What graphs are made of. An op with a gradient has one of every order; "zero" are the steps, whose
derivative is 0 wherever there is one. Kernels compute every op in all of its dtypes; what is
computed "on the host" is so on every device: a GPU waits for it. The 8-bit floats ("f8") are moved
and cast, and nothing is computed in them.

| op | dtypes | on the CPU and GPUs | gradient | what it computes |
| --- | --- | --- | --- | --- |
"""

_KINDS = {
    "bool": "bool",
    "signed": "integers",
    "unsigned": "integers",
    "float": "floats",
    "complex": "complex",
    "storage": "f8",
}


def text() -> str:
    """The text of docs/ops.md."""
    parts = (
        (_HEAD, _function_rows()),
        (_LIBRARY, _named_rows(library())),
        (_INITIALIZERS, _named_rows(INITIALIZERS)),
        (_OPS, map(_op_row, registry.values())),
    )
    return "".join(head + "".join(rows) for head, rows in parts)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _function_rows() -> Iterator[str]:
    names: dict[Callable[..., Any], list[str]] = {}
    for name, function in functions.items():
        names.setdefault(function, []).append(name)
    rows = sorted(names.items(), key=lambda row: row[1][0])
    for function, (name, *others) in rows:
        first = (function.__doc__ or "").strip().split("\n\n")[0]
        aliases = ", ".join(f"`{name}`" for name in others)
        call = usage(name_of(function), signature_of(function))
        facts = facts_of(name)
        found = f"{_cell(facts.dtypes)} | {facts.gradient} | {facts.backends}"
        yield f"| `{_cell(call)}` | {aliases} | {_cell(first)} | {found} |\n"


def _named_rows(names: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(names.items(), key=lambda row: row[0].lower()):
        signature = inspect.signature(value)
        given = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
        first = inspect.cleandoc(value.__doc__).split("\n\n")[0]
        yield f"| `{_cell(f'{name}{inspect.Signature(given)}')}` | {_cell(first)} |\n"


def _op_row(op: Op) -> str:
    taken: dict[DType, None] = {}
    for sample in op.samples():
        taken |= dict.fromkeys(type_.dtype for type_ in sample.operands)
    where = "on the host" if isinstance(op.lowering, HostCall) else "yes"
    return f"| `{op.name}` | {_kinds(taken)} | {where} | {_gradient(op)} | {_cell(op.doc)} |\n"


def _built(op: Op, sample: Sample) -> Node:
    types = enumerate(sample.operands)
    inputs = (graph_input(f"x{i}", type_.dtype, type_.shape) for i, type_ in types)
    return op(*inputs, **sample.attributes)


def _results(node: Node) -> list[Node]:
    if isinstance(node.type, TensorType):
        return [node]
    return [project(node, index=number) for number in range(len(node.type.elements))]


def _kinds(taken: dict[DType, None]) -> str:
    return ", ".join(dict.fromkeys(_KINDS[dtype.kind] for dtype in taken))


def _gradient(op: Op) -> str:
    if op.gradient is None:
        return "yes" if isinstance(op.lowering, Decomposition | Loop | Branch) else ""
    nodes = [_built(op, sample) for sample in op.samples()]
    differentiable = [node for node in nodes if is_differentiable(node.type)]
    for node in differentiable:
        results = _results(node)
        weights = [
            graph_input("g", one.dtype, one.shape) if one.dtype.precision else None
            for one in results
        ]
        if any(one is not None for one in op.gradient(node, *weights)):
            return "yes"
    if not nodes:
        return "yes"
    return "zero" if differentiable else ""


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
