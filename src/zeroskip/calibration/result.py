"""What a calibration returns: the thresholds, what they cost, and how they were found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..errors import DataError, RecipeError
from ..files import atomic_write_text
from ..thresholds import ThresholdSet


class Score(BaseModel):
    """The metric before and after, on one set of inputs.

    Attributes:
        samples: Number of inputs.
        baseline: Metric of the dense model.
        optimized: Metric with the thresholds.
        information_loss: How far the outputs moved against how much they differ between inputs: 0 unchanged,
            1 blind.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    samples: int
    baseline: float
    optimized: float
    information_loss: float

    @property
    def drop(self) -> float:
        """What was lost: baseline minus optimized; negative where the thresholds happened to help."""
        return self.baseline - self.optimized


class Trial(BaseModel):
    """One threshold set that the search tried.

    Attributes:
        stage: ``"search"`` on the calibration data, ``"holdout"`` on the holdout.
        strength: Place in the strategy's family, in [0, 1].
        sparsity: Of what the skipping layers read, weighted by MACs, in [0, 1].
        score: What it did to the metric.
        passed: Whether it kept within the budget.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    stage: str
    strength: float
    sparsity: float
    score: Score
    passed: bool


class LayerSensitivity(BaseModel):
    """One activation in the search.

    Attributes:
        activation: Its name.
        gain_macs: MACs per input that its non-zero values cost now; all are saved if it becomes zero.
        levels: Shares of its non-zero values that were dropped alone.
        damages: Damage at each of them; comparable between layers, without unit.
        fraction: The share it drops in the end.
        threshold: The T that does so.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    activation: str
    gain_macs: float
    levels: tuple[float, ...]
    damages: tuple[float, ...]
    fraction: float
    threshold: float


class CalibrationResult(BaseModel):
    """Thresholds that keep within a budget, checked on data the search did not see.

    Attributes:
        thresholds: The set to apply; all zero if nothing passed.
        metric: What was bounded.
        max_drop: Largest drop that was allowed; None when a sparsity was asked for instead.
        max_information_loss: Largest information loss that was allowed; None if it was not bounded.
        target_sparsity: Sparsity that was asked for; None when a drop was allowed instead.
        calibration: Score on the data of the search.
        holdout: Score on the other data.
        sparsity_before: Of what the skipping layers read, weighted by MACs, on the first calibration inputs.
        sparsity_after: The same with the thresholds.
        strategy: How shares were allocated to layers.
        seed: Seed of split and sampling.
        trials: Everything that was tried, in order.
        sensitivities: By activation, in the order of the graph.
        was_interrupted: Whether the search was stopped early; the set is the best until then.
        seconds: How long it took.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, ser_json_inf_nan="strings")

    thresholds: ThresholdSet
    metric: str
    max_drop: float | None
    max_information_loss: float | None
    target_sparsity: float | None
    calibration: Score
    holdout: Score
    sparsity_before: float
    sparsity_after: float
    strategy: str
    seed: int
    trials: tuple[Trial, ...]
    sensitivities: tuple[LayerSensitivity, ...]
    was_interrupted: bool
    seconds: float

    @property
    def is_zero(self) -> bool:
        """Whether no threshold is above zero: nothing could be gained within the budget."""
        return self.thresholds.is_zero

    @property
    def message(self) -> str:
        """What came out, in one or two sentences."""
        from .wording import message

        return message(self)

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        values = self.model_dump(mode="json", exclude={"thresholds"})
        return {**values, "thresholds": self.thresholds.to_dict()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole result as JSON; the file appears whole or not at all. For the set alone see
        ``ThresholdSet.save``.

        Args:
            path: File to create or replace.

        Raises:
            OSError: If it cannot be written.
        """
        atomic_write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CalibrationResult:
        """Read a result from a JSON file.

        Args:
            path: File written by :meth:`save`.

        Raises:
            DataError: If the file cannot be read or holds something else; the message names it.
        """
        try:
            values = json.loads(Path(path).read_bytes())
            return cls.model_validate({**values, "thresholds": ThresholdSet.from_dict(values["thresholds"])})
        except (OSError, ValueError, KeyError, TypeError, RecipeError) as error:
            raise DataError(f"cannot read a calibration from '{os.fspath(path)}': {error}") from error
