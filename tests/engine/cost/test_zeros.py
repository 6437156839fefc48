"""Synthetic zeros lie together, as real ones do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from zeroskip.engine.cost.zeros import NEIGHBOUR_CORRELATION, clustered_values, independent_values, shared_density

DENSITIES = (0.0, 0.1, 0.5, 0.8, 1.0)


def neighbour_correlation(values: np.ndarray) -> float:
    first, second = values[..., 0::2] != 0, values[..., 1::2] != 0
    density = (values != 0).mean()
    return float(((first & second).mean() - density**2) / (density * (1 - density)))


@pytest.mark.parametrize("dtype", ["float32", "u8"])
def test_densities_are_met_and_larger_ones_keep_what_smaller_ones_have(dtype: str) -> None:
    found = clustered_values((1, 24, 12, 12), DENSITIES, dtype)
    np.testing.assert_allclose([(values != 0).mean() for values in found], DENSITIES, atol=1e-3)
    assert all(values.dtype == dtype.replace("u8", "uint8") for values in found)
    for smaller, larger in pairwise(found):
        assert (larger[smaller != 0] == smaller[smaller != 0]).all()


@pytest.mark.parametrize("density", [0.2, 0.5, 0.7])
def test_neighbours_are_zero_together_as_in_trained_networks(density: float) -> None:
    (values,) = clustered_values((1, 128, 28, 28), (density,))
    assert neighbour_correlation(values) == pytest.approx(NEIGHBOUR_CORRELATION, abs=0.08)
    assert neighbour_correlation(independent_values((1, 128, 28, 28), density)) == pytest.approx(0.0, abs=0.03)
    shared = (values[..., 0::2] != 0) | (values[..., 1::2] != 0)
    assert shared.mean() == pytest.approx(shared_density(density), abs=0.02)


def test_vectors_have_independent_zeros() -> None:
    (values,) = clustered_values((1, 1000), (0.3,), "u8")
    assert np.count_nonzero(values) == 300
