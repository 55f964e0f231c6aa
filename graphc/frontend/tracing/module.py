"""Models as Python classes: parameters and submodules in attributes, and a `forward`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphc.errors import UsageError, did_you_mean
from graphc.frontend.foreign_names import instead
from graphc.frontend.tracing.active_trace import tracing
from graphc.frontend.tracing.arguments import known_arguments
from graphc.frontend.tracing.as_tensor import as_tensor
from graphc.frontend.tracing.location import at_python_line
from graphc.frontend.tracing.state import Parameter, State
from graphc.frontend.tracing.tensor import Tensor
from graphc.frontend.tracing.trees import map_leaves

__all__ = ["Module"]


class Module:
    """Base of models and layers: subclass it, keep state in attributes, define `forward`.

    What an attribute holds belongs to the module if it is a `Parameter`, a `Buffer`, a `Module`,
    or a list, tuple or dict of these; its path is made of the names of attributes, numbers in
    lists and keys of dicts. State that occurs twice is one state, called by its first path.

    >>> class Scale(Module):
    ...     def __init__(self, size):
    ...         self.factor = Parameter(size)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> class Net(Module):
    ...     def __init__(self):
    ...         self.blocks = [Scale(4), Scale(4)]
    ...     def forward(self, x):
    ...         for block in self.blocks:
    ...             x = block(x)
    ...         return x
    >>> [path for path, _ in Net().named_parameters()]
    ['blocks.0.factor', 'blocks.1.factor']
    """

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """What the model computes; a subclass defines it."""
        raise UsageError(
            f"{type(self).__name__} has no forward",
            hint="define forward(self, x, ...), which says what the module computes",
        )

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """`forward` of the arguments, of which arrays are tensors; inside a trace.

        Raises:
            UsageError: no function is being traced; arguments that `forward` has no place for,
                or that are missing.
        """
        with at_python_line():
            tracing()
        arguments, keywords = map_leaves(_lifted, (arguments, keywords))
        method = getattr(self.forward, "__func__", None)
        if method is not None:
            keywords = known_arguments(type(self).__name__, method, arguments, keywords)
        return self.forward(*arguments, **keywords)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, State):
            raise UsageError(
                f"{type(self).__name__}.{name} = {value!r}: a tensor cannot outlive its trace",
                code="state-assignment",
                hint=f"keep state in a Buffer, and set it with self.{name}.update(value)",
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        text = f"{type(self).__name__!r} has no attribute {name!r}"
        hint = None
        if not name.startswith("_"):
            hint = instead(f".{name}") or did_you_mean(name, vars(self), dir(type(self)))
        raise AttributeError(f"{text}: {hint}" if hint else text)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and every one below it with their paths, each once, outer ones first."""
        yield from _named(self, prefix, Module)

    def named_state(self, prefix: str = "") -> Iterator[tuple[str, State]]:
        """Every parameter and buffer with its path, each once, in order of declaration."""
        yield from _named(self, prefix, State)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its path, each once, in order of declaration."""
        for path, state in self.named_state(prefix):
            if isinstance(state, Parameter):
                yield path, state

    def parameters(self) -> list[Parameter]:
        """Every parameter, each once, in order of declaration."""
        return [parameter for _, parameter in self.named_parameters()]

    def freeze(self) -> None:
        """Keep training from changing the parameters."""
        for parameter in self.parameters():
            parameter.trainable = False

    def __repr__(self) -> str:
        return f"<module {type(self).__name__}>"


def _lifted(leaf: Any) -> Any:
    return as_tensor(leaf, "an argument") if isinstance(leaf, np.ndarray) else leaf


def _named(root: Module, prefix: str, kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """What is of `kind` in the tree below `root`, in order of declaration."""
    # By identity: a module may define what equality means.
    seen: set[int] = set()
    stack: list[Iterator[tuple[str, Any]]] = [iter([(prefix.removesuffix("."), root)])]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        path, value = found
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, kind):
            _require_name(path)
            yield path, value
        stack.append(iter(list(_members(path, value))))


def _members(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    dot = f"{path}." if path else ""
    if isinstance(value, Module):
        for name, member in vars(value).items():
            if _may_hold_state(member):
                yield dot + name, member
    elif isinstance(value, list | tuple):
        for place, member in enumerate(value):
            if _may_hold_state(member):
                yield f"{dot}{place}", member
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if _may_hold_state(member):
                yield f"{dot}{key}", member


def _may_hold_state(value: Any) -> bool:
    return isinstance(value, State | Module | list | tuple | Mapping)


def _require_name(path: str) -> None:
    for part in path.split(".") if path else ():
        if not (part.isidentifier() or part.isdecimal()):
            raise UsageError(
                f"{path!r} cannot be the name of state: {part!r} is no identifier and no number",
                code="state-name",
                hint="use identifiers or numbers as the keys of a dict that holds modules",
            )
