"""What each precision of a model costs and saves: one row for float32 and one for int8, measured side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from .calibration import CalibrationResult, QuantizationResult, Score, quantize
from .errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import BenchResult
    from .calibration import CalibrationOptions
    from .data import Dataset
    from .onnx import LoadedModel
    from .progress import Progress

INT8_LABEL = "zeroskip_int8"


class PrecisionOutcome(BaseModel):
    """One precision of a model.

    Attributes:
        precision: What its layers compute in.
        drop: What the metric lost on the holdout, as counted.
        interval: 95 % interval of that; None where nothing can be said.
        likely_drop: How far the metric really falls, see :class:`~zeroskip.calibration.Score`; top-1 only.
        latency_ms: Median time of a run.
        speedup: Time of the original model in float32 over that.
        float_layers: Layers that stay float32.
        is_chosen: Whether it is what is recommended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Literal["f32", "int8"]
    drop: float
    interval: tuple[float, float] | None
    likely_drop: float | None
    latency_ms: float
    speedup: float
    float_layers: tuple[str, ...] = ()
    is_chosen: bool

    def __str__(self) -> str:
        chosen = ", chosen" if self.is_chosen else ""
        return f"{self.precision}: {self.latency_ms:.3g} ms, {self.speedup:.2f}x, drop {self.drop:.2%}{chosen}"


def quantize_within(
    model: LoadedModel,
    calibration: CalibrationResult,
    data: Dataset,
    holdout: Dataset,
    options: CalibrationOptions,
    tell: Callable[[str], None],
    progress: Progress | None = None,
) -> QuantizationResult | None:
    """Quantise a model with the thresholds that were found, under the same budget.

    Args:
        model: The float model.
        calibration: Its thresholds.
        data: What scales come from.
        holdout: What has to confirm them.
        options: ``precision`` says whether int8 is a wish or a possibility.
        tell: Told what came of it.
        progress: Told of each step.

    Returns:
        The quantised model; None where float32 is asked for, or int8 is only a possibility and breaks the budget.

    Raises:
        CalibrationError: If int8 is asked for and breaks the budget, or the goal is no budget.
    """
    if options.precision == "f32":
        return None
    try:
        result = quantize(
            model, data, thresholds=calibration.thresholds, layers=calibration.layers, holdout=holdout,
            options=options, progress=progress,
        )  # fmt: skip
    except CalibrationError as error:
        if options.precision == "int8":
            raise
        tell(f"not quantised: {error}")
        return None
    tell(f"quantised: {result.message}")
    return result


def compare_precisions(
    calibration: CalibrationResult, quantized: QuantizationResult | None, measured: BenchResult, ours: str, exact: str
) -> tuple[PrecisionOutcome, ...]:
    """Return what each precision costs and saves; nothing where there is only one.

    Args:
        calibration: The float32 model.
        quantized: The int8 model.
        measured: Has a row for each.
        ours: Label of the float32 model with thresholds.
        exact: Label of the original model.
    """
    if quantized is None:
        return ()
    is_faster = measured[INT8_LABEL].p50_ms < measured[ours].p50_ms
    wants_int8 = calibration.options.precision == "int8" or is_faster

    def outcome(precision: Literal["f32", "int8"], label: str, score: Score, *, is_chosen: bool) -> PrecisionOutcome:
        return PrecisionOutcome(
            precision=precision,
            drop=score.drop,
            interval=score.interval,
            likely_drop=score.likely_drop,
            latency_ms=measured[label].p50_ms,
            speedup=measured.speedup(label, over=exact),
            float_layers=quantized.float_layers if precision == "int8" else (),
            is_chosen=is_chosen,
        )

    return (
        outcome("f32", ours, calibration.holdout, is_chosen=not wants_int8),
        outcome("int8", INT8_LABEL, quantized.holdout, is_chosen=wants_int8),
    )
