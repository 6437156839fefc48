"""How far medians of repeated times can be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.engine.cost import mean_error, median_error


@pytest.mark.parametrize("count", [9, 27])
def test_the_error_is_that_of_medians_of_normal_times(count: int) -> None:
    times = np.random.default_rng(0).normal(1.0, 0.1, (count, 4000))
    spread = float(np.median(times, axis=0).std())
    assert float(median_error(times).mean()) == pytest.approx(spread, rel=0.15)


def test_one_disturbed_time_among_many_is_no_noise() -> None:
    times = np.ones((9, 2))
    times[3] = 50.0
    assert median_error(times).tolist() == [0.0, 0.0]
    assert median_error(1e-3 * times).tolist() == [0.0, 0.0], "units do not matter"


def test_of_one_time_nothing_can_be_told() -> None:
    assert median_error([[1.0, 2.0]]).tolist() == [np.inf, np.inf]


def test_steps_that_take_no_time_are_certain() -> None:
    assert median_error([[0.0], [0.0], [0.0]]).tolist() == [0.0]
    assert mean_error([], []) == mean_error([0.5], [0.0]) == 0.0
