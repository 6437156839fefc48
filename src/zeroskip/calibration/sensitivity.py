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

LEVELS = (0.2, 0.5, 0.8)
"""Shares of an activation's non-zero values that the probes drop."""
_DAMAGE_FLOOR = 1e-9  # below it is rounding noise; it also keeps logarithms finite
_SLOPE_RANGE = (1.0, 3.0)


@dataclass(frozen=True)
class Sensitivity:
    """The damage one activation does alone.

    Args:
        levels: Shares of its non-zero values that were dropped, ascending, in (0, 1).
        damages: Damage at each of them, >= 0.
    """

    levels: tuple[float, ...]
    damages: tuple[float, ...]

    def at(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the damage at other shares, interpolated along straight lines of log over log.

        Args:
            fractions: In [0, 1]. Below the first level the curve goes on to zero as a power of the share.
        """
        logs = np.log(np.maximum.accumulate(np.maximum(self.damages, _DAMAGE_FLOOR)))
        places = np.log(self.levels)
        asked = np.log(np.maximum(fractions, 1e-12))
        inside = np.interp(asked, places, logs)
        below = logs[0] + self._first_slope(logs, places) * (asked - places[0])
        damage = np.exp(np.where(asked < places[0], below, inside))
        return np.where(fractions <= 0.0, 0.0, damage)

    @staticmethod
    def _first_slope(logs: NDArray[np.float64], places: NDArray[np.float64]) -> float:
        if len(places) < 2:
            return _SLOPE_RANGE[0]
        return float(np.clip((logs[1] - logs[0]) / (places[1] - places[0]), *_SLOPE_RANGE))


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
