"""What a simplification rule is, and how an algebraic identity is written as one line.

A rule replaces a node by an equal one. Equal means bit for bit: for infinities, NaN (of any
sign and payload), negative zero, subnormal numbers, integers at the end of their range, empty
tensors, and every value of a named dim. So `x + 0.0 => x` is no rule for floats, since it fails
for -0.0, and `x + -0.0 => x` is one.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphc.errors import InternalError
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType, PythonScalar
from graphc.ir.node import Node
from graphc.ir.op import Elementwise, Op, find
from graphc.ir.ops.creation.constants import constant, full
from graphc.ir.ops.structural import graph_input
from graphc.ir.ops.views.shape import broadcast_to

__all__ = ["Rule", "filled_value", "identity", "scalar_below"]


@dataclass(frozen=True)
class Rule:
    """A replacement with a name.

    Attributes:
        name: in errors and tests; for an identity its own text.
        ops: the ops that it applies to; empty for any op.
        apply: from a node of such an op to an equal node, or None where it does not apply.
        examples: nodes on which the rule applies, over inputs whose dims are small numbers. The
            tests fire the rule on each, and compare both sides on random and special values.
        reorders: whether it adds the terms of a sum in another order, which is the one thing
            that a rule may change: the order in which a sum is carried out is no part of its
            meaning. Floats then agree to rounding.
    """

    name: str
    ops: tuple[Op, ...]
    apply: Callable[[Node], Node | None]
    examples: Callable[[], Iterable[Node]]
    reorders: bool = False


# -- constants ------------------------------------------------------------------------------------


def scalar_below(node: Node) -> Node | None:
    """The rank-0 node that fills `node`: itself, or what it is broadcast from."""
    if node.op is broadcast_to:
        node = node.inputs[0]
    return None if node.shape else node


def filled_value(node: Node) -> PythonScalar | None:
    """The number that every element of `node` is, where that is known."""
    scalar = scalar_below(node)
    if scalar is None or scalar.op is not constant:
        return None
    value: PythonScalar = scalar["value"]
    return value


# -- identities -----------------------------------------------------------------------------------

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
    ast.LShift: "bitwise_left_shift",
    ast.RShift: "bitwise_right_shift",
}
_COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "negative", ast.Invert: "bitwise_invert"}

_PREDICATES = ("p", "q")


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str


@dataclass(frozen=True, slots=True)
class _Number:
    value: PythonScalar


@dataclass(frozen=True, slots=True)
class _Apply:
    op: Op
    operands: tuple[_Term, ...]


_Term = _Variable | _Number | _Apply
_Bindings = dict[str, Node]


def identity(text: str, kinds: Iterable[str] = ()) -> Rule:
    """The rule `left => right` over elementwise ops.

    Both sides are expressions of numbers, variables, operators, and ops by name. The variables
    p and q are of dtype bool; all others have one dtype, of one of `kinds`. A number stands for
    a tensor filled with it; 0.0 and -0.0 are told apart, and an int is of the dtype around it.
    Where an op commutes, its operands match in either order.

    >>> identity("x * 1 => x", ["float"]).name
    'x * 1 => x'
    """
    left_text, right_text = text.split("=>")
    left, right = _parsed(left_text), _parsed(right_text)
    if not isinstance(left, _Apply):
        raise InternalError(f"the rule {text!r} does not begin with an op")
    accepted = frozenset(kinds)

    def apply(node: Node) -> Node | None:
        for bindings in _matches(left, node, {}):
            if accepted and not all(
                bound.dtype.kind in accepted
                for name, bound in bindings.items()
                if name not in _PREDICATES
            ):
                continue
            like = next((b for n, b in bindings.items() if n not in _PREDICATES), node)
            return _built(right, bindings, node, like.dtype)
        return None

    return Rule(text, (left.op,), apply, lambda: _examples(left, accepted))


def _parsed(text: str) -> _Term:
    return _term(ast.parse(text.strip(), mode="eval").body)


def _term(node: ast.expr) -> _Term:
    match node:
        case ast.Name(id=name):
            return _Variable(name)
        case ast.Constant(value=bool() | int() | float() as value):
            return _Number(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return _Number(-value)
        case ast.UnaryOp(op=operator, operand=operand) if type(operator) in _UNARY:
            return _Apply(find(_UNARY[type(operator)]), (_term(operand),))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
            return _Apply(find(_BINARY[type(operator)]), (_term(left), _term(right)))
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if (
            type(operator) in _COMPARISON
        ):
            return _Apply(find(_COMPARISON[type(operator)]), (_term(left), _term(right)))
        case ast.Call(func=ast.Name(id=name), args=operands, keywords=[]):
            return _Apply(find(name), tuple(map(_term, operands)))
    raise InternalError(f"a rule cannot be written with {ast.unparse(node)!r}")


def _matches(term: _Term, node: Node, bindings: _Bindings) -> Iterator[_Bindings]:
    """Every way in which `node` is an instance of `term`, as values of the variables."""
    if isinstance(term, _Variable):
        if bindings.get(term.name, node) is node:
            yield {**bindings, term.name: node}
    elif isinstance(term, _Number):
        if _is_number(node, term.value):
            yield bindings
    elif node.op is term.op:
        yield from _matches_all(term.operands, node.inputs, bindings)
        if isinstance(node.op.lowering, Elementwise) and node.op.lowering.commutes:
            yield from _matches_all(term.operands, node.inputs[::-1], bindings)


def _matches_all(
    terms: Sequence[_Term], nodes: Sequence[Node], bindings: _Bindings
) -> Iterator[_Bindings]:
    if not terms:
        yield bindings
        return
    for found in _matches(terms[0], nodes[0], bindings):
        yield from _matches_all(terms[1:], nodes[1:], found)


def _is_number(node: Node, value: PythonScalar) -> bool:
    held = filled_value(node)
    if held is None or isinstance(held, bool) is not isinstance(value, bool):
        return False
    if isinstance(held, float) and held == value == 0:
        return math.copysign(1, held) == math.copysign(1, value.real)
    return held == value


def _built(term: _Term, bindings: Mapping[str, Node], like: Node, dtype: DType) -> Node:
    """The term as a node. The result has the type of `like`, numbers inside have `dtype`."""
    if isinstance(term, _Variable):
        return bindings[term.name]
    if isinstance(term, _Number):
        is_result = dtypes.bool_ if isinstance(term.value, bool) else dtype
        return full(like.shape, term.value, is_result)
    return term.op(*(_built(operand, bindings, like, dtype) for operand in term.operands))


_EXAMPLE_SHAPES = ((7,), (), (0, 3))


def _examples(left: _Apply, kinds: frozenset[str]) -> Iterator[Node]:
    """The left side over inputs, in every dtype that the rule takes."""
    names = sorted(set(_variables(left)))
    only_predicates = all(name in _PREDICATES for name in names)
    for dtype in (dtypes.bool_,) if only_predicates else dtypes.computable():
        if kinds and dtype.kind not in kinds:
            continue
        for shape in _EXAMPLE_SHAPES:
            bindings = {
                name: graph_input(name, dtypes.bool_ if name in _PREDICATES else dtype, shape)
                for name in names
            }
            like = next(iter(bindings.values()))
            yield _built(left, bindings, like, dtype)


def _variables(term: _Term) -> Iterator[str]:
    if isinstance(term, _Variable):
        yield term.name
    elif isinstance(term, _Apply):
        for operand in term.operands:
            yield from _variables(operand)
