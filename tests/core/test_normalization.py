"""softmax, lrn, normalize and reduce."""

from __future__ import annotations

import numpy as np
import pytest

from .builder import run_nhwc, run_row, sparse_array


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    exponentials = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1000), (1, 17), (2, 5, 33), (2, 21, 7, 9)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(isa: str, shape: tuple[int, ...], axis: int) -> None:
    x = sparse_array(shape, 0.2) * np.float32(10)
    result = run_row("softmax", [x], shape, isa, axis=axis)
    np.testing.assert_allclose(result, softmax(x, axis), rtol=2e-6, atol=1e-9)


def test_softmax_of_large_values(isa: str) -> None:
    x = np.array([[1e30, 1e30, -1e30, 0]], np.float32)
    np.testing.assert_allclose(run_row("softmax", [x], x.shape, isa), [[0.5, 0.5, 0, 0]], atol=1e-30)


@pytest.mark.parametrize("channels", [1, 3, 16, 40, 96])
@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (4, 0.75), (1, 0.5), (9, 1.0)])
def test_lrn(isa: str, channels: int, size: int, beta: float) -> None:
    x = sparse_array((2, channels, 3, 5), 0.3) * np.float32(5)
    squares = np.pad(x.astype(np.float64) ** 2, [(0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0)])
    sums = sum(squares[:, j : j + channels] for j in range(size))
    expected = x / (2.0 + 0.01 / size * sums) ** beta
    result = run_nhwc("lrn", [x], x.shape, isa, size=size, alpha=0.01, beta=beta, bias=2.0)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axes", [(2, 3), (1,), (0, 2), (-1,), (0, 1, 2, 3), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_mean(isa: str, axes: tuple[int, ...], keepdims: bool) -> None:
    x = sparse_array((3, 4, 5, 60), 0.5)
    expected = np.asarray(x.astype(np.float64).mean(axis=axes, keepdims=keepdims))
    result = run_row("reduce", [x], expected.shape, isa, kind="mean", axes=axes)
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-7)


REDUCTIONS = {
    "sum": np.sum,
    "l1": lambda x, **axes: np.abs(x).sum(**axes),
    "l2": lambda x, **axes: np.sqrt((x * x).sum(**axes)),
    "sum_square": lambda x, **axes: (x * x).sum(**axes),
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
}


@pytest.mark.parametrize("axes", [(2, 3), (1,), (0, 2), (3,), (0, 1, 2, 3), (1, 3), ()])
@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reductions(isa: str, kind: str, axes: tuple[int, ...]) -> None:
    x = sparse_array((2, 3, 4, 37), 0.2)
    expected = np.asarray(REDUCTIONS[kind](x.astype(np.float64), axis=axes, keepdims=True))
    result = run_row("reduce", [x], expected.shape, isa, kind=kind, axes=axes)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_long_sums_are_exact_to_a_few_ulps(isa: str) -> None:
    x = np.full((3, 100_003), 0.1, np.float32)
    for axes, shape, count in (((1,), (3, 1), 100_003), ((0,), (1, 100_003), 3)):
        result = run_row("reduce", [x], shape, isa, kind="sum", axes=axes)
        np.testing.assert_allclose(result, np.float64(np.float32(0.1)) * count, rtol=5e-6)


@pytest.mark.parametrize("kind", ["max", "min", "sum"])
def test_nan_reaches_what_it_is_reduced_into(isa: str, kind: str) -> None:
    x = sparse_array((4, 19), 0.0)
    x[2, 18] = np.nan
    assert np.isnan(run_row("reduce", [x], (4, 1), isa, kind=kind, axes=(1,))).ravel().tolist() == [0, 0, 1, 0]
    assert np.isnan(run_row("reduce", [x], (1, 19), isa, kind=kind, axes=(0,))).ravel().nonzero()[0].tolist() == [18]


@pytest.mark.parametrize("count", [1, 7, 16, 300])
def test_rows_are_normalized(isa: str, count: int) -> None:
    x = sparse_array((5, 3, count), 0.2) + np.float32(3)
    scale, bias = sparse_array((count,), 0.0), sparse_array((count,), 0.0)
    centred = x.astype(np.float64) - x.mean(-1, keepdims=True, dtype=np.float64)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3) * scale + bias
    arrays = {"scale": scale, "bias": bias}
    result = run_row("normalize", [x], x.shape, isa, arrays, axis=-1, epsilon=1e-3)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("channels", [3, 16, 40])
def test_maps_are_normalized_and_rectified(isa: str, channels: int) -> None:
    x = sparse_array((2, channels, 9, 11), 0.2) * np.float32(2) + np.float32(1)
    scale, bias = sparse_array((channels,), 0.0), sparse_array((channels,), 0.0)
    arrays = {"scale": scale, "bias": bias, "thresholds": np.full(channels, 0.25, np.float32)}
    centred = x.astype(np.float64) - x.mean((2, 3), keepdims=True, dtype=np.float64)
    y = centred / np.sqrt((centred**2).mean((2, 3), keepdims=True) + 1e-5)
    y = y * scale[:, None, None] + bias[:, None, None]
    result = run_nhwc("normalize", [x], x.shape, isa, arrays, epsilon=1e-5, activation="fatrelu")
    np.testing.assert_allclose(result, np.where(y > 0.25, y, 0), rtol=1e-4, atol=1e-4)
