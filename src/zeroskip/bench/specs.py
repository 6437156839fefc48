"""EngineSpec: one row of a benchmark, and the model file it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ..baselines import ENGINES, Precision
from ..engine.signature import NodeArg, Signature
from ..errors import DataError, EngineError, ShapeError
from ..onnx import LoadedModel
from ..onnx.load import ModelSource

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class EngineSpec:
    """One row of a benchmark: an engine, and where it differs from the benchmark's defaults.

    Args:
        engine: Key of ``zeroskip.baselines.ENGINES``.
        label: Name of the row; unique. Defaults to the engine's name, with the precision where it is given.
        model: ONNX file, bytes or loaded model this row runs instead of the benchmark's: for example the one with
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
        if precision not in ("", *PRECISIONS):
            raise EngineError(f"unknown precision {precision!r} in {text!r}, known are {list(PRECISIONS)}")
        return cls(engine, precision=precision or None)  # type: ignore[arg-type]


def input_shapes(model: LoadedModel, batch: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's inputs with the data's sizes put in.

    Args:
        model: The model.
        batch: What one run takes: the only input, or a dictionary by name.

    Raises:
        DataError: If an input is missing.
        ShapeError: If the data do not fit the model.
    """
    arguments = Signature.of(model.model).inputs
    names = [argument.name for argument in arguments]
    if not isinstance(batch, dict):
        if len(names) != 1:
            raise DataError(f"the model has {len(names)} inputs {names}, the data feed one")
        batch = {names[0]: batch}
    if missing := [name for name in names if name not in batch]:
        raise DataError(f"the data lack the inputs {missing} of the model; they have {sorted(batch)}")
    for argument in arguments:
        _check_shape(argument, batch[argument.name].shape)
    return {name: tuple(batch[name].shape) for name in names}


def _check_shape(argument: NodeArg, shape: Sequence[int]) -> None:
    fits = len(argument.shape) == len(shape) and all(
        not isinstance(want, int) or want == have for want, have in zip(argument.shape, shape, strict=True)
    )
    if not fits and argument.has_rank:
        expected = ["?" if size is None else size for size in argument.shape]
        batch = shape[0] if shape else 1
        raise ShapeError(
            f"the data have shape {list(shape)} at batch size {batch}, but the model's input "
            f"'{argument.name}' is {expected}: check preprocessing (crop, layout) and batch size"
        )
