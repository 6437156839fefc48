"""Probes: small synthetic networks whose steps are timed to learn what work costs on this machine.

Every probe is one step in a long plan, so that its weights are as cold as in a network. Dense and sparse
algorithms take turns on the same weights, inputs of several densities follow each other, and all of it is
repeated, so that a disturbance hits everything alike.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...progress import Progress, Steps
from ..native import CompiledPlan, compile_plan, core, new_weight_store
from ..options import SessionOptions
from ..plan_types import CHANNEL_BLOCK, FloatArray, Plan
from .synthetic import Algorithm, SyntheticPlan, sparse_values
from .work import Amounts, Family, dense_amounts, family_of, sparse_amounts

_CONVOLUTIONS: tuple[tuple[int, int, int, int, int], ...] = (
    # input channels, output channels, input size, kernel, stride: layers of real networks
    (64, 64, 56, 1, 1),
    (64, 256, 56, 1, 1),
    (256, 64, 56, 1, 1),
    (512, 128, 28, 1, 1),
    (128, 512, 28, 1, 1),
    (1024, 256, 14, 1, 1),
    (256, 1024, 14, 1, 1),
    (512, 2048, 7, 1, 1),
    (2048, 512, 7, 1, 1),
    (256, 512, 28, 1, 2),
    (16, 64, 28, 1, 1),
    (64, 64, 56, 3, 1),
    (128, 128, 28, 3, 1),
    (256, 256, 14, 3, 1),
    (512, 512, 7, 3, 1),
    (32, 48, 28, 3, 1),
    (16, 64, 28, 3, 1),
    (64, 128, 56, 3, 2),
    (128, 128, 28, 3, 2),
    (256, 512, 14, 3, 2),
    (512, 512, 14, 3, 2),
    (48, 64, 17, 5, 1),
    (32, 48, 28, 3, 2),
)
_STEMS = ((3, 64, 112, 7, 2), (3, 32, 112, 3, 2), (3, 64, 56, 3, 1))
_DEPTHWISE = ((64, 112, 3, 1), (128, 56, 3, 2), (512, 14, 3, 1), (240, 28, 5, 2))
_LINEAR = ((512, 1000), (2048, 1000), (1024, 2048))
_POOLS = ((64, 112, 3, 2), (64, 56, 2, 2), (256, 14, 3, 1), (32, 28, 3, 2))
_SUMS = ((64, 56), (256, 14), (32, 28))
DENSITIES = (0.05, 0.15, 0.3, 0.5, 0.75, 1.0)
"""Densities the sparse algorithm is timed at."""
_DENSE_AT = 0.5
_ROUNDS = 7
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
        latency_ms: Median over rounds.
        spread: How far that lies above the quickest round, relative.
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
    options = SessionOptions(intra_op_num_threads=threads, isa=isa, cost_model="default")
    weights = new_weight_store()
    dense, sparse = (compile_plan(_probe_plan(algorithm), options, weights) for algorithm in ("dense", "sparse"))
    runs = [(dense, "dense", _DENSE_AT), *((sparse, "sparse", density) for density in DENSITIES)]
    shapes = [dense.plan.tensors[index].shape for index in dense.plan.inputs]
    feeds = {density: [sparse_values(shape, density) for shape in shapes] for density in {_DENSE_AT, *DENSITIES}}
    rounds: list[list[list[float]]] = []
    peaks: list[float] = []
    steps = Steps(progress, "measuring this machine", _ROUNDS)
    start = time.perf_counter()
    while len(rounds) < _ROUNDS and (len(rounds) < _FEWEST_ROUNDS or time.perf_counter() - start < seconds):
        peaks.append(core().peak_macs_per_ms(isa, threads))
        rounds.append([_times(compiled, feeds[density]) for compiled, _, density in runs])
        steps.advance()
    samples: list[Sample] = []
    for index, (compiled, algorithm, density) in enumerate(runs):
        times = np.array([of_round[index] for of_round in rounds])
        samples += _samples(compiled, algorithm, density, times)  # type: ignore[arg-type]
    return Measurement(tuple(samples), max(peaks))


def _times(compiled: CompiledPlan, feed: Sequence[FloatArray]) -> list[float]:
    inputs = feed[: len(compiled.plan.inputs)]  # those of the sparse plan come first in the dense one
    return [float(step["min_ms"]) for step in compiled.profile(inputs, _ITERATIONS)]


def _samples(compiled: CompiledPlan, algorithm: Algorithm, density: float, times: FloatArray) -> list[Sample]:
    plan, result = compiled.plan, []
    for index, step in enumerate(plan.steps):
        is_sparse = step.attributes.get("algorithm") == "sparse"
        if algorithm == "sparse" and not is_sparse:
            continue  # the dense run has it
        width = _width(compiled.program.kernel_names[index])
        amounts = sparse_amounts(plan, step, density, width) if is_sparse else dense_amounts(plan, step)
        median, best = float(np.median(times[:, index])), float(times[:, index].min())
        result.append(Sample(family_of(plan, step), algorithm, amounts, width, median, median / best - 1))
    return result


def _width(kernel: str) -> int:
    """Return the output channels in a microkernel's name, ``f32_spconv_ukernel_2x64``."""
    found = re.search(r"ukernel_\d+x(\d+)", kernel)
    return int(found[1]) if found else CHANNEL_BLOCK


def _probe_plan(algorithm: Algorithm) -> Plan:
    """Return a plan of all probes; ``"sparse"`` has the convolutions alone, with the same constants."""
    plan = SyntheticPlan()
    for channels, outputs, size, kernel, stride in _CONVOLUTIONS:
        plan.convolution(plan.map(1, channels, size, size), outputs, kernel, stride, algorithm=algorithm)
    if algorithm == "sparse":
        return plan.freeze()
    for channels, outputs, size, kernel, stride in _STEMS:
        plan.convolution(plan.source(1, channels, size, size), outputs, kernel, stride, algorithm="dense")
    for channels, size, kernel, stride in _DEPTHWISE:
        x = plan.map(1, channels, size, size)
        plan.convolution(x, channels, kernel, stride, groups=channels, algorithm=None)
    for inputs, outputs in _LINEAR:
        plan.linear(inputs, outputs)
    for channels, size, kernel, stride in _POOLS:
        plan.pool(plan.map(1, channels, size, size), kernel, stride)
    for channels, size in _SUMS:
        plan.add(plan.map(1, channels, size, size))
    return plan.freeze()
