from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import run_nhwc, sparse_array
from .windows import Window

WINDOWS = [
    Window((2, 2), (2, 2)),
    Window((3, 3), (2, 2)),
    Window((3, 3), (2, 2), (1, 1, 1, 1)),
    Window((3, 3), (1, 1), (1, 1, 1, 1)),
    Window((1, 4), (1, 3), (0, 1, 0, 2)),
    Window((5, 2), (3, 1), (2, 0, 1, 1)),
]
DILATED = Window((3, 3), (1, 1), (2, 2, 2, 2), (2, 2))
SHAPES = [(1, 16, 8, 8), (3, 35, 7, 9), (1, 1, 5, 5), (2, 130, 6, 11)]


def cases(windows: list[Window]) -> list[tuple[Window, tuple[int, ...], bool]]:
    """Windows on shapes in floor and, where no window then starts behind the image, in ceil mode."""

    def starts_inside(window: Window, shape: tuple[int, ...], axis: int) -> bool:
        last = window.output_extent(shape[2 + axis], axis, ceil=True) - 1
        return last * window.strides[axis] - window.pads[axis] < shape[2 + axis]

    return [
        (window, shape, ceil)
        for window in windows
        for shape in SHAPES
        for ceil in (False, True)
        if not ceil or all(starts_inside(window, shape, axis) for axis in (0, 1))
    ]


@pytest.mark.parametrize(("window", "shape", "ceil"), cases([*WINDOWS, DILATED]))
def test_max_pool(isa: str, window: Window, shape: tuple[int, ...], ceil: bool) -> None:
    x = sparse_array(shape, 0.6) - np.float32(0.5)
    expected = window.patches(x, -np.inf, ceil).max(axis=(-1, -2))
    result = run_nhwc("max_pool", [x], expected.shape, isa, **window.attributes())
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("window", "shape", "ceil"), cases(WINDOWS))
@pytest.mark.parametrize("include_pad", [False, True])
def test_avg_pool(isa: str, window: Window, shape: tuple[int, ...], ceil: bool, include_pad: bool) -> None:
    x = sparse_array(shape, 0.6)
    patches = window.patches(x, np.nan, ceil)
    if include_pad:
        top, left, bottom, right = window.pads
        padded = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)])
        patches = Window(window.kernel, window.strides).patches(padded, np.nan, ceil)
    expected = np.nanmean(patches.astype(np.float64), axis=(-1, -2))
    attributes = {**window.attributes(), "count_include_pad": int(include_pad)}
    result = run_nhwc("avg_pool", [x], expected.shape, isa, **attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 16, 7, 7), (3, 35, 1, 1), (2, 1, 1, 3), (1, 2048, 7, 7), (1, 24, 100, 90)])
@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
def test_global_pools(isa: str, shape: tuple[int, ...], sparsity: float) -> None:
    x = sparse_array(shape, sparsity)
    mean = x.astype(np.float64).mean(axis=(2, 3), keepdims=True)
    result = run_nhwc("global_avg_pool", [x], mean.shape, isa)
    np.testing.assert_allclose(result, mean, rtol=1e-5, atol=1e-6)
    largest = x.max(axis=(2, 3), keepdims=True)
    np.testing.assert_array_equal(run_nhwc("global_max_pool", [x], largest.shape, isa), largest)


def test_pools_of_channel_slices(isa: str) -> None:
    x = sparse_array((2, 20, 6, 6), 0.5)
    window = Window((2, 2), (2, 2))
    expected = window.patches(x, 0).max(axis=(-1, -2))
    np.testing.assert_array_equal(
        run_nhwc("max_pool", [x], expected.shape, isa, slack=32, **window.attributes()), expected
    )


def test_refuses_a_window_in_the_padding() -> None:
    x = np.zeros((1, 16, 4, 4), np.float32)
    attributes = Window((2, 2), (1, 1), (2, 0, 0, 0)).attributes()
    with pytest.raises(_core.Error, match="window 0 along H lies wholly in the padding"):
        run_nhwc("max_pool", [x], (1, 16, 5, 3), "generic", **attributes)


def test_refuses_a_wrong_extent() -> None:
    x = np.zeros((1, 16, 4, 4), np.float32)
    with pytest.raises(_core.Error, match="output extent 3 along W, needs 2"):
        run_nhwc("max_pool", [x], (1, 16, 2, 3), "generic", **Window((2, 2), (2, 2)).attributes())
