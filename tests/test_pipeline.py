"""The whole way: what is written, that it is true, and that nothing is written when something fails."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import zeroskip as zs
from tiny_network import pictures, residual_network, tiny_data, tiny_network
from zeroskip import files, journal, optimize_result, pipeline, verification
from zeroskip.bench.compare import Comparison
from zeroskip.calibration.judging.metric import FidelityMetric
from zeroskip.errors import DataError, EngineError, ModelError, ZeroskipError
from zeroskip.onnx import LoadedModel
from zeroskip.optimize_result import OptimizeResult
from zeroskip.pipeline import optimize
from zeroskip.staging import remove_stale, staged_directory
from zeroskip.summary import Summary

FILES = {
    "model.fatrelu.onnx",
    "thresholds.json",
    "profile.json",
    "profile.fatrelu.json",
    "calibration.json",
    "bench.json",
    "verification.json",
    "summary.json",
    "report.html",
    "zero-maps.json",
    "zero-maps.fatrelu.json",
}
SUMMARY_KEYS = {
    "metric",
    "baseline",
    "optimized",
    "drop",
    "estimate",
    "agreement",
    "sparsity_before",
    "sparsity_after",
    "latency_ms",
    "speedup_exact",
    "speedup",
    "gain_exact",
    "gain_thresholds",
    "recommended",
    "precisions",
    "threads",
    "batch_size",
    "isa",
    "versions",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_network())
    return path


@pytest.fixture(scope="module")
def result(model: Path, tmp_path_factory: pytest.TempPathFactory) -> OptimizeResult:
    output = tmp_path_factory.mktemp("results") / "not" / "there" / "yet"
    lines: list[str] = []
    done = optimize(model, tiny_data(32), 0.05, output, threads=1, seconds=0.25, announce=lines.append)
    assert [line.split(":")[0] for line in lines] == ["analyzed", "calibrated", "verified"]
    return done


def test_everything_is_written_and_nothing_else(result: OptimizeResult) -> None:
    assert {file.name for file in result.output.iterdir()} == FILES
    assert {file.name for file in result.output.parent.iterdir()} == {result.output.name}


def test_the_summary_has_exactly_the_promised_keys(result: OptimizeResult) -> None:
    summary = json.loads((result.output / "summary.json").read_text())
    assert set(summary) == SUMMARY_KEYS
    assert set(summary["latency_ms"]) == {"onnxruntime", "zeroskip_exact", "zeroskip"}
    assert summary["metric"] == "agreement"
    assert summary["drop"] == pytest.approx(summary["baseline"] - summary["optimized"])
    assert summary["drop"] <= 0.05
    assert summary["sparsity_after"] > summary["sparsity_before"]
    assert summary["versions"]["zeroskip"] == zs.__version__
    latency = summary["latency_ms"]
    assert summary["speedup"] == pytest.approx(latency["onnxruntime"] / latency["zeroskip"])
    assert summary["speedup_exact"] == pytest.approx(latency["onnxruntime"] / latency["zeroskip_exact"])


def test_it_prints_as_its_outcome(result: OptimizeResult) -> None:
    lines = [" ".join(line.split()) for line in str(result).splitlines()]
    assert max(map(len, str(result).replace(str(result.output), "").splitlines())) <= 80
    assert lines[0].startswith("tiny.onnx ")
    for part in ("exact engine over ONNX Runtime: ", "thresholds over the exact engine: ", "recommended: "):
        assert any(line.startswith(part) for line in lines)
    assert lines[-1] == f"files: {result.output}"
    assert f"recommended='{result.summary.recommended}')" in repr(result)
    assert len(repr(result)) < 200 + len(str(result.output))


def test_onnx_runtime_computes_the_same_from_the_written_model(result: OptimizeResult) -> None:
    path = result.output / "model.fatrelu.onnx"
    x = zs.data.arrays(pictures(5, seed=3), None, "unit").array()
    (expected,) = ort.InferenceSession(path).run(None, {"image": x})
    (got,) = zs.InferenceSession(path).run(None, {"image": x})
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_the_written_model_has_the_written_thresholds(model: Path, result: OptimizeResult) -> None:
    thresholds = zs.ThresholdSet.load(result.output / "thresholds.json")
    x = tiny_data(4).array()
    (expected,) = zs.InferenceSession(zs.apply(model, thresholds).model).run(None, {"image": x})
    (got,) = zs.InferenceSession(result.output / "model.fatrelu.onnx").run(None, {"image": x})
    np.testing.assert_array_equal(got, expected)


def test_corrections_and_branches_are_in_the_written_model(tmp_path: Path) -> None:
    model, output = tmp_path / "residual.onnx", tmp_path / "out"
    model.write_bytes(residual_network())
    data = tiny_data(32)
    options = {"compensation": "reconstruct", "branches": True, "threads": 1, "seconds": 0.1}
    done = optimize(model, data, 0.02, output, **options)
    assert done.calibration.layers
    assert set(done.calibration.thresholds.thresholds) == {"relu1/branch"}
    holdout = data.split(0.5, seed=0)[1].array()
    (dense,) = zs.InferenceSession(model).run(None, {"image": holdout})
    (found,) = zs.InferenceSession(output / "model.fatrelu.onnx").run(None, {"image": holdout})
    assert FidelityMetric().value(dense, found, None) == pytest.approx(done.summary.optimized, abs=1e-4)
    assert done.summary.drop <= 0.02


def test_a_file_that_changes_midway_does_not_mix_two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the model file nor the weights beside it are read again once the first stage has begun."""
    path, whole = tmp_path / "net.onnx", onnx.load_model_from_string(tiny_network())
    onnx.save(whole, path, save_as_external_data=True, location="net.data", size_threshold=0)
    expected_hash = LoadedModel.of(path).sha256
    really_calibrate = pipeline.calibrate

    def replace_meanwhile(*arguments: Any, **options: Any) -> Any:
        path.write_bytes(residual_network())
        (tmp_path / "net.data").write_bytes(bytes((tmp_path / "net.data").stat().st_size))
        done = really_calibrate(*arguments, **options)
        path.write_bytes(b"no model any more")
        return done

    monkeypatch.setattr(pipeline, "calibrate", replace_meanwhile)
    done = optimize(path, tiny_data(32), 0.05, tmp_path / "out", threads=1, seconds=0.1)
    assert done.profile.model_sha256 == done.calibration.thresholds.model_sha256 == expected_hash
    assert done.bench["zeroskip_exact"].model_sha256 == expected_hash
    x = tiny_data(4).array()
    (expected,) = zs.InferenceSession(zs.apply(tiny_network(), done.calibration.thresholds).model).run(
        None, {"image": x}
    )
    (got,) = zs.InferenceSession(tmp_path / "out" / "model.fatrelu.onnx").run(None, {"image": x})
    np.testing.assert_array_equal(got, expected)


