"""Probes: small synthetic networks whose steps are timed to learn what work costs on this machine.

Every probe is one step in a long plan, so that its weights are as cold as in a network; there is a plan for each
element type. The clock of a shared machine toggles between speeds; therefore one plan holds the dense and the sparse
form of every convolution, and each run of it is brought to the same speed by the dense ones before medians are taken.
Zeros lie together as in real activations (:mod:`.zeros`): that makes skipping cheaper than independent ones do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress, Steps
from ..native import CompiledPlan, compile_plan, core, isa_multiplies_bf16, new_weight_store
from ..operators import LINEAR, Family
from ..plan.types import CHANNEL_BLOCK, FloatArray, Plan, Step
from .synthetic import Algorithm, SyntheticPlan
from .work import Amounts, ElementType, dense_amounts, family_of, row_amounts, sparse_amounts, winograd_amounts
from .zeros import clustered_values

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
_ADDING = (
    # those that add a map to their sums
    (64, 256, 56, 1, 1),
    (256, 1024, 14, 1, 1),
    (64, 64, 40, 3, 1),
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
_ROUNDED = ((1, 3, 224, 224), (1, 1000))
DENSITIES = (0.05, 0.2, 0.4, 0.7, 1.0)
"""Densities the sparse algorithm is timed at."""
_ROUNDS = 10
_FEWEST_ROUNDS = 3
_ITERATIONS = 2


@dataclass(frozen=True)
class Sample:
    """The time of one step at one density.

    Args:
        dtype: What the step computes in.
        family: Of the step.
        algorithm: That it was made to use.
        amounts: Its work, as the algorithm counts it.
        width: Output channels its microkernel computes at once.
        latency_ms: Median.
        spread: Interquartile range over the median.
    """

    dtype: ElementType
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


class _Probes:
    """The steps that compute in one element type, and their times.

    Args:
        dtype: The element type.
        isa: Instruction set.
        threads: Threads.
    """

    def __init__(self, dtype: ElementType, isa: str, threads: int) -> None:
        self._dtype = dtype
        self._compiled = compile_plan(_PLANS[dtype](), new_weight_store(), threads, isa)
        tensors = [self._compiled.plan.tensors[index] for index in self._compiled.plan.inputs]
        values = [clustered_values(tensor.shape, DENSITIES, tensor.dtype) for tensor in tensors]
        self._feeds = [list(feed) for feed in zip(*values, strict=True)]
        self._times: list[list[list[float]]] = []

    def run(self) -> None:
        """Time all steps at every density, once more."""
        self._times.append([_times(self._compiled, feed) for feed in self._feeds])

    def samples(self) -> Iterator[Sample]:
        """Yield the samples of all runs."""
        plan, kernels = self._compiled.plan, self._compiled.program.kernel_names
        skips = np.array([step.op in LINEAR or step.attributes.get("algorithm") == "sparse" for step in plan.steps])
        times = at_one_speed(np.array(self._times), ~skips)
        for index, step in enumerate(plan.steps):
            width = _width(kernels[index])
            columns = range(len(DENSITIES)) if skips[index] else [slice(None)]
            for column in columns:
                density = DENSITIES[column] if isinstance(column, int) else 1.0
                algorithm, amounts = _work(plan, step, density, width)
                latency, spread = _middle(times[:, column, index])
                yield Sample(self._dtype, family_of(plan, step), algorithm, amounts, width, latency, spread)


def measure(
    isa: str,
    threads: int,
    seconds: float = 2.5,
    progress: Progress | None = None,
    dtypes: Sequence[ElementType] | None = None,
) -> Measurement:
    """Time the probes.

    Args:
        isa: Instruction set.
        threads: Threads.
        seconds: When to stop repeating, after three rounds at least.
        progress: Told of each round.
        dtypes: Element types to compute in; None for those that the instruction set has products of.
    """
    own: Sequence[ElementType] = ("float32", "u8", "bf16") if isa_multiplies_bf16(isa) else ("float32", "u8")
    probes = [_Probes(dtype, isa, threads) for dtype in dtypes or own]
    peaks: list[float] = []
    steps = Steps(progress, "measuring this machine", _ROUNDS)
    start = time.perf_counter()
    while len(peaks) < _ROUNDS and (len(peaks) < _FEWEST_ROUNDS or time.perf_counter() - start < seconds):
        peaks.append(core().peak_macs_per_ms(isa, threads))
        for group in probes:
            group.run()
        steps.advance()
    steps.finish()
    return Measurement(tuple(sample for group in probes for sample in group.samples()), max(peaks))


def _times(compiled: CompiledPlan, feed: Sequence[FloatArray]) -> list[float]:
    return [float(step["min_ms"]) for step in compiled.profile(feed, _ITERATIONS)]


def _work(plan: Plan, step: Step, density: float, width: int) -> tuple[Algorithm, Amounts]:
    """Return by which algorithm a step goes, and how much work it is."""
    if step.op in LINEAR:
        return "dense", row_amounts(plan, step, density)
    if step.attributes.get("algorithm") == "sparse":
        return "sparse", sparse_amounts(plan, step, density, width)
    if step.attributes.get("algorithm") == "winograd":
        return "winograd", winograd_amounts(plan, step)
    return "dense", dense_amounts(plan, step)


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


def _float_plan() -> Plan:
    plan = SyntheticPlan()
    _add_convolutions(plan, "dense")
    _add_stems(plan)
    for channels, outputs, size in _WINOGRAD:
        plan.convolution(plan.map(1, channels, size, size), outputs, 3, 1, algorithm="winograd")
    for channels, outputs, size, kernel, stride in _STEMS:
        if kernel > 3:
            plan.convolution(plan.source(1, channels, size, size), outputs, kernel, stride, algorithm="winograd")
    _add_others(plan)
    _add_convolutions(plan, "sparse")
    return plan.freeze()


def _integer_plan() -> Plan:
    plan = SyntheticPlan("u8")
    _add_convolutions(plan, "dense")
    _add_stems(plan)
    for shape in _ROUNDED:
        plan.quantize(*shape)
    _add_others(plan)
    _add_convolutions(plan, "sparse")
    return plan.freeze()


def _bf16_plan() -> Plan:
    """Return the steps that have a form in bf16; others compute in float32."""
    plan = SyntheticPlan("bf16")
    _add_convolutions(plan, "dense")
    _add_linear(plan)
    _add_pools(plan)
    _add_convolutions(plan, "sparse")
    return plan.freeze()


_PLANS: Mapping[ElementType, Callable[[], Plan]] = MappingProxyType(
    {"float32": _float_plan, "u8": _integer_plan, "bf16": _bf16_plan}
)


def _add_convolutions(plan: SyntheticPlan, algorithm: Algorithm) -> None:
    for adds, shapes in ((False, _CONVOLUTIONS), (True, _ADDING)):
        for channels, outputs, size, kernel, stride in shapes:
            x = plan.map(1, channels, size, size)
            plan.convolution(x, outputs, kernel, stride, algorithm=algorithm, adds=adds)


def _add_stems(plan: SyntheticPlan) -> None:
    for channels, outputs, size, kernel, stride in _STEMS:
        plan.convolution(plan.source(1, channels, size, size), outputs, kernel, stride, algorithm="dense")


def _add_others(plan: SyntheticPlan) -> None:
    for channels, size, kernel, stride in _DEPTHWISE:
        x = plan.map(1, channels, size, size)
        plan.convolution(x, channels, kernel, stride, groups=channels, algorithm=None)
    _add_linear(plan)
    _add_pools(plan)
    for channels, size in _SUMS:
        plan.add(plan.map(1, channels, size, size))


def _add_linear(plan: SyntheticPlan) -> None:
    for inputs, outputs in _LINEAR:
        plan.linear(inputs, outputs)


def _add_pools(plan: SyntheticPlan) -> None:
    for channels, size, kernel, stride in _POOLS:
        plan.pool(plan.map(1, channels, size, size), kernel, stride)
