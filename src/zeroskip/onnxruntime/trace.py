"""Trace: what a profiled session did, as a file of Chrome's trace format (``chrome://tracing``, Perfetto)."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ..engine.show.step_times import StepProfile
from ..files import atomic_path

_PROVIDER = "CPUExecutionProvider"


class Trace:
    """Events of one session; times are microseconds since it began.

    Args:
        prefix: Of the file's name; date and time follow.
    """

    def __init__(self, prefix: str) -> None:
        self.start_ns = time.perf_counter_ns()
        self._path = f"{prefix}_{datetime.now():%Y-%m-%d_%H-%M-%S_%f}.json"
        self._events: list[dict[str, Any]] = []

    @contextmanager
    def event(self, name: str) -> Iterator[None]:
        """Record how long the block takes."""
        begin = time.perf_counter_ns()
        try:
            yield
        finally:
            self._add("Session", name, begin, time.perf_counter_ns() - begin, {})

    def add_steps(self, steps: Sequence[StepProfile]) -> None:
        """Record steps that were measured just now, one after the other."""
        begin = time.perf_counter_ns() - sum(int(step.latency_ms * 1e6) for step in steps)
        for index, step in enumerate(steps):
            details = {
                "op_name": step.op,
                "provider": _PROVIDER,
                "node_index": str(index),
                "nodes": list(step.nodes),
                "kernel": step.kernel,
                "output_shape": list(step.output_shape),
                "macs": step.macs,
                "input_density": step.input_density,
            }
            duration = int(step.latency_ms * 1e6)
            self._add("Node", f"{step.name}_kernel_time", begin, duration, details)
            begin += duration

    def write(self) -> str:
        """Write the file and return its name; raises ``OutputError`` if it cannot be written."""
        with atomic_path(self._path) as path:
            path.write_text(json.dumps(self._events))
        return self._path

    def _add(self, category: str, name: str, begin_ns: int, duration_ns: int, details: dict[str, Any]) -> None:
        self._events.append(
            {
                "cat": category,
                "pid": os.getpid(),
                "tid": threading.get_native_id(),
                "dur": duration_ns // 1000,
                "ts": max(0, begin_ns - self.start_ns) // 1000,
                "ph": "X",
                "name": name,
                "args": details,
            }
        )
