"""How far to trust what was counted on a few hundred inputs: exact intervals, paired.

Both models see the same inputs, so what varies is only the inputs on which they differ. Every interval of a count in
this package comes from here: Clopper and Pearson's, which holds for any count, none at all included, and where gains
and losses are counted against each other, the two intervals put together. Bootstrap is left for metrics that do not
count inputs; where it sees no change it would claim certainty, and says nothing instead.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.targets import take
from ...errors import CalibrationError
from ...intervals import clopper_pearson
from .losses import Losses, LossKind
from .outputs import Outputs
from .protocol import Labels, Metric

RESAMPLES = 1000
FEWEST_RESAMPLES = 200
RESAMPLE_SECONDS = 20.0
"""Time that metrics of a caller's own are given for an interval; those that take longer have none."""
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
    metric: Metric, reference: Any, outputs: Any, labels: Labels, *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of the metric's drop: exact where the metric counts inputs, else by paired bootstrap.

    Args:
        metric: Judges outputs.
        reference: Outputs of the dense model, or the array ``[N, ...]`` of its only one.
        outputs: The same of the other model.
        labels: Targets, or None.
        seed: Of the resampling.

    Returns:
        Lower and upper end, the drop between them; None where nothing can be said: the metric cannot judge a resample,
        it is the same on all of them, or it takes too long to be asked often.
    """
    losses = metric.losses(reference, outputs, labels)
    random = np.random.default_rng(seed)
    if losses is not None and losses.kind != "amounts":
        return losses_interval(losses.kind, losses.counted)
    if losses is not None:
        return _interval(*_drops_of(losses, random))
    return _bootstrapped(metric, reference, outputs, labels, random)


def losses_interval(kind: LossKind, counted: NDArray[Any]) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of losses that are -1, 0 or 1.

    Args:
        kind: Answers lost or won, or predictions changed, of which there cannot be less than none.
        counted: ``[N]``.
    """
    lost, won = (int((counted * sign > 0).sum()) for sign in (1.0, -1.0))
    return count_interval(lost, len(counted)) if kind == "changes" else net_interval(lost, won, len(counted))


def _drops_of(losses: Losses, random: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
    """Return the drop and that of resamples, where it is a ratio of sums over inputs."""
    counted, scale = losses.counted.astype(np.float64), losses.scale.astype(np.float64)
    tiny = float(np.finfo(np.float64).tiny)
    chosen = (random.integers(0, len(counted), len(counted)) for _ in range(RESAMPLES))
    drops = [counted[places].sum() / max(scale[places].sum(), tiny) for places in chosen]
    return float(counted.sum() / max(scale.sum(), tiny)), np.array(drops)


def _bootstrapped(
    metric: Metric, reference: Any, outputs: Any, labels: Labels, random: np.random.Generator
) -> tuple[float, float] | None:
    first, second = Outputs.of(reference), Outputs.of(outputs)
    count, started = first.samples, time.monotonic()
    try:
        drop = metric.value(first, first, labels) - metric.value(first, second, labels)
        affordable = min(RESAMPLES, int(RESAMPLE_SECONDS / max(time.monotonic() - started, 1e-9)))
        quick = getattr(metric, "resampled_drops", None)
        draws = random.integers(0, count, (RESAMPLES if quick else affordable, count))
        drops = None if quick is None else quick(first, second, labels, draws)
        if drops is None and affordable < FEWEST_RESAMPLES:
            return None
        if drops is None:
            drops = [_drop(metric, first.take(places), second.take(places), take(labels, places)) for places in draws]
    except CalibrationError:
        return None
    return _interval(drop, np.array(drops))


def _drop(metric: Metric, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
    return metric.value(reference, reference, labels) - metric.value(reference, outputs, labels)


def _interval(drop: float, drops: NDArray[np.float64]) -> tuple[float, float] | None:
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
