"""`calibrate`: from a model, data and a budget to thresholds that keep within it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..analysis import ModelInput, model_hash, refuse_noise
from ..data import Dataset
from ..errors import DataError
from ..progress import Progress
from ..system import installed_version
from ..thresholds import ThresholdSet
from .allocation import GRID, SensitivityStrategy, Strategy, UniformStrategy
from .compensation import CompensationName, Compensator
from .curve import trace
from .evaluation import Evaluator
from .metrics import Metric, MetricFunction, MetricName, choose_metric
from .network import Network
from .options import CalibrationOptions, StrategyName
from .result import CalibrationResult, Correction, CurvePoint, LayerSensitivity, Score, Trial
from .search import Budget, Search, score_of
from .statistics import drop_interval, mcnemar
from .strategies import Maker
from .values import Values

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..onnx import LayerWeights

_FEWEST_INPUTS = 4
_BLIND = 0.1
"""Information loss that a metric which cannot see blindness tolerates at most."""
_LEAST_PROBED_DAMAGE = 0.002
_MIDDLE_DAMAGE = 0.01


def calibrate(
    model: str | os.PathLike[str] | bytes | ir.Model,
    data: Dataset,
    max_drop: float | None = None,
    *,
    target_sparsity: float | None = None,
    target_speedup: float | None = None,
    max_information_loss: float | None = None,
    metric: MetricName | MetricFunction = "auto",
    strategy: StrategyName = "sensitivity",
    compensation: CompensationName = "none",
    curve: bool = False,
    holdout: Dataset | None = None,
    holdout_fraction: float = 0.5,
    probe_samples: int = 48,
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
        target_speedup: Instead: reach this speed-up by the engine's cost model, >= 1.
        max_information_loss: Bounds the information loss as well: how far the outputs moved against how much
            they differ from input to input, 0 for unchanged ones, 1 for a model gone blind. By default 0.1, or
            ``max_drop`` if that is more, for agreement, and for top-1 if one class makes up most predictions,
            because these metrics do not notice a blind model on such data; open otherwise.
        metric: ``"auto"``: top-1 with labels; else agreement with the dense model's predictions for outputs
            ``[N, classes]``, and fidelity (share of preserved energy) for others. Or a function of
            (outputs, labels) that returns a number, higher is better. The model's first output is judged.
        strategy: ``"sensitivity"`` gives each layer what saves most time for the damage it does. To compare
            with: ``"uniform"`` drops the same share of non-zero values everywhere, ``"energy"`` the same share
            of energy, ``"greedy"`` searches layer by layer (Kurtz et al. 2020).
        compensation: Correct the layers behind thresholds: ``"bias"``, or ``"reconstruct"`` for weights and
            biases; each layer's correction is kept only if it lowers the damage. The corrected weights are in
            ``result.apply``.
        curve: Whether to measure accuracy against speed along the whole family.
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
        >>> result.apply("model.onnx").save("model.fatrelu.onnx")  # doctest: +SKIP
    """
    options = CalibrationOptions(
        max_drop=max_drop,
        target_sparsity=target_sparsity,
        target_speedup=target_speedup,
        max_information_loss=max_information_loss,
        metric=metric,
        strategy=strategy,
        compensation=compensation,
        curve=curve,
        holdout_fraction=holdout_fraction,
        probe_samples=probe_samples,
        batch_size=batch_size,
        threads=threads,
        isa=isa,
        seed=seed,
        random_input=random_input,
    )
    return _Calibration(model, data, holdout, options, progress).run()


