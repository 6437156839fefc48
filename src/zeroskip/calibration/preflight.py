"""Preflight: what would end a calibration after a long analysis is found in seconds before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..analysis import ModelInput, run_batches
from ..data import Dataset
from ..errors import CalibrationError
from ..progress import Progress
from .judging.baseline import judge_data
from .judging.metric import Outputs, is_top1
from .options import CalibrationOptions

if TYPE_CHECKING:
    from ..onnx.load import ModelSource

_FEW, _MANY = 64, 1024
"""Inputs that a sane baseline is told from; the larger number decides where the smaller leaves a doubt."""


def preflight(
    model: ModelSource, data: Dataset, holdout: Dataset, options: CalibrationOptions, progress: Progress | None = None
) -> None:
    """Decode every picture, and check that the model does more than guess by the labels if these will be gone by.

    Args:
        model: ONNX file, its content, or a loaded model.
        data: The data of the search.
        holdout: The data of the check.
        options: How it will be calibrated; that they are consistent was checked when they were made.
        progress: Told of each picture.

    Raises:
        CalibrationError: If labels or preprocessing cannot be right and ``options.accept_baseline`` does not insist.
        DataError: If pictures cannot be read; the message names them all.
        ShapeError: If the data do not fit the model.
        ModelError: If the model cannot be read or run.
    """
    from ..engine import InferenceSession, SessionOptions

    for part in (data, holdout):
        part.check(progress)
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa))
    for part in (data, holdout):
        ModelInput.of(session).check(part)
    if data.labels is None or options.accept_baseline:
        return
    first = [session.get_outputs()[0].name]

    def run(inputs: Dataset) -> Outputs:
        return np.concatenate([outputs[0] for outputs in run_batches(session, inputs, options.batch_size, first)])

    few = data.subset(_FEW)
    outputs = run(few)
    if not is_top1(options.metric, outputs):
        return
    baseline = judge_data(outputs, [few], run)
    if baseline.problem is not None and baseline.hint is None and len(data) > len(few):
        many = data.subset(_MANY)
        baseline = judge_data(run(many), [many])
    if baseline.problem is not None:
        raise CalibrationError(baseline.message)
