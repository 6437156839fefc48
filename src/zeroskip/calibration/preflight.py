"""Preflight: what would end a calibration after a long analysis is found in seconds before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..analysis import ModelInput, run_batches
from ..data import Dataset
from ..errors import CalibrationError
from ..progress import Progress
from .judging.baseline import judge_data
from .judging.metric import Outputs, is_top1
from .judging.protocol import pick
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
    from ..onnx import LoadedModel
    from ..onnx.chosen_outputs import chosen_outputs

    for part in (data, holdout):
        part.check(progress)
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=options.threads or 0, isa=options.isa))
    for part in (data, holdout):
        ModelInput.of(session).check(part)
    if data.labels is None or options.accept_baseline:
        return
    names = [item.name for item in session.get_outputs()]

    def run(inputs: Dataset) -> Outputs:
        batches = run_batches(session, inputs, options.batch_size, names)
        return Outputs.joined([Outputs(dict(zip(names, outputs, strict=True))) for outputs in batches])

    few = data.subset(_FEW)
    outputs = run(few)
    if outputs.samples != len(few):  # not one row for each input, and so no classes
        return
    origins = chosen_outputs(LoadedModel.of(model).model)
    output = is_top1(options.metric, outputs, few.labels, output=options.output, origins=origins)
    if output is None:
        return
    baseline = judge_data(pick(outputs, output), [few], lambda inputs: pick(run(inputs), output))
    if baseline.problem is not None and baseline.hint is None and len(data) > len(few):
        many = data.subset(_MANY)
        baseline = judge_data(pick(run(many), output), [many])
    if baseline.problem is not None:
        raise CalibrationError(baseline.message)
