"""`calibrate`: from a model, data and a budget to thresholds that keep within it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..analysis import ActivationValues, ModelInput, model_hash, observe, refuse_noise
from ..data import Dataset
from ..errors import CalibrationError, DataError
from ..progress import Progress
from ..system import installed_version
from ..thresholds import ThresholdSet
from .allocation import SensitivityStrategy, Strategy, UniformStrategy
from .evaluation import Evaluator
from .gains import saved_macs
from .metrics import MetricFunction, MetricName, choose_metric
from .result import CalibrationResult, LayerSensitivity, Score
from .search import Budget, Search
from .sensitivity import Sensitivity, probe

if TYPE_CHECKING:
    import onnx_ir as ir

StrategyName = Literal["sensitivity", "uniform"]
STRATEGIES: tuple[StrategyName, ...] = ("sensitivity", "uniform")

DEFAULT_MAX_DROP = 0.005
_FEWEST_INPUTS = 4


@dataclass(frozen=True)
class CalibrationOptions:
    """How to calibrate; every field is an argument of :func:`calibrate`."""

    max_drop: float | None = None
    target_sparsity: float | None = None
    max_information_loss: float | None = None
    metric: MetricName | MetricFunction = "auto"
    strategy: StrategyName = "sensitivity"
    holdout_fraction: float = 0.5
    probe_samples: int = 32
    batch_size: int = 16
    threads: int | None = None
    isa: str | None = None
    seed: int = 0
    random_input: bool = False

    def __post_init__(self) -> None:
        if self.max_drop is not None and self.target_sparsity is not None:
            raise CalibrationError(
                f"both max_drop={self.max_drop} and target_sparsity={self.target_sparsity} are given: the "
                "first bounds the loss and takes what sparsity it allows, the second the other way round; "
                "give one"
            )
        for name, value, low, high in (
            ("max_drop", self.max_drop, 0.0, 1.0),
            ("target_sparsity", self.target_sparsity, 0.0, 1.0),
            ("max_information_loss", self.max_information_loss, 0.0, float("inf")),
        ):
            if value is not None and not low <= value <= high:
                raise CalibrationError(f"{name} is {value}, expected a value in [{low:g}, {high:g}]")
        if self.strategy not in STRATEGIES:
            raise CalibrationError(f"unknown strategy {self.strategy!r}, known are {list(STRATEGIES)}")
        for name, count in (("probe_samples", self.probe_samples), ("batch_size", self.batch_size)):
            if count < 1:
                raise CalibrationError(f"{name} is {count}, expected >= 1")


def calibrate(
    model: str | os.PathLike[str] | bytes | ir.Model,
    data: Dataset,
    max_drop: float | None = None,
    *,
    target_sparsity: float | None = None,
    max_information_loss: float | None = None,
    metric: MetricName | MetricFunction = "auto",
    strategy: StrategyName = "sensitivity",
    holdout: Dataset | None = None,
    holdout_fraction: float = 0.5,
    probe_samples: int = 32,
    batch_size: int = 16,
    threads: int | None = None,
    isa: str | None = None,
    seed: int = 0,
    random_input: bool = False,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Find thresholds that make a model's activations sparser within one end-to-end budget, without training.

    The data are split; half of them guide the search, the other half must confirm what it found. Thresholds
    are quantiles of each activation's own values. Ctrl-C during the search ends it, and the best set so far
    is checked and returned; a second Ctrl-C gives up.

    Args:
        model: ONNX file, its content, or a loaded model.
        data: Real inputs, labelled or not. At least 4; a few hundred give a check worth believing.
        max_drop: Largest loss of the metric, for example 0.01 for one point. By default 0.005.
        target_sparsity: Instead of a budget: reach this sparsity (weighted by MACs, in [0, 1]) with the least
            damage, and report what it costs.
        max_information_loss: Bounds the information loss as well: how far the outputs moved against how much
            they differ from input to input, 0 for unchanged ones, 1 for a model gone blind. By default
            ``max_drop`` for agreement, and for top-1 if one class makes up most predictions, because these
            metrics do not notice a blind model on such data; open otherwise.
        metric: ``"auto"``: top-1 with labels; else agreement with the dense model's predictions for outputs
            ``[N, classes]``, and fidelity (share of preserved energy) for others. Or a function of
            (outputs, labels) that returns a number, higher is better. The model's first output is judged.
        strategy: ``"sensitivity"`` gives each layer what pays most for the damage it does alone;
            ``"uniform"`` drops the same share of non-zero values everywhere.
        holdout: The data for the check; by default a part of ``data``.
        holdout_fraction: That part, in (0, 1).
        probe_samples: Inputs to measure sensitivities with.
        batch_size: Inputs per run; changes memory and time, not results.
        threads: Threads to use; None for all cores.
        isa: Instruction set to use; None for the best.
        seed: Seed of split and sampling; the same seed gives the same result.
        random_input: Whether noise is accepted as data.
        progress: Told of each step.

    Returns:
        The thresholds and what they cost. If nothing passes, thresholds of zero, which change nothing.

    Raises:
        CalibrationError: If options contradict each other, labels do not fit, the metric fails, the model's
            own outputs are not finite, or the target cannot be reached.
        DataError: If there are too few inputs, or they are noise and ``random_input`` is False.
        ShapeError: If the data do not fit the model.
        ModelError: If the model cannot be read or run.

    Example:
        >>> result = calibrate("model.onnx", image_folder("photos/", "imagenet"), 0.01)  # doctest: +SKIP
        >>> result.thresholds.save("thresholds.json")  # doctest: +SKIP
    """
    options = CalibrationOptions(
        max_drop=max_drop,
        target_sparsity=target_sparsity,
        max_information_loss=max_information_loss,
        metric=metric,
        strategy=strategy,
        holdout_fraction=holdout_fraction,
        probe_samples=probe_samples,
        batch_size=batch_size,
        threads=threads,
        isa=isa,
        seed=seed,
        random_input=random_input,
    )
    return _Calibration(model, data, holdout, options, progress).run()


