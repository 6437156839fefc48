"""Ctrl-C, termination and a closed terminal: all end a command alike, with what is half-written removed.

The first signal is raised in the main thread as :class:`Interrupted`. Python does that only when the native call under
way returns, which may take seconds; a command that must stop at once lets a second thread watch for that.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..staging import open_stages

_GRACE_S = 0.7
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_received: list[int] = []


class Interrupted(KeyboardInterrupt):
    """A signal asks to stop."""


def install() -> None:
    """Handle the signals, except those that are ignored (``nohup``, jobs in the background of a shell)."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _receive)


def exit_code() -> int | None:
    """Return 128 and the number of the first signal that came, as shells have it; None if none did."""
    return 128 + _received[0] if _received else None


def _receive(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise Interrupted


@contextmanager
def prompt_stop() -> Iterator[None]:
    """Make sure that a signal ends the process within a second, whatever native code is running.

    Where the main thread has not come back by then, folders that are being written are removed and the process ends.
    Children end with it by themselves.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    done = threading.Event()
    threading.Thread(target=_watch, args=(reader, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(previous)
        os.close(writer)


def _end(code: int) -> None:
    """End the process here and now, with what is half-written removed."""
    from ..journal import open_journals  # loads NumPy; who is here has it already

    for folder in open_stages():
        shutil.rmtree(folder, ignore_errors=True)
    for journal in open_journals():
        journal.abandon()
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # the progress bar had hidden the cursor
    sys.stderr.write("error: interrupted; nothing was written\n")
    sys.stderr.flush()
    os._exit(code)


def _watch(reader: int, done: threading.Event) -> None:
    numbers = {int(number) for number in _SIGNALS}
    while received := os.read(reader, 1):
        if received[0] in numbers and not done.wait(_GRACE_S):
            _end(128 + received[0])
    os.close(reader)
