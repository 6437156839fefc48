"""What a command writes: results to stdout, progress and errors to stderr, one line for a failure."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ..errors import ZeroskipError
from ..files import atomic_write_text

FAILURE = 1
_PLAIN_WIDTH = 120
_STDOUT = "-"


class Terminal:
    """Where a command's words go.

    Args:
        is_quiet: Whether only results and errors are wanted.
        is_verbose: Whether a failure shows its traceback.
        json_target: The ``--json`` argument: a file, ``-`` for stdout, or None.
    """

    def __init__(
        self, is_quiet: bool = False, is_verbose: bool = False, json_target: str | None = None
    ) -> None:
        # Without a terminal rich takes 80 columns, which tears tables apart in logs.
        self._out = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
        self._error = Console(stderr=True, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)
        self._is_quiet = is_quiet
        self._is_verbose = is_verbose
        self._json_target = json_target

    def show(self, *renderables: RenderableType) -> None:
        """Print results, unless stdout is taken by JSON."""
        if self._json_target != _STDOUT:
            for renderable in renderables:
                self._out.print(renderable)

    def json(self, text: str) -> None:
        """Write JSON where ``--json`` said, if it was given."""
        if self._json_target == _STDOUT:
            sys.stdout.write(text + "\n")
        elif self._json_target is not None:
            atomic_write_text(Path(self._json_target), text + "\n")

    def note(self, line: str) -> None:
        """Tell how things go, on stderr."""
        if not self._is_quiet:
            self._error.print(Text(line))

    @contextmanager
    def progress(self) -> Iterator[Stages]:
        """Yield a progress callback that draws bars on stderr; no bars without a terminal or if quiet."""
        columns = (
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        is_shown = sys.stderr.isatty() and not self._is_quiet
        with Progress(*columns, console=self._error, transient=True, disable=not is_shown) as bars:
            yield Stages(bars)

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Show what this package logs as notes, and what others log only with ``--verbose``."""
        own, root = logging.getLogger("zeroskip"), logging.getLogger()
        notes, silence = _Notes(self), logging.NullHandler()
        own.addHandler(notes)
        root.addHandler(notes if self._is_verbose else silence)
        own.propagate = False
        try:
            yield
        finally:
            own.removeHandler(notes)
            root.removeHandler(notes if self._is_verbose else silence)
            own.propagate = True

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn a failure into one red line and exit code 1."""
        try:
            yield
        except ZeroskipError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{error.filename or 'file'}: {error.strerror or error}")
        except MemoryError:
            self._fail("out of memory: try a smaller --batch-size or fewer inputs")
        except KeyboardInterrupt:
            self._fail("interrupted; nothing was written")

    def _fail(self, message: str) -> None:
        if self._is_verbose:
            self._error.print_exception()
        self._error.print(Text("error: ", style="bold red") + Text(message, style="red"))
        raise typer.Exit(FAILURE)


class _Notes(logging.Handler):
    """Passes log records to a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.WARNING)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.note(f"warning: {record.getMessage()}")


class Stages:
    """A progress callback with a bar per stage; one is new when its count restarts or its total changes."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._done = 0
        self._total = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._task is None or total != self._total or done < self._done:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(what, total=total)
        self._done, self._total = done, total
        self._bars.update(self._task, description=what, completed=done)
