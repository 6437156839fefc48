"""Verification: does ONNX Runtime compute from the written model what zeroskip computes?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .analysis import ModelInput
from .baselines import EngineProcess, available_engines
from .bench.compare import Batches, Outputs, compare, noise_response
from .bench.jumps import has_jumps
from .data import Dataset
from .errors import EngineError
from .onnx import LoadedModel

if TYPE_CHECKING:
    from .analysis.inputs import Feed
    from .engine import InferenceSession, SessionOptions

PEER = "onnxruntime"
TOLERANCE = 1e-4
"""Accepted difference of outputs, relative to the largest; flips at thresholds are judged by what they can do."""
_INPUTS = 16


class Verification(BaseModel):
    """Outputs of two engines on the same model and inputs, compared.

    Attributes:
        engine: The other engine.
        version: Version of its package.
        inputs: How many inputs were compared.
        difference: Largest difference over the inputs, relative to the largest output.
        median: Median over the inputs of each one's largest difference, relative to the same.
        tolerance: What is accepted as ``difference``; above 1e-4 only where a threshold flips values.
        share_within_rounding: Fraction of the inputs that differ by no more than 1e-4.
    """

    model_config = ConfigDict(frozen=True)

    engine: str
    version: str
    inputs: int
    difference: float
    median: float
    tolerance: float
    share_within_rounding: float = 1.0


def verify(model: LoadedModel, data: Dataset, options: SessionOptions) -> Verification | None:
    """Compare zeroskip's outputs with ONNX Runtime's on real inputs.

    Args:
        model: The model.
        data: Real inputs; up to 16 are used.
        options: How zeroskip runs.

    Returns:
        The comparison, or None where onnxruntime is not installed.

    Raises:
        EngineError: If the outputs differ by more than rounding; on a model with thresholds, by more than flips of
            single values can do.
    """
    if PEER not in available_engines():
        return None
    from .engine import InferenceSession

    session = InferenceSession(model, options)
    model_input = ModelInput.of(session)
    data = model_input.data(data).subset(_INPUTS)
    feeds = list(model_input.feeds(data, 1))
    with EngineProcess(PEER, max(1, options.intra_op_num_threads)) as peer:
        loaded = peer.load(model, {name: array.shape for name, array in feeds[0][0].items()})
        peer.set_feeds([feed for feed, _ in feeds])
        expected = peer.outputs()
    got = [session.run(None, feed) for feed, _ in feeds]
    found = compare(expected, got, TOLERANCE, _response(session, feeds, got) if has_jumps(model) else None)
    if not found.is_match:
        raise EngineError(
            f"zeroskip and {PEER} {loaded.version} differ by {found.difference:.1e} of the largest output on "
            f"{len(data)} inputs (median {found.median:.1e}; accepted {found.accepted:.0e} and "
            f"{found.accepted_median:.0e}): the model must not be used; please report it"
        )
    return Verification(
        engine=PEER,
        version=loaded.version,
        inputs=len(data),
        difference=found.difference,
        median=found.median,
        tolerance=found.accepted,
        share_within_rounding=found.share_within,
    )


def _response(
    session: InferenceSession, feeds: Sequence[tuple[Feed, int]], outputs: Outputs
) -> Callable[[], NDArray[np.float64]]:
    def run(batches: Batches) -> Outputs:
        return [session.run(None, feed) for feed in batches]

    return lambda: noise_response(run, [feed for feed, _ in feeds], outputs, "f32")
