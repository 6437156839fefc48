"""ONNX Runtime in this process: how it is imported, and its sessions through forks and the end of the interpreter.

It stands neither by itself:

- *Fork.* The threads of a session do not exist in a forked child, and destroying the session there waits for them
  for ever. A child therefore never destroys what it inherited: the copy costs address space, and memory only where
  it is written to. ``fork()`` waits while a session is being created, because that holds locks of the whole process.
- *Exit.* Until Python 3.14 a daemon thread that asks for the GIL after the end of the interpreter is ended by
  unwinding its stack, which pybind11's frames turn into ``std::terminate``. So the end waits for the calls under
  way, and threads that come later wait for the process to go away.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..locks import Gate
from .real_runtime import import_real

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""Environment for processes that import onnxruntime on behalf of somebody who did not ask for it."""

_sessions: weakref.WeakSet[Any] = weakref.WeakSet()
_creations = Gate()  # closed by forks
generation = 0
"""How many forks lie between this process and the one that imported this."""
CALLS = Gate()
"""Where all runs are made: closed at the end of the interpreter."""


@functools.cache
def runtime() -> ModuleType:
    """Return the real onnxruntime, imported with its telemetry off unless the environment says otherwise.

    From 1.29 on it would report on the models it loads, and its uploader, a thread that is there from the import on,
    keeps forked children from ending. There is no other switch: it is read while the library is loaded.
    """
    with _creations:
        added = {name: value for name, value in NO_TELEMETRY.items() if name not in os.environ}
        os.environ.update(added)
        try:
            return import_real()
        finally:
            for name in added:
                os.environ.pop(name, None)


def create(new: Callable[[], Any]) -> Any:
    """Return what ``new`` makes, an ``onnxruntime.InferenceSession``."""
    with CALLS, _creations:
        session = new()
        _sessions.add(session)
        return session


def run_of(session: Any) -> Callable[..., list[Any]]:
    """Return what runs a session that :func:`create` returned, to be called inside of :data:`CALLS`.

    It takes the names of the outputs, the feed and None. Where there is a session behind the one of Python that is
    asked: what the other looks at beforehand has been checked, and takes 5 of 140 microseconds of a small model (Zen 3,
    November 2026).
    """
    return getattr(session, "_sess", session).run  # type: ignore[no-any-return]


def _abandon_all() -> None:
    global generation
    generation += 1
    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))  # a reference that nobody gives back


atexit.register(CALLS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_creations.close, after_in_parent=_creations.open, after_in_child=_abandon_all)
