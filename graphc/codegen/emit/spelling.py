"""Scalar expressions as C: what one node is spelled as, given the texts of its operands."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from graphc.codegen.dialect import Dialect
from graphc.codegen.index import c_index
from graphc.errors import InternalError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.dims import DimLike
from graphc.ir.dtype import DType
from graphc.ir.expr import (
    Apply,
    Buffer,
    Constant,
    Convert,
    Expr,
    IndexValue,
    Inside,
    Load,
    Scalar,
    Space,
)
from graphc.ir.op import Elementwise, Op

__all__ = ["Speller"]

# A name or a number; calls and elements go on with groups in brackets.
_WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?\w*|")

# An operand of a spelling that is a whole argument of a call.
_ARGUMENT = re.compile(r"(?<=[(,])(\s*)\{(\d)\}(?=[,)])")

# Operators of C whose result may not fit the type of their operands.
_SUM_OR_PRODUCT = re.compile(r"[-+*]")


class Speller:
    """Spells expressions in a dialect.

    Attributes:
        lane: the variable of the loop over lanes that encloses what is spelled.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.lane: str | None = None

    def expression(self, expr: Expr, texts: Mapping[Expr, str]) -> str:
        """One node, given the texts of its operands."""
        match expr:
            case Constant(value, dtype):
                return self.constant(value, dtype)
            case Scalar(name, _):
                return name
            case IndexValue(index, dtype):
                ctype, text = self.dialect.compute_type(dtype), c_index(index)
                is_one = ctype == self.dialect.index_type and not isinstance(index, int)
                return text if is_one else f"({ctype}){_atom(text)}"
            case Inside(index, low, high):
                return self.inside(index, low, high)
            case Load(buffer, index):
                return self.from_storage(self.element(buffer, index), buffer)
            case Convert(value, dtype):
                return self.convert(texts[value], value.dtype, dtype)
            case Apply(op, arguments, dtype):
                operand = arguments[-1].dtype if arguments else dtype
                return self.apply(op, [texts[a] for a in arguments], operand, dtype)
        raise InternalError(f"the emitter cannot spell {type(expr).__name__}")

    def apply(self, op: Op, operands: Sequence[str], operand: DType, result: DType) -> str:
        """An elementwise op on operands of one dtype."""
        lowering = op.lowering
        assert isinstance(lowering, Elementwise)
        suffix = "f32" if operand in (dtypes.f16, dtypes.bf16) else operand.name
        spelling, atoms = lowering.spelling(operand), [_atom(text) for text in operands]
        spelling = _ARGUMENT.sub(r"\1{whole[\2]}", spelling)
        wrapping = self.dialect.wrapping_type(operand)
        if wrapping and _SUM_OR_PRODUCT.search(spelling):
            atoms = [f"({wrapping}){text}" for text in atoms]
            text = spelling.format(*atoms, whole=atoms, t=suffix)
            return f"({self.dialect.compute_type(result)})({text})"
        text = spelling.format(*atoms, whole=operands, t=suffix)
        if result in (dtypes.f16, dtypes.bf16):
            return f"gc_round_{result.name}({text})"
        if result.is_integer and result.bits < 64:
            return f"({self.dialect.compute_type(result)})({text})"
        return text

    def inside(self, index: DimLike, low: DimLike, high: DimLike) -> str:
        """Whether an index lies in a range, of which only the ends in doubt are tested."""
        tests = []
        if not dims.always_less_equal(low, index):
            tests.append(f"{c_index(low)} <= {c_index(index)}")
        if not dims.always_less_equal(index + 1, high):
            tests.append(f"{c_index(index)} < {c_index(high)}")
        return " && ".join(tests) or "true"

    def element(self, buffer: Buffer, index: DimLike) -> str:
        """An element of a buffer; of one that is private to lanes, that of the current lane."""
        if buffer.space is Space.LANE:
            return self.dialect.lane_element(buffer, c_index(index), self.lane or "0")
        return f"{buffer.name}[{c_index(index)}]"

    def from_storage(self, text: str, buffer: Buffer) -> str:
        """What is in memory as a value in a register."""
        narrow = buffer.dtype in (dtypes.f16, dtypes.bf16) and buffer.space is Space.GLOBAL
        return f"gc_{buffer.dtype.name}_to_f32({text})" if narrow else text

    def to_storage(self, text: str, buffer: Buffer) -> str:
        """A value as it lies in memory."""
        narrow = buffer.dtype in (dtypes.f16, dtypes.bf16) and buffer.space is Space.GLOBAL
        return f"gc_f32_to_{buffer.dtype.name}({text})" if narrow else text

    def convert(self, text: str, source: DType, target: DType) -> str:
        """A value as another dtype, as `cast` says."""
        ctype = self.dialect.compute_type(target)
        if source is target:
            return text
        if source.kind == "complex":
            return self._convert_complex(text, source, target)
        if source.kind == "storage":
            return self._convert_stored(text, source, target)
        if target.kind == "complex":
            part = self.convert(text, source, target.real)
            return f"gc_complex_{target.real.name}({part}, 0)"
        if target is dtypes.bool_:
            return f"({_atom(text)} != 0)"
        if target.is_integer and source.kind == "float":
            wide = "f64" if source is dtypes.f64 else "f32"
            return f"gc_truncate_{wide}_{target.name}({text})"
        if target in (dtypes.f16, dtypes.bf16):
            wide = source.name if source in (dtypes.f64, dtypes.i64, dtypes.u64) else "f32"
            if source in (dtypes.i32, dtypes.u32):
                wide, text = "f64", f"(double){_atom(text)}"
            return f"gc_round_{wide}_{target.name}({text})"
        if target.kind == "storage":
            # An integer that float rounds is beyond the range of both formats.
            is_wide = source is dtypes.f64
            return f"gc_{'f64' if is_wide else 'f32'}_to_{target.name}({text})"
        return f"({ctype}){_atom(text)}"

    def _convert_stored(self, text: str, source: DType, target: DType) -> str:
        """An 8-bit float as another dtype, by way of float, which holds it; f16 and bf16 do too."""
        value = f"gc_{source.name}_to_f32({text})"
        is_held = target in (dtypes.f16, dtypes.bf16, dtypes.f32)
        return value if is_held else self.convert(value, dtypes.f32, target)

    def _convert_complex(self, text: str, source: DType, target: DType) -> str:
        if target is dtypes.bool_:
            return f"gc_not_equal_{source.name}({text}, {self.constant(0, source)})"
        return f"gc_{source.name}_to_{target.name}({text})"

    def constant(self, value: bool | int | float | complex, dtype: DType) -> str:
        """A literal number; C has none for the least integers."""
        if dtype is dtypes.bool_:
            return "true" if value else "false"
        if dtype.kind == "float":
            assert isinstance(value, int | float)
            if math.isnan(value):
                return f"GC_NAN_F{64 if dtype is dtypes.f64 else 32}"
            if math.isinf(value):
                text = f"GC_INFINITY_F{64 if dtype is dtypes.f64 else 32}"
                return text if value > 0 else f"-{text}"
            return repr(float(value)) if dtype is dtypes.f64 else f"{_single(value)}f"
        if dtype.kind == "storage":
            return f"gc_f32_to_{dtype.name}({self.constant(value, dtypes.f32)})"
        if dtype.kind == "complex":
            parts = (self.constant(float(x), dtype.real) for x in (value.real, value.imag))
            return f"gc_complex_{dtype.real.name}({', '.join(parts)})"
        assert isinstance(value, int)
        if dtype.bits < 32:
            return str(value)
        if dtype.kind == "unsigned":
            return f"{value}{'ULL' if dtype.bits == 64 else 'U'}"
        suffix = "LL" if dtype.bits == 64 else ""
        if value == dtype.minimum_value:
            return f"({value + 1}{suffix} - 1)"
        return f"{value}{suffix}"


def _single(value: float) -> str:
    """The shortest decimal that a compiler reads as this float."""
    single = np.float32(value)
    return str(single) if float(single) == float(value) else repr(float(value))


def _atom(text: str) -> str:
    return text if _is_atom(text) else f"({text})"


def _is_atom(text: str) -> bool:
    """Whether a text is an operand of any operator as it stands.

    >>> [_is_atom(text) for text in ("x_0", "1e-08f", "f(g(x), 1)", "a[i]", "-1", "(int)(x)")]
    [True, True, True, True, False, False]
    """
    word = _WORD.match(text)
    assert word is not None
    rest, depth, groups = text[word.end() :], 0, 0
    for character in rest:
        if depth == 0 and character not in "([":
            return False
        depth += (character in "([") - (character in ")]")
        groups += depth == 0
    return bool(text) and (groups == 1 if not word[0] else True)
