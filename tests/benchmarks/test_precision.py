"""The figures of low precision: what is said of them follows from what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.precision import layers, page
from benchmarks.precision.result import (
    AccuracyResult,
    LayersAtDensity,
    LayersResult,
    NetworkResult,
    Prediction,
    Rival,
    Way,
)

from zeroskip.engine import CostModel


def made_up(*sparse: float) -> LayersResult:
    """Two layers of 2 ms in dense form, of which the second occurs twice."""
    rows = [
        LayersAtDensity(
            density=density, dense_ms=(2.0, 2.0), sparse_ms=(time, 1.0), auto_ms=(2.0, 1.0), probed_ms=(time, 2.0)
        )
        for density, time in zip((0.2, 0.6, 1.0), sparse, strict=True)
    ]
    facts = {"network": "made up", "dtype": "u8", "zeros": "recorded", "threads": 1, "isa": "avx2", "cpu": "any"}
    return LayersResult(**facts, names=("a", "b"), kinds=("1x1", "3x3"), counts=(1, 2), rows=tuple(rows))


def test_a_crossover_lies_where_both_algorithms_take_the_same_time() -> None:
    assert made_up(1.0, 1.5, 2.5).crossovers()["1x1"] == pytest.approx((0.8, 0.8))
    assert made_up(2.5, 3.0, 3.5).crossovers()["1x1"] == (0.0, 0.0)
    assert made_up(2.5, 3.0, 3.5).crossovers()["3x3"] == (1.0, 1.0)


def test_a_choice_is_compared_with_the_better_algorithm_of_each_layer() -> None:
    result = made_up(1.0, 1.0, 1.0)
    assert result.total(result.rows[0].dense_ms) == 6.0
    assert result.regret("auto") == pytest.approx(4.0 / 3.0)
    assert result.regret("probed") == pytest.approx(5.0 / 3.0)


@pytest.mark.parametrize("dtype", ["float32", "u8"])
def test_zeros_of_layers_are_as_many_as_asked_for(dtype: layers.ElementType) -> None:
    recorded = np.random.default_rng(0).standard_normal((1, 8, 10, 10)).astype(np.float32)
    kept, moved = (layers._values(recorded, 0.3, zeros, dtype) for zeros in ("recorded", "independent"))
    assert np.count_nonzero(kept) == np.count_nonzero(moved) == 240
    assert (np.sort(kept.ravel()) == np.sort(moved.ravel())).all()
    assert (kept[recorded > np.quantile(recorded, 0.7)] > 0).all()


def test_layers_are_timed_in_all_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    table = layers.layer_table("resnet50")[-1:]
    monkeypatch.setattr(layers, "layer_table", lambda network: table)
    monkeypatch.setattr(layers, "_DENSITIES", (0.5,))
    monkeypatch.setattr(layers, "_ROUNDS", 1)
    maps = {(1, 512, 7, 7): np.random.default_rng(0).standard_normal((1, 512, 7, 7)).astype(np.float32)}
    result = layers.measure("u8", 1, "recorded", maps, CostModel.for_isa("generic"))
    assert result.kinds == ("3x3",)
    (row,) = result.rows
    assert all(len(times) == 1 and times[0] > 0 for times in (row.dense_ms, row.sparse_ms, row.auto_ms, row.probed_ms))


def way(name: str, drop: float) -> Way:
    return Way(name=name, right=0.8 - drop, lost=3, won=1, drop=drop)


def rival(label: str, gain: tuple[float, float, float] | None, sparsity: float | None = None) -> Rival:
    return Rival(label=label, latency_ms=10.0, least_ms=9.0, gain=gain, sparsity=sparsity)


def network(labels: dict[str, tuple[float, float, float] | None], name: str = "squeezenet") -> NetworkResult:
    facts = {"sparsity": None, "threads": 2, "isa": "avx2", "cpu": "any", "date": "2026-11-30", "is_unstable": False}
    rivals = tuple(rival(label, gain, 0.5) for label, gain in labels.items())
    predictions = (Prediction(precision="int8", measured_ms=10.0, predicted_ms=11.0, speed=0.9),)
    return NetworkResult(network=name, versions={"openvino": "1"}, rivals=rivals, predictions=predictions, **facts)


def test_what_is_missed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = tuple(
        way(name, drop)
        for name, drop in (
            ("float32", 0.0),
            ("int8_thresholds", 0.02),
            ("onnxruntime_int8", 0.06),
            ("openvino_int8", 0.02),
        )
    )
    accuracy = AccuracyResult(
        network="squeezenet", metric="top1", max_drop=0.01, choosing=50, unseen=100, seed=0, ways=ways
    )
    slower, faster = (1.3, 1.2, 1.4), (0.8, 0.7, 0.9)
    timed = network({"int8_thresholds": None, "onnxruntime_int8": slower, "openvino_int8": faster, "float32": slower})
    labels = ("float32", "onnxruntime_int8", "openvino_int8", "openvino_same")
    plain = network({"int8": None, **dict.fromkeys(labels, slower)}, "resnet50")
    found = {"accuracy": [accuracy], "trained": [timed], "networks": [plain], "layers": [made_up(1.0, 1.5, 2.5)]}
    monkeypatch.setattr(page, "_load", lambda folder, kind: found[folder])
    text = " ".join(page.page().split())
    assert "int8 with thresholds **does not keep** the point on unseen pictures" in text
    assert "| zeroskip int8, thresholds | top-1 78.0% | 2.0 points (-3.1 to 7.6) | -3 +1 of 100 |" in text
    assert "ONNX Runtime int8 takes 1.30 times the time and 4.0 points worse" in text
    assert "OpenVINO int8 (NNCF) **is faster** at the same accuracy, within a point" in text
    assert "| ResNet-50 | 50% | 2 | 10.0 ms | 1.30 (1.20 to 1.40) |" in text
    assert "1.10 (11.0 of 10.0 ms, speed 0.90)" in text
    assert "bf16 was not timed at all" in text
