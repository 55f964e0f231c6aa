r"""Graphs as programs: the canonical form that dumps, modules and bug reports are written in.

Every graph is a function marked `@graph`. In such a function the rules are strict, and all of
them:

- A line `v3 = add(v1, v2)` applies the op of that name, as the registry declares it: operands by
  position, attributes by keyword, no broadcasting, no promotion. Functions of the library that
  are no ops have no meaning there.
- A parameter is an input; `state fc1.weight: f32[64, 256]` is state, called by its path, with
  numbers in brackets (`blocks[0].bias` is `blocks.0.bias`).
- `update fc1.weight = v9` is what the state becomes, `return` has the results.
- A graph that an op holds in an attribute stands above the graph that uses it, once, and is
  named there. The last graph of a text is the one that the text is about.

Literals are exact: floats have the digits of `repr`, beside `inf` and `nan`; `complex(1.0, -0.0)`,
`base64("AACAPw==")` for bytes, `int("0x...")` beyond 64 bits, and `size("...")` for an expression
of dims that is longer than the language reads, or has names that mean something else. Where an
input, state or a graph has a name that is no identifier, `@graph(...)` lists the names.

>>> from graphc.ir import dims, dtype
>>> from graphc.ir.ops.elementwise.arithmetic import add
>>> from graphc.ir.ops.structural import graph_input
>>> x = graph_input("x", dtype.f32, (dims.variable("B", 1, 8), 3))
>>> text = graph_text(Graph("double", (x,), (), (add(x, x),)))
>>> print(text, end="")
dim B: 1..8
<BLANKLINE>
@graph
def double(x: f32[B, 3]) -> f32[B, 3]:
    v0 = add(x, x)  # f32[B, 3]
    return v0
>>> read_graph(text, "double.gc").results[0] is add(x, x)
True
"""

from __future__ import annotations

import base64
import inspect
import keyword
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graphc.errors import UsageError, VerificationError
from graphc.frontend.graph_reader import read_graph
from graphc.frontend.parsing.literals import string_literal
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.types import TensorType, TupleType

__all__ = ["docstring_text", "graph_text", "read_graph"]

_WIDTH = 100
_NAME = re.compile(r"[^\W\d]\w*")
_DIGITS = re.compile(r"\d{19,}")
_LARGEST_DIM = 48
"""Parts of an expression of dims that nests no deeper than the parser reads."""
_TAKEN = frozenset(("inf", "nan", *(dtype.name for dtype in dtypes.ALL)))


def graph_text(graph: Graph, doc: str = "") -> str:
    """The graph, and the graphs in its attributes, as a program; `read_graph` gives it back.

    Args:
        doc: a docstring for the function that is the graph; it has no meaning for the reader.

    Raises:
        VerificationError: two dims of one name.
    """
    graphs = list(_nested_first(graph))
    names = _graph_names(graphs)
    blocks = [_declarations(graphs)] if _dims_in(graphs) else []
    blocks += ["\n".join(_definition(one, names, doc if one is graph else "")) for one in graphs]
    return "\n\n".join(blocks) + "\n"


def _nested_first(graph: Graph) -> Iterator[Graph]:
    """The graph after those that it holds, each once."""
    done: set[Graph] = set()
    stack = [(graph, iter(list(_graphs_in(graph))))]
    while stack:
        one, inner = stack[-1]
        following = next((other for other in inner if other not in done), None)
        if following is None:
            stack.pop()
            if one not in done:
                done.add(one)
                yield one
        else:
            stack.append((following, iter(list(_graphs_in(following)))))


def _graphs_in(graph: Graph) -> Iterator[Graph]:
    for node in graph.nodes():
        for _, value in node.attributes:
            yield from _parts(value, Graph)


def _parts(value: Any, kind: type[Any]) -> Iterator[Any]:
    """What is of a kind in a value of an attribute."""
    if isinstance(value, kind):
        yield value
    elif type(value) is tuple:
        for part in value:
            yield from _parts(part, kind)
    elif isinstance(value, TensorType):
        yield from _parts(value.shape, kind)
    elif isinstance(value, TupleType):
        yield from _parts(value.elements, kind)


def _graph_names(graphs: Sequence[Graph]) -> dict[Graph, str]:
    """What the function of each graph is called: its name, if it is free and can be written."""
    found: dict[Graph, str] = {}
    taken = set(_TAKEN)
    # The last graph is the one that is asked for: it keeps its name.
    for graph in reversed(graphs):
        name = graph.name if _is_name(graph.name) else "graph"
        number = 2
        chosen = name
        while chosen in taken:
            chosen = f"{name}_{number}"
            number += 1
        taken.add(chosen)
        found[graph] = chosen
    return found


def _is_name(text: str) -> bool:
    return (
        _NAME.fullmatch(text) is not None
        and not keyword.iskeyword(text)
        and unicodedata.is_normalized("NFKC", text)
    )


# -- dims -----------------------------------------------------------------------------------------


def _dims_in(graphs: Iterable[Graph]) -> dict[str, Dim]:
    found: dict[str, Dim] = {}
    for graph in graphs:
        for node in (*graph.inputs, *graph.state, *graph.nodes()):
            values = (node.type, *(value for _, value in node.attributes))
            for dim in _parts(values, Dim):
                for name, variable in dims.variables(dim).items():
                    if found.setdefault(name, variable) is not variable:
                        raise VerificationError(f"two dims are called {name!r}")
    return dict(sorted(found.items()))


