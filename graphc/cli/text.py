"""Tables and quantities as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["quantity", "table", "variants"]


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


def variants(said: Mapping[str, Mapping[str, Sequence[Sequence[int]]]]) -> str:
    """The lines that list the variants of a module, as its manifest says them.

    >>> print(variants({"predict on cpu": {"B": [[1, 8], [9, 4096]]}}), end="")
    variants of predict on cpu: B: 1..8 | 9..4096
    """
    return "".join(
        f"variants of {what}: {size}: {' | '.join(f'{low}..{high}' for low, high in ranges)}\n"
        for what, sizes in said.items()
        for size, ranges in sizes.items()
    )


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
