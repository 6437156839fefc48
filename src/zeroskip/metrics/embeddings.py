"""Embeddings ``[N, D]``: what is compared is the angle between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError

_TINY = 1e-30
_BLOCK = 1024
"""Rows compared with all others at once."""


def cosines(reference: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Return the cosine between every row and its counterpart, float64 ``[N]``; -1 where a row is not finite.

    Args:
        reference: ``[N, D]``; further axes are flattened.
        other: The same shape.

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> cosines([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [1.0, 0.0]]).tolist()
        [1.0, 0.0]
    """
    first, second = _unit(reference), _unit(other)
    if first.shape != second.shape:
        raise ShapeError(f"embeddings have shapes {first.shape} and {second.shape}, expected the same")
    found = (first * second).sum(axis=1)
    return np.where(np.isfinite(found), found, -1.0)


def nearest(rows: ArrayLike) -> NDArray[np.int64]:
    """Return for every row the other row at the smallest angle, int64 ``[N]``; -1 for a row that is not finite.

    Args:
        rows: ``[N, D]``, N >= 2; further axes are flattened.

    Raises:
        ShapeError: If there are fewer than two.

    Example:
        >>> nearest([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]).tolist()
        [1, 0, 1]
    """
    unit = _unit(rows)
    if len(unit) < 2:
        raise ShapeError(f"nearest neighbours need two embeddings or more, got {len(unit)}")
    is_finite = np.asarray(np.isfinite(unit).all(axis=1))
    unit = np.where(is_finite[:, None], unit, 0.0)
    found = np.empty(len(unit), np.int64)
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK] @ unit.T
        block[:, ~is_finite] = -np.inf
        block[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        found[start : start + _BLOCK] = block.argmax(axis=1)
    return np.where(is_finite, found, -1)


def nearest_kept(reference: ArrayLike, other: ArrayLike) -> NDArray[np.bool_]:
    """Say of every row whether its nearest neighbour among the rows is the same in both.

    Args:
        reference: ``[N, D]`` of the dense model, N >= 2.
        other: The same of the model to judge.

    Raises:
        ShapeError: If there are fewer than two.

    Example:
        >>> nearest_kept([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], [[1.0, 0.0], [0.1, 0.9], [0.0, 1.0]]).tolist()
        [True, False, True]
    """
    before, after = nearest(reference), nearest(other)
    return np.asarray((before == after) & (after >= 0))


def partner_hits(rows: ArrayLike, identities: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of every row whether its nearest neighbour has the same identity (recall@1), and whether any other row has.

    Args:
        rows: ``[N, D]``, N >= 2.
        identities: ``[N]``.

    Returns:
        Two of ``[N]``: hit, and has a partner at all.

    Raises:
        ShapeError: If rows and identities differ in number.

    Example:
        >>> [part.tolist() for part in partner_hits([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], [7, 7, 8])]
        [[True, True, False], [True, True, False]]
    """
    names = _identities(identities, len(np.asarray(rows)))
    found = nearest(rows)
    _, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray((names[found] == names) & (found >= 0)), np.asarray(counts[numbers] > 1)


def verification_rates(
    rows: ArrayLike, identities: ArrayLike, threshold: float | None = None
) -> tuple[NDArray[np.float64], float]:
    """Return for every row the share of decisions "the same identity or not" that are right, and the threshold.

    Every row is compared with all others; pairs of one identity and of two weigh the same.

    Args:
        rows: ``[N, D]``, N >= 2.
        identities: ``[N]``.
        threshold: Cosine above which two rows are taken for one identity; None takes the best for these rows.

    Returns:
        float64 ``[N]`` in [0, 1], NaN for a row without a partner or without a stranger; and the threshold.

    Raises:
        ShapeError: If rows and identities differ in number.

    Example:
        >>> rates, _ = verification_rates([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], [0, 0, 1, 1])
        >>> rates.tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    unit = np.nan_to_num(_unit(rows), nan=0.0, posinf=0.0, neginf=0.0)
    names = _identities(identities, len(unit))
    similar = unit @ unit.T
    same = names[:, None] == names[None, :]
    others = ~np.eye(len(unit), dtype=bool)
    if threshold is None:
        threshold = _best_threshold(similar[same & others], similar[~same])
    accepted = similar > threshold
    with np.errstate(invalid="ignore", divide="ignore"):
        right_same = (accepted & same & others).sum(axis=1) / (same & others).sum(axis=1)
        right_other = (~accepted & ~same).sum(axis=1) / (~same).sum(axis=1)
        return np.asarray((right_same + right_other) / 2.0), threshold


def _best_threshold(same: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the threshold at which most decisions are right, both kinds of pairs weighing the same."""
    if not (len(same) and len(other)):
        return 0.0
    values = np.concatenate([same, other])
    weights = np.concatenate([np.full(len(same), 1.0 / len(same)), np.full(len(other), -1.0 / len(other))])
    order = np.argsort(values)
    rejected = np.cumsum(weights[order])  # of the same wrongly, less of others rightly
    place = int(np.argmin(rejected))
    if rejected[place] >= 0.0:
        return float(values[order[0]]) - 1e-6
    above = values[order[place + 1]] if place + 1 < len(values) else values[order[place]] + 1e-6
    return float((values[order[place]] + above) / 2.0)


def _unit(rows: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(rows, np.float64)
    if values.ndim == 0:
        raise ShapeError("embeddings are one number, expected [N, D]")
    values = values.reshape(len(values), -1)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), _TINY))


def _identities(identities: ArrayLike, count: int) -> NDArray[Any]:
    names = np.asarray(identities)
    if names.shape != (count,):
        raise ShapeError(f"identities have shape {names.shape}, expected ({count},): one for every embedding")
    if names.dtype.kind not in "iubU":
        raise ShapeError(f"identities are {names.dtype}, expected integers or texts")
    return names
