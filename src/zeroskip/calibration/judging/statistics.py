"""How far to trust what was counted on a few hundred inputs: exact intervals, paired.

Both models see the same inputs, so what varies is only the inputs on which they differ. Every interval of a count in
this package comes from here: Clopper and Pearson's, which holds for any count, none at all included, and where gains
and losses are counted against each other, the two intervals put together. Bootstrap is left for metrics that do not
count inputs; where it sees no change it would claim certainty, and says nothing instead.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError
from ...intervals import clopper_pearson
from .losses import LossKind
from .metric import Labels, Metric, Outputs

RESAMPLES = 1000
CONFIDENCE = 0.95
Z = 1.959964
"""Of a normal distribution at this confidence."""


def count_interval(count: int, samples: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share; see :func:`zeroskip.intervals.clopper_pearson`."""
    return clopper_pearson(count, samples, CONFIDENCE)


def net_interval(lost: int, won: int, samples: int) -> tuple[float, float]:
    """Return a 95 % interval of ``(lost - won) / samples``, of inputs that both models saw.

    Clopper and Pearson's intervals of both shares, put together by squaring and adding (R. Newcombe, "Improved
    confidence intervals for the difference between binomial proportions based on paired data", Statistics in Medicine
    17, 1998). The drop itself always lies inside.

    Args:
        lost: Inputs that only the dense model gets right.
        won: Inputs that only the other one gets right.
        samples: All inputs, >= 1.

    Example:
        >>> [round(end, 3) for end in net_interval(0, 0, 90)]
        [-0.04, 0.04]
        >>> [round(end, 3) for end in net_interval(8, 2, 100)]
        [-0.009, 0.134]
    """
    loss, gain = lost / samples, won / samples
    (least_loss, most_loss), (least_gain, most_gain) = (count_interval(count, samples) for count in (lost, won))
    others = (1.0 - loss) * (1.0 - gain)
    against = math.sqrt(loss * gain / others) if others > 0.0 else 1.0  # an input lost cannot be one won

    def added(first: float, second: float) -> float:
        return math.sqrt(first * first + second * second + 2.0 * against * first * second)

    below, above = added(loss - least_loss, most_gain - gain), added(most_loss - loss, gain - least_gain)
    return max(-1.0, loss - gain - below), min(1.0, loss - gain + above)


def drop_interval(
    metric: Metric, reference: Outputs, outputs: Outputs, labels: Labels, *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of the metric's drop: exact where the metric counts inputs, else by paired bootstrap.

    Args:
        metric: Judges outputs.
        reference: float32 ``[N, ...]``, of the dense model.
        outputs: The same of the other model.
        labels: int64 ``[N]`` or None.
        seed: Of the resampling.

    Returns:
        Lower and upper end, the drop between them; None where nothing can be said: the metric cannot judge a resample,
        or it is the same on all of them.
    """
    losses = metric.losses(reference, outputs, labels)
    if losses is not None and losses.kind != "amounts":
        return losses_interval(losses.kind, losses.counted)
    return _bootstrapped(metric, reference, outputs, labels, np.random.default_rng(seed))


def losses_interval(kind: LossKind, counted: NDArray[Any]) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of losses that are -1, 0 or 1.

    Args:
        kind: Answers lost or won, or predictions changed, of which there cannot be less than none.
        counted: ``[N]``.
    """
    lost, won = (int((counted * sign > 0).sum()) for sign in (1.0, -1.0))
    return count_interval(lost, len(counted)) if kind == "changes" else net_interval(lost, won, len(counted))


def _bootstrapped(
    metric: Metric, reference: Outputs, outputs: Outputs, labels: Labels, random: np.random.Generator
) -> tuple[float, float] | None:
    count = len(reference)
    drop = metric.value(reference, reference, labels) - metric.value(reference, outputs, labels)
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
    low, high = (float(end) for end in np.percentile(drops, [tail, 100.0 - tail]))
    if not np.isfinite([low, high]).all() or low == high:
        return None
    return min(low, drop), max(high, drop)


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
    tail: float = sum(math.comb(total, count) for count in range(smaller + 1)) / 2**total
    return min(1.0, 2.0 * tail)
