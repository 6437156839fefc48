"""Allocation: which share of its non-zero values each activation drops, for a given strength in [0, 1].

A strategy is a one-parameter family of threshold sets that grows with the strength; the search moves along
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..network.network import Thresholds
from ..network.samples import Values
from .sensitivity import Sensitivity

MAX_FRACTION = 0.95
"""Largest share of its non-zero values that an activation may drop."""
GRID: NDArray[np.float64] = np.linspace(0.0, MAX_FRACTION, 96)
"""Shares that allocations are made of."""
LARGEST_FACTOR = 4.0
_LEAP = 0.15
"""Share of its non-zeros from which on what an activation drops more at once is a leap."""
_SCANNED = 257


class Strategy(Protocol):
    """A family of allocations."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    def thresholds(self, strength: float) -> dict[str, float | NDArray[np.float32]]:
        """Return the threshold of each activation.

        Args:
            strength: In [0, 1]; 0 gives thresholds of 0, and more strength never drops less altogether.
        """
        ...


@dataclass(frozen=True)
class UniformStrategy:
    """Every activation drops the same share of its non-zero values.

    Args:
        values: The activations that may get a threshold.
    """

    values: Mapping[str, Values]
    name: str = "uniform"

    def thresholds(self, strength: float) -> dict[str, float | NDArray[np.float32]]:
        """See :class:`Strategy`."""
        return {name: sample.threshold(strength * MAX_FRACTION) for name, sample in self.values.items()}


@dataclass(frozen=True)
class EnergyStrategy:
    """Every activation drops its smallest values up to the same share of its sum of squares.

    The share is ``strength ** 4``, up to all of it. Bounding the relative error of each layer alike is the rule of
    Luo et al. 2024, "Sparsing Law".

    Args:
        values: The activations that may get a threshold.
    """

    values: Mapping[str, Values]
    name: str = "energy"

    def thresholds(self, strength: float) -> dict[str, float | NDArray[np.float32]]:
        """See :class:`Strategy`."""
        share = strength**4
        return {
            name: sample.threshold(min(MAX_FRACTION, sample.fraction_of_energy(share)))
            for name, sample in self.values.items()
        }


@dataclass(frozen=True)
class ScaledStrategy:
    """Given thresholds, all multiplied by the same factor from 0 to 4.

    Args:
        base: Thresholds at a factor of 1.
    """

    base: Thresholds
    name: str = "greedy"

    def thresholds(self, strength: float) -> dict[str, float | NDArray[np.float32]]:
        """See :class:`Strategy`."""
        return {name: value * strength * LARGEST_FACTOR for name, value in self.base.items()}


@dataclass(frozen=True)
class SensitivityStrategy:
    """Each activation drops what pays most: saved time against the damage it does.

    For a price of damage, every activation takes the share f that maximises ``gain(f) - price *
    damage(f)``. If damages added up this would be the optimum for whatever total damage comes out; they do
    not quite, so the search checks the whole network. The strength runs through the prices on a logarithmic
    scale.

    Args:
        values: By activation.
        sensitivities: By activation.
        gains: By activation: what is saved at each share of :data:`GRID`, float64, ascending.
        most: By activation, the largest share it may drop, where that is less than all.
    """

    values: Mapping[str, Values]
    sensitivities: Mapping[str, Sensitivity]
    gains: Mapping[str, NDArray[np.float64]]
    name: str = "sensitivity"
    most: Mapping[str, float] = field(default_factory=dict)

    def fractions(self, strength: float) -> dict[str, float]:
        """Return the share of its non-zero values that each activation drops, in [0, 1]."""
        if strength <= 0.0:
            return dict.fromkeys(self.sensitivities, 0.0)
        highest, lowest = self._price_range
        price = highest * (lowest / highest) ** strength
        return {name: self._share(name, price) for name in self._damages}

    def _share(self, name: str, price: float) -> float:
        allowed = int(np.searchsorted(GRID, self.most.get(name, MAX_FRACTION), side="right"))
        worth = self._scaled_gains[name][:allowed] - price * self._damages[name][:allowed]
        return float(GRID[int(np.argmax(worth))])

    def without_leaps(self, strength: float) -> SensitivityStrategy:
        """Return the family in which no activation makes a leap that alone does more damage than all do at a strength.

        An activation before a 3x3 layer leaps from few zeros to those that take the layer beyond Winograd's algorithm.
        Where one such leap is more than the budget allows it would end the search, though other activations could
        go on. Up to the strength both families are the same.

        Args:
            strength: In [0, 1], within the budget.
        """
        present = self.fractions(strength)
        total = sum(float(self.sensitivities[name].at(np.array([share]))[0]) for name, share in present.items())
        later = [self.fractions(float(place)) for place in np.linspace(strength, 1.0, _SCANNED)]
        most = dict(self.most)
        for name, share in present.items():
            before = share
            for shares in later:
                low, high = self.sensitivities[name].at(np.array([before, shares[name]])).tolist()
                if shares[name] - before > _LEAP and high - low > total:
                    most[name] = before
                    break
                before = shares[name]
        return replace(self, most=most)

    def thresholds(self, strength: float) -> dict[str, float | NDArray[np.float32]]:
        """See :class:`Strategy`."""
        return {name: self.values[name].threshold(share) for name, share in self.fractions(strength).items()}

    @cached_property
    def _damages(self) -> dict[str, NDArray[np.float64]]:
        return {name: sensitivity.at(GRID) for name, sensitivity in self.sensitivities.items()}

    @cached_property
    def _scaled_gains(self) -> dict[str, NDArray[np.float64]]:
        largest = max((float(gain[-1]) for gain in self.gains.values()), default=1.0) or 1.0
        return {name: gain / largest for name, gain in self.gains.items()}

    @cached_property
    def _price_range(self) -> tuple[float, float]:
        """The price at which nothing is bought any more, and the one at which everything is."""
        highest, lowest = 0.0, np.inf
        for name, damages in self._damages.items():
            gains = self._scaled_gains[name]
            if gains[-1] <= 0.0:
                continue
            highest = max(highest, float((gains[1:] / damages[1:]).max()))
            # The last grid point is bought once the price is below the least slope of any chord to it.
            chords = np.maximum(gains[-1] - gains[:-1], 1e-12) / np.maximum(damages[-1] - damages[:-1], 1e-12)
            lowest = min(lowest, float(chords.min()))
        highest = highest or 1.0
        return highest, 0.99 * min(lowest, highest)  # below the limit, where both ends are equally good
