"""FittedTable: a table that gives up whole columns where the terminal is narrow, and never part of a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from .text import printable

_LEAST_NAME, _MOST_NAME = 16, 36


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        heading: Its title.
        rank: 0 stays; of the others those with the highest rank go first, all of one rank together.
        justify: ``"right"`` for numbers.
    """

    heading: str
    rank: int = 0
    justify: str = "right"


class FittedTable:
    """A table whose first column holds names; where there is little room its columns go by their rank.

    Names are shortened in the middle, because layers differ at the end, but not below sixteen characters as long as a
    column can go instead.

    Args:
        name: Heading of the first column.
        columns: The others.
        title: Above the table, which then has a frame.
    """

    def __init__(self, name: str, columns: Sequence[Column], title: str | None = None) -> None:
        self._name = name
        self._columns = tuple(columns)
        self._title = title
        self._gap, self._edge = (2, 0) if title is None else (3, 4)
        self._rows: list[tuple[str, tuple[str | Text, ...], str | None]] = []
        self._sections: set[int] = set()

    def add_row(self, name: str, *cells: str | Text, style: str | None = None) -> None:
        """Add a row; its cells are plain text, never markup."""
        self._rows.append((printable(name), cells, style))

    def add_section(self) -> None:
        """Draw a line below the last row."""
        self._sections.add(len(self._rows))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table(options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._table(options.max_width))

    def _table(self, width: int) -> Table:
        kept = self._kept(width)
        room = width - sum(self._width(index) + self._gap for index in kept) - self._edge
        most = max(min(room, _MOST_NAME), cell_len(self._name))
        table = self._frame()
        table.add_column(Text(self._name), no_wrap=True)
        for index in kept:
            column = self._columns[index]
            table.add_column(Text(column.heading), justify=column.justify, no_wrap=True)  # type: ignore[arg-type]
        for number, (name, cells, style) in enumerate(self._rows, start=1):
            plain = [cell if isinstance(cell, Text) else Text(printable(cell)) for cell in cells]
            table.add_row(Text(_shortened(name, most)), *(plain[index] for index in kept), style=style)
            if number in self._sections:
                table.add_section()
        return table

    def _frame(self) -> Table:
        if self._title is None:
            return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        title = Text(printable(self._title))
        return Table(title=title, title_justify="left", title_style="bold", box=box.ROUNDED, header_style="dim")

    def _kept(self, width: int) -> list[int]:
        kept = list(range(len(self._columns)))
        names = max((cell_len(name) for name, _, _ in self._rows), default=0)
        least = max(min(names, _LEAST_NAME), cell_len(self._name))
        for rank in sorted({column.rank for column in self._columns if column.rank}, reverse=True):
            if least + self._edge + sum(self._width(index) + self._gap for index in kept) <= width:
                break
            kept = [index for index in kept if self._columns[index].rank != rank]
        return kept

    def _width(self, index: int) -> int:
        return max(self._lengths(index), default=0)

    def _lengths(self, index: int) -> Iterator[int]:
        yield cell_len(self._columns[index].heading)
        for _, cells, _ in self._rows:
            cell = cells[index]
            yield cell.cell_len if isinstance(cell, Text) else cell_len(cell)


def _shortened(name: str, most: int) -> str:
    """Return a name with its middle left out if it is longer than ``most``; a quarter of the beginning stays."""
    if cell_len(name) <= most:
        return name
    head = most // 4
    tail = most - head - 1
    return f"{name[:head]}…{name[-tail:]}"
