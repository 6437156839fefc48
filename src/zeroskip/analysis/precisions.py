"""The precisions that the engine can run a model in, besides the one that a profile is made in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .curves import StepMeasurement, measure_steps
from .inputs import Feed
from .records import PrecisionTimes

if TYPE_CHECKING:
    from ..engine import InferenceSession, SessionOptions
    from ..progress import Progress


def other_precisions(options: SessionOptions) -> Mapping[str, SessionOptions]:
    """Return, by name of a precision, the options that run a model in it: bf16 where the CPU has products of it.

    Args:
        options: Everything else.
    """
    from ..engine.precision import multiplies_bf16

    return {"bf16": replace(options, precision="bf16")} if multiplies_bf16(options.isa) else {}


def precision_times(
    precision: str,
    sessions: Sequence[InferenceSession],
    feeds: Sequence[Feed],
    gains: Sequence[float],
    progress: Progress | None = None,
) -> PrecisionTimes:
    """Return what more zeros would buy in a precision.

    Args:
        precision: Its name.
        sessions: The network in that precision, then thinned variants of it.
        feeds: Real inputs.
        gains: Increases of sparsity.
        progress: Told of each round.
    """
    measured = measure_steps(sessions, feeds, progress)
    return PrecisionTimes(
        precision=precision,
        latency_ms=sum(item.latency_ms for item in measured),
        predicted_latency_ms=tuple(sum(item.predicted_ms(gain) for item in measured) for gain in gains),
        layers={item.step.name: _times(item, gains) for item in measured if item.step.macs},
    )


def _times(item: StepMeasurement, gains: Sequence[float]) -> tuple[float, ...]:
    return (item.latency_ms, *(item.predicted_ms(gain) for gain in gains))
