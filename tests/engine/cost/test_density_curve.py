"""Density curves: monotone, extrapolated, flat above the edge where a layer skips nothing."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.engine.cost import DensityCurve


def test_a_density_curve_never_falls_and_goes_on_beyond_its_points() -> None:
    curve = DensityCurve.fit([(0.2, 1.0), (0.4, 3.0), (0.5, 2.0), (0.6, 4.0)])
    times = [curve.at(density) for density in np.linspace(0, 1, 30)]
    assert times == sorted(times)
    assert curve.at(1.0) > curve.at(0.6)
    assert curve.at(0.0) == 1.0


def test_above_the_edge_the_time_is_steady_whatever_was_measured() -> None:
    curve = DensityCurve.fit([(0.1, 1.0), (0.4, 2.8), (0.6, 3.4), (0.9, 3.0)], steady_density=0.3)
    assert [curve.at(density) for density in (0.3, 0.35, 0.5, 0.9, 1.0)] == [3.0] * 5
    assert curve.at(0.1) == 1.0
    assert curve.at(0.2) == pytest.approx(2.0)


@pytest.mark.parametrize("edge", [0.0, 0.05, 1.0])
def test_an_edge_beyond_the_measured_points_changes_nothing_below_it(edge: float) -> None:
    points = [(0.1, 1.0), (0.5, 2.0)]
    curve = DensityCurve.fit(points, steady_density=edge)
    level = 1.5 if edge < 0.1 else None
    assert curve.at(0.3) == (level if level is not None else pytest.approx(1.5))
    assert curve.at(0.05) == (level or 1.0)


def test_one_point_is_the_same_time_everywhere() -> None:
    curve = DensityCurve.fit([(1.0, 2.0)])
    assert curve.at(0.0) == curve.at(0.5) == curve.at(1.0) == 2.0
