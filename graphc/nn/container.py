"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphc.errors import UsageError
from graphc.frontend.tracing.module import Module

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

# A module finds state in lists and dicts by itself: PyTorch's names for them are other names.
ModuleList = ParameterList = list
ModuleDict = ParameterDict = dict


class Sequential(Module):
    """Modules one after another; their state is called by their numbers: `0.weight`.

    >>> from graphc.nn import Linear, ReLU
    >>> [path for path, _ in Sequential(Linear(4, 8), ReLU()).named_parameters()]
    ['0.weight', '0.bias']
    """

    def __init__(self, *modules: Module) -> None:
        given = modules[0] if len(modules) == 1 and isinstance(modules[0], list) else modules
        for place, module in enumerate(given):
            if not callable(module):
                raise UsageError(
                    f"Sequential: {module!r} at place {place} is no module",
                    hint="give modules, such as Linear(4, 8)",
                )
            # Attributes called by numbers give the state PyTorch's names.
            setattr(self, str(place), module)
        self._length = len(given)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> Any:
        """The module at a place, counted from the end where it is negative."""
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no module {place} in a Sequential of {len(self)}")
        return getattr(self, str(place % len(self)))

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def forward(self, x: Any) -> Any:
        """The last module of the one before, and so on from `x`."""
        for module in self:
            x = module(x)
        return x
