"""Aligned text tables for what a person prints: explanations and profiles."""

from __future__ import annotations

from collections.abc import Sequence

from ...text import printable


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], right_aligned: Sequence[str] = ()) -> str:
    """Return rows as aligned columns under a header.

    Args:
        header: Column titles.
        rows: Cells, one sequence per row, as many as there are titles.
        right_aligned: Titles of the columns that hold numbers.

    Example:
        >>> print(format_table(["op", "ms"], [["conv", "1.25"], ["add", "0.5"]], right_aligned=["ms"]))
        op      ms
        conv  1.25
        add    0.5
    """
    header, rows = list(header), [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if title in right_aligned else cell.ljust(width)
            for title, cell, width in zip(header, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as ``1x64x56x56``."""
    return "x".join(str(size) for size in shape)
