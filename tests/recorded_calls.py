"""Calls of functions as the functions see them, to be made again with tensors of other dtypes."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import BoundArguments
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from graphc.errors import GraphcError
from graphc.frontend.tracing.arguments import (
    first_names,
    known_parameters,
    signature_of,
    types_of,
)
from graphc.frontend.tracing.calls import with_lists
from graphc.frontend.tracing.tensor import Tensor, call
from graphc.frontend.tracing.trees import leaves, map_leaves
from graphc.ir.dtype import DType, bool_, c128, f64, i64
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops.structural import graph_input
from tests.surface_calls import SurfaceCall, calls_of

__all__ = ["Made", "Operand", "Recorded", "recorded_calls", "tensors_left_out", "worded_calls"]

KEYS = frozenset(("seed", "stream"))
"""Parameters of random functions, which are left as they are."""


class Operand:
    """A tensor among the arguments of a call: no container, as a dataclass would be."""

    def __init__(self, parameter: str, dtype: DType, shape: tuple[Any, ...]) -> None:
        self.parameter, self.dtype, self.shape = parameter, dtype, shape


@dataclass(frozen=True, eq=False)
class Recorded:
    """A call of a function: its arguments by parameter, with operands in place of tensors."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def operands(self) -> list[Operand]:
        return [one for one in leaves(dict(self.arguments)) if isinstance(one, Operand)]

    @property
    def varied(self) -> list[Operand]:
        return [one for one in self.operands if one.parameter not in KEYS]

    def also(self, parameter: str, value: Any) -> Recorded:
        return Recorded(self.name, {**self.arguments, parameter: value})

    def turned(self) -> Iterator[Recorded]:
        """The call of a function of one matrix with a tall one for a wide one."""
        for name, value in self.arguments.items():
            if isinstance(value, Operand) and [value] == self.operands and len(value.shape) == 2:
                yield self.also(name, Operand(name, value.dtype, value.shape[::-1]))

    def made(self, chosen: Mapping[Operand, DType] = MappingProxyType({})) -> Made | None:
        """The call with operands of other dtypes; None where it is refused.

        Numbers for which these dtypes have no room are made whole, positive or True.
        """
        numbers = [one for one in leaves(dict(self.arguments)) if type(one) in (int, float)]
        is_narrow = any(type(one) is float or one < 0 for one in numbers)
        for changed in (_as_given, _whole, _count, _truth) if is_narrow else (_as_given,):
            try:
                return self._made(chosen, changed)
            except GraphcError:
                continue
        return None

    def _made(self, chosen: Mapping[Operand, DType], changed: Callable[[Any], Any]) -> Made:
        nodes: dict[Operand, Node] = {}

        def given(one: Any) -> Any:
            if isinstance(one, Operand):
                dtype = chosen.get(one, one.dtype)
                nodes[one] = graph_input(f"x{len(nodes)}", dtype, one.shape)
                return Tensor(nodes[one])
            return changed(one)

        bound = BoundArguments(
            signature_of(functions[self.name]),
            OrderedDict((name, map_leaves(given, value)) for name, value in self.arguments.items()),
        )
        found = leaves(call(self.name, *bound.args, **bound.kwargs))
        return Made(nodes, [one.node for one in found if isinstance(one, Tensor)])


def _as_given(one: Any) -> Any:
    return one


def _whole(one: Any) -> Any:
    return math.ceil(one) if type(one) is float and math.isfinite(one) else one


def _count(one: Any) -> Any:
    whole = _whole(one)
    return abs(whole) if type(whole) is int else whole


def _truth(one: Any) -> Any:
    return bool(one) if type(one) is float else one


@dataclass(frozen=True)
class Made:
    """The nodes of a call: of its operands, and of its results."""

    nodes: Mapping[Operand, Node]
    results: Sequence[Node]

    def reads(self, operand: Operand) -> bool:
        """Whether a result depends on an operand."""
        return self.nodes[operand] in set(topological(self.results))

    @property
    def does_nothing(self) -> bool:
        """Whether the results are operands as they are."""
        return set(self.results) <= set(self.nodes.values())


