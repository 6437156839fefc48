"""The methods of the comparison, run in one setting: same data, same budgets, same check.

For every budget a method returns what ``calibrate`` would: the largest strength that passes on the calibration
half, reduced until the holdout passes too. Trials are shared between the budgets, which changes no result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from zeroskip.calibration import CalibrationResult, CompensationName, StrategyName
from zeroskip.calibration.problem import Setting
from zeroskip.calibration.search.finder import Finder, Found
from zeroskip.calibration.search.outcome import outcome
from zeroskip.calibration.search.search import Search

from .result import BUDGETS


@dataclass(frozen=True)
class Method:
    """One way of choosing thresholds.

    Args:
        title: For tables.
        strategy: The family.
        compensation: Correction of the layers behind.
        branches: Whether convolutions get rectifiers of their own, apart from shortcuts.
    """

    title: str
    strategy: StrategyName
    compensation: CompensationName = "none"
    branches: bool = False


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "greedy": Method("(a) layer by layer, Kurtz et al.", "greedy"),
        "energy": Method("(b) equal energy", "energy"),
        "sensitivity": Method("(c) sensitivity", "sensitivity"),
        "bias": Method("(d) c + bias correction", "sensitivity", "bias"),
        "reconstruct": Method("(e) c + reconstruction", "sensitivity", "reconstruct"),
        "branches": Method("(f) c on branches", "sensitivity", branches=True),
        "branches_bias": Method("(g) d on branches", "sensitivity", "bias", branches=True),
        "branches_reconstruct": Method("(h) e on branches", "sensitivity", "reconstruct", branches=True),
    }
)
"""By name, in the order of the tables."""


class Comparison:
    """Runs methods in one setting: all with branches, or all without.

    Args:
        setting: Model, data and metric.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._finder = Finder(setting)
        self._finder.observe()
        self._search = cache(self._new_search)
        self._seconds: dict[StrategyName, float] = {}

    def run(self, method: Method) -> tuple[list[CalibrationResult], Search, float]:
        """Return a result for each of :data:`BUDGETS`, the uncorrected search, and processor seconds.

        The seconds count the uncorrected search even where an earlier method has made it.
        """
        started = time.process_time()
        is_known = method.strategy in self._seconds
        results = list(self._results(method))
        seconds = time.process_time() - started
        if is_known:
            seconds += self._seconds[method.strategy]
        else:
            self._seconds[method.strategy] = seconds
        return results, self._search(method.strategy), seconds

    def _new_search(self, name: StrategyName) -> Search:
        return self._finder.search(self._finder.strategy(name), None)

    def _results(self, method: Method) -> Iterator[CalibrationResult]:
        for budget in BUDGETS:
            started = time.monotonic()
            found = Found(self._search(method.strategy).under(self.setting.budget_of(budget)))
            self._finder.look(found)
            self._finder.compensate(found, method.compensation)
            self._finder.confirm(found, is_final=True)
            seconds = time.monotonic() - started
            yield outcome(self.setting, self._finder, found, (), was_interrupted=False, seconds=seconds)
            self.setting.network.set_weights({})
