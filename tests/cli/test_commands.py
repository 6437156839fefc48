"""Each command on a tiny model: what it prints, what it writes, how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import CLASSES, pictures, tiny_network
from zeroskip.analysis import SparsityProfile

from .conftest import Call, Optimized

QUICK = ("--threads", "1", "--preprocess", "unit")


def test_info_tells_what_is_installed(call: Call) -> None:
    result = call("info", "--json", "-")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["version"] == zs.__version__
    assert "generic" in facts["isas_compiled"]
    assert facts["isa_active"] in facts["isas_supported"]
    assert facts["threads"] >= 1
    assert "onnxruntime" in facts["engines"]


def test_info_for_people(call: Call) -> None:
    result = call("info")
    assert result.exit_code == 0
    assert "isa active" in result.stdout


def test_analyze_prints_a_table_and_an_answer(call: Call, model: Path, folder: Path) -> None:
    result = call("analyze", model, "--data", folder, *QUICK, "--no-compare", "--json", "profile.json")
    assert result.exit_code == 0, result.output
    assert "conv2" in result.stdout
    assert "ms at +20" in result.stdout
    profile = SparsityProfile.load("profile.json")
    assert profile.samples == 12
    assert profile.threads == 1


def test_analyze_compares_with_onnx_runtime(call: Call, model: Path, folder: Path) -> None:
    result = call("analyze", model, "--data", folder, *QUICK, "--json", "-")
    assert result.exit_code == 0, result.output
    profile = SparsityProfile.model_validate_json(result.stdout)
    assert profile.reference is not None
    assert profile.reference.engine == "ONNX Runtime"


def test_analyze_takes_noise_only_by_name(call: Call, model: Path) -> None:
    result = call("analyze", model, "--random-input", "--no-compare", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert "none of this" in result.stdout


def test_calibrate_writes_thresholds_and_model(call: Call, model: Path, folder: Path) -> None:
    result = call(
        "calibrate", model, "--data", folder, *QUICK, "--max-drop", "0.2",
        "--output", "t.json", "--model-output", "m.onnx",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "held-out inputs" in result.stdout
    thresholds = zs.ThresholdSet.load("t.json")
    assert not thresholds.is_zero
    x = zs.data.arrays(pictures(2), None, "unit").array()
    (expected,) = zs.InferenceSession(zs.apply(model, thresholds).model).run(None, {"image": x})
    (got,) = zs.InferenceSession("m.onnx").run(None, {"image": x})
    np.testing.assert_array_equal(got, expected)


def test_apply_writes_the_model_that_calibrate_would(call: Call, model: Path, folder: Path) -> None:
    result = call("calibrate", model, "--data", folder, *QUICK, "--max-drop", "0.2", "--model-output", "m.onnx")
    assert result.exit_code == 0, result.output
    result = call("apply", model, "thresholds.json", "--output", "again.onnx", "--json", "-")
    assert result.exit_code == 0, result.output
    assert Path("again.onnx").read_bytes() == Path("m.onnx").read_bytes()
    assert json.loads(result.stdout)["positive"] > 0
    assert "warning" not in result.stderr


def test_apply_warns_of_another_model_and_of_missing_weights(call: Call, model: Path) -> None:
    found = zs.ThresholdSet({"relu1": 0.1}, model_sha256="0" * 64, provenance={"corrected_layers": 3})
    found.save("thresholds.json")
    result = call("apply", model, "thresholds.json")
    assert result.exit_code == 0, result.output
    words = " ".join(result.stderr.split())
    assert "warning: thresholds.json was found on another model file" in words
    assert "corrected weights of 3 layers, which are not in the set" in words
    assert Path("model.fatrelu.onnx").exists()


def test_apply_refuses_a_set_of_other_activations(call: Call, model: Path) -> None:
    zs.ThresholdSet({"nothing": 0.1}).save("thresholds.json")
    result = call("apply", model, "thresholds.json")
    assert result.exit_code == 1
    assert "no activations of the model" in " ".join(result.stderr.split())
    assert not Path("model.fatrelu.onnx").exists()


SPEEDUP = ("--target-speedup", "1.02", "at least 1.02x as fast")
SPARSITY = ("--target-sparsity", "0.6", "sparsity of at least")


@pytest.mark.parametrize(("target", "value", "words"), [SPEEDUP, SPARSITY], ids=["speedup", "sparsity"])
def test_a_target_is_asked_for_and_shown(
    call: Call, model: Path, folder: Path, target: str, value: str, words: str
) -> None:
    result = call("calibrate", model, "--data", folder, *QUICK, target, value, "--time", "0.1")
    assert result.exit_code == 0, result.output
    assert words in result.stdout


def test_optimize_shows_the_target_it_was_asked_for(optimized: Optimized) -> None:
    assert SPARSITY[2] in " ".join(optimized.printed.split())


def test_calibrate_writes_the_curve_and_its_picture(call: Call, model: Path, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    result = call(
        "calibrate", model, "--data", folder, *QUICK, "--max-drop", "0.2", "--curve", "curve.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    curve = json.loads(Path("curve.json").read_text())
    assert curve["metric"] == "agreement"
    assert any(point["is_efficient"] for point in curve["points"])
    assert "<svg" in Path("curve.svg").read_text()


def test_corrected_weights_need_a_model_to_live_in(call: Call, model: Path, folder: Path) -> None:
    result = call("calibrate", model, "--data", folder, *QUICK, "--compensation", "bias")
    assert result.exit_code == 2
    assert "--model-output" in result.output
    assert not Path("thresholds.json").exists()


def test_calibrate_on_branches_says_so_in_the_set(call: Call, model: Path, folder: Path) -> None:
    result = call("calibrate", model, "--data", folder, *QUICK, "--max-drop", "0.2", "--branches")
    assert result.exit_code == 0, result.output
    assert zs.ThresholdSet.load("thresholds.json").provenance["branches"] is True


def test_run_prints_predictions(call: Call, model: Path, folder: Path) -> None:
    Path("classes.txt").write_text("ant\nbee\ncat\ndog\nelk\n")
    image = folder / "blob00.png"
    result = call(
        "run", model, image, *QUICK, "--top", "2", "--class-names", "classes.txt",
        "--json", "-", "--output", "raw.npz",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((entry),) = json.loads(result.stdout)
    assert entry["input"] == "blob00.png"
    assert len(entry["predictions"]) == 2
    x = zs.data.images([image], "unit").array()
    (logits,) = zs.InferenceSession(model).run(None, {"image": x})
    assert entry["predictions"][0]["class"] == ["ant", "bee", "cat", "dog", "elk"][logits.argmax()]
    assert sum(item["probability"] for item in entry["predictions"]) <= 1.0
    np.testing.assert_array_equal(np.load("raw.npz")["logits"], logits)


def test_run_takes_a_folder(call: Call, model: Path, folder: Path) -> None:
    result = call("run", model, "--data", folder, *QUICK, "--batch-size", "5")
    assert result.exit_code == 0, result.output
    assert "blob11.png" in result.stdout


def test_bench_prints_a_table(call: Call, model: Path, folder: Path) -> None:
    result = call("bench", model, "--data", folder, *QUICK, "--time", "0.2", "--json", "bench.json")
    assert result.exit_code == 0, result.output
    assert "vs onnxruntime" in result.stdout
    rows = json.loads(Path("bench.json").read_text())["rows"]
    assert [row["label"] for row in rows] == ["zeroskip", "onnxruntime"]


def test_optimize_and_report(call: Call, model: Path, folder: Path) -> None:
    target, value, words = SPEEDUP
    arguments = ("--data", folder, *QUICK, target, value, "--time", "0.2", "--output", "out", "--json", "s.json")
    result = call("optimize", model, *arguments)
    assert result.exit_code == 0, result.output
    assert "tiny.onnx" in result.stdout
    assert words in result.stdout
    assert Path("s.json").read_text() == Path("out/summary.json").read_text()
    page = Path("out/report.html").read_text()
    Path("out/report.html").unlink()
    again = call("report", "out")
    assert again.exit_code == 0, again.output
    assert Path("out/report.html").read_text() == page


def test_pictures_and_ready_arrays_in_an_npz(call: Call, model: Path) -> None:
    np.savez("pictures.npz", x=pictures(6))
    np.savez("ready.npz", x=zs.data.arrays(pictures(6), None, "unit").array())
    first = call("run", model, "--data", "pictures.npz", *QUICK, "--json", "-")
    second = call("run", model, "--data", "ready.npz", "--threads", "1", "--json", "-")
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    assert json.loads(first.stdout) == json.loads(second.stdout)


def test_preprocessing_options_override_the_preset(call: Call, model: Path, folder: Path) -> None:
    np.savez("ready.npz", x=(pictures(12).astype(np.float32)[..., ::-1] * 0.5 - 3.0).transpose(0, 3, 1, 2) / 2.0)
    recipe = ("--scale", "0.5", "--mean", "3", "--std", "2,2,2", "--channel-order", "bgr")
    first = call("run", model, "--data", folder, *QUICK, *recipe, "--json", "-")
    second = call("run", model, "--data", "ready.npz", "--threads", "1", "--json", "-")
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    for one, other in zip(json.loads(first.stdout), json.loads(second.stdout), strict=True):
        probabilities = [[item["probability"] for item in entry["predictions"]] for entry in (one, other)]
        assert probabilities[0] == pytest.approx(probabilities[1], rel=1e-4, abs=1e-6)


def test_labels_of_a_csv_make_it_top1(call: Call, model: Path, folder: Path) -> None:
    files = sorted(folder.glob("*.png"))
    rows = "\n".join(f"{file},{number % CLASSES}" for number, file in enumerate(files))
    Path("labels.csv").write_text(f"file,class_index\n{rows}\n")
    insist = "--accept-baseline"
    result = call("calibrate", model, "--data", folder, "--labels", "labels.csv", *QUICK, insist, "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["metric"] == "top1"


def test_the_demo_lays_out_its_files(call: Call, open_nsfw: Path, photos: list[Path]) -> None:
    result = call("demo", "--prepare-only")
    assert result.exit_code == 0, result.output
    assert Path("demo-data/open-nsfw.onnx").stat().st_size == open_nsfw.stat().st_size
    assert len(list(Path("demo-data/photos").iterdir())) >= 25


def test_a_model_in_bytes_and_on_disk_are_the_same(model: Path) -> None:
    assert model.read_bytes() == tiny_network()


def test_run_writes_a_trace(call: Call, model: Path, folder: Path) -> None:
    result = call("run", model, "--data", folder, "--preprocess", "unit", "--profile", "trace.json", "--threads", 1)
    assert result.exit_code == 0, result.stderr
    assert "trace written to trace.json" in result.stderr
    steps = [event["name"] for event in json.loads(Path("trace.json").read_text())["traceEvents"] if event["ph"] == "X"]
    assert "conv2" in steps
