"""What one way of choosing thresholds came to on one network, saved as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from zeroskip.calibration import MeasuredSpeed, Trial
from zeroskip.saved_value import SavedValue

RESULTS = Path(__file__).resolve().parents[1] / "results" / "calibration"
BUDGETS = (0.0, 0.005, 0.01, 0.02)
"""Largest drops of the metric that are compared."""
_WIDEST_GAP = 4.0


class BudgetPoint(BaseModel):
    """What came out under one budget.

    Attributes:
        budget: Largest drop of the metric that was allowed, on both halves of the data.
        sparsity: Weighted by MACs, of what skipping layers read.
        predicted_speedup: By the engine's cost model.
        drop: Of the metric on the holdout.
        interval: 95 % confidence interval of that.
        information_loss: On the holdout.
        kept_corrections: Layers with corrected weights.
        speed: What the engine measured; None where it was not.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    budget: float
    sparsity: float
    predicted_speedup: float
    drop: float
    interval: tuple[float, float] | None
    information_loss: float
    kept_corrections: int
    speed: MeasuredSpeed | None = None


class MethodResult(SavedValue):
    """One network, one method.

    Attributes:
        network: Name of the case.
        method: Name of the method.
        metric: What was bounded.
        calibration_samples: Inputs of the search.
        holdout_samples: Inputs of the check.
        probe_samples: Inputs that sensitivities were measured with.
        sparsity_before: Natural sparsity, weighted by MACs, of what skipping layers read.
        max_information_loss: Guard of the metric at the budget of one point, None for none.
        points: By budget, ascending.
        trials: What the search tried before any correction; each ``passed`` is by the budget it was tried for first.
        seed: Of the split into the two halves, and of the sampling.
        cpu_seconds: Processor time for all budgets together.
        cpu: Processor.
        isa: Instruction set.
        command: How to repeat it.
    """

    _what: ClassVar[str] = "a calibration benchmark"

    network: str
    method: str
    metric: str
    calibration_samples: int
    holdout_samples: int
    probe_samples: int
    sparsity_before: float
    max_information_loss: float | None
    points: tuple[BudgetPoint, ...]
    trials: tuple[Trial, ...] = ()
    seed: int = 0
    cpu_seconds: float
    cpu: str
    isa: str
    command: str

    @property
    def stem(self) -> str:
        """What its files are called, without what follows."""
        return f"{self.network}.{self.method}.{self.seed}"

    @property
    def is_by_count(self) -> bool:
        """Whether counted drops alone guided a search that likely drops guide now."""
        return self.metric == "top1" and all(trial.score.likely_drop is None for trial in self.trials)

    def at(self, budget: float) -> BudgetPoint:
        """Return what came out under a budget.

        Raises:
            KeyError: If it was not tried.
        """
        for point in self.points:
            if point.budget == budget:
                return point
        raise KeyError(f"{self.network}, {self.method}: no budget {budget}")

    def sparsity_at(self, information_loss: float) -> float | None:
        """Return the sparsity at an information loss on the calibration half, uncorrected; None if no trials are near.

        Interpolated in the logarithm of the loss between the nearest trials below and above.
        """
        trials = [trial for trial in self.trials if trial.stage == "search" and trial.score.information_loss > 0.0]
        losses = {trial.score.information_loss: trial.sparsity for trial in trials}
        below = max((loss for loss in losses if loss <= information_loss), default=0.0)
        above = min((loss for loss in losses if loss >= information_loss), default=math.inf)
        if above > _WIDEST_GAP * below:
            return None
        share = math.log(information_loss / below) / math.log(above / below) if above > below else 0.0
        return losses[below] + share * (losses[above] - losses[below])


def load_results(folder: Path = RESULTS) -> Sequence[MethodResult]:
    """Return all results in a folder, by file name."""
    return [MethodResult.load(path) for path in sorted(folder.glob("*.json"))]
