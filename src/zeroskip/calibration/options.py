"""CalibrationOptions: what :func:`~zeroskip.calibration.calibrate` may be told, checked on construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import CalibrationError
from .compensation.compensation import COMPENSATIONS, CompensationName
from .judging.metric import MetricFunction, MetricName

StrategyName = Literal["sensitivity", "blockwise", "uniform", "energy", "greedy"]
STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)

DEFAULT_MAX_DROP = 0.005
MOST_DROP = 0.2
"""Largest budget, for metrics that are shares."""


@dataclass(frozen=True)
class CalibrationOptions:
    """How to calibrate; every field is an argument of :func:`calibrate`."""

    max_drop: float | None = None
    target_sparsity: float | None = None
    target_speedup: float | None = None
    max_information_loss: float | None = None
    accept_baseline: bool = False
    metric: MetricName | MetricFunction = "auto"
    strategy: StrategyName = "sensitivity"
    compensation: CompensationName = "none"
    branches: bool = False
    curve: bool = False
    holdout_fraction: float = 0.5
    probe_samples: int | None = None
    batch_size: int = 16
    threads: int | None = None
    isa: str | None = None
    seed: int = 0
    random_input: bool = False
    measure_seconds: float = 2.0
    time_limit: float | None = None

    def __post_init__(self) -> None:
        self._check_goals()
        for name, value, low, high in (
            ("max_drop", self.max_drop, 0.0, math.inf),
            ("target_sparsity", self.target_sparsity, 0.0, 1.0),
            ("target_speedup", self.target_speedup, 1.0, math.inf),
            ("max_information_loss", self.max_information_loss, 0.0, math.inf),
            ("measure_seconds", self.measure_seconds, 0.0, math.inf),
            ("time_limit", self.time_limit, 0.0, math.inf),
        ):
            if value is not None and not low <= value <= high:
                raise CalibrationError(f"{name} is {value}, expected a value in [{low:g}, {high:g}]")
        self._check_share()
        known: tuple[tuple[str, str, Sequence[str]], ...] = (
            ("strategy", self.strategy, STRATEGIES),
            ("compensation", self.compensation, COMPENSATIONS),
        )
        for what, choice, choices in known:
            if choice not in choices:
                raise CalibrationError(f"unknown {what} {choice!r}, known are {list(choices)}")
        for name, count in (("probe_samples", self.probe_samples), ("batch_size", self.batch_size)):
            if count is not None and count < 1:
                raise CalibrationError(f"{name} is {count}, expected >= 1")

    @property
    def has_target(self) -> bool:
        """Whether a sparsity or a speed-up is asked for instead of a budget."""
        return self.target_sparsity is not None or self.target_speedup is not None

    @property
    def budget(self) -> float:
        """Largest drop of the metric."""
        return DEFAULT_MAX_DROP if self.max_drop is None else self.max_drop

    def _check_share(self) -> None:
        """Refuse per cent where a share is meant; a metric of one's own may have any scale."""
        value = self.max_drop
        if value is None or value <= MOST_DROP or callable(self.metric):
            return
        raise CalibrationError(
            f"max_drop is {value:g}: did you mean per cent? A drop is a share, {value / 100:g} for {value:g} of a "
            f"hundred. Budgets end at {MOST_DROP:g}, a model that loses more than that is of no use; to see what more "
            "damage would buy, trace a curve or give target_sparsity"
        )

    def _check_goals(self) -> None:
        goals = {
            name: value
            for name, value in (
                ("max_drop", self.max_drop),
                ("target_sparsity", self.target_sparsity),
                ("target_speedup", self.target_speedup),
            )
            if value is not None
        }
        if len(goals) > 1:
            given = " and ".join(f"{name}={value}" for name, value in goals.items())
            raise CalibrationError(
                f"both {given} are given: a budget bounds the loss and takes what zeros it allows, a target the other "
                "way round; give one"
            )
