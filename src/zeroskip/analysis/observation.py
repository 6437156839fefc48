"""Looking at activations: how many zeros each has on real data, and how its other values are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data import Dataset
from ..progress import Progress, Steps
from ..short_repr import ShortRepr
from .inputs import ModelInput
from .records import Histogram

if TYPE_CHECKING:
    from ..engine import InferenceSession

# Every activation of every input of a batch is held at once: 4 inputs of VGG-16, the largest, take 216 MB.
_BATCH_SIZE = 4
SAMPLES_PER_INPUT = 4096
"""Values drawn from each activation for each input; 50 inputs give 200,000, quantiles are exact to 0.1 %."""
_BINS = 48
_SHOWN = 0.995
"""Share of the values within the frame of a histogram."""


@dataclass(frozen=True, repr=False)
class ActivationValues(ShortRepr):
    """What one activation did on a data set.

    Args:
        elements: Values per input of the data set.
        sparsity: Fraction of exact zeros over the whole data set, in [0, 1].
        positives: float32 ``[n]``, sorted: a random sample of the values that were not zero.
    """

    elements: int
    sparsity: float
    positives: NDArray[np.float32]

    def quantile(self, fraction: float) -> float:
        """Return the threshold T at or below which lies ``fraction`` of the non-zero values.

        Args:
            fraction: In [0, 1]. Zero gives T = 0: nothing more becomes zero.

        Returns:
            T >= 0; ``x > T`` then keeps about ``1 - fraction`` of the non-zero values.
        """
        count = len(self.positives)
        if fraction <= 0.0 or count == 0:
            return 0.0
        return max(0.0, float(self.positives[min(count, max(1, round(fraction * count))) - 1]))

    def histogram(self) -> Histogram | None:
        """Return how the values above zero are distributed; the few largest share the last bin. None without any."""
        upper = self.quantile(_SHOWN)
        if not 0.0 < upper < np.inf:
            return None
        counts, _ = np.histogram(np.minimum(self.positives, upper), _BINS, (0.0, upper))
        return Histogram(upper=upper, counts=tuple(counts.tolist()))


def observe(
    session: InferenceSession,
    names: Sequence[str],
    data: Dataset,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, ActivationValues]:
    """Run a model over a data set and watch some of its activations.

    Args:
        session: A session that has the model.
        names: Values of the graph to watch, by name.
        data: What to feed.
        seed: Seed of the sampling.
        progress: Told of each batch.

    Returns:
        What each activation did, in the order of ``names``.

    Raises:
        DataError: If the model has several inputs, or an input cannot be read.
        ShapeError: If the data do not fit the model.
        EngineError: If the engine fails.
    """
    if not names:
        return {}
    watchers = {name: _Watcher(np.random.default_rng([seed, index])) for index, name in enumerate(names)}
    steps = Steps(progress, "measuring sparsity", len(data))
    for feed, count in ModelInput.of(session).feeds(data, _BATCH_SIZE):
        for name, values in session.observe(names, feed).items():
            watchers[name].add(values[:count])
        steps.advance(count)
    return {name: watcher.result() for name, watcher in watchers.items()}


class _Watcher:
    """Accumulates one activation over the batches."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._places: NDArray[np.int64] | None = None
        self._seen = 0
        self._nonzeros = 0
        self._inputs = 0
        self._samples: list[NDArray[np.float32]] = []

    def add(self, values: NDArray[Any]) -> None:
        rows = values.reshape(len(values), -1)
        if self._places is None:  # the same places in every input: drawing anew costs more than the run
            self._places = self._random.integers(0, rows.shape[1], min(SAMPLES_PER_INPUT, rows.shape[1]))
        self._inputs += len(rows)
        self._seen += rows.size
        self._nonzeros += int(np.count_nonzero(rows))
        sample = rows[:, self._places].ravel()
        self._samples.append(sample[sample > 0])

    def result(self) -> ActivationValues:
        positives = np.sort(np.concatenate(self._samples)).astype(np.float32)
        return ActivationValues(self._seen // self._inputs, 1.0 - self._nonzeros / self._seen, positives)
