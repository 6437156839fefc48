"""Judgement: whether a quantised network keeps within the budget, by both halves of the data together.

It has to by the likely drop on the calibration half, as counted on the other, and by the best estimate from both, with
what the choice among the strengths of its thresholds hides (:mod:`..judging.estimate`). That is what thresholds alone
are held to, too: half of the data says too little, and what was chosen by it looks better than it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..judging.estimate import Estimator
from ..judging.losses import Losses, LossPath
from ..records import DropEstimate
from ..search.walk import Budget
from .candidate import Candidates, Choice


class Judgement:
    """Judges candidates by one budget.

    Args:
        candidates: Makes and runs them.
        budget: For rounding and thresholds together.
    """

    def __init__(self, candidates: Candidates, budget: Budget) -> None:
        self.candidates = candidates
        self._budget = budget

    @property
    def max_drop(self) -> float:
        """The budget."""
        return self._budget.max_drop

    def passes(self, choice: Choice, path: Sequence[Choice] = ()) -> bool:
        """Tell whether a choice keeps within the budget.

        Args:
            choice: Of strength 0, or one of the path.
            path: The choices that were compared by what they lose, the choice among them, weaker thresholds first;
                by default the choice alone.
        """
        calibration = self.candidates.score(choice)
        if not self._budget.allows(calibration, as_counted=False):
            return False
        holdout = self.candidates.score(choice, on_holdout=True)
        estimate = self.estimate(choice, path)
        if estimate is None or holdout.likely_drop is None:
            return self._budget.allows(holdout, as_counted=True)
        return self._budget.admits(holdout.drop, holdout.information_loss) and self._budget.holds(estimate)

    def estimate(self, choice: Choice, path: Sequence[Choice] = ()) -> DropEstimate | None:
        """Return the best estimate of what a choice loses; None where losses do not add up to the metric."""
        choices = tuple(path) or (choice,)
        halves = (True,) if self.candidates.is_fitted and choice.strength > 0.0 else (False, True)
        losses: list[dict[float, Losses]] = []
        for on_holdout in halves:
            found = {place: self.candidates.losses(item, on_holdout=on_holdout) for place, item in enumerate(choices)}
            losses.append({float(place): item for place, item in found.items() if item is not None and item.is_finite})
        place = float(choices.index(choice))
        if not all(place in half for half in losses):
            return None
        return Estimator(LossPath.of(losses), self._budget.max_drop).estimate(place)