@dataclass
class _Found:
    """What the search has come to so far."""

    search: Search
    strength: float = 0.0
    corrections: tuple[Correction, ...] = ()
    layers: Mapping[str, LayerWeights] | None = None


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
        session_options = SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa)
        self._session = InferenceSession(self._model, session_options)
        self._input = ModelInput.of(self._session)
        self._input.check(calibration_data)
        self._network = self._new_network(calibration_data)
        self._calibration = Evaluator(self._network, self._input, calibration_data)
        self._holdout = Evaluator(self._network, self._input, holdout_data)
        self._metric = choose_metric(options.metric, self._calibration.dense.outputs, calibration_data.labels)
        self._budget = None if options.has_target else _budget(options, self._metric)

    def run(self) -> CalibrationResult:
        """Observe, probe, search, check."""
        found, values = _Found(self._search(UniformStrategy({}))), dict[str, Values]()
        was_interrupted = False
        try:
            values = self._values()
            if values:
                maker = self._maker(values)
                found.search = self._search(maker.make(self._options.strategy, self._probed_damage))
                found.strength = self._look_for(found.search)
                self._compensate(found)
        except KeyboardInterrupt:
            was_interrupted = True
            found.strength = found.search.best() if self._budget is not None else 0.0
        found.strength = self._confirmed(found.search, found.strength)
        curve = trace(found.search) if self._options.curve and values and not was_interrupted else ()
        return self._result(found, values, curve, was_interrupted)

    # ------------------------------------------------------------------ steps

    def _new_network(self, data: Dataset) -> Network:
        size = self._input.batch_size(min(self._options.batch_size, len(data)))
        is_fixed = self._input.fixed_batch_size is not None
        return Network(self._session, self._input.name, data.sample_shape, size, is_fixed=is_fixed)

    def _values(self) -> dict[str, Values]:
        names = list(self._network.readers)
        some = self._probes.sample(names, self._options.seed, self._progress) if names else {}
        return {name: sample for name, sample in some.items() if sample.density > 0.0}

    @property
    def _probes(self) -> Evaluator:
        data = self._calibration.data.subset(self._options.probe_samples)
        return Evaluator(self._network, self._input, data)

    @property
    def _probed_damage(self) -> float:
        """Information loss around which sensitivities are measured; top-1 loses about as much as information."""
        if self._budget is None:
            return _MIDDLE_DAMAGE
        return min(max(self._budget.max_drop, _LEAST_PROBED_DAMAGE), _BLIND)

    def _maker(self, values: Mapping[str, Values]) -> Maker:
        return Maker(self._calibration, self._probes, self._metric, values, self._progress)

    def _search(self, strategy: Strategy) -> Search:
        return Search(
            strategy, self._metric, self._calibration, self._holdout, self._budget, self._progress
        )

    def _look_for(self, search: Search) -> float:
        options = self._options
        if options.target_sparsity is not None:
            return search.for_target(options.target_sparsity, lambda trial: trial.sparsity, "target_sparsity")
        if options.target_speedup is not None:
            return search.for_target(
                options.target_speedup, lambda trial: trial.predicted_speedup, "target_speedup"
            )
        assert self._budget is not None
        return search.under_budget(self._budget)

    def _compensate(self, found: _Found) -> None:
        """Correct the layers for the thresholds found, and look again how far these may go with it."""
        from ..onnx import layer_weights

        if self._options.compensation == "none" or found.strength <= 0.0:
            return
        before = found.search.trial(self._confirmed(found.search, found.strength), on_holdout=False)
        reference = self._new_network(self._calibration.data).program
        self._network.set_thresholds(found.search.strategy.thresholds(found.strength))
        names = list(layer_weights(self._model))
        compensator = Compensator(self._probes, reference, self._metric, self._options.compensation, names)
        is_kept = False
        try:
            layers, corrections = compensator.run(self._progress)
            found.corrections = tuple(corrections)
            search = found.search.again(found.strength)
            strength = self._confirmed(search, self._look_for(search))
            if layers and self._is_better(search.trial(strength, on_holdout=False), before):
                found.layers, found.search, found.strength, is_kept = layers, search, strength, True
        finally:
            if not is_kept:
                compensator.undo()

    def _is_better(self, trial: Trial, before: Trial) -> bool:
        if self._budget is None:
            return trial.strength > 0.0 and trial.score.information_loss < before.score.information_loss
        return trial.predicted_speedup > before.predicted_speedup

    def _confirmed(self, search: Search, strength: float) -> float:
        return strength if self._budget is None else search.confirmed(strength, self._budget)

    # ------------------------------------------------------------------ result

    def _result(
        self,
        found: _Found,
        values: Mapping[str, Values],
        curve: tuple[CurvePoint, ...],
        was_interrupted: bool,
    ) -> CalibrationResult:
        search, options = found.search, self._options
        thresholds = search.strategy.thresholds(found.strength) if found.strength > 0.0 else {}
        thresholds = {name: thresholds.get(name, 0.0) for name in values}
        trial = search.trial(found.strength, on_holdout=False)
        holdout = self._checked_score(search, found.strength)
        return CalibrationResult(
            thresholds=self._threshold_set(thresholds, trial.score, holdout, curve),
            layers=dict(found.layers or {}) if found.strength > 0.0 else {},
            metric=self._metric.name,
            max_drop=None if self._budget is None else self._budget.max_drop,
            max_information_loss=None if self._budget is None else self._budget.max_information_loss,
            target_sparsity=options.target_sparsity,
            target_speedup=options.target_speedup,
            calibration=trial.score,
            holdout=holdout,
            sparsity_before=self._calibration.dense.sparsity,
            sparsity_after=trial.sparsity,
            predicted_speedup=trial.predicted_speedup,
            strategy=options.strategy,
            compensation=options.compensation,
            seed=options.seed,
            trials=tuple(search.trials),
            curve=curve,
            sensitivities=_layers(search.strategy, values, thresholds, self._gains(values)),
            corrections=found.corrections,
            was_interrupted=was_interrupted,
            seconds=time.monotonic() - self._started,
        )

    def _gains(self, values: Mapping[str, Values]) -> dict[str, float]:
        gains = self._maker(values).gains() if values else {}
        return {name: float(gain[-1]) for name, gain in gains.items()}

    def _checked_score(self, search: Search, strength: float) -> Score:
        """Return the score on the holdout with what says how far to trust it."""
        evaluation = search.evaluation(strength, on_holdout=True)
        score = score_of(self._metric, self._holdout, evaluation)
        reference, labels = self._holdout.dense.outputs, self._holdout.data.labels
        interval = drop_interval(self._metric, reference, evaluation.outputs, labels, seed=self._options.seed)
        p_value = None
        if self._metric.name == "top1" and labels is not None:
            before, after = (_is_right(outputs, labels) for outputs in (reference, evaluation.outputs))
            p_value = mcnemar(int((before & ~after).sum()), int((after & ~before).sum()))
        return score.model_copy(update={"interval": interval, "p_value": p_value})

    def _threshold_set(
        self,
        thresholds: Mapping[str, float | np.ndarray],
        calibration: Score,
        holdout: Score,
        curve: tuple[CurvePoint, ...],
    ) -> ThresholdSet:
        options = self._options
        scores = {
            "calibration": calibration.model_dump(mode="json"),
            "holdout": holdout.model_dump(mode="json"),
        }
        return ThresholdSet(
            dict(thresholds),
            model_sha256=self._sha256,
            data=self._data.description,
            metric=self._metric.name,
            provenance={
                "strategy": options.strategy,
                "compensation": options.compensation,
                "seed": options.seed,
                "max_drop": None if self._budget is None else self._budget.max_drop,
                "target_sparsity": options.target_sparsity,
                "target_speedup": options.target_speedup,
                "scores": scores,
                "curve": [
                    {
                        "strength": point.strength,
                        "sparsity": point.sparsity,
                        "predicted_speedup": point.predicted_speedup,
                        "drop": point.holdout.drop,
                    }
                    for point in curve
                    if point.is_efficient
                ],
                "zeroskip": installed_version("zeroskip"),
            },
        )


