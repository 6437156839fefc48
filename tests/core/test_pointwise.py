"""add, mul, affine and activation, in both layouts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .builder import PlanBuilder, fatrelu, run_nhwc, run_row, sparse_array

SHAPES = [(1, 16, 4, 5), (3, 35, 3, 7), (1, 1, 1, 1), (2, 64, 1, 1), (1, 5, 40, 60)]
ROW_SHAPES = [(1, 1), (3, 35), (2, 16, 3), (1, 7, 5, 9), (2, 1000), (40, 3, 50, 5)]


def thresholds_for(channels: int) -> np.ndarray:
    return np.abs(sparse_array((channels,), 0.3, seed=7)) * np.float32(0.5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_add_with_fatrelu_and_clip(isa: str, shape: tuple[int, ...], sparsity: float) -> None:
    a, b = sparse_array(shape, sparsity, 1), sparse_array(shape, sparsity, 2)
    thresholds = thresholds_for(shape[1])
    arrays = {"thresholds": thresholds}
    result = run_nhwc("add", [a, b], shape, isa, arrays, activation="fatrelu", max_value=1.25)
    np.testing.assert_array_equal(result, fatrelu(a + b, thresholds, 1.25))


@pytest.mark.parametrize("shape", SHAPES)
def test_add_without_activation_keeps_signs(isa: str, shape: tuple[int, ...]) -> None:
    a, b = sparse_array(shape, 0.5, 1), sparse_array(shape, 0.5, 2)
    np.testing.assert_array_equal(run_nhwc("add", [a, b], shape, isa), a + b)


def test_add_of_channel_slices(isa: str) -> None:
    a, b = sparse_array((2, 24, 3, 3), 0.5, 1), sparse_array((2, 24, 3, 3), 0.5, 2)
    np.testing.assert_array_equal(run_nhwc("add", [a, b], a.shape, isa, slack=32), a + b)


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_add_of_rows(isa: str, shape: tuple[int, ...]) -> None:
    a, b = sparse_array(shape, 0.5, 1), sparse_array(shape, 0.5, 2)
    np.testing.assert_array_equal(run_row("add", [a, b], shape, isa), a + b)
    thresholds = thresholds_for(shape[1])
    result = run_row("add", [a, b], shape, isa, {"thresholds": thresholds}, activation="fatrelu")
    np.testing.assert_array_equal(result, fatrelu(a + b, thresholds))


@pytest.mark.parametrize("shape", SHAPES)
def test_mul_of_equals_and_by_gate(isa: str, shape: tuple[int, ...]) -> None:
    a, b = sparse_array(shape, 0.5, 1), sparse_array(shape, 0.5, 2)
    np.testing.assert_array_equal(run_nhwc("mul", [a, b], shape, isa), a * b)
    gate = sparse_array((*shape[:2], 1, 1), 0.2, 3)
    np.testing.assert_array_equal(run_nhwc("mul", [a, gate], shape, isa), a * gate)


def test_mul_of_rows(isa: str) -> None:
    a, b = sparse_array((3, 77), 0.5, 1), sparse_array((3, 77), 0.5, 2)
    np.testing.assert_array_equal(run_row("mul", [a, b], a.shape, isa), a * b)


@pytest.mark.parametrize("shape", SHAPES)
def test_affine(isa: str, shape: tuple[int, ...]) -> None:
    x = sparse_array(shape, 0.5, 1)
    scale, bias = sparse_array((shape[1],), 0.0, 2), sparse_array((shape[1],), 0.0, 3)
    expected = x * scale[:, None, None] + bias[:, None, None]
    arrays = {"scale": scale, "bias": bias}
    np.testing.assert_allclose(run_nhwc("affine", [x], shape, isa, arrays), expected, atol=1e-6)
    arrays["thresholds"] = thresholds_for(shape[1])
    result = run_nhwc("affine", [x], shape, isa, arrays, activation="fatrelu", max_value=2.0)
    np.testing.assert_allclose(result, fatrelu(expected, arrays["thresholds"], 2.0), atol=1e-6)


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_affine_of_rows(isa: str, shape: tuple[int, ...]) -> None:
    x = sparse_array(shape, 0.5, 1)
    for axis in (1, -1):
        channels = shape[axis]
        scale, bias = sparse_array((channels,), 0.0, 2), sparse_array((channels,), 0.0, 3)
        broadcast = [1] * len(shape)
        broadcast[axis] = channels
        expected = x * scale.reshape(broadcast) + bias.reshape(broadcast)
        result = run_row("affine", [x], shape, isa, {"scale": scale, "bias": bias}, axis=axis)
        np.testing.assert_allclose(result, expected, atol=1e-6)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


error_function = np.vectorize(math.erf, otypes=[np.float64])

FUNCTIONS = {
    "clip": (lambda x: np.clip(x, -0.5, 0.75), {"min_value": -0.5, "max_value": 0.75}),
    "sigmoid": (sigmoid, {}),
    "hardswish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), {}),
    "hardsigmoid": (lambda x: np.clip(0.25 * x + 0.5, 0, 1), {"alpha": 0.25, "beta": 0.5}),
    "tanh": (lambda x: np.tanh(x.astype(np.float64)), {}),
    "exp": (lambda x: np.exp(x.astype(np.float64)), {}),
    "log": (lambda x: np.log(x.astype(np.float64)), {}),
    "sqrt": (np.sqrt, {}),
    "abs": (np.abs, {}),
    "reciprocal": (lambda x: 1 / x, {}),
    "erf": (lambda x: error_function(x), {}),
    "gelu": (lambda x: x * 0.5 * (1 + error_function(x / np.sqrt(2))), {}),
    "gelu_tanh": (
        lambda x: x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x.astype(np.float64) ** 3))),
        {},
    ),
    "softplus": (lambda x: np.logaddexp(0, x.astype(np.float64)), {}),
    "softsign": (lambda x: x / (1 + np.abs(x)), {}),
    "elu": (lambda x: np.where(x > 0, x, 0.7 * np.expm1(x.astype(np.float64))), {"alpha": 0.7}),
    "celu": (lambda x: np.where(x > 0, x, 0.7 * np.expm1(x.astype(np.float64) / 0.7)), {"alpha": 0.7}),
    "mish": (lambda x: x * np.tanh(np.logaddexp(0, x.astype(np.float64))), {}),
    "floor": (np.floor, {}),
    "ceil": (np.ceil, {}),
    "round": (np.rint, {}),
    "sign": (np.sign, {}),
    "sin": (lambda x: np.sin(x.astype(np.float64)), {}),
    "cos": (lambda x: np.cos(x.astype(np.float64)), {}),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_activation(isa: str, kind: str, shape: tuple[int, ...]) -> None:
    function, attributes = FUNCTIONS[kind]
    x = sparse_array(shape, 0.3) * np.float32(4)
    result = run_nhwc("activation", [x], shape, isa, kind=kind, **attributes)
    with np.errstate(all="ignore"):
        expected = function(x)
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-6)
    result = run_row("activation", [x], shape, isa, kind=kind, **attributes)
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-6)


def test_prelu_has_a_slope_for_each_channel(isa: str) -> None:
    shape = (2, 35, 3, 7)
    x, slope = sparse_array(shape, 0.3), sparse_array((35,), 0.2, seed=3)
    result = run_nhwc("activation", [x], shape, isa, {"slope": slope}, kind="prelu")
    np.testing.assert_array_equal(result, np.where(x > 0, x, x * slope[:, None, None]))


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_saturating_functions_at_extremes(isa: str, kind: str) -> None:
    x = np.array([[-np.inf, -1e30, -200, -88, -1e-8, 0, 1e-8, 88, 200, 1e30, np.inf, np.nan]], np.float32)
    expected = np.tanh(x) if kind == "tanh" else np.where(x < 0, 0, 1) * np.ones_like(x)
    result = run_row("activation", [x], x.shape, isa, kind=kind)
    if kind == "sigmoid":
        expected[:, 4:7] = 0.5
        expected[:, -1] = np.nan
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-30)


def test_fatrelu_is_strict_and_maps_nan_to_zero(isa: str) -> None:
    threshold = np.float32(0.5)
    above = np.nextafter(threshold, np.float32(1))
    x = np.array([[threshold, above, np.nan, -np.inf, np.inf, -0.0, 3.0]], np.float32)
    result = run_row(
        "activation", [x], x.shape, isa, {"thresholds": np.full(7, threshold)}, kind="fatrelu", max_value=6.0
    )
    np.testing.assert_array_equal(result, np.array([[0, above, 0, 0, 6, 0, 3]], np.float32))


def test_clip_and_linear_functions_keep_nan(isa: str) -> None:
    x = np.full((1, 16, 1, 1), np.nan, np.float32)
    for kind in ("clip", "hardswish", "hardsigmoid", "sigmoid", "tanh"):
        assert np.isnan(run_nhwc("activation", [x], x.shape, isa, kind=kind)).all(), kind


def test_runs_in_place(isa: str) -> None:
    shape = (1, 20, 3, 3)
    builder = PlanBuilder()
    a, b = builder.load(shape), builder.load(shape)
    builder.step("add", [a, b], [a])
    builder.step("activation", [a], [a], {"thresholds": np.zeros(20, np.float32)}, kind="fatrelu")
    builder.expose_values(a)
    x, y = sparse_array(shape, 0.5, 1), sparse_array(shape, 0.5, 2)
    (result,) = builder.build(isa).run([x, y])
    np.testing.assert_array_equal(result[:, :20], np.maximum(x + y, 0))
