"""What zeros are worth where a layer has several algorithms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from zeroskip.calibration.strategies.gains import saved_ms

FRACTIONS = np.array([0.0, 0.5, 1.0])


def saving(winograd_ms: float) -> list[float]:
    """Return what shares of an activation's zeros save in a layer of 10 ms per density, or Winograd's flat time."""

    def step_ms(number: int, density: float, *, winograd: bool = True) -> float:
        direct = 10.0 * density
        return min(direct, winograd_ms) if winograd else direct

    network: Any = SimpleNamespace(readers={"a": [SimpleNamespace(step=0, share=1.0)]}, step_ms=step_ms)
    values: Any = {"a": SimpleNamespace(density=0.5)}
    return saved_ms(network, values, {0: 0.5}, FRACTIONS)["a"].tolist()


def test_without_another_algorithm_time_is_proportional_to_what_is_left() -> None:
    assert saving(np.inf) == [0.0, 2.5, 5.0]


def test_zeros_count_for_half_until_they_are_enough_to_leave_winograd() -> None:
    """From density 0.5 on: Winograd takes 3 ms, the direct algorithm 5, 2.5 and 0 ms."""
    assert saving(3.0) == [0.0, 1.25, 3.0]
