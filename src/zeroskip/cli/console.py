"""What a command writes: results to stdout, progress and errors to stderr, one line for a failure."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text

from ..errors import ZeroskipError
from ..extras import install_words
from ..files import atomic_write_text
from ..text import printable

FAILURE = 1
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""
_PLAIN_WIDTH = 80
_STDOUT = "-"
_KEPT = "\n\t"


class SafeConsole(Console):
    """A console that prints strings as they are: no markup, no emoji codes, and control characters as escapes.

    Names of nodes, files and classes come from others, and they may stand in anything that is printed.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without our bars and arrows is no failure
        # In pipes and logs the width is one that every reader has; COLUMNS asks for another.
        is_known = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
        width = None if is_known else _PLAIN_WIDTH
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return a string as the text that is laid out."""
        return super().render_str(printable(text, keep=_KEPT), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return what is written for a renderable."""
        if isinstance(renderable, Text) and printable(renderable.plain, keep=_KEPT) != renderable.plain:
            renderable = _escaped(renderable)
        return super().render(renderable, options)


def _escaped(text: Text) -> Text:
    """Return a text with control characters as escapes, in the style of the whole."""
    safe = Text(printable(text.plain, keep=_KEPT), style=text.style, justify=text.justify, overflow=text.overflow)
    safe.no_wrap = text.no_wrap
    return safe


class Terminal:
    """Where a command's words go.

    Args:
        is_quiet: Whether only results and errors are wanted.
        is_verbose: Whether a failure shows its traceback, and what other libraries log is shown.
        json_target: The ``--json`` argument: a file, ``-`` for stdout, or None.

    Attributes:
        flags: Parameter of the library to the flag of the running command; messages name the flags.
    """

    def __init__(self, is_quiet: bool = False, is_verbose: bool = False, json_target: str | None = None) -> None:
        self.flags: Mapping[str, str] = {}
        self._out = SafeConsole()
        self._error = SafeConsole(stderr=True)
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
            TextColumn("{task.description:<44}", markup=False),
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
        """Show what this package logs as notes, and what others log only with ``--debug``."""
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
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            missing = install_words(error.name) if isinstance(error, ModuleNotFoundError) else None
            fault = f"{type(error).__name__}: {error}\nThis is a fault of zeroskip itself; --debug shows where."
            self._fail(f"this needs {missing}" if missing else fault)
        except KeyboardInterrupt:
            self._fail("interrupted; nothing was written", INTERRUPTED)

    def _fail(self, message: str, code: int = FAILURE) -> None:
        if self._is_verbose:
            self._error.print_exception()
        words = with_flags(message, self.flags)
        self._error.print(Text("error: ", style="bold red") + Text(printable(words, keep=_KEPT), style="red"))
        raise typer.Exit(code)


def with_flags(message: str, flags: Mapping[str, str]) -> str:
    """Return a message of the library with the flags of a command in place of the library's parameters.

    Words that are also plain English (``data``) are taken for parameters only where a value follows or the message
    begins with them.

    Args:
        message: What an error says.
        flags: Parameter to flag.

    Example:
        >>> with_flags("both max_drop=0.1 and seed=3 are given, the data are few", {"max_drop": "--max-drop",
        ...     "seed": "--seed", "data": "--data"})
        'both --max-drop 0.1 and --seed 3 are given, the data are few'
    """
    for name, flag in sorted(flags.items(), key=lambda item: -len(item[0])):
        word = rf"(?<![\w.'/-]){re.escape(name)}"
        message = re.sub(rf"{word}=(True|None)\b", flag, message)
        message = re.sub(rf"{word}=(?=\S)", f"{flag} ", message)
        message = re.sub(rf"^{name}(?= is )", flag, message)
        if "_" in name:
            message = re.sub(rf"{word}(?![\w./'])", flag, message)
        message = message.replace(f"{flag} ({flag})", flag)
    return message


class _Notes(logging.Handler):
    """Passes log records to a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.WARNING)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.note(f"warning: {with_flags(record.getMessage(), self._terminal.flags)}")


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
