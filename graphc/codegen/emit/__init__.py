"""The emitter: kernel IR to readable text of the C family, spelled by a dialect.

Each value is computed once, in the outermost loop where its operands exist: what does not
change in a loop is named before it. Values are named after the op that computes them.
"""

from __future__ import annotations

from graphc.codegen.dialect import Dialect
from graphc.codegen.emit.blocks import Blocks, folded, variable_name
from graphc.codegen.emit.statements import Statements
from graphc.codegen.index import c_index
from graphc.ir.kernel import Kernel

__all__ = ["emit_kernel"]


def emit_kernel(kernel: Kernel, dialect: Dialect) -> str:
    """The text of a kernel in the dialect."""
    blocks, step = Blocks(dialect), variable_name(kernel.step)
    lines = dialect.open_kernel(kernel, step, c_index(kernel.grid))
    with blocks.scope(step) as body:
        Statements(kernel, dialect, blocks).write(kernel.body)
    depth = sum(line.count("{") - line.count("}") for line in lines)
    lines += ["    " * depth + line for line in body.lines]
    lines += ["    " * level + "}" for level in reversed(range(depth))]
    return "\n".join(part for line in lines for part in folded(line)) + "\n"
