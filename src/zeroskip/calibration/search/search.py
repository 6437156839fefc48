"""The search along a strategy's strength: a walk under one budget, then the holdout has its say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...errors import CalibrationError
from ...progress import Progress, Steps
from ..judging.metric import Metric, agreement_of
from ..network.evaluation import Evaluation, Evaluator
from ..records import Score, Trial
from ..strategies.allocation import Strategy
from .walk import NEAR, Budget, Walk

_STEPS = 9
GRID = 1 << _STEPS
"""Strengths are multiples of 1/512, so that searches under different budgets share trials."""
_FIRST_STEP = 4
_EXPECTED = 20

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
        trials: What was tried so far.
    """

    strategy: Strategy
    metric: Metric
    calibration: Evaluator
    holdout: Evaluator
    budget: Budget | None
    progress: Progress | None = None
    lowest: float = 0.0
    trials: list[Trial] = field(default_factory=list)
    _known: dict[tuple[float, bool], Trial] = field(default_factory=dict)

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
            walk.cross()
        else:  # little more than the least strength is expected
            step = _FIRST_STEP
            while walk.visit(walk.lowest + step):
                step *= 2
            walk.visit(walk.lowest)
            walk.refine(max(step // 4, NEAR))
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
        return replace(self, lowest=lowest, trials=[], _known={})

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

    def confirmed(self, strength: float, budget: Budget) -> float:
        """Return the largest strength found, up to the given one, that keeps within a budget on both sets of data.

        Args:
            strength: What passed on the calibration data.
            budget: As for the search.
        """
        place = round(strength * GRID)
        steps = Steps(self.progress, "checking on the holdout", _EXPECTED)
        walk = self._walk(budget, place, steps, on_holdout=True)
        if not (place == 0 or walk.visit(place)):
            walk.descend(_FIRST_STEP)
            place = next((tried for tried in walk.downward() if self._passes(tried, budget)), 0)
        steps.finish()
        return place / GRID

    def _walk(self, budget: Budget, highest: int, steps: Steps | None, *, on_holdout: bool) -> Walk:
        def score(place: int) -> Score:
            if steps is not None:
                steps.advance()
            return self._score(place, on_holdout=on_holdout)

        return Walk(budget, score, round(self.lowest * GRID), highest, is_check=on_holdout)

    def _passes(self, place: int, budget: Budget) -> bool:
        # Less strength nearly always means less damage, but "nearly" is not what was promised.
        return all(budget.allows(self._score(place, on_holdout=half), as_counted=half) for half in (True, False))

    def _score(self, place: int, *, on_holdout: bool) -> Score:
        return self.trial(place / GRID, on_holdout=on_holdout).score

    def _evaluate(self, strength: float, *, on_holdout: bool) -> Trial:
        evaluator = self.holdout if on_holdout else self.calibration
        evaluation = self.evaluation(strength, on_holdout=on_holdout)
        score = score_of(self.metric, evaluator, evaluation)
        return Trial(
            stage="holdout" if on_holdout else "search",
            strength=strength,
            sparsity=evaluation.sparsity,
            predicted_speedup=evaluator.dense.predicted_ms / evaluation.predicted_ms,
            score=score,
            passed=self.budget is None or self.budget.allows(score, as_counted=on_holdout),
        )

    def evaluation(self, strength: float, *, on_holdout: bool) -> Evaluation:
        """Run the model at a strength."""
        evaluator = self.holdout if on_holdout else self.calibration
        return evaluator.evaluate(self.strategy.thresholds(strength)) if strength > 0.0 else evaluator.dense


def score_of(metric: Metric, evaluator: Evaluator, evaluation: Evaluation) -> Score:
    """Return metric and information loss of an evaluation against the dense model."""
    labels, reference = evaluator.data.labels, evaluator.dense.outputs
    score = Score(
        samples=len(reference),
        baseline=metric.value(reference, reference, labels),
        optimized=metric.value(reference, evaluation.outputs, labels),
        information_loss=metric.information_loss(reference, evaluation.outputs),
        agreement=agreement_of(reference, evaluation.outputs),
    )
    likely = metric.likely_drop(reference, evaluation.outputs, score.drop)
    return score.model_copy(update={"likely_drop": likely})
