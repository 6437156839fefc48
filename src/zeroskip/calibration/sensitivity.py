"""Sensitivity: how much damage each activation does when a share of its non-zero values is dropped, alone.

Sensitivities of the layers of one network differ by orders of magnitude, so where zeros are put decides more
than anything else. Each activation is thinned by itself at a few levels, and the damage between the levels is
interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..analysis import ActivationValues
from ..progress import Progress, Steps
from .evaluation import Evaluator
from .metrics import Metric

LEVELS = (0.2, 0.5)
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
    evaluator: Evaluator,
    metric: Metric,
    values: Mapping[str, ActivationValues],
    names: Sequence[str],
    progress: Progress | None = None,
) -> dict[str, Sensitivity]:
    """Measure the sensitivity of each activation.

    Args:
        evaluator: Has the model and the inputs to probe with.
        metric: Defines the damage.
        values: The values of each activation, for the quantiles.
        names: Activations to probe.
        progress: Told of each probe.

    Returns:
        Sensitivity by activation.
    """
    reference = evaluator.dense.outputs
    steps = Steps(progress, "probing sensitivity of layers", len(names) * len(LEVELS))
    result = {}
    for name in names:
        damages = []
        for level in LEVELS:
            outputs = evaluator.outputs({name: values[name].quantile(level)})
            damages.append(metric.information_loss(reference, outputs))
            steps.advance()
        result[name] = Sensitivity(LEVELS, tuple(damages))
    return result
