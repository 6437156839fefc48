"""Comparing what the engines compute before anyone looks at how fast they do it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from ..baselines import Precision
from ..metrics import relative_difference
from .row import Row

TOLERANCES: Mapping[Precision, float] = MappingProxyType({"f32": 1e-3, "bf16": 1e-1})
"""Accepted differences. Rounding gives 1e-6 in f32; thresholds widen it, as a value near T may flip to 0."""

_logger = logging.getLogger(__name__)


def mark_differences(rows: Sequence[Row], tolerance: float | None) -> None:
    """Set ``difference`` and ``is_match`` of each row against the first that runs the same model.

    Rows with different models rightly give different outputs and are not compared. A mismatch is logged as a
    warning.

    Args:
        rows: Loaded rows.
        tolerance: Largest accepted difference; by default :data:`TOLERANCES` of the lower precision of the
            two.
    """
    first: dict[str, Row] = {}
    for row in rows:
        reference = first.setdefault(row.model_sha256, row)
        if reference is row:
            continue
        row.difference = output_difference(reference.outputs, row.outputs)
        accepted = tolerance or max(TOLERANCES[row.precision], TOLERANCES[reference.precision])
        row.is_match = row.difference <= accepted
        if not row.is_match:
            _logger.warning(
                "outputs of %s differ from those of %s by %.2g of the largest output (accepted: %.2g): "
                "its time says nothing until this is explained",
                row.label,
                reference.label,
                row.difference,
                accepted,
            )


def output_difference(
    reference: Sequence[Sequence[NDArray[Any]]], other: Sequence[Sequence[NDArray[Any]]]
) -> float:
    """Return the largest relative difference over batches and graph outputs; infinite where sizes differ.

    Args:
        reference: For each batch the graph outputs of the first engine.
        other: Those of the engine in question. Axes of length one may be missing: some engines drop them.
    """
    worst = 0.0
    for expected, got in zip(reference, other, strict=True):
        if [value.size for value in expected] != [value.size for value in got]:
            return float("inf")
        for first, second in zip(expected, got, strict=True):
            worst = max(worst, relative_difference(first, second.reshape(first.shape)))
    return worst
