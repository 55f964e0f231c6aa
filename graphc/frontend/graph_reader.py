"""Programs in the canonical form back to graphs; see `graph_text` for the rules."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from graphc.errors import GraphcError, SourceError, Span, register_source
from graphc.frontend import syntax
from graphc.frontend.parsing.parser import parse
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.op import find
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType, TupleType

__all__ = ["is_graph", "read_definition", "read_graph"]

# Tables of numbers are taken out before the text is parsed: they may be larger than a program.
_DATA = re.compile(r'base64\("([A-Za-z0-9+/=]{256,})"\)')


def read_graph(text: str, file: str) -> Graph:
    """The last graph of a text in the canonical form.

    Args:
        text: what `graph_text` gives.
        file: its name in errors.

    Raises:
        GraphcError: the text is no program, or no graph in the canonical form.
    """
    tables: list[str] = []

    def take_out(match: re.Match[str]) -> str:
        tables.append(match[1])
        return f"table({len(tables) - 1})"

    try:
        return _Reader(tables).graph(parse(_DATA.sub(take_out, text), file))
    except GraphcError:
        register_source(file, text)
        raise


def is_graph(node: syntax.Function) -> bool:
    """Whether a function is marked as a graph."""
    return any(_mark_of(decorator) is not None for decorator in node.decorators)


def _mark_of(decorator: syntax.Expression) -> tuple[syntax.Keyword, ...] | None:
    match decorator:
        case syntax.Name("graph"):
            return ()
        case syntax.Call(syntax.Name("graph"), (), keywords):
            return keywords
    return None


def read_definition(
    node: syntax.Function, dims_: Mapping[str, Dim], graphs: Mapping[str, Graph], sources: SourceMap
) -> Graph:
    """The graph of a marked function among other definitions of a program.

    Args:
        node: the function.
        dims_: the dims of the program, by name.
        graphs: the marked functions before it, by name.
        sources: records where each node is written.

    Raises:
        GraphcError: it is no graph in the canonical form.
    """
    return _Body(_Reader([], dims_, graphs), node, sources).graph()


def _refuse(message: str, span: Span) -> SourceError:
    return SourceError(
        message, code="graph-text", span=span, hint="a graph is a function marked @graph"
    )


class _Reader:
    """The names of one text: dims and graphs."""

    def __init__(
        self,
        tables: list[str],
        dims_: Mapping[str, Dim] | None = None,
        graphs: Mapping[str, Graph] | None = None,
    ) -> None:
        self._tables = tables
        self._dims = dict(dims_ or {})
        self._graphs = dict(graphs or {})

    def graph(self, module: syntax.Module) -> Graph:
        """The last graph of the text."""
        last: Graph | None = None
        for node in module.body:
            match node:
                case syntax.Docstring():
                    pass
                case syntax.Dimension():
                    self._declare(node)
                case syntax.Function():
                    last = _Body(self, node).graph()
                    self._graphs[node.name] = last
                case _:
                    raise _refuse("this has no meaning among graphs", node.span)
        if last is None:
            raise _refuse("there is no graph in this text", module.span)
        return last

    def _declare(self, node: syntax.Dimension) -> None:
        given = (node.lower, node.upper, node.multiple)
        bounds = [1 if one is None else self.value(one) for one in given]
        if not all(isinstance(bound, int) for bound in bounds):
            raise _refuse("a bound of a dim is a number", node.span)
        try:
            self._dims[node.name] = dims.variable(node.name, *bounds)
        except GraphcError as error:
            raise error.at(node.span) from None

    # -- types and values

    def type(self, node: syntax.Type) -> TensorType:
        """The type of a tensor."""
        if not isinstance(node, syntax.TensorType):
            raise _refuse("expected the type of a tensor, such as f32[B, 64]", node.span)
        try:
            dtype = dtypes.from_name(node.dtype)
        except GraphcError as error:
            raise error.at(node.span) from None
        return TensorType(dtype, tuple(self.size(one) for one in node.shape))

    def size(self, node: syntax.Expression) -> DimLike:
        """A size of an axis."""
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, int | Dim):
            raise _refuse("a size is a number or a dim", node.span)
        return value

    def value(self, node: syntax.Expression) -> Any:
        """The value of an attribute."""
        match node:
            case syntax.Integer() | syntax.Float() | syntax.String() | syntax.Boolean():
                return node.value
            case syntax.NoneLiteral():
                return None
            case syntax.Tuple():
                return tuple(self.value(one) for one in node.elements)
            case syntax.Name():
                return self._name(node)
            case syntax.Unary("-", operand):
                return -self._number(operand)
            case syntax.Binary():
                return self._combined(node)
            case syntax.Subscript(syntax.Name(), (shape,)):
                dtype, sizes = self.value(node.value), self.value(shape)
                if isinstance(dtype, dtypes.DType) and isinstance(sizes, tuple):
                    return TensorType(dtype, sizes)
            case syntax.Call(syntax.Name(name), arguments, ()):
                return self._literal(name, [self.value(one) for one in arguments], node.span)
        raise _refuse("this is no value of an attribute", node.span)

    def _name(self, node: syntax.Name) -> Any:
        name = node.id
        if name in _FLOATS:
            return _FLOATS[name]
        if name in _DTYPES:
            return _DTYPES[name]
        for table in (self._dims, self._graphs):
            if name in table:
                return table[name]
        raise _refuse(f"nothing is called {name!r} here", node.span)

    def _number(self, node: syntax.Expression) -> Any:
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, int | float | Dim):
            raise _refuse("expected a number", node.span)
        return value

    def _combined(self, node: syntax.Binary) -> DimLike:
        # Sums lean to the left: walking that spine in a loop is not deep.
        spine = [node]
        while isinstance(spine[-1].left, syntax.Binary):
            spine.append(spine[-1].left)
        value = self.size(spine[-1].left)
        for one in reversed(spine):
            right = self.size(one.right)
            try:
                value = dims.from_text(f"a {one.operator} b", {"a": value, "b": right})
            except GraphcError as error:
                raise error.at(one.span) from None
        return value

    def _literal(self, name: str, arguments: list[Any], span: Span) -> Any:
        try:
            match name, arguments:
                case "table", [int(number)]:
                    return base64.b64decode(self._tables[number], validate=True)
                case "base64", [str(text)]:
                    return base64.b64decode(text, validate=True)
                case "int", [str(text)]:
                    return int(text, 16)
                case "complex", [float(real), float(imaginary)]:
                    return complex(real, imaginary)
                case "size", [str(text)]:
                    return dims.from_text(text, self._dims)
                case "types", elements if all(isinstance(e, TensorType) for e in elements):
                    return TupleType(tuple(elements))
                case "max" | "min", [_, *_]:
                    pick = dims.maximum if name == "max" else dims.minimum
                    value = arguments[0]
                    for other in arguments[1:]:
                        value = pick(value, other)
                    return value
        except GraphcError as error:
            raise error.at(span) from None
        except (binascii.Error, ValueError, IndexError, TypeError) as error:
            raise _refuse(f"{name}: {error}", span) from None
        raise _refuse(f"{name}(...) is no value of an attribute", span)


_FLOATS: Mapping[str, float] = {"inf": math.inf, "nan": math.nan}
_DTYPES: Mapping[str, dtypes.DType] = {dtype.name: dtype for dtype in dtypes.ALL}


class _Body:
    """One function that is a graph."""

    def __init__(
        self, reader: _Reader, node: syntax.Function, sources: SourceMap | None = None
    ) -> None:
        self._reader = reader
        self._sources = sources
        self._node = node
        self._values: dict[str, Node] = {}
        self._updates: list[tuple[Node, Node]] = []

    def graph(self) -> Graph:
        """The graph that the function is."""
        mark = self._mark()
        inputs, state = self._parameters(mark)
        results: list[Node] | None = None
        for statement in self._node.body:
            if results is not None:
                raise _refuse("nothing follows the return of a graph", statement.span)
            match statement:
                case syntax.Docstring():
                    pass
                case syntax.Assign(syntax.Name(name), syntax.Call() as call, None):
                    node = self._applied(call)
                    self._define(name, node, statement.span)
                    if self._sources is not None:
                        self._sources.add(node, [statement.span])
                case syntax.Update(target, value):
                    self._updates.append((self._operand(target), self._operand(value)))
                case syntax.Return(value):
                    results = self._results(value)
                case _:
                    raise _refuse("a line of a graph applies one op", statement.span)
        if results is None:
            raise _refuse("a graph ends with return", self._node.span)
        self._check_results(results)
        name = mark.get("name", self._node.name)
        return Graph(name, inputs, state, tuple(results), tuple(self._updates))

    def _mark(self) -> dict[str, Any]:
        """What the mark says about names."""
        for decorator in self._node.decorators:
            keywords = _mark_of(decorator)
            if keywords is not None:
                return {one.arg: self._reader.value(one.value) for one in keywords}
        raise _refuse(f"{self._node.name} is not marked as a graph", self._node.span)

    def _parameters(self, mark: Mapping[str, Any]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        nodes: dict[str, list[Node]] = {"inputs": [], "state": []}
        for parameter in self._node.parameters:
            if isinstance(parameter, syntax.StateParameter):
                kind, spelled = "state", _place(parameter.target)
            else:
                kind, spelled = "inputs", parameter.name
            if parameter.annotation is None:
                raise _refuse(f"{spelled} has no type", parameter.span)
            names = mark.get(kind)
            position = len(nodes[kind])
            if names is not None and position >= len(names):
                raise _refuse(f"@graph names {len(names)} of the {kind}", parameter.span)
            type_ = self._reader.type(parameter.annotation)
            name = spelled if names is None else names[position]
            node = graph_input(name, type_.dtype, type_.shape)
            nodes[kind].append(node)
            self._define(spelled, node, parameter.span)
        return tuple(nodes["inputs"]), tuple(nodes["state"])

    def _define(self, name: str, node: Node, span: Span) -> None:
        if name in self._values:
            raise _refuse(f"{name!r} is defined twice", span)
        self._values[name] = node

    def _applied(self, call: syntax.Call) -> Node:
        function = call.function
        if not isinstance(function, syntax.Name):
            raise _refuse("a line of a graph applies one op", call.span)
        operands = [self._operand(one) for one in call.args]
        attributes = {one.arg: self._reader.value(one.value) for one in call.keywords}
        try:
            node = find(function.id)(*operands, **attributes)
            if not _is_sound(node.type):
                raise TypeError(f"{attributes} are no attributes of it")
            return node
        except GraphcError as error:
            raise error.at(call.span) from error.__cause__
        except (TypeError, AttributeError, ValueError, IndexError) as error:
            # A rule of an op may rely on the kinds of attributes, and a text can hold any.
            raise _refuse(f"{function.id}: {error}", call.span) from error

    def _operand(self, node: syntax.Expression) -> Node:
        name = node.id if isinstance(node, syntax.Name) else _place(node)
        if name not in self._values:
            raise _refuse(f"nothing is called {name!r} here", node.span)
        return self._values[name]

    def _results(self, value: syntax.Expression | None) -> list[Node]:
        if value is None:
            return []
        elements = value.elements if isinstance(value, syntax.Tuple) else (value,)
        return [self._operand(one) for one in elements]

    def _check_results(self, results: list[Node]) -> None:
        annotation = self._node.returns
        if annotation is None:
            return
        is_tuple = isinstance(annotation, syntax.TupleType)
        elements = annotation.elements if is_tuple else (annotation,)  # type: ignore[attr-defined]
        expected = [self._reader.type(one) for one in elements]
        found = [node.type for node in results]
        if found != expected:
            raise _refuse(
                f"the results are {_listed(found)}, expected {_listed(expected)}", annotation.span
            )


def _is_sound(type_: Any) -> bool:
    """Whether a type is made of what types are made of, whatever its op was given."""
    if isinstance(type_, TupleType):
        return all(map(_is_sound, type_.elements))
    return isinstance(type_.dtype, dtypes.DType) and all(
        isinstance(size, int | Dim) and not isinstance(size, bool) for size in type_.shape
    )


def _listed(types: Any) -> str:
    return ", ".join(map(str, types)) or "none"


def _place(node: syntax.Expression) -> str:
    """The path that the name of state stands for."""
    parts: list[str] = []
    while not isinstance(node, syntax.Name):
        match node:
            case syntax.Attribute(value, attr):
                parts.append(attr)
                node = value
            case syntax.Subscript(value, (syntax.Integer(number),)):
                parts.append(str(number))
                node = value
            case _:
                raise _refuse("an operand is the name of a value", node.span)
    return ".".join([node.id, *reversed(parts)])
