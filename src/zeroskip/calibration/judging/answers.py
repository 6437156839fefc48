"""Answers: classes that the model names itself, best first, instead of scores of all classes (ArgMax, TopK)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError
from .losses import Losses
from .protocol import Labels, pick

_DEPTH = 10
"""So many of the answers to an input are compared with the original's."""
_RARE = 0.1
"""Where answers hardly differ from input to input, a loss is counted in this share of the inputs."""


@dataclass(frozen=True)
class AnswerMetric:
    """For outputs of classes that the model has chosen, ``[N]`` or best first ``[N, k]``.

    The information loss is ``sum_n (1 - o(y_n, z_n)) / sum_n (1 - o(y_n, m))`` with y the dense model's answers, z the
    others, m what the dense model answers most often, and o the average overlap: the mean over d = 1, 2, ... of the
    share that the first d answers have in common.

    Args:
        name: ``"top1"``, ``"top5"`` or another number with labels, or ``"agreement"``, of the first answers.
        output: Name of the output that is judged; of the only one by default.

    References:
        W. Webber, A. Moffat, J. Zobel: A similarity measure for indefinite rankings, ACM TOIS 28 (2010), section 3.
    """

    name: str
    output: str = ""

    @property
    def k(self) -> int:
        """Among how many of the first answers the label has to be."""
        return int(self.name.removeprefix("top")) if self.name.startswith("top") else 1

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`.

        Raises:
            CalibrationError: If the labels do not fit, or the model gives fewer answers than k.
        """
        return float(self._hits(reference, outputs, labels).mean())

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses:
        """See :class:`Metric`."""
        before, after = (self._hits(reference, side, labels).astype(np.float32) for side in (reference, outputs))
        first, second = self._rows(reference), self._rows(outputs)
        changed = np.asarray(first[:, 0] != second[:, 0])
        kind = "changes" if self._is_agreement(labels) else "answers"
        return Losses(kind, before - after, changed, None, np.ones(len(first), np.float32))  # type: ignore[arg-type]

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        first, second = self._rows(reference), self._rows(outputs)
        known, places = np.unique(first[:, 0], return_inverse=True)
        usual = first[int(np.argmax(places == np.bincount(places, minlength=len(known)).argmax()))]
        lost = float((1.0 - overlaps(first, second)).sum())
        blind = float((1.0 - overlaps(first, np.broadcast_to(usual, first.shape))).sum())
        return lost / max(blind, _RARE * len(first))

    def _is_agreement(self, labels: Labels) -> bool:
        return self.name == "agreement" or labels is None

    def _hits(self, reference: Any, outputs: Any, labels: Labels) -> NDArray[np.bool_]:
        rows = self._rows(outputs)
        if self._is_agreement(labels):
            return np.asarray(rows[:, 0] == self._rows(reference)[:, 0])
        if rows.shape[1] < self.k:
            raise CalibrationError(
                f"metric '{self.name}' needs {self.k} answers to every input, the model gives {rows.shape[1]}"
            )
        truth = np.asarray(labels)
        if truth.size != len(rows) or truth.ndim > 2 or truth.dtype.kind not in "iub":
            raise CalibrationError(
                f"metric '{self.name}' needs one class index for each of {len(rows)} inputs, the targets are "
                f"{truth.dtype} of shape {list(truth.shape)}"
            )
        if rows.dtype.kind not in "iub":
            raise CalibrationError(
                f"metric '{self.name}' compares class indices, and the model answers by texts: use 'agreement', or a "
                "function of (outputs, targets)"
            )
        return np.asarray((rows[:, : self.k] == truth.reshape(-1, 1)).any(axis=1))

    def _rows(self, outputs: Any) -> NDArray[Any]:
        column = pick(outputs, self.output)
        return column.reshape(len(column), -1)


def overlaps(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the average overlap of two lists of answers to each input, ``[N, k]``: 1 where they are alike.

    Example:
        >>> overlaps(np.array([[3, 1], [3, 1]]), np.array([[3, 2], [1, 3]])).tolist()
        [0.75, 0.5]
    """
    depth = min(_DEPTH, first.shape[1])
    same = first[:, :depth, None] == second[:, None, :depth]
    shares = [same[:, :count, :count].any(axis=2).sum(axis=1) / count for count in range(1, depth + 1)]
    return np.asarray(np.mean(shares, axis=0))
