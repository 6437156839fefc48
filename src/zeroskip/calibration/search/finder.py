"""Finder: from a setting to the strength that reaches the goal, and to the corrections that let it go further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from ..compensation.compensation import CompensationName, Compensator
from ..network.network import Network, Thresholds
from ..network.samples import Values
from ..options import StrategyName
from ..problem import Setting
from ..records import Correction, DistillationTrial, LearningTrial, Trial
from ..strategies.allocation import GRID, EnergyStrategy, ScaledStrategy, SensitivityStrategy, Strategy, UniformStrategy
from ..strategies.gains import saved_ms
from ..strategies.greedy import greedy_thresholds
from ..strategies.sensitivity import probe
from .search import Search
from .walk import FINEST, Budget

if TYPE_CHECKING:
    from ...onnx import LayerWeights

_ROUNDS = 2
"""How often layers are corrected for what the last correction made possible."""


@dataclass
class Found:
    """What a search has come to so far.

    Args:
        search: The family of threshold sets, and what was tried of it.
        strength: Place in the family; 0 changes nothing.
        corrections: What compensation tried.
        learning: What block-wise learning tried.
        learnt: Which of these it is; None where it is none of them.
        distillation: What distilling the weights gave; None if it was not tried.
        is_distilled: Whether it has these weights.
        layers: Weights that it corrected, by layer; they belong to the thresholds of ``strength``.
        earlier: What this took the place of because it was better; None where nothing was better than the plain search.
    """

    search: Search
    strength: float = 0.0
    corrections: tuple[Correction, ...] = ()
    learning: tuple[LearningTrial, ...] = ()
    learnt: int | None = None
    distillation: DistillationTrial | None = None
    is_distilled: bool = False
    layers: Mapping[str, LayerWeights] | None = None
    earlier: Found | None = None

    def put(self, search: Search, strength: float, layers: Mapping[str, LayerWeights]) -> None:
        """Put what is better, with weights of its own, in the place of what was found before, which stays at hand."""
        self.earlier = replace(self)
        self.search, self.strength, self.layers = search, strength, layers

    def go_back(self) -> None:
        """Put what was found before in its place again; what was tried since is told as tried, without gain."""
        assert self.earlier is not None
        tried = self.corrections
        self.__dict__.update({**self.earlier.__dict__, "learning": self.learning, "distillation": self.distillation})
        if not self.corrections:
            self.corrections = tuple(item.model_copy(update={"is_kept": False}) for item in tried)

    @property
    def thresholds(self) -> Thresholds:
        """Activation to T; empty where nothing passed."""
        return self.search.strategy.thresholds(self.strength) if self.strength > 0.0 else {}


class Finder:
    """Finds thresholds in one setting. What is measured once serves every strategy and every budget.

    Args:
        setting: Model, data, metric and options.
        progress: Told of each step.

    Attributes:
        values: Samples of the activations that may get a threshold, by name; empty before :meth:`observe`.
    """

    def __init__(self, setting: Setting, progress: Progress | None = None) -> None:
        self._setting = setting
        self._progress = progress
        self.values: Mapping[str, Values] = {}

    def observe(self) -> None:
        """Take the samples of activations, and measure what zeros in them are worth."""
        setting = self._setting
        names = list(setting.network.readers)
        some = setting.probes.sample(names, setting.options.seed, self._progress) if names else {}
        self.values = {name: sample for name, sample in some.items() if sample.density > 0.0}
        setting.time_steps(self.values, self._progress)

    @cached_property
    def gains(self) -> dict[str, NDArray[np.float64]]:
        """What each share of each activation saves, as measured or by the engine's cost model, in ms per input."""
        densities = self._setting.calibration.dense.densities
        return saved_ms(self._setting.network, self.values, densities, GRID)

    def strategy(self, name: StrategyName) -> Strategy:
        """Return a family of threshold sets, with the measurements it needs."""
        setting = self._setting
        if name == "uniform":
            return UniformStrategy(self.values)
        if name == "energy":
            return EnergyStrategy(self.values)
        if name == "greedy":
            found = greedy_thresholds(setting.calibration, setting.metric, list(self.values), self._progress)
            return ScaledStrategy(found)
        values, sensitivities = probe(setting.probes, setting.metric, self.values, self._progress)
        return SensitivityStrategy(values, sensitivities, self.gains)

    def search(self, strategy: Strategy, budget: Budget | None) -> Search:
        """Return a search of a family that has tried nothing yet."""
        setting = self._setting
        return Search(strategy, setting.metric, setting.calibration, setting.holdout, budget, self._progress)

    def look(self, found: Found, finest: int = FINEST) -> None:
        """Set the strength that reaches the goal on the calibration data.

        Where leaps that no budget would allow lie behind it, the search goes on without them.

        Args:
            found: Nothing so far; has the strength afterwards.
            finest: Strengths are not told apart more finely than this many 512ths.
        """
        found.search.finest = finest
        found.strength = self.reach(found.search)
        strategy, budget = found.search.strategy, found.search.budget
        if not isinstance(strategy, SensitivityStrategy) or budget is None:
            return
        walking = strategy.without_leaps(found.strength)
        if walking.most == strategy.most:
            return
        search = found.search.beyond(walking, found.strength)
        strength = self.reach(search)
        before = found.search.trial(found.strength, on_holdout=False)
        if is_better(search.trial(strength, on_holdout=False), before, budget):
            found.search, found.strength = search, strength

    def look_closer(self, found: Found) -> None:
        """Go on with what :meth:`look` did, from memory, as finely as it can be done."""
        if found.search.finest > FINEST:
            found.search.finest = FINEST
            found.strength = self.reach(found.search)

    def confirm(self, found: Found, *, is_last: bool = False, is_final: bool = False) -> None:
        """Reduce the strength until both halves together, and the holdout, keep within the budget too.

        Where the last check takes back so much that what this took the place of is better, that is put back.

        Args:
            found: What the search has come to; network and it agree.
            is_last: Whether this is the last check.
            is_final: Whether what the choice hides is to be estimated as well, which takes a few more trials.
        """
        reached = found.strength
        found.strength = self.confirmed(found.search, reached, is_final=is_final)
        if not is_last or found.strength >= reached or found.earlier is None:
            return
        present = found.search.trial(found.strength, on_holdout=False)
        earlier, network = found.earlier, self._setting.network
        network.set_weights(earlier.layers or {})
        self.look_closer(earlier)
        self.confirm(earlier, is_last=True, is_final=is_final)
        if is_better(earlier.search.trial(earlier.strength, on_holdout=False), present, found.search.budget):
            found.go_back()
        else:
            network.set_weights(found.layers or {})

    def compensate(self, found: Found, kind: CompensationName) -> None:
        """Correct the layers for the thresholds found, and look again how far these may go with it.

        Where they go further, corrections are made anew for these stronger thresholds, and so on.
        """
        if kind == "none":
            return
        self.confirm(found)
        for _ in range(_ROUNDS):
            if found.strength <= 0.0 or not self._corrected(found, kind):
                return

    def _corrected(self, found: Found, kind: CompensationName) -> bool:
        """Correct once; return whether it is better than what was found before, else leave that as it was."""
        from ...onnx import layer_weights

        setting, is_kept = self._setting, False
        before = judged(found.search, found.strength)
        setting.network.set_weights({})
        setting.network.set_thresholds(found.thresholds)
        names = list(layer_weights(setting.model))
        try:
            compensator = Compensator(setting.corrections, self._dense, setting.metric, kind, names)
            layers, corrections = compensator.run(self._progress)
            search = found.search.again(found.strength)
            strength = self.confirmed(search, self.reach(search))
            is_kept = bool(layers) and is_better(judged(search, strength), before, search.budget)
            if is_kept:
                found.put(search, strength, layers)
                found.corrections = tuple(corrections)
            elif not found.corrections:
                found.corrections = tuple(item.model_copy(update={"is_kept": False}) for item in corrections)
        finally:
            if not is_kept:
                setting.network.set_weights(found.layers or {})
        return is_kept

    @cached_property
    def _dense(self) -> Network:
        return self._setting.dense_program()

    def reach(self, search: Search) -> float:
        """Return the strength of a family that reaches the goal on the calibration data."""
        options = self._setting.options
        if options.target_sparsity is not None:
            return search.for_target(options.target_sparsity, lambda trial: trial.sparsity, "target_sparsity")
        if options.target_speedup is not None:
            return search.for_target(options.target_speedup, lambda trial: trial.predicted_speedup, "target_speedup")
        assert search.budget is not None
        return search.under_budget(search.budget)

    @staticmethod
    def confirmed(search: Search, strength: float, *, is_final: bool = False) -> float:
        """Return the strength, or less, that both halves together, and the holdout, allow."""
        if search.budget is None:
            return strength
        return search.confirmed(strength, search.budget, is_final=is_final)


def judged(search: Search, strength: float) -> Trial:
    """Return what :func:`is_better` goes by: for a target the holdout, as weights may fit the calibration data."""
    return search.trial(strength, on_holdout=search.budget is None)


def is_better(trial: Trial, before: Trial, budget: Budget | None) -> bool:
    """Whether a trial is to be preferred: faster under a budget, less damage where a target was asked for."""
    if budget is None:
        return trial.strength > 0.0 and trial.score.information_loss < before.score.information_loss
    return trial.predicted_speedup > before.predicted_speedup
