"""The greatest common divisor and the least common multiple of whole numbers."""

from __future__ import annotations

import numpy as np

from graphc.ir.node import Node
from graphc.ir.op import surface
from graphc.ir.ops.broadcasting import Operand, broadcast, promoted
from graphc.ir.ops.elementwise.arithmetic import absolute, floor_divide, multiply
from graphc.ir.ops.elementwise.declaration import INTEGER, elementwise

__all__: list[str] = []

gcd = elementwise(
    "gcd",
    2,
    np.gcd,
    "The greatest common divisor of |x| and |y|, the other one where one is 0.",
    kinds=INTEGER,
    cheap=False,
    commutes=True,
)


@surface("lcm")
def lcm(x: Operand, y: Operand) -> Node:
    """The least common multiple of |x| and |y|, 0 where one is 0; beyond the range it wraps."""
    a, b = broadcast(*promoted(x, y))
    return multiply(absolute(floor_divide(a, gcd(a, b))), absolute(b))
