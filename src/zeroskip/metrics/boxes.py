"""Boxes: what a detector says, decoded, thinned, and judged by mean average precision.

Boxes are float ``[n, 4]``: left, top, right, bottom, in pixels of the model's input unless said otherwise.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, ShapeError

BoxDecoding = Literal["yolov8", "yolov5", "end2end"]
"""``yolov8``: ``[4 + classes, anchors]``, centre and size, class scores. ``yolov5``: ``[anchors, 5 + classes]``, with
an objectness between. ``end2end``: ``[n, 6]``, corners, score, class, as graphs with NMS of their own give them."""
DECODINGS: tuple[BoxDecoding, ...] = get_args(BoxDecoding)

Boxes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
"""Corners ``[n, 4]``, scores ``[n]``, classes ``[n]``."""

_MOST_BOXES = 100  # what COCO looks at
_CANDIDATES = 3000


def decode_boxes(output: ArrayLike, decoding: BoxDecoding, confidence: float = 0.001) -> Boxes:
    """Return the boxes in the raw output of a detector for one input.

    Args:
        output: See :data:`BoxDecoding`.
        decoding: How to read it.
        confidence: Boxes of a lower score are left out.

    Raises:
        ShapeError: If the output has another shape.

    Example:
        >>> boxes, scores, classes = decode_boxes([[50.0], [50.0], [20.0], [10.0], [0.1], [0.9]], "yolov8")
        >>> boxes.tolist(), scores.tolist(), classes.tolist()
        ([[40.0, 45.0, 60.0, 55.0]], [0.9], [1])
    """
    values = np.asarray(output, np.float64)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if decoding not in DECODINGS:
        raise ShapeError(f"unknown decoding {decoding!r}, known are {list(DECODINGS)}")
    if values.ndim != 2 or (decoding == "end2end" and values.shape[1] not in (6, 7)):
        raise ShapeError(f"the output has shape {list(np.shape(output))}, which is none of decoding '{decoding}'")
    if decoding == "end2end":
        values = values[:, -6:]  # seven with the place in the batch in front
        if np.shape(output)[-1] == 7:
            values = values[:, [0, 1, 2, 3, 5, 4]]  # the YOLOv7 export has the class before the score
        return _above(values[:, :4], values[:, 4], values[:, 5].astype(np.int64), confidence)
    rows = values.T if decoding == "yolov8" else values
    first = 4 if decoding == "yolov8" else 5
    if rows.shape[1] <= first:
        raise ShapeError(f"the output has shape {list(np.shape(output))}, too few values for decoding '{decoding}'")
    shares = rows[:, first:] * (1.0 if decoding == "yolov8" else rows[:, 4:5])
    half = rows[:, 2:4] / 2.0
    corners = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    classes = shares.argmax(axis=1)
    return _above(corners, shares[np.arange(len(shares)), classes], classes.astype(np.int64), confidence)


def _above(corners: Any, scores: Any, classes: Any, confidence: float) -> Boxes:
    kept = np.flatnonzero(np.isfinite(corners).all(axis=1) & (scores >= confidence))
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    return corners[kept], scores[kept], classes[kept]


def suppress(boxes: Boxes, iou: float = 0.7, most: int = _MOST_BOXES) -> Boxes:
    """Leave out boxes that overlap one of the same class and a higher score (non-maximum suppression).

    Args:
        boxes: See :func:`decode_boxes`.
        iou: Overlap, intersection over union, from which on two boxes are taken for one.
        most: Boxes kept at most.

    Example:
        >>> corners = np.array([[0.0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30]])
        >>> len(suppress((corners, np.array([0.9, 0.8, 0.7]), np.array([1, 1, 1])))[1])
        2
    """
    corners, scores, classes = boxes[0][:_CANDIDATES], boxes[1][:_CANDIDATES], boxes[2][:_CANDIDATES]
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        overlaps = overlap(corners[best], corners[rest])
        order = rest[(overlaps < iou) | (classes[rest] != classes[best])]
    return corners[kept], scores[kept], classes[kept]


def overlap(box: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Return intersection over union of one box with each of others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(np.maximum(others[:, 2:] - others[:, :2], 0.0), axis=1)
    union = areas + max(0.0, float((box[2] - box[0]) * (box[3] - box[1]))) - common
    return np.asarray(common / np.maximum(union, 1e-12))


def mean_average_precision(found: Sequence[Boxes], truth: Sequence[Mapping[str, ArrayLike]]) -> float:
    """Return COCO's mean average precision over overlaps of 0.5 to 0.95, in [0, 1]; needs pycocotools.

    Args:
        found: Boxes of each input.
        truth: Of each input a dictionary: ``boxes`` ``[n, 4]``, ``labels`` ``[n]``, and perhaps ``iscrowd`` ``[n]``.

    Raises:
        DataError: If pycocotools is not installed, there are no boxes to be found, or the truth has another form.
    """
    if importlib.util.find_spec("pycocotools") is None:
        raise DataError("mean average precision needs pycocotools: pip install 'zeroskip[metrics]'")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if len(found) != len(truth):
        raise DataError(f"boxes of {len(found)} inputs and targets of {len(truth)}, expected one for each")
    annotations = [item for number, boxes in enumerate(truth, start=1) for item in _annotations(number, boxes)]
    if not annotations:
        raise DataError("the targets hold no boxes: nothing can be found")
    for number, item in enumerate(annotations, start=1):
        item["id"] = number
    classes = sorted({item["category_id"] for item in annotations})
    with contextlib.redirect_stdout(io.StringIO()):  # it prints whatever it does
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, len(truth) + 1)],
            "annotations": annotations,
            "categories": [{"id": number} for number in classes],
        }
        coco.createIndex()
        results = [item for number, boxes in enumerate(found, start=1) for item in _results(number, boxes)]
        if not results:
            return 0.0
        other = COCO()
        other.dataset = coco.dataset | {"annotations": results}
        for number, item in enumerate(results, start=1):
            item["id"] = number
        other.createIndex()
        evaluation = COCOeval(coco, other, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
    known = precision[precision > -1]
    return float(known.mean()) if known.size else 0.0


def _annotations(number: int, truth: Mapping[str, ArrayLike]) -> list[dict[str, Any]]:
    if not isinstance(truth, Mapping) or not {"boxes", "labels"} <= set(truth):
        raise DataError(
            f"the target of input {number - 1} is {type(truth).__name__}, expected a dictionary of 'boxes' [n, 4] "
            "(left, top, right, bottom) and 'labels' [n]"
        )
    what = f"the target of input {number - 1}"
    boxes = _numbers(truth["boxes"], f"{what}, boxes")
    labels, crowds = _numbers(truth["labels"], f"{what}, labels").reshape(-1), np.zeros(len(boxes))
    if truth.get("iscrowd") is not None:
        crowds = _numbers(truth["iscrowd"], f"{what}, iscrowd").reshape(-1)
    boxes = boxes.reshape(-1, 4) if boxes.size in (0, 4) else boxes
    if boxes.shape[1:] != (4,):
        raise DataError(f"{what} has boxes of shape {list(boxes.shape)}, expected [n, 4]: left, top, right, bottom")
    if not len(boxes) == len(labels) == (len(crowds) if boxes.size else 0):
        raise DataError(f"{what} has {len(boxes)} boxes and {len(labels)} labels, {len(crowds)} of iscrowd")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        raise DataError(f"{what} has a box whose right or bottom side comes first; expected left, top, right, bottom")
    if (labels != np.round(labels)).any() or (labels < 0).any():
        raise DataError(f"{what} has labels that are no class indices")
    rows = zip(boxes, labels, crowds, strict=True)
    return [_item(number, box, label) | {"iscrowd": int(crowd)} for box, label, crowd in rows]


def _numbers(values: Any, what: str) -> NDArray[np.float64]:
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{what} are no numbers: {error}") from error
    if found.size and (found.dtype.kind not in "fiub" or not np.isfinite(found).all()):
        raise DataError(f"{what} are {found.dtype} and not all finite numbers")
    return found.astype(np.float64) if found.size else np.zeros(found.shape)


def _results(number: int, boxes: Boxes) -> list[dict[str, Any]]:
    corners, scores, classes = (part[:_MOST_BOXES] for part in boxes)
    rows = zip(corners, classes, scores, strict=True)
    return [_item(number, box, label) | {"score": float(score), "iscrowd": 0} for box, label, score in rows]


def _item(number: int, box: Any, label: Any) -> dict[str, Any]:
    left, top, right, bottom = (float(value) for value in box)
    width, height = right - left, bottom - top
    corners = {"bbox": [left, top, width, height], "area": max(0.0, width) * max(0.0, height)}
    return {"image_id": number, "category_id": int(label), **corners}
