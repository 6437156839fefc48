"""Where there is little room whole columns go, and numbers stay whole."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text

from zeroskip.fitted_table import Column, FittedTable


def table() -> FittedTable:
    columns = [Column("ms"), Column("", 2, "left"), Column("ms at +10", 1), Column("ms at +20", 1)]
    made = FittedTable("layer", columns, "network [/red]")
    made.add_row("features.denseblock4.denselayer32.conv2", "12345.678", Text("█" * 10), "1234.567", "999.999")
    made.add_row("[/bold]\x1b[31m", "1", Text(""), "", "", style="bold")
    return made


def shown(width: int) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(table())
    return capture.get()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 200])
def test_no_number_is_cut_and_no_line_is_too_long(width: int) -> None:
    text = shown(width)
    assert "12345.678" in text
    assert all(len(line) <= width for line in text.splitlines())
    kept = "ms at +10" in text
    assert ("1234.567" in text) == kept
    assert ("999.999" in text) == kept


def test_columns_go_by_their_rank() -> None:
    assert "███" in shown(100)
    assert "███" not in shown(64)
    assert "ms at +10" in shown(64)
    assert "ms at +10" not in shown(40)


def test_long_names_keep_their_ends() -> None:
    assert "features.denseblock4.denselayer32.conv2" not in shown(60)
    assert "conv2" in shown(60)
    assert "feat" in shown(60)


def test_names_are_text() -> None:
    assert "[/bold]\\x1b[31m" in shown(100)
    assert "network [/red]" in shown(100)
