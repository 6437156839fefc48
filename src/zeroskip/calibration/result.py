"""What a calibration returns: the thresholds, what they cost, and how they were found."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import DataError, RecipeError
from ..files import atomic_write_text, read_text
from ..onnx import LayerWeights
from ..short_repr import ShortRepr
from ..tabular import Record, Tabular
from ..thresholds import ThresholdSet
from .judging.baseline import Baseline
from .network.timing import MeasuredSpeed
from .options import CalibrationOptions
from .records import (
    Correction,
    CurvePoint,
    DistillationTrial,
    DropEstimate,
    LayerSensitivity,
    LearningTrial,
    Score,
    Trial,
)
from .sentences import bounded_words, excess_words, loss_words

if TYPE_CHECKING:
    from ..onnx import ThresholdedModel
    from ..onnx.load import ModelSource


class CalibrationResult(Tabular, ShortRepr, BaseModel):
    """Thresholds that keep within a budget, checked on data the search did not see.

    Attributes:
        thresholds: The set to apply; all zero if nothing passed.
        layers: Corrected weights by layer; not part of the JSON, see :meth:`apply`.
        metric: What was bounded.
        max_drop: Largest drop that was allowed; None when a target was asked for instead.
        max_information_loss: Largest information loss that was allowed; None if it was not bounded.
        calibration: Score on the data of the search.
        holdout: Score on the other data.
        baseline: How good the model as it is is by the labels; None where top-1 was not bounded.
        estimate: The best estimate of the drop there is, from both halves together, with an interval that covers the
            choice; the budget holds for it. None where no threshold is above zero, and in files of earlier versions.
        notes: What is to be said of the inputs (copies of others, blank ones), of the choice of the metric, of layers
            that are left to ONNX Runtime, and of measured times that were noisy.
        reason: Why nothing could be thresholded; empty where something could, and in files of earlier versions.
        judged_output: Name of the output that the metric judges; empty where it judges all of them.
        guarded_outputs: Names of the outputs whose loss of information is bounded: every one that can be compared input
            by input; for others the values inside the model that they are made of.
        sparsity_before: Of what the skipping layers read, weighted by MACs, on the calibration data.
        sparsity_after: The same with the thresholds.
        predicted_speedup: Time before over time after, by ``costs`` of the options.
        measured_speed: The same as the engine measured it; None where it did not, or nothing was changed. Of all that
            is here this alone differs from run to run; the rest does where ``step_time_error`` was too large.
        strategy: How shares were allocated to layers in the end; block-wise learning may have been no better.
        options: What was asked for.
        trials: Everything that was tried, in order.
        curve: Accuracy against speed, by ascending strength; empty unless it was asked for.
        sensitivities: By activation, in the order of the graph.
        corrections: What compensation tried, layer by layer.
        distillation: What distilling the weights gave; None if it was not tried.
        learning: What block-wise learning gave, price by price; the strategy is another where none of it was kept.
        step_time_error: Relative standard error of the measured times of layers that said which zeros pay; None where
            the cost model did, and in files of earlier versions.
        was_interrupted: Whether the search was stopped early; the set is the best until then.
        seconds: How long it took.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, ser_json_inf_nan="strings")

    thresholds: ThresholdSet
    layers: dict[str, LayerWeights] = Field(default_factory=dict, exclude=True, repr=False)
    metric: str
    max_drop: float | None
    max_information_loss: float | None
    calibration: Score
    holdout: Score
    baseline: Baseline | None = None
    estimate: DropEstimate | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    judged_output: str = ""
    guarded_outputs: tuple[str, ...] = ()
    sparsity_before: float
    sparsity_after: float
    predicted_speedup: float = 1.0
    measured_speed: MeasuredSpeed | None = None
    strategy: str
    options: CalibrationOptions
    trials: tuple[Trial, ...]
    curve: tuple[CurvePoint, ...] = ()
    sensitivities: tuple[LayerSensitivity, ...]
    corrections: tuple[Correction, ...] = ()
    learning: tuple[LearningTrial, ...] = ()
    distillation: DistillationTrial | None = None
    step_time_error: float | None = None
    was_interrupted: bool
    seconds: float

    def apply(self, model: ModelSource) -> ThresholdedModel:
        """Return the model with the thresholds, and with the corrected weights if there are any.

        Args:
            model: The model that was calibrated; not changed.

        Raises:
            ModelError: If it cannot be read or written.
            RecipeError: If it is another model.
        """
        from ..onnx import ThresholdedModel, apply_thresholds, load_model, replace_weights

        loaded = load_model(model)
        if self.layers:
            return replace_weights(loaded, self.layers, self.thresholds)
        return ThresholdedModel(apply_thresholds(loaded, self.thresholds))

    @property
    def is_zero(self) -> bool:
        """Whether no threshold is above zero: nothing could be gained within the budget."""
        return self.thresholds.is_zero

    @property
    def pooled_drop(self) -> float:
        """Drop as counted over both halves, each weighted by its inputs; half of these guided the search."""
        halves = (self.calibration, self.holdout)
        return sum(half.drop * half.samples for half in halves) / sum(half.samples for half in halves)

    @property
    def message(self) -> str:
        """What came out, in one or two sentences."""
        start = "Stopped early; the best so far: " if self.was_interrupted else ""
        if not self.sensitivities:
            why = " ".join(f"{note[:1].upper()}{note[1:]}." for note in self.notes)
            reason = self.reason or "no activation feeds a layer that can skip zeros"
            return f"{start}{reason[:1].upper()}{reason[1:]}: there is nothing to threshold. {why}".rstrip()
        if self.is_zero:
            return start + "No thresholds passed the budget: the model stays as it is (all thresholds are 0)."
        change = f"sparsity {self.sparsity_before:.1%} -> {self.sparsity_after:.1%}"
        loss = loss_words(self.metric, self.estimate, self.holdout)
        excess = excess_words(self.metric, self.pooled_drop, self.max_drop)
        return f"{start}{change}{self._speed_words}; {loss}{excess}"

    @property
    def _speed_words(self) -> str:
        if self.options.costs == "macs":
            predicted = expected = f"{self.predicted_speedup:.2f}x by multiplications"
        else:
            predicted = f"predicted {self.predicted_speedup:.2f}x"
            expected = f"{predicted} as fast"
        if self.measured_speed is None:
            return f", {expected}"
        return f", measured {self.measured_speed.ratio:.2f}x as fast ({predicted})"

    @property
    def bounded(self) -> str:
        """What was bounded: the metric, of which output, and the information in which outputs."""
        return bounded_words(
            self.metric, self.max_drop, self.max_information_loss, self.judged_output, self.guarded_outputs
        )

    def __str__(self) -> str:
        return self.message

    def _words(self) -> str:
        return self.message

    def _records(self) -> list[Record]:
        """Return where thresholds were put: one row for each activation that the search knew."""
        return [
            {
                "activation": item.label or item.activation,
                "worth_ms": item.gain_ms,
                "dropped": item.fraction,
                "damage_per_ms": item.damage_per_ms,
                "is_per_channel": item.is_per_channel,
            }
            for item in self.sensitivities
        ]

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
            OutputError: If it cannot be written.
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
            values = json.loads(read_text(path))
            return cls.model_validate({**values, "thresholds": ThresholdSet.from_dict(values["thresholds"])})
        except (OSError, ValueError, KeyError, TypeError, RecursionError, RecipeError) as error:
            raise DataError(f"cannot read a calibration from '{os.fspath(path)}': {error}") from error
