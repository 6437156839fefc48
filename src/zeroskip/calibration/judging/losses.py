"""Losses input by input: what thresholds cost each one, on both halves and at every place that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LossKind = Literal["answers", "changes", "amounts"]
"""Right answers lost (1) or won (-1), predictions changed (1), or any amounts, of which the metric is a ratio."""


@dataclass(frozen=True)
class Losses:
    """What one set of thresholds cost each of N inputs. The drop of the metric is ``sum(counted) / sum(scale)``.

    Args:
        kind: What is counted.
        counted: float32 ``[N]``: for top-1 1 where the answer became wrong, -1 where it became right; for agreement 1
            where it changed; for fidelity the squared error.
        changed: bool ``[N]``, whether the prediction is another one.
        expected: float32 ``[N]``, what ``counted`` is on average by the dense model's own probabilities; None where
            these say nothing of the metric.
        scale: float32 ``[N]``, what an input weighs: 1, for fidelity its variation.
    """

    kind: LossKind
    counted: NDArray[np.float32]
    changed: NDArray[np.bool_]
    expected: NDArray[np.float32] | None
    scale: NDArray[np.float32]

    @property
    def expected_drop(self) -> float | None:
        """What the metric falls by on average; None where nothing is expected."""
        return None if self.expected is None else float(self.expected.mean())

    @property
    def is_finite(self) -> bool:
        """Whether every output was a number."""
        parts = (self.counted,) if self.expected is None else (self.counted, self.expected)
        return all(bool(np.isfinite(part).all()) for part in parts)


@dataclass(frozen=True)
class LossPath:
    """Losses of all inputs, those of the calibration half first, at several places of a family of threshold sets.

    Args:
        kind: What is counted.
        places: Ascending strengths.
        counted: float64 ``[N, places]``; see :class:`Losses`.
        changed: The same, 0 or 1.
        expected: The same, or None.
        scale: float64 ``[N]``.
        first: Inputs of the calibration half; 0 without one.
    """

    kind: LossKind
    places: tuple[float, ...]
    counted: Floats
    changed: Floats
    expected: Floats | None
    scale: Floats
    first: int

    @classmethod
    def of(cls, halves: Sequence[Mapping[float, Losses]]) -> LossPath:
        """Join what is known of several parts of the data, at the places where all are.

        Args:
            halves: By part, the calibration half first if it is there at all: strength to losses. At least one place
                is in each, and all losses are finite.
        """
        places = tuple(sorted(set.intersection(*map(set, halves))))
        pairs = [[half[place] for half in halves] for place in places]

        def joined(name: str) -> Floats:
            columns: list[Any] = [np.concatenate([getattr(half, name) for half in pair]) for pair in pairs]
            return np.stack(columns, axis=1).astype(np.float64)

        has_expectation = pairs[0][0].expected is not None
        return cls(
            pairs[0][0].kind,
            places,
            joined("counted"),
            joined("changed"),
            joined("expected") if has_expectation else None,
            np.concatenate([half.scale for half in pairs[0]]).astype(np.float64),
            len(pairs[0][0].counted) if len(halves) > 1 else 0,
        )

    @property
    def samples(self) -> int:
        """Inputs of both halves."""
        return len(self.scale)
