"""``--masks`` and ``--boxes``: pictures with more to say of them than a class, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zeroskip as zs
from task_networks import segmenting_network, yolo_network
from tiny_network import SIDE, pictures, save_pictures
from zeroskip.calibration import Detection
from zeroskip.data import Preprocess
from zeroskip.metrics import decode_boxes, suppress

from .conftest import Call

RECIPE = Preprocess.preset("unit")
COUNT = 12
QUICK = ("--preprocess", "unit", "--threads", "1", "--max-drop", "0.1", "--costs", "model")


def outputs_of(model: bytes) -> np.ndarray:
    session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=1))
    return session.run(None, {"image": zs.data.arrays(pictures(COUNT), None, RECIPE).array()})[0]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and what the two models say of them as masks, COCO's JSON and YOLO's text files."""
    room = tmp_path_factory.mktemp("targets")
    images = save_pictures(room / "images", COUNT)
    names = sorted(path.name for path in images.rglob("*") if path.suffix in (".png", ".jpg"))
    (room / "segmenting.onnx").write_bytes(segmenting_network())
    (room / "yolo.onnx").write_bytes(yolo_network())
    (room / "masks").mkdir()
    (room / "labels").mkdir()
    (room / "empty").mkdir()
    for name, scores in zip(names, outputs_of(segmenting_network()), strict=True):
        mask = np.kron(scores.argmax(axis=0), np.ones((SIDE // 8, SIDE // 8))).astype(np.uint8)
        Image.fromarray(mask).save((room / "masks" / name).with_suffix(".png"))
    annotations = []
    for number, (name, found) in enumerate(zip(names, outputs_of(yolo_network()), strict=True)):
        boxes, _, classes = suppress(decode_boxes(found, "yolov8", 0.5), 0.7)
        boxes = np.clip(boxes, 0, SIDE)
        lines = []
        for (left, top, right, bottom), label in zip(boxes.tolist(), classes.tolist(), strict=True):
            box = [left, top, right - left, bottom - top]
            annotations.append({"image_id": number, "category_id": label + 1, "bbox": box})
            lines.append(f"{label} {(left + right) / 64} {(top + bottom) / 64} {box[2] / 32} {box[3] / 32}")
        (room / "labels" / name).with_suffix(".txt").write_text("\n".join(lines))
    listed = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    content = {"images": listed, "annotations": annotations, "categories": [{"id": 1}, {"id": 2}]}
    (room / "instances.json").write_text(json.dumps(content))
    return room


@pytest.fixture
def calibrated(call: Call, room: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run(model: str, *flags: object) -> dict[str, Any]:
        arguments = ("calibrate", room / model, "--data", room / "images", *QUICK, "--time", "0", *flags)
        result = call(*arguments, "--output", tmp_path / "t.json", "--json", tmp_path / "out.json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
        return found

    return run


def test_masks_bound_the_mean_iou(calibrated: Callable[..., dict[str, Any]], room: Path) -> None:
    found = calibrated("segmenting.onnx", "--masks", room / "masks")
    assert found["metric"] == "miou"
    assert found["holdout"]["baseline"] > 0.6  # bilinear maps against nearest masks


def test_masks_may_be_judged_otherwise(calibrated: Callable[..., dict[str, Any]], room: Path) -> None:
    assert calibrated("segmenting.onnx", "--masks", room / "masks", "--metric", "fidelity")["metric"] == "fidelity"


@pytest.mark.parametrize("boxes", ["instances.json", "labels"])
def test_boxes_bound_the_mean_average_precision(
    calibrated: Callable[..., dict[str, Any]], room: Path, boxes: str
) -> None:
    pytest.importorskip("pycocotools")
    found = calibrated("yolo.onnx", "--boxes", room / boxes, "--decoding", "yolov8")
    assert found["metric"] == "detection"
    assert found["holdout"]["baseline"] > 0.55


def test_optimize_takes_them_too(call: Call, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(terminal: Any, model: Any, data: Any, output: Any, **settings: Any) -> None:
        seen.update(settings, data=data)

    monkeypatch.setattr("zeroskip.cli.optimize_run.run_and_show", run)
    flags = ("--boxes", room / "instances.json", "--decoding", "yolov5", "--metric-output", "found")
    result = call("optimize", room / "yolo.onnx", "--data", room / "images", *flags)
    assert result.exit_code == 0, result.output
    assert seen["options"].metric == Detection("yolov5", output="found")
    assert set(seen["data"].targets[0]) == {"boxes", "labels", "iscrowd"}
    assert seen["data"].preprocess == Preprocess.preset("unit", size=(SIDE, SIDE))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--masks", "masks", "--boxes", "labels"), "both --masks and --boxes were given"),
        (("--decoding", "yolov8"), "--decoding says how boxes are read: give --boxes as well"),
        (("--masks", "nowhere"), "--masks: there is no folder or file"),
        (("--masks", "masks", "--labels", "folders"), "--labels does not apply to pictures with --masks"),
        (("--boxes", "labels", "--data", "yolo.onnx"), "--boxes needs a folder of pictures"),
        (("--boxes", "masks"), "none of the 12 pictures has boxes"),
        (("--boxes", "yolo.onnx"), "is no COCO annotation"),
        (("--masks", "empty"), "12 of 12 pictures have no mask"),
    ],
)
def test_mistakes_are_told_in_a_line(call: Call, room: Path, flags: tuple[str, ...], message: str) -> None:
    paths = [str(room / flag) if (room / flag).exists() or flag == "nowhere" else flag for flag in flags]
    given = [] if "--data" in flags else ["--data", str(room / "images")]
    result = call("calibrate", room / "yolo.onnx", *given, *paths, "--time", "0")
    assert result.exit_code == 1, result.output
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