def _declarations(graphs: Iterable[Graph]) -> str:
    lines = []
    for name, dim in _dims_in(graphs).items():
        low, high = dims.bounds(dim)
        multiple = dim.names[name].multiple
        suffix = f" multiple of {multiple}" if multiple != 1 else ""
        lines.append(f"dim {name}: {low}..{high}{suffix}")
    return "\n".join(lines)


def _size_text(size: DimLike) -> str:
    if isinstance(size, int):
        return _integer_text(size)
    text = str(size)
    has_large = any(int(digits) >= 2**63 for digits in _DIGITS.findall(text))
    if has_large or size.size > _LARGEST_DIM or not _TAKEN.isdisjoint(size.names):
        return f"size({string_literal(text)})"
    return text


# -- values ---------------------------------------------------------------------------------------


def _integer_text(value: int) -> str:
    return str(value) if abs(value) < 2**64 else f'int("{value:#x}")'


def _type_text(type_: TensorType | TupleType) -> str:
    if isinstance(type_, TensorType):
        return f"{type_.dtype.name}[{', '.join(map(_size_text, type_.shape))}]"
    inner = ", ".join(map(_type_text, type_.elements))
    return f"({inner},)" if len(type_.elements) == 1 else f"({inner})"


def _value_text(value: Any, graphs: Mapping[Graph, str]) -> str:
    match value:
        case bool() | None | float():
            return repr(value)
        case int() | Dim():
            return _size_text(value)
        case complex():
            return f"complex({value.real!r}, {value.imag!r})"
        case str():
            return string_literal(value)
        case bytes():
            return f'base64("{base64.b64encode(value).decode()}")'
        case DType():
            return value.name
        case Graph():
            return graphs[value]
        case TensorType():
            return f"{value.dtype.name}[{_value_text(value.shape, graphs)}]"
        case TupleType():
            return f"types({', '.join(_value_text(one, graphs) for one in value.elements)})"
        case tuple():
            inner = ", ".join(_value_text(one, graphs) for one in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
    raise UsageError(f"{value!r} ({type(value).__name__}) cannot be written in a graph")


# -- graphs ---------------------------------------------------------------------------------------


def docstring_text(doc: str, indent: str = "") -> str:
    """A docstring as it stands in a program, each of its lines indented."""
    return textwrap.indent(string_literal(inspect.cleandoc(doc), '"""'), indent)


def _definition(graph: Graph, graphs: Mapping[Graph, str], doc: str) -> Iterator[str]:
    """The lines of the function that is a graph."""
    inputs, state = _spelled(graph.inputs), _spelled(graph.state, is_state=True)
    yield _mark(graph, graphs[graph], inputs is None, state is None)
    taken = {node["name"] for node in (*graph.inputs, *graph.state)}
    numbered = (name for number in _count() if (name := f"v{number}") not in taken)
    names: dict[Node, str] = {}
    for nodes, given in ((graph.inputs, inputs), (graph.state, state)):
        names |= zip(nodes, given or [next(numbered) for _ in nodes], strict=True)
    yield from _signature(graph, graphs[graph], names)
    if doc:
        yield docstring_text(doc, "    ")
    for node in graph.nodes():
        if node in names:
            continue
        names[node] = next(numbered)
        arguments = [names[operand] for operand in node.inputs]
        arguments += [f"{key}={_value_text(value, graphs)}" for key, value in node.attributes]
        call = f"{node.op.name}({', '.join(arguments)})"
        yield f"    {names[node]} = {call}  # {_comment(node)}"
    for target, value in graph.updates:
        yield f"    update {names[target]} = {names[value]}"
    results = ", ".join(names[node] for node in graph.results)
    yield f"    return {results}".rstrip()


def _comment(node: Node) -> str:
    """The type, for a person; it has no meaning for the reader."""
    return str(node.type)


def _count() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def _spelled(nodes: Sequence[Node], is_state: bool = False) -> list[str] | None:
    """The names of inputs as they are written; None if one of them cannot be."""
    found: list[str] = []
    for node in nodes:
        first, *rest = node["name"].split(".") if is_state else [node["name"]]
        if not _is_name(first):
            return None
        text = first
        for part in rest:
            if not _is_name(part) and str(_decimal(part)) != part:
                return None
            text += f".{part}" if _is_name(part) else f"[{part}]"
        found.append(text)
    return found


def _decimal(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _mark(graph: Graph, name: str, names_inputs: bool, names_state: bool) -> str:
    facts = []
    if name != graph.name:
        facts.append(f"name={string_literal(graph.name)}")
    for key, is_named, nodes in (
        ("inputs", names_inputs, graph.inputs),
        ("state", names_state, graph.state),
    ):
        if is_named:
            facts.append(f"{key}={_value_text(tuple(node['name'] for node in nodes), {})}")
    return f"@graph({', '.join(facts)})" if facts else "@graph"


def _signature(graph: Graph, name: str, names: Mapping[Node, str]) -> Iterator[str]:
    parameters = [f"{names[node]}: {_type_text(node.tensor)}" for node in graph.inputs]
    parameters += [f"state {names[node]}: {_type_text(node.tensor)}" for node in graph.state]
    types = [_type_text(node.tensor) for node in graph.results]
    result = types[0] if len(types) == 1 else f"({', '.join(types)})"
    line = f"def {name}({', '.join(parameters)}) -> {result}:"
    if len(line) <= _WIDTH or not parameters:
        yield line
        return
    yield f"def {name}("
    yield from (f"    {parameter}," for parameter in parameters)
    yield f") -> {result}:"
