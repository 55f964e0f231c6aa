"""The syntax tree of the `.gc` language.

Nodes are immutable and compare by structure: the span says where a node stands in its source
and takes no part in equality. Class and field names follow Python's own `ast` module where it
has the concept. A tree that came from `parse` obeys two bounds, `MAX_EXPRESSION_DEPTH` and
`MAX_BLOCK_DEPTH`, so that recursive walks over it are safe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from graphc.errors import Span

__all__ = [
    "BINARY_PRECEDENCE",
    "COMPARISONS",
    "MAX_BLOCK_DEPTH",
    "MAX_EXPRESSION_DEPTH",
    "REDUCTIONS",
    "UNARY_PRECEDENCE",
    "Assign",
    "Attribute",
    "AugmentedAssign",
    "Binary",
    "Boolean",
    "Call",
    "Compare",
    "Conditional",
    "Constant",
    "Declaration",
    "Dimension",
    "Docstring",
    "EllipsisLiteral",
    "Export",
    "Expression",
    "Float",
    "For",
    "Function",
    "If",
    "Import",
    "ImportFrom",
    "ImportedName",
    "IndexAssign",
    "Integer",
    "Keyword",
    "List",
    "ListComprehension",
    "Model",
    "Module",
    "Name",
    "NamedType",
    "Node",
    "NoneLiteral",
    "Parameter",
    "Pass",
    "Reduction",
    "Return",
    "Slice",
    "StateParameter",
    "Statement",
    "String",
    "Subscript",
    "TensorType",
    "Tuple",
    "TupleType",
    "Type",
    "Unary",
    "Update",
    "While",
    "children",
    "docstring",
]

MAX_EXPRESSION_DEPTH = 100
MAX_BLOCK_DEPTH = 32

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")

# How tightly operators bind, as in Python; `**` alone associates to the right.
BINARY_PRECEDENCE = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(COMPARISONS, 4),
    "|": 5,
    "^": 6,
    "&": 7,
    **dict.fromkeys(("<<", ">>"), 8),
    **dict.fromkeys(("+", "-"), 9),
    **dict.fromkeys(("*", "/", "//", "%", "@"), 10),
    "**": 12,
}
UNARY_PRECEDENCE = {"not": 3, "+": 11, "-": 11, "~": 11}

# The prefixes of index notation, `sum[d] a[i, d] * b[d]`. Their operand is a whole product.
REDUCTIONS = ("sum", "prod", "max", "min", "mean", "any", "all")

_UNKNOWN = Span("<unknown>", 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Node:
    """Anything with a place in the source."""

    span: Span = field(default=_UNKNOWN, compare=False, repr=False, kw_only=True)


class Expression(Node):
    """Something with a value."""

    __slots__ = ()


class Type(Node):
    """The annotation of a parameter, a result or a name."""

    __slots__ = ()


class Statement(Node):
    """One line, or a header with its block."""

    __slots__ = ()


# Expressions


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """`x`"""

    id: str


@dataclass(frozen=True, slots=True)
class Integer(Expression):
    """`12`, `1_000`, `0xff`: at most 64 bits. `text` is its spelling in the source."""

    value: int
    text: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Float(Expression):
    """`0.5`, `1e-3`: finite. `text` is its spelling in the source."""

    value: float
    text: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class String(Expression):
    """`"mean"`"""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Expression):
    """`True`, `False`"""

    value: bool


@dataclass(frozen=True, slots=True)
class NoneLiteral(Expression):
    """`None`"""


@dataclass(frozen=True, slots=True)
class EllipsisLiteral(Expression):
    """`...`"""


@dataclass(frozen=True, slots=True)
class Attribute(Expression):
    """`value.attr`"""

    value: Expression
    attr: str


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """`arg=value` in a call."""

    arg: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`function(args, keywords)`"""

    function: Expression
    args: tuple[Expression, ...] = ()
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice(Expression):
    """`lower:upper:step`, inside a subscript only."""

    lower: Expression | None = None
    upper: Expression | None = None
    step: Expression | None = None


@dataclass(frozen=True, slots=True)
class Subscript(Expression):
    """`value[indices]`, with at least one index."""

    value: Expression
    indices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Tuple(Expression):
    """`(a, b)`, or `a, b` where a whole value stands."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class List(Expression):
    """`[a, b]`"""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListComprehension(Expression):
    """`[element for target in iterable if condition]`"""

    element: Expression
    target: Expression
    iterable: Expression
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`-operand`; the operators are the keys of `UNARY_PRECEDENCE`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`left + right`; the operators are those of `BINARY_PRECEDENCE` except `COMPARISONS`."""

    left: Expression
    operator: str
    right: Expression


