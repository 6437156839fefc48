"""Measures on arrays: known values, ranges, invariances and error texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zeroskip import ShapeError, metrics

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
VECTORS = arrays(np.float32, st.integers(2, 50), elements=FINITE)
NONZERO_VECTORS = VECTORS.filter(np.any)


@given(VECTORS)
def test_sparsity_and_density_add_up_to_one(x: np.ndarray) -> None:
    assert metrics.sparsity(x) + metrics.density(x) == pytest.approx(1.0)
    assert metrics.sparsity(x) == pytest.approx(np.mean(x == 0))


def test_negative_zero_is_zero_and_nan_is_not() -> None:
    assert metrics.sparsity(np.array([-0.0, np.nan, 1e-45, 0.0], np.float32)) == 0.5


@pytest.mark.parametrize("measure", [metrics.hoyer_square, metrics.hoyer_sparsity, metrics.pq_index])
@given(x=NONZERO_VECTORS, scale=st.floats(1e-3, 1e3))
def test_measures_ignore_scale_sign_and_order(measure, x, scale) -> None:  # type: ignore[no-untyped-def]
    expected = pytest.approx(measure(x), rel=1e-6, abs=1e-6)
    assert measure(x.astype(np.float64) * scale) == expected
    assert measure(-x[::-1]) == expected


@given(NONZERO_VECTORS)
def test_measures_stay_in_their_ranges(x: np.ndarray) -> None:
    assert 1.0 - 1e-9 <= metrics.hoyer_square(x) <= x.size * (1 + 1e-9)
    assert 0.0 <= metrics.hoyer_sparsity(x) <= 1.0
    assert 0.0 <= metrics.pq_index(x) <= 1.0


@given(x=NONZERO_VECTORS, copies=st.integers(2, 5))
def test_pq_index_ignores_copies(x: np.ndarray, copies: int) -> None:
    assert metrics.pq_index(np.tile(x, copies)) == pytest.approx(metrics.pq_index(x), abs=1e-9)


def test_hoyer_values_follow_their_formulae() -> None:
    x = np.array([3.0, -4.0, 0.0, 0.0])
    assert metrics.hoyer_square(x) == pytest.approx(49 / 25)
    assert metrics.hoyer_sparsity(x) == pytest.approx((2 - 7 / 5) / (2 - 1))
    assert metrics.pq_index(x, 1.0, 2.0) == pytest.approx(1 - 4 ** (1 / 2 - 1) * 7 / 5)


def test_all_zeros_have_defined_values() -> None:
    zeros = np.zeros(7)
    assert (metrics.hoyer_square(zeros), metrics.hoyer_sparsity(zeros), metrics.pq_index(zeros)) == (0, 1, 1)


def test_large_float32_values_do_not_overflow() -> None:
    assert metrics.hoyer_square(np.full(10, 3e38, np.float32)) == pytest.approx(10)


@pytest.mark.parametrize(
    "measure",
    [metrics.sparsity, metrics.density, metrics.hoyer_square, metrics.hoyer_sparsity, metrics.pq_index],
)
def test_empty_array_is_refused(measure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ShapeError, match=r"at least one element, got shape \(0, 3\)"):
        measure(np.zeros((0, 3)))


@pytest.mark.parametrize(("p", "q"), [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)])
def test_pq_index_names_wrong_exponents(p: float, q: float) -> None:
    with pytest.raises(ValueError, match=f"got p={p} and q={q}"):
        metrics.pq_index([1.0], p, q)


def test_top1_counts_rows_and_never_a_nan() -> None:
    logits = np.array([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0], [np.nan, 2.0, 1.0], [0.0, 0.0, 9.0]])
    assert metrics.top1(logits, np.array([1, 0, 1, 1])) == 0.5


def test_axes_of_length_one_are_dropped() -> None:
    logits = np.array([[0.0, 2.0], [3.0, 1.0]])
    assert metrics.top1(logits.reshape(2, 2, 1, 1), [1, 0]) == 1.0
    assert metrics.top1(logits.reshape(2, 1, 1, 2), [1, 0]) == 1.0


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), [0, 1, 2], r"labels have shape \(3,\), expected \(2,\)"),
        (np.zeros((2, 3)), [0.0, 1.0], "dtype float64, expected integers"),
        (np.zeros((2, 3)), [0, 3], r"labels span 0\.\.3, but the model has 3 classes"),
        (np.zeros((2, 3)), [-1, 0], r"labels span -1\.\.0"),
        (np.zeros((2, 3, 4, 4)), [0, 1], r"shape \(2, 3, 4, 4\), expected \[N, classes\]"),
        (np.zeros((0, 3)), [], r"shape \(0, 3\)"),
    ],
)
def test_top1_names_what_does_not_fit(logits: np.ndarray, labels: list[int], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        metrics.top1(logits, labels)


def test_agreement_is_symmetric_and_refuses_nan() -> None:
    first = np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, 0.0]])
    second = np.array([[0.0, 1.0], [0.0, 1.0], [np.nan, 0.0]])
    assert metrics.agreement(first, second) == metrics.agreement(second, first) == pytest.approx(1 / 3)
    with pytest.raises(ShapeError, match=r"\(3, 2\) and \(1, 2\)"):
        metrics.agreement(first, second[:1])


@given(
    arrays(np.float64, (3, 4), elements=st.floats(-50, 50)),
    arrays(np.float64, (3, 4), elements=st.floats(-50, 50)),
)
def test_divergence_is_not_negative_and_ignores_offsets(first: np.ndarray, second: np.ndarray) -> None:
    divergence = metrics.kl_divergence(first, second)
    assert divergence >= 0.0
    assert metrics.kl_divergence(first, first + 3.0) == pytest.approx(0.0, abs=1e-9)
    assert metrics.kl_divergence(first + 1.0, second - 2.0) == pytest.approx(divergence, rel=1e-6, abs=1e-9)


def test_divergence_of_probabilities_equals_that_of_their_logits() -> None:
    p, q = np.array([[0.2, 0.3, 0.5]]), np.array([[0.6, 0.3, 0.1]])
    expected = np.sum(p * np.log(p / q))
    assert metrics.kl_divergence(p, q, probabilities=True) == pytest.approx(expected)
    assert metrics.kl_divergence(np.log(p), np.log(q)) == pytest.approx(expected)


def test_divergence_of_hard_probabilities_is_finite_and_of_nan_is_not() -> None:
    hard, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert math.isfinite(metrics.kl_divergence(hard, other, probabilities=True))
    assert metrics.kl_divergence(hard, other * np.nan) == math.inf


def test_probabilities_are_recognised() -> None:
    assert metrics.is_probability(np.array([[0.5, 0.5], [1.0, 0.0]], np.float32))
    assert not metrics.is_probability([[0.5, 0.6]])
    assert not metrics.is_probability([[1.5, -0.5]])
    assert not metrics.is_probability([[1.0]])


def test_relative_difference_is_to_the_largest_reference() -> None:
    assert metrics.relative_difference([[2.0, -10.0]], [[3.0, -10.0]]) == pytest.approx(0.1)
    assert metrics.relative_difference(np.zeros(3), np.zeros(3)) == 0.0
    assert metrics.relative_difference(np.zeros(3), np.ones(3)) == math.inf
    assert metrics.relative_difference([1.0], [np.nan]) == math.inf
    with pytest.raises(ShapeError, match=r"\(1,\) and \(2,\)"):
        metrics.relative_difference([1.0], [1.0, 2.0])


def test_a_row_with_nan_predicts_nothing() -> None:
    assert metrics.predictions([[0.0, 1.0], [np.nan, 1.0], [2.0, 1.0]]).tolist() == [1, -1, 0]
