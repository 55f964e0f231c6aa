"""The verifier of the kernel IR: every invariant of a kernel, as named checks in one list.

A broken invariant is a defect of a schedule. The error names the check and the kernel, says what
the check guarantees, and shows the statements around the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphc.errors import VerificationError
from graphc.ir.kernel import Kernel
from graphc.ir.kernels import lanes, names, ranges
from graphc.ir.kernels.listing import kernel_neighbourhood
from graphc.ir.kernels.races import barriers
from graphc.ir.kernels.scopes import Violation
from graphc.ir.kernels.types import types

__all__ = ["CHECKS", "Check", "verify_kernel"]


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant of kernels.

    Attributes:
        name: in errors and in tests.
        function: yields what breaks it. It may rely on the checks before it in `CHECKS`.
    """

    name: str
    function: Callable[[Kernel], Iterator[Violation]]

    @property
    def guarantee(self) -> str:
        """What holds for every kernel that passes: the first line of the function's docstring."""
        return (self.function.__doc__ or "").partition("\n")[0].rstrip(".")


def verify_kernel(kernel: Kernel) -> None:
    """Check every invariant of a kernel.

    Raises:
        VerificationError: the first check that fails, in the order of `CHECKS`.
    """
    for check in CHECKS:
        for violation in check.function(kernel):
            notes = [f"check {check.name}: {check.guarantee}"]
            if violation.position is not None:
                notes += kernel_neighbourhood(kernel, violation.position)
            raise VerificationError(
                f"kernel {kernel.name!r}: {violation.text}",
                span=next(iter(kernel.spans), None),
                notes=notes,
            )


CHECKS: tuple[Check, ...] = (
    Check("names", names.names),
    Check("parameters", names.parameters),
    Check("scalars", names.scalars),
    Check("scopes", names.scopes),
    Check("defined", names.defined),
    Check("stores", names.stores),
    Check("types", types),
    Check("lane-loops", lanes.lane_loops),
    Check("divergence", lanes.divergence),
    Check("storage", lanes.storage),
    Check("single-stores", lanes.single_stores),
    Check("ranges", ranges.ranges),
    Check("bounds", ranges.bounds),
    Check("barriers", barriers),
)
"""Every invariant, in the order in which they are checked."""
