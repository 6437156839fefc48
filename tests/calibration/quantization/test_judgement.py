"""A quantised network keeps within its budget by both halves of the data together, and not by the luck of a choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip.calibration.judging.losses import Losses
from zeroskip.calibration.quantization.candidate import Choice
from zeroskip.calibration.quantization.judgement import Judgement
from zeroskip.calibration.records import Score
from zeroskip.calibration.search.walk import Budget

INPUTS = 125
BUDGET = Budget(0.01, None)


def losses(lost: int, won: int, changed: int, expected: float | None) -> Losses:
    counted = np.zeros(INPUTS, np.float32)
    counted[:lost], counted[lost : lost + won] = 1.0, -1.0
    is_changed = np.arange(INPUTS) < changed
    shares = None if expected is None else np.where(is_changed, expected * INPUTS / changed, 0.0).astype(np.float32)
    return Losses("answers", counted, is_changed, shares, np.ones(INPUTS, np.float32))


class Stand:
    """Stands in for candidates whose losses are known."""

    def __init__(self, halves: dict[bool, Losses], likely: float | None, *, is_fitted: bool = False) -> None:
        self._halves, self._likely, self.is_fitted = halves, likely, is_fitted

    def losses(self, choice: Choice, *, on_holdout: bool) -> Losses:
        return self._halves[on_holdout]

    def score(self, choice: Choice, *, on_holdout: bool = False) -> Score:
        counted = float(self._halves[on_holdout].counted.mean())
        return Score(
            samples=INPUTS, baseline=0.64, optimized=0.64 - counted, information_loss=0.0, likely_drop=self._likely
        )


def passes(stand: Any, choice: Choice | None = None) -> bool:
    return Judgement(stand, BUDGET).passes(choice or Choice("mse", strength=0.0))


def test_what_either_half_lets_pass_may_be_more_than_both_together_allow() -> None:
    """3 of 125 lost where scales were chosen, 1 of 125 on the other half: 1.6 points, and more may be expected."""
    halves = {False: losses(3, 0, 11, 0.013), True: losses(1, 0, 11, 0.013)}
    stand = Stand(halves, likely=0.0099)
    choice = Choice("mse", strength=0.0)
    assert BUDGET.allows(stand.score(choice), as_counted=False)
    assert BUDGET.allows(stand.score(choice, on_holdout=True), as_counted=True)
    assert not passes(stand)


def test_what_loses_little_passes() -> None:
    assert passes(Stand({False: losses(1, 1, 4, 0.003), True: losses(1, 0, 4, 0.003)}, likely=0.004))


def test_the_half_that_weights_were_fitted_to_says_nothing() -> None:
    halves = {False: losses(0, 4, 4, 0.001), True: losses(1, 0, 11, 0.016)}
    stand = Stand(halves, likely=0.0, is_fitted=True)
    assert passes(stand)  # without thresholds the weights are the model's own
    assert not passes(stand, Choice("mse", strength=1.0))


@pytest.mark.parametrize(("counted", "is_fine"), [(1, True), (2, False)])
def test_where_nothing_is_expected_what_is_counted_decides(counted: int, *, is_fine: bool) -> None:
    halves = {False: losses(0, 0, counted, None), True: losses(counted, 0, counted, None)}
    assert passes(Stand(halves, likely=None)) is is_fine
