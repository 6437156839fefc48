"""Closed-form corrections: exact where an exact answer exists, and nothing changed where nothing is to be had."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.calibration.compensation.least_squares import Moments, bias_shift, reconstruct

RANDOM = np.random.default_rng(0)


def moments(dense: np.ndarray, present: np.ndarray, drift: np.ndarray | None = None) -> Moments:
    result = Moments(has_products=True)
    for half in (slice(None, len(dense) // 2), slice(len(dense) // 2, None)):  # streamed
        result.add(dense[half], present[half], None if drift is None else drift[half])
    return result


def test_moments_are_means_and_covariances() -> None:
    dense = RANDOM.standard_normal((60, 2, 3)).astype(np.float32) + 1
    present = dense * (dense > 0.5)
    drift = RANDOM.standard_normal((60, 2, 4)).astype(np.float32) + 2
    matrix = RANDOM.standard_normal((2, 4, 3))
    gram, wanted = moments(dense, present, drift).gram_and_wanted(matrix)
    for group in range(2):
        centred = present[:, group] - present[:, group].mean(axis=0)
        aim = dense[:, group] @ matrix[group].T + drift[:, group]
        np.testing.assert_allclose(gram[group], centred.T @ centred / 60, atol=1e-5)
        np.testing.assert_allclose(wanted[group], centred.T @ aim / 60, atol=1e-4)


def test_a_drifted_residual_is_made_up_for() -> None:
    """The layer reads what it read, but what is added to its output lost a multiple of a channel and a constant."""
    rows = RANDOM.standard_normal((400, 1, 3)).astype(np.float32)
    drift = 0.5 * rows[:, :, 1:2] + 0.25
    matrix = np.array([[[1.0, 2.0, 3.0]]])
    parts = [moments(rows[half], rows[half], drift[half]) for half in (slice(200), slice(200, None))]
    corrected, _ = reconstruct(*parts, matrix)
    np.testing.assert_allclose(corrected, [[[1.0, 2.5, 3.0]]], atol=0.03)
    shift = bias_shift(parts[0], matrix, corrected)
    lost = rows[:200, 0] @ (corrected - matrix)[0, 0] + shift - drift[:200, 0, 0]
    assert abs(lost.mean()) < 1e-6


def test_a_lost_copy_is_made_up_for() -> None:
    """Channel 0 is zeroed but channel 1 carries the same values: its weight must take over."""
    dense = RANDOM.standard_normal((400, 1, 2)).astype(np.float32)
    dense[:, :, 1] = dense[:, :, 0]
    present = dense.copy()
    present[:, :, 0] = 0.0
    matrix = np.array([[[1.0, 1.0]]])
    corrected, ridge = reconstruct(moments(dense[:200], present[:200]), moments(dense[200:], present[200:]), matrix)
    assert ridge == 0.03
    assert corrected[0, 0, 1] == pytest.approx(2.0, abs=0.05)


def test_noise_is_not_fitted() -> None:
    """What was lost does not follow from what is left, so held-back data refuse to change the weight much."""
    dense = RANDOM.standard_normal((24, 1, 16)).astype(np.float32)
    present = dense.copy()
    present[:, :, 0] = 0.0
    matrix = RANDOM.standard_normal((1, 4, 16))
    corrected, ridge = reconstruct(moments(dense[:12], present[:12]), moments(dense[12:], present[12:]), matrix)
    assert ridge >= 0.3
    assert np.abs(corrected - matrix).max() < 1.0


def test_nothing_lost_nothing_changed() -> None:
    rows = RANDOM.standard_normal((50, 1, 3)).astype(np.float32)
    matrix = RANDOM.standard_normal((1, 2, 3))
    same = moments(rows, rows)
    corrected, _ = reconstruct(same, same, matrix)
    np.testing.assert_allclose(corrected, matrix, atol=1e-5)
    np.testing.assert_allclose(bias_shift(same, matrix, matrix), 0.0, atol=1e-12)


def test_the_bias_restores_the_mean_output() -> None:
    dense = np.maximum(RANDOM.standard_normal((80, 1, 5)), 0).astype(np.float32)
    present = dense * (dense > 0.4)
    matrix = RANDOM.standard_normal((1, 3, 5))
    shift = bias_shift(moments(dense, present), matrix, matrix)
    wanted = (dense[:, 0] @ matrix[0].T).mean(axis=0)
    np.testing.assert_allclose((present[:, 0] @ matrix[0].T).mean(axis=0) + shift, wanted, atol=1e-5)
