"""How much of the machine others use while the engines rest: what tells a busy machine from a noisy engine."""

from __future__ import annotations

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_QUIET_S = 0.1
"""Threads that still spin after a run fall asleep before the look begins."""


class OthersLoad:
    """Cores that other programs use, looked at in the pauses of a measurement.

    Attributes:
        cores: Mean over all looks; None before the first, or where the system does not tell.
    """

    def __init__(self) -> None:
        self._busy = 0.0
        self._seconds = 0.0

    @property
    def cores(self) -> float | None:
        """Mean number of cores in use."""
        return self._busy / self._seconds if self._seconds else None

    def rest(self, seconds: float) -> None:
        """Sleep, and look at the machine meanwhile.

        Args:
            seconds: How long.
        """
        time.sleep(min(_QUIET_S, seconds))
        before, started = _busy_seconds(), time.monotonic()
        time.sleep(max(0.0, seconds - _QUIET_S))
        after, ended = _busy_seconds(), time.monotonic()
        if before is not None and after is not None:
            self._busy += max(0.0, after - before)
            self._seconds += ended - started


def _busy_seconds() -> float | None:
    """Return the time that all processors together have not been idle since the machine was started."""
    try:
        fields = [int(value) for value in _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = sum(fields[3:5])  # waiting for a disk is idle, too
    return float(sum(fields) - idle) / os.sysconf("SC_CLK_TCK")
