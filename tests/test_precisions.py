"""Optimising for int8: one more model, one more row of the measurement, and what each precision costs."""

from __future__ import annotations

from pathlib import Path

import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.summary import Summary


def test_optimize_writes_a_quantised_model_too(tmp_path: Path) -> None:
    lines: list[str] = []
    options = zs.CalibrationOptions(threads=1, costs="model", precision="int8")
    result = zs.optimize(
        tiny_network(), tiny_data(16), 0.2, tmp_path / "out", options=options, seconds=0.1, announce=lines.append
    )
    assert zs.InferenceSession(tmp_path / "out" / "model.int8.onnx").explain_islands() == ()
    saved = Summary.load(tmp_path / "out" / "summary.json").precisions
    assert saved == result.summary.precisions
    assert [(item.precision, item.is_chosen) for item in saved] == [("f32", False), ("int8", True)]
    assert saved[1].drop <= 0.2
    assert any(line.startswith("quantised: 4 of 4 layers in int8") for line in lines)
    assert any("int8: " in line and "chosen" in line for line in lines)


def test_a_precision_that_is_none() -> None:
    with pytest.raises(zs.CalibrationError, match=r"unknown precision 'int4', known are \['f32', 'int8', 'auto'\]"):
        zs.CalibrationOptions(precision="int4")  # type: ignore[arg-type]
