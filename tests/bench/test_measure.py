"""A benchmark from end to end: comparison first, interleaving, what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from zeroskip import DataError, EngineError, ModelError, ShapeError
from zeroskip.bench import BenchResult, EngineSpec, bench, measure
from zeroskip.bench.row import Row
from zeroskip.data import Dataset, Preprocess, arrays, image_folder, random_input

pytest.importorskip("onnxruntime")
TWICE = [EngineSpec("onnxruntime", "first"), EngineSpec("onnxruntime", "second")]


def pictures(count: int = 20) -> Dataset:
    return arrays(np.random.default_rng(0).standard_normal((count, 3, 16, 16)).astype(np.float32))


def other_model(model: bytes) -> bytes:
    """Return the network with one bias changed."""
    proto = onnx.load_model_from_string(model)
    bias = next(tensor for tensor in proto.graph.initializer if tensor.name == "b3")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(5, 9.0, np.float32), "b3"))
    return bytes(proto.SerializeToString())


def quick(model: Any, data: Dataset, engines: Any = ("onnxruntime",), **options: Any) -> BenchResult:
    return bench(model, data, engines, **{"threads": 1, "seconds": 0.05, **options})


def test_result_is_complete_and_survives_json(small_network: bytes, tmp_path: Path) -> None:
    result = quick(small_network, pictures(), TWICE, batch_size=4)
    assert [row.label for row in result.rows] == ["first", "second"]
    for row in result.rows:
        assert row.p50_ms <= row.p90_ms <= row.p99_ms
        assert row.throughput == pytest.approx(4000 / row.mean_ms)
        assert len(row.round_p50_ms) >= 5
        assert row.iterations >= 5
        assert row.gflops is not None
    assert result["first"].relative_difference is None
    assert result["second"].relative_difference == 0.0
    assert result["second"].is_match
    assert result.mismatches == ()
    assert result.speedup("first", over="second") == pytest.approx(1 / result.speedup("second", over="first"))
    result.save(tmp_path / "bench.json")
    assert BenchResult.load(tmp_path / "bench.json") == result


def test_rows_with_another_model_are_not_compared(small_network: bytes) -> None:
    engines = [*TWICE, EngineSpec("onnxruntime", "other", model=other_model(small_network))]
    result = quick(small_network, pictures(), engines)
    assert result["other"].relative_difference is None
    assert result["other"].model_sha256 != result["first"].model_sha256
    assert result.mismatches == ()


def test_wrong_outputs_are_marked_and_logged(
    small_network: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load = Row.load

    def load_and_spoil(row: Row, batches: Any) -> None:
        load(row, batches)
        if row.label == "second":
            row.outputs[0][0] = row.outputs[0][0] + 0.5

    monkeypatch.setattr(Row, "load", load_and_spoil)
    with caplog.at_level(logging.WARNING):
        result = quick(small_network, pictures(), TWICE)
    assert result.mismatches == ("second",)
    assert "outputs of second differ from those of first" in caplog.text
    assert not quick(small_network, pictures(), TWICE, tolerance=10.0).mismatches


def test_rounds_are_interleaved_and_progress_is_told(small_network: bytes) -> None:
    told: list[tuple[str, int, int]] = []
    result = quick(small_network, pictures(), TWICE, progress=lambda *step: told.append(step))
    rounds = len(result["first"].round_p50_ms)
    assert [words for words, _, _ in told][:4] == [
        "loading first",
        "loading second",
        "round 1 of 5: first",
        "round 1 of 5: second",
    ]
    assert [done for _, done, _ in told] == list(range(2 + 2 * rounds))
    assert all(done < total for _, done, total in told)


def test_collapsed_round_is_left_out_for_all_and_repeated(
    small_network: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_round(row: Row, seconds: float) -> None:
        collapses = row.label == "second" and len(row.rounds) == 2
        row.rounds.append([50.0 if collapses else 1.0] * 3)

    monkeypatch.setattr(Row, "time_round", time_round)
    result = quick(small_network, pictures(), TWICE)
    assert result.dropped_rounds == (2,)
    assert len(result["first"].round_p50_ms) == 6
    assert result["second"].p99_ms == 1.0
    assert result["first"].iterations == 15
    assert result.speedup_range("first", "second") == (1.0, 1.0)
    assert not result.is_unstable


def test_busy_machine_is_admitted(
    small_network: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def time_round(row: Row, seconds: float) -> None:
        row.rounds.append([1.0 if len(row.rounds) == 0 else 10.0])

    monkeypatch.setattr(Row, "time_round", time_round)
    result = quick(small_network, pictures())
    assert result.is_unstable
    assert result.dropped_rounds == ()
    assert len(result.rows[0].round_p50_ms) == 10
    assert "too busy to measure" in caplog.text


def test_noise_is_refused_unless_asked_for(small_network: bytes) -> None:
    noise = random_input((3, 16, 16), count=4)
    with pytest.raises(DataError, match=r"noise.*random_input=True"):
        quick(small_network, noise)
    assert quick(small_network, noise, random_input=True).is_random_input


def test_few_inputs_are_repeated_to_fill_a_batch(small_network: bytes) -> None:
    batches = measure._batches(pictures(3), 8)
    assert [batch.shape for batch in batches] == [(8, 3, 16, 16)]
    assert np.array_equal(batches[0][0], batches[0][3])
    assert len(measure._batches(pictures(100), 2)) == measure.MAX_BATCHES


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rounds": 4}, EngineError, "rounds is 4, expected >= 5"),
        ({"batch_size": 0}, DataError, "batch_size is 0"),
        ({"threads": 0}, EngineError, "threads is 0"),
        ({"engines": ()}, EngineError, r"engines are \[\]"),
        ({"engines": ("onnxruntime", "onnxruntime")}, EngineError, "with different labels"),
        ({"engines": ("tvm",)}, EngineError, "unknown engine 'tvm'"),
        ({"engines": ("openvino:int4",)}, EngineError, "unknown precision 'int4' in 'openvino:int4'"),
        ({"engines": ("onnxruntime:bf16",)}, EngineError, "'onnxruntime' computes in"),
    ],
)
def test_wrong_options_are_named(
    small_network: bytes, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        quick(small_network, pictures(), **options)


def test_data_that_do_not_fit_are_named(small_network: bytes) -> None:
    data = arrays(np.zeros((2, 16, 16, 3), np.float32))
    with pytest.raises(ShapeError, match=r"shape \[1, 16, 16, 3\].*input 'image' is \['N', 3, 16, 16\].*layout"):
        quick(small_network, data)


def test_unreadable_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read model '.*absent\.onnx'"):
        quick(tmp_path / "absent.onnx", pictures())
    with pytest.raises(ModelError, match="not an ONNX file"):
        quick(b"no model", pictures())


def test_model_with_two_inputs_is_refused() -> None:
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in "abc"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["a", "b"], ["c"])], "add", values[:2], values[2:])
    with pytest.raises(DataError, match=r"2 inputs \['a', 'b'\]"):
        quick(onnx.helper.make_model(graph).SerializeToString(), pictures())


def test_real_network_on_real_photographs(squeezenet: Path, imagenet_calib: Path) -> None:
    data = image_folder(imagenet_calib, Preprocess.preset("caffe-bgr", crop=227)).subset(2)
    result = bench(squeezenet, data, ["onnxruntime", "zeroskip"], threads=1, seconds=0.1)
    ours = result["zeroskip"]
    assert ours.is_match
    assert ours.sparsity_seen is not None
    assert 0.3 < ours.sparsity_seen < 0.8
    assert result.best_peer is result["onnxruntime"]
