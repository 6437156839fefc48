"""Noise: how far medians of repeated times can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_ERROR = 0.06
"""Relative standard error from which on times of layers say too little: zeros within reach save 10 to 40 % of them.

Inputs that differ alone leave .026 to .045 (five networks on an idle Zen 3, November 2026); with four times as many
busy processes as processors it was .055 to .19."""
_SIGMAS = 1.683
"""Width of the middle three fifths of a normal distribution, in standard deviations."""
_OF_MEDIAN = 1.253
"""Standard error of a median of normal values over that of their mean."""


def median_error(times: ArrayLike) -> NDArray[np.float64]:
    """Return the relative standard error of medians over the first axis, told by the middle three fifths of the values.

    Args:
        times: ``[n, ...]``, > 0. Of a single one nothing can be told: the error is infinite.

    Returns:
        float64 ``[...]``.

    Example:
        >>> median_error([1.0, 1.0, 5.0, 1.0, 1.0]).item()
        0.0
        >>> round(median_error([1.0, 1.2, 0.8]).item(), 3)
        0.103
    """
    values = np.asarray(times, np.float64)
    if len(values) < 2:
        return np.full(values.shape[1:], math.inf)
    low, middle, high = np.percentile(values, [20, 50, 80], axis=0)
    spread = np.divide(high - low, middle, out=np.zeros_like(middle), where=middle > 0.0)
    return np.asarray(_OF_MEDIAN / _SIGMAS * spread / math.sqrt(len(values)))


def mean_error(errors: ArrayLike, times: ArrayLike) -> float:
    """Return the mean of relative errors, each weighted by the time that it belongs to; 0 where there are none.

    Args:
        errors: ``[n]``.
        times: ``[n]``, >= 0.

    Example:
        >>> round(mean_error([0.1, 0.4], [3.0, 1.0]), 3)
        0.175
    """
    weights = np.asarray(times, np.float64)
    total = float(weights.sum())
    return float((np.asarray(errors, np.float64) * weights).sum() / total) if total > 0.0 else 0.0
