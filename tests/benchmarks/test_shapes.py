"""The benchmark of new input shapes: its networks take images of any size, its table says what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

import onnxruntime as ort
from benchmarks.page import shapes as section
from benchmarks.shapes.networks import build
from benchmarks.shapes.result import ShapeTable, ShapeTiming, load_shapes, rows

import zeroskip
from zeroskip.system import SystemInfo


def a_table() -> ShapeTable:
    timing = ShapeTiming(network="unet", engine="zeroskip", first_ms=(12.0, 11.0, 30.0), known_ms=(9.0, 10.0, 10.0))
    return ShapeTable(
        date="2026-11-30",
        command="python -m benchmarks.shapes.run",
        threads=1,
        clock="cpu",
        shapes=((8, 8), (16, 8), (9, 9)),
        resnet18_ms=10.0,
        system=SystemInfo.collect(("onnxruntime",)),
        timings=(timing,),
    )


def test_the_u_net_takes_images_of_any_size() -> None:
    model = build("unet")
    session, other = zeroskip.InferenceSession(model), ort.InferenceSession(model.SerializeToString())
    for height, width in ((40, 32), (33, 57)):
        x = np.random.default_rng(0).standard_normal((1, 3, height, width), np.float32)
        (got,), (want,) = session.run(None, {"input": x}), other.run(None, {"input": x})
        assert got.shape == want.shape == (1, 2, height, width)
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3 * np.abs(want).max())


def test_the_table_shows_the_median_of_what_first_runs_take_more() -> None:
    assert rows(a_table())[1] == [["unet", "zeroskip", "10.0", "12.0", "3.0 (1.0 to 20.0)", "0.30"]]


def test_the_section_is_made_of_the_file(tmp_path: Path) -> None:
    assert section.section(load_shapes(tmp_path)) == []
    a_table().save(tmp_path)
    text = "\n".join(section.section(load_shapes(tmp_path)))
    assert "| unet | zeroskip | 10.0 | 12.0 | 3.0 (1.0 to 20.0) | 0.30 |" in text
    assert "CPU times" in text
