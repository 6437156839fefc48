"""Where the outcome will run as int8 the search pays for zeros what they save there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import residual_network, tiny_data, tiny_network
from zeroskip.calibration import problem as problem_module
from zeroskip.calibration.problem import Setting
from zeroskip.calibration.quantization import step_times
from zeroskip.calibration.search.finder import Finder
from zeroskip.engine.cost import StepCurves


def setting_of(model: bytes, precision: str) -> Setting:
    options = zs.CalibrationOptions(max_drop=0.1, threads=1, precision=precision, measure_seconds=0.0)  # type: ignore[arg-type]
    return Setting(model, tiny_data(16), None, options)


@pytest.mark.parametrize("network", [tiny_network, residual_network])
def test_integer_steps_are_timed_at_the_densities_of_the_float_ones(
    network: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    timed: list[tuple[Any, ...]] = []

    def profiled(names: Sequence[str], levels: int, profile: Any, **options: Any) -> Any:
        rows = [profile(0, level) for level in range(levels)]
        timed.append((names, rows))
        return time_levels(names, levels, profile, seconds=0.0)

    time_levels = step_times.time_levels
    monkeypatch.setattr(step_times, "time_levels", profiled)
    setting = setting_of(network(), "int8")
    Finder(setting).observe()
    curves = setting.network.curves
    assert curves is not None
    assert curves.precision == "int8"
    assert set(curves.steps) == {step.name for step in setting.network.plan.steps}
    names, levels = timed[0]
    for number, step in enumerate(setting.network.plan.steps):
        assert names[number] == step.name
        densities = [rows[number]["density"] for rows in levels]
        if densities[0] is None:
            continue
        assert all(0.0 <= density <= 1.0 for density in densities)
        assert densities[-1] < densities[0], "the last level drops nine tenths of them"
        assert all(rows[number]["min_ms"] > 0.0 for rows in levels)


def test_either_precision_has_times_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """What was kept for float32 is not taken for int8."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    found: Mapping[str, StepCurves | None] = {}
    for precision in ("f32", "int8", "auto"):
        setting = setting_of(tiny_network(), precision)
        Finder(setting).observe()
        found = {**found, precision: setting.network.curves}
    named = {precision: curves.precision for precision, curves in found.items() if curves is not None}
    assert named == {"f32": "float32", "int8": "int8", "auto": "float32"}


def test_a_search_for_int8_goes_by_integer_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Zeros before the third layer are made to save time in float32 only, those before the second as integers only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(problem_module, "may_measure", lambda: True)

    def curves_of(program: Any, falling: str, precision: str) -> StepCurves:
        from zeroskip.engine.cost.step_curves import MeasuredStep

        flat, slope = MeasuredStep(points=((1.0, 1.0),)), MeasuredStep(points=((0.0, 0.0), (1.0, 4.0)))
        steps = {step.name: slope if step.name == falling else flat for step in program.plan.steps}
        return StepCurves(isa="generic", threads=1, batch_size=1, precision=precision, steps=steps)

    monkeypatch.setattr(
        problem_module, "sweep_densities", lambda program, *args, **options: curves_of(program, "conv3", "float32")
    )
    monkeypatch.setattr(
        step_times, "sweep_integers", lambda setting, program, *args: curves_of(program, "conv2", "int8")
    )
    thresholds = {
        precision: zs.calibrate(
            tiny_network(), tiny_data(64), 0.1, threads=1, measure_seconds=0.0, precision=precision
        ).thresholds
        for precision in ("f32", "int8")
    }
    assert np.any(thresholds["f32"]["relu2"])
    assert not np.any(thresholds["f32"]["relu1"])
    assert np.any(thresholds["int8"]["relu1"])
    assert not np.any(thresholds["int8"]["relu2"])
