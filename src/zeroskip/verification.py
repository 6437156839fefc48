"""Verification: does ONNX Runtime compute from the written model what zeroskip computes?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from .analysis import ModelInput
from .baselines import EngineProcess, available_engines
from .data import Dataset
from .errors import EngineError
from .metrics import relative_difference

if TYPE_CHECKING:
    from .engine import SessionOptions

PEER = "onnxruntime"
TOLERANCE = 1e-4
"""Largest accepted difference of outputs, relative to the largest output."""
_INPUTS = 16


class Verification(BaseModel):
    """Outputs of two engines on the same model and inputs, compared.

    Attributes:
        engine: The other engine.
        version: Version of its package.
        inputs: How many inputs were compared.
        difference: Largest difference relative to the largest output.
        tolerance: What is accepted.
    """

    model_config = ConfigDict(frozen=True)

    engine: str
    version: str
    inputs: int
    difference: float
    tolerance: float


def verify(
    model: bytes, data: Dataset, options: SessionOptions, *, tolerance: float = TOLERANCE
) -> Verification | None:
    """Compare zeroskip's outputs with ONNX Runtime's on real inputs.

    Args:
        model: ONNX file content.
        data: Real inputs; up to 16 are used.
        options: How zeroskip runs.
        tolerance: Largest accepted difference, relative to the largest output.

    Returns:
        The comparison, or None where onnxruntime is not installed.

    Raises:
        EngineError: If the outputs differ by more than the tolerance.
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
    difference = max(
        relative_difference(np.stack(theirs), np.stack(ours))
        for theirs, ours in zip(zip(*expected, strict=True), zip(*got, strict=True), strict=True)
    )
    if not difference <= tolerance:
        raise EngineError(
            f"zeroskip and {PEER} {loaded.version} differ by {difference:.1e} of the largest output on "
            f"{len(data)} inputs (accepted: {tolerance:.0e}): the model must not be used; please report it"
        )
    return Verification(
        engine=PEER,
        version=loaded.version,
        inputs=len(data),
        difference=difference,
        tolerance=tolerance,
    )
