"""Likely drop: how far top-1 really falls, from what was counted on few inputs and from what is to be expected.

Of two predictions that change near a boundary one may become right and one wrong, and which is luck: on a few hundred
inputs this luck is larger than a budget of one point. Where the dense model answers a and the other one b, accuracy
falls by p(a) - p(b) on average, with p the dense model's probabilities if these mean what they say; a temperature
fitted to labels sees to that (C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). This expected
drop varies little, but it errs upward, because what the other model sees counts for nothing in it.

The two are weighed as a composite estimate of small areas is (J. N. K. Rao, I. Molina, "Small Area Estimation", 2015,
chapter 3): the counted drop by its variance, the expected one by the square of its likely error. On few inputs the
expected drop decides, on many the counted one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...metrics import log_softmax

Scores = NDArray[np.float64]
"""Logits, or logarithms of probabilities, ``[N, classes]``."""

_TEMPERATURES = np.geomspace(0.05, 20.0, 61)
"""In units of the scores' spread."""
EXPECTATION_ERROR = 1.0 / 3.0
"""Of the expected drop, as a share of it; on ResNet-20 and CIFAR-10 it is 0.3 points too large at a drop of 1.4."""


def fitted_temperature(scores: Scores, labels: NDArray[np.int64]) -> float:
    """Return the temperature with which the probabilities make the labels most likely.

    Args:
        scores: Of the dense model, finite.
        labels: ``[N]``, class indices.

    Example:
        >>> sure = np.log([[0.999, 0.001]] * 4)
        >>> 5.0 < fitted_temperature(sure, np.array([0, 0, 0, 1])) < 8.0
        True
    """
    rows = np.arange(len(labels))
    temperatures = _TEMPERATURES * (float(scores.std(axis=1).mean()) or 1.0)
    losses = [-float(log_softmax(scores / value)[rows, labels].mean()) for value in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def expected_drop(scores: Scores, others: Scores, temperature: float) -> float:
    """Return by how much top-1 falls on average when predictions become those of ``others``.

    Args:
        scores: Of the dense model.
        others: Of the model to judge.
        temperature: See :func:`fitted_temperature`.

    Returns:
        A value in [0, 1]; infinite if either are not finite.

    Example:
        >>> even, sure, other = [0.51, 0.49], [0.9, 0.1], [0.0, 1.0]
        >>> round(expected_drop(np.log([even, sure]), np.array([other, sure]), 1.0), 3)
        0.01
    """
    if not (np.isfinite(scores).all() and np.isfinite(others).all()):
        return float("inf")
    rows, before, after = np.arange(len(scores)), scores.argmax(axis=1), others.argmax(axis=1)
    probabilities = np.exp(log_softmax(scores / temperature))
    return float((probabilities[rows, before] - probabilities[rows, after]).mean())


def likely_drop(counted: float, expected: float, changed: float, samples: int) -> float:
    """Return the composite of counted and expected drop.

    Args:
        counted: Drop of top-1.
        expected: See :func:`expected_drop`.
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
