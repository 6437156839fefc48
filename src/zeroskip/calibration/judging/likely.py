"""Likely drop: how far top-1 really falls, from what was counted on few inputs and from what is to be expected.

Of two predictions that change near a boundary one may become right and one wrong, and which is luck: on a few hundred
inputs this luck is larger than a budget of one point. Where the dense model answers a and the other one b, accuracy
falls by p(a) - p(b) on average, with p the dense model's probabilities if these mean what they say; a temperature
fitted to labels sees to that (C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), and a second
number to the inputs near a tie, where most answers change and one temperature for all inputs need not fit. This
expected drop varies little, but it errs upward, because what the other model sees counts for nothing in it.

The two are weighed as a composite estimate of small areas is (J. N. K. Rao, I. Molina, "Small Area Estimation", 2015,
chapter 3): the counted drop by its variance, the expected one by the square of its likely error. On few inputs the
expected drop decides, on many the counted one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...metrics import log_softmax

Scores = NDArray[np.float64]
"""Logits, or logarithms of probabilities, ``[N, classes]``."""

_TEMPERATURES = np.geomspace(0.05, 20.0, 61)
"""In units of the scores' spread."""
_NEAR_TIE = 1.0
"""Log-odds of the best against the second answer up to which an input is near a tie."""
_TIE_ERROR = 0.25
"""Standard deviation of ``tie_odds`` before labels are seen."""
_NEWTON_STEPS = 8
EXPECTATION_ERROR = 1.0 / 3.0
"""Of the expected drop, as a share of it; on ResNet-20 and CIFAR-10 it is 0.3 points too large at a drop of 1.4."""


@dataclass(frozen=True)
class Confidence:
    """What the dense model's scores say of its being right.

    Args:
        temperature: By which scores are divided to become logarithms of probabilities.
        tie_odds: Log-odds by which its answer is right more often against another one than these probabilities say.
    """

    temperature: float
    tie_odds: float = 0.0

    @classmethod
    def fitted(cls, scores: Scores, labels: NDArray[np.int64]) -> Confidence:
        """Return what makes the labels most likely: a temperature for all inputs, then odds for those near a tie.

        The odds are drawn toward 0 as few inputs leave them open.

        Args:
            scores: Of the dense model, finite.
            labels: ``[N]``, class indices.

        Example:
            >>> sure = np.log([[0.999, 0.001]] * 4)
            >>> 5.0 < Confidence.fitted(sure, np.array([0, 0, 0, 1])).temperature < 8.0
            True
        """
        rows = np.arange(len(labels))
        temperatures = _TEMPERATURES * (float(scores.std(axis=1).mean()) or 1.0)
        losses = [-float(log_softmax(scores / value)[rows, labels].mean()) for value in temperatures]
        temperature = float(temperatures[int(np.argmin(losses))])
        return cls(temperature, _tie_odds(scores / temperature, labels))

    def expected_losses(self, scores: Scores, others: Scores) -> NDArray[np.float64]:
        """Return by how much each input's chance of a right answer falls when predictions become those of ``others``.

        Args:
            scores: Of the dense model.
            others: Of the model to judge.

        Returns:
            ``[N]``, values in [-1, 1], 0 where the prediction stays; infinite where either are not finite.

        Example:
            >>> even, sure, other = [0.51, 0.49], [0.9, 0.1], [0.0, 1.0]
            >>> Confidence(1.0).expected_losses(np.log([even, sure]), np.array([other, sure])).round(3).tolist()
            [0.02, 0.0]
        """
        losses = np.full(len(scores), np.inf)
        is_finite = np.isfinite(scores).all(axis=1) & np.isfinite(others).all(axis=1)
        some = scores[is_finite] / self.temperature
        rows, before, after = np.arange(len(some)), some.argmax(axis=1), others[is_finite].argmax(axis=1)
        probabilities = np.exp(log_softmax(some))
        either = probabilities[rows, before] + probabilities[rows, after]
        odds = some[rows, before] - some[rows, after] + self.tie_odds
        losses[is_finite] = np.where(after == before, 0.0, either * np.tanh(odds / 2.0))
        return losses


def _tie_odds(scores: Scores, labels: NDArray[np.int64]) -> float:
    """Return the most likely :attr:`Confidence.tie_odds`, a logistic regression's intercept, by Newton's method.

    Args:
        scores: Logarithms of probabilities, but for a constant of every row.
        labels: ``[N]``.
    """
    if scores.shape[1] < 2:
        return 0.0
    rows = np.arange(len(labels))
    second, first = np.argpartition(scores, -2, axis=1)[:, -2:].T
    odds = scores[rows, first] - scores[rows, second]
    is_near = (odds < _NEAR_TIE) & ((labels == first) | (labels == second))
    odds, is_first, found = odds[is_near], (labels == first)[is_near], 0.0
    for _ in range(_NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-(odds + found)))
        slope = float((is_first - chance).sum()) - found / _TIE_ERROR**2
        found += slope / (float((chance * (1.0 - chance)).sum()) + 1.0 / _TIE_ERROR**2)
    return found


def likely_drop(counted: float, expected: float, changed: float, samples: int) -> float:
    """Return the composite of counted and expected drop.

    Args:
        counted: Drop of top-1.
        expected: Mean of :meth:`Confidence.expected_losses`.
        changed: Share of predictions that changed, in [0, 1]; over ``samples`` it bounds the variance of ``counted``.
        samples: Number of inputs.

    Example:
        >>> [round(likely_drop(0.0, 0.01, 0.05, samples), 4) for samples in (100, 10_000)]
        [0.0098, 0.0031]
    """
    if not np.isfinite(expected) or changed == 0.0:
        return expected
    error, variance = (EXPECTATION_ERROR * expected) ** 2, changed / samples
    return (error * counted + variance * expected) / (error + variance)
