"""Calibration: budgets are kept, blind models are noticed, bad questions get clear answers."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zeroskip as zs
from tiny_network import CLASSES, SIDE, SKIPPABLE, tiny_data, tiny_network
from zeroskip.calibration import CalibrationResult, Score, StrategyName, calibrate
from zeroskip.calibration.judging.metric import ClassMetric, FidelityMetric, choose_metric
from zeroskip.calibration.network.evaluation import Evaluator
from zeroskip.calibration.network.samples import Values
from zeroskip.calibration.network.timing import measured_speed
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting
from zeroskip.calibration.search.walk import Budget
from zeroskip.calibration.strategies.allocation import GRID, EnergyStrategy, SensitivityStrategy, UniformStrategy
from zeroskip.calibration.strategies.sensitivity import Sensitivity
from zeroskip.data import random_input
from zeroskip.errors import CalibrationError, DataError

COUNT = 32


def dense_labels() -> list[int]:
    """What the network itself predicts, so that its top-1 is 1."""
    session = zs.InferenceSession(tiny_network())
    (logits,) = session.run(None, {"image": tiny_data(COUNT).array()})
    return logits.argmax(axis=1).tolist()


@pytest.fixture(scope="module")
def result() -> CalibrationResult:
    return calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1)


def test_the_budget_is_kept_on_data_the_search_did_not_see(result: CalibrationResult) -> None:
    for score in (result.calibration, result.holdout):
        assert score.drop <= 0.05
        assert score.information_loss <= 0.1
    assert result.holdout.samples == COUNT // 2
    assert not result.is_zero
    assert result.sparsity_after > result.sparsity_before


def test_what_was_predicted_is_measured_too(result: CalibrationResult, tmp_path: Path) -> None:
    speed = result.measured_speed
    assert speed is not None
    assert (speed.threads, speed.batch_size) == (1, 1)
    assert speed.low <= speed.ratio <= speed.high
    assert f"measured {speed.ratio:.2f}x as fast (predicted {result.predicted_speedup:.2f}x)" in result.message
    result.save(tmp_path / "calibration.json")
    assert CalibrationResult.load(tmp_path / "calibration.json").measured_speed == speed


def test_speed_is_not_measured_where_that_is_not_wanted_or_nothing_changed() -> None:
    quick = calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1, measure_seconds=0.0)
    assert quick.measured_speed is None
    assert "measured" not in quick.message
    nothing = calibrate(tiny_network(), tiny_data(COUNT), 0.0, max_information_loss=0.0, threads=1)
    assert nothing.is_zero
    assert nothing.measured_speed is None


def test_a_model_is_as_fast_as_itself() -> None:
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=1))
    speed = measured_speed(session, session, [{"image": tiny_data(1).array()}], 0.5, 1)
    assert speed.low <= speed.ratio <= speed.high
    assert 0.3 < speed.ratio < 3.0


def test_only_activations_that_a_layer_can_skip_get_thresholds(result: CalibrationResult) -> None:
    assert set(result.thresholds) == set(SKIPPABLE)
    assert {item.activation for item in result.sensitivities} == set(SKIPPABLE)


def test_thresholds_say_where_they_come_from(result: CalibrationResult) -> None:
    thresholds = result.thresholds
    assert thresholds.metric == "agreement"
    assert len(thresholds.model_sha256 or "") == 64
    assert "blobs" in (thresholds.data or "")
    assert thresholds.provenance["max_drop"] == 0.05
    assert zs.ThresholdSet.from_json(thresholds.to_json()) == thresholds


def test_the_same_seed_gives_the_same_result(result: CalibrationResult) -> None:
    again = calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1)
    assert again.thresholds == result.thresholds
    assert again.trials == result.trials


def test_a_result_survives_json(result: CalibrationResult, tmp_path: Path) -> None:
    result.save(tmp_path / "calibration.json")
    again = CalibrationResult.load(tmp_path / "calibration.json")
    assert again == result
    assert json.loads((tmp_path / "calibration.json").read_text())["metric"] == "agreement"


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text('{"thresholds": {}}')
    with pytest.raises(DataError, match=r"cannot read a calibration from .*calibration\.json"):
        CalibrationResult.load(tmp_path / "calibration.json")


def test_labels_make_it_top1() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT, dense_labels()), 0.1, threads=1)
    assert result.metric == "top1"
    assert result.calibration.baseline == 1.0
    assert result.holdout.drop <= 0.1


def test_no_loss_at_all_is_a_budget_too() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.0, max_information_loss=1.0, threads=1)
    assert result.holdout.drop <= 0.0


def test_uniform_drops_the_same_share_everywhere() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.05, strategy="uniform", threads=1)
    shares = [item.fraction for item in result.sensitivities]
    assert max(shares) - min(shares) < 0.001
    assert result.holdout.drop <= 0.05


@pytest.mark.parametrize("strategy", ["energy", "greedy"])
def test_strategies_to_compare_with_keep_the_budget(strategy: StrategyName) -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.1, strategy=strategy, threads=1)
    assert result.holdout.drop <= 0.1
    assert result.sparsity_after >= result.sparsity_before


def test_a_target_sparsity_is_reached_and_its_price_reported() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), target_sparsity=0.7, threads=1)
    assert result.sparsity_after >= 0.7
    assert result.max_drop is None
    assert result.holdout.information_loss > 0.0


def test_a_target_speedup_is_reached() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), target_speedup=1.05, threads=1)
    assert result.predicted_speedup >= 1.05
    assert result.options.target_speedup == 1.05


def test_a_target_out_of_reach_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"target_sparsity is 0\.9999, but the most .* is 0\.\d+"):
        calibrate(tiny_network(), tiny_data(COUNT), target_sparsity=0.9999, threads=1)


def test_contradictory_targets_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"both max_drop=0\.01 and target_sparsity=0\.8"):
        calibrate(tiny_network(), tiny_data(), 0.01, target_sparsity=0.8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_drop": -0.1}, r"max_drop is -0\.1, expected a value in \[0, inf\]"),
        ({"max_drop": 5}, r"max_drop is 5: did you mean per cent\? A drop is a share, 0\.05 for 5 of a hundred"),
        ({"max_drop": 1}, r"max_drop is 1: did you mean per cent\? A drop is a share, 0\.01 for 1 of a hundred"),
        ({"max_drop": 0.21}, r"Budgets end at 0\.2"),
        ({"max_drop": float("nan")}, r"max_drop is nan"),
        ({"target_sparsity": 1.5}, r"target_sparsity is 1\.5"),
        ({"strategy": "best"}, r"unknown strategy 'best', known are \['sensitivity', .*'energy', 'greedy'\]"),
        ({"compensation": "all"}, r"unknown compensation 'all', known are"),
        ({"target_speedup": 0.5}, r"target_speedup is 0\.5, expected a value in \[1, inf\]"),
        ({"target_speedup": 2.0, "max_drop": 0.1}, r"both max_drop=0\.1 and target_speedup=2\.0 are given"),
        ({"metric": "f1"}, r"unknown metric 'f1'"),
        ({"metric": "top1"}, r"metric 'top1' needs labels"),
        ({"batch_size": 0}, r"batch_size is 0, expected >= 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        calibrate(tiny_network(), tiny_data(), threads=1, **options)  # type: ignore[arg-type]


def test_labels_of_another_model_are_refused() -> None:
    labels = [CLASSES] * COUNT
    with pytest.raises(CalibrationError, match=r"the model has 5 classes \(0\.\.4\)"):
        calibrate(tiny_network(), tiny_data(COUNT, labels), threads=1)


def test_labels_that_are_all_wrong_are_refused() -> None:
    labels = [(label + 1) % CLASSES for label in dense_labels()]
    with pytest.raises(CalibrationError, match=r"right on 0 of 32 inputs.*label - 1 the model is right on \d"):
        calibrate(tiny_network(), tiny_data(COUNT, labels), threads=1)
    with pytest.raises(CalibrationError, match=r"the model itself is right on none of 16 inputs"):
        calibrate(tiny_network(), tiny_data(COUNT, labels), threads=1, accept_baseline=True)


def test_no_inputs_are_refused() -> None:
    with pytest.raises(DataError, match="N >= 1"):
        calibrate(tiny_network(), zs.data.arrays(np.zeros((0, 3, SIDE, SIDE), np.float32)))


def test_too_few_inputs_are_refused() -> None:
    with pytest.raises(DataError, match=r"at least 4 inputs, half of them for the check; the data have 1"):
        calibrate(tiny_network(), tiny_data(1))


def test_noise_is_refused() -> None:
    with pytest.raises(DataError, match="noise"):
        calibrate(tiny_network(), random_input((3, SIDE, SIDE), 8))


def test_a_model_whose_own_outputs_are_not_finite_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"NaN or infinite outputs on 16 of 16 inputs"):
        calibrate(tiny_network(gain=1e38), tiny_data(COUNT), threads=1)


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


def test_a_model_with_nothing_to_sparsify_keeps_its_results() -> None:
    result = calibrate(tiny_network(activation="Sigmoid"), tiny_data(COUNT), threads=1)
    assert result.is_zero
    assert "there is nothing to threshold" in result.message


def test_ctrl_c_during_the_probes_gives_a_set_that_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Evaluator, "variants", interrupted)
    result = calibrate(tiny_network(), tiny_data(COUNT), threads=1)
    assert result.was_interrupted
    assert result.is_zero


def test_ctrl_c_during_the_search_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, calls = Evaluator.evaluate, []

    def impatient(self: Evaluator, thresholds: dict[str, float]) -> object:
        calls.append(thresholds)
        if len(calls) == 6:  # the dense model on both halves and the probes, then the third trial
            raise KeyboardInterrupt
        return evaluate(self, thresholds)

    monkeypatch.setattr(Evaluator, "evaluate", impatient)
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.2, threads=1)
    assert result.was_interrupted
    assert result.message.startswith("Stopped early; the best so far: ")
    assert result.holdout.drop <= 0.2
    assert len([trial for trial in result.trials if trial.stage == "search"]) == 2


def test_a_holdout_that_disagrees_tightens_the_thresholds() -> None:
    """The search sees friendly data; the holdout is noise-like, so less strength must survive."""
    hostile = zs.data.arrays(np.random.default_rng(1).random((16, 3, SIDE, SIDE), np.float32))
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.02, holdout=hostile, threads=1)
    assert result.holdout.drop <= 0.02
    assert result.holdout.information_loss <= 0.1
    assert any(trial.stage == "holdout" for trial in result.trials)


# ------------------------------------------------------------------ parts


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


def test_a_budget_counts_exactly() -> None:
    score = Score(samples=100, baseline=0.8, optimized=0.79, information_loss=0.5)
    assert Budget(0.01, None).allows(score, as_counted=True)
    assert not Budget(0.009, None).allows(score, as_counted=True)
    assert not Budget(0.01, 0.4).allows(score, as_counted=True)


@given(
    st.floats(1e-6, 1.0),
    st.floats(1e-6, 1.0),
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5, unique=True),
)
def test_damage_never_falls_with_the_share(first: float, second: float, fractions: list[float]) -> None:
    damages = Sensitivity((0.2, 0.5), (first, second)).at(np.array(sorted(fractions)))
    assert (np.diff(damages) >= -1e-12).all()


def some_values(seed: int, scale: float = 1.0) -> Values:
    random = np.random.default_rng(seed)
    return Values((scale * np.maximum(random.standard_normal((200, 4)), 0.0)).astype(np.float32))


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6))
def test_more_strength_never_drops_less(strengths: list[float]) -> None:
    values = {"a": some_values(0), "b": some_values(1, 9.0)}
    sensitivities = {"a": Sensitivity((0.2, 0.5), (1e-4, 1e-3)), "b": Sensitivity((0.2, 0.5), (1e-2, 0.3))}
    strategies = (
        SensitivityStrategy(values, sensitivities, {"a": GRID, "b": 2.0 * GRID}),
        UniformStrategy(values),
        EnergyStrategy(values),
    )
    for strategy in strategies:
        allocations = [strategy.thresholds(strength) for strength in sorted(strengths)]
        for before, after in itertools.pairwise(allocations):
            assert all(after[name] >= before[name] for name in before)


def test_the_curve_ends_in_damage_and_marks_what_is_efficient(result: CalibrationResult) -> None:
    assert result.curve == ()
    traced = calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1, curve=True)
    points = traced.curve
    assert points[0].strength == 0.0
    assert points[0].predicted_speedup == 1.0
    assert [point.sparsity for point in points] == sorted(point.sparsity for point in points)
    assert points[-1].calibration.information_loss > 0.03
    efficient = [point for point in points if point.is_efficient]
    for point in efficient:
        faster = (other for other in points if other.predicted_speedup > point.predicted_speedup)
        assert all(other.holdout.drop > point.holdout.drop for other in faster)
    assert traced.thresholds.provenance["curve"]


def test_a_robust_layer_drops_more_than_a_sensitive_one() -> None:
    sensitivities = {
        "robust": Sensitivity((0.2, 0.5), (1e-5, 1e-4)),
        "fragile": Sensitivity((0.2, 0.5), (0.1, 1.0)),
    }
    values = {name: some_values(0) for name in sensitivities}
    strategy = SensitivityStrategy(values, sensitivities, dict.fromkeys(values, GRID))
    fractions = strategy.fractions(0.4)
    assert fractions["robust"] > fractions["fragile"]
    assert strategy.fractions(0.0) == {"robust": 0.0, "fragile": 0.0}
    assert strategy.fractions(1.0)["fragile"] == pytest.approx(GRID[-1])


def test_energy_drops_the_same_share_of_the_squares_everywhere() -> None:
    values = {"a": some_values(0), "b": some_values(1, 9.0)}
    for name, threshold in EnergyStrategy(values).thresholds(0.5).items():
        rows = values[name].rows
        dropped = np.square(rows[rows <= threshold]).sum() / np.square(rows).sum()
        assert dropped == pytest.approx(0.5**4, rel=0.1)
