"""One set of options for Python, ``optimize``, the command line and the result."""

from __future__ import annotations

from dataclasses import fields

import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import CalibrationOptions, CalibrationResult
from zeroskip.cli.options import BudgetOptions

QUICK = CalibrationOptions(metric="fidelity", threads=1, measure_seconds=0.0, seed=3)


def test_single_options_go_on_top_of_the_others() -> None:
    made = CalibrationOptions.of(QUICK, {"max_drop": 0.1, "seed": 4})
    assert (made.max_drop, made.seed, made.metric) == (0.1, 4, "fidelity")
    assert CalibrationOptions.of(None, {"max_drop": None}) == CalibrationOptions()


@pytest.mark.parametrize("run", [zs.calibrate, zs.optimize])
def test_unknown_options_are_refused_with_the_known_ones(run: object) -> None:
    with pytest.raises(zs.CalibrationError, match=r"unknown option stratgey; known are .*strategy"):
        run(tiny_network(), tiny_data(8), 0.1, stratgey="energy")
    with pytest.raises(zs.CalibrationError, match="options are a dict, expected CalibrationOptions"):
        run(tiny_network(), tiny_data(8), 0.1, options={"seed": 1})


def test_the_result_stores_what_was_asked_for_and_reads_it_back(tmp_path: object) -> None:
    found = zs.calibrate(tiny_network(), tiny_data(16), 0.1, options=QUICK)
    assert found.options == CalibrationOptions.of(QUICK, {"max_drop": 0.1})
    found.save(tmp_path / "calibration.json")
    assert CalibrationResult.load(tmp_path / "calibration.json").options == found.options


def test_a_function_as_metric_is_stored_by_its_name(tmp_path: object) -> None:
    def spread(outputs: object, labels: object) -> float:
        return 1.0

    found = zs.calibrate(tiny_network(), tiny_data(16), 0.1, options=QUICK, metric=spread)
    assert found.options.metric == found.metric
    found.save(tmp_path / "calibration.json")
    assert CalibrationResult.load(tmp_path / "calibration.json").options == found.options


def test_every_flag_of_the_command_line_is_an_option() -> None:
    known = {field.name for field in fields(CalibrationOptions)}
    assert {field.name for field in fields(BudgetOptions)} <= known
    assert BudgetOptions(max_drop=0.02, seed=5).calibration(threads=2) == CalibrationOptions(
        max_drop=0.02, seed=5, threads=2
    )


@pytest.mark.parametrize("name", ["max_drop", "target_sparsity", "target_speedup", "measure_seconds", "time_limit"])
def test_what_is_no_number_is_refused_by_name(name: str) -> None:
    with pytest.raises(zs.CalibrationError, match=rf"{name} is '1%', expected a number"):
        CalibrationOptions(**{name: "1%"})