# -- sample calls ----------------------------------------------------------------------------------


def recorded_calls(name: str) -> list[Recorded]:
    """The sample calls, and more with the tensors that these leave out.

    Calls that hand a tensor on as it is say nothing where others do more.
    """
    calls = [one for sample in calls_of(name) for one in _recorded(sample)]
    others = [_with_tensor(calls, parameter) for parameter in tensors_left_out(calls)]
    calls += [one for one in others if one is not None]
    calls += [one for first in calls[:1] for one in _to_complex(first)]
    telling = [one for one in calls if (made := one.made()) and not made.does_nothing]
    return telling if _parameters(telling) == _parameters(calls) else calls


def _to_complex(one: Recorded) -> Iterator[Recorded]:
    """A call that asks for a complex dtype, where one must be named: a real one takes reals."""
    for name, parameter in signature_of(functions[one.name]).parameters.items():
        if parameter.annotation == "DType" and parameter.default is parameter.empty:
            yield one.also(name, c128)


def _parameters(calls: Iterable[Recorded]) -> set[str]:
    return {operand.parameter for one in calls for operand in one.operands}


def _recorded(sample: SurfaceCall) -> list[Recorded]:
    """What the body of a sample calls the function with."""
    found: list[Recorded] = []
    operation = functions[sample.name]

    def record(*given: Any, **named: Any) -> Any:
        known = with_lists(operation, given, first_names(sample.name, operation, named))
        bound = signature_of(operation).bind(*known[0], **known[1]).arguments
        arguments = {key: map_leaves(_as_operand(key), value) for key, value in bound.items()}
        found.append(Recorded(sample.name, arguments))
        return call(sample.name, *given, **named)

    types = enumerate(sample.types)
    sample.body(record, *(Tensor(graph_input(f"x{i}", t.dtype, t.shape)) for i, t in types))
    return found


def _as_operand(parameter: str) -> Callable[[Any], Any]:
    def converted(one: Any) -> Any:
        return Operand(parameter, one.dtype, one.node.shape) if isinstance(one, Tensor) else one

    return converted


def tensors_left_out(calls: Sequence[Recorded]) -> list[str]:
    """The parameters that may be a tensor and are one in none of the calls."""
    if not calls:
        return []
    operation = functions[calls[0].name]
    seen = _parameters(calls)
    known, _ = known_parameters(operation)
    return [one for one in signature_of(operation).parameters if one not in known | seen | KEYS]


def _with_tensor(calls: Sequence[Recorded], parameter: str) -> Recorded | None:
    """A call in which a parameter is a tensor that something is computed from."""
    for one in calls:
        for dtype, shape in itertools.product((f64, i64, bool_), _shapes(one)):
            operand = Operand(parameter, dtype, shape)
            made = (also := one.also(parameter, operand)).made()
            if made is not None and made.reads(operand) and not made.does_nothing:
                return also
    return None


def _shapes(one: Recorded) -> Iterable[tuple[Any, ...]]:
    """Shapes that an optional tensor may have beside the others."""
    shapes = [operand.shape for operand in one.operands]
    return dict.fromkeys([(), *shapes, *((dim,) for shape in shapes for dim in shape)])


def worded_calls(first: Recorded) -> Iterator[Recorded]:
    """A call with each word that an argument may be, modes and the like, and with each switch."""
    for parameter, type_ in types_of(functions[first.name]).items():
        for word in (False, True) if type_ is bool else _words(type_):
            for one in (first, *first.turned()):
                if (also := one.also(parameter, word)).made() is not None:
                    yield also


def _words(type_: Any) -> Iterator[str]:
    if get_origin(type_) is Literal:
        yield from (word for word in get_args(type_) if isinstance(word, str))
    else:
        for part in get_args(type_):
            yield from _words(part)
