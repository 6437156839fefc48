"""The precisions that the engine can run a model in, besides the one that a profile is made in.

bf16 is measured, for it needs no data: the model is run in it. int8 would first have to be quantised, so its times are
predicted, from the densities that were met in float32 and the cost model; nothing is said of its accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..engine.cost import can_skip, gains_by_zeros, integer_form, is_integer, skips_rows
from .curves import LOWEST_DENSITY, StepMeasurement, fixed_times, measure_steps
from .inputs import Feed
from .records import PrecisionTimes

if TYPE_CHECKING:
    from ..engine import CostModel, InferenceSession, Plan, SessionOptions
    from ..engine.plan.types import Step
    from ..progress import Progress

_CONVERSION = "conversion"
"""Reason of time that goes to rounding and back, in another precision only."""


def other_precisions(options: SessionOptions) -> Mapping[str, SessionOptions]:
    """Return, by name of a precision, the options that run a model in it: bf16 where the CPU has products of it.

    Args:
        options: Everything else.
    """
    from ..engine.precision import multiplies_bf16

    return {"bf16": replace(options, precision="bf16")} if multiplies_bf16(options.isa) else {}


def own_precision(session: InferenceSession, feed: Feed) -> str:
    """Return what a model computes in as it is: ``int8`` where layers compute on integers, else ``float32``."""
    if session.explain_islands():
        return "float32"
    return "int8" if is_integer(session.plan({name: np.shape(array) for name, array in feed.items()})) else "float32"


def lacking_precisions(
    session: InferenceSession, isa: str, own: str, precisions: Sequence[PrecisionTimes]
) -> dict[str, str]:
    """Return by precision why a profile has no times in it.

    Args:
        session: Of the model, after a run.
        isa: Instruction set.
        own: The profile's own precision.
        precisions: The others that it has times in.
    """
    is_mixed = bool(session.explain_islands())
    reasons = {
        "bf16": f"{isa} has no products of it (avx512bf16 has)",
        "int8": "ONNX Runtime runs parts of the model" if is_mixed else "no times of it were measured on this CPU",
    }
    present = {own, *(item.precision for item in precisions)}
    return {name: reason for name, reason in reasons.items() if name not in present}


def precision_times(
    precision: str,
    sessions: Sequence[InferenceSession],
    feeds: Sequence[Feed],
    gains: Sequence[float],
    progress: Progress | None = None,
) -> PrecisionTimes:
    """Return what more zeros would buy in a precision, measured.

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
        fixed=fixed_times((item.step.obstacle, item.latency_ms) for item in measured),
    )


def predicted_int8(
    session: InferenceSession, feed: Feed, measured: Sequence[StepMeasurement], gains: Sequence[float]
) -> PrecisionTimes | None:
    """Return what a float32 model would take in int8, and what more zeros would buy there.

    Args:
        session: The model in float32, with a fitted cost model.
        feed: An input of it.
        measured: Its steps; how much faster or slower they were than the cost model says is taken over.
        gains: Increases of sparsity.

    Returns:
        None for a model that computes on integers already or in parts of other engines, or without prices of int8.
    """
    costs = session.cost_model
    if costs.fit is None or not costs.has_prices("u8") or session.explain_islands():
        return None
    plan = session.plan({name: np.shape(array) for name, array in feed.items()})
    if is_integer(plan):
        return None
    form = _Int8(plan, costs, measured)
    now, *later = ([form.time_ms(step, gain) for step in form.steps] for gain in (0.0, *gains))
    layers = {
        step.name: tuple(times)
        for step, *times in zip(form.steps, now, *later, strict=True)
        if step.macs and not step.name.endswith((":quantize", ":dequantize"))
    }
    return PrecisionTimes(
        precision="int8",
        latency_ms=sum(now),
        predicted_latency_ms=tuple(sum(times) for times in later),
        layers=layers,
        is_predicted=True,
        fixed=fixed_times((form.obstacle(step), time) for step, time in zip(form.steps, now, strict=True)),
    )


class _Int8:
    """A model in int8, as the cost model sees it.

    Args:
        plan: In float32.
        costs: Prices of both.
        measured: The float32 steps.
    """

    def __init__(self, plan: Plan, costs: CostModel, measured: Sequence[StepMeasurement]) -> None:
        self._plan = integer_form(plan)
        self._costs = costs
        self._measured = {item.step.name: item for item in measured}
        self._factor = sum(item.latency_ms for item in measured) / sum(
            costs.predict(plan, step, self._density(step, 0.0), costs.threads) for step in plan.steps
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """Those of the float32 plan by name, and conversions."""
        return self._plan.steps

    def time_ms(self, step: Step, gain: float) -> float:
        """Return the time of a step with so much more zeros."""
        density = self._density(step, gain)
        return self._factor * self._costs.predict(self._plan, step, density, self._costs.threads)

    def obstacle(self, step: Step) -> str | None:
        """Return why a step can never skip; None where it can."""
        known = self._measured.get(step.name)
        if known is None:
            return _CONVERSION
        is_layer = can_skip(step) or skips_rows(step)
        if known.step.obstacle is None and is_layer and gains_by_zeros(self._plan, step):
            return None
        return known.step.obstacle or "signed inputs"

    def _density(self, step: Step, gain: float) -> float | None:
        known = self._measured.get(step.name)
        if known is None or known.density is None:
            return None
        return min(1.0, max(LOWEST_DENSITY, known.density - gain))


def _times(item: StepMeasurement, gains: Sequence[float]) -> tuple[float, ...]:
    return (item.latency_ms, *(item.predicted_ms(gain) for gain in gains))
