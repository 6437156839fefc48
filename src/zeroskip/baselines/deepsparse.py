"""DeepSparse, the closed engine of the ICML 2020 paper's authors; ended in 2025, kept as a yardstick."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import deepsparse
import onnx
from numpy.typing import NDArray

from .engine import Engine, Feed, ModelContent, Precision, Shapes, content_of

_MAX_IR_VERSION = 9


class DeepSparseEngine(Engine):
    """DeepSparse with a single stream.

    Args:
        threads: ``num_cores``.
        precision: ``"f32"``.
    """

    name = "deepsparse"

    def __init__(self, threads: int, precision: Precision) -> None:
        self.threads = threads
        self.precision = precision

    @property
    def version(self) -> str:
        """Version of the deepsparse package."""
        return str(deepsparse.__version__)

    @property
    def description(self) -> str:
        """The settings that decide its speed."""
        return f"single stream, {self.threads} cores"

    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Prepare a model, see :class:`Engine`."""
        self._names = tuple(input_shapes)
        batch_size = next(iter(input_shapes.values()))[0]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(_readable(content_of(model)))
            self._engine = deepsparse.Engine(
                str(path),
                batch_size=batch_size,
                num_cores=self.threads,
                input_shapes=[list(shape) for shape in input_shapes.values()],
            )

    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once, see :class:`Engine`."""
        return list(self._engine.run([feed[name] for name in self._names]))


def _readable(model: bytes) -> bytes:
    """Return the model under an IR version the engine accepts; later ones add nothing it would need."""
    proto = onnx.load_model_from_string(model)
    proto.ir_version = min(proto.ir_version, _MAX_IR_VERSION)
    return bytes(proto.SerializeToString())
