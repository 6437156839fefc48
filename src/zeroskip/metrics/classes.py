"""Outputs with classes, logits or probabilities ``[N, classes]``, and how far two outputs are apart.

Further axes must have length one (``[N, classes, 1, 1]``) and are dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError

_PROBABILITY_FLOOR = 1e-12  # log(0) of an underflowed softmax output would make the divergence infinite
_PROBABILITY_SUM_TOLERANCE = 1e-3


def top1(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the fraction of rows whose largest logit stands at the label; a row with NaN is wrong.

    Args:
        logits: ``[N, classes]`` floats, N >= 1.
        labels: ``[N]`` integers.

    Returns:
        A fraction in [0, 1].

    Raises:
        ShapeError: If the shapes do not fit, or labels lie outside the classes.

    Example:
        >>> top1([[0.1, 0.9], [0.8, 0.2]], [1, 1])
        0.5
    """
    rows = _rows("logits", logits)
    expected = np.asarray(labels)
    if expected.shape != (len(rows),):
        raise ShapeError(f"labels have shape {expected.shape}, expected ({len(rows)},): one per row of logits")
    if not np.issubdtype(expected.dtype, np.integer):
        raise ShapeError(f"labels have dtype {expected.dtype}, expected integers (class indices)")
    if expected.min() < 0 or expected.max() >= rows.shape[1]:
        raise ShapeError(
            f"labels span {expected.min()}..{expected.max()}, but the model has {rows.shape[1]} classes "
            f"(0..{rows.shape[1] - 1}): the labels belong to another model or start at 1"
        )
    return float(np.mean(_predictions(rows) == expected))


