"""What a fine-tuning run tells: one report per step and per epoch, and the result."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ..saved_value import SavedValue
from .recipe import Recipe


class StepReport(BaseModel):
    """One optimizer step.

    Attributes:
        epoch: From 0.
        step: From 0, over the whole run.
        steps: Steps of the whole run.
        loss: Task and distillation loss.
        penalty: Of the regulariser, strength included.
        learning_rate: In force.
        strength: In force.
        threshold_share: Part of the thresholds in force.
        sparsity: By module path, on this step's inputs; empty where it was not measured.
    """

    model_config = ConfigDict(frozen=True)

    epoch: int
    step: int
    steps: int
    loss: float
    penalty: float
    learning_rate: float
    strength: float
    threshold_share: float
    sparsity: dict[str, float]


class EpochReport(BaseModel):
    """One epoch.

    Attributes:
        epoch: From 0.
        loss: Mean over its steps.
        penalty: Mean over its steps.
        metric: On the validation data, higher is better; None without such data.
        sparsity: By module path, on the validation data; on the last training steps without such data.
        mean_sparsity: Unweighted mean over layers.
        seconds: Of the epoch, evaluation included.
        is_best: Whether its weights are the best so far.
    """

    model_config = ConfigDict(frozen=True)

    epoch: int
    loss: float
    penalty: float
    metric: float | None
    sparsity: dict[str, float]
    mean_sparsity: float
    seconds: float
    is_best: bool


class FinetuneResult(SavedValue):
    """How a run went. The model itself holds the weights of the best epoch.

    Attributes:
        recipe: What was asked for.
        baseline: Metric of the dense model; None without validation data.
        epochs: All that were run, those before a resume included.
        best_epoch: Whose weights were kept; None if none was completed.
        stop_reason: Why it ended, in words.
        is_complete: Whether it ended as planned: by the last epoch, the target, or for want of patience.
    """

    _what: ClassVar[str] = "a fine-tuning result"

    recipe: Recipe
    baseline: float | None
    epochs: tuple[EpochReport, ...]
    best_epoch: int | None
    stop_reason: str
    is_complete: bool

    @property
    def best(self) -> EpochReport | None:
        """Report of the epoch whose weights were kept."""
        return next((item for item in self.epochs if item.epoch == self.best_epoch), None)

    def __str__(self) -> str:
        lines = [f"{self.stop_reason}; dense {_percent(self.baseline)}"]
        for item in self.epochs:
            mark = "  <- kept" if item.epoch == self.best_epoch else ""
            lines.append(
                f"epoch {item.epoch + 1}: loss {item.loss:.4f}, metric {_percent(item.metric)}, "
                f"sparsity {item.mean_sparsity:.1%}{mark}"
            )
        return "\n".join(lines)


class Callback:
    """Told how a run goes; derive from it and override what is of interest. It must not change the model."""

    def on_step(self, report: StepReport) -> None:
        """Called after each optimizer step."""

    def on_epoch(self, report: EpochReport) -> None:
        """Called after each epoch."""

    def on_end(self, result: FinetuneResult) -> None:
        """Called once at the end."""


class JsonLines(Callback):
    """Appends every report to a file, one JSON object a line, with its kind under ``"event"``.

    Args:
        path: File to create or to go on with.
        every: Steps between lines of steps; 0 for none of them.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 50) -> None:
        self._path = Path(path)
        self._every = every

    def on_step(self, report: StepReport) -> None:
        """Write a line for every ``every``-th step."""
        if self._every and report.step % self._every == 0:
            self._write("step", report)

    def on_epoch(self, report: EpochReport) -> None:
        """Write a line."""
        self._write("epoch", report)

    def on_end(self, result: FinetuneResult) -> None:
        """Write a line."""
        self._write("end", result)

    def _write(self, event: str, value: BaseModel) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"event": event, **value.model_dump(mode="json")}) + "\n")


def mean(values: Iterable[float]) -> float:
    """Return the mean, 0 of nothing."""
    items = list(values)
    return sum(items) / len(items) if items else 0.0


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2%}"
