"""Block-wise learning under the budget: a search for the price of density, judged as every other family is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError
from ...journal import Arrays, digest
from ...progress import Progress
from ...system import installed_version
from ..network.work import TimeLimitError
from ..problem import Setting
from ..records import LearningTrial, Trial
from ..strategies.allocation import GRID, LARGEST_FACTOR, ScaledStrategy
from .distiller import Distiller
from .finder import Finder, Found, is_better, judged
from .search import Search
from .torch_threads import torch_threads
from .walk import COARSE

if TYPE_CHECKING:
    from ...learning.learnt import Learnt
    from ...onnx import LayerWeights

_FIRST_PRICE = 0.5
_PRICES = 3
_MOST_INPUTS = 256
_LEAST_FACTOR = 0.6
_NEAR = 0.15
"""How far from 1 a factor may be; once more for every further price."""
_FIRST_STEP = 32
"""From the least factor to .85 and 1.1, between which the goal lies once the price is right."""
_POWER, _MOST_STEP = 2.0, 4.0
"""How the next price follows from the factor that a price's thresholds may have, and how far it may go at once."""
_REACH = 0.7
"""Share of an activation's non-zeros that learning may be hoped to drop."""


@dataclass(eq=False)
class _Candidate:
    """A family, how far it may go, and the weights it belongs to; made and changed while the network has these.

    Args:
        search: Of the family.
        strength: How far it may go.
        layers: The weights.
        trial: Which of the prices it was learnt for; None where it was not learnt.
        is_confirmed: Whether the holdout allows the strength, too.
    """

    search: Search
    strength: float
    layers: Mapping[str, LayerWeights]
    trial: int | None = None
    is_confirmed: bool = False
    judged: Trial = field(init=False)

    def __post_init__(self) -> None:
        self.judged = judged(self.search, self.strength)

    def confirm(self, finder: Finder) -> None:
        """Go only as far as the holdout allows, too."""
        self.strength = finder.confirmed(self.search, self.strength)
        self.judged, self.is_confirmed = judged(self.search, self.strength), True


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
        self._candidates: list[_Candidate] = []
        self.trials: list[LearningTrial] = []

    def improve(self, found: Found) -> None:
        """Put what learning gives in the place of what was found, where it is better; network and ``found`` agree."""
        shares = self._shares()
        if not shares:
            return
        self._candidates = [_Candidate(found.search, found.strength, found.layers or {})]
        try:
            self._search_price(found, shares)
            best = self._confirmed_best()
        except (KeyboardInterrupt, TimeLimitError):
            self._put(found, self._best())
            raise
        self._put(found, best)
        if best.trial is None:
            self._finder.look_closer(found)
            self._finder.confirm(found)
        if self._setting.options.distillation:
            distiller = Distiller(self._setting, self._finder, self._module, self._inputs, self._progress)
            found.distillation = distiller.improve(found)

    def _search_price(self, found: Found, shares: Mapping[str, float]) -> None:
        price = _FIRST_PRICE
        for _ in range(_PRICES):
            factor = self._try(found, shares, price)
            if abs(factor - 1.0) <= _NEAR * len(self.trials) or len(self.trials) == _PRICES:
                return
            price = self._next_price(price, factor)

    def _try(self, found: Found, shares: Mapping[str, float], price: float) -> float:
        """Learn for a price; return the factor of its thresholds that the goal allows on the calibration data."""
        learnt = self._learn(shares, price)
        self._setting.network.set_weights(learnt.layers)
        search = self._finder.search(ScaledStrategy(learnt.thresholds, name="blockwise"), found.search.budget)
        search.lowest, search.first_step, search.finest = _LEAST_FACTOR / LARGEST_FACTOR, _FIRST_STEP, COARSE
        search.is_fitted = True
        strength = self._finder.reach(search)
        trial = search.trial(strength, on_holdout=False)
        self._candidates.append(_Candidate(search, strength, learnt.layers, len(self.trials)))
        tried = LearningTrial(
            price=price,
            factor=strength * LARGEST_FACTOR,
            inputs=learnt.inputs,
            sparsity=trial.sparsity,
            predicted_speedup=trial.predicted_speedup,
            likely_drop=trial.score.likely_drop,
            is_kept=False,
        )
        self.trials.append(tried)
        found.learning = tuple(self.trials)
        return strength * LARGEST_FACTOR

    def _confirmed_best(self) -> _Candidate:
        """Return the candidate that is best with what the holdout allows it; those that cannot win are not checked."""
        while not (best := self._best()).is_confirmed:
            self._setting.network.set_weights(best.layers)
            best.confirm(self._finder)
        return best

    def _best(self) -> _Candidate:
        """Return the best by what is known of each; the earlier of equals."""
        best, *others = self._candidates
        for other in others:
            if other.strength > 0.0 and is_better(other.judged, best.judged, best.search.budget):
                best = other
        return best

    def _put(self, found: Found, best: _Candidate) -> None:
        """Put a candidate in the place of what was found, and its weights into the network."""
        self._setting.network.set_weights(best.layers)
        if best.trial is not None:
            found.put(best.search, best.strength, best.layers)
            found.corrections, found.learnt, found.is_distilled = (), best.trial, False

    def _next_price(self, price: float, factor: float) -> float:
        """Return the price whose thresholds are to be right as they are; between those known to be too high and low."""
        too_high = [trial.price for trial in self.trials if trial.factor < 1.0]
        too_low = [trial.price for trial in self.trials if trial.factor >= 1.0]
        wanted = price * min(max(math.pow(factor, _POWER), 1.0 / _MOST_STEP), _MOST_STEP)
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
