"""The nodes of statements and whole files."""

from __future__ import annotations

from graphc.frontend.syntax.expressions import Name
from graphc.frontend.syntax.node import Expression, Node, Statement, Type

__all__ = [
    "Assign",
    "AugmentedAssign",
    "Constant",
    "Declaration",
    "Dimension",
    "Docstring",
    "Export",
    "For",
    "Function",
    "If",
    "Import",
    "ImportFrom",
    "ImportedName",
    "IndexAssign",
    "Model",
    "Module",
    "Parameter",
    "Pass",
    "Return",
    "StateParameter",
    "Update",
    "While",
    "docstring",
]


class Docstring(Statement):
    """A string that opens a module, a model or a function."""

    text: str


class Import(Statement):
    """`import path as alias`"""

    path: str
    alias: str | None = None


class ImportedName(Node):
    """`name as alias`"""

    name: str
    alias: str | None = None


class ImportFrom(Statement):
    """`from path import names`"""

    path: str
    names: tuple[ImportedName, ...]


class Dimension(Statement):
    """`dim name: lower..upper multiple of multiple`; both bounds belong to the range."""

    name: str
    lower: Expression
    upper: Expression
    multiple: Expression | None = None


class Constant(Statement):
    """`const name = value`"""

    name: str
    value: Expression


class Export(Statement):
    """`export name = value`"""

    name: str
    value: Expression


class Parameter(Node):
    """`name: annotation = default` of a model or a function."""

    name: str
    annotation: Type | None = None
    default: Expression | None = None


class StateParameter(Node):
    """`state fc1.weight: f32[64, 256]`: state that a function reads and may update."""

    target: Expression
    annotation: Type


class Model(Statement):
    """`model name(parameters): body`"""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


class Function(Statement):
    """`def name(parameters) -> returns: body` below its decorators."""

    name: str
    parameters: tuple[Parameter | StateParameter, ...]
    returns: Type | None
    body: tuple[Statement, ...]
    decorators: tuple[Expression, ...] = ()


class Declaration(Statement):
    """`param name: annotation = initializer`, or `state` for what training does not touch."""

    kind: str
    name: str
    annotation: Type
    initializer: Expression | None = None


class Assign(Statement):
    """`target: annotation = value`; the target is a name or a tuple of targets."""

    target: Expression
    value: Expression
    annotation: Type | None = None


class IndexAssign(Statement):
    """`name[i, j: 3] = value` in index notation: defines every element of a new tensor."""

    name: str
    indices: tuple[Name, ...]
    value: Expression


class AugmentedAssign(Statement):
    """`name += value`: the name is bound to a new value."""

    name: str
    operator: str
    value: Expression


class Update(Statement):
    """`update fc1.weight = value`: the state's value after the call."""

    target: Expression
    value: Expression


class For(Statement):
    """`for target in iterable: body`"""

    target: Expression
    iterable: Expression
    body: tuple[Statement, ...]


class While(Statement):
    """`while test, at most bound: body`"""

    test: Expression
    bound: Expression
    body: tuple[Statement, ...]


class If(Statement):
    """`if test: body else: orelse`; an `elif` is an `If` alone in `orelse`."""

    test: Expression
    body: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()

    def chain(self) -> tuple[list[If], tuple[Statement, ...]]:
        """The `if` and every `elif` in order, and the block of the `else` behind them.

        They are as deep as they are many, and are written without any nesting: only a loop walks
        over them.
        """
        links = [self]
        rest = self.orelse
        while len(rest) == 1 and isinstance(rest[0], If):
            links.append(rest[0])
            rest = rest[0].orelse
        return links, rest

    def _parts(self) -> tuple[object, ...]:
        links, rest = self.chain()
        return tuple((one.test, one.body) for one in links), rest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, If) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        links, rest = self.chain()
        opened = (f"If(test={one.test!r}, body={one.body!r}, orelse=" for one in links)
        return "(".join(opened) + repr(rest) + ")" + ",))" * (len(links) - 1)


class Return(Statement):
    """`return value`"""

    value: Expression | None = None


class Pass(Statement):
    """`pass`"""


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
