"""The cost model: how long a step takes, by its shape, the density of its input and the number of threads.

Seeded with the microkernel formula measured for the pixel-pair kernel (cycles per visit of two pixels, ``nr``
output vectors, ``k`` input channels of which a fraction d is non-zero)::

    k (d^2 (2 nr + 0.5) + 2 d (1 - d) (1.17 nr + 0.45)) + 2 (4 + 1.9 nr) + traffic

where the channels that both pixels have share one weight load. The constants are parameters, so that they can
be fitted to a machine. Absolute times are rough; ratios between densities are what to use it for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .plan_types import Plan, Step

_VECTOR = 16
"""Output channels per vector in the formula."""

_FLOATS_PER_CYCLE = {"avx512": 16.0, "avx2": 16.0, "generic": 4.0}


@dataclass(frozen=True)
class CostModel:
    """Predicts times from machine constants.

    Args:
        frequency_ghz: Sustained clock.
        floats_per_cycle: Multiply-accumulates a core completes per cycle at best.
        dense_efficiency: Fraction of that which the dense kernels reach.
        parallel_efficiency: Fraction of ideal scaling that each thread after the first adds.
        bandwidth_gb_s: Memory bandwidth of one core, for steps that only move data.
        panel_channels: Input channels per visit.
        panel_vectors: Vectors of 16 output channels per visit.
        traffic_share: How much of the L2 traffic is not hidden behind arithmetic.
        step_overhead_ms: Fixed cost of a step.
    """

    frequency_ghz: float = 3.0
    floats_per_cycle: float = 16.0
    dense_efficiency: float = 0.93
    parallel_efficiency: float = 0.9
    bandwidth_gb_s: float = 10.0
    panel_channels: int = 64
    panel_vectors: int = 4
    traffic_share: float = 0.6
    step_overhead_ms: float = 0.003

    @classmethod
    def for_isa(cls, isa: str) -> CostModel:
        """Return the seed for an instruction set."""
        return cls(floats_per_cycle=_FLOATS_PER_CYCLE.get(isa, 16.0))

    def predict(self, plan: Plan, step: Step, density: float | None = None, threads: int = 1) -> float:
        """Return the time of a step in milliseconds.

        Args:
            plan: The plan that holds the step.
            step: Any step of it.
            density: Fraction of non-zeros in its first input, in [0, 1]; None, or a step that cannot skip:
                dense.
            threads: Threads that share the step.
        """
        arithmetic = step.macs / self.floats_per_cycle / self.dense_efficiency
        if density is not None and can_skip(step):
            arithmetic = min(arithmetic, self._skipping_cycles(step.macs, density))
        cycles = max(arithmetic, self._traffic_cycles(plan, step))
        speedup = 1 + (threads - 1) * self.parallel_efficiency
        return cycles / (self.frequency_ghz * 1e6) / speedup + self.step_overhead_ms

    def _skipping_cycles(self, macs: int, density: float) -> float:
        nr, channels = self.panel_vectors, self.panel_channels
        pairs = density * density * (2 * nr + 0.5) + 2 * density * (1 - density) * (1.17 * nr + 0.45)
        traffic = 2 * (128 * nr + 4 * channels) / 32 * self.traffic_share
        per_visit = channels * pairs + 2 * (4 + 1.9 * nr) + traffic
        # Partly filled panels are counted by their share, which is what narrower panels cost.
        visits = macs / (2 * channels * nr * _VECTOR)
        return visits * per_visit * _VECTOR / self.floats_per_cycle

    def _traffic_cycles(self, plan: Plan, step: Step) -> float:
        elements = sum(plan.tensors[index].elements for index in (*step.inputs, *step.outputs))
        if step.op == "linear":  # every weight is read, often for a single row
            elements += step.macs // math.prod(plan.tensors[step.outputs[0]].shape[:-1])
        return 4 * elements / self.bandwidth_gb_s * self.frequency_ghz


def can_skip(step: Step) -> bool:
    """Whether a step is a convolution that may skip the zeros of its input."""
    return step.op == "conv" and step.attributes.get("algorithm") in ("auto", "sparse")