def _budget(options: CalibrationOptions, metric: Metric) -> Budget:
    max_information_loss = options.max_information_loss
    if max_information_loss is None and metric.is_guarded:
        max_information_loss = max(options.budget, _BLIND)
    return Budget(options.budget, max_information_loss)


def _is_right(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(outputs.reshape(len(outputs), -1).argmax(axis=1) == labels)


def _layers(
    strategy: Strategy,
    values: Mapping[str, Values],
    thresholds: Mapping[str, float | np.ndarray],
    gains: Mapping[str, float],
) -> tuple[LayerSensitivity, ...]:
    return tuple(
        _layer(name, strategy, sample.fraction(thresholds[name]), thresholds[name], gains[name])
        for name, sample in values.items()
    )


def _layer(
    name: str, strategy: Strategy, fraction: float, threshold: float | np.ndarray, gain: float
) -> LayerSensitivity:
    sensitivity, damage_per_ms = None, None
    if isinstance(strategy, SensitivityStrategy):
        sensitivity = strategy.sensitivities[name]
        saved = float(np.interp(fraction, GRID, strategy.gains[name]))
        damage = float(sensitivity.at(np.array([fraction]))[0])
        damage_per_ms = damage / saved if saved > 0.0 else None
    return LayerSensitivity(
        activation=name,
        gain_ms=gain,
        levels=sensitivity.levels if sensitivity else (),
        damages=sensitivity.damages if sensitivity else (),
        is_per_channel=np.ndim(threshold) > 0,
        fraction=fraction,
        damage_per_ms=damage_per_ms,
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
