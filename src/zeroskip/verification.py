"""Verification: does ONNX Runtime compute from the written model what zeroskip computes?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .analysis import ModelInput
from .baselines import EngineProcess, available_engines
from .data import Dataset
from .errors import EngineError

if TYPE_CHECKING:
    from .engine import SessionOptions

Outputs = Sequence[Sequence[NDArray[Any]]]

PEER = "onnxruntime"
TOLERANCE = 1e-4
"""Largest accepted difference of outputs of a model without thresholds, relative to the largest output."""
THRESHOLDED_TOLERANCE = 2e-2
"""The same for a model with thresholds; the median over the inputs must be 20 times smaller.

FATReLU jumps at its threshold: a value within rounding of it is kept by one engine and zeroed by another.
That is no error of either: on SqueezeNet with thresholds, ONNX Runtime with and without its own optimisations
differs from itself by up to 6e-3, while on inputs without such a value all agree to 1e-6.
"""
_MEDIAN_SHARE = 0.05
_INPUTS = 16


class Verification(BaseModel):
    """Outputs of two engines on the same model and inputs, compared.

    Attributes:
        engine: The other engine.
        version: Version of its package.
        inputs: How many inputs were compared.
        difference: Largest difference over the inputs, relative to the largest output.
        median: Median over the inputs of each one's largest difference, relative to the same.
        tolerance: What is accepted as ``difference``.
    """

    model_config = ConfigDict(frozen=True)

    engine: str
    version: str
    inputs: int
    difference: float
    median: float
    tolerance: float


def verify(
    model: bytes, data: Dataset, options: SessionOptions, *, tolerance: float = TOLERANCE
) -> Verification | None:
    """Compare zeroskip's outputs with ONNX Runtime's on real inputs.

    Args:
        model: ONNX file content.
        data: Real inputs; up to 16 are used.
        options: How zeroskip runs.
        tolerance: Largest accepted difference, relative to the largest output; :data:`TOLERANCE`, or
            :data:`THRESHOLDED_TOLERANCE` for a model with thresholds.

    Returns:
        The comparison, or None where onnxruntime is not installed.

    Raises:
        EngineError: If the outputs differ by more than the tolerance, or their median by more than a
            twentieth of it on a model with thresholds.
    """
    if PEER not in available_engines():
        return None
    from .engine import InferenceSession

    session = InferenceSession(model, options)
    model_input = ModelInput.of(session)
    data = data.subset(_INPUTS)
    feeds = list(model_input.feeds(data, 1))
    with EngineProcess(PEER, max(1, options.intra_op_num_threads)) as peer:
        loaded = peer.load(model, {model_input.name: feeds[0][0][model_input.name].shape})
        peer.set_feeds([feed for feed, _ in feeds])
        expected = peer.outputs()
    got = [session.run(None, feed) for feed, _ in feeds]
    differences = _differences(expected, got)
    difference, median = float(differences.max()), float(np.median(differences))
    accepted_median = tolerance if tolerance <= TOLERANCE else _MEDIAN_SHARE * tolerance
    if not (difference <= tolerance and median <= accepted_median):
        raise EngineError(
            f"zeroskip and {PEER} {loaded.version} differ by {difference:.1e} of the largest output on "
            f"{len(data)} inputs (median {median:.1e}; accepted {tolerance:.0e} and {accepted_median:.0e}): "
            "the model must not be used; please report it"
        )
    return Verification(
        engine=PEER,
        version=loaded.version,
        inputs=len(data),
        difference=difference,
        median=median,
        tolerance=tolerance,
    )


def _differences(expected: Outputs, got: Outputs) -> NDArray[np.float64]:
    """Return each input's largest difference relative to the largest output of all, float64 ``[inputs]``."""
    worst = np.zeros(len(expected))
    for theirs, ours in zip(zip(*expected, strict=True), zip(*got, strict=True), strict=True):
        first, second = (
            np.stack(arrays).reshape(len(worst), -1).astype(np.float64) for arrays in (theirs, ours)
        )
        absolute = np.abs(first - second).max(axis=1)
        relative = absolute / max(float(np.abs(first).max()), np.finfo(np.float32).tiny)
        worst = np.maximum(worst, np.nan_to_num(relative, nan=np.inf))
    return worst
