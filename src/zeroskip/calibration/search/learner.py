"""Block-wise learning under the budget: a search for the price of density, judged as every other family is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError
from ...journal import Arrays, digest
from ...progress import Progress
from ...system import installed_version
from ..problem import Setting
from ..records import LearningTrial, Trial
from ..strategies.allocation import GRID, LARGEST_FACTOR, ScaledStrategy
from .distiller import Distiller
from .finder import Finder, Found, is_better, judged
from .torch_threads import torch_threads

if TYPE_CHECKING:
    from ...learning.learnt import Learnt

_FIRST_PRICE = 0.5
_PRICES = 4
_MOST_INPUTS = 256
_LEAST_FACTOR, _NEAR = 0.6, 0.1
_FIRST_STEP = 32
"""From the least factor to .85 and 1.1, between which the goal lies once the price is right."""
_FINEST = 8
"""Factors are not told apart more finely than 1/16."""
_POWER, _MOST_STEP = 2.0, 4.0
"""How the next price follows from the factor that a price's thresholds may have, and how far it may go at once."""
_REACH = 0.7
"""Share of an activation's non-zeros that learning may be hoped to drop."""


class BlockLearner:
    """Learns thresholds and weights in one setting, for one price after the other.

    Thresholds that were learnt for a price make a family, scaled by one factor around 1; the search finds the factor
    that the budget (or the target) allows, and the factor tells which price to try next. What does not beat the plain
    strategy is thrown away.

    Args:
        setting: Model, data, metric and options.
        finder: Has observed the activations.
        progress: Told of each block.

    Raises:
        CalibrationError: If torch is not installed.
    """

    def __init__(self, setting: Setting, finder: Finder, progress: Progress | None = None) -> None:
        try:
            from ...learning import GraphModule
        except ModuleNotFoundError as error:
            raise CalibrationError(
                "the strategy 'blockwise' needs PyTorch: pip install 'zeroskip[torch]', or take another strategy"
            ) from error
        self._setting, self._finder, self._progress = setting, finder, progress
        self._module = GraphModule(setting.model)
        self._data = setting.calibration.data.subset(_MOST_INPUTS)
        self._is_confirmed = False
        self.trials: list[LearningTrial] = []

    def improve(self, found: Found) -> None:
        """Put what learning gives in the place of what was found, where it is better; network and ``found`` agree."""
        shares = self._shares()
        if not shares:
            return
        self._search_price(found, shares)
        if self._setting.options.distillation:
            distiller = Distiller(self._setting, self._finder, self._module, self._inputs, self._progress)
            found.distillation = distiller.improve(found)

    def _search_price(self, found: Found, shares: Mapping[str, float]) -> None:
        price = _FIRST_PRICE
        for _ in range(_PRICES):
            factor = self._try(found, shares, price)
            if abs(factor - 1.0) <= _NEAR or len(self.trials) == _PRICES:
                return
            price = self._next_price(price, factor)

    def _try(self, found: Found, shares: Mapping[str, float], price: float) -> float:
        """Learn for a price; return the factor of its thresholds that the goal allows."""
        setting, finder, is_kept = self._setting, self._finder, False
        learnt = self._learn(shares, price)
        setting.network.set_weights(learnt.layers)
        try:
            search = finder.search(ScaledStrategy(learnt.thresholds, name="blockwise"), found.search.budget)
            search.lowest, search.first_step, search.finest = _LEAST_FACTOR / LARGEST_FACTOR, _FIRST_STEP, _FINEST
            search.is_fitted = True
            reached = finder.reach(search)
            strength = finder.confirmed(search, reached)
            trial = search.trial(strength, on_holdout=False)
            is_kept = strength > 0.0 and self._is_gain(judged(search, strength), found)
            if is_kept:
                setting.network.set_weights(learnt.layers)
                found.put(search, strength, learnt.layers)
                found.corrections, found.learnt, found.is_distilled = (), len(self.trials), False
        finally:
            if not is_kept:
                setting.network.set_weights(found.layers or {})
        tried = LearningTrial(
            price=price,
            factor=strength * LARGEST_FACTOR,
            inputs=learnt.inputs,
            sparsity=trial.sparsity,
            predicted_speedup=trial.predicted_speedup,
            likely_drop=trial.score.likely_drop,
            is_kept=is_kept,
        )
        self.trials.append(tried)
        found.learning = tuple(self.trials)
        return reached * LARGEST_FACTOR

    def _is_gain(self, trial: Trial, found: Found) -> bool:
        """Whether a trial is better than what was found before, which is confirmed only where that decides.

        Leaves the network with the weights of either.
        """
        budget = found.search.budget
        is_gain = is_better(trial, judged(found.search, found.strength), budget)
        if not is_gain and not self._is_confirmed:
            self._setting.network.set_weights(found.layers or {})
            self._finder.confirm(found)
            is_gain = is_better(trial, judged(found.search, found.strength), budget)
        self._is_confirmed = True
        return is_gain

    def _next_price(self, price: float, factor: float) -> float:
        """Return the price whose thresholds are to be right as they are; between those known to be too high and low."""
        too_high = [trial.price for trial in self.trials if trial.factor < 1.0]
        too_low = [trial.price for trial in self.trials if trial.factor >= 1.0]
        wanted = price * min(max(factor**_POWER, 1.0 / _MOST_STEP), _MOST_STEP)
        if too_high and too_low and not max(too_low) < wanted < min(too_high):
            return math.sqrt(max(too_low) * min(too_high))
        return wanted

    def _learn(self, shares: Mapping[str, float], price: float) -> Learnt:
        """Learn for a price, unless an earlier run that was killed has done it."""
        import torch

        from ...learning.blockwise import learn_blocks
        from ...learning.learnt import Learnt

        setting = self._setting
        seed, threads = setting.options.seed, setting.network.program.num_threads

        def learn() -> Arrays:
            inputs, progress = torch.from_numpy(self._inputs), setting.work.watched(self._progress)
            with torch_threads(threads):
                return learn_blocks(self._module, inputs, shares, price, seed=seed, progress=progress).to_arrays()

        def key() -> bytes:
            versions = [installed_version(package) for package in ("zeroskip", "torch")]
            return digest("blocks", versions, setting.identity, self._inputs, dict(shares), price, seed, threads)

        return Learnt.from_arrays(setting.work.recall(key, learn))

    @cached_property
    def _inputs(self) -> NDArray[np.float32]:
        return np.array(self._data.array(), np.float32)

    def _shares(self) -> dict[str, float]:
        """Return what the density of each activation costs, 1 in all: the time that zeros within reach save.

        Activations whose zeros save nothing before there are more of them than may be hoped for get no share.
        """
        values, gains = self._finder.values, self._finder.gains
        reach = GRID[1 : int(np.searchsorted(GRID, _REACH)) + 1]
        slopes = {
            name: float((gains[name][1 : len(reach) + 1] / reach).max()) / max(sample.density, 1e-3)
            for name, sample in values.items()
        }
        total = sum(slopes.values())
        return {name: slope / total for name, slope in slopes.items() if slope > 0.0} if total > 0.0 else {}
