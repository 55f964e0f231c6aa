"""The verifier of the tensor IR: every invariant of a graph, as named checks in one list.

A broken invariant is a defect of the compiler or of whoever built the graph by hand. The error
names the check, says what it guarantees, shows the neighbourhood of the node, and names the
pass that ran last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from graphc.errors import GraphcError, Span, VerificationError
from graphc.ir import dims
from graphc.ir.dims import Dim
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph, nested_graphs
from graphc.ir.listing import neighbourhood
from graphc.ir.node import Node
from graphc.ir.op import registry
from graphc.ir.ops.structural import input_
from graphc.ir.record import Record
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType, TupleType

__all__ = ["CHECKS", "Check", "Violation", "run_checks", "verify"]

_Checked = TypeVar("_Checked")


class Violation(Record):
    """What one check found wrong, and at which node if it is one node's fault."""

    text: str
    node: Node | None = None


class Check(Record, Generic[_Checked]):
    """An invariant of graphs.

    Attributes:
        name: in errors and in tests.
        guarantee: what holds for every graph that passes.
        function: yields what breaks it. It may rely on the checks before it in `CHECKS`.
    """

    name: str
    guarantee: str
    function: Callable[[_Checked], Iterator[Violation]]


def verify(graph: Graph, *, after: str | None = None, sources: SourceMap | None = None) -> None:
    """Check every invariant of the graph and of the graphs in its attributes.

    Args:
        graph: what to check.
        after: the pass that made it, for the error.
        sources: where its nodes come from, for the error.

    Raises:
        VerificationError: the first check that fails, in the order of `CHECKS`.
    """
    roots = (*graph.inputs, *graph.state, *graph.roots)
    run_checks(CHECKS, graph, f"graph {graph.name!r}", roots, after=after, sources=sources)
    # Nodes never change, so one that has passed is not looked at again.
    _verified.update(graph.nodes())


def run_checks(
    checks: Iterable[Check[_Checked]],
    value: _Checked,
    what: str,
    roots: Iterable[Node] = (),
    *,
    after: str | None = None,
    sources: SourceMap | None = None,
) -> None:
    """Run checks one after another.

    Args:
        checks: in their order.
        value: what they look at; `what` names it in the error.
        roots: of the graph that it was made from, whose nodes the error shows.
        after: the pass that made it, for the error.
        sources: where its nodes come from, for the error.

    Raises:
        VerificationError: the first check that fails.
    """
    for check in checks:
        for violation in check.function(value):
            notes = [f"check {check.name}: {check.guarantee}"]
            span: Span | None = None
            if violation.node is not None:
                notes += neighbourhood(violation.node, roots)
                span = next(iter(sources.spans(violation.node)), None) if sources else None
            if after is not None:
                notes.append(f"after the pass {after!r}")
            raise VerificationError(f"{what}: {violation.text}", span=span, notes=notes)


_verified: WeakSet[Node] = WeakSet()


def _fresh(graph: Graph) -> Iterator[Node]:
    return (node for node in graph.nodes() if node not in _verified)


# -- checks of single nodes -----------------------------------------------------------------------


def _acyclic(graph: Graph) -> Iterator[Violation]:
    done: set[Node] = set()
    for node in graph.nodes():
        for operand in node.inputs:
            if operand not in done:
                yield Violation(f"{node.op.name} depends on itself", node)
        done.add(node)


def _registered(graph: Graph) -> Iterator[Violation]:
    for node in _fresh(graph):
        if registry.get(node.op.name) is not node.op:
            yield Violation(f"{node.op.name!r} is not a declared op", node)


def _arity(graph: Graph) -> Iterator[Violation]:
    for node in _fresh(graph):
        if node.op.arity is not None and node.op.arity != len(node.inputs):
            yield Violation(
                f"{node.op.name} takes {node.op.arity} operands and has {len(node.inputs)}", node
            )


_PLAIN_KINDS = (bool, int, float, complex, str, bytes, type(None))
_STRUCTURED_KINDS = (DType, Dim, TensorType, TupleType, Graph)


def _is_allowed(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_allowed, value))
    return type(value) in _PLAIN_KINDS or isinstance(value, _STRUCTURED_KINDS)


def _attributes(graph: Graph) -> Iterator[Violation]:
    for node in _fresh(graph):
        declared = tuple(parameter.name for parameter in node.op.parameters)
        given = tuple(name for name, _ in node.attributes)
        if given != declared:
            yield Violation(f"{node.op.name} has attributes {given}, expected {declared}", node)
        for name, value in node.attributes:
            if not _is_allowed(value):
                kind = type(value).__name__
                yield Violation(f"{node.op.name}: attribute {name!r} holds a {kind}", node)


