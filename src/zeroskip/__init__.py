"""zeroskip: measure, induce and exploit activation sparsity for fast neural-network inference on CPUs.

The names below are the public interface. They are resolved on first use, so that ``import zeroskip`` stays
cheap and loads neither torch nor onnxruntime nor matplotlib.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from .errors import (
    CalibrationError,
    DataError,
    EngineError,
    LimitError,
    ModelError,
    OutOfMemoryError,
    OutputError,
    RecipeError,
    ShapeError,
    UnsupportedOperatorError,
    ZeroskipError,
)

if TYPE_CHECKING:
    from . import bench as bench
    from . import data as data
    from . import metrics as metrics
    from . import onnx as onnx
    from . import onnxruntime as onnxruntime
    from . import torch as torch
    from .analysis import SparsityProfile
    from .analysis.analyze import analyze
    from .bench import BenchResult
    from .calibration import CalibrationOptions, CalibrationResult
    from .calibration.calibrate import calibrate
    from .calibration.quantization.quantizer import quantize
    from .calibration.quantization.result import QuantizationResult
    from .data import Dataset, Preprocess
    from .engine import CostModel, Explanation, InferenceSession, NodeArg, Profile, SessionOptions
    from .onnx import ThresholdedModel, apply
    from .optimize_result import OptimizeResult
    from .pipeline import optimize
    from .summary import Summary
    from .thresholds import ThresholdSet
    from .verification import Verification

__version__ = "0.1.0"

_LAZY = {
    "BenchResult": "zeroskip.bench",
    "CalibrationOptions": "zeroskip.calibration",
    "CalibrationResult": "zeroskip.calibration",
    "CostModel": "zeroskip.engine",
    "Dataset": "zeroskip.data",
    "Explanation": "zeroskip.engine",
    "InferenceSession": "zeroskip.engine",
    "NodeArg": "zeroskip.engine",
    "OptimizeResult": "zeroskip.optimize_result",
    "Preprocess": "zeroskip.data",
    "Profile": "zeroskip.engine",
    "QuantizationResult": "zeroskip.calibration",
    "SessionOptions": "zeroskip.engine",
    "SparsityProfile": "zeroskip.analysis",
    "Summary": "zeroskip.summary",
    "ThresholdSet": "zeroskip.thresholds",
    "ThresholdedModel": "zeroskip.onnx",
    "Verification": "zeroskip.verification",
    "analyze": "zeroskip.analysis",
    "apply": "zeroskip.onnx",
    "calibrate": "zeroskip.calibration",
    "optimize": "zeroskip.pipeline",
    "quantize": "zeroskip.calibration",
}
_MODULES = ("bench", "data", "metrics", "onnx", "onnxruntime", "thresholds", "torch")
"""Public parts of the package; like the names, loaded on first use."""
_INNER_MODULES = ("analysis", "baselines", "calibration", "engine", "pipeline", "report", "summary", "verification")

__all__ = [
    "BenchResult",
    "CalibrationError",
    "CalibrationOptions",
    "CalibrationResult",
    "CostModel",
    "DataError",
    "Dataset",
    "EngineError",
    "Explanation",
    "InferenceSession",
    "LimitError",
    "ModelError",
    "NodeArg",
    "OptimizeResult",
    "OutOfMemoryError",
    "OutputError",
    "Preprocess",
    "Profile",
    "QuantizationResult",
    "RecipeError",
    "SessionOptions",
    "ShapeError",
    "SparsityProfile",
    "Summary",
    "ThresholdSet",
    "ThresholdedModel",
    "UnsupportedOperatorError",
    "Verification",
    "ZeroskipError",
    "__version__",
    "analyze",
    "apply",
    "calibrate",
    "data",
    "optimize",
    "quantize",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _MODULES or name in _INNER_MODULES:
        value = importlib.import_module(f"zeroskip.{name}")
    else:
        raise AttributeError(f"module 'zeroskip' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    without = {name for name in ("torch",) if importlib.util.find_spec(name) is None}
    return sorted({*__all__, *_MODULES} - without)
