"""Expected drops: right on average, blind to luck, and no substitute for what is counted on the holdout."""

from __future__ import annotations

import numpy as np
import pytest

from tiny_network import CLASSES, tiny_data, tiny_network
from zeroskip import InferenceSession
from zeroskip.calibration import Score, calibrate
from zeroskip.calibration.expected import expected_drop, fitted_temperature
from zeroskip.calibration.metrics import choose_metric
from zeroskip.calibration.walk import Budget, Walk

COUNT = 64


def drawn(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    """Labels by the probabilities that the scores stand for."""
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_it_is_the_mean_of_counted_drops_and_varies_less(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(20_000, 5)) * 2.0
    scores = truth * temperature
    others = scores + temperature * rng.normal(size=scores.shape)
    fitted = fitted_temperature(scores, drawn(rng, truth))
    assert fitted == pytest.approx(temperature, rel=0.15)
    labels = drawn(rng, truth)
    hits = [(rows.argmax(axis=1) == labels).astype(float) for rows in (scores, others)]
    counted = hits[0] - hits[1]
    expected = expected_drop(scores, others, temperature)
    assert expected == pytest.approx(counted.mean(), abs=4.0 * counted.std() / np.sqrt(len(labels)))
    small = [slice(start, start + 100) for start in range(0, len(labels), 100)]
    by_chance = np.std([counted[part].mean() for part in small])
    assert np.std([expected_drop(scores[part], others[part], temperature) for part in small]) < 0.7 * by_chance


def test_predictions_that_stay_cost_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(50, 4))
    assert expected_drop(scores, 3.0 * scores, 1.0) == 0.0


def test_outputs_that_are_not_finite_cost_everything() -> None:
    scores = np.zeros((2, 3))
    assert expected_drop(scores, np.full((2, 3), np.nan), 1.0) == float("inf")


def test_probabilities_and_logits_expect_the_same() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(200, 4)).astype(np.float32)
    others = logits + rng.normal(size=logits.shape).astype(np.float32)
    labels = drawn(rng, logits)

    def softmax(rows: np.ndarray) -> np.ndarray:
        return np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)

    expected = choose_metric("top1", logits, labels).expected_drop(logits, others)
    assert expected is not None
    as_probabilities = choose_metric("top1", softmax(logits), labels).expected_drop(softmax(logits), softmax(others))
    assert as_probabilities == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("metric", ["agreement", "fidelity", lambda outputs, labels: float(outputs.mean())])
def test_other_metrics_expect_nothing(metric: object) -> None:
    logits = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    chosen = choose_metric(metric, logits, None)  # type: ignore[arg-type]
    assert chosen.expected_drop(logits, logits) is None


def score(counted: float, expected: float | None) -> Score:
    return Score(samples=200, baseline=0.8, optimized=0.8 - counted, information_loss=0.0, expected_drop=expected)


@pytest.mark.parametrize("is_check", [False, True])
def test_unlucky_counts_stop_the_check_but_not_the_search(is_check: bool) -> None:
    walk = Walk(Budget(0.01, None), lambda place: score(0.02 if place >= 100 else 0.0, place / 30_000), 0, 511)
    walk.is_check = is_check
    walk.cross()
    found = walk.passing()[0]
    assert 98 <= found < 100 if is_check else 370 <= found <= 376, "an expected drop of 1.25 points rounds to 1"


def test_lucky_counts_let_the_search_go_on_where_few_inputs_expect_too_much() -> None:
    walk = Walk(Budget(0.01, None), lambda place: score(0.0 if place < 200 else 0.1, place / 10_000), 0, 511)
    walk.cross()
    assert walk.passing()[0] == 198


def test_a_budget_goes_by_what_it_is_told_to() -> None:
    budget = Budget(0.01, None)
    assert budget.allows(score(0.03, 0.01), as_counted=False)
    assert not budget.allows(score(0.03, 0.01), as_counted=True)
    assert budget.allows(score(0.01, 0.03), as_counted=True)
    assert not budget.allows(score(0.03, 0.03), as_counted=False)


def test_calibrate_says_what_it_expects_and_counts_on_the_holdout() -> None:
    data = tiny_data(COUNT)
    (logits,) = InferenceSession(tiny_network()).run(None, {"image": data.array()})
    labels = drawn(np.random.default_rng(0), 4.0 * logits.astype(np.float64))
    assert labels.max() < CLASSES
    result = calibrate(tiny_network(), tiny_data(COUNT, labels.tolist()), 0.1, threads=1, measure_seconds=0.0)
    assert result.metric == "top1"
    assert result.holdout.drop <= 0.1
    for found in (result.calibration, result.holdout):
        assert found.expected_drop is not None
        assert 0.0 <= found.expected_drop <= 0.3
