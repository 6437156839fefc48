"""Summary: the outcome of `optimize` in one small JSON file that other programs can rely on."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from .calibration import DropEstimate
from .gain import Gain
from .precisions import PrecisionOutcome
from .saved_value import SavedValue


class LatencyMs(BaseModel):
    """Median time per run in ms, all from one interleaved benchmark.

    Attributes:
        onnxruntime: ONNX Runtime in float32 on the original model; None where it is not installed.
        zeroskip_exact: zeroskip on the original model.
        zeroskip: zeroskip on the model with thresholds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    onnxruntime: float | None
    zeroskip_exact: float
    zeroskip: float


class Summary(SavedValue):
    """What `optimize` reached.

    Attributes:
        metric: What was bounded: ``"top1"``, ``"agreement"``, ``"fidelity"`` or a function's name.
        baseline: The metric of the original model on the holdout.
        optimized: The metric of the model with thresholds on the holdout.
        drop: ``baseline - optimized``.
        estimate: The best estimate of the drop, from all data, with its interval; None where nothing was changed. The
            budget holds for it, ``drop`` is a count of few inputs.
        agreement: Share of the holdout that both models answer alike; None for outputs that are no classes.
        sparsity_before: Input sparsity of the layers that can skip, weighted by MACs, original model.
        sparsity_after: The same with thresholds.
        latency_ms: Times.
        speedup_exact: ONNX Runtime's time over zeroskip's on the original model; None without ONNX Runtime.
        speedup: ONNX Runtime's time over zeroskip's with thresholds; None without ONNX Runtime.
        gain_exact: The former with the range that the measurement leaves open; None without ONNX Runtime.
        gain_thresholds: What thresholds add: zeroskip's time on the original model over that with thresholds.
        recommended: ``"thresholds"``, or ``"exact"`` where these gain less than the measurement leaves open: then the
            original model is as fast, and its results are unchanged.
        precisions: What float32 and int8 cost and save; empty where int8 was not asked for, or breaks the budget.
        threads: Threads of every engine.
        batch_size: Inputs per run.
        isa: Instruction set zeroskip used.
        versions: Installed version by package.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    _what: ClassVar[str] = "a summary"

    metric: str
    baseline: float
    optimized: float
    drop: float
    estimate: DropEstimate | None = None
    agreement: float | None = None
    sparsity_before: float
    sparsity_after: float
    latency_ms: LatencyMs
    speedup_exact: float | None
    speedup: float | None
    gain_exact: Gain | None
    gain_thresholds: Gain
    recommended: Literal["exact", "thresholds"]
    precisions: tuple[PrecisionOutcome, ...] = ()
    threads: int
    batch_size: int
    isa: str
    versions: dict[str, str]
