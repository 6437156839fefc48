"""Metrics of outputs with classes: top-1 and top-k with labels, agreement with the original model without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...metrics import agreement, kl_divergence, log_scores, predictions, top1, topk_hits
from .likely import Confidence, likely_drop
from .losses import Losses
from .protocol import LEAST_INFORMATION, Labels, pick


@dataclass(frozen=True)
class ClassMetric:
    """For outputs ``[N, classes]``, logits or probabilities: top-1 with labels, agreement without.

    The information loss is ``mean KL(p_n || q_n) / mean KL(p_n || m)`` with p and q the class probabilities
    of the dense and of the thresholded model, and m the mean of p. The divisor is the mutual
    information between input and class that the dense outputs carry.

    Args:
        name: ``"top1"``, ``"top5"`` or another number, or ``"agreement"``.
        is_probability: Whether the outputs are probabilities already.
        confidence: What the dense model's scores say of its being right; for top-1.
        output: Name of the output that is judged; of the only one by default.
    """

    name: str
    is_probability: bool
    confidence: Confidence | None = None
    output: str = ""

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`."""
        reference, outputs = self._pair(reference, outputs)
        if self.name == "agreement" or labels is None:
            return agreement(reference, outputs)
        return top1(outputs, labels) if self.k == 1 else float(topk_hits(outputs, labels, self.k).mean())

    @property
    def k(self) -> int:
        """Among how many of the largest outputs the label has to be."""
        return int(self.name.removeprefix("top")) if self.name.startswith("top") else 1

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        if self.confidence is None:
            return None
        reference, outputs = self._pair(reference, outputs)
        expected = float(self._expected(self.confidence, reference, outputs).mean())
        return likely_drop(counted, expected, 1.0 - agreement(reference, outputs), len(reference))

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses:
        """See :class:`Metric`."""
        reference, outputs = self._pair(reference, outputs)
        before, after = predictions(reference), predictions(outputs)
        changed = (before != after) | (after < 0)
        ones = np.ones(len(before), np.float32)
        if self.name == "agreement" or labels is None:
            return Losses("changes", changed.astype(np.float32), changed, None, ones)
        was_right, is_right = (topk_hits(rows, labels, self.k) for rows in (reference, outputs))
        counted = was_right.astype(np.float32) - is_right
        expected = None
        if self.confidence is not None:
            expected = self._expected(self.confidence, reference, outputs).astype(np.float32)
        return Losses("answers", counted, changed, expected, ones)

    def _expected(self, confidence: Confidence, reference: NDArray[Any], outputs: NDArray[Any]) -> NDArray[np.float64]:
        scores, others = (log_scores(rows, probabilities=self.is_probability) for rows in (reference, outputs))
        return confidence.expected_losses(scores, others)

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        reference, outputs = self._pair(reference, outputs)
        lost = kl_divergence(reference, outputs, probabilities=self.is_probability)
        return lost / max(self._information(reference), LEAST_INFORMATION)

    def _information(self, reference: NDArray[Any]) -> float:
        rows = self._probabilities(reference)
        mean = np.broadcast_to(rows.mean(axis=0), rows.shape)
        return kl_divergence(rows, mean, probabilities=True)

    def _probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        rows = outputs.reshape(len(outputs), -1).astype(np.float64)
        if self.is_probability:
            return rows
        exponentials = np.exp(rows - rows.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def _pair(self, reference: Any, outputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return pick(reference, self.output), pick(outputs, self.output)
