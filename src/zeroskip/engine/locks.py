"""Locks that stand a fork: whatever the parent's other threads were doing, the child can use them."""

from __future__ import annotations

import os
import threading
import weakref
from threading import get_ident


class ForkSafeLock:
    """A mutex that is free in a forked child, whichever thread held it in the parent.

    That thread does not exist in the child and would never give it back. What the mutex guards must be usable at
    any moment the interpreter switches threads. The native core sees to its own mutexes.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _known.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Forget who holds it."""
        self._lock = threading.Lock()


class Gate:
    """Lets any number of threads in, until one of them closes it.

    What is behind it must be over before something else happens, a fork or the end of the interpreter: closing
    waits until every other thread is out, and whoever comes then waits until the gate is open again. The thread that
    closed it goes in and out freely. A forked child finds it open.
    """

    __slots__ = ("__weakref__", "_closer", "_condition", "_inside")

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside: set[int] = set()
        self._closer: int | None = None
        _known.add(self)

    def __enter__(self) -> None:
        # Who goes in says so before looking whether somebody closes, who looks for others after saying so: one of
        # the two sees the other, and the usual way needs no lock.
        own = get_ident()
        self._inside.add(own)
        if self._closer is None or self._closer == own:
            return
        with self._condition:
            self._inside.discard(own)
            self._condition.notify_all()
            self._wait_for_others()
            self._inside.add(own)

    def __exit__(self, *_: object) -> None:
        self._inside.discard(get_ident())
        if self._closer is not None:
            with self._condition:
                self._condition.notify_all()

    def close(self) -> None:
        """Let no other thread in, and wait until all that are in are out."""
        own = threading.get_ident()
        with self._condition:
            self._wait_for_others()
            self._closer = own
            while self._inside - {own}:
                self._condition.wait()

    def open(self) -> None:
        """Undo :meth:`close`."""
        with self._condition:
            self._closer = None
            self._condition.notify_all()

    def renew(self) -> None:
        """Forget all threads but this one."""
        self._condition = threading.Condition()
        self._inside &= {threading.get_ident()}
        self._closer = None

    def _wait_for_others(self) -> None:
        while self._closer not in (None, threading.get_ident()):
            self._condition.wait()


_known: weakref.WeakSet[ForkSafeLock | Gate] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_known):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
