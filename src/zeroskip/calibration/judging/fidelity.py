"""Metrics of outputs without classes: how much of what the outputs say is preserved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .losses import Losses
from .outputs import Column, Outputs
from .protocol import Labels

_LABEL_BYTES = 4
_COUNTED = 1 << 20
_RARE, _FAINT = 0.1, 1e-3
"""Labels that differ from the commonest one are taken for so many of an input, and for such a share, at least."""
_ROUNDING = float(np.finfo(np.float32).eps) ** 2


@dataclass(frozen=True)
class FidelityMetric:
    """For outputs without class scores (embeddings, maps): the share of their variation that is preserved.

    ``1 - sum_n |y_n - z_n|^2 / sum_n |y_n - m|^2`` with y the dense model's outputs, m their mean over the
    inputs and z the other outputs: 1 where they are equal, 0 or less where z says nothing about the input. Of labels,
    between which there is no distance, the share that is equal; the information loss of them is the share that differs
    over the share that would differ if all were the commonest one, so that a rare label counts.
    """

    name: str = "fidelity"
    output: str = ""

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`."""
        error, variation, _ = self._parts(reference, outputs)
        if not np.isfinite(error).all():
            return float("-inf")
        return 1.0 - float(error.sum()) / max(float(variation.sum()), float(np.finfo(np.float32).tiny))

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses:
        """See :class:`Metric`."""
        error, variation, changed = self._parts(reference, outputs)
        return Losses("amounts", error.astype(np.float32), changed, None, variation.astype(np.float32))

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        error, variation, _ = self._parts(reference, outputs)
        if not np.isfinite(error).all():
            return float("inf")
        labels = _flat_labels(columns_of(reference, self.output))
        if labels is not None:
            return float(error.sum()) / max(_uncommon(labels), _RARE * len(error), _FAINT * labels.size)
        return float(error.sum()) / max(float(variation.sum()), float(np.finfo(np.float32).tiny))

    def _parts(
        self, reference: Any, outputs: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return by input the squared error, the variation, and whether anything changed."""
        first, second = (columns_of(side, self.output) for side in (reference, outputs))
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.shape == second.shape:
            rows, others = first.reshape(len(first), -1), second.reshape(len(second), -1)
            if are_labels(first):
                differ = np.asarray(rows != others, bool)
                sizes = np.full(len(rows), float(max(rows.shape[1], 1)))
                return differ.sum(axis=1).astype(np.float64), sizes, np.asarray(differ.any(axis=1))
            rows = rows.astype(np.float64)
            # Rounding varies outputs that do not vary otherwise; a loss in units of nothing would be infinite.
            rounding = _ROUNDING * np.square(rows).sum(axis=1)
            variation = np.maximum(np.square(rows - rows.mean(axis=0)).sum(axis=1), rounding)
            return np.square(rows - others).sum(axis=1), variation, (rows != others).any(axis=1)
        parts = [_row_parts(np.asarray(row), np.asarray(other)) for row, other in zip(first, second, strict=True)]
        errors, variations, changes = zip(*parts, strict=True)
        return np.array(errors), np.array(variations), np.array(changes)


def are_labels(column: Any) -> bool:
    """Tell whether an output holds what only tells one thing from another: what ArgMax and comparisons make, and texts.

    Integers of 8 and 16 bits are not: quantised models return them for amounts.
    """
    dtype = getattr(column, "dtype", None)
    if dtype is None:
        return False
    if dtype.kind == "O":
        return all(isinstance(item, str | bytes) for item in column.flat)
    return dtype.kind in "bUS" or (dtype.kind in "iu" and dtype.itemsize >= _LABEL_BYTES)


def _flat_labels(column: Any) -> NDArray[Any] | None:
    """Return all labels of an output in one row; None of amounts."""
    if are_labels(column):
        return np.asarray(column).reshape(-1)
    if isinstance(column, list) and column and all(are_labels(row) for row in column):
        return np.concatenate([np.reshape(row, -1) for row in column])
    return None


def _uncommon(labels: NDArray[Any]) -> int:
    """Return how many labels differ from the commonest one."""
    if labels.dtype.kind not in "iub":
        return labels.size - max(Counter(labels.tolist()).values(), default=0)
    if not labels.size:
        return 0
    least, most = int(labels.min()), int(labels.max())
    if most - least < _COUNTED:
        return labels.size - int(np.bincount(labels.astype(np.int64) - least).max())
    return labels.size - int(np.unique(labels, return_counts=True)[1].max())


def _row_parts(row: NDArray[Any], other: NDArray[Any]) -> tuple[float, float, bool]:
    """Return the same for one input by itself: labels, or a shape of its own, whose values vary about their mean."""
    if are_labels(row):
        differ = np.ones(np.shape(row), bool) if np.shape(row) != np.shape(other) else np.asarray(row != other)
        return float(differ.sum()), float(max(differ.size, 1)), bool(differ.any())
    values = np.asarray(row, np.float64)
    variation = float(np.square(values - values.mean()).sum()) if values.size else 0.0
    if np.shape(row) != np.shape(other):
        return variation, variation, True
    return float(np.square(values - other).sum()), variation, bool((values != other).any())


@dataclass(frozen=True)
class JointFidelity:
    """Fidelity of several outputs: the mean of what each preserves.

    Args:
        outputs: Their names.
    """

    outputs: tuple[str, ...]
    name: str = "fidelity"

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`."""
        return float(np.mean([part.value(reference, outputs, labels) for part in self._parts]))

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses:
        """See :class:`Metric`."""
        parts = [part.losses(reference, outputs, labels) for part in self._parts]
        tiny = float(np.finfo(np.float32).tiny)
        shares = [part.counted / max(float(part.scale.mean()), tiny) for part in parts]
        changed = np.any([part.changed for part in parts], axis=0)
        counted = np.mean(shares, axis=0).astype(np.float32)
        return Losses("amounts", counted, changed, None, np.ones(len(counted), np.float32))

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        return max(part.information_loss(reference, outputs) for part in self._parts)

    @property
    def _parts(self) -> list[FidelityMetric]:
        return [FidelityMetric(output=name) for name in self.outputs]


def columns_of(outputs: Any, name: str) -> Column:
    """Return an output as it is: an array, or a list of rows of different shapes."""
    if not isinstance(outputs, Outputs):
        return np.asarray(outputs)
    column: Column = outputs[name] if name else next(iter(outputs.shown.values()))
    return column
