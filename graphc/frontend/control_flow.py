"""Loops and branches of Python functions that stay in the graph: `scan`, `while_loop`, `cond`.

Bodies are functions on tensors. They are traced once, see the tensors around them, and read and
update state; what they carry, run over and return may be nested in tuples, lists and dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.location import at_python_line
from graphc.frontend.tensor import Tensor
from graphc.frontend.traced_bodies import (
    RowOf,
    TracedBranch,
    branch_tensors,
    scan_tensors,
    traced_branch,
    while_tensors,
)
from graphc.ir.dims import DimLike
from graphc.ir.node import Node

__all__ = ["cond", "leaves", "rebuilt", "require_form", "scan", "while_loop"]


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    *,
    length: DimLike | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run `body(carry, x)` over the rows of `xs`; it returns the next carry and a row of results.

    Any order of derivative is defined. For a gradient iterations keep what it reads and cannot
    compute again by cheap ops; one of a body in `checkpoint` keeps what that is given alone.

    Args:
        body: called once, with tensors that stand for every iteration. Its row may be None.
        init: the first carry: a tensor, or tuples, lists and dicts of tensors.
        xs: tensors of one length, in the same forms; None for none.
        length: iterations, where there is nothing to run over; may be a dim.
        reverse: take the rows from the last to the first. Results stand where their row was.

    Returns:
        The last carry, and the rows of results stacked.

    Raises:
        ShapeError, DTypeError: the body changes the type of a carry, or lengths differ.
        UsageError: no length, or a body that returns no pair.

    >>> from graphc.frontend.trace import trace
    >>> from graphc.ir.dtype import f32
    >>> def sums(x):
    ...     return scan(lambda total, row: (total + row, total + row), x[0] * 0, x)[1]
    >>> trace(sums, f32["T", 3])[0].results[0].type
    f32[T, 3]
    """
    with at_python_line():
        first = list(leaves(init, "init"))
        rows = [] if xs is None else list(leaves(xs, "xs"))
        stacked_form: list[Any] = []

        def step(
            carries: list[Tensor], given: list[Tensor], row_of: RowOf
        ) -> tuple[list[Tensor], list[Tensor]]:
            x = None if xs is None else rebuilt(xs, iter(given))
            result = body(rebuilt(init, iter(carries)), x)
            if not isinstance(result, tuple) or len(result) != 2:
                raise UsageError(
                    f"the body of a scan returned {result!r}, expected a pair",
                    code="scan-result",
                    hint="return the next carry and a row of results, or (carry, None)",
                )
            carry, row = result
            require_form(carry, init, "the carry")
            stacked_form.append(row)
            found = [] if row is None else [one for _, one in leaves(row, "the row")]
            return [one for _, one in leaves(carry, "the carry")], found

        carries, stacked = scan_tensors(step, first, [one for _, one in rows], length, reverse)
        row = stacked_form[0]
        return rebuilt(init, iter(carries)), (None if row is None else rebuilt(row, iter(stacked)))


def while_loop(
    condition: Callable[[Any], Tensor],
    body: Callable[[Any], Any],
    init: Any,
    *,
    max_steps: DimLike,
) -> Any:
    """Run `body(carry)` while `condition(carry)` holds, and `max_steps` times at most.

    Any order of derivative is defined: for a gradient `max_steps` iterations keep what those of
    `scan` keep.

    Args:
        condition: gives a bool without axes.
        body: gives the next carry.
        init: the first carry: a tensor, or tuples, lists and dicts of tensors.
        max_steps: bounds the loop and the memory of its gradient; may be a dim.

    Returns:
        The last carry.

    Raises:
        ShapeError, DTypeError: the body changes the type of a carry, or the condition is no bool.
    """
    with at_python_line():

        def test(carries: list[Tensor]) -> Tensor:
            holds = condition(rebuilt(init, iter(carries)))
            if not isinstance(holds, Tensor):
                raise UsageError(f"the condition gives {holds!r}, expected a tensor of bool")
            return holds

        def step(carries: list[Tensor]) -> list[Tensor]:
            carry = body(rebuilt(init, iter(carries)))
            require_form(carry, init, "the carry")
            return [one for _, one in leaves(carry, "the carry")]

        first = list(leaves(init, "init"))
        return rebuilt(init, iter(while_tensors(test, step, first, max_steps)))


def cond(
    predicate: Tensor,
    then: Callable[..., Any],
    otherwise: Callable[..., Any],
    *operands: Any,
) -> Any:
    """`then(*operands)` if the predicate holds, else `otherwise(*operands)`; only one of them runs.

    Any order of derivative is defined.

    Args:
        predicate: a bool without axes.
        then, otherwise: give tensors of the same types, nested in the same way.

    Raises:
        ShapeError, DTypeError: results of different types, or a predicate that is no bool.
        UsageError: results that are nested in different ways.
    """
    with at_python_line():
        if not isinstance(predicate, Tensor):
            return then(*operands) if predicate else otherwise(*operands)
        forms: list[Any] = []
        traced: list[TracedBranch] = []
        results: list[list[Node]] = []
        for branch in (then, otherwise):
            with traced_branch() as found:
                result = branch(*operands)
                forms.append(result)
                results.append([one.node for _, one in leaves(result, "the result of a branch")])
            traced.append(found)
        require_form(forms[1], forms[0], "the result of the other branch")
        chosen = branch_tensors(predicate.node, traced, results)
        return rebuilt(forms[0], iter(chosen))


# -- nested values --------------------------------------------------------------------------------


def leaves(value: Any, what: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a nested value, each with what it is called in errors."""
    if isinstance(value, Tensor):
        yield what, value
    elif type(value) in (list, tuple):
        for place, part in enumerate(value):
            yield from leaves(part, f"{what}[{place}]")
    elif type(value) is dict:
        for key, part in value.items():
            yield from leaves(part, f"{what}[{key!r}]")
    else:
        raise UsageError(
            f"{what} is {value!r} ({type(value).__name__}), expected a tensor",
            code="argument",
            hint="a number becomes one with full((), value, dtype)",
        )


def rebuilt(form: Any, leaves: Iterator[Tensor]) -> Any:
    """The tensors nested as `form` is."""
    if type(form) in (list, tuple):
        return type(form)(rebuilt(part, leaves) for part in form)
    if type(form) is dict:
        return {key: rebuilt(part, leaves) for key, part in form.items()}
    return next(leaves)


def require_form(value: Any, expected: Any, what: str) -> None:
    """Refuse a value that is not nested as another one is."""
    same = (
        isinstance(value, Tensor) if isinstance(expected, Tensor) else type(value) is type(expected)
    )
    if same and isinstance(expected, list | tuple):
        same = len(value) == len(expected)
    if same and isinstance(expected, dict):
        same = list(value) == list(expected)
    if not same:
        raise UsageError(
            f"{what} is {value!r}, expected the form of {expected!r}",
            code="nesting",
            hint="nest tensors in the same tuples, lists and dicts",
        )
    if isinstance(expected, list | tuple):
        for one, other in zip(value, expected, strict=True):
            require_form(one, other, what)
    elif isinstance(expected, dict):
        for key in expected:
            require_form(value[key], expected[key], what)
