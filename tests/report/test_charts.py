"""Figures: every point within its frame, the budget where there is one, and nothing drawn of nothing."""

from __future__ import annotations

import re

import pytest

from report.values import HOSTILE, calibration, profile, trials
from zeroskip.calibration import CalibrationOptions, CurvePoint, Score, Trial
from zeroskip.report.charts import Cost, draw_curve, draw_histograms, draw_search, draw_time
from zeroskip.thresholds import ThresholdSet


def test_points_stay_in_the_frame() -> None:
    found = trials()
    cost = Cost.of(calibration(trials=found))
    assert cost.limit == 0.01
    places = [cost.at(trial) for trial in found]
    assert places == [0.005, cost.highest, 0.02]
    assert all(0.0 <= place <= cost.highest for place in places)


@pytest.mark.parametrize("loss", [0.0, 0.004])
def test_without_a_budget_the_axis_shows_what_the_target_came_to(loss: float) -> None:
    score = Score(samples=10, baseline=1.0, optimized=1.0, information_loss=loss)
    far = score.model_copy(update={"information_loss": float("inf")})
    tried = tuple(Trial(stage="search", strength=0.5, sparsity=0.6, score=each, passed=True) for each in (score, far))
    wanted = CalibrationOptions(target_sparsity=0.6)
    asked = {"max_drop": None, "max_information_loss": None, "options": wanted, "calibration": score}
    cost = Cost.of(calibration(trials=tried, **asked))
    assert cost.limit is None
    assert cost.words == "information lost"
    assert cost.at(tried[1]) == cost.highest
    assert cost.at(tried[0]) == pytest.approx(0.0 if loss == 0.0 else cost.highest / 3.0)


def test_the_search_is_described_for_those_who_do_not_see_it() -> None:
    pytest.importorskip("matplotlib")
    svg = draw_search(calibration(trials=trials())) or ""
    assert 'aria-label="3 threshold sets tried, 1 within the budget' in svg
    assert "budget</text>" in svg
    assert draw_search(calibration()) is None


def test_the_curve_is_drawn_where_one_was_asked_for() -> None:
    pytest.importorskip("matplotlib")
    score = Score(samples=10, baseline=1.0, optimized=0.99, information_loss=0.1)
    points = tuple(
        CurvePoint(
            strength=at, sparsity=at, predicted_speedup=1 + at, calibration=score, holdout=score, is_efficient=True
        )
        for at in (0.0, 0.5)
    )
    assert draw_curve(calibration()) is None
    assert "drop on the holdout" in (draw_curve(calibration(curve=points)) or "")


def test_time_of_all_steps_is_in_the_figure() -> None:
    pytest.importorskip("matplotlib")
    svg = draw_time(profile(), profile(0.5)) or ""
    assert "13 ms before, 6.5 ms after" in svg
    assert "all other steps" in svg
    assert draw_time(profile().model_copy(update={"layers": ()}), profile()) is None


def test_histograms_say_where_the_thresholds_are() -> None:
    thresholds = ThresholdSet({"relu": 0.5, HOSTILE: [0.1, 0.2, 0.9]})
    one, many = draw_histograms(profile().activations, calibration(thresholds=thresholds), draws=False)
    assert one.words == "50.0% zeros as it is; threshold 0.5"
    assert many.words == "50.0% zeros as it is; thresholds 0.1 to 0.9 by channel, median 0.2"
    assert one.svg == ""


def test_a_histogram_has_a_line_only_where_there_is_a_threshold() -> None:
    pytest.importorskip("matplotlib")
    activation = profile().activations[:1]
    drawn = [
        draw_histograms(activation, calibration(thresholds=ThresholdSet({"relu": value})), draws=True)[0].svg
        for value in (0.0, 0.5, 1e9)
    ]
    lines = [len(re.findall(r"stroke: var\(--fg\); stroke-width: 1.4", svg)) for svg in drawn]
    assert lines == [0, 1, 1]
