"""What every state of a unit is called."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING

from graphc.errors import UsageError

if TYPE_CHECKING:
    from graphc.frontend.tracing.module import Module
    from graphc.frontend.tracing.state import State

__all__ = ["StateTable"]


class StateTable:
    """What every state of a unit is called, in order of declaration."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._paths: dict[State, str] = {}
        self._owners: dict[str, Hashable] = {}
        self._modules: dict[Module, str] = {}

    def add_model(self, model: Module, prefix: str = "") -> None:
        """Declare the state of a model, under `prefix` (with a dot) if there is one."""
        for path, module in model.named_modules(prefix):
            self._modules.setdefault(module, path)
        for path, state in model.named_state(prefix):
            if state not in self._paths:
                self._add(path, state, id(model))

    def own(self, path: str, owner: Hashable, make: Callable[[], State]) -> State:
        """The state called `path`, which `owner` keeps; made if it is new.

        Raises:
            UsageError: somebody else has state of that name.
        """
        if path not in self._states:
            self._add(path, make(), owner)
        elif self._owners[path] != owner:
            raise _taken(path)
        return self._states[path]

    def _add(self, path: str, state: State, owner: Hashable) -> None:
        if path in self._states:
            raise _taken(path)
        self._states[path] = state
        self._paths[state] = path
        self._owners[path] = owner

    def path(self, state: State) -> str:
        """What the state is called.

        Raises:
            UsageError: it belongs to no model of the unit.
        """
        if state not in self._paths:
            raise UsageError(
                f"{state!r} belongs to no model that this trace knows",
                code="unknown-state",
                hint="keep it in an attribute of a Module, and give the model as an argument of "
                "the function, f(model, x); or its values, with stateless_call; a module is made "
                "of the model itself: compile(model, ...)",
            )
        return self._paths[state]

    def module_path(self, module: Module) -> str | None:
        """What the module is called, "" the only model of a unit; None if it is no part of one."""
        return self._modules.get(module)

    def __iter__(self) -> Iterator[tuple[str, State]]:
        return iter(list(self._states.items()))


def _taken(path: str) -> UsageError:
    return UsageError(
        f"two states are called {path!r}",
        code="state-name",
        hint="rename one. Each optimizer trains one set of parameters, and its state begins with "
        'its name: adam(name="other")',
    )