def test_the_model_is_read_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    really_read = files.open_ordinary

    def note(path: Any) -> Any:
        read.append(str(path))
        return really_read(path)

    monkeypatch.setattr(files, "open_ordinary", note)
    optimize(model, tiny_data(16), 0.05, tmp_path / "out", threads=1, seconds=0.1)
    assert read.count(str(model)) == 1


def test_results_can_be_loaded_again(result: OptimizeResult) -> None:
    again = OptimizeResult.load(result.output)
    assert again.summary == result.summary
    assert again.calibration == result.calibration
    assert again.verifications == result.verifications


def test_loading_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read a summary from .*summary\.json"):
        OptimizeResult.load(tmp_path)


def test_the_report_is_one_self_contained_page(result: OptimizeResult) -> None:
    page = (result.output / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert len(page) < 3_000_000
    assert "Zero maps" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "conv2" in page
    assert f"{result.summary.speedup:.2f}x" in page


def test_without_onnx_runtime_there_is_no_speedup(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "available_engines", lambda: ("zeroskip",))
    monkeypatch.setattr(verification, "available_engines", lambda: ("zeroskip",))
    lines: list[str] = []
    done = optimize(model, tiny_data(16), 0.05, tmp_path / "out", threads=1, seconds=0.1, announce=lines.append)
    assert done.summary.speedup is None
    assert done.summary.latency_ms.onnxruntime is None
    assert "onnxruntime is not installed" in lines[-1]
    assert "with thresholds" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("module", "stage"),
    [(pipeline, "calibrate"), (pipeline, "verify"), (pipeline, "bench"), (optimize_result, "write_report")],
)
@pytest.mark.parametrize("error", [EngineError("broken on purpose"), KeyboardInterrupt()])
def test_a_failed_or_interrupted_run_leaves_nothing(
    module: ModuleType, stage: str, error: BaseException, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, stage, fail)
    monkeypatch.setattr(journal, "_WORTH_KEEPING_S", float("inf"))  # else, on a busy machine, the work is kept
    with pytest.raises(type(error)):
        optimize(model, tiny_data(16), 0.05, tmp_path / "out", threads=1, seconds=0.1)
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_differ_stop_everything(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Comparison(8, 0.5, 0.5, 0.0, 1.0, verification.TOLERANCE, verification.TOLERANCE)
    monkeypatch.setattr(verification, "compare", lambda *_: wrong)
    with pytest.raises(EngineError, match=r"differ by 5\.0e-01 of the largest output on 8 inputs .* must not be used"):
        optimize(model, tiny_data(16), 0.05, tmp_path / "out", threads=1)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read model '.*gone\.onnx': No such file or directory"):
        optimize(tmp_path / "gone.onnx", tiny_data(8), output=tmp_path / "out")


def test_a_truncated_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(tiny_network()[:5000])
    with pytest.raises(ModelError, match=r"cut\.onnx' is not an ONNX file, or is truncated"):
        optimize(tmp_path / "cut.onnx", tiny_data(8), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ZeroskipError, match="is a file, expected a folder"):
        optimize(model, tiny_data(8), output=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_what_killed_runs_left_is_removed(tmp_path: Path) -> None:
    for name in (".out.0123456789ab", ".out.work", ".out.notes", ".other.0123456789ab", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / ".out.0123456789ab" / "model.fatrelu.onnx").write_bytes(b"half")
    remove_stale(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {".out.work", ".out.notes", ".other.0123456789ab", "out"}


def test_an_existing_folder_keeps_its_other_files(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "notes.txt").write_text("keep")
    (target / "summary.json").write_text("old")
    with staged_directory(target) as stage:
        (stage / "summary.json").write_text("new")
        assert (target / "summary.json").read_text() == "old"
    assert (target / "summary.json").read_text() == "new"
    assert (target / "notes.txt").read_text() == "keep"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_summary_with_other_keys_is_refused(result: OptimizeResult, tmp_path: Path) -> None:
    values = json.loads((result.output / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps({**values, "extra": 1}))
    with pytest.raises(DataError, match="extra"):
        Summary.load(tmp_path / "summary.json")


@pytest.mark.slow
def test_a_real_classifier_with_labels(squeezenet: Path, imagenet_calib: Path, tmp_path: Path) -> None:
    recipe = zs.data.Preprocess.preset("caffe-bgr", crop=227)
    data = zs.data.image_folder(imagenet_calib, recipe).subset(48)
    done = optimize(squeezenet, data, 0.05, tmp_path / "out", seconds=0.5)
    assert done.summary.metric == "top1"
    assert done.summary.baseline > 0.4
    assert done.summary.drop <= 0.05
    assert done.summary.sparsity_after > done.summary.sparsity_before
    exact, thresholded = done.verifications
    assert exact.difference <= 1e-5
    assert thresholded.median <= 1e-3
