"""A mutex that a forked child can use, whatever the parent's other threads were doing."""

from __future__ import annotations

import os
import threading
import weakref


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


_known: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_known):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
