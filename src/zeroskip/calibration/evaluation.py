"""Evaluating thresholds: the outputs and the sparsity of the model with them, over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..analysis import ModelInput
from ..analysis.inputs import Feed
from ..data import Dataset
from ..thresholds import ThresholdSet
from .metrics import Outputs

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..engine import InferenceSession, SessionOptions

_CACHE_BYTES = 1 << 30
_SPARSITY_BATCHES = 2


@dataclass(frozen=True)
class Evaluation:
    """What came of one set of thresholds.

    Args:
        outputs: float32 ``[N, ...]``, the model's first output.
        sparsity: Sparsity of what the skipping layers read, weighted by MACs, on the first inputs.
    """

    outputs: Outputs
    sparsity: float


class Evaluator:
    """Runs one model with different thresholds over one data set.

    Args:
        model: The model without new thresholds.
        data: What to feed. Up to 1 GiB of it is kept in memory, preprocessed.
        options: How to run the model.
        batch_size: Inputs per run.
    """

    def __init__(self, model: ir.Model, data: Dataset, options: SessionOptions, batch_size: int) -> None:
        self._model = model
        self._options = options
        self._batch_size = batch_size
        self.data = data

    @cached_property
    def dense(self) -> Evaluation:
        """The model as it is."""
        return self.evaluate({})

    def evaluate(self, thresholds: Mapping[str, float]) -> Evaluation:
        """Return outputs and sparsity with these thresholds.

        Args:
            thresholds: Activation to T; those not named stay as they are.

        Raises:
            RecipeError: If an activation is not in the model.
            EngineError: If the engine fails.
        """
        session = self._session(thresholds)
        outputs = [session.run(None, feed)[0][:count] for feed, count in self._feeds(session)]
        return Evaluation(np.concatenate(outputs), self._sparsity(session))

    def outputs(self, thresholds: Mapping[str, float]) -> Outputs:
        """Return the outputs only, as :meth:`evaluate`."""
        session = self._session(thresholds)
        return np.concatenate([session.run(None, feed)[0][:count] for feed, count in self._feeds(session)])

    def _session(self, thresholds: Mapping[str, float]) -> InferenceSession:
        from ..engine import InferenceSession
        from ..onnx import apply_thresholds

        changed = {name: threshold for name, threshold in thresholds.items() if threshold > 0.0}
        model = apply_thresholds(self._model, ThresholdSet(changed)) if changed else self._model
        return InferenceSession(model, self._options)

    def _sparsity(self, session: InferenceSession) -> float:
        feeds = self._feeds(session)
        profiles = [session.profile(feed, iterations=1) for feed, _ in _first(feeds, _SPARSITY_BATCHES)]
        return float(np.mean([profile.sparsity for profile in profiles]))

    def _feeds(self, session: InferenceSession) -> Iterable[tuple[Feed, int]]:
        return self._cached if self._fits else ModelInput.of(session).feeds(self.data, self._batch_size)

    @cached_property
    def _fits(self) -> bool:
        return 4 * len(self.data) * int(np.prod(self.data.sample_shape)) <= _CACHE_BYTES

    @cached_property
    def _cached(self) -> list[tuple[Feed, int]]:
        return list(ModelInput.of(self._session({})).feeds(self.data, self._batch_size))


def _first(feeds: Iterable[tuple[Feed, int]], count: int) -> Iterator[tuple[Feed, int]]:
    for number, item in enumerate(feeds):
        if number == count:
            return
        yield item
