"""zeroskip: measure, induce and exploit activation sparsity for fast neural-network inference on CPUs.

The names below are the public interface. They are resolved on first use, so that ``import zeroskip`` stays
cheap and loads neither torch nor onnxruntime nor matplotlib.
"""

from __future__ import annotations

import importlib
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
    from . import data as data
    from .analysis import SparsityProfile
    from .analysis.analyze import analyze
    from .calibration.calibrate import calibrate
    from .engine import InferenceSession, SessionOptions
    from .onnx import apply
    from .pipeline import optimize
    from .thresholds import ThresholdSet

__version__ = "0.1.0"

_LAZY = {
    "InferenceSession": "zeroskip.engine",
    "SessionOptions": "zeroskip.engine",
    "SparsityProfile": "zeroskip.analysis",
    "ThresholdSet": "zeroskip.thresholds",
    "analyze": "zeroskip.analysis",
    "apply": "zeroskip.onnx",
    "calibrate": "zeroskip.calibration",
    "optimize": "zeroskip.pipeline",
}
_LAZY_MODULES = {"data", "metrics", "thresholds", "bench"}

__all__ = [
    "CalibrationError",
    "DataError",
    "EngineError",
    "InferenceSession",
    "LimitError",
    "ModelError",
    "OutOfMemoryError",
    "OutputError",
    "RecipeError",
    "SessionOptions",
    "ShapeError",
    "SparsityProfile",
    "ThresholdSet",
    "UnsupportedOperatorError",
    "ZeroskipError",
    "__version__",
    "analyze",
    "apply",
    "calibrate",
    "data",
    "optimize",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _LAZY_MODULES:
        value = importlib.import_module(f"zeroskip.{name}")
    else:
        raise AttributeError(f"module 'zeroskip' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
