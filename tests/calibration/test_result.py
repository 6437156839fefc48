"""A result knows where it comes from and survives the way through a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import CalibrationResult, calibrate
from zeroskip.errors import DataError

from .conftest import COUNT


def test_thresholds_say_where_they_come_from(result: CalibrationResult) -> None:
    thresholds = result.thresholds
    assert thresholds.metric == "agreement"
    assert len(thresholds.model_sha256 or "") == 64
    assert "blobs" in (thresholds.data or "")
    assert thresholds.provenance["max_drop"] == 0.05
    assert thresholds.provenance["labels"] == {name: f"{name.replace('relu', 'conv')}/relu" for name in thresholds}
    assert zs.ThresholdSet.from_json(thresholds.to_json()) == thresholds


def test_a_result_survives_json(result: CalibrationResult, tmp_path: Path) -> None:
    result.save(tmp_path / "calibration.json")
    again = CalibrationResult.load(tmp_path / "calibration.json")
    assert again == result
    assert json.loads((tmp_path / "calibration.json").read_text())["metric"] == "agreement"


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text('{"thresholds": {}}')
    with pytest.raises(DataError, match=r"cannot read a calibration from .*calibration\.json"):
        CalibrationResult.load(tmp_path / "calibration.json")


def test_the_curve_ends_in_damage_and_marks_what_is_efficient(result: CalibrationResult) -> None:
    assert result.curve == ()
    traced = calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1, curve=True)
    points = traced.curve
    assert points[0].strength == 0.0
    assert points[0].predicted_speedup == 1.0
    assert [point.sparsity for point in points] == sorted(point.sparsity for point in points)
    assert points[-1].calibration.information_loss > 0.03
    efficient = [point for point in points if point.is_efficient]
    for point in efficient:
        faster = (other for other in points if other.predicted_speedup > point.predicted_speedup)
        assert all(other.holdout.drop > point.holdout.drop for other in faster)
    assert traced.thresholds.provenance["curve"]
