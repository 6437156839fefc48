"""The search finds the last strength that passes, and asks for few trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zeroskip.calibration import Score, Trial
from zeroskip.calibration.search.search import GRID, Search
from zeroskip.calibration.search.walk import FINEST, Budget

BUDGET = Budget(0.01, None)
PLACES = st.integers(0, GRID - 1)


class Scripted(Search):
    """Passes on the calibration half up to one place of the grid, on the holdout up to another."""

    def __init__(self, limit: int, holdout_limit: int, lowest: int = 0) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, nothing, nothing, BUDGET, lowest=lowest / GRID)
        self.limits = (limit, holdout_limit)
        self.asked: set[tuple[int, bool]] = set()

    def trial(self, strength: float, *, on_holdout: bool) -> Trial:
        place = round(strength * GRID)
        self.asked.add((place, on_holdout))
        drop = 0.0 if place <= self.limits[on_holdout] else 1.0
        score = Score(samples=1, baseline=1.0, optimized=1.0 - drop, information_loss=drop)
        return Trial(stage="search", strength=strength, sparsity=0.5, score=score, passed=drop == 0.0)


@settings(deadline=None)
@given(PLACES, PLACES)
def test_the_last_strength_that_passes_is_found(limit: int, holdout_limit: int) -> None:
    search = Scripted(limit, holdout_limit)
    strength = search.under_budget(BUDGET)
    assert 0 <= limit - round(strength * GRID) < FINEST
    assert len(search.asked) <= 21
    last = min(limit, holdout_limit)
    assert 0 <= last - round(search.confirmed(strength, BUDGET) * GRID) <= FINEST


@settings(deadline=None)
@given(PLACES, PLACES, st.integers(1, GRID - 1))
def test_a_least_strength_is_kept_to_or_nothing_is_found(limit: int, holdout_limit: int, lowest: int) -> None:
    search = Scripted(limit, holdout_limit, lowest)
    strength = search.confirmed(search.under_budget(BUDGET), BUDGET)
    last, found = min(limit, holdout_limit), round(strength * GRID)
    assert lowest <= found <= last or (found == 0 and last < lowest)
    assert found == 0 or last - found <= FINEST


class Noisy(Scripted):
    """Has drops of its own at some places of one half."""

    drops: Mapping[tuple[int, bool], float] = {}

    def trial(self, strength: float, *, on_holdout: bool) -> Trial:
        found = super().trial(strength, on_holdout=on_holdout)
        drop = self.drops.get((round(strength * GRID), on_holdout))
        if drop is None:
            return found
        return found.model_copy(update={"score": found.score.model_copy(update={"optimized": 1.0 - drop})})


def test_what_the_holdout_allows_and_the_search_does_not_costs_a_little_and_not_all() -> None:
    search = Noisy(300, 280)
    search.drops = {(place, False): 0.02 for place in range(270, 290)}
    assert 250 <= round(search.confirmed(300 / GRID, BUDGET) * GRID) < 270


def test_a_lucky_place_of_the_holdout_does_not_end_the_way_down() -> None:
    search = Noisy(300, 280)
    search.drops = {(296, True): 0.0}
    assert round(search.confirmed(300 / GRID, BUDGET) * GRID) == 280


@settings(deadline=None)
@given(st.integers(100, 300), st.integers(0, 80), st.integers(0, 80))
def test_lucky_places_of_the_holdout_never_end_the_way_down_near_nothing(limit: int, lucky: int, other: int) -> None:
    search = Noisy(limit + 80, limit)
    search.drops = {(limit + lucky, True): 0.005, (limit + other, True): 0.0}
    assert round(search.confirmed((limit + 80) / GRID, BUDGET) * GRID) >= limit - 2 * FINEST


@settings(deadline=None)
@given(st.integers(1, GRID - 40), st.integers(0, 16))
def test_little_more_than_the_least_strength_takes_few_trials(lowest: int, more: int) -> None:
    assume(lowest + more < GRID)
    search = Scripted(lowest + more, GRID, lowest)
    assert 0 <= lowest + more - round(search.under_budget(BUDGET) * GRID) < FINEST
    assert len(search.asked) <= 14
