"""The learning rate over the steps of one short training."""

from __future__ import annotations


def rate_at(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: it rises for ten steps and falls in the second half.

    Args:
        step: From 0 on.
        steps: In all.

    Example:
        >>> [round(rate_at(step, 40), 2) for step in (0, 9, 20, 30, 39)]
        [0.1, 1.0, 1.0, 0.5, 0.05]
    """
    falling = 1.0 - max(0.0, step - steps / 2) / (steps / 2)
    return min(1.0, (step + 1) / 10) * max(0.05, falling)
