"""What the commands make of data: the model's own preprocessing, class names, options without effect."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import pictures, save_pictures, tiny_data, tiny_network
from zeroskip.data import Preprocess
from zeroskip.onnx import load_model, save_model
from zeroskip.onnx.metadata import NAMES_KEY, state_preprocess

from .conftest import Call

RECIPE = Preprocess(scale=1 / 255, mean=(0.5, 0.4, 0.3), std=0.25)


@pytest.fixture
def stating(tmp_path: Path) -> Path:
    """A model that says how it is fed and what its classes are called."""
    model = load_model(tiny_network())
    state_preprocess(model, RECIPE.to_dict())
    model.metadata_props[NAMES_KEY] = "{0: 'ant', 1: 'bee', 2: 'cat', 3: 'dog', 4: 'eel'}"
    save_model(model, tmp_path / "stating.onnx")
    return tmp_path / "stating.onnx"


def outputs_of(call: Call, *arguments: object) -> np.ndarray:
    result = call("run", *arguments, "--threads", "1", "--output", "out.npz")
    assert result.exit_code == 0, result.output
    with np.load("out.npz") as found:
        return found["logits"]


def expected(model: Path, recipe: Preprocess) -> np.ndarray:
    session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=1))
    return session.run(None, {"image": zs.data.arrays(pictures(12), None, recipe).array()})[0]


def test_the_model_says_how_it_is_fed(call: Call, stating: Path, folder: Path) -> None:
    assert np.allclose(outputs_of(call, stating, "--data", folder), expected(stating, RECIPE), atol=1e-5)


def test_a_flag_that_contradicts_the_model_counts_and_is_told(call: Call, stating: Path, folder: Path) -> None:
    found = outputs_of(call, stating, "--data", folder, "--mean", "0.1")
    other = Preprocess(scale=1 / 255, mean=0.1, std=0.25)
    assert np.allclose(found, expected(stating, other), atol=1e-5)
    for flags, words in (
        (("--mean", "0.2"), "mean [0.2, 0.2, 0.2] instead of [0.5, 0.4, 0.3]"),
        (("--preprocess", "raw"), "scale 1.0 instead of"),
    ):
        result = call("run", stating, "--data", folder, *flags, "--threads", "1")
        assert "not preprocessed as the model states" in result.stderr
        assert words in " ".join(result.stderr.split())


def test_recipes_in_files_are_taken(call: Call, model: Path, folder: Path, tmp_path: Path) -> None:
    RECIPE.save(tmp_path / "ours.json")
    hf = {"do_resize": False, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.25] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(hf))
    for name in ("ours.json", "preprocessor_config.json"):
        found = outputs_of(call, model, "--data", folder, "--preprocess", tmp_path / name)
        assert np.allclose(found, expected(model, RECIPE), atol=1e-5)
    result = call("run", model, "--data", folder, "--preprocess", "imagnet")
    assert result.exit_code == 1
    assert "--preprocess is 'imagnet', expected one of imagenet, caffe-bgr" in result.stderr


def test_what_calibrate_used_is_in_the_model_it_writes(call: Call, model: Path, folder: Path) -> None:
    result = call(
        "calibrate", model, "--data", folder, "--preprocess", "unit", "--mean", "0.3", "--threads", "1", "--time", "0",
        "--max-drop", "0.2", "--output", "t.json", "--model-output", "m.onnx",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    used = Preprocess(scale=1 / 255, mean=0.3)
    assert Preprocess.from_model(Path("m.onnx")) == used
    assert call("apply", model, "t.json", "--output", "n.onnx").exit_code == 0
    assert Preprocess.from_model(Path("n.onnx")) == used


def test_class_folders_go_by_the_names_in_the_model(call: Call, stating: Path, tmp_path: Path) -> None:
    for name in ("cat", "eel"):
        save_pictures(tmp_path / "classes" / name, 3)
    arguments = ("analyze", stating, "--data", tmp_path / "classes", "--threads", "1", "--no-compare")
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert "2 class folders, 'cat' is class 2, 'eel' is class 4" in " ".join(result.stderr.split())
    (tmp_path / "names.txt").write_text("eel\ncat\n")
    result = call(*arguments, "--classes", tmp_path / "names.txt")
    assert "'eel' is class 0, 'cat' is class 1" in " ".join(result.stderr.split())


def test_predictions_bear_the_names_in_the_model(call: Call, stating: Path, folder: Path) -> None:
    result = call("run", stating, "--data", folder, "--threads", "1", "--json", "-")
    assert json.loads(result.stdout)[0]["predictions"][0]["class"] in {"ant", "bee", "cat", "dog", "eel"}


@pytest.mark.parametrize(
    "flags", [("--mean", "0.5"), ("--preprocess", "imagenet"), ("--crop", "8"), ("--layout", "nchw")]
)
def test_pixel_options_do_not_apply_to_values_as_they_stand(call: Call, model: Path, flags: tuple[str, str]) -> None:
    np.savez("values.npz", x=tiny_data(4).array())
    result = call("run", model, "--data", "values.npz", *flags)
    assert result.exit_code == 1
    assert f"{flags[0]} does not apply to 'values.npz'" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "flags", [("--crops", "2"), ("--skip-unreadable",), ("--labels", "none"), ("--classes", "a.txt")]
)
def test_folder_options_do_not_apply_to_archives(call: Call, model: Path, flags: tuple[str, ...]) -> None:
    np.savez("pixels.npz", x=pictures(4))
    result = call("run", model, "--data", "pixels.npz", *flags)
    assert result.exit_code == 1
    assert f"{flags[0]} does not apply to an .npz file" in " ".join(result.stderr.split())


def test_no_option_applies_to_noise(call: Call, model: Path) -> None:
    result = call("analyze", model, "--random-input", "--mean", "0.5")
    assert result.exit_code == 1
    assert "--mean does not apply to --random-input" in result.stderr


def test_optimize_finds_what_is_wrong_before_the_analysis(call: Call, model: Path, tmp_path: Path) -> None:
    """Neither the analysis nor a search began: nothing of it is told."""
    root = save_pictures(tmp_path / "blobs", 8)
    whole = (root / "blob03.png").read_bytes()
    (root / "blob03.png").write_bytes(whole[: len(whole) // 2])
    result = call("optimize", model, "--data", root, "--preprocess", "unit", "--threads", "1")
    assert result.exit_code == 1
    assert "1 of 4 images cannot be read" in " ".join(result.stderr.split())
    assert "blob03.png" in result.stderr
    assert "analyzed" not in result.stderr
    (root / "blob03.png").write_bytes(whole)
    result = call("optimize", model, "--data", root, "--preprocess", "unit", "--threads", "1", "--max-drop", "5")
    assert "--max-drop is 5" in result.stderr
    assert "analyzed" not in result.stderr
    session = zs.InferenceSession(model)
    logits = session.run(None, {"image": zs.data.image_folder(root, "unit").array()})[0]
    rows = "".join(
        f"blob{number:02}.png,{(int(label) + 1) % 5}\n" for number, label in enumerate(logits.argmax(axis=1))
    )
    (root / "labels.csv").write_text("file,class_index\n" + rows)
    result = call("optimize", model, "--data", root, "--preprocess", "unit", "--threads", "1")
    assert result.exit_code == 1
    assert "right on 0 of 4 inputs" in " ".join(result.stderr.split())
    assert "analyzed" not in result.stderr
