"""Sensitivity: how much damage each activation does when a share of its non-zero values is dropped, alone.

Sensitivities of the layers of one network differ by orders of magnitude, so where zeros are put decides more
than anything else. Each activation is thinned by itself at a few levels, and the damage between the levels is
interpolated. The same is done for two directions: one threshold for all channels, and thresholds in inverse
proportion to how strongly a channel is weighed; the one that does less damage is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...progress import Progress
from ...thresholds import Threshold
from ..judging.metric import Metric
from ..network.evaluation import Evaluator
from ..network.samples import Values

LEVELS = _LOW, MIDDLE_LEVEL, _HIGH = 0.1, 0.3, 0.6
"""Shares of an activation's non-zero values that the probes drop."""
_DAMAGE_RANGE = (1e-9, 1e9)  # below is rounding noise; the bounds also keep logarithms finite
_SLOPE_RANGE = (1.0, 4.0)


@dataclass(frozen=True)
class Sensitivity:
    """The damage one activation does alone, as a power of the share of its non-zero values that is dropped.

    Args:
        levels: Shares that were tried, ascending, in (0, 1).
        damages: Damage at each of them, >= 0.
    """

    levels: tuple[float, ...]
    damages: tuple[float, ...]

    def at(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the damage at other shares: a straight line of log over log through neighbouring levels.

        Args:
            fractions: In [0, 1]. No share, no damage.

        Example:
            >>> Sensitivity((0.2, 0.4), (0.01, 0.04)).at(np.array([0.0, 0.1, 0.2, 0.8])).round(4).tolist()
            [0.0, 0.0025, 0.01, 0.16]
        """
        logs = np.log(np.maximum.accumulate(np.clip(self.damages, *_DAMAGE_RANGE)))
        places = np.log(self.levels)
        asked = np.log(np.maximum(fractions, 1e-12))
        slopes = np.clip(np.diff(logs) / np.diff(places), *_SLOPE_RANGE)
        first, last = (slopes[0], slopes[-1]) if len(slopes) else (_SLOPE_RANGE[0], _SLOPE_RANGE[0])
        inside = np.interp(asked, places, logs)
        below = np.minimum(asked - places[0], 0.0) * first
        beyond = np.maximum(asked - places[-1], 0.0) * last
        return np.where(fractions <= 0.0, 0.0, np.exp(inside + below + beyond))


def probe(
    evaluator: Evaluator, metric: Metric, values: Mapping[str, Values], progress: Progress | None = None
) -> tuple[dict[str, Values], dict[str, Sensitivity]]:
    """Choose the direction of each activation's thresholds and measure its sensitivity along it.

    Args:
        evaluator: Has the network as it is and the inputs to probe with.
        metric: Defines the damage.
        values: The activations, in the order of the graph.
        progress: Told of each probe.

    Returns:
        The values along their directions, and the sensitivities.
    """
    directions = {name: _directions(evaluator, name, sample) for name, sample in values.items()}
    tried = {name: [item.threshold(MIDDLE_LEVEL) for item in choice] for name, choice in directions.items()}
    at_middle = _damages(evaluator, metric, tried, progress, "comparing thresholds per channel")
    chosen = {name: choice[int(np.argmin(at_middle[name]))] for name, choice in directions.items()}
    tried = {name: [sample.threshold(level) for level in (_LOW, _HIGH)] for name, sample in chosen.items()}
    around = _damages(evaluator, metric, tried, progress, "probing sensitivity of layers")
    return chosen, {
        name: Sensitivity(LEVELS, (low, min(at_middle[name]), high)) for name, (low, high) in around.items()
    }


def _directions(evaluator: Evaluator, name: str, sample: Values) -> list[Values]:
    network = evaluator.network
    if network.program.channels(name) != sample.rows.shape[1]:
        return [sample]
    scale = network.weight_scale(name)
    return [sample] if scale is None else [sample, replace(sample, scale=scale)]


def _damages(
    evaluator: Evaluator,
    metric: Metric,
    tried: Mapping[str, Sequence[Threshold]],
    progress: Progress | None,
    what: str,
) -> dict[str, list[float]]:
    reference = evaluator.dense.outputs
    outputs = evaluator.variants({}, tried, progress, what)
    return {name: [metric.information_loss(reference, found) for found in results] for name, results in outputs.items()}
