"""What a loss is: of classes, of maps, of metrics that callers bring; blind models are noticed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import calibrate
from zeroskip.calibration.judging.metric import ClassMetric, FidelityMetric, Outputs, choose_metric
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting
from zeroskip.errors import CalibrationError

from ..conftest import COUNT, dense_labels


def test_a_metric_that_raises_is_named() -> None:
    def broken(outputs: object, labels: object) -> float:
        raise ValueError("no labels here")

    with pytest.raises(CalibrationError, match="the metric 'broken' raised ValueError: no labels here"):
        calibrate(tiny_network(), tiny_data(COUNT), metric=broken, threads=1)


def test_a_metric_that_returns_nan_is_named() -> None:
    def broken(outputs: object, labels: object) -> float:
        return float("nan")

    with pytest.raises(CalibrationError, match="the metric 'broken' returned nan"):
        calibrate(tiny_network(), tiny_data(COUNT), metric=broken, threads=1)


def test_a_metric_of_ones_own_is_bounded() -> None:
    def mean_margin(outputs: np.ndarray, labels: object) -> float:
        best = np.sort(outputs, axis=1)
        return float((best[:, -1] - best[:, -2]).mean())

    result = calibrate(tiny_network(), tiny_data(COUNT), 0.01, metric=mean_margin, threads=1)
    assert result.metric == "mean_margin"
    assert result.holdout.drop <= 0.01


def test_a_metric_of_ones_own_has_its_own_scale() -> None:
    def score(outputs: np.ndarray, labels: object) -> float:
        return 100.0 * mean_range(outputs)

    result = calibrate(tiny_network(), tiny_data(COUNT), 5.0, metric=score, threads=1, measure_seconds=0.0)
    assert result.max_drop == 5.0
    assert result.holdout.drop <= 5.0
    assert result.estimate is not None
    words = "falls" if result.estimate.drop >= 0.0 else "rises"
    assert f"score likely {words} by {abs(result.estimate.drop):.4g} (95 % interval" in result.message
    before, after = result.holdout.baseline, result.holdout.optimized
    assert f"{before:.4g} -> {after:.4g} (drop" in result.message


def mean_range(outputs: np.ndarray) -> float:
    return float(np.ptp(outputs, axis=1).mean())


@pytest.mark.parametrize("what", ["errors", "cross_entropy"])
def test_a_metric_of_which_lower_is_better_is_refused(what: str) -> None:
    """Thresholds that break the model would always pass."""

    def errors(outputs: np.ndarray, labels: np.ndarray) -> float:
        return float((outputs.argmax(axis=1) != labels).mean())

    def cross_entropy(outputs: np.ndarray, labels: np.ndarray) -> float:
        shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
        return float(-np.log(shares[np.arange(len(labels)), labels]).mean())

    metric = {"errors": errors, "cross_entropy": cross_entropy}[what]
    logits = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    labels = logits.argmax(axis=1)
    labels[::5] = 0
    with pytest.raises(CalibrationError, match=rf"the metric '{what}' is .* lower seems to be better.*its negative"):
        choose_metric(metric, logits, labels)
    assert choose_metric(lambda outputs, labels: -metric(outputs, labels), logits, labels).name == "<lambda>"


def test_a_blind_model_agrees_but_has_lost_all_information() -> None:
    """Why agreement is not enough: nearly always the same class, and outputs that ignore the input."""
    random = np.random.default_rng(0)
    odds = random.normal(4.0, 1.0, 100)
    probability = 1 / (1 + np.exp(-odds))
    dense = np.stack([probability, 1 - probability], axis=1).astype(np.float32)
    blind = np.broadcast_to(dense.mean(axis=0), dense.shape).astype(np.float32)
    metric = choose_metric("auto", dense, None)
    assert metric.name == "agreement"
    assert metric.value(dense, blind, None) == 1.0
    assert metric.information_loss(dense, blind) == pytest.approx(1.0, abs=0.01)
    assert metric.information_loss(dense, dense) == 0.0


def test_information_loss_is_always_bounded() -> None:
    for labels in (None, dense_labels()):
        made = Setting(tiny_network(), tiny_data(COUNT, labels), None, CalibrationOptions(threads=1))
        assert made.budget_of(0.05).max_information_loss == 0.1
        assert made.budget_of(0.3).max_information_loss == 0.3


def test_outputs_without_classes_are_judged_by_fidelity() -> None:
    maps = np.random.default_rng(0).random((6, 4, 5)).astype(np.float32)
    metric = choose_metric("auto", maps, None)
    assert metric.name == "fidelity"
    assert metric.value(maps, maps, None) == 1.0
    blind = np.broadcast_to(maps.mean(axis=0), maps.shape)
    assert metric.value(maps, blind, None) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(CalibrationError, match="needs outputs"):
        choose_metric("agreement", maps, None)


@pytest.mark.parametrize("metric", [ClassMetric("agreement", False), FidelityMetric()])
def test_outputs_that_are_not_finite_lose_everything(metric: ClassMetric | FidelityMetric) -> None:
    outputs = np.eye(4, dtype=np.float32)
    assert metric.information_loss(outputs, np.full_like(outputs, np.nan)) == float("inf")


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (np.arange(12) % 3 + 0.0, r"float64 \[12\]"),
        (np.eye(3, dtype=np.int64)[np.arange(12) % 3], r"int64 \[12, 3\]"),
        (["cat"] * 12, "a list of str"),
        ([None, 1] * 6, "a list of NoneType and int"),
        ({"boxes": [[]] * 12}, r"a dictionary of \['boxes'\]"),
    ],
)
def test_targets_that_are_not_read_are_said(targets: Any, words: str) -> None:
    """Whoever gives labels of a wrong kind believes that accuracy is bounded."""
    judge = choose_metric("auto", np.eye(3, dtype=np.float32)[np.arange(12) % 3], targets)
    assert judge.name == "agreement"
    assert re.search(rf"the targets \({words}\) are not read: agreement", judge.notes[-1])
    maps = np.random.default_rng(0).random((12, 3, 4, 4)).astype(np.float32)
    assert "not read: fidelity" in choose_metric("auto", maps, np.arange(12)).notes[-1]
    assert not choose_metric("auto", maps, None).notes


@pytest.mark.parametrize("limit", [1 << 28, 0])
def test_a_metric_that_works_in_place_changes_nothing(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Else whatever comes after it is judged by ruins, and seems to agree."""
    monkeypatch.setattr("zeroskip.calibration.judging.outputs._MOST_COPIED", limit)
    scores = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)

    def destructive(outputs: Any, targets: Any) -> float:
        hits = float((outputs["y"].argmax(axis=1) == targets).mean())
        outputs["y"].fill(0.0)
        return hits

    given, labels = Outputs({"y": scores.copy()}), scores.argmax(axis=1)
    if limit:
        assert choose_metric(destructive, given, labels).value(given, given, labels) == 1.0
    else:
        with pytest.raises(CalibrationError, match=r"'destructive' raised ValueError: .*read-only"):
            choose_metric(destructive, given, labels)
    np.testing.assert_array_equal(given["y"], scores)


def test_a_metric_that_differs_from_call_to_call_is_refused() -> None:
    calls: list[int] = []

    def fading(outputs: Any, targets: Any) -> float:
        calls.append(1)
        return 1.0 - 0.1 * len(calls)

    with pytest.raises(CalibrationError, match=r"'fading' is .* and then .* it keeps a state"):
        choose_metric(fading, np.eye(6, dtype=np.float32), None)


def test_outputs_that_a_metric_names_must_be_there() -> None:
    with pytest.raises(CalibrationError, match="no output 'boxes'"):
        choose_metric(FidelityMetric(output="boxes"), Outputs({"y": np.eye(6, dtype=np.float32)}), None)
