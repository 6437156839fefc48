"""Chrome's trace format: a profile as events that Perfetto shows on a time line.

References:
    "Trace Event Format", the Chromium project: complete events (``X``), counters (``C``), metadata (``M``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .step_times import Profile, StepProfile

_PROCESS = 1
_STEPS = 0
"""Row of the steps; thread t has row t + 1."""
_MICROSECONDS = 1e3


def trace_events(profile: Profile) -> list[dict[str, Any]]:
    """Return the last iteration of a profile as trace events, step after step.

    Args:
        profile: What ``session.profile`` returned.

    Returns:
        Dictionaries with JSON's types; times in microseconds.
    """
    events = [_name("process_name", _STEPS, "zeroskip"), _name("thread_name", _STEPS, "steps")]
    threads = {thread for step in profile.steps for thread, _, _ in step.tasks}
    events += [_name("thread_name", thread + 1, f"thread {thread}") for thread in sorted(threads)]
    start = 0.0
    for step in profile.steps:
        duration = step.latency_ms if step.last_ms is None else step.last_ms
        events.append(_complete(step.name, _STEPS, start, duration, _facts(step)))
        if step.input_density is not None:
            counted = {"density": step.input_density}
            events.append(
                {"name": "input density", "ph": "C", "pid": _PROCESS, "ts": _MICROSECONDS * start, "args": counted}
            )
        events += [
            _complete(step.name, thread + 1, start + begin, end - begin, {}) for thread, begin, end in step.tasks
        ]
        start += duration
    return events


def _facts(step: StepProfile) -> dict[str, Any]:
    facts = {
        "op": step.op,
        "kernel": step.kernel,
        "output": list(step.output_shape),
        "macs": step.macs,
        "median_ms": step.latency_ms,
        "nodes": list(step.nodes),
    }
    return facts if step.input_density is None else facts | {"input_density": step.input_density}


def _complete(name: str, row: int, start_ms: float, duration_ms: float, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "ph": "X",
        "pid": _PROCESS,
        "tid": row,
        "ts": _MICROSECONDS * start_ms,
        "dur": _MICROSECONDS * max(0.0, duration_ms),
        "args": facts,
    }


def _name(kind: str, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": row, "args": {"name": name}}
