"""Likely drops: right on average, less a matter of luck, and no substitute for what is counted on the holdout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tiny_network import CLASSES, tiny_data, tiny_network
from zeroskip import InferenceSession
from zeroskip.calibration import Score, Trial, calibrate
from zeroskip.calibration.judging.likely import Confidence, likely_drop
from zeroskip.calibration.judging.metric import choose_metric
from zeroskip.calibration.search.search import GRID, Search
from zeroskip.calibration.search.walk import Budget, Walk

COUNT = 64
BUDGET = Budget(0.01, None)


def drawn(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    """Labels by the probabilities that the scores stand for."""
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def softmax(rows: np.ndarray) -> np.ndarray:
    return np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [0.01, 1.0, 30.0])
def test_the_expected_drop_is_the_mean_of_counted_ones_and_varies_less(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(20_000, 5)) * 2.0
    scores = truth * temperature
    others = scores + temperature * rng.normal(size=scores.shape)
    labels = drawn(rng, truth)
    fitted = Confidence.fitted(scores, labels)
    assert fitted.temperature == pytest.approx(temperature, rel=0.15)
    assert abs(fitted.tie_odds) < 0.1
    hits = [(rows.argmax(axis=1) == labels).astype(float) for rows in (scores, others)]
    counted = hits[0] - hits[1]
    expected = fitted.expected_losses(scores, others).mean()
    assert expected == pytest.approx(counted.mean(), abs=4.0 * counted.std() / np.sqrt(len(labels)) + 0.01)
    small = [slice(start, start + 100) for start in range(0, len(labels), 100)]
    by_chance = np.std([counted[part].mean() for part in small])
    assert np.std([fitted.expected_losses(scores[part], others[part]).mean() for part in small]) < 0.7 * by_chance


SURE = 5_000


def with_ties(rng: np.random.Generator, ties: int, odds: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs near a tie, whose first answer is right by more than the scores say, then sure ones."""
    ahead = np.concatenate([rng.uniform(0.0, 1.0, ties), rng.uniform(1.5, 5.0, SURE)])
    scores = np.stack([ahead, np.zeros_like(ahead), np.full_like(ahead, -20.0)], axis=1)
    more = np.where(np.arange(len(ahead)) < ties, odds, 0.0)
    labels = rng.random(len(ahead)) < 1.0 / (1.0 + np.exp(ahead + more))
    return scores, labels.astype(np.int64)


def test_near_ties_the_labels_correct_the_probabilities() -> None:
    scores, labels = with_ties(np.random.default_rng(3), 2_000, 0.6)
    fitted = Confidence.fitted(scores, labels)
    ties, others = scores[:2_000], scores[:2_000, [1, 0, 2]]
    counted = np.where(labels[:2_000] == 0, 1.0, -1.0).mean()
    assert fitted.expected_losses(ties, others).mean() == pytest.approx(counted, abs=0.06)
    assert counted - Confidence(fitted.temperature).expected_losses(ties, others).mean() > 0.1


@pytest.mark.parametrize(("ties", "least", "most"), [(4, -0.1, 0.1), (100, 0.2, 0.5), (4_000, 0.5, 0.9)])
def test_few_inputs_leave_the_odds_of_ties_near_none(ties: int, least: float, most: float) -> None:
    rng = np.random.default_rng(4)
    found = [Confidence.fitted(*with_ties(rng, ties, 0.8)).tie_odds for _ in range(20)]
    assert least < np.mean(found) < most


def test_one_class_has_no_ties() -> None:
    assert Confidence.fitted(np.zeros((5, 1)), np.zeros(5, np.int64)).tie_odds == 0.0


def test_predictions_that_stay_cost_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(50, 4))
    assert not Confidence(1.0, 0.5).expected_losses(scores, 3.0 * scores).any()
    assert likely_drop(0.0, 0.0, 0.0, 50) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_not_finite_cost_everything(bad: float) -> None:
    finite, broken = np.zeros((2, 3)), np.full((2, 3), bad)
    for pair in ((finite, broken), (broken, finite)):
        assert (Confidence(1.0).expected_losses(*pair) == float("inf")).all()
    assert likely_drop(0.0, float("inf"), 1.0, 2) == float("inf")


def test_few_inputs_go_by_what_is_expected_and_many_by_what_is_counted() -> None:
    drops = [likely_drop(0.002, 0.01, 0.05, samples) for samples in (50, 500, 5_000, 500_000)]
    assert drops == sorted(drops, reverse=True)
    assert drops[0] == pytest.approx(0.01, abs=2e-4)
    assert drops[-1] == pytest.approx(0.002, abs=2e-4)


