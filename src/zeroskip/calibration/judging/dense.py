"""Metrics of maps and boxes, which are no means over inputs: mean IoU, mean average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError, DataError, ShapeError
from ...metrics import BoxDecoding, confusion, decode_boxes, mean_average_precision, mean_iou, pixel_classes, suppress
from .fidelity import FidelityMetric, columns_of
from .outputs import Outputs
from .protocol import Labels

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class MeanIoU:
    """Mean intersection over union of maps of classes; targets are masks ``[H, W]`` of class indices.

    Args:
        output: Name of the output, ``[C, H, W]``, or ``[H, W]`` of one class; the only one by default.
        ignored: Class index of pixels that count for nothing.
    """

    output: str = ""
    ignored: int = 255
    name: str = "miou"

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`.

        Raises:
            CalibrationError: If there are no masks, or they do not fit.
        """
        return mean_iou(self._counts(reference, outputs, labels).sum(axis=0))

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> None:
        """See :class:`Metric`."""

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        return FidelityMetric(output=self.output).information_loss(reference, outputs)

    def resampled_drops(self, reference: Any, outputs: Any, labels: Labels, draws: NDArray[np.int64]) -> list[float]:
        """Return the drop for other selections of the inputs, places ``[draws, N]``."""
        before, after = (self._counts(reference, side, labels) for side in (reference, outputs))
        return [mean_iou(before[places].sum(axis=0)) - mean_iou(after[places].sum(axis=0)) for places in draws]

    def _counts(self, reference: Any, outputs: Any, labels: Labels) -> Counts:
        maps, masks = columns_of(outputs, self.output), self._masks(reference, labels)
        if len(masks) != len(maps):
            raise CalibrationError(f"metric 'miou': {len(masks)} masks for {len(maps)} inputs")
        try:
            largest = max(_largest(item, self.ignored) for item in masks)
            classes = max(2, max(_channels(item) for item in maps), 1 + largest)
            found = [pixel_classes(scores, mask.shape) for scores, mask in zip(maps, masks, strict=True)]
            counts = [confusion(*pair, classes, self.ignored) for pair in zip(found, masks, strict=True)]
        except ShapeError as error:
            raise CalibrationError(f"metric 'miou': {error}") from error
        return np.stack(counts)

    def _masks(self, reference: Any, labels: Labels) -> list[NDArray[Any]]:
        if labels is None:
            raise CalibrationError(
                "metric 'miou' needs masks [H, W] of class indices as targets, and the data have none"
            )
        masks = [np.asarray(mask).squeeze() for mask in labels]
        wrong = next((mask for mask in masks if mask.ndim != 2 or mask.dtype.kind not in "iub"), None)
        if wrong is not None:
            raise CalibrationError(
                f"metric 'miou' needs masks [H, W] of class indices as targets, got {wrong.dtype} of shape "
                f"{list(wrong.shape)}"
            )
        return masks


def _channels(scores: Any) -> int:
    return len(scores) if np.ndim(scores) == 3 else 1


def _largest(mask: NDArray[Any], ignored: int) -> int:
    counted = mask[(mask != ignored) & (mask >= 0)]
    return int(counted.max()) if counted.size else 0


@dataclass(frozen=True)
class Detection:
    """COCO's mean average precision of a detector; needs pycocotools.

    Targets are, for every input, a dictionary of ``boxes`` ``[n, 4]`` (left, top, right, bottom, in pixels of the
    model's input) and ``labels`` ``[n]``.

    Args:
        decoding: How the raw output is to be read: ``"yolov8"``, ``"yolov5"``, ``"end2end"`` (the graph has decoding
            and NMS of its own) or ``"separate"`` (outputs for boxes, scores and labels, as torchvision's).
        iou: Overlap from which on NMS takes two boxes for one; the outputs of ``end2end`` and ``separate`` have had
            theirs.
        confidence: Boxes of a lower score are left out.
        output: Name of the output; by default the only one, or the first that can be read so.
    """

    decoding: BoxDecoding | str = "end2end"
    iou: float = 0.7
    confidence: float = 0.001
    output: str = ""
    name: str = "detection"

    def __post_init__(self) -> None:
        """Refuse shares that are none; raises CalibrationError."""
        for name, share in (("iou", self.iou), ("confidence", self.confidence)):
            if not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
                raise CalibrationError(f"{name} is {share!r}, expected a share between 0 and 1")

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`.

        Raises:
            CalibrationError: If there are no boxes among the targets, or outputs cannot be read so.
        """
        if labels is None:
            raise CalibrationError(
                "metric 'detection' needs a dictionary of boxes [n, 4] and labels [n] for every input as targets, and "
                "the data have none"
            )
        truth = _rows(labels)
        try:
            return mean_average_precision(self._found(outputs), truth)
        except (DataError, ShapeError) as error:
            raise CalibrationError(f"metric 'detection': {error}") from error

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> None:
        """See :class:`Metric`."""

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        return FidelityMetric(output=self.output).information_loss(reference, outputs)

    def _found(self, outputs: Any) -> list[Any]:
        outputs = Outputs.of(outputs)
        if self.decoding == "separate":
            rows = (dict(zip(outputs.shown, row, strict=True)) for row in zip(*outputs.shown.values(), strict=True))
            return [_separate(row, self.confidence) for row in rows]
        column = columns_of(outputs, self.output)
        boxes = [decode_boxes(row, self.decoding, self.confidence) for row in column]  # type: ignore[arg-type]
        return boxes if self.decoding == "end2end" else [suppress(item, self.iou) for item in boxes]


def _separate(row: dict[str, Any], confidence: float) -> Any:
    """Return boxes, scores and classes of one input from outputs of their own, told apart by shape, type and name."""
    parts = {name: np.asarray(value) for name, value in row.items()}
    corners = next((value for value in parts.values() if value.ndim == 2 and value.shape[1] == 4), None)
    flat = {name: value.reshape(-1) for name, value in parts.items() if value.ndim <= 2 and value.shape[-1:] != (4,)}
    classes = next((item for name, item in flat.items() if item.dtype.kind in "iu" or "label" in name), None)
    scores = next((item for item in flat.values() if item.dtype.kind == "f" and item is not classes), None)
    if corners is None or classes is None or scores is None or not len(corners) == len(classes) == len(scores):
        shapes = {name: list(value.shape) for name, value in parts.items()}
        raise ShapeError(f"the outputs {shapes} are not boxes [n, 4], scores [n] and labels [n]")
    kept = scores >= confidence
    return corners[kept].astype(np.float64), scores[kept].astype(np.float64), classes[kept].astype(np.int64)


def _rows(labels: Labels) -> list[Any]:
    """Return targets input by input; a dictionary of columns becomes a dictionary for each input."""
    if isinstance(labels, dict):
        return [dict(zip(labels, row, strict=True)) for row in zip(*labels.values(), strict=True)]
    return list(labels)
