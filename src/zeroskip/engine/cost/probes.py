"""Probes: small synthetic networks whose steps are timed to learn what work costs on this machine.

Every probe is one step in a long plan, so that its weights are as cold as in a network. The clock of a shared
machine toggles between speeds; therefore one plan holds the dense and the sparse form of every convolution,
and each run of it is brought to the same speed by the dense ones before medians are taken.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress, Steps
from ..native import CompiledPlan, compile_plan, core, new_weight_store
from ..operators import Family
from ..plan.types import CHANNEL_BLOCK, FloatArray, Plan
from .synthetic import Algorithm, SyntheticPlan, sparse_values
from .work import Amounts, dense_amounts, family_of, row_amounts, sparse_amounts, winograd_amounts

_CONVOLUTIONS: tuple[tuple[int, int, int, int, int], ...] = (
    # input channels, output channels, input size, kernel, stride: as in real networks
    (64, 64, 56, 1, 1),
    (64, 256, 56, 1, 1),
    (256, 64, 56, 1, 1),
    (512, 128, 28, 1, 1),
    (256, 1024, 14, 1, 1),
    (1024, 256, 14, 1, 1),
    (512, 2048, 7, 1, 1),
    (2048, 512, 7, 1, 1),
    (256, 512, 28, 1, 2),
    (512, 1024, 14, 1, 2),
    (16, 64, 28, 1, 1),
    (64, 64, 40, 3, 1),
    (128, 128, 28, 3, 1),
    (256, 256, 14, 3, 1),
    (512, 512, 7, 3, 1),
    (32, 48, 28, 3, 1),
    (16, 64, 28, 3, 1),
    (64, 128, 56, 3, 2),
    (128, 128, 28, 3, 2),
    (256, 512, 14, 3, 2),
    (512, 512, 7, 3, 2),
    (32, 48, 28, 3, 2),
    (48, 64, 17, 5, 1),
)
_WINOGRAD = (
    # likewise, without kernel and stride: 3x3 and 1
    (64, 64, 56),
    (128, 128, 28),
    (256, 256, 14),
    (64, 192, 28),
    (32, 48, 28),
    (16, 64, 28),
    (256, 512, 28),
)
_STEMS = ((3, 64, 112, 7, 2), (3, 32, 224, 7, 2), (3, 32, 112, 3, 2), (3, 64, 56, 3, 1))
_DEPTHWISE = ((64, 56, 3, 1), (128, 56, 3, 2), (512, 14, 3, 1), (240, 28, 5, 2))
_LINEAR = ((512, 1000), (2048, 1000), (1024, 2048))
_POOLS = ((64, 112, 3, 2), (64, 56, 2, 2), (256, 14, 3, 1), (32, 28, 3, 2))
_SUMS = ((64, 56), (256, 14), (32, 28))
DENSITIES = (0.05, 0.2, 0.4, 0.7, 1.0)
"""Densities the sparse algorithm is timed at."""
_ROUNDS = 10
_FEWEST_ROUNDS = 3
_ITERATIONS = 2


@dataclass(frozen=True)
class Sample:
    """The time of one step at one density.

    Args:
        family: Of the step.
        algorithm: That it was made to use.
        amounts: Its work, as the algorithm counts it.
        width: Output channels its microkernel computes at once.
        latency_ms: Median.
        spread: Interquartile range over the median.
    """

    family: Family
    algorithm: Algorithm
    amounts: Amounts
    width: int
    latency_ms: float
    spread: float


@dataclass(frozen=True)
class Measurement:
    """What was measured: the probes, and what the threads can do at best."""

    samples: tuple[Sample, ...]
    peak_macs_per_ms: float


def measure(isa: str, threads: int, seconds: float = 2.5, progress: Progress | None = None) -> Measurement:
    """Time the probes.

    Args:
        isa: Instruction set.
        threads: Threads.
        seconds: When to stop repeating, after three rounds at least.
        progress: Told of each round.
    """
    compiled = compile_plan(_probe_plan(), new_weight_store(), threads, isa)
    shapes = [compiled.plan.tensors[index].shape for index in compiled.plan.inputs]
    feeds = [[sparse_values(shape, density) for shape in shapes] for density in DENSITIES]
    rounds: list[list[list[float]]] = []
    peaks: list[float] = []
    steps = Steps(progress, "measuring this machine", _ROUNDS)
    start = time.perf_counter()
    while len(rounds) < _ROUNDS and (len(rounds) < _FEWEST_ROUNDS or time.perf_counter() - start < seconds):
        peaks.append(core().peak_macs_per_ms(isa, threads))
        rounds.append([_times(compiled, feed) for feed in feeds])
        steps.advance()
    steps.finish()
    return Measurement(tuple(_samples(compiled, np.array(rounds))), max(peaks))


def _times(compiled: CompiledPlan, feed: Sequence[FloatArray]) -> list[float]:
    return [float(step["min_ms"]) for step in compiled.profile(feed, _ITERATIONS)]


def _samples(compiled: CompiledPlan, times: NDArray[np.float64]) -> list[Sample]:
    """Return the samples of times ``[rounds, densities, steps]``."""
    plan, kernels = compiled.plan, compiled.program.kernel_names
    algorithms = [step.attributes.get("algorithm") for step in plan.steps]
    skips = np.array([step.op == "linear" or step.attributes.get("algorithm") == "sparse" for step in plan.steps])
    times = at_one_speed(times, ~skips)
    samples = []
    for index, step in enumerate(plan.steps):
        family, width = family_of(plan, step), _width(kernels[index])
        if not skips[index]:
            is_winograd = algorithms[index] == "winograd"
            amounts = winograd_amounts(plan, step) if is_winograd else dense_amounts(plan, step)
            algorithm: Algorithm = "winograd" if is_winograd else "dense"
            samples.append(Sample(family, algorithm, amounts, width, *_middle(times[:, :, index])))
            continue
        for column, density in enumerate(DENSITIES):
            if step.op == "linear":
                algorithm, amounts = "dense", row_amounts(plan, step, density)
            else:
                algorithm, amounts = "sparse", sparse_amounts(plan, step, density, width)
            samples.append(Sample(family, algorithm, amounts, width, *_middle(times[:, column, index])))
    return samples


def at_one_speed(times: NDArray[np.float64], is_steady: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Take out how much faster or slower than usual the machine was in every single run.

    Args:
        times: float64 ``[rounds, densities, steps]``.
        is_steady: bool ``[steps]``: the steps whose time does not depend on density.

    Returns:
        Times of the same shape, as if all runs had been at the median speed.
    """
    steady = times[:, :, is_steady]
    usual = np.median(steady, axis=(0, 1))
    slowness = np.median(steady / usual, axis=2)
    return np.asarray(times / slowness[:, :, None])


