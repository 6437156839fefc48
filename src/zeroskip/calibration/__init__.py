"""Finding thresholds without training: more zeros within one end-to-end budget, checked on a holdout.

:func:`calibrate` is the way in and :class:`CalibrationResult` what it returns. It observes the activations,
probes how sensitive each is, allocates shares of values to drop (a strategy), and searches along the
strategy's one parameter. Writing thresholds into a model is the business of ``zeroskip.onnx``.
"""

from __future__ import annotations

from .calibrate import calibrate
from .compensation.compensation import COMPENSATIONS, CompensationName
from .judging.baseline import Baseline
from .judging.metric import METRICS, Detection, MeanIoU, MetricFunction, MetricName, SequenceAccuracy
from .network.timing import MeasuredSpeed
from .options import DEFAULT_MAX_DROP, PRECISIONS, STRATEGIES, CalibrationOptions, PrecisionName, StrategyName
from .quantization import PrecisionScore, QuantizationResult, quantize
from .records import Correction, CurvePoint, DropEstimate, LayerSensitivity, LearningTrial, Score, Trial
from .result import CalibrationResult

__all__ = [
    "COMPENSATIONS",
    "DEFAULT_MAX_DROP",
    "METRICS",
    "PRECISIONS",
    "STRATEGIES",
    "Baseline",
    "CalibrationOptions",
    "CalibrationResult",
    "CompensationName",
    "Correction",
    "CurvePoint",
    "Detection",
    "DropEstimate",
    "LayerSensitivity",
    "LearningTrial",
    "MeanIoU",
    "MeasuredSpeed",
    "MetricFunction",
    "MetricName",
    "PrecisionName",
    "PrecisionScore",
    "QuantizationResult",
    "Score",
    "SequenceAccuracy",
    "StrategyName",
    "Trial",
    "calibrate",
    "quantize",
]