@dataclass(frozen=True, slots=True)
class Compare(Expression):
    """`left < b <= c`: one operand more than operators; all the comparisons hold."""

    left: Expression
    operators: tuple[str, ...]
    comparators: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`body if test else orelse`"""

    test: Expression
    body: Expression
    orelse: Expression


@dataclass(frozen=True, slots=True)
class Reduction(Expression):
    """`sum[d] operand`: the operator, one of `REDUCTIONS`, over the named indices."""

    operator: str
    indices: tuple[Name, ...]
    operand: Expression


# Types


@dataclass(frozen=True, slots=True)
class TensorType(Type):
    """`f32[B, 64]`, `f32[]`, `f32[..., N]`"""

    dtype: str
    shape: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class NamedType(Type):
    """`MLP`, `layers.Block`: a model as the type of a value."""

    name: Expression


@dataclass(frozen=True, slots=True)
class TupleType(Type):
    """`(f32[B], i32[B])`"""

    elements: tuple[Type, ...]


# Statements


@dataclass(frozen=True, slots=True)
class Docstring(Statement):
    """A string that opens a module, a model or a function."""

    text: str


@dataclass(frozen=True, slots=True)
class Import(Statement):
    """`import path as alias`"""

    path: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedName(Node):
    """`name as alias`"""

    name: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class ImportFrom(Statement):
    """`from path import names`"""

    path: str
    names: tuple[ImportedName, ...]


@dataclass(frozen=True, slots=True)
class Dimension(Statement):
    """`dim name: lower..upper multiple of multiple`; both bounds belong to the range."""

    name: str
    lower: Expression
    upper: Expression
    multiple: Expression | None = None


@dataclass(frozen=True, slots=True)
class Constant(Statement):
    """`const name = value`"""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Export(Statement):
    """`export name = value`"""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """`name: annotation = default` of a model or a function."""

    name: str
    annotation: Type | None = None
    default: Expression | None = None


@dataclass(frozen=True, slots=True)
class StateParameter(Node):
    """`state fc1.weight: f32[64, 256]`: state that a function reads and may update."""

    target: Expression
    annotation: Type


@dataclass(frozen=True, slots=True)
class Model(Statement):
    """`model name(parameters): body`"""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Function(Statement):
    """`def name(parameters) -> returns: body` below its decorators."""

    name: str
    parameters: tuple[Parameter | StateParameter, ...]
    returns: Type | None
    body: tuple[Statement, ...]
    decorators: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration(Statement):
    """`param name: annotation = initializer`, or `state` for what training does not touch."""

    kind: str
    name: str
    annotation: Type
    initializer: Expression | None = None


@dataclass(frozen=True, slots=True)
class Assign(Statement):
    """`target: annotation = value`; the target is a name or a tuple of targets."""

    target: Expression
    value: Expression
    annotation: Type | None = None


@dataclass(frozen=True, slots=True)
class IndexAssign(Statement):
    """`name[i, j] = value` in index notation: defines every element of a new tensor."""

    name: str
    indices: tuple[Name, ...]
    value: Expression


@dataclass(frozen=True, slots=True)
class AugmentedAssign(Statement):
    """`name += value`: the name is bound to a new value."""

    name: str
    operator: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Update(Statement):
    """`update fc1.weight = value`: the state's value after the call."""

    target: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class For(Statement):
    """`for target in iterable: body`"""

    target: Expression
    iterable: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class While(Statement):
    """`while test, at most bound: body`"""

    test: Expression
    bound: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class If(Statement):
    """`if test: body else: orelse`; an `elif` is an `If` alone in `orelse`."""

    test: Expression
    body: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Return(Statement):
    """`return value`"""

    value: Expression | None = None


@dataclass(frozen=True, slots=True)
class Pass(Statement):
    """`pass`"""


@dataclass(frozen=True, slots=True)
class Module(Node):
    """A source file."""

    body: tuple[Statement, ...]


def docstring(node: Module | Model | Function) -> str | None:
    """The text of the docstring that opens a module, a model or a function, if there is one.

    >>> docstring(Module((Docstring("Digits."), Pass())))
    'Digits.'
    """
    first = node.body[0] if node.body else None
    return first.text if isinstance(first, Docstring) else None


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below a node, in the order of their fields.

    >>> list(children(Unary("-", Name("x"))))
    [Name(id='x')]
    """
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (child for child in value if isinstance(child, Node))
