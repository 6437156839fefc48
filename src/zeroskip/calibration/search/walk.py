"""Walk: looking for the last place that keeps within a budget, on a score that moves in steps and by luck.

A metric on a few hundred inputs goes up and down by single inputs while the damage grows. Bisecting it ends
wherever the first unlucky input is met. Here every step is taken from the edge of a monotone fit through all
places tried so far, and looks to both sides of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...isotonic import monotone
from ..records import DropEstimate, Score

FINEST = 2
"""Places are not told apart more finely than this."""
COARSE = 16
"""As finely as is enough to compare with what is looked at more closely afterwards."""
NEAR = 32
"""How far around an edge it is worth looking for one further on, behind places that failed by luck."""
# A metric is a ratio of counts; without it 0.01 could be refused for 1 lost input in 100.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Budget:
    """What a threshold set may cost.

    Args:
        max_drop: Largest drop of the metric.
        max_information_loss: Largest information loss of the outputs; None leaves it open.
    """

    max_drop: float
    max_information_loss: float | None

    def allows(self, score: Score, *, as_counted: bool) -> bool:
        """Whether a score keeps within the budget.

        Args:
            score: Of one set of thresholds.
            as_counted: Whether the drop that was counted has to, besides the one that the search goes by.
        """
        drop = max(score.drop, score.searched_drop) if as_counted else score.searched_drop
        return self.admits(drop, score.information_loss)

    def holds(self, estimate: DropEstimate) -> bool:
        """Whether an estimated drop keeps within the budget; half an input is no excess."""
        return estimate.drop <= self.max_drop + 0.5 / estimate.samples

    def admits(self, drop: float, information_loss: float) -> bool:
        """Whether a drop and an information loss keep within the budget; NaN does not."""
        if not drop <= self.max_drop + _ROUNDING:
            return False
        limit = self.max_information_loss
        return limit is None or information_loss <= limit + _ROUNDING


@dataclass
class Walk:
    """Places tried on one set of data.

    Args:
        budget: What a place may cost.
        score: Measures a place.
        lowest: First place; nothing below it is tried.
        highest: Last place.
        is_check: Whether places must keep within the budget as counted, too; the holdout's do.
        scores: What was measured, by place.
    """

    budget: Budget
    score: Callable[[int], Score]
    lowest: int
    highest: int
    is_check: bool = False
    scores: dict[int, Score] = field(default_factory=dict)

    def cross(self, last: int = FINEST) -> None:
        """Find the edge when nothing is known of it.

        Args:
            last: Distance to end with.
        """
        self.visit(self.lowest)
        self.refine(1 << (self.highest.bit_length() - 1), NEAR // 4)
        self.refine(NEAR, last)

    def visit(self, place: int) -> bool:
        """Measure a place if it is in range; return whether it is and keeps within the budget."""
        if not self.lowest <= place <= self.highest:
            return False
        if place not in self.scores:
            self.scores[place] = self.score(place)
        return self._allows(self.scores[place])

    @property
    def edge(self) -> int:
        """The last place tried at which the fits of drop and information loss keep within the budget.

        Where a check fits likely drops, the place itself has to keep within the budget as counted.
        """
        places = sorted(self.scores)
        scores = [self.scores[place] for place in places]
        drops = monotone([score.searched_drop for score in scores])
        losses = monotone([score.information_loss for score in scores])
        edge = self.lowest
        for place, score, drop, loss in zip(places, scores, drops, losses, strict=True):
            is_refuted = self.is_check and score.likely_drop is not None and not self._allows(score)
            if self.budget.admits(drop, loss) and not is_refuted:
                edge = place
        return edge

    def descend(self, first: int, last: int = FINEST) -> None:
        """Find the edge below the last place, which failed, in growing steps.

        Args:
            first: Length of the first step, a power of two.
            last: Distance to end with.
        """
        self.visit(self.lowest)
        tried, step = self.highest, first
        while self.edge == self.lowest < tried:
            tried = max(self.highest - step, self.lowest)
            self.visit(tried)
            step *= 2
            # A place that passed by luck is taken back by its neighbours; then the way down goes on.
            self.refine(max(step // 4, last), last, min(tried, self.lowest + 1))

    def refine(self, first: int, last: int = FINEST, least: int = 0) -> None:
        """Try both sides of the edge, wherever that moves, ever closer to it.

        Args:
            first: Distance to begin with, a power of two.
            last: Distance to end with.
            least: Give up when the edge falls below this place.
        """
        step = first
        while step >= last and (edge := self.edge) >= least:
            self.visit(edge - step)
            self.visit(edge + step)
            step //= 2

    def passing(self) -> list[int]:
        """Return the places up to the edge that keep within the budget themselves, last first."""
        edge = self.edge
        passed = [place for place, score in self.scores.items() if place <= edge and self._allows(score)]
        return sorted(passed, reverse=True)

    def downward(self) -> list[int]:
        """Return the places to fall back on if more is asked of them: the passing ones and a few others, last first."""
        steps = (FINEST << power for power in range(self.highest.bit_length()))
        others = {place for step in steps if (place := self.edge - step) >= self.lowest}
        return sorted({*self.passing(), *others}, reverse=True)

    def _allows(self, score: Score) -> bool:
        return self.budget.allows(score, as_counted=self.is_check)
