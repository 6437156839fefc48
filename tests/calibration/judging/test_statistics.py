"""Confidence: paired intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.calibration.judging.metric import ClassMetric
from zeroskip.calibration.judging.statistics import drop_interval, mcnemar


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


def test_equal_models_leave_no_doubt() -> None:
    same = outputs(np.arange(20) < 10)
    metric = ClassMetric("top1", False)
    assert drop_interval(metric, same, same, np.zeros(20, np.int64)) == (0.0, 0.0)


@pytest.mark.parametrize(("lost", "won", "p_value"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 2**10)])
def test_mcnemar_is_the_exact_binomial(lost: int, won: int, p_value: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(p_value)
    assert mcnemar(won, lost) == mcnemar(lost, won)
