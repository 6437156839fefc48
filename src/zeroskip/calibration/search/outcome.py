"""Making the result of a calibration from what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.targets import join
from ...onnx import Labels, is_branch, labels_of
from ...system import installed_version
from ...thresholds import Threshold, ThresholdSet
from ..judging.baseline import predicted
from ..judging.outputs import Outputs
from ..judging.protocol import pick
from ..judging.statistics import drop_interval, mcnemar
from ..problem import Setting
from ..records import CurvePoint, DropEstimate, LayerSensitivity, Score
from ..result import CalibrationResult
from ..strategies.allocation import GRID, SensitivityStrategy
from .finder import Finder, Found
from .search import Search, score_of
from .walk import Budget


def outcome(
    setting: Setting,
    finder: Finder,
    found: Found,
    curve: tuple[CurvePoint, ...],
    *,
    was_interrupted: bool,
    seconds: float,
) -> CalibrationResult:
    """Return the result: thresholds, scores on both sets of data, and how they came about.

    Args:
        setting: Model, data, metric and options.
        finder: What it measured is reported.
        found: Where the search ended.
        curve: Accuracy against speed.
        was_interrupted: Whether the search was stopped early.
        seconds: How long it took.
    """
    search, options, budget = found.search, setting.options, found.search.budget
    present = found.thresholds
    layers = dict(found.layers or {}) if found.strength > 0.0 else {}
    thresholds = {name: present.get(name, 0.0) for name in finder.values}
    written = {name: value for name, value in thresholds.items() if np.any(value) or not is_branch(name)}
    trial = search.trial(found.strength, on_holdout=False)
    holdout = checked_score(setting, search, found.strength)
    labels = labels_of(setting.model)
    estimate = _estimate(setting, search, found.strength)
    return CalibrationResult(
        thresholds=_threshold_set(
            setting,
            written,
            budget,
            {"calibration": trial.score, "holdout": holdout},
            curve,
            len(layers),
            trial.predicted_speedup,
            labels,
        ),
        layers=layers,
        metric=setting.metric.name,
        max_drop=None if budget is None else budget.max_drop,
        max_information_loss=None if budget is None else budget.max_information_loss,
        calibration=trial.score,
        holdout=holdout,
        baseline=setting.baseline,
        estimate=estimate,
        notes=setting.notes,
        reason=setting.reason,
        judged_output=setting.metric.output,
        guarded_outputs=tuple(name for name in setting.metric.guards if name),
        sparsity_before=setting.calibration.dense.sparsity,
        sparsity_after=trial.sparsity,
        predicted_speedup=trial.predicted_speedup,
        strategy=search.strategy.name if finder.values else options.strategy,
        options=replace(options, metric=setting.metric.name),
        trials=tuple(search.trials),
        curve=curve,
        sensitivities=tuple(
            _layer(name, finder, found, thresholds[name]).model_copy(update={"label": labels.activation(name)})
            for name in finder.values
        ),
        corrections=found.corrections,
        learning=tuple(
            trial.model_copy(update={"is_kept": place == found.learnt}) for place, trial in enumerate(found.learning)
        ),
        distillation=found.distillation and found.distillation.model_copy(update={"is_kept": found.is_distilled}),
        step_time_error=None if setting.network.curves is None else setting.network.curves.error,
        was_interrupted=was_interrupted,
        seconds=seconds,
    )


def checked_score(setting: Setting, search: Search, strength: float) -> Score:
    """Return the score on the holdout with what says how far to trust it."""
    evaluation = search.evaluation(strength, on_holdout=True)
    score = score_of(setting.metric, setting.holdout, evaluation)
    reference, labels = setting.holdout.dense.outputs, setting.holdout.data.targets
    interval = drop_interval(setting.metric, reference, evaluation.outputs, labels, seed=setting.options.seed)
    is_top1 = setting.metric.name == "top1"
    p_value = None
    if is_top1:
        before, after = (pick(side, setting.metric.output) for side in (reference, evaluation.outputs))
        p_value = _mcnemar(before, after, setting.holdout.data.labels)
    return score.model_copy(update={"interval": interval, "p_value": p_value})


def _estimate(setting: Setting, search: Search, strength: float) -> DropEstimate | None:
    """Return the best estimate of the drop from both halves; None where nothing is changed."""
    if strength <= 0.0:
        return None
    for on_holdout in (False, True):
        search.trial(strength, on_holdout=on_holdout)
    budget = None if setting.options.has_target else search.budget
    estimate = search.estimate(strength, budget)
    return _pooled(setting, search, strength) if estimate is None else estimate


def _pooled(setting: Setting, search: Search, strength: float) -> DropEstimate:
    """Return what a metric of one's own says of both halves together."""
    halves = (setting.calibration, setting.holdout)
    reference = Outputs.joined([half.dense.outputs for half in halves])
    outputs = Outputs.joined([search.evaluation(strength, on_holdout=half).outputs for half in (False, True)])
    labels = join([half.data.targets for half in halves])
    metric = setting.metric
    drop = metric.value(reference, reference, labels) - metric.value(reference, outputs, labels)
    return DropEstimate(
        drop=drop,
        interval=drop_interval(metric, reference, outputs, labels, seed=setting.options.seed),
        samples=reference.samples,
        changed=int(np.sum([_is_changed(reference, outputs, place) for place in range(reference.samples)])),
        counted=drop,
    )


