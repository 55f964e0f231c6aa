"""The op contract: one declaration holds every fact of an operation.

Autodiff, printers, emitters, the evaluator, the language and the tests read declarations from
the registry and name no op themselves. A new op is one declaration in one file of `ir/ops/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from graphc.errors import GraphcError, InternalError, NameLookupError, UsageError, did_you_mean
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Expr, Index, Read
from graphc.ir.graph import Graph
from graphc.ir.node import Node, build
from graphc.ir.record import Record
from graphc.ir.types import TensorType, Type

__all__ = [
    "Branch",
    "BranchParts",
    "Call",
    "Contraction",
    "Cumulative",
    "Decomposition",
    "Element",
    "Elementwise",
    "HostCall",
    "Loop",
    "LoopParts",
    "Lowering",
    "Op",
    "Parameter",
    "Reduction",
    "Refused",
    "RowFunction",
    "Sample",
    "Scatter",
    "Source",
    "Structural",
    "View",
    "find",
    "functions",
    "registry",
    "surface",
]

REQUIRED: Any = object()


class Parameter(Record):
    """An attribute of an op: its name, and its default unless it must be given."""

    name: str
    default: Any = REQUIRED


class Call(Record):
    """What a reference implementation is told: attributes and types with every dim a number.

    Attributes:
        attributes: those of the node.
        type: what the reference must return.
        operands: the operands' types in the graph. In a precise evaluation the arrays are of
            wider dtypes than these, and so is `type`.
        run: the results of a graph among the attributes, given the arrays of its inputs.
    """

    attributes: Mapping[str, Any]
    type: Type
    operands: tuple[Type, ...]
    run: Callable[[Graph, Sequence[Any]], tuple[np.ndarray[Any, Any], ...]] | None = None

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        assert isinstance(self.type, TensorType)
        return tuple(dim for dim in self.type.shape if isinstance(dim, int))

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        assert isinstance(self.type, TensorType)
        return self.type.dtype


# -- lowerings: how an op becomes part of a kernel -------------------------------------------


class Elementwise(Record):
    """out[i] = f(in0[i], in1[i], ...): a scalar expression of C.

    Attributes:
        c: the spelling, with {0}, {1} for operands, {t} for the suffix of the compute dtype
            of the first operand (`gc_exp_{t}({0})` calls the device function for that dtype).
            One text for all kinds of dtype, or one by kind of the first operand's dtype
            ("float", "signed", "unsigned", "bool", "complex"), with "*" for the rest. Each
            operand occurs once, and the value is one of the result's dtype: an integer
            narrower than C's `int` is wrapped after every op, f16 and bf16 are rounded.
        cheap: whether computing it again costs less than keeping it in memory.
        commutes: whether the operands may change places. That may decide which of two NaNs comes
            out, and which of two zeros.
    """

    c: str | Mapping[str, str]
    cheap: bool = True
    commutes: bool = False

    def spelling(self, dtype: DType) -> str:
        """The C spelling for operands of `dtype`."""
        if isinstance(self.c, str):
            return self.c
        return self.c.get(dtype.kind) or self.c["*"]


class View(Record):
    """out[i] = in[f(i)] or a constant: moves data and computes nothing, so it is never stored.

    `element(node, index, read)` gives the expression of the result at `index`.
    """

    element: Callable[[Node, Index, Read], Expr]


class Element(Record):
    """out[i] = any expression that reads the operands at indices computed from i.

    Attributes:
        cheap: as for `Elementwise`.
        in_place: whether it reads the operands at i, as `Elementwise` does.
    """

    element: Callable[[Node, Index, Read], Expr]
    cheap: bool = False
    in_place: bool = False


class Source(Record):
    """out[i] = f(i) of the index alone: constants, ranges, random bits."""

    element: Callable[[Node, Index, Read], Expr]


class Reduction(Record):
    """A fold over the axes in attribute `axes`, which are removed from the shape.

    Attributes:
        combine: name of the elementwise op of two operands that combines values.
        identity: the value that combining changes nothing with, for the operand's dtype.
    """

    combine: str
    identity: Callable[[DType], bool | int | float]


class Contraction(Record):
    """A matrix product with batch axes: the schedules for matmul claim it."""


class Cumulative(Record):
    """out[i] = step(out[i-1], in0[i], in1[i], ...) along attribute `axis`, in ascending order.

    Attributes:
        step: the expression of an element from the one before it and the operands' elements, all
            in the accumulator's dtype.
        start: what stands before the first element, for the accumulator's dtype.
    """

    step: Callable[[Expr, tuple[Expr, ...]], Expr]
    start: Callable[[DType], bool | int | float | complex]


class RowFunction(Record):
    """Rows along the last axis, of which a device function computes a stretch at a time.

    It is given the row of the result and those of the operands, which lie in memory whole, the
    length of the row, the numbers of `arguments`, and where the stretch begins and how long it is.

    Attributes:
        function: its name, without the dtype of the first operand.
        arguments: numbers that it is given.
    """

    function: Callable[[Node], str]
    arguments: Callable[[Node], tuple[int, ...]]


class Scatter(Record):
    """The first operand with updates combined into elements at indices that are data.

    Operands are the tensor, the updates and one tensor of indices for each axis in attribute
    `axes`; attribute `batch` counts leading axes that tensor and indices share. Attribute
    `combine` names the elementwise op that combines an element with an update, or is "set".
    """


class Decomposition(Record):
    """The same value written with simpler ops. A schedule may claim the op before that."""

    expand: Callable[[Node], Node]


class LoopParts(Record):
    """What a node that runs a graph again and again is made of.

    Attributes:
        body: from carries, rows of `slices` and `constants` to carries and rows of results.
        condition: from carries and `constants` to whether the body runs once more; or None.
        length: how often the body runs; at most, where there is a condition.
        reverse: whether the rows are taken, and given, from the last to the first.
        init: the first carries.
        slices: tensors whose rows the body is given, one at a time.
        constants: what the body is given each time.
    """

    body: Graph
    condition: Graph | None
    length: DimLike
    reverse: bool
    init: tuple[Node, ...]
    slices: tuple[Node, ...]
    constants: tuple[Node, ...]


class Loop(Record):
    """A graph that runs again and again. Results: the last carries, then rows stacked.

    Rows that a condition kept from being computed are zero.
    """

    parts: Callable[[Node], LoopParts]


class BranchParts(Record):
    """What a node that runs one of two graphs is made of: both take `operands`."""

    predicate: Node
    then: Graph
    otherwise: Graph
    operands: tuple[Node, ...]


class Branch(Record):
    """One of two graphs, by the value of a predicate. Results: those of the graph that ran."""

    parts: Callable[[Node], BranchParts]


class HostCall(Record):
    """Computed by the op's own reference on the host, between the kernels.

    For what a well-kept library does better than kernels made here (LAPACK, FFT). A GPU waits
    for the host.
    """


class Structural(Record):
    """Not computed: inputs, projections, markers. Codegen handles them by their role."""


Lowering = (
    Elementwise
    | View
    | Element
    | Source
    | Reduction
    | Contraction
    | Cumulative
    | RowFunction
    | Scatter
    | Decomposition
    | Loop
    | Branch
    | HostCall
    | Structural
)


# -- samples: what the tests of an op are made from ------------------------------------------


class Sample(Record):
    """Operands to try an op on: types for random data, and attributes.

    Attributes:
        operands: types whose dims are numbers.
        domain: open interval that real operands are drawn from.
        smooth: whether a derivative exists all over the domain.
    """

    operands: tuple[TensorType, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    domain: tuple[float, float] = (-2.0, 2.0)
    smooth: bool = True


class Refused(Record):
    """Operands that the type rule must refuse, and with which error."""

    operands: tuple[TensorType, ...]
    attributes: Mapping[str, Any]
    error: type[GraphcError]


InferRule = Callable[["Op", tuple[Node, ...], Mapping[str, Any]], Type]
GradientRule = Callable[..., Sequence[Node | None]]
BatchRule = Callable[[Node, tuple[Node, ...], DimLike], Node]


@dataclass(frozen=True, eq=False, repr=False)
class Op:
    """One operation. Calling it builds a node: operands by position, attributes by name.

    Attributes:
        name: in the language, in Python and in printed graphs.
        arity: number of operands, or None for any number.
        infer: the type of the result; refuses operands that do not fit.
        reference: the result in NumPy, given the `Call` and the operands' arrays.
        lowering: how it becomes part of a kernel.
        gradient: from the node and the cotangent of its result, the cotangent of each operand
            (None where it has none), built from other ops so that any order of derivative
            follows. None: for a `Decomposition` the gradient of what it expands to, for any
            other op no gradient.
        batch: from the node, its operands with one more axis in front, and the size of that
            axis: the node that computes every part of them, with that axis in front. None: by
            the kind of lowering, where that says it (`passes/batch.py`).
        parameters: its attributes, in the order in which they are printed.
        samples, refused: what the op's tests are made from.
        doc: what it computes, for the reference documentation.
    """

    name: str
    arity: int | None
    infer: InferRule
    reference: Callable[..., np.ndarray[Any, Any] | tuple[np.ndarray[Any, Any], ...]]
    lowering: Lowering
    gradient: GradientRule | None = None
    batch: BatchRule | None = None
    parameters: tuple[Parameter, ...] = ()
    samples: Callable[[], Iterable[Sample]] = tuple
    refused: Callable[[], Iterable[Refused]] = tuple
    doc: str = ""

    def __post_init__(self) -> None:
        if self.name in registry:
            raise InternalError(f"the op {self.name!r} is declared twice")
        registry[self.name] = self

    def __call__(self, *operands: Node, **attributes: Any) -> Node:
        """The node of this op; strict: no broadcasting, no promotion (see `surface`)."""
        if self.arity is not None and len(operands) != self.arity:
            raise UsageError(
                f"{self.name} takes {self.arity} operand{'s' * (self.arity != 1)}, "
                f"{len(operands)} were given",
                code="argument-count",
                hint=self._expected(),
            )
        pairs = []
        for parameter in self.parameters:
            value = attributes.pop(parameter.name, parameter.default)
            if value is REQUIRED:
                raise UsageError(
                    f"{self.name} needs the argument {parameter.name!r}", code="argument-missing"
                )
            pairs.append((parameter.name, value))
        if attributes:
            raise UsageError(
                f"{self.name} has no argument {sorted(attributes)[0]!r}",
                code="argument-unknown",
                hint=self._expected(),
            )
        return build(self, tuple(operands), tuple(pairs))

    @property
    def is_elementwise(self) -> bool:
        """Whether each element is computed from those of the operands at the same place."""
        rule = self.lowering
        return isinstance(rule, Elementwise) or (isinstance(rule, Element) and rule.in_place)

    def _expected(self) -> str:
        """What a call gives, as advice."""
        tensors = f"{self.arity} tensor{'s' * (self.arity != 1)}" if self.arity else "tensors alone"
        named = ", ".join(f"{one.name}=..." for one in self.parameters)
        return f"give {tensors}" + (f", and by name {named}" if named else " and nothing by name")

    def __repr__(self) -> str:
        return f"<op {self.name}>"


registry: dict[str, Op] = {}
"""Every declared op by name, in order of declaration."""

functions: dict[str, Callable[..., Any]] = {}
"""What the language and Python call, by name: the forgiving surface of each op (operands are
broadcast and promoted, axes may be negative, Python numbers are taken) and compositions."""


_F = TypeVar("_F", bound=Callable[..., Any])


def surface(*names: str) -> Callable[[_F], _F]:
    """Decorator: offer a function to the language and to Python under these names."""

    def register(function: _F) -> _F:
        for name in names:
            if name in functions:
                raise InternalError(f"the function {name!r} is declared twice")
            functions[name] = function
        return function

    return register


def find(name: str) -> Op:
    """The op called `name`, or an error that suggests the nearest name."""
    try:
        return registry[name]
    except KeyError:
        raise NameLookupError(
            f"there is no op called {name!r}", hint=did_you_mean(name, registry)
        ) from None
