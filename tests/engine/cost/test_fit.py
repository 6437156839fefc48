"""Fitting finds the prices that made the times, and says how well they explain them."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.engine.cost.fit import fit_cost_model, non_negative_least_squares
from zeroskip.engine.cost.probes import Measurement, Sample
from zeroskip.engine.cost.work import DENSE_AMOUNTS, FAMILIES, SPARSE_AMOUNTS, ElementType
from zeroskip.engine.operators import Family

RANDOM = np.random.default_rng(0)


def samples(
    family: Family, prices: np.ndarray, algorithm: str, noise: float, dtype: ElementType = "float32"
) -> list[Sample]:
    amounts = RANDOM.uniform(0.1, 10.0, (40, len(prices)))
    times = amounts @ prices * RANDOM.uniform(1 - noise, 1 + noise, 40)
    return [
        Sample(dtype, family, algorithm, tuple(row), 32, float(time), 0.01)  # type: ignore[arg-type]
        for row, time in zip(amounts, times, strict=True)
    ]


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_prices_are_recovered(noise: float) -> None:
    dense, sparse = RANDOM.uniform(1, 3, len(DENSE_AMOUNTS)), RANDOM.uniform(1, 3, len(SPARSE_AMOUNTS))
    measured = [item for family in FAMILIES for item in samples(family, dense, "dense", noise)]
    measured += samples("point", sparse, "sparse", noise)
    measured += samples("point", 0.5 * dense, "dense", noise, "u8")
    model = fit_cost_model(Measurement(tuple(measured), 1.0), isa="avx2", threads=2, seconds=1.0)
    point = model.types["float32"]["point"]
    assert point.sparse is not None
    assert model.types["float32"]["linear"].sparse is None
    np.testing.assert_allclose(point.dense.prices, dense, rtol=0.01 + 5 * noise)
    np.testing.assert_allclose(point.sparse.prices, sparse, rtol=0.01 + 5 * noise)
    assert point.sparse.width == 32
    assert set(model.types["u8"]) == {"point"}
    assert "bf16" not in model.types
    np.testing.assert_allclose(model.types["u8"]["point"].dense.prices, 0.5 * dense, rtol=0.01 + 5 * noise)
    assert model.fit is not None
    assert model.fit.error < 0.001 + noise


def test_times_that_no_prices_explain_count_as_noisy() -> None:
    dense = np.ones(len(DENSE_AMOUNTS))
    measured = [item for family in FAMILIES for item in samples(family, dense, "dense", 0.95)]
    fit = fit_cost_model(Measurement(tuple(measured), 1.0), isa="avx2", threads=2, seconds=1.0).fit
    assert fit is not None
    assert fit.is_noisy


def test_least_squares_keeps_to_its_bounds_and_is_optimal_within() -> None:
    a, b = RANDOM.standard_normal((30, 5)), RANDOM.standard_normal(30)
    x = non_negative_least_squares(a, b)
    gradient = a.T @ (a @ x - b)
    assert (x >= 0).all()
    np.testing.assert_allclose(gradient[x > 0], 0, atol=1e-3)
    assert (gradient[x == 0] > -1e-3).all()


def test_dependent_and_empty_columns_do_no_harm() -> None:
    a = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]])
    x = non_negative_least_squares(a, np.array([3.0, 6.0]))
    np.testing.assert_allclose(a @ x, [3.0, 6.0], rtol=1e-4)
