"""Maps of classes: what a segmentation says of every pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError

IGNORED = 255
"""Of a mask: pixels that count for nothing, as in Pascal VOC and Cityscapes."""


def pixel_classes(scores: ArrayLike, size: tuple[int, int] | None = None) -> NDArray[np.int64]:
    """Return the class of every pixel.

    Args:
        scores: ``[C, H, W]``, the largest counts; of one channel ``[1, H, W]`` or ``[H, W]`` what is above 0.5
            (probabilities) or above 0 (logits) is class 1. Integers ``[H, W]`` are classes already.
        size: Height and width wanted; pixels are repeated or left out.

    Returns:
        int64 ``[H, W]``.

    Raises:
        ShapeError: If they are no map.

    Example:
        >>> pixel_classes([[[0.1, 0.9]], [[0.8, 0.2]]]).tolist(), pixel_classes([[-1.0, 2.0]]).tolist()
        ([[1, 0]], [[0, 1]])
    """
    values = np.asarray(scores)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim == 3:
        classes = values.argmax(axis=0)
    elif values.ndim == 2:
        is_share = values.dtype.kind == "f" and values.size > 0 and values.min() >= 0.0 and values.max() <= 1.0
        classes = values if values.dtype.kind in "iub" else values > (0.5 if is_share else 0.0)
    else:
        raise ShapeError(f"a map of shape {list(values.shape)}, expected [C, H, W] or [H, W]")
    return resized(classes.astype(np.int64), size)


def resized(classes: NDArray[Any], size: tuple[int, int] | None) -> NDArray[Any]:
    """Return a map at another size; pixels are repeated or left out.

    Raises:
        ShapeError: If height and width would be scaled differently, or there are no pixels.
    """
    if size is None or classes.shape == size:
        return classes
    if not all(size) or not _is_same_form(classes.shape, size):
        raise ShapeError(f"a mask of shape {list(size)} for a map of shape {list(classes.shape)}: sides differ in form")
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, classes.shape, strict=True))
    return np.asarray(classes[rows[:, None], columns[None, :]])


def _is_same_form(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Tell whether one scale makes one shape of the other, but for sides that are one more or less by rounding."""
    least = max(new / (old + 1) for new, old in zip(size, shape, strict=True))
    most = min(new / max(old - 1, 0.5) for new, old in zip(size, shape, strict=True))
    return least <= most


def confusion(predicted: ArrayLike, mask: ArrayLike, classes: int, ignored: int = IGNORED) -> NDArray[np.int64]:
    """Return how many pixels of each class of a mask were taken for each class, int64 ``[classes, classes]``.

    Args:
        predicted: Integers ``[H, W]``.
        mask: Integers ``[H, W]``; what equals ``ignored`` or is negative counts for nothing.
        classes: Number of classes.
        ignored: See there.

    Raises:
        ShapeError: If sizes differ or the mask holds more classes.

    Example:
        >>> confusion([[0, 1, 1]], [[0, 1, 255]], 2).tolist()
        [[1, 0], [0, 1]]
    """
    found, truth = np.asarray(predicted), np.asarray(mask)
    if found.shape != truth.shape:
        raise ShapeError(f"a mask of shape {list(truth.shape)} and a prediction of {list(found.shape)}")
    counted = (truth != ignored) & (truth >= 0)
    if counted.any() and int(truth[counted].max()) >= classes:
        raise ShapeError(f"a mask holds class {int(truth[counted].max())}, the model has {classes} classes")
    taken = np.clip(found[counted], 0, classes - 1)
    pairs = truth[counted].astype(np.int64) * classes + taken
    counts = np.bincount(pairs, minlength=classes * classes)
    return np.asarray(counts.reshape(classes, classes), np.int64)


def mean_iou(matrix: ArrayLike) -> float:
    """Return the mean over classes of intersection over union; classes that occur nowhere are left out.

    Args:
        matrix: Of :func:`confusion`, summed over the inputs.

    Example:
        >>> mean_iou([[2, 0], [1, 1]])
        0.5833333333333333
    """
    counts = np.asarray(matrix, np.float64)
    hits = np.diag(counts)
    unions = counts.sum(axis=0) + counts.sum(axis=1) - hits
    present = unions > 0
    return float((hits[present] / unions[present]).mean()) if present.any() else 0.0