def topk_hits(logits: ArrayLike, labels: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Say of every row whether the label is among its k largest logits; a row with NaN is wrong.

    Of equal logits those of lower class come first, so that with k = 1 the hits are those of :func:`top1`.

    Args:
        logits: ``[N, classes]`` floats.
        labels: ``[N]`` integers.
        k: >= 1.

    Raises:
        ShapeError: If the shapes do not fit, or labels lie outside the classes.

    Example:
        >>> topk_hits([[0.1, 0.9, 0.5], [0.8, 0.2, 0.1]], [2, 2], 2).tolist()
        [True, False]
    """
    rows, expected = _rows("logits", logits), np.asarray(labels)
    top1(rows, expected)  # checks
    own = rows[np.arange(len(rows)), expected][:, None]
    before = (rows > own) | ((rows == own) & (np.arange(rows.shape[1]) < expected[:, None]))
    return np.asarray((before.sum(axis=1) < k) & ~np.isnan(rows).any(axis=1))


def agreement(reference: ArrayLike, other: ArrayLike) -> float:
    """Return the fraction of rows where both outputs have their largest value at the same place.

    Args:
        reference: ``[N, classes]`` outputs of the dense model.
        other: ``[N, classes]`` outputs to judge. A row with NaN on either side does not agree.

    Returns:
        A fraction in [0, 1].

    Raises:
        ShapeError: If the shapes differ or are not ``[N, classes]``.

    Example:
        >>> agreement([[0.1, 0.9], [0.8, 0.2]], [[0.4, 0.6], [0.3, 0.7]])
        0.5
    """
    first, second = _same_rows(reference, other)
    predicted = _predictions(first)
    return float(np.mean((predicted == _predictions(second)) & (predicted >= 0)))


def is_probability(outputs: ArrayLike) -> bool:
    """Say whether every row is non-negative and sums to one, as after a softmax.

    Args:
        outputs: ``[N, classes]`` floats.

    Raises:
        ShapeError: If the shape is not ``[N, classes]``.

    Example:
        >>> is_probability([[0.25, 0.75]]), is_probability([[2.0, -1.0]])
        (True, False)
    """
    rows = _rows("outputs", outputs)
    if rows.shape[1] < 2 or not np.isfinite(rows).all() or rows.min() < 0.0:
        return False
    return bool(np.abs(rows.sum(axis=1) - 1.0).max() <= _PROBABILITY_SUM_TOLERANCE)


def kl_divergence(reference: ArrayLike, other: ArrayLike, *, probabilities: bool = False) -> float:
    """Return the mean over rows of ``KL(p || q) = sum p (log p - log q)`` in nats, p from the reference.

    Args:
        reference: ``[N, classes]`` outputs of the dense model.
        other: ``[N, classes]`` outputs to judge.
        probabilities: False where the outputs are logits (a softmax is applied here), True where they
            already are probabilities (values below 1e-12 are raised to it, and rows are normalised).

    Returns:
        A value >= 0; infinite if ``other`` holds NaN or infinities.

    Raises:
        ShapeError: If the shapes differ or are not ``[N, classes]``.

    Example:
        >>> kl_divergence([[1.0, 2.0]], [[3.0, 4.0]])
        0.0
    """
    first, second = _same_rows(reference, other)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("inf")
    log_p, log_q = (log_softmax(log_scores(rows, probabilities=probabilities)) for rows in (first, second))
    return max(0.0, float(np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1))))


def log_scores(outputs: ArrayLike, *, probabilities: bool) -> NDArray[np.float64]:
    """Return what a softmax makes the class probabilities of: logits as they are, of probabilities the logarithm.

    Args:
        outputs: ``[N, classes]`` floats.
        probabilities: Whether they are probabilities; values below 1e-12 are raised to it.

    Raises:
        ShapeError: If the shape is not ``[N, classes]``.

    Example:
        >>> log_scores([[1.0, 0.0]], probabilities=True).round(1).tolist()
        [[0.0, -27.6]]
    """
    rows = _rows("outputs", outputs)
    return np.log(np.maximum(rows, _PROBABILITY_FLOOR)) if probabilities else rows


def log_softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the softmax of every row.

    Args:
        rows: ``[N, classes]``, finite.

    Example:
        >>> np.exp(log_softmax(np.log([[1.0, 3.0]]))).round(6).tolist()
        [[0.25, 0.75]]
    """
    shifted = rows - rows.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def predictions(outputs: ArrayLike) -> NDArray[np.int64]:
    """Return the class with the largest output, int64 ``[N]``; -1 for a row with NaN, which predicts nothing.

    Args:
        outputs: ``[N, classes]`` floats.

    Raises:
        ShapeError: If the shape is not ``[N, classes]``.

    Example:
        >>> predictions([[0.1, 0.9], [float("nan"), 1.0]]).tolist()
        [1, -1]
    """
    return _predictions(_rows("outputs", outputs))


def _rows(name: str, outputs: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(outputs, dtype=np.float64)
    if rows.ndim > 2 and sum(axis != 1 for axis in rows.shape[1:]) <= 1:
        rows = rows.reshape(rows.shape[0], -1)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ShapeError(f"{name} have shape {np.shape(outputs)}, expected [N, classes] with N >= 1")
    return rows


def _same_rows(reference: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = _rows("reference outputs", reference), _rows("other outputs", other)
    if first.shape != second.shape:
        raise ShapeError(f"outputs have shapes {first.shape} and {second.shape}, expected the same")
    return first, second


def _predictions(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index of the largest value per row, -1 where the row holds NaN."""
    return np.where(np.isnan(rows).any(axis=1), -1, rows.argmax(axis=1)).astype(np.int64)


def relative_difference(reference: ArrayLike, other: ArrayLike) -> float:
    """Return ``max |reference - other| / max |reference|``: the error relative to the largest output.

    Args:
        reference: Any shape, at least one element.
        other: The same shape.

    Returns:
        A value >= 0; infinite if either holds NaN or infinities, or if only the reference is all zeros.

    Raises:
        ShapeError: If the shapes differ or are empty.

    Example:
        >>> relative_difference([1.0, -4.0], [1.0, -3.0])
        0.25
    """
    first, second = np.asarray(reference, np.float64), np.asarray(other, np.float64)
    if first.shape != second.shape or first.size == 0:
        raise ShapeError(f"cannot compare outputs of shape {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("inf")
    difference, largest = float(np.abs(first - second).max()), float(np.abs(first).max())
    if difference == 0.0:
        return 0.0
    return difference / largest if largest else float("inf")
