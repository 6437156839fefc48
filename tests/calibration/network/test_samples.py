"""Thresholds drop the wanted share and stand half way between values, so that no rounding flips one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zeroskip.calibration.network.samples import Values

FRACTIONS = st.floats(0.0, 1.0)
ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.one_of(st.just(0.0), st.floats(2.0**-10, 8.0, width=32)),
)


def scales(rows: np.ndarray) -> list[np.ndarray | None]:
    return [None, np.linspace(0.5, 3.0, rows.shape[1])]


def relative_room(rows: np.ndarray, threshold: Any) -> float:
    """Return how far the nearest value is from the threshold of its channel, against that value."""
    levels = np.broadcast_to(np.asarray(threshold, np.float64), rows.shape)
    present = rows > 0.0
    return float((np.abs(rows - levels) / np.where(present, rows, 1.0))[present].min(initial=np.inf))


def test_one_threshold_lies_in_the_middle() -> None:
    values = Values(np.array([[1.0], [2.0], [4.0], [0.0]], np.float32))
    assert [values.threshold(share) for share in (0.0, 0.3, 0.7, 1.0)] == [0.0, 1.5, 3.0, 5.0]


def test_every_channel_has_its_own_middle() -> None:
    rows = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]], np.float32)
    threshold = Values(rows, np.array([1.0, 1.0])).threshold(0.5)  # 4 is the third of six
    np.testing.assert_array_equal(threshold, np.array([5.0, 4.0], np.float32))
    threshold = Values(rows, np.array([1.0, 0.1])).threshold(0.6)
    np.testing.assert_array_equal(threshold, np.array([3.0, 30.0], np.float32))


@settings(deadline=None)
@given(ROWS, FRACTIONS)
def test_no_value_stands_at_a_threshold_that_could_flip_it(rows: np.ndarray, share: float) -> None:
    """Half of the gap to the next value is left on both sides, of what float32 can hold."""
    for scale in scales(rows):
        threshold = Values(rows, scale).threshold(share)
        if np.any(threshold):
            for channel, level in enumerate(np.broadcast_to(threshold, rows.shape[1])):
                column = np.unique(rows if scale is None else rows[:, channel])
                column = np.concatenate([[0.0], column[column > 0.0]])
                below, above = column[column <= level], column[column > level]
                gap = (above[0] if len(above) else np.inf) - below[-1]
                if level > 0.0 and len(below) > 1 and len(above):
                    assert level - below[-1] == pytest.approx(gap / 2.0, rel=1e-3, abs=1e-6)


@settings(deadline=None)
@given(ROWS, FRACTIONS, FRACTIONS)
def test_more_is_dropped_by_more_and_about_what_was_wanted(rows: np.ndarray, share: float, other: float) -> None:
    low, high = sorted((share, other))
    for scale in scales(rows):
        values = Values(rows, scale)
        first, second = values.threshold(low), values.threshold(high)
        assert (np.asarray(first) <= np.asarray(second)).all()
        assert not rows.any() or values.fraction(second) >= high - 0.5 / np.count_nonzero(rows) - 1e-9


def test_rounding_flips_nothing() -> None:
    """Another engine's values differ in the last bits; a threshold at a value used to flip that one."""
    rng = np.random.default_rng(0)
    rows = np.maximum(rng.normal(size=(500, 8)), 0.0).astype(np.float32)
    rounded = rows * (1.0 + 1e-6 * rng.uniform(-1.0, 1.0, rows.shape)).astype(np.float32)
    for scale in scales(rows):
        for share in np.linspace(0.05, 0.95, 19):
            threshold = np.asarray(Values(rows, scale).threshold(float(share)))
            assert ((rows > threshold) == (rounded > threshold)).all() or relative_room(rows, threshold) < 1e-6


def test_neighbours_in_float32_are_parted() -> None:
    first = np.float32(1.0)
    second = np.nextafter(first, np.float32(2.0))
    threshold = Values(np.array([[first], [second]], np.float32)).threshold(0.5)
    assert first <= np.float32(threshold) < second


def test_a_channel_with_few_values_keeps_them_where_the_others_drop_theirs() -> None:
    rows = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 100.0]], np.float32)
    threshold = Values(rows, np.array([1.0, 1.0])).threshold(0.5)
    assert isinstance(threshold, np.ndarray)
    assert threshold[0] == 2.5
    assert threshold[1] < 100.0


def test_a_quotient_that_is_rounded_down_still_drops_its_value() -> None:
    rows = np.array([[0.0, 5.3163967, 0.0]], np.float32)
    values = Values(rows, np.array([0.5, 1.75, 3.0]))
    assert values.fraction(values.threshold(1.0)) == 1.0
