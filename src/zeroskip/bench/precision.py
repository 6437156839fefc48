"""Rows in int8: whose model is quantised by the engine's own tool, and whose accuracy stands beside their time.

Scales come from the first half of the data, accuracy from the second, the same for all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import ModelInput
from ..baselines import Precision
from ..baselines.quantizers import quantize_for
from ..data import Dataset
from ..metrics import agreement, top1
from ..onnx import LoadedModel
from .result import Accuracy
from .row import Row
from .specs import EngineSpec

_CALIBRATION_INPUTS = 64
_JUDGED_INPUTS = 256


def model_of(spec: EngineSpec, loaded: LoadedModel, data: Dataset, precision: Precision) -> LoadedModel:
    """Return the model that a row runs.

    Args:
        spec: The row.
        loaded: The benchmark's model.
        data: Its data.
        precision: Its precision.

    Raises:
        EngineError: If the model cannot be quantised.
    """
    if spec.model is not None:
        return LoadedModel.of(spec.model)
    if (spec.precision or precision) != "int8":
        return loaded
    first = halves(data)[0].subset(_CALIBRATION_INPUTS)
    feeds = [feed for feed, _ in ModelInput.of_model(loaded).feeds(first, 1)]
    return LoadedModel.of(quantize_for(spec.engine, loaded.to_bytes(), feeds)[0])


def halves(data: Dataset) -> tuple[Dataset, Dataset]:
    """Return what scales are taken from and what accuracy is judged on."""
    return data.split(0.5, seed=0) if len(data) > 1 else (data, data)


def mark_accuracy(rows: Sequence[Row], data: Dataset, batch_size: int) -> None:
    """Set the accuracy of every row if one of them computes in int8 and the inputs are alike.

    Args:
        rows: Loaded rows.
        data: The benchmark's data.
        batch_size: Inputs per run.
    """
    if not any(row.precision == "int8" for row in rows) or not data.is_uniform:
        return
    judged = halves(data)[1]
    count = min(len(judged), _JUDGED_INPUTS) // batch_size * batch_size
    if not count:
        return
    judged = judged.subset(count)
    batches = [batch for batch, _ in judged.batches(batch_size)][: count // batch_size]
    answers = [np.concatenate([outputs[0] for outputs in row.outputs_for(batches)]) for row in rows]
    floats = [answer for row, answer in zip(rows, answers, strict=True) if row.precision != "int8"]
    for row, answer in zip(rows, answers, strict=True):
        row.accuracy = _accuracy(answer, floats[0] if floats else None, judged.labels)


def _accuracy(answers: NDArray[Any], reference: NDArray[Any] | None, labels: NDArray[np.int64] | None) -> Accuracy:
    has_classes = answers.ndim == 2 and answers.shape[1] > 1
    same = agreement(reference, answers) if has_classes and reference is not None else None
    right = top1(answers, labels[: len(answers)]) if has_classes and labels is not None else None
    return Accuracy(inputs=len(answers), agreement=same, top1=right)