def _is_changed(reference: Outputs, outputs: Outputs, place: int) -> bool:
    """Whether any output of the model differs for an input."""
    return any(
        not np.array_equal(column[place], outputs[name][place], equal_nan=column[place].dtype.kind == "f")
        for name, column in reference.shown.items()
    )


def _mcnemar(
    reference: NDArray[np.float32], outputs: NDArray[np.float32], labels: NDArray[np.int64] | None
) -> float | None:
    if labels is None:
        return None
    before, after = (predicted(rows) == labels for rows in (reference, outputs))
    return mcnemar(int((before & ~after).sum()), int((after & ~before).sum()))


def _threshold_set(
    setting: Setting,
    thresholds: Mapping[str, Threshold],
    budget: Budget | None,
    scores: Mapping[str, Score],
    curve: tuple[CurvePoint, ...],
    corrected_layers: int,
    predicted_speedup: float,
    labels: Labels,
) -> ThresholdSet:
    options = setting.options
    return ThresholdSet(
        dict(thresholds),
        model_sha256=setting.sha256,
        data=setting.data.description,
        metric=setting.metric.name,
        provenance={
            "strategy": options.strategy,
            "compensation": options.compensation,
            "corrected_layers": corrected_layers,
            "branches": options.branches,
            "seed": options.seed,
            "preprocess": None if setting.data.preprocess is None else setting.data.preprocess.to_dict(),
            "classes": None if setting.data.classes is None else setting.data.classes.to_dict(),
            "max_drop": None if budget is None else budget.max_drop,
            "target_sparsity": options.target_sparsity,
            "target_speedup": options.target_speedup,
            "predicted_speedup": predicted_speedup,
            "scores": {name: score.model_dump(mode="json") for name, score in scores.items()},
            "labels": {name: labels.activation(name) for name in thresholds},
            "curve": [_summary(point) for point in curve if point.is_efficient],
            "zeroskip": installed_version("zeroskip"),
        },
    )


def _summary(point: CurvePoint) -> dict[str, Any]:
    return {
        "strength": point.strength,
        "sparsity": point.sparsity,
        "predicted_speedup": point.predicted_speedup,
        "drop": point.holdout.drop,
    }


def _layer(name: str, finder: Finder, found: Found, threshold: Threshold) -> LayerSensitivity:
    fraction, strategy = finder.values[name].fraction(threshold), found.search.strategy
    sensitivity, damage_per_ms = None, None
    if isinstance(strategy, SensitivityStrategy):
        sensitivity = strategy.sensitivities[name]
        saved = float(np.interp(fraction, GRID, finder.gains[name]))
        damage = float(sensitivity.at(np.array([fraction]))[0])
        damage_per_ms = damage / saved if saved > 0.0 else None
    return LayerSensitivity(
        activation=name,
        gain_ms=float(finder.gains[name][-1]),
        levels=sensitivity.levels if sensitivity else (),
        damages=sensitivity.damages if sensitivity else (),
        is_per_channel=np.ndim(threshold) > 0,
        fraction=fraction,
        damage_per_ms=damage_per_ms,
    )
