"""EngineSpec: one row of a benchmark, and the model file it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from ..baselines import ENGINES, Precision
from ..errors import DataError, EngineError, ModelError, ShapeError

ModelSource = str | os.PathLike[str] | bytes


@dataclass(frozen=True)
class EngineSpec:
    """One row of a benchmark: an engine, and where it differs from the benchmark's defaults.

    Args:
        engine: Key of ``zeroskip.baselines.ENGINES``.
        label: Name of the row; unique. Defaults to the engine's name, with the precision where it is given.
        model: ONNX file or bytes this row runs instead of the benchmark's model: for example the model with
            thresholds, while the other engines run the original on their fused ReLU path.
        precision: Computes in this instead of the benchmark's precision.
        python: Interpreter of another environment that has the engine, where its requirements contradict ours
            (DeepSparse); it needs NumPy as well.

    Example:
        >>> EngineSpec.parse("openvino:bf16").name
        'openvino:bf16'
    """

    engine: str
    label: str | None = None
    model: ModelSource | None = None
    precision: Precision | None = None
    python: str | None = None

    @property
    def name(self) -> str:
        """The row's label."""
        return self.label or self.engine + (f":{self.precision}" if self.precision else "")

    @classmethod
    def parse(cls, text: str) -> EngineSpec:
        """Read ``"engine"`` or ``"engine:precision"``.

        Args:
            text: As typed on the command line.

        Raises:
            EngineError: If the engine or the precision is unknown.
        """
        engine, _, precision = text.strip().partition(":")
        if engine not in ENGINES:
            raise EngineError(f"unknown engine {engine!r}, known are {list(ENGINES)}")
        if precision not in ("", "f32", "bf16"):
            raise EngineError(f"unknown precision {precision!r} in {text!r}, known are ['f32', 'bf16']")
        return cls(engine, precision=precision or None)  # type: ignore[arg-type]


def read_model(source: ModelSource) -> bytes:
    """Return a model's bytes.

    Args:
        source: ONNX file or its content.

    Raises:
        ModelError: If the file cannot be read.
    """
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model '{os.fspath(source)}': {error}") from error


def input_shape(model: bytes, sample_shape: Sequence[int], batch_size: int) -> tuple[str, tuple[int, ...]]:
    """Return the name of a model's only input and its shape with the data's sizes put in.

    Args:
        model: A serialized ONNX model.
        sample_shape: Shape of one input of the data.
        batch_size: Inputs per run.

    Raises:
        ModelError: If the bytes are no ONNX model.
        DataError: If the model has several inputs.
        ShapeError: If the data do not fit the model.
    """
    try:
        graph = onnx.load_model_from_string(model).graph
    except DecodeError as error:
        raise ModelError(f"not an ONNX model: {error}") from error
    constants = {initializer.name for initializer in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise DataError(
            f"the model has {len(inputs)} inputs {[value.name for value in inputs]}, a data set feeds one"
        )
    expected = [dim.dim_value or dim.dim_param or "?" for dim in inputs[0].type.tensor_type.shape.dim]
    shape = (batch_size, *sample_shape)
    fits = len(expected) == len(shape) and all(
        not isinstance(want, int) or want == have for want, have in zip(expected, shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"the data have shape {list(shape)} at batch size {batch_size}, but the model's input "
            f"'{inputs[0].name}' is {expected}: check preprocessing (crop, layout) and batch size"
        )
    return inputs[0].name, shape
