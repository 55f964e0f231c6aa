"""Elements of values: of tensors, lists and models, and the types that `f32[B, 64]` is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.errors import OutOfRangeError, did_you_mean
from graphc.frontend import syntax
from graphc.frontend.elaboration import numbers
from graphc.frontend.elaboration.refusal import described, refused, without_operand
from graphc.frontend.tracing.index_updates import At
from graphc.frontend.tracing.loop_index import LoopIndex
from graphc.frontend.tracing.module import Module
from graphc.frontend.tracing.tensor import Tensor
from graphc.ir import dtype as dtypes
from graphc.ir.dims import Dim
from graphc.ir.types import TensorType

if TYPE_CHECKING:
    from graphc.frontend.elaboration.expressions import Evaluator

__all__ = ["element_at"]


def element_at(evaluator: Evaluator, node: syntax.Subscript, value: Any) -> Any:
    """`value[...]`, with the indices of a node.

    Raises:
        SourceError: it has no such element.
        GraphcError: whatever indexing a tensor refuses.
    """
    if node.reduction and callable(value):
        raise without_operand(node)
    items = tuple(_item(evaluator, one) for one in node.indices)
    with evaluator.program.sources.at(node.span):
        if isinstance(value, Tensor) and items and isinstance(items[0], LoopIndex):
            row = items[0].row_of(value)
            if row is not None:
                return row[items[1:]] if items[1:] else row
        if isinstance(value, Tensor):
            return _placed(value, items, node)
        if isinstance(value, At):
            return value[items]
        if isinstance(value, dtypes.DType):
            return _type(value, () if items == ((),) else items, node)
        is_container = isinstance(value, Module) and hasattr(value, "__getitem__")
        if isinstance(value, tuple | list | range | dict) or is_container:
            return _element(value, items, node)
        raise refused(f"{described(value)} has no elements", "index", node.span)


def _type(dtype: dtypes.DType, sizes: Any, node: syntax.Subscript) -> TensorType:
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int | Dim):
            raise refused(
                f"{described(size)} is no size", "size", node.span, "a type is f32[B, 64]"
            )
    return TensorType(dtype, tuple(sizes))


def _item(evaluator: Evaluator, node: syntax.Expression) -> Any:
    if isinstance(node, syntax.Slice):
        bounds = (node.lower, node.upper, node.step)
        return slice(*(None if one is None else _place(evaluator, one) for one in bounds))
    return _place(evaluator, node)


def _place(evaluator: Evaluator, node: syntax.Expression) -> Any:
    """The value of an index or a bound."""
    value = evaluator.evaluate(node)
    if not isinstance(value, numbers.Formula):
        return value
    if not value.is_whole:
        raise refused(
            f"{described(value)} is no place on an axis",
            "index",
            node.span,
            "places are whole numbers and dims, and are divided by '//'",
        )
    return numbers.tensor_of(value)


def _element(value: Any, items: tuple[Any, ...], node: syntax.Subscript) -> Any:
    if len(items) != 1:
        raise refused(f"{len(items)} indices for {described(value)}", "index", node.span)
    if isinstance(value, dict) and isinstance(items[0], str) and items[0] not in value:
        raise refused(
            f"{described(value)} has no {items[0]!r}",
            "index",
            node.indices[0].span,
            did_you_mean(items[0], value),
        )
    try:
        return value[items[0]]
    except (LookupError, TypeError):
        raise refused(
            f"{described(value)}: {described(items[0])} is no index",
            "index",
            node.indices[0].span,
            "count from 0, or from -1 at the end, by whole numbers that are known",
        ) from None


def _placed(value: Tensor, items: tuple[Any, ...], node: syntax.Subscript) -> Tensor:
    """The elements at some items; an error of one of them is placed there."""
    try:
        return value[items]
    except OutOfRangeError as error:
        if error.axis is not None:
            axes = [place for place, item in enumerate(items) if item is not None]
            dots = next((n for n, place in enumerate(axes) if items[place] is ...), len(axes))
            from_start = error.axis if error.axis < dots else error.axis - value.ndim
            error.at(node.indices[axes[from_start]].span)
        raise
