"""Calibration by measured step times; the tests make them up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import CalibrationOptions
from zeroskip.calibration import problem as problem_module
from zeroskip.calibration.problem import Setting
from zeroskip.calibration.search.finder import Finder
from zeroskip.engine import CostModel
from zeroskip.engine.cost import StepCurves
from zeroskip.engine.cost.step_curves import MeasuredStep
from zeroskip.errors import CalibrationError
from zeroskip.report.words import timing_caution


def curves_of(setting: Setting, **shapes: MeasuredStep) -> StepCurves:
    """Return curves for the steps of a setting: those given, 1 ms at any density for the others."""
    flat = MeasuredStep(points=((1.0, 1.0),))
    steps = {step.name: shapes.get(step.name, flat) for step in setting.network.plan.steps}
    return StepCurves(isa="generic", threads=1, batch_size=1, steps=steps)


def setting_with(monkeypatch: pytest.MonkeyPatch, **shapes: MeasuredStep) -> Setting:
    options = CalibrationOptions(max_drop=0.1, threads=1)
    setting = Setting(tiny_network(), tiny_data(32), None, options)
    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    monkeypatch.setattr(problem_module, "measured_curves", lambda *arguments: curves_of(setting, **shapes))
    return setting


def test_gains_and_predictions_come_from_measured_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the third layer gets faster: 4 ms per density, beside 1 ms of each other step."""
    setting = setting_with(monkeypatch, conv3=MeasuredStep(points=((0.0, 0.0), (1.0, 4.0))))
    finder = Finder(setting)
    finder.observe()
    gains = {name: float(gain[-1]) for name, gain in finder.gains.items()}
    density = finder.values["relu2"].density
    assert gains["relu2"] == pytest.approx(0.95 * 4.0 * setting.calibration.dense.densities[step_of(setting, "conv3")])
    assert gains["relu1"] == 0.0
    assert 0.0 < density < 1.0
    densities = setting.calibration.dense.densities
    others = len(setting.network.plan.steps) - 1
    assert setting.network.expected_ms(densities) == pytest.approx(others + 4.0 * densities[step_of(setting, "conv3")])


def step_of(setting: Setting, name: str) -> int:
    return next(number for number, step in enumerate(setting.network.plan.steps) if step.name == name)


def test_no_threshold_where_zeros_gain_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {
        "conv2": MeasuredStep(points=((0.0, 2.0), (1.0, 2.0)), steady_density=0.0),
        "conv3": MeasuredStep(points=((0.0, 0.0), (1.0, 4.0))),
    }
    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    monkeypatch.setattr(
        problem_module, "measured_curves",
        lambda program, *arguments: StepCurves(
            isa="generic", threads=1, batch_size=1,
            steps={
                step.name: shapes.get(step.name, MeasuredStep(points=((1.0, 1.0),))) for step in program.plan.steps
            },
        ),
    )  # fmt: skip
    result = zs.calibrate(tiny_network(), tiny_data(64), 0.1, threads=1, measure_seconds=0.0)
    assert not np.any(result.thresholds["relu1"]), "it feeds a layer that no zero makes faster"
    assert np.all(result.thresholds["relu2"] > 0.0)
    assert result.predicted_speedup > 1.0


@pytest.mark.parametrize("choice", [{"costs": "model"}, {}])
def test_nothing_is_timed_by_the_model_or_where_the_environment_forbids_it(
    choice: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if choice:
        monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    monkeypatch.setattr(problem_module, "measured_curves", lambda *arguments: pytest.fail("was timed"))
    setting = Setting(tiny_network(), tiny_data(16), None, CalibrationOptions(threads=1, **choice))
    finder = Finder(setting)
    finder.observe()
    assert setting.network.curves is None
    model = CostModel.for_isa(setting.network.program.isa)
    plan, number = setting.network.plan, step_of(setting, "conv2")
    expected = model.predict(plan, plan.steps[number], 0.5) / setting.network.batch_size
    assert setting.network.step_ms(number, 0.5) == pytest.approx(expected)


def test_an_engine_that_cannot_be_timed_leaves_it_to_the_model(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from zeroskip.calibration.network import step_times
    from zeroskip.errors import EngineError

    def fail(*arguments: object, **options: object) -> StepCurves:
        raise EngineError("no memory")

    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    monkeypatch.setattr(step_times, "kept_curves", fail)
    setting = Setting(tiny_network(), tiny_data(16), None, CalibrationOptions(threads=1))
    finder = Finder(setting)
    finder.observe()
    assert setting.network.curves is None
    assert "layers could not be timed, so the cost model says what zeros are worth: no memory" in caplog.text


@pytest.mark.parametrize("error", [0.02, 0.2])
def test_noisy_times_never_decide_silently(
    error: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    noisy = MeasuredStep(points=((0.0, 0.0), (1.0, 4.0)), error=error)

    def measured(program: Any, *arguments: object) -> StepCurves:
        steps = dict.fromkeys((step.name for step in program.plan.steps), noisy)
        return StepCurves(isa="generic", threads=1, batch_size=1, steps=steps)

    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    monkeypatch.setattr(problem_module, "measured_curves", measured)
    result = zs.calibrate(tiny_network(), tiny_data(32), 0.1, threads=1, measure_seconds=0.0)
    words = "the times of layers that say which zeros pay are uncertain by 20%"
    assert result.step_time_error == pytest.approx(error)
    assert any(note.startswith(words) for note in result.notes) == (error > 0.1)
    assert (words in caplog.text) == (error > 0.1)
    caution = timing_caution(result)
    assert caution is None if error < 0.1 else caution is not None and caution.startswith("The times of layers")


def test_what_the_cost_model_decided_has_no_noise() -> None:
    result = zs.calibrate(tiny_network(), tiny_data(32), 0.1, threads=1, measure_seconds=0.0, costs="model")
    assert result.step_time_error is None
    assert timing_caution(result) is None


def test_unknown_costs_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"unknown costs 'guess', known are \['measured', 'model', 'macs'\]"):
        CalibrationOptions(costs="guess")  # type: ignore[arg-type]


def test_multiplications_may_stand_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros are then worth the same everywhere, on either side of any edge, and nothing is timed."""
    monkeypatch.setattr(problem_module, "may_measure", lambda: True)
    monkeypatch.setattr(problem_module, "measured_curves", lambda *arguments: pytest.fail("was timed"))
    setting = Setting(tiny_network(), tiny_data(16), None, CalibrationOptions(threads=1, costs="macs"))
    finder = Finder(setting)
    finder.observe()
    network, densities = setting.network, setting.calibration.dense.densities
    for name in finder.values:
        saved = sum(
            1e-6 * network.plan.steps[reader.step].macs / network.batch_size * densities[reader.step]
            for reader in network.readers[name]
        )
        assert float(finder.gains[name][-1]) == pytest.approx(0.95 * saved)
    skipping = {number for readers in network.readers.values() for number in (reader.step for reader in readers)}
    half = {number: 0.5 * density if number in skipping else density for number, density in densities.items()}
    macs = {number: step.macs for number, step in enumerate(network.plan.steps)}
    before = sum(macs.values()) - sum(macs[n] * (1.0 - densities[n]) for n in skipping)
    after = sum(macs.values()) - sum(macs[n] * (1.0 - half[n]) for n in skipping)
    ratio = network.expected_ms(densities) / network.expected_ms(half)
    assert ratio == pytest.approx(before / after)
    result = zs.calibrate(tiny_network(), tiny_data(32), 0.2, threads=1, measure_seconds=0.0, costs="macs")
    assert "by multiplications" in result.message
