"""Casts of casts. A cast rounds where it stands: only a cast that loses nothing is passed over."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType
from graphc.ir.node import Node
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.structural import graph_input
from graphc.passes.rules.rule import Rule

__all__ = ["RULES", "holds_all"]


def holds_all(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow`, special values included, is one of `wide`.

    >>> holds_all(dtypes.f64, dtypes.f32), holds_all(dtypes.f32, dtypes.i32)
    (True, False)
    """
    if wide is narrow:
        return True
    if wide.kind == "storage" or "complex" in (wide.kind, narrow.kind):
        return False
    if wide.precision and narrow.precision:
        # Of equal width none holds the other; the wider ones have more of both, f16 in bf16 not.
        return wide.precision >= narrow.precision and wide.max_exponent >= narrow.max_exponent
    if wide.precision:
        largest = max(abs(narrow.minimum_value), narrow.maximum_value)
        return bool(largest <= 2**wide.precision)
    if narrow.precision or wide.kind == "bool":
        return False
    return wide.minimum_value <= narrow.minimum_value and wide.maximum_value >= narrow.maximum_value


def _is_exact_detour(source: DType, between: DType, target: DType) -> bool:
    """Whether source -> between -> target is source -> target for every value.

    The first cast must lose nothing. The second then starts from the same number, but what it
    does out of range depends on the kind it starts from: integers wrap, floats stop at the end.
    """
    if not holds_all(between, source):
        return False
    is_same_kind = bool(source.precision) == bool(between.precision)
    return is_same_kind or bool(target.precision) or holds_all(target, source)


def _cast_of_cast(node: Node) -> Node | None:
    inner = node.inputs[0]
    if inner.op is not cast:
        return None
    x = inner.inputs[0]
    if not _is_exact_detour(x.dtype, inner.dtype, node.dtype):
        return None
    return x if x.dtype is node.dtype else cast(x, dtype=node.dtype)


def _same_dtype(node: Node) -> Node | None:
    return node.inputs[0] if node.inputs[0].dtype is node.dtype else None


def _cast_examples() -> Iterator[Node]:
    real = [dtype for dtype in dtypes.ALL if dtype.kind != "complex"]
    for source in real:
        x = graph_input("x", source, (11,))
        for between in real:
            if between is not source and holds_all(between, source):
                for target in real:
                    if _is_exact_detour(source, between, target):
                        yield cast(cast(x, dtype=between), dtype=target)


RULES: tuple[Rule, ...] = (
    Rule(
        "cast to the same dtype",
        (cast,),
        _same_dtype,
        lambda: (cast(graph_input("x", d, (3,)), dtype=d) for d in dtypes.ALL),
    ),
    Rule("cast after a cast that loses nothing", (cast,), _cast_of_cast, _cast_examples),
)
