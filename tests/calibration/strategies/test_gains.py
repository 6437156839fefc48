"""What zeros are worth where a layer has several algorithms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zeroskip.calibration.strategies.allocation import GRID, SensitivityStrategy
from zeroskip.calibration.strategies.gains import saved_ms
from zeroskip.calibration.strategies.sensitivity import Sensitivity
from zeroskip.engine.cost import DensityCurve

FRACTIONS = np.array([0.0, 0.5, 1.0])
EDGE = DensityCurve.fit([(0.05, 1.0), (0.25, 3.0), (1.0, 3.0)])
"""A 3x3 layer: by Winograd's algorithm down to a density of a quarter."""
SMOOTH = DensityCurve.fit([(0.0, 0.0), (1.0, 1.0)])


def saving(
    step_ms: Callable[..., float],
    fractions: NDArray[np.float64] = FRACTIONS,
    *,
    is_measured: bool,
    density: float = 0.5,
) -> list[float]:
    network: Any = SimpleNamespace(
        readers={"a": [SimpleNamespace(step=0, share=1.0)]},
        step_ms=step_ms,
        curves={} if is_measured else None,
        counts_macs=False,
    )
    values: Any = {"a": SimpleNamespace(density=density)}
    return saved_ms(network, values, {0: density}, fractions)["a"].tolist()


def predicted(winograd_ms: float) -> Callable[..., float]:
    """Return the time of a layer of 10 ms per density, or Winograd's flat time."""

    def step_ms(number: int, density: float, *, winograd: bool = True) -> float:
        direct = 10.0 * density
        return min(direct, winograd_ms) if winograd else direct

    return step_ms


def measured(curve: DensityCurve) -> Callable[..., float]:
    return lambda number, density, winograd=True: curve.at(density)


def test_without_another_algorithm_time_is_proportional_to_what_is_left() -> None:
    assert saving(predicted(np.inf), is_measured=False) == [0.0, 2.5, 5.0]


def test_by_the_model_zeros_count_for_half_until_they_are_enough_to_leave_winograd() -> None:
    """From density 0.5 on: Winograd takes 3 ms, the direct algorithm 5, 2.5 and 0 ms."""
    assert saving(predicted(3.0), is_measured=False) == [0.0, 1.25, 3.0]


def test_measured_times_are_taken_at_their_word() -> None:
    """From density 0.5 on: nothing down to 0.25, and 2 of 3 ms at 0.05."""
    assert saving(measured(EDGE), np.array([0.0, 0.25, 0.5, 0.9]), is_measured=True) == pytest.approx([0, 0, 0, 2])


def strategy(damage: float) -> SensitivityStrategy:
    """Return a strategy for two layers, of which one has an edge, that lose the same by the same shares."""
    gains = {
        "edge": np.array(saving(measured(EDGE), GRID, is_measured=True, density=0.6)),
        "smooth": np.array(saving(measured(SMOOTH), GRID, is_measured=True, density=0.6)),
        "flat": np.zeros(len(GRID)),
    }
    lost = Sensitivity(levels=(0.1, 0.3, 0.6), damages=(0.01 * damage, 0.09 * damage, 0.36 * damage))
    values: Any = dict.fromkeys(gains)
    return SensitivityStrategy(values, dict.fromkeys(gains, lost), gains)


def test_an_edge_is_taken_as_a_whole_or_not_at_all() -> None:
    shares = [strategy(1.0).fractions(strength) for strength in np.linspace(0.0, 1.0, 60)]
    edge = sorted({share["edge"] for share in shares})
    assert edge[0] == 0.0
    assert edge[1] > 1.0 - 0.25 / 0.6, "beyond the density where the layer leaves Winograd's algorithm"
    assert len({share["smooth"] for share in shares}) > 10, "the other layer is free"


def test_no_zero_is_bought_where_none_pays() -> None:
    assert {strategy(1.0).fractions(strength)["flat"] for strength in np.linspace(0.0, 1.0, 20)} == {0.0}


def test_a_leap_that_costs_more_than_all_else_does_not_stand_in_the_way() -> None:
    family = strategy(1.0)
    before = max(strength for strength in np.linspace(0.0, 1.0, 257) if family.fractions(strength)["edge"] == 0.0)
    walking = family.without_leaps(before)
    assert walking.most == {"edge": 0.0}
    for strength in np.linspace(0.0, before, 9):
        assert walking.fractions(strength) == family.fractions(strength)
    assert walking.fractions(1.0)["edge"] == 0.0
    assert walking.fractions(1.0)["smooth"] == family.fractions(1.0)["smooth"] > family.fractions(before)["smooth"]


def test_a_leap_within_what_is_lost_anyway_stays() -> None:
    family = strategy(1.0)
    cheap = Sensitivity(levels=(0.1, 0.3, 0.6), damages=(1e-6, 1e-5, 1e-4))
    mixed = replace(family, sensitivities={**family.sensitivities, "edge": cheap})
    after = next(strength for strength in np.linspace(0.0, 1.0, 257) if mixed.fractions(strength)["smooth"] > 0.2)
    assert mixed.without_leaps(after).most == {}
