"""ONNX Runtime on its CPU execution provider, all graph optimisations on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from .engine import Engine, Feed, ModelContent, Precision, Shapes

_ERRORS_ONLY = 3


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime; its worker threads spin while a run lasts, as by default.

    Args:
        threads: Size of the thread pool inside operators.
        precision: ``"f32"``, or ``"int8"`` for a quantised model; the CPU provider computes in the model's own type.
    """

    name = "onnxruntime"

    def __init__(self, threads: int, precision: Precision) -> None:
        self.threads = threads
        self.precision = precision

    @property
    def version(self) -> str:
        """Version of the onnxruntime package."""
        return str(onnxruntime.__version__)

    @property
    def description(self) -> str:
        """The settings that decide its speed."""
        return f"CPUExecutionProvider, all optimisations, {self.threads} intra-op threads, spinning"

    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Prepare a model, see :class:`Engine`."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(
            str(model) if isinstance(model, Path) else model, options, providers=["CPUExecutionProvider"]
        )

    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once, see :class:`Engine`."""
        return list(self._session.run(None, dict(feed)))
