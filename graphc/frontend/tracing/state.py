"""State: tensors that live in a module between calls, and how a trace reads and updates them.

A `State` is declared once, by a model or an optimizer, and a `StateTable` says what it is called.
While a function is traced, reading it gives the `input` node of that name, and `update` sets its
value after the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.frontend.tracing.active_trace import activated, active_tracing, tracing
from graphc.frontend.tracing.closures import stand_ins
from graphc.frontend.tracing.initializers import SEED_DTYPE, Initializer, Key, array, zeros
from graphc.frontend.tracing.parameters import require_function, require_parameters
from graphc.frontend.tracing.random_draws import Draws, active_draws, draw_counter
from graphc.frontend.tracing.tensor import Tensor, apply
from graphc.ir import dtype as dtypes
from graphc.ir.dtype import DType, as_dtype
from graphc.ir.node import Node, topological
from graphc.ir.op import functions
from graphc.ir.ops.creation.constants import number
from graphc.ir.ops.elementwise.arithmetic import add
from graphc.ir.ops.structural import graph_input
from graphc.ir.source_map import SourceMap
from graphc.ir.types import TensorType
from graphc.passes.rewrite import substitute

if TYPE_CHECKING:
    from graphc.frontend.tracing.module import Module
    from graphc.frontend.tracing.state_table import StateTable

__all__ = [
    "RANDOM_COUNTER",
    "Buffer",
    "Parameter",
    "State",
    "StateOfBody",
    "Tracing",
    "fitted",
    "is_training",
    "state_kept",
]


_INIT = "initialisers are made by gc.initializers: ones(), full(2.0), normal(std=0.02)"


class State(Tensor):
    """A tensor that lives in the module between calls; inside a trace it is its current value.

    Args:
        shape: numbers only: what is stored has a size; or an array, which is the first value.
        dtype: of the elements; f32 by default, or that of the array.
        init: its first value (zeros by default), see `graphc.frontend.tracing.initializers`.

    Attributes:
        trainable: whether `train_step` computes a gradient for it and hands it to the optimizer.
    """

    __slots__ = ("_type", "init", "trainable")

    _trainable_by_default = False

    def __init__(
        self,
        shape: int | tuple[int, ...] | list[int] | np.ndarray[Any, Any] = (),
        dtype: DType | None = None,
        init: Initializer | None = None,
    ) -> None:
        if isinstance(shape, np.ndarray):
            dtype = dtypes.from_numpy(shape.dtype) if dtype is None else dtype
            shape, init = shape.shape, array(shape) if init is None else init
        dtype = dtypes.f32 if dtype is None else dtype
        given = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        sizes = tuple(int(one) if isinstance(one, np.integer) else one for one in given)
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, int) or size < 0:
                raise ShapeError(
                    f"state of shape [{', '.join(map(str, sizes))}]: {size!r} is no size",
                    hint="state is stored in the module, so its sizes are numbers",
                )
        self._type = TensorType(as_dtype(dtype), sizes)
        if init is not None:
            require_function(init, "init", _INIT)
            require_parameters(init, "init", 3, _INIT)
        self.init: Initializer = zeros() if init is None else init
        self.trainable = self._trainable_by_default

    @property
    def node(self) -> Node:
        """The current value in the active trace."""
        return tracing().read(self)

    @property
    def type(self) -> TensorType:
        """Dtype and shape."""
        return self._type

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, which is one of numbers."""
        return tuple(size for size in self._type.shape if isinstance(size, int))

    def update(self, value: Any) -> None:
        """Set the value that the state has after the call, and that reading it gives from here on.

        A number is repeated over the shape; a value of a smaller shape is broadcast.

        Raises:
            DTypeError, ShapeError: the value does not fit.
        """
        tracing().update(self, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A copy of a model has state of its own.
        copied = type(self)(self.sizes, self.dtype, self.init)
        copied.trainable = self.trainable
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.type}>"


