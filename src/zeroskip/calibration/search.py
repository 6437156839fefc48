"""The search along a strategy's strength: bisection under one budget, then the holdout has its say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..errors import CalibrationError
from ..progress import Progress, Steps
from .allocation import Strategy
from .evaluation import Evaluation, Evaluator
from .metrics import Metric
from .records import Score, Trial

STEPS = 9
"""Bisections: strengths are multiples of 1/512, so that searches under different budgets share trials."""
GRID = 1 << STEPS
_FIRST_STEP = 4
# A metric is a ratio of counts; without it 0.01 could be refused for 1 lost input in 100.
_ROUNDING = 1e-9

Measure = Callable[[Trial], float]


@dataclass(frozen=True)
class Budget:
    """What a threshold set may cost.

    Args:
        max_drop: Largest drop of the metric.
        max_information_loss: Largest information loss of the outputs; None leaves it open.
    """

    max_drop: float
    max_information_loss: float | None

    def allows(self, score: Score) -> bool:
        """Whether a score keeps within the budget."""
        if not score.drop <= self.max_drop + _ROUNDING:  # also refuses NaN
            return False
        limit = self.max_information_loss
        return limit is None or score.information_loss <= limit + _ROUNDING


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
        """Return the largest strength found by bisection that keeps within a budget on the calibration data."""
        lowest = round(self.lowest * GRID)

        def passes(place: int) -> bool:
            return budget.allows(self.trial(place / GRID, on_holdout=False).score)

        high, step = GRID, _FIRST_STEP
        if lowest > 0:  # little more than the least strength is expected
            while lowest + step < GRID and passes(lowest + step):
                step *= 2
            high = min(lowest + step, GRID)
        return self._bisect(lowest, high, passes, "searching thresholds")

    def for_target(self, target: float, measure: Measure, what: str) -> float:
        """Return the least strength that reaches a target on the calibration data.

        Args:
            target: What to reach.
            measure: Ascending with the strength.
            what: What is measured, for the message.

        Raises:
            CalibrationError: If even the largest strength does not reach it.
        """
        steps = Steps(self.progress, "searching thresholds", STEPS + 1)
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

    def best(self) -> float:
        """Return the largest strength that passed on the calibration data so far; 0 if none did."""
        passed = (trial for trial in self.trials if trial.stage == "search" and trial.passed)
        return max((trial.strength for trial in passed), default=0.0)

    def confirmed(self, strength: float, budget: Budget) -> float:
        """Return the largest strength up to the given one that keeps within a budget on both sets of data.

        Args:
            strength: What passed on the calibration data.
            budget: As for the search.
        """
        place, lowest, step = round(strength * GRID), round(self.lowest * GRID), _FIRST_STEP

        def passes(tried: int) -> bool:
            # Less strength nearly always means less damage, but "nearly" is not what was promised.
            halves = (self.trial(tried / GRID, on_holdout=on_holdout) for on_holdout in (True, False))
            return all(budget.allows(trial.score) for trial in halves)

        if place == 0 or passes(place):
            return strength
        while place - step > lowest and not passes(place - step):
            step *= 2
        return self._bisect(max(place - step, lowest), place, passes, "checking on the holdout")

    def _bisect(self, low: int, high: int, passes: Callable[[int], bool], what: str) -> float:
        """Return the largest strength found between ``low``, which passes or is the least, and ``high``; else 0."""
        steps = Steps(self.progress, what, (high - low - 1).bit_length())
        lowest = round(self.lowest * GRID)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if passes(middle) else (low, middle)
            steps.advance()
        steps.finish()
        if low == lowest > 0 and not passes(low):
            return 0.0
        return low / GRID

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
            passed=self.budget is None or self.budget.allows(score),
        )

    def evaluation(self, strength: float, *, on_holdout: bool) -> Evaluation:
        """Run the model at a strength."""
        evaluator = self.holdout if on_holdout else self.calibration
        return evaluator.evaluate(self.strategy.thresholds(strength)) if strength > 0.0 else evaluator.dense


def score_of(metric: Metric, evaluator: Evaluator, evaluation: Evaluation) -> Score:
    """Return metric and information loss of an evaluation against the dense model."""
    labels, reference = evaluator.data.labels, evaluator.dense.outputs
    return Score(
        samples=len(reference),
        baseline=metric.value(reference, reference, labels),
        optimized=metric.value(reference, evaluation.outputs, labels),
        information_loss=metric.information_loss(reference, evaluation.outputs),
    )
