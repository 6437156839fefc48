"""What a quantisation returns: the model, what it costs, and how its scales were chosen."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...files import atomic_write_text
from ...short_repr import ShortRepr
from ...thresholds import ThresholdSet
from ..records import DropEstimate, Score
from ..sentences import counted_words, loss_words
from .scales import ScaleMethod

if TYPE_CHECKING:
    from ...onnx import ThresholdedModel


_MOST_LISTED = 4


class PrecisionScore(BaseModel):
    """One way to choose scales, with all layers as integers and no thresholds.

    Attributes:
        scales: The way.
        information_loss: How far the outputs moved on the calibration data, see :class:`~zeroskip.calibration.Score`.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    scales: ScaleMethod
    information_loss: float


class QuantizationResult(ShortRepr, BaseModel):
    """A quantised model that keeps within a budget, checked on data that its scales did not see.

    Attributes:
        model: The model; not part of the JSON, see :meth:`save_model`.
        precision: What its layers compute in.
        thresholds: Those that are in it.
        strength: Factor by which they were made smaller to fit into the budget, 0 to 1.
        metric: What was bounded.
        max_drop: Largest drop that was allowed.
        calibration: Score on the data of the scales, against the float model without thresholds.
        holdout: Score on the other data.
        estimate: Best estimate of the drop from both halves, which the budget bounds too; None for metrics that are no
            mean over inputs.
        complete: Score on the other data with every layer as integers, where some stay float32; else None.
        scales: How scales were chosen.
        tried: The ways to choose them, and what each cost.
        layers: Layers that could be quantised.
        float_layers: Those of them that stay float32.
        seconds: How long it took.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, ser_json_inf_nan="strings")

    model: Any = Field(exclude=True, repr=False)
    precision: Literal["int8"] = "int8"
    thresholds: ThresholdSet
    strength: float
    metric: str
    max_drop: float
    calibration: Score
    holdout: Score
    estimate: DropEstimate | None = None
    complete: Score | None = None
    scales: ScaleMethod
    tried: tuple[PrecisionScore, ...]
    layers: int
    float_layers: tuple[str, ...]
    seconds: float

    @property
    def quantized(self) -> ThresholdedModel:
        """The quantised model."""
        model: ThresholdedModel = self.model
        return model

    @property
    def message(self) -> str:
        """What came out, in a few sentences."""
        count = self.layers - len(self.float_layers)
        kept = f", float32: {_listed(self.float_layers)}" if self.float_layers else ""
        change = f"{count} of {self.layers} layers in int8 (scales by {self.scales}{kept})"
        if not self.thresholds.is_zero and self.strength < 1.0:
            change += f", thresholds at {self.strength:g} of their size"
        text = f"{change}; {loss_words(self.metric, self.estimate, self.holdout)}"
        if self.complete is not None:
            text += f" All {self.layers} layers in int8: {counted_words(self.metric, self.complete)}."
        return text

    def __str__(self) -> str:
        return self.message

    def save_model(self, path: str | os.PathLike[str]) -> None:
        """Write the quantised model; the file appears whole or not at all.

        Args:
            path: File to create or replace.

        Raises:
            ModelError: If the model is too large for one file.
            OutputError: If it cannot be written.
        """
        self.quantized.save(path)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the model as plain values that JSON can hold."""
        values = self.model_dump(mode="json", exclude={"thresholds"})
        return {**values, "thresholds": self.thresholds.to_dict()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything but the model as JSON.

        Args:
            path: File to create or replace.

        Raises:
            OutputError: If it cannot be written.
        """
        atomic_write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")


def _listed(layers: Sequence[str]) -> str:
    if len(layers) <= _MOST_LISTED:
        return ", ".join(layers)
    return f"{', '.join(layers[:_MOST_LISTED])} and {len(layers) - _MOST_LISTED} others"
