"""Standing: how far a fine-tuning run has come, and what it would give back if it ended now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .checkpoint import State
from .monitor import mean_sparsity
from .report import EpochReport


@dataclass
class Standing:
    """Counts steps and epochs; a checkpoint holds all of it.

    Attributes:
        epoch: The one that runs, from 0.
        done_in_epoch: Its steps so far.
        loss: Sum over these.
        penalty: Sum over these.
        baseline: Metric of the dense model on validation data, None without.
        reports: Of the epochs that ended.
        good: The weights after the last of them.
        kept: The weights after the best of them.
    """

    epoch: int = 0
    done_in_epoch: int = 0
    loss: float = 0.0
    penalty: float = 0.0
    baseline: float | None = None
    reports: list[EpochReport] = field(default_factory=list)
    good: State = field(default_factory=dict)
    kept: State = field(default_factory=dict)

    @classmethod
    def of(cls, content: dict[str, Any]) -> Standing:
        """Return what :meth:`state` was taken of; raises KeyError, TypeError or ValueError over anything else."""
        reports = [EpochReport.model_validate(report) for report in content["standing"]["reports"]]
        standing = cls(**{**content["standing"], "reports": reports})
        for name in ("epoch", "done_in_epoch"):
            if not isinstance(count := getattr(standing, name), int) or count < 0:
                raise ValueError(f"{name} is {count!r}, expected a count")
        if not isinstance(standing.loss, float) or not isinstance(standing.penalty, float):
            raise ValueError(f"loss and penalty are {standing.loss!r} and {standing.penalty!r}, expected sums")
        return standing

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {"standing": {**vars(self), "reports": [report.model_dump() for report in self.reports]}}

    def rescale(self, saved_steps: int, steps: int, accumulation: int) -> None:
        """Count the running epoch in steps of another size, rounded down: a little is seen twice, nothing left out.

        Args:
            saved_steps: Steps per epoch that were counted.
            steps: Steps per epoch that are to be counted.
            accumulation: Of which the new count is a multiple.

        Raises:
            ValueError: If more steps were done than an epoch has.
        """
        if not 0 <= self.done_in_epoch <= saved_steps:
            raise ValueError(f"{self.done_in_epoch} steps of {saved_steps} are done")
        if saved_steps == steps or not self.done_in_epoch:
            return
        done = self.done_in_epoch * steps // saved_steps
        done -= 0 if self.done_in_epoch == saved_steps else done % accumulation
        share = done / self.done_in_epoch
        self.done_in_epoch, self.loss, self.penalty = done, self.loss * share, self.penalty * share

    def add(self, loss: float, penalty: float) -> None:
        """Count a step."""
        self.done_in_epoch += 1
        self.loss += loss
        self.penalty += penalty

    def end_epoch(
        self, *, metric: float | None, sparsity: dict[str, float], seconds: float, is_best: bool
    ) -> EpochReport:
        """Return the report of the epoch, and begin the next.

        Args:
            metric: On validation data, None without.
            sparsity: On validation data, by module path.
            seconds: That the epoch took.
            is_best: Whether it is the best so far.
        """
        count = max(self.done_in_epoch, 1)
        report = EpochReport(
            epoch=self.epoch,
            loss=self.loss / count,
            penalty=self.penalty / count,
            metric=metric,
            sparsity=sparsity,
            mean_sparsity=mean_sparsity(sparsity),
            seconds=seconds,
            is_best=is_best,
        )
        self.reports.append(report)
        self.epoch, self.done_in_epoch, self.loss, self.penalty = self.epoch + 1, 0, 0.0, 0.0
        return report
