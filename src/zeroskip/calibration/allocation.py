"""Allocation: which share of its non-zero values each activation drops, for a given strength in [0, 1].

A strategy is a one-parameter family of threshold sets that grows with the strength; the search moves along
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .sensitivity import Sensitivity

MAX_FRACTION = 0.8
"""Largest share of its non-zero values that an activation may drop; beyond it little is left to save."""
_GRID: NDArray[np.float64] = np.linspace(0.0, MAX_FRACTION, 161)


class Strategy(Protocol):
    """A family of allocations."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    def fractions(self, strength: float) -> dict[str, float]:
        """Return the share of its non-zero values that each activation drops, in [0, 1].

        Args:
            strength: In [0, 1]; 0 drops nothing, and more strength never drops less altogether.
        """
        ...


@dataclass(frozen=True)
class UniformStrategy:
    """Every activation drops the same share of its non-zero values.

    Args:
        activations: The activations that may get a threshold.
    """

    activations: tuple[str, ...]
    name: str = "uniform"

    def fractions(self, strength: float) -> dict[str, float]:
        """See :class:`Strategy`."""
        return dict.fromkeys(self.activations, strength * MAX_FRACTION)


@dataclass(frozen=True)
class SensitivityStrategy:
    """Each activation drops what pays most: saved MACs against the damage it does alone.

    For a price of damage, every activation takes the share f that maximises ``gain * f - price *
    damage(f)``. If damages added up this would be the optimum for whatever total damage comes out; they do
    not quite, so the search checks the whole network. The strength runs through the prices on a logarithmic
    scale.

    Args:
        sensitivities: By activation.
        gains: By activation: MACs that are saved per unit of share, > 0.
    """

    sensitivities: Mapping[str, Sensitivity]
    gains: Mapping[str, float]
    name: str = "sensitivity"

    def fractions(self, strength: float) -> dict[str, float]:
        """See :class:`Strategy`."""
        if strength <= 0.0:
            return dict.fromkeys(self.sensitivities, 0.0)
        highest, lowest = self._price_range
        price = highest * (lowest / highest) ** strength
        return {
            name: float(_GRID[int(np.argmax(self._scaled_gains[name] * _GRID - price * damages))])
            for name, damages in self._damages.items()
        }

    @cached_property
    def _damages(self) -> dict[str, NDArray[np.float64]]:
        return {name: sensitivity.at(_GRID) for name, sensitivity in self.sensitivities.items()}

    @cached_property
    def _scaled_gains(self) -> dict[str, float]:
        largest = max(self.gains.values(), default=1.0) or 1.0
        return {name: gain / largest for name, gain in self.gains.items()}

    @cached_property
    def _price_range(self) -> tuple[float, float]:
        """The price at which nothing is bought any more, and the one at which everything is."""
        highest, lowest = 0.0, np.inf
        for name, damages in self._damages.items():
            ratios = self._scaled_gains[name] * _GRID[1:] / damages[1:]
            highest = max(highest, float(ratios.max()))
            # The last grid point is bought once the price is below the least slope of any chord to it.
            chords = (
                self._scaled_gains[name]
                * (_GRID[-1] - _GRID[:-1])
                / np.maximum(damages[-1] - damages[:-1], 1e-12)
            )
            lowest = min(lowest, float(chords.min()))
        return highest, 0.99 * min(lowest, highest)  # below the limit, where both ends are equally good
