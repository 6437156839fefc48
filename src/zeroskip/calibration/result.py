"""What a calibration returns: the thresholds, what they cost, and how they were found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import DataError, RecipeError
from ..files import atomic_write_text
from ..onnx import LayerWeights
from ..thresholds import ThresholdSet

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..onnx import ThresholdedModel


class Score(BaseModel):
    """The metric before and after, on one set of inputs.

    Attributes:
        samples: Number of inputs.
        baseline: Metric of the dense model.
        optimized: Metric with the thresholds.
        information_loss: How far the outputs moved against how much they differ between inputs: 0 unchanged,
            1 blind.
        interval: 95 % confidence interval of the drop, by paired bootstrap; None where it was not asked for.
        p_value: Of McNemar's test for "the two models are equally good"; top-1 only.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    samples: int
    baseline: float
    optimized: float
    information_loss: float
    interval: tuple[float, float] | None = None
    p_value: float | None = None

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
        predicted_speedup: Time of the model as it is over time with the set, by the engine's cost model.
        score: What it did to the metric.
        passed: Whether it kept within the budget.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    stage: str
    strength: float
    sparsity: float
    predicted_speedup: float = 1.0
    score: Score
    passed: bool


class CurvePoint(BaseModel):
    """One point of accuracy against speed, measured on both sets of data.

    Attributes:
        strength: Place in the strategy's family, in [0, 1]; 0 is the model as it is.
        sparsity: Of what the skipping layers read, weighted by MACs, on the calibration data.
        predicted_speedup: Time of the model as it is over time at this point, by the engine's cost model.
        calibration: Score on the data of the search.
        holdout: Score on the other data.
        is_efficient: Whether no faster point loses less on the holdout (the Pareto front).
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    strength: float
    sparsity: float
    predicted_speedup: float
    calibration: Score
    holdout: Score
    is_efficient: bool


class LayerSensitivity(BaseModel):
    """One activation in the search.

    Attributes:
        activation: Its name.
        gain_ms: Predicted time per input that is saved if nearly all its values become zero.
        levels: Shares of its non-zero values that were dropped alone.
        damages: Damage at each of them; comparable between layers, without unit.
        is_per_channel: Whether its channels have thresholds of their own.
        fraction: The share it drops in the end.
        damage_per_ms: Damage at that share, alone, over the time saved; None where nothing is dropped.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    activation: str
    gain_ms: float
    levels: tuple[float, ...]
    damages: tuple[float, ...]
    is_per_channel: bool
    fraction: float
    damage_per_ms: float | None


class Correction(BaseModel):
    """What compensation did to one layer.

    Attributes:
        layer: The step of the plan.
        kind: ``"bias"`` or ``"reconstruct"``.
        ridge: Strength of the regularisation, 0 for a bias.
        damage_before: Information loss of the whole network before, on inputs the correction was not made from.
        damage_after: With the correction.
        is_kept: Whether it lowered the damage and was kept.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    layer: str
    kind: str
    ridge: float
    damage_before: float
    damage_after: float
    is_kept: bool


class CalibrationResult(BaseModel):
    """Thresholds that keep within a budget, checked on data the search did not see.

    Attributes:
        thresholds: The set to apply; all zero if nothing passed.
        layers: Corrected weights by layer; not part of the JSON, see :meth:`apply`.
        metric: What was bounded.
        max_drop: Largest drop that was allowed; None when a target was asked for instead.
        max_information_loss: Largest information loss that was allowed; None if it was not bounded.
        target_sparsity: Sparsity that was asked for, if one was.
        target_speedup: Predicted speed-up that was asked for, if one was.
        calibration: Score on the data of the search.
        holdout: Score on the other data.
        sparsity_before: Of what the skipping layers read, weighted by MACs, on the calibration data.
        sparsity_after: The same with the thresholds.
        predicted_speedup: Time before over time after, by the engine's cost model.
        strategy: How shares were allocated to layers.
        compensation: ``"none"``, ``"bias"`` or ``"reconstruct"``: what the consumers' weights were corrected by.
        seed: Seed of split and sampling.
        trials: Everything that was tried, in order.
        curve: Accuracy against speed, by ascending strength; empty unless it was asked for.
        sensitivities: By activation, in the order of the graph.
        corrections: What compensation tried, layer by layer.
        was_interrupted: Whether the search was stopped early; the set is the best until then.
        seconds: How long it took.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, ser_json_inf_nan="strings")

    thresholds: ThresholdSet
    layers: dict[str, LayerWeights] = Field(default_factory=dict, exclude=True, repr=False)
    metric: str
    max_drop: float | None
    max_information_loss: float | None
    target_sparsity: float | None
    target_speedup: float | None = None
    calibration: Score
    holdout: Score
    sparsity_before: float
    sparsity_after: float
    predicted_speedup: float = 1.0
    strategy: str
    compensation: str = "none"
    seed: int
    trials: tuple[Trial, ...]
    curve: tuple[CurvePoint, ...] = ()
    sensitivities: tuple[LayerSensitivity, ...]
    corrections: tuple[Correction, ...] = ()
    was_interrupted: bool
    seconds: float

    def apply(self, model: str | os.PathLike[str] | bytes | ir.Model) -> ThresholdedModel:
        """Return the model with the thresholds, and with the corrected weights if there are any.

        Args:
            model: The model that was calibrated; not changed.

        Raises:
            ModelError: If it cannot be read or written.
            RecipeError: If it is another model.
        """
        from ..onnx import ThresholdedModel, apply_thresholds, load_model, reweighted

        loaded = load_model(model)
        if self.layers:
            return reweighted(loaded, self.layers, self.thresholds)
        return ThresholdedModel(apply_thresholds(loaded, self.thresholds))

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
