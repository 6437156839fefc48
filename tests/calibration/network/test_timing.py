"""A measured speed lies inside its own range, whatever was measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.calibration.network.timing import measured_speed, speed_of


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30))
def test_a_speed_lies_inside_its_own_range(ratios: list[float]) -> None:
    speed = speed_of(ratios, 1, 1)
    assert min(ratios) * (1 - 1e-9) <= speed.low <= speed.ratio <= speed.high <= max(ratios) * (1 + 1e-9)


def test_a_model_is_as_fast_as_itself() -> None:
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=1))
    speed = measured_speed(session, session, [{"image": tiny_data(1).array()}], 0.5, 1)
    assert speed.low <= speed.ratio <= speed.high
    assert 0.3 < speed.ratio < 3.0
