"""Expected drop: what changed predictions cost, judged by the dense model's own probabilities.

Top-1 on a few hundred inputs moves by chance: of two predictions that change near a boundary, one may become right
and one wrong, and their difference says little. Their expectation says more. Where the dense model answers a and
the other one b, accuracy falls by p(a) - p(b) on average, with p the dense model's probabilities if these mean what
they say. A temperature sees to that: it is fitted to labels, one number for all inputs (C. Guo et al., "On
Calibration of Modern Neural Networks", ICML 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""Logits, or logarithms of probabilities, ``[N, classes]``."""

_TEMPERATURES = np.geomspace(0.05, 20.0, 61)


def fitted_temperature(scores: Scores, labels: NDArray[np.int64]) -> float:
    """Return the temperature with which the probabilities make the labels most likely.

    Args:
        scores: Of the dense model.
        labels: ``[N]``, class indices.

    Example:
        >>> sure = np.log([[0.999, 0.001]] * 4)
        >>> 5.0 < fitted_temperature(sure, np.array([0, 0, 0, 1])) < 8.0
        True
    """
    rows = np.arange(len(labels))
    losses = [-float(_log_probabilities(scores, value)[rows, labels].mean()) for value in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def expected_drop(scores: Scores, others: Scores, temperature: float) -> float:
    """Return by how much top-1 falls on average when predictions become those of ``others``.

    Args:
        scores: Of the dense model.
        others: Of the model to judge.
        temperature: See :func:`fitted_temperature`.

    Returns:
        A value in [0, 1]; infinite if ``others`` are not finite.

    Example:
        >>> even, sure, other = [0.51, 0.49], [0.9, 0.1], [0.0, 1.0]
        >>> round(expected_drop(np.log([even, sure]), np.array([other, sure]), 1.0), 3)
        0.01
    """
    if not np.isfinite(others).all():
        return float("inf")
    rows, before, after = np.arange(len(scores)), scores.argmax(axis=1), others.argmax(axis=1)
    probabilities = np.exp(_log_probabilities(scores, temperature))
    return float((probabilities[rows, before] - probabilities[rows, after]).mean())


def _log_probabilities(scores: Scores, temperature: float) -> Scores:
    scaled = (scores - scores.max(axis=1, keepdims=True)) / temperature
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))