class _Calibration:
    """One call of :func:`calibrate`, step by step."""

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes | ir.Model,
        data: Dataset,
        holdout: Dataset | None,
        options: CalibrationOptions,
        progress: Progress | None,
    ) -> None:
        from ..engine import InferenceSession, SessionOptions
        from ..onnx import load_model

        self._started = time.monotonic()
        self._options = options
        self._progress = progress
        refuse_noise(data, options.random_input)
        calibration_data, holdout_data = _split(data, holdout, options)
        self._data = data
        self._sha256 = model_hash(model)
        self._model = load_model(model)
        self._session_options = SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa)
        self._session = InferenceSession(self._model, self._session_options)
        ModelInput.of(self._session).check(calibration_data)
        self._calibration = self._evaluator(calibration_data)
        self._holdout = self._evaluator(holdout_data)
        self._metric = choose_metric(options.metric, self._calibration.dense.outputs, calibration_data.labels)
        self._budget = self._make_budget()

    def run(self) -> CalibrationResult:
        """Observe, probe, search, check."""
        values: dict[str, ActivationValues] = {}
        sensitivities: dict[str, Sensitivity] = {}
        gains: dict[str, float] = {}
        search = self._search(UniformStrategy(()), values)
        strength, was_interrupted = 0.0, False
        try:
            names = [item.name for item in self._session.activations() if item.consumers]
            values = observe(
                self._session, names, self._calibration.data, seed=self._options.seed, progress=self._progress
            )
            gains = saved_macs(self._session, self._calibration.data, values)
            names = [name for name in names if gains.get(name, 0.0) > 0.0]
            strategy, sensitivities = self._strategy(names, values, gains)
            search = self._search(strategy, values)
            strength = self._run_search(search) if names else 0.0
        except KeyboardInterrupt:
            was_interrupted = True
            strength = search.best() if self._options.target_sparsity is None else 0.0
        if self._options.target_sparsity is None:
            strength = search.confirmed(strength, self._budget, self._progress)
        return self._result(search, strength, sensitivities, gains, was_interrupted)

    def _run_search(self, search: Search) -> float:
        if self._options.target_sparsity is not None:
            return search.for_sparsity(self._options.target_sparsity, self._progress)
        search.under_budget(self._budget, self._progress)
        return search.best()

    def _strategy(
        self, names: Sequence[str], values: Mapping[str, ActivationValues], gains: Mapping[str, float]
    ) -> tuple[Strategy, dict[str, Sensitivity]]:
        if self._options.strategy == "uniform":
            return UniformStrategy(tuple(names)), {}
        probes = self._evaluator(self._calibration.data.subset(self._options.probe_samples))
        sensitivities = probe(probes, self._metric, values, names, self._progress)
        return SensitivityStrategy(sensitivities, {name: gains[name] for name in names}), sensitivities

    def _search(self, strategy: Strategy, values: Mapping[str, ActivationValues]) -> Search:
        return Search(strategy, values, self._metric, self._calibration, self._holdout)

    def _evaluator(self, data: Dataset) -> Evaluator:
        return Evaluator(self._model, data, self._session_options, self._options.batch_size)

    def _make_budget(self) -> Budget:
        if self._options.target_sparsity is not None:
            return Budget(float("inf"), None)
        max_drop = DEFAULT_MAX_DROP if self._options.max_drop is None else self._options.max_drop
        max_information_loss = self._options.max_information_loss
        if max_information_loss is None and self._metric.is_guarded:
            max_information_loss = max_drop
        return Budget(max_drop, max_information_loss)

    def _result(
        self,
        search: Search,
        strength: float,
        sensitivities: Mapping[str, Sensitivity],
        gains: Mapping[str, float],
        was_interrupted: bool,
    ) -> CalibrationResult:
        calibration, sparsity = search.score(strength, on_holdout=False)
        holdout, _ = search.score(strength, on_holdout=True)
        fractions, thresholds = search.strategy.fractions(strength), search.thresholds(strength)
        layers = tuple(
            _layer(name, gains[name], sensitivities.get(name), fractions[name], thresholds[name])
            for name in fractions
        )
        target = self._options.target_sparsity
        return CalibrationResult(
            thresholds=self._threshold_set(thresholds, calibration, holdout),
            metric=self._metric.name,
            max_drop=None if target is not None else self._budget.max_drop,
            max_information_loss=self._budget.max_information_loss,
            target_sparsity=target,
            calibration=calibration,
            holdout=holdout,
            sparsity_before=self._calibration.dense.sparsity,
            sparsity_after=sparsity,
            strategy=self._options.strategy,
            seed=self._options.seed,
            trials=tuple(search.trials),
            sensitivities=layers,
            was_interrupted=was_interrupted,
            seconds=time.monotonic() - self._started,
        )

    def _threshold_set(
        self, thresholds: Mapping[str, float], calibration: Score, holdout: Score
    ) -> ThresholdSet:
        scores = {"calibration": calibration.model_dump(), "holdout": holdout.model_dump()}
        return ThresholdSet(
            dict(thresholds),
            model_sha256=self._sha256,
            data=self._data.description,
            metric=self._metric.name,
            provenance={
                "strategy": self._options.strategy,
                "seed": self._options.seed,
                "max_drop": self._budget.max_drop if self._options.target_sparsity is None else None,
                "target_sparsity": self._options.target_sparsity,
                "scores": scores,
                "zeroskip": installed_version("zeroskip"),
            },
        )


def _layer(
    name: str, gain: float, sensitivity: Sensitivity | None, fraction: float, threshold: float
) -> LayerSensitivity:
    return LayerSensitivity(
        activation=name,
        gain_macs=gain,
        levels=sensitivity.levels if sensitivity else (),
        damages=sensitivity.damages if sensitivity else (),
        fraction=fraction,
        threshold=threshold,
    )


def _split(data: Dataset, holdout: Dataset | None, options: CalibrationOptions) -> tuple[Dataset, Dataset]:
    if holdout is not None:
        refuse_noise(holdout, options.random_input)
        return data, holdout
    if len(data) < _FEWEST_INPUTS:
        raise DataError(
            f"calibration needs at least {_FEWEST_INPUTS} inputs, half of them for the check; "
            f"the data have {len(data)}"
        )
    return data.split(1.0 - options.holdout_fraction, seed=options.seed)