def _types(graph: Graph) -> Iterator[Violation]:
    for node in _fresh(graph):
        try:
            inferred = node.op.infer(node.op, node.inputs, dict(node.attributes))
        except GraphcError as error:
            yield Violation(f"{node.op.name} is ill-typed: {error.message}", node)
            continue
        if inferred is not node.type:
            yield Violation(f"{node.op.name} has type {node.type}, its rule says {inferred}", node)


def _nested(graph: Graph) -> Iterator[Violation]:
    for node in _fresh(graph):
        for nested in nested_graphs(node):
            if nested.state:
                yield Violation(f"the graph {nested.name!r} inside a node has state", node)
            for check in CHECKS:
                for violation in check.function(nested):
                    what = f"in the nested graph {nested.name!r}, check {check.name}"
                    yield Violation(f"{what}: {violation.text}", node)


# -- checks of the graph --------------------------------------------------------------------------


def _inputs(graph: Graph) -> Iterator[Violation]:
    for node in (*graph.inputs, *graph.state, *(state for state, _ in graph.updates)):
        if node.op is not input_:
            yield Violation(f"{node.op.name} stands among inputs and state", node)


def _names(graph: Graph) -> Iterator[Violation]:
    seen: set[str] = set()
    for node in (*graph.inputs, *graph.state):
        if node["name"] in seen:
            yield Violation(f"two inputs are called {node['name']!r}", node)
        seen.add(node["name"])


def _closed(graph: Graph) -> Iterator[Violation]:
    listed = {*graph.inputs, *graph.state}
    for node in graph.nodes():
        if node.op is input_ and node not in listed:
            yield Violation(f"the input {node['name']!r} is used and not listed", node)


def _results(graph: Graph) -> Iterator[Violation]:
    for node in graph.roots:
        if not isinstance(node.type, TensorType):
            yield Violation(f"a result is not one tensor but {node.type}", node)


def _updates(graph: Graph) -> Iterator[Violation]:
    seen: set[Node] = set()
    for state, value in graph.updates:
        if state not in graph.state:
            yield Violation(f"the update of {state['name']!r} is of no state of the graph", state)
        if state in seen:
            yield Violation(f"{state['name']!r} is updated twice", state)
        if value.type is not state.type:
            yield Violation(f"{state['name']!r} is {state.type}, its update {value.type}", state)
        seen.add(state)


def _dims_of_type(type_: object) -> Iterator[Dim]:
    for tensor in type_.elements if isinstance(type_, TupleType) else (type_,):
        if isinstance(tensor, TensorType):
            for dim in tensor.shape:
                yield from dims.variables(dim).values()


def _dims_of_value(value: object) -> Iterator[Dim]:
    if isinstance(value, tuple):
        for part in value:
            yield from _dims_of_value(part)
    elif isinstance(value, Dim):
        yield from dims.variables(value).values()


def _dims_of_node(node: Node) -> Iterator[Dim]:
    yield from _dims_of_type(node.type)
    for _, value in node.attributes:
        yield from _dims_of_value(value)


def _dims(graph: Graph) -> Iterator[Violation]:
    known: dict[str, Dim] = {}
    for node in (*graph.inputs, *graph.state, *graph.nodes()):
        for dim in _dims_of_node(node):
            if known.setdefault(str(dim), dim) is not dim:
                yield Violation(f"two dims are called {dim}", node)


CHECKS: tuple[Check[Graph], ...] = (
    Check("acyclic", "every operand is computed before its users", _acyclic),
    Check("registered", "every op is the one declared under its name", _registered),
    Check("arity", "every node has as many operands as its op takes", _arity),
    Check(
        "attributes",
        "the attributes are those the op declares, in that order; their values are numbers, "
        "strings, bytes, dtypes, dims, types, graphs, None, and tuples of these",
        _attributes,
    ),
    Check("types", "the type of every node is what its op infers from the operands", _types),
    Check("inputs", "inputs, state and the targets of updates are input nodes", _inputs),
    Check("names", "the names of inputs and state are distinct", _names),
    Check("closed", "every input that is used is listed among inputs or state", _closed),
    Check("results", "results and updates are single tensors", _results),
    Check("updates", "each state is updated at most once, by a value of its type", _updates),
    Check("dims", "one name of a dim means one dim, with one range", _dims),
    Check("nested", "graphs in attributes have no state and satisfy these checks", _nested),
)
"""Every invariant, in the order in which they are checked."""
