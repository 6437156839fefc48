"""Exact intervals of shares."""

from __future__ import annotations

import math

import pytest

from zeroskip import intervals


def binomial_tail(count: int, samples: int, share: float) -> float:
    """Probability of ``count`` or fewer."""
    return sum(math.comb(samples, k) * share**k * (1.0 - share) ** (samples - k) for k in range(count + 1))


@pytest.mark.parametrize(("count", "samples"), [(0, 1), (0, 90), (1, 90), (5, 100), (40, 80), (99, 100), (300, 300)])
def test_clopper_pearson_leaves_half_of_the_doubt_at_either_end(count: int, samples: int) -> None:
    low, high = intervals.clopper_pearson(count, samples)
    assert low <= count / samples <= high
    assert (low == 0.0) == (count == 0)
    assert (high == 1.0) == (count == samples)
    if count < samples:
        assert binomial_tail(count, samples, high) == pytest.approx(0.025)
    if count > 0:
        assert 1.0 - binomial_tail(count - 1, samples, low) == pytest.approx(0.025)


def test_clopper_pearson_is_the_rule_of_three_where_nothing_was_seen() -> None:
    assert intervals.clopper_pearson(0, 1000, 0.9)[1] == pytest.approx(3.0 / 1000, rel=0.01)


def test_clopper_pearson_takes_large_numbers() -> None:
    low, high = intervals.clopper_pearson(500, 1_000_000)
    assert low == pytest.approx(0.000457, rel=0.01)
    assert high == pytest.approx(0.000546, rel=0.01)


@pytest.mark.parametrize(("count", "samples", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (0, 0, 0.95), (1, 5, 1.0)])
def test_clopper_pearson_refuses_what_cannot_be(count: int, samples: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no interval for"):
        intervals.clopper_pearson(count, samples, confidence)
