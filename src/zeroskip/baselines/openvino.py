"""OpenVINO on its CPU plugin, tuned for latency, with the precision pinned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ..errors import EngineError
from .engine import Engine, Feed, ModelContent, Precision, Shapes


class OpenVinoEngine(Engine):
    """OpenVINO with one stream.

    The plugin computes in bf16 by itself wherever the processor has it; ``INFERENCE_PRECISION_HINT`` is
    therefore always set.

    Args:
        threads: ``INFERENCE_NUM_THREADS``.
        precision: ``"f32"``, ``"int8"`` for a quantised model, or ``"bf16"``, for a processor that has it.

    Raises:
        EngineError: If the processor has no bf16 and that is asked for.
    """

    name = "openvino"

    def __init__(self, threads: int, precision: Precision) -> None:
        self.threads = threads
        self.precision = precision
        if precision == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineError("this CPU has no bfloat16 products, so OpenVINO would compute in float32: leave bf16 out")

    @property
    def version(self) -> str:
        """Version of the openvino package, without its build number."""
        return str(openvino.__version__).split("-")[0]

    @property
    def description(self) -> str:
        """The settings that decide its speed."""
        return f"CPU, latency hint, 1 stream, {self.threads} threads, precision hint {self.precision}"

    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Prepare a model, see :class:`Engine`."""
        core = openvino.Core()
        # Without these weights it takes the bytes for the name of a file.
        network = core.read_model(model) if isinstance(model, Path) else core.read_model(model=model, weights=b"")
        # By position: OpenVINO may know an input by other names than the graph, but keeps the order.
        network.reshape(dict(zip(range(len(input_shapes)), input_shapes.values(), strict=True)))
        self._names = tuple(input_shapes)
        properties = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",  # of what is not quantised
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
        }
        self._request = core.compile_model(network, "CPU", properties).create_infer_request()

    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once, see :class:`Engine`."""
        inputs = {index: feed[name] for index, name in enumerate(self._names)}
        results = self._request.infer(inputs, share_inputs=True, share_outputs=True)
        return [np.asarray(value) for value in results.values()]
