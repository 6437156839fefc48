from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import run_nhwc, sparse_array

COORDINATES = ["half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SIZES = [(4, 6), (8, 12), (3, 1), (7, 2), (13, 9)]


def positions(mode: str, size: int, out: int, scale: float) -> np.ndarray:
    i, in32, scale32 = np.arange(out, dtype=np.float32), np.float32(size), np.float32(scale)
    if mode == "asymmetric":
        return i / scale32
    if mode == "align_corners":
        return i * (in32 - 1) / np.float32(max(out - 1, 1))
    centre = (i + np.float32(0.5)) / scale32
    if mode == "pytorch_half_pixel" and out == 1:
        return np.zeros_like(i)
    if mode == "half_pixel_symmetric":
        return in32 / 2 * (1 - np.float32(out) / (scale32 * in32)) + centre - np.float32(0.5)
    return centre - np.float32(0.5)


def nearest(mode: str, x: np.ndarray, size: int) -> np.ndarray:
    rounded = {
        "floor": np.floor(x),
        "ceil": np.ceil(x),
        "round_prefer_floor": np.ceil(x - np.float32(0.5)),
        "round_prefer_ceil": np.floor(x + np.float32(0.5)),
    }[mode]
    return np.clip(rounded, 0, size - 1).astype(int)


def linear(x: np.ndarray, axis: int, where: np.ndarray) -> np.ndarray:
    size = x.shape[axis]
    where = np.clip(where, 0, size - 1)
    left = where.astype(int)
    weight = (where - left).reshape([-1 if i == axis else 1 for i in range(4)])
    return np.take(x, left, axis) * (1 - weight) + np.take(x, np.minimum(left + 1, size - 1), axis) * weight


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("out", SIZES)
@pytest.mark.parametrize("channels", [3, 32])
def test_linear(isa: str, coordinates: str, out: tuple[int, int], channels: int) -> None:
    x = sparse_array((2, channels, 4, 6), 0.5)
    expected = x.astype(np.float64)
    for axis in (2, 3):
        size = x.shape[axis]
        expected = linear(expected, axis, positions(coordinates, size, out[axis - 2], out[axis - 2] / size))
    attributes = {"mode": "linear", "coordinate_transformation_mode": coordinates}
    result = run_nhwc("resize", [x], expected.shape, isa, **attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("out", SIZES)
def test_nearest(isa: str, coordinates: str, rounding: str, out: tuple[int, int]) -> None:
    x = sparse_array((2, 20, 4, 6), 0.5)
    rows, columns = (
        nearest(rounding, positions(coordinates, x.shape[2 + a], out[a], out[a] / x.shape[2 + a]), x.shape[2 + a])
        for a in (0, 1)
    )
    expected = x[:, :, rows][:, :, :, columns]
    attributes = {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    np.testing.assert_array_equal(run_nhwc("resize", [x], expected.shape, isa, **attributes), expected)


def test_explicit_scales_differ_from_the_ratio_of_sizes(isa: str) -> None:
    x = sparse_array((1, 16, 4, 4), 0.5)
    scale, out = 1.6, 6
    where = nearest("floor", positions("asymmetric", 4, out, scale), 4)
    expected = x[:, :, where][:, :, :, where]
    result = run_nhwc(
        "resize",
        [x],
        expected.shape,
        isa,
        scales=(scale, scale),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"mode": "cubic"}, "mode is 'cubic', needs 'nearest' or 'linear'"),
        ({"nearest_mode": "simple"}, "nearest_mode 'simple' is not supported"),
        ({"coordinate_transformation_mode": "tf_crop_and_resize"}, "'tf_crop_and_resize' is not supported"),
        ({"scales": (0.0, 1.0)}, "scale 0 must be positive"),
    ],
)
def test_refuses_what_it_does_not_know(attributes: dict[str, object], message: str) -> None:
    x = np.zeros((1, 16, 4, 4), np.float32)
    with pytest.raises(_core.Error, match=message):
        run_nhwc("resize", [x], (1, 16, 8, 8), "generic", **attributes)
