"""Closed-form correction of one layer: streamed Gram matrices, a ridge toward the present weights, its choice.

With x what the layer reads in the dense network, z what it reads now, W its weight and d the drift, by which a residual
that is added to its output falls short of the dense one, the corrected weight minimises
``sum |x W + d - z V|^2 + r |V - W|^2`` over V, means removed; the bias takes up the means. The solution is
``V = W + (Z'Z + r)^-1 ((Z'X - Z'Z) W + Z'D)``, so three matrices are all that has to be kept of the data. With d the
error that a residual stream has gathered is taken back block by block instead of carried on to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

RIDGES = (0.03, 0.3, 3.0)
"""Candidates, as multiples of the mean variance of what the layer reads."""


@dataclass
class Moments:
    """Sums over rows of what a layer reads and of what its residual lacks, per group of channels.

    Args:
        has_products: Whether to keep matrices of products; sums alone give the bias.
    """

    has_products: bool
    count: int = 0
    dense_sum: Matrix = field(default_factory=lambda: np.zeros(0))
    sum: Matrix = field(default_factory=lambda: np.zeros(0))
    gram: Matrix = field(default_factory=lambda: np.zeros(0))
    cross: Matrix = field(default_factory=lambda: np.zeros(0))
    drift_sum: Matrix = field(default_factory=lambda: np.zeros(0))
    drift_cross: Matrix = field(default_factory=lambda: np.zeros(0))

    def add(
        self, dense: NDArray[np.float32], present: NDArray[np.float32], drift: NDArray[np.float32] | None = None
    ) -> None:
        """Add rows.

        Args:
            dense: float32 ``[n, groups, values]``, of the dense network.
            present: The same of the network with thresholds.
            drift: float32 ``[n, groups, outputs]``, the dense network's residual less the present one. None where
                the layer has none; the same for all rows.
        """
        if self.count == 0:
            self.dense_sum, self.sum = np.zeros(dense.shape[1:]), np.zeros(dense.shape[1:])
            if self.has_products:
                self.gram = np.zeros((*dense.shape[1:], dense.shape[2]))
                self.cross = np.zeros_like(self.gram)
        self.count += len(dense)
        self.dense_sum += dense.sum(axis=0, dtype=np.float64)
        self.sum += present.sum(axis=0, dtype=np.float64)
        if self.has_products:
            by_group = present.transpose(1, 2, 0)
            self.gram += by_group @ present.transpose(1, 0, 2)
            self.cross += by_group @ dense.transpose(1, 0, 2)
        if drift is not None:
            self._add_drift(present, drift)

    def _add_drift(self, present: NDArray[np.float32], drift: NDArray[np.float32]) -> None:
        if self.drift_sum.size == 0:
            self.drift_sum = np.zeros(drift.shape[1:])
            if self.has_products:
                self.drift_cross = np.zeros((*present.shape[1:], drift.shape[2]))
        self.drift_sum += drift.sum(axis=0, dtype=np.float64)
        if self.has_products:
            self.drift_cross += present.transpose(1, 2, 0) @ drift.transpose(1, 0, 2)

    @property
    def dense_mean(self) -> Matrix:
        """Mean of the dense rows, ``[groups, values]``."""
        return self.dense_sum / self.count

    @property
    def mean(self) -> Matrix:
        """Mean of the present rows, ``[groups, values]``."""
        return self.sum / self.count

    def gram_and_wanted(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Return what the rows are and what they should give, both divided by n and with the means removed.

        Args:
            matrix: The dense layer's weight, ``[groups, outputs, values]``.

        Returns:
            Z'Z ``[groups, values, values]``, and Z'(X W + D) ``[groups, values, outputs]``.
        """
        mean = self.mean[:, :, None]
        gram = self.gram / self.count - mean * self.mean[:, None, :]
        cross = self.cross / self.count - mean * self.dense_mean[:, None, :]
        wanted = cross @ matrix.transpose(0, 2, 1)
        if self.drift_sum.size:
            wanted += (self.drift_cross - mean * self.drift_sum[:, None, :]) / self.count
        return gram, wanted


def bias_shift(moments: Moments, matrix: Matrix, corrected: Matrix) -> Matrix:
    """Return what to add to the bias so that mean outputs are those of the dense network.

    Args:
        moments: Of what the layer reads.
        matrix: Present weight, ``[groups, outputs, values]``.
        corrected: New weight.

    Returns:
        float64 ``[outputs in all]``.
    """
    shift = np.einsum("gov,gv->go", matrix, moments.dense_mean) - np.einsum("gov,gv->go", corrected, moments.mean)
    if moments.drift_sum.size:
        shift += moments.drift_sum / moments.count
    return np.asarray(shift.reshape(-1))


def reconstruct(moments: Moments, held_back: Moments, matrix: Matrix) -> tuple[Matrix, float]:
    """Return the corrected weight and its ridge; the weight as it is, and infinity, where nothing helps.

    Args:
        moments: To solve with.
        held_back: Of other data, to choose the ridge by.
        matrix: Present weight, ``[groups, outputs, values]``.
    """
    gram, wanted = moments.gram_and_wanted(matrix)
    variance = np.trace(gram, axis1=1, axis2=2).mean() / gram.shape[1]
    missing = wanted - gram @ matrix.transpose(0, 2, 1)
    best, best_ridge = matrix, np.inf
    check = held_back.gram_and_wanted(matrix)
    least = _error(*check, matrix)
    for ridge in RIDGES:
        damped = gram + max(ridge * variance, 1e-12) * np.eye(gram.shape[1])
        tried = matrix + np.linalg.solve(damped, missing).transpose(0, 2, 1)
        error = _error(*check, tried)
        if error < least:
            best, best_ridge, least = tried, ridge, error
    return best, float(best_ridge)


def _error(gram: Matrix, wanted: Matrix, tried: Matrix) -> float:
    """Return the mean squared error of the outputs, means removed, up to a constant."""
    return float(np.sum((tried @ gram) * tried) - 2.0 * np.sum(tried * wanted.transpose(0, 2, 1)))
