"""A setting takes as many inputs for each purpose as it can afford."""

from __future__ import annotations

import pytest

from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import problem
from zeroskip.calibration.options import CalibrationOptions


@pytest.mark.parametrize(("affordable", "count"), [(1e6, 48), (4e10, 150)])
def test_small_networks_are_probed_with_more_inputs(
    affordable: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "_PROBED_MACS", affordable)
    made = problem.Setting(tiny_network(), tiny_data(300), None, CalibrationOptions(metric="agreement", threads=1))
    assert len(made.probes.data) == count  # at most all of the calibration half
