"""Density sweep: the steps of a network timed while its activations are thinned on real inputs.

Larger thresholds make real masks sparser, so zeros lie where they lie in use: together, in the same channels and
places. Random zeros of the same share would cost the engine more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...progress import Progress, Steps
from ..cost.noise import median_error
from ..cost.step_curves import MeasuredStep, StepCurves
from ..plan.types import FloatArray
from .probe import ProbeProgram

Round = Sequence[Sequence[Mapping[str, float | None]]]
"""What the core reports of every step, by level."""
_ROUNDS, _FEWEST_ROUNDS = 9, 3
_PATIENCE = 3
"""How many times as many rounds, and as many seconds, are spent while the times are noisy."""
_ITERATIONS = 2
_LEAST_STEADY_SHARE = 0.05
"""Of the whole time, that steps must take which skip nothing, to tell by them how fast the machine is at the moment."""


def sweep_densities(
    program: ProbeProgram,
    inputs: Sequence[Any],
    levels: Sequence[Mapping[str, ArrayLike]],
    *,
    seconds: float = 5.0,
    progress: Progress | None = None,
) -> StepCurves:
    """Time every step of a network at several levels of its thresholds.

    Args:
        program: The network; its thresholds are as the model has them afterwards.
        inputs: Real inputs of one run each, an array or a list of them; rounds take turns in them.
        levels: Threshold sets, each a level of sparsity.
        seconds: When to stop repeating, after three rounds at least; while times are noisy, three times as long.
        progress: Told of each round.

    Raises:
        EngineError: If the engine fails.
    """
    program.profile(_listed(inputs[0]), 1)  # warms up
    names = [step.name for step in program.plan.steps]
    try:
        steps = time_levels(
            names, len(levels), lambda turn, level: _profile(program, levels[level], inputs[turn % len(inputs)]),
            seconds=seconds, progress=progress,
        )  # fmt: skip
    finally:
        program.reset_thresholds(list(program.threshold_steps))
    batch = program.plan.tensors[program.plan.inputs[0]].shape[0]
    return StepCurves(isa=program.isa, threads=program.num_threads, batch_size=batch, steps=steps)


def time_levels(
    names: Sequence[str],
    levels: int,
    profile: Callable[[int, int], Sequence[Mapping[str, float | None]]],
    *,
    seconds: float = 5.0,
    progress: Progress | None = None,
) -> dict[str, MeasuredStep]:
    """Profile all levels in turns until the times can be trusted.

    Args:
        names: Of the steps.
        levels: How many there are.
        profile: Runs a level in a round and returns what it says of every step, see :func:`measured_steps`.
        seconds: When to stop repeating, after three rounds at least; while times are noisy, three times as long.
        progress: Told of each round.
    """
    rounds: list[Round] = []
    told = Steps(progress, "timing layers", _ROUNDS)
    start = time.perf_counter()
    steps: dict[str, MeasuredStep] = {}
    for patience in (1, _PATIENCE):
        while len(rounds) < patience * _ROUNDS and (
            len(rounds) < _FEWEST_ROUNDS or time.perf_counter() - start < patience * seconds
        ):
            turn = len(rounds)
            rounds.append([profile(turn, level) for level in range(levels)])
            told.advance()
        steps = measured_steps(names, rounds)
        if not _is_noisy(steps):
            break
    told.finish()
    return steps


def _is_noisy(steps: Mapping[str, MeasuredStep]) -> bool:
    """Whether times say too little to tell which zeros pay."""
    return StepCurves(isa="", threads=1, batch_size=1, steps=dict(steps)).is_noisy


def measured_steps(names: Sequence[str], rounds: Sequence[Round]) -> dict[str, MeasuredStep]:
    """Return the medians of profiles, and how far they can be trusted.

    Args:
        names: Of the steps.
        rounds: By round, level and step: ``min_ms``, ``density`` and ``steady_density``, as the core reports them.

    Example:
        >>> profile = {"min_ms": 2.0, "density": 0.5, "steady_density": None}
        >>> measured_steps(["conv"], [[[profile]], [[profile | {"min_ms": 4.0}]]])["conv"].points
        ((0.5, 3.0),)
    """
    times = np.array([[[step["min_ms"] for step in level] for level in levels] for levels in rounds], np.float64)
    first = rounds[0][0]
    is_steady = np.array([step["density"] is None for step in first])
    seen = np.array([[[step["density"] for step in level] for level in levels] for levels in rounds], np.float64)
    densities = seen.mean(axis=0)
    alike = _at_one_speed(times, is_steady)
    medians, errors = np.median(alike, axis=0), np.median(median_error(alike), axis=0)
    found = {}
    for index, name in enumerate(names):
        if is_steady[index]:
            level = float(np.median(medians[:, index]))
            found[name] = MeasuredStep(points=((1.0, level),), error=errors[index])
            continue
        points = tuple(zip(densities[:, index].tolist(), medians[:, index].tolist(), strict=True))
        steady_density = first[index]["steady_density"]
        found[name] = MeasuredStep(points=points, steady_density=steady_density, error=errors[index])
    return found


def _profile(program: ProbeProgram, level: Mapping[str, ArrayLike], feed: Any) -> list[Mapping[str, float | None]]:
    program.set_thresholds(level)
    return [
        {key: step[key] for key in ("min_ms", "density", "steady_density")}
        for step in program.profile(_listed(feed), _ITERATIONS)
    ]


def _listed(feed: Any) -> list[FloatArray]:
    return feed if isinstance(feed, list) else [feed]


def _at_one_speed(times: NDArray[np.float64], is_steady: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Take out how fast the machine was in every single run, told by the steps that always do the same.

    Args:
        times: float64 ``[rounds, levels, steps]``.
        is_steady: bool ``[steps]``.
    """
    steady = times[:, :, is_steady].sum(axis=2)
    if np.median(steady) < _LEAST_STEADY_SHARE * np.median(times.sum(axis=2)):
        return times
    return np.asarray(times / (steady / np.median(steady))[:, :, None])