class Parameter(State):
    """State that training changes by its gradient: `Parameter((64, 256), init=normal(std=0.02))`.

    Raises:
        DTypeError: the dtype is no float, so that there is no gradient.
    """

    __slots__ = ()

    _trainable_by_default = True

    def __init__(
        self,
        shape: int | tuple[int, ...] | list[int] | np.ndarray[Any, Any] = (),
        dtype: DType | None = None,
        init: Initializer | None = None,
    ) -> None:
        super().__init__(shape, dtype, init)
        if self.dtype.kind != "float":
            raise DTypeError(
                f"a parameter of {self.dtype.name} has no gradient",
                hint="use a float; a Buffer, `state` in the language, is not trained",
            )


class Buffer(State):
    """State that no optimizer touches: running statistics, counters, tables."""

    __slots__ = ()


class StateOfBody:
    """What the body of a loop reads and updates of state, once it has been traced.

    Attributes:
        stands: what stands for each state that is read or updated, as an iteration begins.
        after: the states that are updated, with their values as it ends.
    """

    def __init__(self) -> None:
        self.stands: dict[State, Node] = {}
        self.after: dict[State, Node] = {}

    @property
    def carried(self) -> list[Node]:
        """What stands for the states that are updated."""
        return [self.stands[state] for state in self.after]

    def outside(self) -> dict[Node, Node]:
        """The values of states before the loop, by what stands for them."""
        return {stand: tracing().read(state) for state, stand in self.stands.items()}

    def leave(self, values: Sequence[Node]) -> None:
        """Give the states that are updated the values that the loop left them."""
        for state, value in zip(self.after, values, strict=True):
            tracing().update(state, Tensor(value))


RANDOM_COUNTER = "random.counter"
"""The state that random numbers follow; there is one where an export draws some."""


