"""Confidence: exact intervals, paired, that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroskip.calibration.judging.metric import ClassMetric, CustomMetric, FidelityMetric
from zeroskip.calibration.judging.statistics import CONFIDENCE, drop_interval, mcnemar, net_interval


def outputs(is_right: np.ndarray) -> np.ndarray:
    return np.stack([is_right, ~is_right], axis=1).astype(np.float32)


def test_the_interval_holds_the_drop_and_is_paired() -> None:
    """8 of 100 inputs lost, 2 won: pairs leave far less doubt than two accuracies of 70 and 64 % would."""
    before = np.arange(100) < 70
    after = before.copy()
    after[:8], after[70:72] = False, True
    interval = drop_interval(ClassMetric("top1", False), outputs(before), outputs(after), np.zeros(100, np.int64))
    assert interval is not None
    low, high = interval
    assert low <= 0.06 <= high
    assert high - low < 0.15  # unpaired: 4 * sqrt(0.22 / 100 * 2) = 0.27


@pytest.mark.parametrize("name", ["top1", "agreement"])
def test_no_change_seen_is_not_certainty(name: str) -> None:
    """The table used to say "0.00 % to 0.00 %" beside "up to 3.3 % may be affected"."""
    same = outputs(np.arange(90) < 40)
    interval = drop_interval(ClassMetric(name, False), same, same, np.zeros(90, np.int64))
    assert interval is not None
    assert interval[0] == (0.0 if name == "agreement" else -interval[1])
    assert interval[1] == pytest.approx(1.0 - 0.025 ** (1.0 / 90))  # 4.0 %; 3 / n is the one-sided limit


def test_amounts_are_resampled() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(60, 7)).astype(np.float32)
    now = dense + 0.1 * rng.normal(size=dense.shape).astype(np.float32)
    interval = drop_interval(FidelityMetric(), dense, now, None)
    assert interval is not None
    drop = FidelityMetric().information_loss(dense, now)
    assert 0.0 < interval[0] < drop < interval[1] < 2.0 * drop


def test_a_metric_that_is_the_same_on_all_inputs_has_no_interval() -> None:
    metric = CustomMetric(lambda found, labels: 1.0, ClassMetric("agreement", False))
    same = outputs(np.arange(20) < 10)
    assert drop_interval(metric, same, same, None) is None


@given(st.integers(1, 400), st.data())
def test_a_drop_lies_in_its_own_interval(samples: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, samples))
    won = data.draw(st.integers(0, samples - lost))
    low, high = net_interval(lost, won, samples)
    assert -1.0 <= low < (lost - won) / samples < high <= 1.0 or samples in (lost, won)
    assert low <= (lost - won) / samples <= high
    assert net_interval(won, lost, samples) == pytest.approx((-high, -low))


@pytest.mark.parametrize("samples", [12, 30])
@pytest.mark.parametrize(("loss", "gain"), [(0.0, 0.0), (0.01, 0.01), (0.05, 0.0), (0.1, 0.05), (0.3, 0.2), (0.0, 0.3)])
def test_intervals_of_lost_and_won_answers_cover_what_they_promise(samples: int, loss: float, gain: float) -> None:
    """Over all that may be counted, each with its probability."""
    covered = 0.0
    for lost in range(samples + 1):
        for won in range(samples + 1 - lost):
            ways = math.comb(samples, lost) * math.comb(samples - lost, won)
            probability = ways * loss**lost * gain**won * (1.0 - loss - gain) ** (samples - lost - won)
            low, high = net_interval(lost, won, samples)
            covered += probability * (low <= loss - gain <= high)
    assert covered >= CONFIDENCE - 0.005


@pytest.mark.parametrize(("lost", "won", "p_value"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 2**10)])
def test_mcnemar_is_the_exact_binomial(lost: int, won: int, p_value: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(p_value)
    assert mcnemar(won, lost) == mcnemar(lost, won)


def test_mcnemar_takes_thousands() -> None:
    """2 to the power of 1024 is more than a float holds."""
    assert mcnemar(1000, 1000) == 1.0
    assert 0.0 < mcnemar(1100, 1000) < 0.05


@pytest.mark.parametrize("changed", [1e-3, 1e6])
def test_outputs_that_do_not_vary_have_a_finite_drop(changed: float) -> None:
    """A network whose outputs are constant: the variation that a loss is compared with is zero."""
    dense = np.ones((32, 5), np.float32)
    thinned = dense + np.float32(changed) * np.arange(32, dtype=np.float32)[:, None]
    losses = FidelityMetric().losses(dense, thinned, None)
    assert losses is not None
    assert np.isfinite(losses.counted.sum() / losses.scale.sum())
    interval = drop_interval(FidelityMetric(), dense, thinned, None)
    assert interval is not None
    assert 1.0 < interval[0] < interval[1]
    assert all(math.isfinite(end) for end in interval)
