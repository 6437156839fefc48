"""The values of activations: a sample of each, and thresholds that drop a wanted share of its non-zeros."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...engine.plan.types import FloatArray
from ...thresholds import Threshold

SAMPLED_VALUES = 400_000
"""Values kept of each activation, about: quantiles are exact to 0.2 %."""
_LARGEST = 1e30


@dataclass(frozen=True)
class Values:
    """A sample of one activation, and along which direction its thresholds grow.

    Args:
        rows: float32 ``[n, C]``, the channels of n pixels.
        scale: float64 ``[C]``: channel c gets the threshold ``t / scale[c]``; None gives all of them the same.
    """

    rows: FloatArray
    scale: NDArray[np.float64] | None = None

    @property
    def density(self) -> float:
        """Fraction of non-zero values, in [0, 1]."""
        return int(np.count_nonzero(self.rows)) / max(1, self.rows.size)

    @cached_property
    def _ranks(self) -> NDArray[np.float32]:
        """The non-zero values as they are compared with ``t``, ascending."""
        values = self.rows if self.scale is None else self.rows * self.scale.astype(np.float32)
        return np.sort(values[values > 0.0])

    @cached_property
    def _channels(self) -> list[NDArray[np.float32]]:
        """The non-zero values of each channel, ascending."""
        columns = np.sort(self.rows, axis=0).T
        return [column[np.searchsorted(column, 0.0, side="right") :] for column in columns]

    def threshold(self, fraction: float) -> Threshold:
        """Return the threshold below which lies ``fraction`` of the non-zero values.

        It lies half way between two neighbouring values that were observed, of each channel where each has its own:
        an engine that rounds otherwise does not flip a value that stands at the threshold.

        Args:
            fraction: In [0, 1]; 0 gives 0.

        Returns:
            One T, or float32 ``[C]``.
        """
        count = len(self._ranks)
        if fraction <= 0.0 or count == 0:
            return 0.0
        rank = self._ranks[min(count, max(1, round(fraction * count))) - 1]
        if self.scale is None:
            return _half_way(self._ranks, float(rank), int(np.searchsorted(self._ranks, rank, side="right")))
        levels = np.minimum(rank / self.scale, _LARGEST).astype(np.float32)
        thresholds = []
        for values, level, factor in zip(self._channels, levels, self.scale.astype(np.float32), strict=True):
            # Compared as they were ranked: a quotient may be rounded to below the very value it comes from.
            place = int(np.searchsorted(values * factor, rank, side="right"))
            thresholds.append(_half_way(values, float(level), place))
        return np.array(thresholds, np.float32)

    def fraction(self, threshold: Threshold) -> float:
        """Return which share of the non-zero values a threshold drops, in [0, 1]."""
        values = self.rows > 0.0
        dropped = values & (self.rows <= np.asarray(threshold, np.float32))
        return int(np.count_nonzero(dropped)) / max(1, int(np.count_nonzero(values)))

    def fraction_of_energy(self, share: float) -> float:
        """Return which share of the non-zero values, smallest first, holds ``share`` of their sum of squares."""
        energy = np.cumsum(np.square(self._ranks, dtype=np.float64))
        if len(energy) == 0:
            return 0.0
        return float(np.searchsorted(energy, share * energy[-1], side="right")) / len(energy)


def _half_way(values: NDArray[np.float32], level: float, place: int) -> float:
    """Return the middle between the values before a place and behind it; as float32 it parts them.

    Above the last value lies as much room as below it. Below the first one a level stays where it is, or half way to
    the value if that is less.

    Args:
        values: Positive, ascending.
        level: What the values before the place do not exceed, > 0.
        place: How many values are to be dropped.
    """
    if len(values) == 0:
        return level
    if place == 0:
        return min(level, float(values[0]) / 2.0)
    below = float(values[place - 1])
    if place == len(values):
        before = float(values[np.searchsorted(values, np.float32(below)) - 1]) if values[0] < below else 0.0
        return max(level, min(1.5 * below - 0.5 * before, _LARGEST))
    above = float(values[place])
    middle = float(np.float32((below + above) / 2.0))
    return middle if middle < above else below  # neighbours in float32 have nothing between them


class Sampler:
    """Collects samples of activations, batch by batch.

    Args:
        inputs: How many inputs there will be.
        seed: Of the choice of pixels.
    """

    def __init__(self, inputs: int, seed: int) -> None:
        self._inputs = inputs
        self._random = np.random.default_rng(seed)
        self._rows: dict[str, list[FloatArray]] = {}

    def add(self, name: str, values: FloatArray) -> None:
        """Take pixels from one batch of an activation: ``[B, H, W, C]``, or a row ``[B, ..., C]``."""
        pixels = values.reshape(len(values), -1, values.shape[-1])
        wanted = -(-SAMPLED_VALUES // (self._inputs * pixels.shape[2]))
        count = min(pixels.shape[1], wanted)
        chosen = self._random.choice(pixels.shape[1], count, replace=False)
        self._rows.setdefault(name, []).append(pixels[:, chosen].reshape(-1, pixels.shape[2]))

    def result(self) -> Mapping[str, Values]:
        """Return the samples by activation."""
        return {name: Values(np.concatenate(rows)) for name, rows in self._rows.items()}
