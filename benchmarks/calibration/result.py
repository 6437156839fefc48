"""What one way of choosing thresholds came to on one network, saved as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from zeroskip.calibration import CurvePoint
from zeroskip.saved_value import SavedValue

RESULTS = Path(__file__).resolve().parents[1] / "results" / "calibration"
_ROUNDING = 1e-9


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
        max_information_loss: Guard of the metric, None for none.
        curve: Points measured on both sets of inputs.
        sparsity_after: At a budget of one point, as ``calibrate`` returned it.
        drop: Of the metric on the holdout there.
        interval: 95 % confidence interval of that.
        measured_speedup: Median time of the model as it is over that with the thresholds, in one interleaved run at
            batch 1 of the engine; None where a busy machine made it too uncertain.
        kept_corrections: Layers with corrected weights; 0 where corrections did not pay.
        cpu_seconds: Processor time of the calibration.
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
    curve: tuple[CurvePoint, ...]
    sparsity_after: float
    drop: float
    interval: tuple[float, float] | None
    measured_speedup: float | None
    kept_corrections: int
    cpu_seconds: float
    cpu: str
    isa: str
    command: str

    def at(self, budget: float) -> CurvePoint:
        """Return the sparsest point of the curve that keeps within a budget on both sets of inputs."""
        passed = [point for point in self.curve if self._passes(point, budget)]
        return max(passed, key=lambda point: point.sparsity)

    def _passes(self, point: CurvePoint, budget: float) -> bool:
        scores = (point.calibration, point.holdout)
        limit = float("inf") if self.max_information_loss is None else self.max_information_loss
        return all(score.drop <= budget + _ROUNDING and score.information_loss <= limit for score in scores)


def load_results(folder: Path = RESULTS) -> Sequence[MethodResult]:
    """Return all results in a folder, by file name."""
    return [MethodResult.load(path) for path in sorted(folder.glob("*.json"))]
