"""The measurement of the machine: quick, complete, and good enough to choose by."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core
from zeroskip.engine.cost import cache, probes
from zeroskip.engine.cost.fit import fit_cost_model
from zeroskip.engine.cost.probes import DENSITIES, Measurement, at_one_speed, measure
from zeroskip.engine.cost.work import FAMILIES

ISA = _core.active_isa()


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "_FEWEST_ROUNDS", 1)
        return measure(ISA, 1, seconds=0.0)


def test_every_family_is_measured_and_the_skipping_ones_at_every_density(measurement: Measurement) -> None:
    for dtype in ("float32", "u8"):
        samples = [item for item in measurement.samples if item.dtype == dtype]
        assert {item.family for item in samples} == set(FAMILIES)
        sparse = [item for item in samples if item.algorithm == "sparse"]
        assert {item.family for item in sparse} == {"point", "rows", "taps"}
        assert len(sparse) % len(DENSITIES) == 0
        winograd = {item.family for item in samples if item.algorithm == "winograd"}
        assert winograd == ({"rows", "stem"} if dtype == "float32" else set())
    assert all(item.latency_ms > 0 for item in measurement.samples)


def test_every_element_type_can_be_probed_on_any_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    small = ((16, 16, 4, 1, 1), (16, 16, 4, 3, 1), (16, 16, 4, 3, 2))
    for name, shapes in (("_CONVOLUTIONS", small), ("_ADDING", small[:1]), ("_WINOGRAD", ((16, 16, 8),))):
        monkeypatch.setattr(probes, name, shapes)
    for name, shapes in (("_STEMS", ((3, 16, 8, 7, 2),)), ("_DEPTHWISE", ((16, 4, 3, 1),)), ("_LINEAR", ((16, 8),))):
        monkeypatch.setattr(probes, name, shapes)
    for name, shapes in (("_POOLS", ((16, 4, 2, 2),)), ("_SUMS", ((16, 4),)), ("_ROUNDED", ((1, 3),))):
        monkeypatch.setattr(probes, name, shapes)
    found = measure(ISA, 2, seconds=0.0, dtypes=("bf16", "float32", "u8"))
    model = fit_cost_model(found, isa=ISA, threads=2, seconds=0.0)
    assert set(model.types) == {"float32", "bf16", "u8"}
    assert set(model.types["float32"]) == set(model.types["u8"]) == set(FAMILIES)
    assert set(model.types["bf16"]) == {"point", "rows", "taps", "linear", "pool", "move"}
    for kind in model.types.values():
        assert all(kind[family].sparse is not None for family in ("point", "rows", "taps"))  # type: ignore[index]


def test_types_without_products_on_this_cpu_are_not_probed(measurement: Measurement) -> None:
    expected = {"float32", "u8", "bf16"} if _core.multiplies_bf16(ISA) else {"float32", "u8"}
    assert {item.dtype for item in measurement.samples} == expected


def test_sparser_probes_are_quicker(measurement: Measurement) -> None:
    sparse = [item.latency_ms for item in measurement.samples if item.algorithm == "sparse"]
    assert sum(sparse[:: len(DENSITIES)]) < 0.7 * sum(sparse[len(DENSITIES) - 1 :: len(DENSITIES)])


def test_a_run_at_another_speed_is_brought_to_that_of_the_others() -> None:
    times = np.arange(1.0, 5.0) * np.ones((5, 2, 4))
    disturbed = times.copy()
    disturbed[1, 0] *= 1.7
    disturbed[3, 1] *= 0.6
    steady = np.array([True, True, True, False])
    np.testing.assert_allclose(at_one_speed(disturbed, steady), times)


def test_a_fit_is_a_model_of_this_machine(monkeypatch: pytest.MonkeyPatch, measurement: Measurement) -> None:
    monkeypatch.setattr("zeroskip.engine.cost.probes.measure", lambda isa, threads, progress: measurement)
    model = cache._measure(ISA, 1, None)
    assert model.fit is not None
    assert model.fit.samples == len(measurement.samples)
    assert model.fit.error < 0.4
    macs = max(item.amounts[0] / item.latency_ms for item in measurement.samples if item.algorithm == "dense")
    # Nothing is much faster than what is called the peak; the speed of a shared machine swings between the two.
    assert model.peak_macs_per_ms > 0.1 * macs


def test_the_peak_grows_with_the_instruction_set() -> None:
    peaks = [_core.peak_macs_per_ms(isa, 1) for isa in _core.isas_supported()]
    assert peaks[-1] >= 0.9 * peaks[0]
    with pytest.raises(_core.Error, match="num_threads is 0"):
        _core.peak_macs_per_ms(None, 0)
