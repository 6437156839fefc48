"""Density curves: how the time of each step depends on the density of its input, measured on this machine.

The network is run at its own sparsity and then with ever larger thresholds, which thin its activations on
the same real inputs; results do not matter here, only times. Between the measured points the curve is
linear. So a prediction needs no model of the kernels and includes threads, caches and the planner's choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..engine.cost import MOST_ERROR, DensityCurve, can_skip, mean_error, median_error, skips_rows
from ..progress import Progress, Steps
from .inputs import Feed
from .records import FixedTime

if TYPE_CHECKING:
    from ..engine import InferenceSession, Profile, StepProfile

ROUNDS = 3
_MOST_ROUNDS = 9
"""While the times are noisy."""
ITERATIONS = 5
LOWEST_DENSITY = 0.01
"""That predictions go down to."""


@dataclass(frozen=True)
class StepMeasurement:
    """One step of the network as it is: what it is, its median time and its mean input density.

    Args:
        step: The engine's description of it.
        latency_ms: Median over rounds of the median over iterations.
        density: Mean over inputs, or None where the step cannot skip.
        curve: Its density curve, or None where the step cannot skip.
        dense_ratio: Its time if nothing were zero over its time now, by a fitted cost model; None without one.
        error: Relative standard error of its times, told by how far the rounds lay apart.
    """

    step: StepProfile
    latency_ms: float
    density: float | None
    curve: DensityCurve | None
    dense_ratio: float | None = None
    error: float = 0.0

    def predicted_ms(self, sparsity_gain: float) -> float:
        """Return the time in ms if ``sparsity_gain`` more of all values (0.1: ten points) were zero."""
        if self.density is None or self.curve is None:
            return self.latency_ms
        density = min(1.0, max(LOWEST_DENSITY, self.density - sparsity_gain))
        return self._scaled(density)

    @property
    def dense_ms(self) -> float:
        """Estimated time in ms if nothing were zero: by the cost model, else extrapolated, which is rough."""
        if self.dense_ratio is not None:
            return self.latency_ms * self.dense_ratio
        return self.latency_ms if self.density is None else self._scaled(1.0)

    def _scaled(self, density: float) -> float:
        assert self.curve is not None
        assert self.density is not None
        here = self.curve.at(self.density)
        return self.latency_ms * self.curve.at(density) / here if here > 0.0 else self.latency_ms


def measure_steps(
    sessions: Sequence[InferenceSession], feeds: Sequence[Feed], progress: Progress | None = None
) -> tuple[StepMeasurement, ...]:
    """Measure every step of a network, and its density curve by thinned variants of the same network.

    Args:
        sessions: The network as it is, then its variants; steps are matched by name.
        feeds: Real inputs; rounds take turns in them.
        progress: Told of each round.
    """
    rounds: list[list[Profile]] = []
    steps = Steps(progress, "timing layers", ROUNDS)
    errors = np.zeros(0)
    for number in range(_MOST_ROUNDS):
        feed = feeds[number % len(feeds)]
        # Variants are interleaved, so that drift of a shared machine hits all of them.
        rounds.append([session.profile(feed, iterations=ITERATIONS) for session in sessions])
        steps.advance()
        if len(rounds) >= ROUNDS:
            errors = _errors(rounds)
            if _are_steady(rounds[0][0], errors):
                break
    steps.finish()
    points: dict[str, list[tuple[float, float]]] = {}
    for variant in range(len(sessions)):
        for name, point in _medians([profiles[variant] for profiles in rounds]).items():
            points.setdefault(name, []).append(point)
    natural = rounds[0][0].steps
    here = _medians([profiles[0] for profiles in rounds])
    latencies = {
        step.name: float(np.median([profiles[0].steps[index].latency_ms for profiles in rounds]))
        for index, step in enumerate(natural)
    }
    densities = {name: density for name, (density, _) in here.items()}
    dense_ratios = _dense_ratios(sessions[0], feeds[0], densities)
    return tuple(
        StepMeasurement(
            step,
            latencies[step.name],
            densities.get(step.name),
            DensityCurve.fit(points[step.name], step.steady_density) if step.name in here else None,
            dense_ratios.get(step.name),
            float(error),
        )
        for step, error in zip(natural, errors, strict=True)
    )


def fixed_times(times: Iterable[tuple[str | None, float]]) -> tuple[FixedTime, ...]:
    """Return the time of the steps that can never skip, by reason, longest first.

    Args:
        times: Of every step: why it cannot skip, None where it can, and its time.
    """
    pairs = list(times)
    total = sum(time for _, time in pairs)
    reasons: dict[str, list[float]] = {}
    for reason, time in pairs:
        if reason is not None:
            reasons.setdefault(reason, []).append(time)
    found = [
        FixedTime(reason=reason, steps=len(same), share=sum(same) / total if total else 0.0)
        for reason, same in reasons.items()
    ]
    return tuple(sorted(found, key=lambda item: -item.share))


def timing_error(measured: Sequence[StepMeasurement]) -> float:
    """Return the relative standard error of the times of steps that can skip, each weighted by its time."""
    skipping = [item for item in measured if item.curve is not None]
    return mean_error([item.error for item in skipping], [item.latency_ms for item in skipping])


def _errors(rounds: Sequence[Sequence[Profile]]) -> NDArray[np.float64]:
    """Return the relative standard error of every step's median time, float64 ``[steps]``."""
    times = [[[step.latency_ms for step in profile.steps] for profile in profiles] for profiles in rounds]
    return np.asarray(np.median(median_error(times), axis=0), np.float64)


def _are_steady(profile: Profile, errors: NDArray[np.float64]) -> bool:
    """Whether the times of the steps that can skip are certain enough."""
    chosen = [place for place, step in enumerate(profile.steps) if step.can_skip]
    times = [profile.steps[place].latency_ms for place in chosen]
    return mean_error(errors[chosen], times) <= MOST_ERROR


def _dense_ratios(session: InferenceSession, feed: Feed, densities: Mapping[str, float]) -> dict[str, float]:
    """Return the ``dense_ratio`` of steps with a density; none without a fitted cost model or a plan of the whole."""
    model = session.cost_model
    if model.fit is None or session.explain_islands():
        return {}
    plan = session.plan({name: np.shape(array) for name, array in feed.items()})
    steps = {step.name: step for step in plan.steps if step.name in densities and (can_skip(step) or skips_rows(step))}
    return {
        name: model.predict(plan, step, 1.0) / model.predict(plan, step, densities[name])
        for name, step in steps.items()
    }


def _medians(profiles: Sequence[Profile]) -> Mapping[str, tuple[float, float]]:
    """Return (mean density, median latency in ms) by name of the steps that can skip."""
    result = {}
    for index, step in enumerate(profiles[0].steps):
        if not step.can_skip or step.input_density is None:
            continue
        same = [profile.steps[index] for profile in profiles]
        density = float(np.mean([item.input_density for item in same]))
        result[step.name] = density, float(np.median([item.latency_ms for item in same]))
    return result
