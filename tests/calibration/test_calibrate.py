"""Budgets are kept on data that the search did not see, whoever stops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import SIDE, SKIPPABLE, tiny_data, tiny_network
from zeroskip.calibration import CalibrationResult, calibrate
from zeroskip.calibration.network.evaluation import Evaluator
from zeroskip.errors import CalibrationError

from .conftest import COUNT, dense_labels


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


def test_only_activations_that_a_layer_can_skip_get_thresholds(result: CalibrationResult) -> None:
    assert set(result.thresholds) == set(SKIPPABLE)
    assert {item.activation for item in result.sensitivities} == set(SKIPPABLE)


def test_the_same_seed_gives_the_same_result(result: CalibrationResult) -> None:
    again = calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1)
    assert again.thresholds == result.thresholds
    assert again.trials == result.trials


def test_labels_make_it_top1() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT, dense_labels()), 0.1, threads=1)
    assert result.metric == "top1"
    assert result.calibration.baseline == 1.0
    assert result.holdout.drop <= 0.1


def test_no_loss_at_all_is_a_budget_too() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.0, max_information_loss=1.0, threads=1)
    assert result.holdout.drop <= 0.0


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
