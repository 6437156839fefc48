"""DensityCurve: the time of one step over the density of what it reads, as it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...isotonic import monotone


@dataclass(frozen=True)
class DensityCurve:
    """Time of one step over the density of its input, linear between points.

    Args:
        densities: float64 ``[n]``, ascending, in [0, 1].
        latencies_ms: float64 ``[n]``, not descending.
    """

    densities: NDArray[np.float64]
    latencies_ms: NDArray[np.float64]

    @classmethod
    def fit(cls, points: Sequence[tuple[float, float]], steady_density: float | None = None) -> DensityCurve:
        """Make a curve of measured points; time must not fall with density, so noise is averaged out.

        Args:
            points: (density, latency in ms), at least one.
            steady_density: Above it the step skips nothing and always takes the same time (a 3x3 layer goes by
                Winograd's algorithm there), so what was measured differs by noise only. None: there is no such edge.

        Example:
            >>> DensityCurve.fit([(0.2, 2.0), (0.4, 1.0), (0.8, 3.0)]).latencies_ms.tolist()
            [1.5, 1.5, 3.0]
            >>> curve = DensityCurve.fit([(0.1, 1.0), (0.5, 2.9), (0.9, 3.1)], steady_density=0.3)
            >>> [round(curve.at(density), 6) for density in (0.1, 0.2, 0.3, 0.6, 1.0)]
            [1.0, 2.0, 3.0, 3.0, 3.0]
        """
        ordered = sorted(points)
        if steady_density is not None:
            steady = [latency for density, latency in ordered if density > steady_density]
            if steady:
                level = float(np.median(steady))
                skipping = [point for point in ordered if point[0] < steady_density]
                ordered = [*skipping, (steady_density, level), (1.0, level)]
        return cls(
            np.array([density for density, _ in ordered], np.float64),
            monotone([latency for _, latency in ordered]),
        )

    def at(self, density: float) -> float:
        """Return the time in ms at a density in [0, 1]; above the measured points the slope of all goes on."""
        if density <= self.densities[-1]:
            return float(np.interp(density, self.densities, self.latencies_ms))
        rise = self.latencies_ms[-1] - self.latencies_ms[0]
        run = self.densities[-1] - self.densities[0]
        slope = rise / run if run > 0.0 else 0.0
        return float(self.latencies_ms[-1] + slope * (density - self.densities[-1]))
