"""Making a strategy for a network: the measurements that each kind of allocation needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .allocation import GRID, EnergyStrategy, ScaledStrategy, SensitivityStrategy, Strategy, UniformStrategy
from .evaluation import Evaluator
from .gains import saved_ms
from .greedy import greedy_thresholds
from .metrics import Metric
from .options import StrategyName
from .sensitivity import probe, probe_again
from .values import Values

ROUNDS = 2
"""How often sensitivities are measured again where the allocation has led."""
_STEPS = 6


@dataclass(frozen=True)
class Maker:
    """What strategies are made from.

    Args:
        calibration: Network and all calibration data.
        probes: The same network and a part of the data.
        metric: Defines damage.
        values: Activations that may get a threshold.
        progress: Told of each step.
    """

    calibration: Evaluator
    probes: Evaluator
    metric: Metric
    values: Mapping[str, Values]
    progress: Progress | None

    def make(self, name: StrategyName, damage: float) -> Strategy:
        """Return a strategy.

        Args:
            name: Which.
            damage: Information loss at which sensitivities matter most.
        """
        if name == "uniform":
            return UniformStrategy(self.values)
        if name == "energy":
            return EnergyStrategy(self.values)
        if name == "greedy":
            names = list(self.values)
            return ScaledStrategy(greedy_thresholds(self.calibration, self.metric, names, self.progress))
        return self._by_sensitivity(damage)

    def gains(self) -> dict[str, NDArray[np.float64]]:
        """Return what each share of each activation saves, by the engine's cost model, in ms per input."""
        return saved_ms(self.calibration.network, self.values, self.calibration.dense.densities, GRID)

    def _by_sensitivity(self, damage: float) -> SensitivityStrategy:
        values, sensitivities = probe(self.probes, self.metric, self.values, self.progress)
        best = SensitivityStrategy(values, sensitivities, self.gains())
        saved = self._saved(best, damage)
        candidate = best
        for _ in range(ROUNDS):
            fractions = candidate.fractions(self._strength(candidate, damage))
            again = probe_again(
                self.probes, self.metric, values, fractions, candidate.sensitivities, self.progress
            )
            candidate = replace(candidate, sensitivities=again)
            if (reached := self._saved(candidate, damage)) > saved:
                best, saved = candidate, reached
        return best

    def _strength(self, strategy: Strategy, damage: float) -> float:
        """Return the strength at which a family does a given damage on the probes."""
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            outputs = self.probes.outputs(strategy.thresholds(middle))
            reached = self.metric.information_loss(self.probes.dense.outputs, outputs)
            low, high = (middle, high) if reached <= damage else (low, middle)
        return low

    def _saved(self, strategy: SensitivityStrategy, damage: float) -> float:
        fractions = strategy.fractions(self._strength(strategy, damage))
        return sum(float(np.interp(share, GRID, strategy.gains[name])) for name, share in fractions.items())
