"""The kernels of a unit: what its exports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from graphc.codegen.schedules.alike import Schedules
from graphc.config import settings
from graphc.errors import Span
from graphc.ir.kernel import Kernel
from graphc.ir.kernels.verify import verify_kernel

__all__ = ["Library"]


class Library:
    """The kernels of a unit: equal ones are kept once, and every name is used once.

    Attributes:
        schedules: what the groups of the unit became.
    """

    def __init__(self) -> None:
        self.schedules = Schedules()
        self.kernels: dict[str, Kernel] = {}
        self._names: dict[Kernel, str] = {}
        self._sound: set[Kernel] = set()
        self._taken: Counter[str] = Counter()

    def add(self, kernel: Kernel, spans: Iterable[Span]) -> str:
        """The name under which the kernel is kept.

        Raises:
            VerificationError: the kernel breaks an invariant (where passes are verified).
        """
        name = self._names.get(kernel)
        if name is None:
            if settings().verify_passes:
                self.verify(kernel, spans)
            name = self._fresh_name(kernel.name)
            self._names[kernel] = name
            self.kernels[name] = replace(kernel, name=name, spans=tuple(spans))
        else:
            known = self.kernels[name]
            self.kernels[name] = replace(known, spans=tuple(dict.fromkeys((*known.spans, *spans))))
        return name

    def verify(self, kernel: Kernel, spans: Iterable[Span]) -> None:
        """Check every invariant of the kernel, once.

        Raises:
            VerificationError: it breaks one.
        """
        if kernel not in self._sound:
            verify_kernel(replace(kernel, spans=tuple(spans)))
            self._sound.add(kernel)

    def _fresh_name(self, wanted: str) -> str:
        name = wanted
        while name in self.kernels:
            self._taken[wanted] += 1
            name = f"{wanted}_{self._taken[wanted]}"
        return name
