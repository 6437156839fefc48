"""Gain: how many times faster one thing is than another, with the range that the measurement leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

_CONFIDENCE = 0.95
_STEADY = 1.15


class Gain(BaseModel):
    """A ratio of times.

    Attributes:
        ratio: The estimate; above 1 is faster.
        low: End of its 95 % interval; never above ``ratio``.
        high: The other end; never below ``ratio``.

    Example:
        >>> gain = Gain.of(1.2, [1.1, 1.18, 1.2, 1.21, 1.19, 1.22, 1.2, 1.23, 1.3])
        >>> print(gain, gain.is_clear)
        1.20x (1.18x to 1.23x) True
    """

    model_config = ConfigDict(frozen=True)

    ratio: float
    low: float
    high: float

    @classmethod
    def of(cls, ratio: float, rounds: Sequence[float]) -> Gain:
        """Make a gain of an estimate and the ratios of single rounds, each taken within the same seconds.

        The interval is that of the median by order statistics, which assumes nothing of how rounds are distributed.
        With fewer than six rounds none reaches 95 %, and the lowest and the highest stand for it.

        Args:
            ratio: The estimate over all rounds.
            rounds: At least one.
        """
        low, high = median_interval(rounds)
        return cls(ratio=ratio, low=min(ratio, low), high=max(ratio, high))

    @property
    def is_clear(self) -> bool:
        """Whether it is more than what the measurement leaves open: all of the interval is above 1."""
        return self.low > 1.0

    @property
    def is_steady(self) -> bool:
        """Whether its ends are no more than 15 % apart, so that the ratio can be quoted."""
        return self.high <= _STEADY * self.low

    def __str__(self) -> str:
        return f"{self.ratio:.2f}x ({self.low:.2f}x to {self.high:.2f}x)"


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median of what values are drawn from, by order statistics.

    With fewer than six values none reaches 95 %, and the lowest and the highest stand for it.

    Args:
        values: At least one.

    Example:
        >>> median_interval([3.0, 1.0, 2.0])
        (1.0, 3.0)
    """
    ordered = sorted(values)
    place = _place(len(ordered))
    return ordered[place], ordered[-1 - place]


def _place(count: int) -> int:
    """Return how many values may be left out at each end of the sorted ones so that the interval holds 95 %."""
    place, missed = 0, 0.0
    for outside in range(count // 2):
        missed += 2 * math.comb(count, outside) / 2**count
        if missed > 1.0 - _CONFIDENCE:
            break
        place = outside
    return place
