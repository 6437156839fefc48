"""Fitting: from timed probes to a :class:`CostModel`. Pure functions; the clock is in :mod:`.probes`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from ..operators import Family
from .model import AlgorithmCost, CostModel, FamilyCost, Fit
from .probes import Measurement, Sample
from .work import ELEMENT_TYPES, FAMILIES, ElementType

_SWEEPS = 2000
_RIDGE = 1e-6


def fit_cost_model(measurement: Measurement, *, isa: str, threads: int, seconds: float) -> CostModel:
    """Find the prices that explain the measured times best, in relative terms.

    Args:
        measurement: With at least one sample of the dense algorithm for every family in float32.
        isa: Instruction set it was made with.
        threads: Threads it was made with.
        seconds: How long the measurement took.
    """
    samples = measurement.samples
    types: dict[ElementType, dict[Family, FamilyCost]] = {}
    errors: list[float] = []
    for dtype in ELEMENT_TYPES:
        for family in FAMILIES:
            costs = {}
            for algorithm in ("dense", "sparse", "winograd"):
                wanted = (dtype, family, algorithm)
                chosen = [item for item in samples if (item.dtype, item.family, item.algorithm) == wanted]
                if chosen:
                    costs[algorithm] = _fit_prices(chosen)
                    errors += [abs(costs[algorithm].time_ms(item.amounts) / item.latency_ms - 1) for item in chosen]
            if costs:
                types.setdefault(dtype, {})[family] = FamilyCost(**costs)
    fit = Fit(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        samples=len(samples),
        error=round(float(np.median(errors)), 4),
        spread=round(float(np.median([item.spread for item in samples])), 4),
    )
    peak = measurement.peak_macs_per_ms
    return CostModel(isa=isa, threads=threads, types=types, peak_macs_per_ms=peak, fit=fit)


def _fit_prices(samples: Sequence[Sample]) -> AlgorithmCost:
    amounts = np.array([item.amounts for item in samples], np.float64)
    latencies = np.array([item.latency_ms for item in samples], np.float64)
    prices = non_negative_least_squares(amounts / latencies[:, None], np.ones(len(samples)))
    return AlgorithmCost(prices=tuple(prices.tolist()), width=max(item.width for item in samples))


def non_negative_least_squares(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the x >= 0 that minimises ``|a x - b|^2``, by coordinate descent.

    Args:
        a: float64 ``[n, m]``; columns may be zero or depend on each other.
        b: float64 ``[n]``.

    Example:
        >>> non_negative_least_squares(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([2.0, 1.0])).tolist()
        [1.5, 0.0]
    """
    scale = np.sqrt((a * a).sum(axis=0))
    scale[scale == 0] = 1.0
    scaled = a / scale
    gram = scaled.T @ scaled + _RIDGE * np.eye(a.shape[1])
    target = scaled.T @ b
    x = np.zeros(a.shape[1])
    for _ in range(_SWEEPS):
        for j in range(len(x)):
            x[j] = max(0.0, x[j] + (target[j] - gram[j] @ x) / gram[j, j])
    return np.asarray(np.round(x, 12) / scale)
