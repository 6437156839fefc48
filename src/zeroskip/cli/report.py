"""``zeroskip report``: show the results of an earlier run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .command import command
from .console import Terminal


@command
def report(
    terminal: Terminal,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What optimize wrote.", show_default=False)],
) -> None:
    """Print the outcome of an earlier optimize run. Its files stay as they are; a missing report.html is written.

    Example: zeroskip report out
    """
    from ..optimize_result import REPORT_FILE, OptimizeResult
    from .optimize_run import show

    result = OptimizeResult.load(folder)
    show(terminal, result)
    if not (folder / REPORT_FILE).exists():
        result.write_report(folder / REPORT_FILE)
        terminal.note(f"written: {folder / REPORT_FILE}")
