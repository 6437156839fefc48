"""CalibrationOptions: what :func:`~zeroskip.calibration.calibrate` may be told, checked on construction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any, Literal, get_args

from ..errors import CalibrationError
from .compensation.compensation import COMPENSATIONS, CompensationName
from .judging.metric import WITHOUT_SCALE, is_known

StrategyName = Literal["sensitivity", "blockwise", "uniform", "energy", "greedy"]
CostsName = Literal["measured", "model", "macs"]
PrecisionName = Literal["f32", "int8", "auto"]
PRECISIONS: tuple[PrecisionName, ...] = get_args(PrecisionName)
COSTS: tuple[CostsName, ...] = get_args(CostsName)
STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)

DEFAULT_MAX_DROP = 0.005
MOST_DROP = 0.2
"""Largest budget, for metrics that are shares."""


@dataclass(frozen=True)
class CalibrationOptions:
    """How to calibrate: what Python, ``optimize`` and the command line take, and what a result stores.

    Args:
        max_drop: Largest loss of the metric, for example 0.01 for one point. By default 0.005. The holdout must
            keep within it as counted; for top-1 the search goes by the likely drop (``Score.likely_drop``), so on
            the calibration data the counted one may be more.
        target_sparsity: Instead of a budget: reach this sparsity (weighted by MACs, in [0, 1]) with the least
            damage, and report what it costs.
        target_speedup: Instead: reach this speed-up by what layers take, >= 1.
        max_information_loss: Bounds the information loss as well: how far the outputs moved against how much
            they differ from input to input, 0 for unchanged ones, 1 for a model gone blind. By default 0.1, or
            ``max_drop`` if that is more: a metric may not notice that a model goes blind.
        accept_baseline: Whether to go on where the labels say that the model as it is only guesses, which nearly always
            means wrong labels or another preprocessing.
        metric: ``"auto"``: top-1 with labels; else agreement with the dense model's predictions for outputs
            that are class scores, and fidelity (share of preserved energy) for others, embeddings among them. Other
            names are ``"top5"`` (or another number), ``"agreement"``, ``"fidelity"``, ``"binary"``, ``"multilabel"``,
            ``"miou"``, ``"detection"``, ``"cosine"``, ``"neighbours"``, ``"recall1"``, ``"verification"``, ``"mae"``
            and ``"sequence"``. Or a function of (outputs by name, targets) that returns a number, higher is better; or
            ``Detection(...)``, ``MeanIoU(...)``, ``SequenceAccuracy(...)`` of ``zeroskip.calibration``.
        output: Name of the output that is judged; None chooses. The information in all of them is bounded anyway.
        strategy: ``"sensitivity"`` gives each layer what saves most time for the damage it does. ``"blockwise"``
            goes on from there: thresholds and weights are learnt block by block, without labels (needs PyTorch); what
            that gives is taken only where it is better. To compare with: ``"uniform"`` drops the same share of
            non-zero values everywhere, ``"energy"`` the same share of energy, ``"greedy"`` searches layer by layer
            (Kurtz et al. 2020).
        distillation: After ``"blockwise"``: train the weights of the whole network on the calibration data toward what
            the dense one gives, thresholds as they are; kept only where it lowers the damage on inputs held back.
        costs: What zeros are worth: ``"measured"`` times the layers of this model at several densities on this machine,
            once, and keeps that in the user's cache; ``"model"`` goes by the engine's cost model, as is done
            where ``ZEROSKIP_COST_MODEL`` is ``default``; ``"macs"`` by the multiplications that zeros save, whether
            or not that saves time here: for those who want the zeros, for another machine or for their energy.
        compensation: Correct the layers behind thresholds: ``"bias"``, or ``"reconstruct"`` for weights and
            biases; each layer's correction is kept only if it lowers the damage. The corrected weights are in
            ``result.apply``.
        branches: Give convolutions a rectifier of their own where others, a shortcut for example, read their input
            too. Thresholds there do less damage; it costs a pass over the activation. Named ``<activation>/branch``.
        curve: Whether to measure accuracy against speed along the whole family.
        holdout_fraction: Part of the data for the check where no holdout is given, in (0, 1).
        probe_samples: Inputs to measure sensitivities with. None takes 48, and for small networks up to 256.
        batch_size: Inputs per run; changes memory and time, not results.
        threads: Threads to use; None for all cores.
        isa: Instruction set to use; None for the best.
        seed: Seed of split and sampling; the same seed gives the same result.
        random_input: Whether noise is accepted as data.
        precision: What layers compute in: ``"f32"``; ``"int8"``, for ``optimize``, which then writes a quantised model
            too; ``"auto"`` for what turns out to be fastest within the budget.
        measure_seconds: How long to time the outcome against the model as it is; 0 for not at all.
        time_limit: Seconds for the search; then the best set so far is checked and returned. None for no limit.

    Raises:
        CalibrationError: If a value is out of range, or options contradict each other.
    """

    max_drop: float | None = None
    target_sparsity: float | None = None
    target_speedup: float | None = None
    max_information_loss: float | None = None
    accept_baseline: bool = False
    metric: Any = "auto"
    output: str | None = None
    strategy: StrategyName = "sensitivity"
    distillation: bool = False
    costs: CostsName = "measured"
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
    precision: PrecisionName = "f32"
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
            if value is not None and not isinstance(value, Real):
                raise CalibrationError(f"{name} is {value!r}, expected a number")
            if value is not None and not low <= value <= high:
                raise CalibrationError(f"{name} is {value}, expected a value in [{low:g}, {high:g}]")
        self._check_share()
        known: tuple[tuple[str, str, Sequence[str]], ...] = (
            ("strategy", self.strategy, STRATEGIES),
            ("costs", self.costs, COSTS),
            ("precision", self.precision, PRECISIONS),
            ("compensation", self.compensation, COMPENSATIONS),
        )
        for what, choice, choices in known:
            if choice not in choices:
                raise CalibrationError(f"unknown {what} {choice!r}, known are {list(choices)}")
        if self.distillation and self.strategy != "blockwise":
            raise CalibrationError(f"distillation goes with the strategy 'blockwise', not with {self.strategy!r}")
        for name, count in (("probe_samples", self.probe_samples), ("batch_size", self.batch_size)):
            if count is not None and count < 1:
                raise CalibrationError(f"{name} is {count}, expected >= 1")

    @classmethod
    def of(cls, options: CalibrationOptions | None, choices: Mapping[str, Any]) -> CalibrationOptions:
        """Return options with some of them chosen anew.

        Args:
            options: To begin with; None for the defaults.
            choices: Values by the names of the fields; a ``max_drop`` of None is no choice.

        Raises:
            CalibrationError: If a name is unknown, a value is out of range, or options contradict each other.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(choices) - set(known)):
            raise CalibrationError(f"unknown option {', '.join(unknown)}; known are {', '.join(known)}")
        if options is not None and not isinstance(options, cls):
            raise CalibrationError(f"options are a {type(options).__name__}, expected CalibrationOptions or None")
        made = {name: value for name, value in choices.items() if name != "max_drop" or value is not None}
        return replace(options or cls(), **made)

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
        if value is None or value <= MOST_DROP or not _is_share(self.metric):
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


def _is_share(metric: Any) -> bool:
    """Whether a metric is a share, of which a budget above a fifth must be a mistake; one's own may have any scale."""
    return isinstance(metric, str) and is_known(metric) and metric not in WITHOUT_SCALE
