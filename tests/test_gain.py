"""Gains say what the measurement leaves open, and the estimate lies inside."""

from __future__ import annotations

import random

import pytest

from zeroskip.gain import Gain


@pytest.mark.parametrize(
    ("count", "left_out"), [(1, 0), (2, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5)]
)
def test_the_interval_of_a_median_by_order_statistics(count: int, left_out: int) -> None:
    """Tables of the sign test: with n values, how many at each end may be left out at 95 %."""
    values = [1.0 + number for number in range(count)]
    gain = Gain.of(values[count // 2], values)
    assert (gain.low, gain.high) == (values[left_out], values[-1 - left_out])


def test_it_holds_the_true_median_as_often_as_it_says() -> None:
    draws = random.Random(0)
    held = 0
    for _ in range(2000):
        rounds = [draws.lognormvariate(0.0, 0.3) for _ in range(12)]
        gain = Gain.of(sorted(rounds)[6], rounds)
        held += gain.low <= 1.0 <= gain.high
    assert held / 2000 >= 0.95


def test_the_estimate_lies_inside_its_range() -> None:
    gain = Gain.of(1.4, [1.0] * 9)
    assert gain.low <= gain.ratio <= gain.high
    gain = Gain.of(0.9, [1.0] * 9)
    assert gain.low <= gain.ratio <= gain.high


def test_one_bad_round_of_nine_changes_nothing() -> None:
    rounds = [1.19, 1.2, 1.2, 1.21, 1.2, 1.19, 1.22, 1.2, 0.3]
    gain = Gain.of(1.2, rounds)
    assert gain.is_clear
    assert gain.is_steady
    assert not Gain.of(1.0, [0.98, 1.05, 0.97, 1.1, 1.0, 1.02, 0.99, 1.01, 1.03]).is_clear
    assert not Gain.of(2.0, [1.6, 3.6, 2.0, 2.2, 1.7, 3.0, 2.5, 1.8, 2.1]).is_steady
