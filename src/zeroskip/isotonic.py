"""Isotonic regression: the ascending sequence nearest to noisy measurements of something that cannot fall."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def monotone(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the ascending numbers nearest to the given ones in least squares (pool adjacent violators).

    Args:
        values: In order; NaN counts as infinite.

    Example:
        >>> monotone([0.0, 2.0, 1.0, 3.0]).tolist()
        [0.0, 1.5, 1.5, 3.0]

    References:
        Ayer et al. 1955, "An empirical distribution function for sampling with incomplete information".
    """
    pools: list[tuple[float, int]] = []
    for value in values:
        pools.append((math.inf if math.isnan(value) else value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (first, some), (second, more) = pools[-2:]
            pools[-2:] = [((first * some + second * more) / (some + more), some + more)]
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools]).astype(np.float64)