def _middle(times: NDArray[np.float64]) -> tuple[float, float]:
    low, median, high = (float(value) for value in np.quantile(times, (0.25, 0.5, 0.75)))
    return median, (high - low) / median


def _width(kernel: str) -> int:
    """Return the output channels in a microkernel's name, ``f32_spconv_ukernel_2x64``."""
    found = re.search(r"ukernel_\d+x(\d+)", kernel)
    return int(found[1]) if found else CHANNEL_BLOCK


def _probe_plan() -> Plan:
    plan = SyntheticPlan()
    _add_convolutions(plan, "dense")
    for channels, outputs, size, kernel, stride in _STEMS:
        plan.convolution(plan.source(1, channels, size, size), outputs, kernel, stride, algorithm="dense")
    for channels, outputs, size in _WINOGRAD:
        plan.convolution(plan.map(1, channels, size, size), outputs, 3, 1, algorithm="winograd")
    for channels, outputs, size, kernel, stride in _STEMS:
        if kernel > 3:
            plan.convolution(plan.source(1, channels, size, size), outputs, kernel, stride, algorithm="winograd")
    for channels, size, kernel, stride in _DEPTHWISE:
        x = plan.map(1, channels, size, size)
        plan.convolution(x, channels, kernel, stride, groups=channels, algorithm=None)
    for inputs, outputs in _LINEAR:
        plan.linear(inputs, outputs)
    for channels, size, kernel, stride in _POOLS:
        plan.pool(plan.map(1, channels, size, size), kernel, stride)
    for channels, size in _SUMS:
        plan.add(plan.map(1, channels, size, size))
    _add_convolutions(plan, "sparse")
    return plan.freeze()


def _add_convolutions(plan: SyntheticPlan, algorithm: Algorithm) -> None:
    for channels, outputs, size, kernel, stride in _CONVOLUTIONS:
        plan.convolution(plan.map(1, channels, size, size), outputs, kernel, stride, algorithm=algorithm)
