"""The search along a strategy's strength: bisection under one budget, then the holdout has its say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..analysis import ActivationValues
from ..errors import CalibrationError
from ..progress import Progress, Steps
from .allocation import Strategy
from .evaluation import Evaluator
from .metrics import Metric
from .result import Score, Trial

STEPS = 9
"""Bisections: the strength is then known to 1/512."""
_TIGHTENINGS = 6
_SPARSITY_TOLERANCE = 0.002
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
        values: Values of each activation, which turn shares into thresholds.
        metric: Judges outputs.
        calibration: Runs the model on the calibration data.
        holdout: Runs it on the holdout.
        trials: What was tried so far.
    """

    strategy: Strategy
    values: Mapping[str, ActivationValues]
    metric: Metric
    calibration: Evaluator
    holdout: Evaluator
    trials: list[Trial] = field(default_factory=list)

    def thresholds(self, strength: float) -> dict[str, float]:
        """Return T by activation at a strength."""
        fractions = self.strategy.fractions(strength)
        return {name: self.values[name].quantile(fraction) for name, fraction in fractions.items()}

    def score(self, strength: float, *, on_holdout: bool) -> tuple[Score, float]:
        """Return score and sparsity at a strength."""
        evaluator = self.holdout if on_holdout else self.calibration
        evaluation = evaluator.evaluate(self.thresholds(strength)) if strength > 0.0 else evaluator.dense
        labels, reference = evaluator.data.labels, evaluator.dense.outputs
        score = Score(
            samples=len(reference),
            baseline=self.metric.value(reference, reference, labels),
            optimized=self.metric.value(reference, evaluation.outputs, labels),
            information_loss=self.metric.information_loss(reference, evaluation.outputs),
        )
        return score, evaluation.sparsity

    def under_budget(self, budget: Budget, progress: Progress | None) -> None:
        """Bisect the strength for the largest that keeps within the budget on the calibration data."""
        steps = Steps(progress, "searching thresholds", STEPS)
        low, high = 0.0, 1.0
        for _ in range(STEPS):
            middle = (low + high) / 2
            passed = self._try(middle, budget, on_holdout=False).passed
            low, high = (middle, high) if passed else (low, middle)
            steps.advance()

    def for_sparsity(self, target: float, progress: Progress | None) -> float:
        """Return the least strength that reaches a sparsity.

        Raises:
            CalibrationError: If even the largest strength does not reach it.
        """
        steps = Steps(progress, "searching thresholds", STEPS + 1)
        reached = self._try(1.0, None, on_holdout=False).sparsity
        if reached < target:
            raise CalibrationError(
                f"target_sparsity is {target}, but the most that thresholds reach here is {reached:.3f}"
            )
        low, high = 0.0, 1.0
        for _ in range(STEPS):
            steps.advance()
            middle = (low + high) / 2
            sparsity = self._try(middle, None, on_holdout=False).sparsity
            low, high = (low, middle) if sparsity >= target else (middle, high)
            if 0.0 <= sparsity - target <= _SPARSITY_TOLERANCE:
                break
        steps.finish()
        return high

    def best(self) -> float:
        """Return the largest strength that passed on the calibration data; 0 if none did."""
        return max(
            (trial.strength for trial in self.trials if trial.stage == "search" and trial.passed), default=0.0
        )

    def confirmed(self, strength: float, budget: Budget, progress: Progress | None) -> float:
        """Return the largest strength up to the given one that keeps within the budget on the holdout too.

        Args:
            strength: What passed on the calibration data.
            budget: As for the search.
            progress: Told of each check.
        """
        steps = Steps(progress, "checking on the holdout", 1 + _TIGHTENINGS)
        if strength <= 0.0 or self._passes_both(strength, budget):
            steps.finish()
            return strength
        low, high = 0.0, strength
        for _ in range(_TIGHTENINGS):
            steps.advance()
            middle = (low + high) / 2
            low, high = (middle, high) if self._passes_both(middle, budget) else (low, middle)
        steps.finish()
        return low

    def _passes_both(self, strength: float, budget: Budget) -> bool:
        if not self._try(strength, budget, on_holdout=True).passed:
            return False
        seen = {trial.strength: trial.passed for trial in self.trials if trial.stage == "search"}
        # Less strength nearly always means less damage, but "nearly" is not what was promised.
        return seen[strength] if strength in seen else self._try(strength, budget, on_holdout=False).passed

    def _try(self, strength: float, budget: Budget | None, *, on_holdout: bool) -> Trial:
        score, sparsity = self.score(strength, on_holdout=on_holdout)
        trial = Trial(
            stage="holdout" if on_holdout else "search",
            strength=strength,
            sparsity=sparsity,
            score=score,
            passed=budget is None or budget.allows(score),
        )
        self.trials.append(trial)
        return trial