class Tracing:
    """One function while it is traced: what it reads and updates.

    Attributes:
        table: the names of state.
        sources: where nodes are recorded.
        training: whether layers that differ behave as in training.
    """

    def __init__(self, table: StateTable, sources: SourceMap, training: bool = False) -> None:
        self.table = table
        self.sources = sources
        self.training = training
        self._inputs: dict[State, Node] = {}
        self._values: dict[State, Node] = {}
        self._bodies: list[StateOfBody] = []
        self._apart: set[State] = set()
        # Apart from the values of states: a loop or a branch may draw, though it updates none.
        self._moved: dict[State, Node] = {}
        self._draws = Draws(lambda: self.before(self._counter()))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this the trace that state is read and updated in."""
        with activated(self), active_draws(self._draws):
            yield

    def before(self, state: State) -> Node:
        """The `input` node of the state: its value before the call."""
        if state not in self._inputs:
            self._inputs[state] = graph_input(
                self.table.path(state), state.type.dtype, state.type.shape
            )
        return self._inputs[state]

    def read(self, state: State) -> Node:
        """The value of the state at this point of the function."""
        return self._values.get(state) or self._first(state)

    def _first(self, state: State) -> Node:
        """The value of the state where the function begins, or the body of the innermost loop."""
        if not self._bodies:
            return self.before(state)
        stands = self._bodies[-1].stands
        if state not in stands:
            (stands[state],) = stand_ins("state", [state.type])
        return stands[state]

    @contextmanager
    def body(self) -> Iterator[StateOfBody]:
        """Trace the body of a loop, which reads and updates state of each iteration."""
        found = StateOfBody()
        outside, self._values = self._values, {}
        self._bodies.append(found)
        try:
            yield found
            for state, value in self._values.items():
                if value is not self._first(state):
                    found.after[state] = value
        finally:
            self._bodies.pop()
            self._values = outside

    @contextmanager
    def branch(self) -> Iterator[dict[State, Node]]:
        """Trace a branch; gives what it updates, once it has been traced."""
        found: dict[State, Node] = {}
        outside, self._values = self._values, dict(self._values)
        try:
            yield found
            found.update(
                (state, value)
                for state, value in self._values.items()
                if value is not outside.get(state)
            )
        finally:
            self._values = outside

    def update(self, state: State, value: Any) -> None:
        """Set the value of the state from here on (see `State.update`)."""
        if state not in self._apart:
            self.before(state)
        self._values[state] = fitted(state, value)

    @contextmanager
    def apart(self, given: Mapping[State, Node]) -> Iterator[dict[State, Node]]:
        """Let states have values inside that nothing outside sees; gives those at the end.

        The states need not belong to a model that the trace knows.
        """
        found: dict[State, Node] = {}
        outside = {state: self._values.pop(state, None) for state in given}
        others, self._apart = self._apart, self._apart | given.keys()
        try:
            self._values.update(given)
            yield found
            found.update((state, self._values[state]) for state in given)
        finally:
            self._apart = others
            for state, before in outside.items():
                self._values.pop(state, None)
                if before is not None:
                    self._values[state] = before

    @contextmanager
    def standing_in(self, variables: Mapping[State, Node]) -> Iterator[None]:
        """Let states have other values inside, as a derivative with respect to them needs.

        What is updated inside keeps its new value after it.
        """
        before = dict(self._values)
        self._values.update(variables)
        try:
            yield
        finally:
            for state, variable in variables.items():
                if self._values[state] is variable:
                    del self._values[state]
                    if state in before:
                        self._values[state] = before[state]

    def replace(self, mapping: Mapping[Node, Node]) -> None:
        """Replace nodes in the values of all states."""
        new = substitute(list(self._values.values()), mapping, self.sources)
        self._values = dict(zip(self._values, new, strict=True))

    def values(self) -> dict[State, Node]:
        """What state has been updated so far, and to which values."""
        return dict(self._values)

    def random_key(self, module: Module) -> Key:
        """A key for random numbers that are new at each call, for each use of each module.

        The counter behind it is state: a call that draws moves it by one. A module of no model that
        the trace knows draws as a function does.
        """
        return self._draws.key(self.table.module_path(module))

    def _counter(self) -> State:
        """The random counter, which the function moves from here on."""
        counter = self.table.own(
            RANDOM_COUNTER, "random", lambda: Buffer((), SEED_DTYPE, draw_counter)
        )
        self._moved[counter] = add(self.before(counter), number(1, SEED_DTYPE))
        return counter

    def updates(self) -> dict[State, Node]:
        """The values after the call of the state that the function changes, in order."""
        values = {**self._values, **self._moved}
        found = {state: values[state] for _, state in self.table if state in values}
        return {state: value for state, value in found.items() if value is not self.before(state)}

    def used(self, roots: Sequence[Node]) -> list[State]:
        """The state that `roots` depend on or that is updated, in order of declaration."""
        needed = set(topological(roots))
        updated = self.updates()
        return [
            state
            for _, state in self.table
            if state in updated or self._inputs.get(state) in needed
        ]


def fitted(state: State, value: Any) -> Node:
    """The value for a state.

    Raises:
        DTypeError, ShapeError: it does not fit.
    """
    node: Node = apply(_fitted, state.type, value).node
    return node


def _fitted(target: TensorType, value: Node | bool | int | float | complex) -> Node:
    if not isinstance(value, Node):
        return functions["full"](target.shape, value, target.dtype)  # type: ignore[no-any-return]
    if value.dtype is not target.dtype:
        raise DTypeError(
            f"the new value of a state of {target} is {value.type}",
            hint=f"cast it: value.astype({target.dtype.name})",
        )
    return functions["broadcast_to"](value, *target.shape)  # type: ignore[no-any-return]


def is_training() -> bool:
    """Whether the function that is being traced is a training step."""
    return tracing().training


@contextmanager
def state_kept(where: str) -> Iterator[None]:
    """Refuse updates of state inside.

    Raises:
        UsageError: state was updated.
    """
    active = active_tracing()
    before = {} if active is None else active.values()
    yield
    if active is None:
        return
    for state, value in active.values().items():
        if before.get(state) is not value:
            raise UsageError(
                f"the state {active.table.path(state)!r} is updated in {where}",
                code="state-in-condition",
                hint="update it in the body",
            )
