"""The search along a strategy's strength: a walk under one budget on the calibration half, then a check with both.

In the check a place has to keep within the budget by the best estimate there is, from both halves together
(:mod:`..judging.estimate`), and on the holdout as counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...errors import CalibrationError
from ...progress import Progress, Steps
from ..judging.estimate import ANCHOR_DROPS, Estimator
from ..judging.losses import Losses, LossPath
from ..judging.metric import Judge
from ..network.evaluation import Evaluation, Evaluator
from ..records import DropEstimate, Score, Trial
from ..strategies.allocation import Strategy
from .walk import FINEST, NEAR, Budget, Walk

_STEPS = 9
GRID = 1 << _STEPS
"""Strengths are multiples of 1/512, so that searches under different budgets share trials."""
_FIRST_STEP = 4
_EXPECTED = 20
_ANCHORS = 2
_AROUND = (-64, -32, -16, -8, 8, 16, 32)
"""How far from the place that was found others show what the choice among them hides."""

Measure = Callable[[Trial], float]


@dataclass
class Search:
    """Tries threshold sets of one family and remembers them.

    Args:
        strategy: The family.
        metric: Judges outputs.
        calibration: Runs the model on the calibration data.
        holdout: Runs it on the holdout.
        budget: What a set may cost; None accepts all.
        progress: Told of each trial.
        lowest: Least strength, apart from 0, that the family is made for; weights that were corrected for strong
            thresholds do harm with weak ones.
        first_step: How far above the least strength the search begins, in 512ths; a power of two.
        finest: Strengths are not told apart more finely than this many 512ths, or a quarter as many in the check.
        is_fitted: Whether weights were fitted to the calibration data, which then say too little of what is lost.
        trials: What was tried so far.
    """

    strategy: Strategy
    metric: Judge
    calibration: Evaluator
    holdout: Evaluator
    budget: Budget | None
    progress: Progress | None = None
    lowest: float = 0.0
    first_step: int = _FIRST_STEP
    finest: int = FINEST
    is_fitted: bool = False
    trials: list[Trial] = field(default_factory=list)
    _known: dict[tuple[float, bool], Trial] = field(default_factory=dict)
    _losses: tuple[dict[float, Losses], dict[float, Losses]] = field(default_factory=lambda: ({}, {}))

    def trial(self, strength: float, *, on_holdout: bool) -> Trial:
        """Return what a strength does, from memory if it was tried before."""
        key = (strength, on_holdout)
        if key not in self._known:
            trial = self._evaluate(strength, on_holdout=on_holdout)
            self._known[key] = trial
            if strength > 0.0:
                self.trials.append(trial)
        return self._known[key]

    def under_budget(self, budget: Budget) -> float:
        """Return the largest strength found that keeps within a budget on the calibration data.

        It keeps within by itself, and so does a monotone fit of the scores of all strengths that were tried.
        """
        steps = Steps(self.progress, "searching thresholds", _EXPECTED)
        walk = self._walk(budget, GRID - 1, steps, on_holdout=False)
        if walk.lowest == 0:
            walk.cross(self.finest)
        else:  # little more than the least strength is expected
            step = self.first_step
            while walk.visit(walk.lowest + step):
                step *= 2
            walk.visit(walk.lowest)
            walk.refine(max(step // 4, NEAR), self.finest)
        steps.finish()
        return next(iter(walk.passing()), 0) / GRID

    def for_target(self, target: float, measure: Measure, what: str) -> float:
        """Return the least strength that reaches a target on the calibration data.

        Args:
            target: What to reach.
            measure: Ascending with the strength.
            what: What is measured, for the message.

        Raises:
            CalibrationError: If even the largest strength does not reach it.
        """
        steps = Steps(self.progress, "searching thresholds", _STEPS + 1)
        reached = measure(self.trial(1.0, on_holdout=False))
        if reached < target:
            raise CalibrationError(f"{what} is {target}, but the most that thresholds reach here is {reached:.3f}")
        low, high = 0, GRID
        while high - low > 1:
            steps.advance()
            middle = (low + high) // 2
            is_reached = measure(self.trial(middle / GRID, on_holdout=False)) >= target
            low, high = (low, middle) if is_reached else (middle, high)
        steps.finish()
        return high / GRID

    def again(self, lowest: float) -> Search:
        """Return a search of the same family that remembers nothing, for a network that has changed."""
        return replace(self, lowest=lowest, is_fitted=True, trials=[], _known={}, _losses=({}, {}))

    def beyond(self, strategy: Strategy, strength: float) -> Search:
        """Return a search of a family that is the same up to a strength; it remembers what was tried up to there.

        Args:
            strategy: The family.
            strength: In [0, 1].
        """
        first, second = ({place: item for place, item in half.items() if place <= strength} for half in self._losses)
        return replace(
            self,
            strategy=strategy,
            trials=[trial for trial in self.trials if trial.strength <= strength],
            _known={key: trial for key, trial in self._known.items() if key[0] <= strength},
            _losses=(first, second),
        )

    def under(self, budget: Budget) -> Search:
        """Return a search of the same family that remembers the same, for another budget."""
        return replace(self, budget=budget)

    def best(self, budget: Budget) -> float:
        """Return what :meth:`under_budget` would if it had to do with what was tried so far."""
        walk = self._walk(budget, GRID - 1, None, on_holdout=False)
        walk.scores.update(
            {round(trial.strength * GRID): trial.score for trial in self.trials if trial.stage == "search"}
        )
        return next(iter(walk.passing()), 0) / GRID

    def confirmed(self, strength: float, budget: Budget, *, is_final: bool = False) -> float:
        """Return the largest strength found, up to the given one, that keeps within a budget on both sets of data.

        Args:
            strength: What passed on the calibration data.
            budget: As for the search.
            is_final: Whether what the choice hides is to be estimated as well, which takes a few more trials.
        """
        place = round(strength * GRID)
        if place == 0:
            return 0.0
        steps = Steps(self.progress, "checking on the holdout", _EXPECTED)
        self._anchor()
        walk = self._walk(budget, place, steps, on_holdout=True)
        if not walk.visit(place):
            walk.descend(_FIRST_STEP, max(FINEST, self.finest // 4))
            place = next((tried for tried in walk.downward() if self._passes(tried, budget)), 0)
        if is_final and place:
            self._surround(place)
            lower = {round(known * GRID) for known in self._losses[True] if self.lowest <= known < place / GRID}
            tried = [place, *sorted({*lower, *(item for item in walk.downward() if item < place)}, reverse=True)]
            place = next((item for item in tried if self._holds(item, budget)), 0)
        steps.finish()
        return place / GRID

    def estimate(self, strength: float, budget: Budget | None) -> DropEstimate | None:
        """Return the best estimate of the drop at a strength tried on both halves; None if losses do not add up to it.

        Args:
            strength: > 0.
            budget: What the strength was chosen by; None where it was not chosen by losses.
        """
        estimator = self._estimator(budget)
        return None if estimator is None else estimator.estimate(strength)

    def _estimator(self, budget: Budget | None) -> Estimator | None:
        halves = self._losses[1:] if self.is_fitted else self._losses
        common = set.intersection(*map(set, halves))
        if not common:
            return None
        return Estimator(LossPath.of(halves), None if budget is None else budget.max_drop)

    def _holds(self, place: int, budget: Budget) -> bool:
        """Whether a place keeps within the budget with what the choice hides added to the estimate."""
        if not self._passes(place, budget):
            return False
        estimate = self.estimate(place / GRID, budget) if place else None
        return estimate is None or budget.holds(estimate)

    def _anchor(self) -> None:
        """Try on the holdout, too, what shows best how expected drops are to be read."""
        low, high = ANCHOR_DROPS
        drops = {strength: losses.expected_drop for strength, losses in self._losses[False].items()}
        fitting = sorted(strength for strength, drop in drops.items() if drop is not None and low <= drop <= high)
        for strength in fitting[:: max(1, (len(fitting) - 1) // (_ANCHORS - 1))][:_ANCHORS]:
            self.trial(strength, on_holdout=True)

    def _surround(self, place: int) -> None:
        """Try on the holdout, too, some of what was tried on the calibration data around a place."""
        known = [round(strength * GRID) for strength in self._losses[False]]
        for goal in (place + offset for offset in _AROUND) if known else ():
            distances = [abs(item - goal) for item in known]
            self.trial(known[distances.index(min(distances))] / GRID, on_holdout=True)

    def _walk(self, budget: Budget, highest: int, steps: Steps | None, *, on_holdout: bool) -> Walk:
        def score(place: int) -> Score:
            if steps is not None:
                steps.advance()
            return self._checked(place) if on_holdout else self._score(place, on_holdout=False)

        return Walk(budget, score, round(self.lowest * GRID), highest, is_check=on_holdout)

    def _passes(self, place: int, budget: Budget) -> bool:
        # Less strength nearly always means less damage, but "nearly" is not what was promised.
        is_fine = budget.allows(self._score(place, on_holdout=False), as_counted=False)
        return is_fine and budget.allows(self._checked(place), as_counted=True)

    def _checked(self, place: int) -> Score:
        """Return the score on the holdout, its likely drop replaced by the best estimate from both halves."""
        score, strength = self._score(place, on_holdout=True), place / GRID
        if not self.is_fitted:
            self._score(place, on_holdout=False)
        if strength not in self._losses[True] or score.likely_drop is None:
            return score
        estimator = self._estimator(None)
        likely = score.likely_drop if estimator is None else estimator.drop(strength)
        return score.model_copy(update={"likely_drop": likely})

    def _score(self, place: int, *, on_holdout: bool) -> Score:
        return self.trial(place / GRID, on_holdout=on_holdout).score

    def _evaluate(self, strength: float, *, on_holdout: bool) -> Trial:
        evaluator = self.holdout if on_holdout else self.calibration
        evaluation = self.evaluation(strength, on_holdout=on_holdout)
        score = score_of(self.metric, evaluator, evaluation)
        network = evaluator.network
        before, after = (network.expected_ms(each.densities) for each in (evaluator.dense, evaluation))
        losses = self.metric.losses(evaluator.dense.outputs, evaluation.outputs, evaluator.data.targets)
        if strength > 0.0 and losses is not None and losses.is_finite:
            self._losses[on_holdout][strength] = losses
        return Trial(
            stage="holdout" if on_holdout else "search",
            strength=strength,
            sparsity=evaluation.sparsity,
            predicted_speedup=before / after if after > 0.0 else 1.0,  # no time where nothing is native
            score=score,
            passed=self.budget is None or self.budget.allows(score, as_counted=on_holdout),
        )

    def evaluation(self, strength: float, *, on_holdout: bool) -> Evaluation:
        """Run the model at a strength."""
        evaluator = self.holdout if on_holdout else self.calibration
        return evaluator.evaluate(self.strategy.thresholds(strength)) if strength > 0.0 else evaluator.dense


def score_of(metric: Judge, evaluator: Evaluator, evaluation: Evaluation) -> Score:
    """Return metric and information loss of an evaluation against the dense model."""
    labels, reference = evaluator.data.targets, evaluator.dense.outputs
    score = Score(
        samples=reference.samples,
        baseline=metric.value(reference, reference, labels),
        optimized=metric.value(reference, evaluation.outputs, labels),
        information_loss=metric.information_loss(reference, evaluation.outputs),
        agreement=metric.agreement(reference, evaluation.outputs),
        neighbours=metric.neighbours(reference, evaluation.outputs),
    )
    likely = metric.likely_drop(reference, evaluation.outputs, score.drop)
    return score.model_copy(update={"likely_drop": likely})
