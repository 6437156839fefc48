"""Metrics of outputs without classes: how much of what the outputs say is preserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .losses import Losses
from .outputs import Column, Outputs
from .protocol import Labels

_LABEL_BYTES = 4
_ROUNDING = float(np.finfo(np.float32).eps) ** 2


@dataclass(frozen=True)
class FidelityMetric:
    """For outputs without class scores (embeddings, maps): the share of their variation that is preserved.

    ``1 - sum_n |y_n - z_n|^2 / sum_n |y_n - m|^2`` with y the dense model's outputs, m their mean over the
    inputs and z the other outputs: 1 where they are equal, 0 or less where z says nothing about the input. Of labels,
    between which there is no distance, the share that is equal.
    """

    name: str = "fidelity"
    output: str = ""

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`."""
        return 1.0 - self.information_loss(reference, outputs)

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
        return float(error.sum()) / max(float(variation.sum()), float(np.finfo(np.float32).tiny))

    def _parts(
        self, reference: Any, outputs: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return by input the squared error, the variation, and whether anything changed."""
        first, second = (columns_of(side, self.output) for side in (reference, outputs))
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and not are_labels(first):
            rows = first.reshape(len(first), -1).astype(np.float64)
            others = second.reshape(len(second), -1)
            # Rounding varies outputs that do not vary otherwise; a loss in units of nothing would be infinite.
            rounding = _ROUNDING * np.square(rows).sum(axis=1)
            variation = np.maximum(np.square(rows - rows.mean(axis=0)).sum(axis=1), rounding)
            return np.square(rows - others).sum(axis=1), variation, (rows != others).any(axis=1)
        parts = [_row_parts(*pair) for pair in zip(first, second, strict=True)]
        errors, variations, changes = zip(*parts, strict=True)
        return np.array(errors), np.array(variations), np.array(changes)


def are_labels(column: Any) -> bool:
    """Tell whether an output holds numbers that only tell one thing from another: what ArgMax and comparisons make.

    Integers of 8 and 16 bits are not: quantised models return them for amounts.
    """
    dtype = getattr(column, "dtype", None)
    return dtype is not None and (dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize >= _LABEL_BYTES))


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
