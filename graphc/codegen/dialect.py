"""What a target can do and how it spells the kernel IR.

Schedules ask a dialect for capabilities and never for its name; the emitter asks it for the
few things that targets of the C family spell differently.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import Buffer
from graphc.ir.kernel import Kernel
from graphc.runtime.program import Entry, Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Dialect", "LaneFold", "UnitText"]


@dataclass(frozen=True, slots=True)
class UnitText:
    """The text of all kernels of a unit.

    Attributes:
        functions: the device functions that the kernels use.
        kernels: the kernels, and what launches them, for people.
        source: all of it, for compilers.
    """

    functions: str
    kernels: str
    source: str


@dataclass(frozen=True, slots=True)
class LaneFold:
    """A value that every thread holds a part of, to be combined over the block.

    Attributes:
        name: the variable.
        dtype: what it is combined in.
        combined: text that combines `left` and `right`.
    """

    name: str
    dtype: DType
    combined: str


@dataclass(frozen=True)
class Dialect(ABC):
    """A target of the C family.

    Attributes:
        name: the target, for reports and file names.
        lanes: lanes of a grid step in pointwise and reduction kernels.
        elements: elements that a grid step of such a kernel should have at least, so that
            starting it costs little.
        nests_loops: whether index variables come from nested loops (a CPU, whose vectors run
            along the innermost axis) or from dividing a flat index (a GPU, whose threads each
            take an element).
        scratch_bytes: SHARED memory of a grid step at most.
        functions: the device functions for `Call` that it has.
    """

    name: str
    lanes: int
    elements: int
    nests_loops: bool
    scratch_bytes: int
    functions: frozenset[str] = field(default_factory=frozenset)

    # -- names of types ----------------------------------------------------------------------

    @property
    @abstractmethod
    def index_type(self) -> str:
        """The integer type of indices, 64 bits wide."""

    @property
    @abstractmethod
    def integer_types(self) -> Mapping[DType, str]:
        """C types of the integer dtypes."""

    def storage_type(self, dtype: DType) -> str:
        """The C type of an element in memory."""
        if dtype in (dtypes.f16, dtypes.bf16):
            return self.integer_types[dtypes.u16]
        return self.compute_type(dtype)

    def compute_type(self, dtype: DType) -> str:
        """The C type of a value in a register.

        f16 and bf16 are held, rounded, in float, and the 8-bit floats as their codes.
        """
        if dtype in (dtypes.f32, dtypes.f16, dtypes.bf16):
            return "float"
        if dtype is dtypes.f64:
            return "double"
        if dtype is dtypes.bool_:
            return "bool"
        if dtype in self.integer_types:
            return self.integer_types[dtype]
        if dtype.kind == "storage":
            return self.integer_types[dtypes.u8]
        return f"gc_{dtype.name}"

    def wrapping_type(self, dtype: DType) -> str | None:
        """The C type in which sums and products of an integer dtype wrap.

        None where they wrap as they are spelled.
        """
        return None

    def lanes_for(self, extent: DimLike) -> int:
        """Lanes of a grid step whose rows have this extent, where fewer of them do."""
        return self.lanes

    @property
    def moves_loads(self) -> bool:
        """Whether what is loaded in a loop may be loaded before it.

        Not where lanes run apart and one may store, in place, what another loads for nothing.
        """
        return True

    # -- structure ---------------------------------------------------------------------------

    @abstractmethod
    def open_kernel(self, kernel: Kernel, step: str, grid: str) -> list[str]:
        """The lines from the kernel's signature to the loop over its grid steps."""

    @abstractmethod
    def declare(self, buffer: Buffer, size: str, lanes: int) -> list[str]:
        """The lines that declare storage that is not GLOBAL, where it is used."""

    @abstractmethod
    def lane_loop(self, variable: str, extent: str, lanes: int, *, is_used: bool) -> list[str]:
        """The head of a loop over lanes, up to its opening brace.

        `is_used` says whether the body mentions the variable. No lines say that the body can
        stand by itself.
        """

    @abstractmethod
    def lane_element(self, buffer: Buffer, index: str, variable: str) -> str:
        """The element of a LANE buffer that belongs to the current lane."""

    @abstractmethod
    def barrier(self) -> list[str]:
        """The lines of a barrier; none where lanes run in lockstep."""

    @property
    def fold_is_looped(self) -> bool:
        """Whether a `Fold` keeps its lanes in arrays (host) or in one value a thread (CUDA)."""
        return self.nests_loops

    def fold_lanes(self, terms: Sequence[LaneFold], lanes: int) -> list[str]:
        """The lines that combine values over the threads of a block, in the order of `Fold`."""
        raise NotImplementedError

    # -- launches ----------------------------------------------------------------------------

    def geometry(
        self, kernels: Mapping[str, Kernel], entries: Sequence[Entry]
    ) -> dict[str, Geometry]:
        """How launches of the kernels are shaped, by name."""
        return {name: Geometry(kernel.lanes) for name, kernel in kernels.items()}

    def scratch_of_thread(self, kernels: Mapping[str, Kernel]) -> int:
        """Bytes that each thread of the CPU which runs the kernels keeps to itself."""
        return 0
