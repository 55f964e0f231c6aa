"""Which numbers a traced function draws, where a draw says nothing of its seed.

The unit has a random counter, which is state, and a call that draws moves it by one. Each draw of
a function takes it as its seed and a stream that is named after the draw's own number, so what is
drawn depends neither on what passes do nor on the device. In a loop every iteration has a seed of
its own, which follows from that of the place of the loop and the number of the iteration; under
`vmap` every part has.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.arguments import name_of
from graphc.frontend.tracing.initializers import SEED_DTYPE, Key
from graphc.ir.node import Node
from graphc.ir.op import functions
from graphc.ir.ops.conversion import cast
from graphc.ir.ops.creation.constants import number
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.elementwise.logic import left_shift
from graphc.ir.ops.random.generator import philox, random_bits

__all__ = [
    "Draws",
    "active_draws",
    "draw_counter",
    "draws",
    "each_iteration",
    "with_seed",
    "without_seed",
]

_CHANCE = "dropout_p"
# No path of a module begins so.
_IN_FUNCTIONS = "()"
_IN_LOOPS = "(loop)"


class Draws:
    """The draws of one function while it is traced.

    Args:
        counter: the value of the unit's random counter; asking for it makes the function one that
            draws.
    """

    def __init__(self, counter: Callable[[], Node]) -> None:
        self._seed = counter
        self._counts: dict[str, int] = {}

    def key(self, path: str | None = None) -> Key:
        """A key that no other draw has; `path` is that of the module that draws, if it has one."""
        return Key.of(self._seed(), self._numbered(_IN_FUNCTIONS if path is None else path))

    def _numbered(self, path: str) -> str:
        count = self._counts[path] = self._counts.get(path, -1) + 1
        return f"{path}#{count}"

    @contextmanager
    def repeated(self, iteration: Callable[[], Node]) -> Iterator[None]:
        """Draw anew in each iteration of the loop, or for each part, of what is traced inside.

        Args:
            iteration: the number of the iteration or part, u64[]; asked for where one draws.
        """
        outside, counts = self._seed, dict(self._counts)

        @functools.cache
        def seed() -> Node:
            key = Key.of(outside(), self._numbered(_IN_LOOPS))
            words = (
                philox(key.seed, number(stream, SEED_DTYPE), iteration())
                for stream in (2 * key.stream, 2 * key.stream + 1)
            )
            return _joined(*words)

        self._seed = seed
        try:
            yield
        except BaseException:
            # The loop is made another time, and draws what it would have drawn this time.
            self._counts = counts
            raise
        finally:
            self._seed = outside


def draw_counter(shape: tuple[int, ...], dtype: Any, key: Key) -> Node:
    """The first value of a counter: 64 bits, so that neighbouring seeds' sequences are apart."""
    words = random_bits(key.seed, stream=key.stream, shape=(2,))
    return _joined(*(functions["index"](words, place) for place in (0, 1)))


def _joined(low: Node, high: Node) -> Node:
    wide = [cast(word, dtype=SEED_DTYPE) for word in (low, high)]
    return add(left_shift(wide[1], number(32, SEED_DTYPE)), wide[0])


_active: ContextVar[Draws | None] = ContextVar("graphc_draws", default=None)


@contextmanager
def active_draws(draws: Draws) -> Iterator[None]:
    """Make these the draws of functions that are given no seed."""
    token = _active.set(draws)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def each_iteration(iteration: Callable[[], Node]) -> Iterator[None]:
    """See `Draws.repeated`; of the function that is being traced, if one is."""
    active = _active.get()
    if active is None:
        yield
        return
    with active.repeated(iteration):
        yield


@functools.cache
def draws(operation: Callable[..., Any]) -> bool:
    """Whether a function takes a seed and a stream of random numbers."""
    parameters = inspect.signature(operation).parameters
    return all(
        name in parameters and parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        for name in ("seed", "stream")
    )


@functools.cache
def _draws_at_will(operation: Callable[..., Any]) -> bool:
    """Whether the function draws only where it is given a probability, by the name `_CHANCE`."""
    return inspect.signature(operation).parameters["seed"].default is None


def with_seed(operation: Callable[..., Any], named: dict[str, Any]) -> dict[str, Any]:
    """The named arguments with a seed and a stream, where the function draws and lacks them.

    A function whose seed has a default draws where its probability is given, and is not 0. A seed
    may be a number. One that is given is used as it is, with stream 0 unless that is given.

    Raises:
        UsageError: nothing is being traced, or the seed is no number of 64 bits.
    """
    if not draws(operation):
        return named
    if "seed" not in named and _draws_at_will(operation) and not named.get(_CHANCE):
        return named
    name = name_of(operation)
    if "seed" in named:
        return {"stream": 0, **named, "seed": _seed_node(name, named["seed"])}
    active = _active.get()
    if active is None:
        raise UsageError(
            f"{name} draws random numbers, and no function is being traced whose counter they "
            "could follow",
            code="random",
            hint=f"give a seed: {name}(..., seed=0)",
        )
    key = active.key()
    return {"stream": key.stream, **named, "seed": key.seed}


def without_seed(operation: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function that draws, for which seed and stream may be left out."""
    signature = inspect.signature(operation)
    parameters = [
        one.replace(default=None) if one.name in ("seed", "stream") else one
        for one in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def _seed_node(name: str, seed: Any) -> Any:
    if isinstance(seed, bool) or not isinstance(seed, int):
        return seed
    if not 0 <= seed < 1 << 64:
        raise UsageError(f"{name}: the seed is {seed}, expected 0 to 2**64 - 1", code="seed")
    return number(seed, SEED_DTYPE)
