"""How far to trust a drop measured on a few hundred inputs: paired confidence intervals.

Both models see the same inputs, so what varies is only the inputs on which they differ: resampling pairs
gives far narrower intervals than two separate accuracies would.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import CalibrationError
from .metric import Labels, Metric, Outputs

RESAMPLES = 1000
CONFIDENCE = 0.95


def drop_interval(
    metric: Metric, reference: Outputs, outputs: Outputs, labels: Labels, *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the metric's drop, inputs resampled in pairs.

    Args:
        metric: Judges outputs.
        reference: float32 ``[N, ...]``, of the dense model.
        outputs: The same of the other model.
        labels: int64 ``[N]`` or None.
        seed: Of the resampling.

    Returns:
        Lower and upper end at 95 %; None where the metric cannot judge a resample.
    """
    random = np.random.default_rng(seed)
    count = len(reference)
    drops = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        chosen = random.integers(0, count, count)
        some = None if labels is None else labels[chosen]
        try:
            before = metric.value(reference[chosen], reference[chosen], some)
            drops[number] = before - metric.value(reference[chosen], outputs[chosen], some)
        except CalibrationError:
            return None
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(drops, [tail, 100.0 - tail])
    return float(low), float(high)


def mcnemar(lost: int, won: int) -> float:
    """Return the two-sided exact p-value of McNemar's test (McNemar 1947; binomial form).

    Args:
        lost: Inputs that only the dense model gets right.
        won: Inputs that only the other one gets right.

    Example:
        >>> mcnemar(0, 0), round(mcnemar(8, 1), 4)
        (1.0, 0.0391)
    """
    total, smaller = lost + won, min(lost, won)
    tail: float = sum(math.comb(total, count) for count in range(smaller + 1)) / float(2**total)
    return min(1.0, 2.0 * tail)
