"""The tensor of a trace: it stands for a node, and computing with it builds the graph.

Operators, indexing and methods call the functions of the registry (`graphc.ir.op.functions`);
this module names none but those behind Python's operators. Every call is recorded at the line
of the user's code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

import graphc.ir.ops  # fills the registry
from graphc.errors import (
    DTypeError,
    MemberLookupError,
    NameLookupError,
    UsageError,
    did_you_mean,
)
from graphc.frontend.foreign_names import instead
from graphc.frontend.tracing.active_trace import active_tracing, require_active
from graphc.frontend.tracing.arguments import (
    checked_method,
    first_names,
    is_tensor_first,
    signature_of,
)
from graphc.frontend.tracing.calls import called, with_lists
from graphc.frontend.tracing.index_updates import At
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.members import CASTS, METHODS
from graphc.frontend.tracing.method import Method
from graphc.frontend.tracing.operators import BINARY, UNARY, Operators
from graphc.frontend.tracing.random_draws import draws, with_seed, without_seed
from graphc.frontend.tracing.shown import shown
from graphc.frontend.tracing.size import NumericSize, SymbolicSize, size_of
from graphc.frontend.tracing.trees import map_leaves
from graphc.frontend.tracing.without_value import WithoutValue
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim, DimLike
from graphc.ir.dlpack import from_dlpack, has_dlpack
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.creation.constants import dim_value
from graphc.ir.ops.creation.constants import tensor as table
from graphc.ir.types import TensorType

if TYPE_CHECKING:
    from graphc.frontend.tracing.state import Tracing

__all__ = ["Tensor", "apply", "binary", "call", "function"]

_ARRAY_API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


def call(name: str, *arguments: Any, **keywords: Any) -> Any:
    """The function of the registry called `name`, on tensors.

    Arguments may be tensors, NumPy arrays (constants of the graph), Python numbers, dims, dtypes
    in any spelling, and lists, tuples and dicts of these. Nodes among the results come back as
    tensors.

    Raises:
        NameLookupError: there is no such function.
        UsageError: arguments that the function does not take.
        GraphcError: whatever the function refuses, at the user's line.
    """
    with at_python_line():
        if name not in functions:
            raise NameLookupError(
                f"there is no function {name!r}", hint=did_you_mean(name, functions)
            )
        return _applied(name, functions[name], arguments, keywords)


def function(name: str) -> Callable[..., Any]:
    """The function of the registry called `name`, as one on tensors (see `call`)."""
    lifted = functools.update_wrapper(functools.partial(call, name), functions[name])
    if draws(functions[name]):
        lifted.__signature__ = without_seed(functions[name])  # type: ignore[attr-defined]
    return lifted


def apply(operation: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """A function on nodes, applied to tensors as `call` does, for functions of no registry.

    Its annotations say which of its arguments may be tensors.

    Raises:
        UsageError: arguments that the function does not take.
    """
    with at_python_line():
        return _applied(operation.__name__, operation, arguments, keywords)


def _applied(
    name: str,
    operation: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Any:
    arguments, keywords = with_lists(operation, arguments, first_names(name, operation, keywords))
    given = [_to_node(argument) for argument in arguments]
    named = with_seed(operation, {key: _to_node(value) for key, value in keywords.items()})
    return _to_tensor(called(name, operation, given, named))


def _to_node(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.node
    if isinstance(value, NumericSize | SymbolicSize):
        return value.plain
    if type(value) in (list, tuple):
        return type(value)(map(_to_node, value))
    if isinstance(value, dict):
        return {key: _to_node(item) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*map(_to_node, (value.start, value.stop, value.step)))
    if isinstance(value, np.ndarray):
        return _constant(value)
    if isinstance(value, np.generic):
        return value.item()
    if has_dlpack(value):
        return _constant(from_dlpack(value))
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return dtypes.from_numpy(value)
    return value


def _constant(array: np.ndarray[Any, Any]) -> Node:
    """The elements of an array as a part of the graph."""
    # Plain arrays first: NumPy imports its masked ones when they are first named.
    if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
        raise UsageError(
            "the mask of a masked array would be lost",
            code="argument-type",
            hint="fill it: x.filled(0)",
        )
    dtype = dtypes.from_numpy(array.dtype)
    data = np.ascontiguousarray(array)
    little = data.astype(data.dtype.newbyteorder("<"), copy=False)
    return table(data=little.tobytes(), dtype=dtype, shape=tuple(map(int, array.shape)))


def _to_tensor(value: Any) -> Any:
    return map_leaves(lambda one: Tensor(one) if isinstance(one, Node) else one, value)


def binary(operator: str, left: Any, right: Any) -> Any:
    """`left operator right` for an operator in `BINARY`, where one side is a tensor.

    A dim takes the dtype of the tensor beside it, as a number would.
    """
    try:
        return call(BINARY[operator], _beside(left, right), _beside(right, left))
    except DTypeError as error:
        if operator == "^" and error.hint is None:
            error.hint = "a power is x ** 2"
        raise


def _beside(value: Any, other: Any) -> Any:
    if not isinstance(value, Dim):
        return value
    dtype = other.dtype if isinstance(other, Tensor) else dtypes.i64
    counts = dtype.kind in ("float", "signed", "unsigned")
    with at_python_line():
        return Tensor(dim_value(dim=value, dtype=dtype if counts else dtypes.i64))


_ASKS_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "dtype": (None,),
    "kind": (None, "stable"),
    "mode": ("raise",),
    "order": (None, "C"),
    "out": (None,),
}
"""Values of arguments that NumPy hands over from its own functions, `numpy.mean(x)`, to methods."""


def _method(name: str, *arguments: Any, **keywords: Any) -> Any:
    """The function called `name` as a method, which NumPy calls with arguments of its own."""
    parameters = signature_of(functions[name]).parameters
    asked = {
        key: value
        for key, value in keywords.items()
        if key in parameters or not any(value is one for one in _ASKS_NOTHING.get(key, ()))
    }
    return call(name, *arguments, **asked)


def _refuse_value(value: object) -> NoReturn:
    with at_python_line():
        raise UsageError(
            f"a Tensor is made of {shown(value)}, and stands for a node of a graph",
            code="argument-type",
            hint="a tensor of numbers is gc.tensor([1.0, 2.0]); its type is f32[2]",
        )


_FACTS = ["shape", "dtype", "ndim", "size", "device", "at", "T", "mT", "H", "mH", "real", "imag"]
"""The attributes of a tensor that are no methods, for advice."""


class Tensor(Operators, WithoutValue):
    """A tensor of the graph that is being traced. It has a type, and no value yet.

    Operators follow NumPy's broadcasting and the promotion of the array API standard. Each
    function of the library whose first argument is a tensor is a method too: `x.sum(axis=-1)`,
    `x.reshape(2, -1)`, `x.softmax(dim=1)`. A traced tensor cannot be turned into a Python value:
    `if x > 0` and `float(x)` raise `TracedValueError`, which says what to write.

    >>> from graphc.ir.dtype import f32
    >>> from graphc.ir.ops.structural import graph_input
    >>> x = Tensor(graph_input("x", f32, (3, 4)))
    >>> x.T @ x
    <tensor f32[4, 4]>
    """

    __slots__ = ("_node", "_trace")

    _node: Node
    _trace: Tracing | None

    def __init__(self, node: Node) -> None:
        if not isinstance(node, Node):
            _refuse_value(node)
        self._node = node
        self._trace = active_tracing()

    @property
    def node(self) -> Node:
        """The node that the tensor stands for.

        Raises:
            UsageError: another trace made the tensor.
        """
        if self._trace is not None and self._trace is not active_tracing():
            require_active(self._node, self._trace)
        return self._node

    @property
    def type(self) -> TensorType:
        """Dtype and shape."""
        return self._node.tensor

    @property
    def shape(self) -> tuple[DimLike, ...]:
        """The size of each axis: a number, or a named dim."""
        return self.type.shape

    @property
    def dtype(self) -> DType:
        """The dtype of the elements."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.type.rank

    @property
    def size(self) -> NumericSize | SymbolicSize:
        """The number of elements; called, as PyTorch's method, the shape or the size of an axis."""
        return size_of(self.shape)

    @property
    def device(self) -> None:
        """None: a graph runs where it is compiled for. Creation functions take it as `device`."""
        return None

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self._call("transpose")

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return self._call("matrix_transpose")

    @property
    def real(self) -> Tensor:
        """The real parts."""
        return self._call("real")

    @property
    def imag(self) -> Tensor:
        """The imaginary parts."""
        return self._call("imag")

    @property
    def H(self) -> Tensor:
        """The conjugates, with the axes in reverse order."""
        return self.T._call("conj")

    @property
    def mH(self) -> Tensor:
        """The conjugates, with the last two axes exchanged."""
        return self._call("adjoint")

    @property
    def at(self) -> At:
        """Where new elements are put: `x.at[items].set(value)` is a tensor with them."""
        return At(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """The functions of the array API standard for tensors: the package itself.

        Raises:
            UsageError: a release of the standard that is not known here.
        """
        if api_version is not None and api_version not in _ARRAY_API_VERSIONS:
            raise UsageError(
                f"the array API standard {api_version} is asked for",
                code="argument",
                hint=f"known are {', '.join(_ARRAY_API_VERSIONS)}",
            )
        return graphc

    def _call(self, name: str, *others: Any) -> Tensor:
        result: Tensor = call(name, self, *others)
        return result

    def __repr__(self) -> str:
        return f"<tensor {self.type}>"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in CASTS:
            return Method.named(name, call, "cast", self, CASTS[name])
        if name in METHODS:
            return Method.named(name, checked_method(name, METHODS[name]), self)
        operation = None if name.startswith("_") else functions.get(name)
        if operation is not None and is_tensor_first(operation):
            return Method.named(name, _method, name, self)
        methods = [one for one in functions if is_tensor_first(functions[one])]
        error = MemberLookupError(
            f"a tensor has no attribute {name!r}",
            hint=instead(f".{name}", functions) or did_you_mean(name, _FACTS, methods),
        )
        if not name.startswith("_"):
            with at_python_line():
                raise error
        raise error

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            with at_python_line():
                raise MemberLookupError(
                    f"the attribute {name!r} of a tensor cannot be assigned",
                    hint=instead(f".{name}")
                    or "tensors are values: give a new one a name of its own",
                ) from None

    def __getitem__(self, items: Any) -> Tensor:
        return self._call("index", items)

    def __abs__(self) -> Tensor:
        return self._call("abs")

    def __round__(self, digits: int | None = None) -> Tensor:
        return self._call("round") if digits is None else self._call("round", digits)

    def __len__(self) -> int:
        if self.ndim == 0 or not isinstance(self.shape[0], int):
            self._refuse(
                f"the length of a {self.type} is not known while the graph is built",
                "x.shape[0] is its first dim",
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0 or not isinstance(self.shape[0], int):
            self._refuse(
                f"cannot iterate over a {self.type}: how often is not known while the graph is "
                "built",
                "loop over an axis with scan, or give the axis a fixed size",
            )
        return (self[place] for place in range(self.shape[0]))

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **keywords: Any) -> Any:
        """`numpy.exp(x)` and `array + x` call the function of that name here."""
        if method == "__call__" and ufunc.__name__ in functions and not keywords:
            return call(ufunc.__name__, *operands)
        return self.__array__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self

    def _binary(self, operator: str, left: Any, right: Any) -> Tensor:
        result: Tensor = binary(operator, left, right)
        return result

    def _unary(self, operator: str) -> Tensor:
        return self._call(UNARY[operator])
