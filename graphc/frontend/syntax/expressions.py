"""The nodes of expressions."""

from __future__ import annotations

from dataclasses import field, fields

from graphc.frontend.syntax.node import Expression, Node
from graphc.frontend.syntax.precedence import BINARY_PRECEDENCE, REDUCTIONS

__all__ = [
    "Attribute",
    "Binary",
    "Boolean",
    "Call",
    "Clause",
    "Compare",
    "Conditional",
    "EllipsisLiteral",
    "Float",
    "Index",
    "Integer",
    "Keyword",
    "List",
    "ListComprehension",
    "Name",
    "NoneLiteral",
    "Postfix",
    "Reduction",
    "Slice",
    "String",
    "Subscript",
    "Tuple",
    "Unary",
]


class Name(Expression):
    """`x`"""

    id: str


class Index(Name):
    """`i: 3`: the name of an index where index notation introduces it, and how far it runs."""

    extent: Expression


class Integer(Expression):
    """`12`, `1_000`, `0xff`: at most 64 bits. `text` is its spelling in the source."""

    value: int
    text: str = field(default="", compare=False, repr=False)


class Float(Expression):
    """`0.5`, `1e-3`: finite. `text` is its spelling in the source."""

    value: float
    text: str = field(default="", compare=False, repr=False)


class String(Expression):
    """`"mean"`"""

    value: str


class Boolean(Expression):
    """`True`, `False`"""

    value: bool


class NoneLiteral(Expression):
    """`None`"""


class EllipsisLiteral(Expression):
    """`...`"""


class Postfix(Expression):
    """A member, a call or an element of another expression, which is its `receiver`.

    A chain of them, such as `x.relu().sum(axis=0)`, is as deep as it is long, and is written
    without any nesting: only a loop walks over it.
    """

    @property
    def receiver(self) -> Expression:
        """What it is a member, a call or an element of."""
        raise NotImplementedError

    def own(self) -> tuple[object, ...]:
        """What it adds to its receiver: a name, arguments or indices."""
        raise NotImplementedError

    def chain(self) -> tuple[Expression, list[Postfix]]:
        """What the chain that ends here begins with, and its links in order."""
        links = [self]
        first = self.receiver
        while isinstance(first, Postfix):
            links.append(first)
            first = first.receiver
        links.reverse()
        return first, links

    def _parts(self) -> tuple[Expression, tuple[tuple[object, ...], ...]]:
        first, links = self.chain()
        return first, tuple((type(one), *one.own()) for one in links)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Postfix) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        first, links = self.chain()
        opened, closed = "", ""
        for one in links:
            receiver, *rest = (item.name for item in fields(one) if item.repr)
            opened = f"{type(one).__name__}({receiver}={opened}"
            values = zip(rest, one.own(), strict=True)
            closed += "".join(f", {name}={value!r}" for name, value in values) + ")"
        return f"{opened}{first!r}{closed}"


class Attribute(Postfix):
    """`value.attr`"""

    value: Expression
    attr: str

    @property
    def receiver(self) -> Expression:
        """The value."""
        return self.value

    def own(self) -> tuple[object, ...]:
        """The name of the member."""
        return (self.attr,)


class Keyword(Node):
    """`arg=value` in a call."""

    arg: str
    value: Expression


class Call(Postfix):
    """`function(args, keywords)`"""

    function: Expression
    args: tuple[Expression, ...] = ()
    keywords: tuple[Keyword, ...] = ()

    @property
    def receiver(self) -> Expression:
        """The function."""
        return self.function

    def own(self) -> tuple[object, ...]:
        """The arguments."""
        return self.args, self.keywords


class Slice(Expression):
    """`lower:upper:step`, inside a subscript only."""

    lower: Expression | None = None
    upper: Expression | None = None
    step: Expression | None = None


class Subscript(Postfix):
    """`value[indices]`, with at least one index."""

    value: Expression
    indices: tuple[Expression, ...]

    @property
    def receiver(self) -> Expression:
        """The value."""
        return self.value

    def own(self) -> tuple[object, ...]:
        """The indices."""
        return (self.indices,)

    @property
    def reduction(self) -> str | None:
        """The name of a reduction, whose indices these are where a value follows them."""
        name = self.value.id if isinstance(self.value, Name) else None
        return name if name in REDUCTIONS else None


class Tuple(Expression):
    """`(a, b)`, or `a, b` where a whole value stands."""

    elements: tuple[Expression, ...]


class List(Expression):
    """`[a, b]`"""

    elements: tuple[Expression, ...]


class Clause(Node):
    """`for target in iterable if condition` of a comprehension, with any number of conditions."""

    target: Expression
    iterable: Expression
    conditions: tuple[Expression, ...] = ()


class ListComprehension(Expression):
    """`[element for ... for ...]`: the last of its clauses, of one or more, runs fastest."""

    element: Expression
    clauses: tuple[Clause, ...]


class Unary(Expression):
    """`-operand`; the operators are the keys of `UNARY_PRECEDENCE`."""

    operator: str
    operand: Expression


class Binary(Expression):
    """`left + right`; the operators are those of `BINARY_PRECEDENCE` except `COMPARISONS`."""

    left: Expression
    operator: str
    right: Expression

    def chain(self) -> tuple[Expression, list[Binary]]:
        """The first operand and the operations on it, in order, of the chain that ends here.

        A chain, such as `a + b - c`, is as deep as it is long, and is written without any
        nesting: only a loop walks over it. Its operators bind equally tightly; `**`, which
        associates to the right, makes none.
        """
        links = [self]
        precedence = BINARY_PRECEDENCE[self.operator]
        first = self.left
        while (
            isinstance(first, Binary)
            and self.operator != "**"
            and BINARY_PRECEDENCE[first.operator] == precedence
        ):
            links.append(first)
            first = first.left
        links.reverse()
        return first, links

    def _parts(self) -> tuple[Expression, tuple[str, ...], tuple[Expression, ...]]:
        first, links = self.chain()
        return first, tuple(one.operator for one in links), tuple(one.right for one in links)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Binary) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        first, links = self.chain()
        rest = (f", operator={one.operator!r}, right={one.right!r})" for one in links)
        return "Binary(left=" * len(links) + repr(first) + "".join(rest)


class Compare(Expression):
    """`left < b <= c`: one operand more than operators; all the comparisons hold."""

    left: Expression
    operators: tuple[str, ...]
    comparators: tuple[Expression, ...]


class Conditional(Expression):
    """`body if test else orelse`"""

    test: Expression
    body: Expression
    orelse: Expression


class Reduction(Expression):
    """`sum[d] operand`: the operator, one of `REDUCTIONS`, over the named indices."""

    operator: str
    indices: tuple[Name, ...]
    operand: Expression


# Types
