"""Mean IoU and mean average precision against their definitions, with hostile targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip.calibration.judging.dense import Detection, MeanIoU
from zeroskip.calibration.judging.metric import Outputs, choose_metric
from zeroskip.calibration.judging.statistics import drop_interval
from zeroskip.errors import CalibrationError

RNG = np.random.default_rng(2)
MASKS = RNG.integers(0, 3, (12, 6, 6))
MAPS = (4.0 * np.moveaxis(np.eye(3)[MASKS], -1, 1) + RNG.normal(size=(12, 3, 6, 6))).astype(np.float32)
BLURRED = (MAPS + 3.0 * RNG.normal(size=MAPS.shape)).astype(np.float32)


def iou(maps: np.ndarray, masks: np.ndarray) -> float:
    found = maps.argmax(axis=1)
    shares = [
        ((found == c) & (masks == c)).sum() / (((found == c) | (masks == c)) & (masks != 255)).sum() for c in range(3)
    ]
    return float(np.mean(shares))


def test_mean_iou_is_that_of_all_pixels_together() -> None:
    judge = choose_metric("miou", MAPS, MASKS)
    assert judge.value(MAPS, BLURRED, MASKS) == pytest.approx(iou(BLURRED, MASKS))
    interval = drop_interval(judge, MAPS, BLURRED, MASKS)
    assert interval is not None
    assert interval[0] <= iou(MAPS, MASKS) - iou(BLURRED, MASKS) <= interval[1]


def test_ignored_pixels_sizes_and_single_channels() -> None:
    masks = MASKS.copy()
    masks[:, :2] = 255
    masked = np.where(masks == 255, 0, masks)
    assert MeanIoU().value(MAPS, MAPS, masks) <= 1.0
    assert MeanIoU().value(MAPS, 9.0 * np.moveaxis(np.eye(3)[masked], -1, 1), masks) == 1.0
    large = [np.kron(mask, np.ones((2, 2), int)) for mask in MASKS[:4]]
    assert MeanIoU().value(None, MAPS[:4], large) == pytest.approx(MeanIoU().value(None, MAPS[:4], MASKS[:4]))
    one = np.where(MASKS == 1, 0.9, 0.1).astype(np.float32)[:, None]
    assert MeanIoU().value(one, one, (MASKS == 1).astype(int)) == 1.0


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (MASKS[:3], "3 masks for 12 inputs"),
        (MASKS.astype(float), "needs masks"),
        (np.zeros(12, int), "needs masks"),
    ],
)
def test_masks_that_do_not_fit_are_named(masks: Any, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        choose_metric("miou", MAPS, masks)


CORNERS = np.array([[2.0, 2, 12, 12], [20, 20, 30, 34]])
TRUTH = [{"boxes": CORNERS + 3 * place, "labels": np.array([0, 1])} for place in range(6)]


def end2end(shift: float) -> np.ndarray:
    rows = [np.column_stack([item["boxes"] + shift, [0.9, 0.8], item["labels"]]) for item in TRUTH]
    return np.stack(rows).astype(np.float32)


def yolov8(shift: float) -> np.ndarray:
    """Return the same boxes twice, the copies a little off and less sure, as a detector without NMS gives them."""
    rows = []
    for item in TRUTH:
        boxes = np.concatenate([item["boxes"] + shift, item["boxes"] + shift + 0.5])
        middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        scores = np.eye(2)[np.tile(item["labels"], 2)] * np.array([0.9, 0.8, 0.5, 0.5])[:, None]
        rows.append(np.concatenate([middle, size, scores], axis=1).T)
    return np.stack(rows).astype(np.float32)


def yolov5(shift: float) -> np.ndarray:
    rows = np.moveaxis(yolov8(shift), 1, 2)
    return np.concatenate([rows[..., :4], np.ones((*rows.shape[:2], 1)), rows[..., 4:]], axis=2).astype(np.float32)


@pytest.mark.parametrize(("decoding", "outputs"), [("end2end", end2end), ("yolov8", yolov8), ("yolov5", yolov5)])
def test_boxes_are_found_however_they_are_written(decoding: str, outputs: Any) -> None:
    pytest.importorskip("pycocotools")
    judge = choose_metric(Detection(decoding), outputs(0.0), TRUTH)
    assert judge.value(None, outputs(0.0), TRUTH) == pytest.approx(1.0)
    # moved by one pixel: overlaps of 81 / 119 and 117 / 163 reach four and five of the ten thresholds
    assert judge.value(None, outputs(1.0), TRUTH) == pytest.approx(0.45)
    assert judge.value(None, outputs(50.0), TRUTH) == 0.0


def test_outputs_of_their_own_for_boxes_scores_and_labels() -> None:
    pytest.importorskip("pycocotools")
    labels = [np.array([0, 1])] * 5 + [np.array([0])]
    outputs = Outputs(
        {
            "boxes": [item["boxes"][: len(some)].astype(np.float32) for item, some in zip(TRUTH, labels, strict=True)],
            "labels": labels,
            "scores": [np.full(len(some), 0.9, np.float32) for some in labels],
        }
    )
    value = choose_metric(Detection("separate"), outputs, TRUTH).value(outputs, outputs, TRUTH)
    assert 0.85 < value < 1.0  # one box is missing
    columns = {"boxes": [item["boxes"] for item in TRUTH], "labels": [item["labels"] for item in TRUTH]}
    assert Detection("separate").value(outputs, outputs, columns) == value


@pytest.mark.parametrize(
    ("decoding", "targets", "message"),
    [
        ("end2end", [1] * 6, "expected a dictionary of 'boxes'"),
        ("end2end", TRUTH[:2], "boxes of 6 inputs and targets of 2"),
        ("end2end", [{"boxes": np.zeros((0, 4)), "labels": []}] * 6, "hold no boxes"),
        ("end2end", [{"boxes": np.zeros((2, 4)), "labels": [1]}] * 6, "2 boxes and 1 labels"),
        ("end2end", [{"boxes": CORNERS, "labels": ["cat", "dog"]}] * 6, "input 0, labels are <U3"),
        ("end2end", [{"boxes": CORNERS, "labels": [0.5, 1]}] * 6, "no class indices"),
        ("end2end", [{"boxes": CORNERS, "labels": [-1, 1]}] * 6, "no class indices"),
        ("end2end", [{"boxes": CORNERS * np.nan, "labels": [0, 1]}] * 6, "boxes are float64 and not all finite"),
        ("end2end", [{"boxes": np.zeros((2, 5)), "labels": [0, 1]}] * 6, r"shape \[2, 5\], expected \[n, 4\]"),
        ("end2end", [{"boxes": "abc", "labels": [0, 1]}] * 6, "boxes are <U3"),
        ("end2end", [{"boxes": [[1, 2, 3, 4], [1, 2]], "labels": [0, 1]}] * 6, "boxes are no numbers"),
        ("end2end", [{"boxes": [[9, 9, 2, 2]], "labels": [0]}] * 6, "right or bottom side comes first"),
        ("end2end", [{"boxes": CORNERS, "labels": [0, 1], "iscrowd": [0]}] * 6, "1 of iscrowd"),
        ("end2end", [{"boxes": CORNERS, "labels": [0, 1], "iscrowd": ["a", "b"]}] * 6, "iscrowd are <U1"),
        ("yolov5", TRUTH, "too few values for decoding 'yolov5'|none of decoding"),
        ("separate", TRUTH, "are not boxes"),
        ("rcnn", TRUTH, "unknown decoding 'rcnn'"),
    ],
)
def test_boxes_that_cannot_be_read_are_named(decoding: str, targets: Any, message: str) -> None:
    pytest.importorskip("pycocotools")
    outputs = end2end(0.0)[:, :, :5] if decoding == "yolov5" else end2end(0.0)
    with pytest.raises(CalibrationError, match=message):
        choose_metric(Detection(decoding), outputs, targets)


@pytest.mark.parametrize("options", [{"iou": float("nan")}, {"iou": 7}, {"confidence": "x"}, {"confidence": -0.1}])
def test_shares_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(CalibrationError, match="expected a share between 0 and 1"):
        Detection("yolov8", **options)
