"""softmax, lrn and reduce_mean."""

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
def test_reduce_mean(isa: str, axes: tuple[int, ...], keepdims: bool) -> None:
    x = sparse_array((3, 4, 5, 60), 0.5)
    expected = np.asarray(x.astype(np.float64).mean(axis=axes, keepdims=keepdims))
    result = run_row("reduce_mean", [x], expected.shape, isa, axes=axes)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)
