from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import fatrelu, run_nhwc, sparse_array
from .windows import Window

WINDOWS = [
    Window((3, 3), pads=(1, 1, 1, 1)),
    Window((3, 3), (2, 2), (1, 1, 1, 1)),
    Window((3, 3), (2, 2), (0, 0, 1, 1)),
    Window((5, 5), pads=(2, 2, 2, 2)),
    Window((5, 5), (2, 2), (2, 2, 2, 2)),
    Window((1, 1)),
    Window((7, 3), (3, 1), (3, 1, 3, 1)),
    Window((1, 9), (1, 4), (0, 4, 0, 4)),
    Window((3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)),
    Window((2, 4), (1, 2), (0, 3, 1, 0), (3, 1)),
]


def depthwise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, window: Window) -> np.ndarray:
    products = window.patches(x, 0).astype(np.float64) * weight[:, 0][:, None, None]
    return products.sum(axis=(-1, -2)) + bias[:, None, None]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("channels", "size"), [(16, 14), (35, 7), (1, 20), (96, 9), (700, 5)])
def test_matches_numpy(isa: str, window: Window, channels: int, size: int) -> None:
    x = sparse_array((2, channels, size, size + 3), 0.5)
    weight, bias = sparse_array((channels, 1, *window.kernel), 0.0, 1), sparse_array((channels,), 0.0, 2)
    expected = depthwise(x, weight, bias, window)
    arrays = {"weight": weight, "bias": bias}
    result = run_nhwc("depthwise", [x], expected.shape, isa, arrays, **window.attributes())
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)

    thresholds = np.abs(sparse_array((channels,), 0.3, 3))
    attributes = {**window.attributes(), "activation": "fatrelu", "max_value": 1.5}
    result = run_nhwc("depthwise", [x], expected.shape, isa, {**arrays, "thresholds": thresholds}, **attributes)
    close_to_threshold = np.abs(expected - thresholds[:, None, None]) < 1e-5
    reference = np.where(close_to_threshold, result, fatrelu(expected, thresholds, 1.5))
    np.testing.assert_allclose(result, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_batch_slack_and_missing_bias(isa: str, sparsity: float) -> None:
    window = Window((3, 3), pads=(1, 1, 1, 1))
    x, weight = sparse_array((3, 20, 6, 1), sparsity), sparse_array((20, 1, 3, 3), 0.0, 1)
    expected = depthwise(x, weight, np.zeros(20), window)
    result = run_nhwc("depthwise", [x], expected.shape, isa, {"weight": weight}, slack=16, **window.attributes())
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_refuses_other_channel_counts() -> None:
    x, weight = np.zeros((1, 16, 4, 4), np.float32), np.zeros((32, 1, 1, 1), np.float32)
    with pytest.raises(_core.Error, match="the same batch and channels"):
        run_nhwc("depthwise", [x], (1, 32, 4, 4), "generic", {"weight": weight}, **Window((1, 1)).attributes())
