"""The node of the tensor graph: an operation applied to inputs, immutable and interned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from graphc.errors import InternalError
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.interning import Interned
from graphc.ir.source_map import record
from graphc.ir.types import TensorType, Type

if TYPE_CHECKING:
    from graphc.ir.op import Op

__all__ = ["Node", "topological"]

Attributes = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Node(metaclass=Interned):
    """`op` applied to `inputs`; its type follows from the op's type rule when it is built.

    Equal nodes are one object, so `is` compares graphs. Build nodes by calling an op:
    `ops.add(x, y)`. Attribute values are hashable and immutable: numbers, strings, dtypes,
    dims, tuples of these, and graphs.
    """

    op: Op
    inputs: tuple[Node, ...]
    attributes: Attributes
    type: Type = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", self.op.infer(self.op, self.inputs, dict(self.attributes)))

    @property
    def tensor(self) -> TensorType:
        """The type of a node that has one result."""
        if not isinstance(self.type, TensorType):
            raise InternalError(f"{self.op.name} has several results; take one with `project`")
        return self.type

    @property
    def shape(self) -> tuple[DimLike, ...]:
        """The shape of a node that has one result."""
        return self.tensor.shape

    @property
    def dtype(self) -> DType:
        """The dtype of a node that has one result."""
        return self.tensor.dtype

    def __getitem__(self, name: str) -> Any:
        """The value of attribute `name`."""
        for key, value in self.attributes:
            if key == name:
                return value
        raise InternalError(f"{self.op.name} has no attribute {name!r}")

    # Not by numbers, as Python would otherwise: a node is no sequence.
    __iter__ = None

    def __repr__(self) -> str:
        return f"<{self.op.name}: {self.type}>"


def build(op: Op, inputs: tuple[Node, ...], attributes: Attributes) -> Node:
    """The node of `op`, recorded at the current source span."""
    node = Node(op, inputs, attributes)
    record(node)
    return node


def topological(
    roots: Iterable[Node], operands: Callable[[Node], Iterable[Node]] = attrgetter("inputs")
) -> Iterator[Node]:
    """Every node that `roots` depend on, each once, inputs before users.

    `operands` says what a node depends on, where that is not all its inputs.

    The order is that of a depth-first walk from the first root, so it depends on the graph's
    structure alone. The walk keeps its own stack: graphs are deeper than Python's.
    """
    done: set[Node] = set()
    for root in roots:
        if root in done:
            continue
        done.add(root)
        stack = [(root, iter(operands(root)))]
        while stack:
            node, pending = stack[-1]
            for child in pending:
                if child not in done:
                    done.add(child)
                    stack.append((child, iter(operands(child))))
                    break
            else:
                stack.pop()
                yield node