def test_probabilities_and_logits_say_the_same() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(200, 4)).astype(np.float32)
    others = logits + rng.normal(size=logits.shape).astype(np.float32)
    labels = drawn(rng, logits)
    likely = choose_metric("top1", logits, labels).likely_drop(logits, others, 0.02)
    assert likely is not None
    metric = choose_metric("top1", softmax(logits), labels)
    assert metric.likely_drop(softmax(logits), softmax(others), 0.02) == pytest.approx(likely, rel=0.05)


@pytest.mark.parametrize("metric", ["agreement", "fidelity", lambda outputs, labels: float(outputs.mean())])
def test_other_metrics_know_no_more_than_what_is_counted(metric: Any) -> None:
    logits = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    assert choose_metric(metric, logits, None).likely_drop(logits, logits, 0.0) is None


def score(counted: float, likely: float | None) -> Score:
    return Score(samples=200, baseline=0.8, optimized=0.8 - counted, information_loss=0.0, likely_drop=likely)


@pytest.mark.parametrize(("likely", "drop"), [(0.0, 0.0), (0.0025, 0.0), (0.003, 0.003), (-0.01, -0.01), (None, 0.05)])
def test_less_than_half_an_input_is_none(likely: float | None, drop: float) -> None:
    assert score(0.05, likely).searched_drop == pytest.approx(drop)


def test_the_search_goes_by_likely_drops_and_the_check_by_counted_ones_as_well() -> None:
    assert BUDGET.allows(score(0.03, 0.01), as_counted=False)
    assert not BUDGET.allows(score(0.03, 0.01), as_counted=True)
    assert not BUDGET.allows(score(0.0, 0.03), as_counted=False)
    assert not BUDGET.allows(score(0.0, 0.03), as_counted=True)


@pytest.mark.parametrize("is_check", [False, True])
def test_unlucky_counts_stop_the_check_but_not_the_search(is_check: bool) -> None:
    walk = Walk(BUDGET, lambda place: score(0.02 if place >= 100 else 0.0, place / 30_000), 0, 511, is_check=is_check)
    walk.cross()
    found = walk.passing()[0]
    assert 98 <= found < 100 if is_check else 298 <= found <= 300


class Scripted(Search):
    """Counts and expects too much from one place on, different ones for both halves."""

    def __init__(self, counted: tuple[int, int], likely: tuple[int, int]) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, nothing, nothing, BUDGET)
        self.limits = counted, likely

    def trial(self, strength: float, *, on_holdout: bool) -> Trial:
        drops = [0.0 if strength * GRID <= limit[on_holdout] else 0.1 for limit in self.limits]
        return Trial(stage="search", strength=strength, sparsity=0.5, score=score(*drops), passed=True)


@pytest.mark.parametrize(
    ("counted", "likely", "limit"),
    [
        ((50, 400), (300, 400), 300),  # an unlucky calibration half
        ((400, 250), (300, 400), 250),  # an unlucky holdout
        ((400, 400), (300, 200), 200),  # a lucky holdout
        ((400, 400), (150, 400), 150),  # a lucky calibration half
    ],
)
def test_each_half_is_held_to_its_own_measure(counted: tuple[int, int], likely: tuple[int, int], limit: int) -> None:
    search = Scripted(counted, likely)
    found = round(search.confirmed(search.under_budget(BUDGET), BUDGET) * GRID)
    assert 0 <= limit - found <= 4


def test_calibrate_says_what_is_likely_and_counts_on_the_holdout() -> None:
    (logits,) = InferenceSession(tiny_network()).run(None, {"image": tiny_data(COUNT).array()})
    labels = drawn(np.random.default_rng(0), 4.0 * logits.astype(np.float64))
    assert labels.max() < CLASSES
    data = tiny_data(COUNT, labels.tolist())
    options = {"max_information_loss": 10.0, "threads": 1, "measure_seconds": 0.0, "accept_baseline": True}
    result = calibrate(tiny_network(), data, 0.1, **options)
    assert result.metric == "top1"
    assert result.holdout.drop <= 0.1 + 1e-9
    assert result.calibration.searched_drop <= 0.1
    likely = [trial.score.likely_drop for trial in result.trials]
    assert all(value is not None for value in likely)
    assert max(value or 0.0 for value in likely) > 0.1, "the budget was met"
    for trial in result.trials:
        counted = trial.score.drop if trial.stage == "holdout" else 0.0
        assert trial.passed == (max(counted, trial.score.searched_drop) <= 0.1 + 1e-9)
