"""Tables and quantities as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphc.errors import UsageError

__all__ = ["parse_bytes", "quantity", "table"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def quantity(nbytes: int) -> str:
    """Bytes for a person.

    >>> quantity(512), quantity(2048), quantity(5 * 2**20)
    ('512 B', '2.0 KiB', '5.0 MiB')
    """
    value, unit = float(nbytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{nbytes} B" if unit == "B" else f"{value:.1f} {unit}"


def parse_bytes(text: str) -> int:
    """A number of bytes as a person writes it.

    >>> parse_bytes("64MiB"), parse_bytes("1000")
    (67108864, 1000)
    """
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise UsageError(
            f"{text!r} is not a number of bytes", hint="write 1000000, 64MiB or 2GB, for example"
        )
    return int(match[1]) * _UNITS[match[2].upper()]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns; the first row is the heading, the first column is left-aligned.

    >>> print(table([["export", "steps"], ["predict", "3"]]))
    export   steps
    predict      3
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
