"""A measured speed lies inside its own range, whatever was measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zeroskip.calibration.network.timing import speed_of


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30))
def test_a_speed_lies_inside_its_own_range(ratios: list[float]) -> None:
    speed = speed_of(ratios, 1, 1)
    assert min(ratios) * (1 - 1e-9) <= speed.low <= speed.ratio <= speed.high <= max(ratios) * (1 + 1e-9)
