"""A walk is not stopped by an unlucky place, nor carried away by a lucky one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroskip.calibration import Score
from zeroskip.calibration.search.walk import Budget, Walk
from zeroskip.isotonic import monotone

LAST = 511


def score_of(drop: float, information_loss: float = 0.0) -> Score:
    return Score(samples=200, baseline=0.8, optimized=0.8 - drop, information_loss=information_loss)


def walked(drops: dict[int, float], limit: int, budget: Budget | None = None) -> Walk:
    """Nothing is lost up to ``limit`` and all beyond it, but for the places given."""
    walk = Walk(
        budget or Budget(0.01, None),
        lambda place: score_of(drops.get(place, 0.0 if place <= limit else 0.8)),
        0,
        LAST,
    )
    walk.cross()
    return walk


def test_one_unlucky_place_does_not_stop_it() -> None:
    assert walked({256: 0.015}, limit=300).passing()[0] == 300


def test_one_lucky_place_does_not_carry_it_away() -> None:
    assert walked({320: 0.0}, limit=300).passing()[0] <= 300


def test_a_place_that_fails_itself_is_not_returned() -> None:
    walk = walked({300: 0.011}, limit=300)
    assert 300 in walk.scores
    assert walk.passing()[0] == 298


def test_information_loss_is_bounded_as_well() -> None:
    walk = Walk(Budget(0.01, 0.1), lambda place: score_of(0.0, place / 1000), 0, LAST)
    walk.cross()
    assert walk.passing()[0] == 100


def test_outputs_that_are_not_numbers_do_not_pass() -> None:
    walk = Walk(Budget(0.01, None), lambda place: score_of(0.0 if place < 50 else math.nan), 0, LAST)
    walk.cross()
    assert 44 <= walk.passing()[0] < 50


@given(st.lists(st.floats(-1, 1), max_size=12))
def test_the_fit_is_ascending_and_keeps_the_mean(values: list[float]) -> None:
    fit = monotone(values)
    assert (np.diff(fit) >= -1e-12).all()
    assert fit.sum() == pytest.approx(sum(values), abs=1e-9)
    np.testing.assert_allclose(monotone(list(fit)), fit, atol=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.integers(0, 7), st.floats(-1, 1))
def test_no_ascending_step_is_nearer(values: list[float], place: int, level: float) -> None:
    fit = monotone(values)
    step = np.where(np.arange(len(values)) >= place, np.maximum(fit, level), np.minimum(fit, level))
    assert np.square(fit - values).sum() <= np.square(step - values).sum() + 1e-9


def test_a_budget_counts_exactly() -> None:
    score = Score(samples=100, baseline=0.8, optimized=0.79, information_loss=0.5)
    assert Budget(0.01, None).allows(score, as_counted=True)
    assert not Budget(0.009, None).allows(score, as_counted=True)
    assert not Budget(0.01, 0.4).allows(score, as_counted=True)
