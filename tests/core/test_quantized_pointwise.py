"""u8 maps: depthwise convolution, addition, other scales and means, byte for byte against NumPy on every ISA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder
from .test_quantized_conv import Array, activations, requantized

WINDOWS: dict[str, dict[str, Any]] = {
    "3x3": {"kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 strided": {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 0, 1, 1)},
    "5x5 dilated": {"kernel": (5, 5), "dilations": (2, 1), "pads": (4, 2, 4, 2)},
    "1x2": {"kernel": (1, 2)},
    "1x1": {"kernel": (1, 1)},
}


@pytest.mark.parametrize("zero", [0, 7, 255])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("activation", [False, True])
def test_depthwise(window: str, zero: int, activation: bool, isa: str) -> None:
    random = np.random.default_rng(21)
    layer = {"strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)} | WINDOWS[window]
    x = activations(random, (2, 70, 9, 11), 0.4, zero)
    arrays: dict[str, Array] = {
        "weight": random.integers(-128, 128, (70, 1, *layer["kernel"])).astype(np.int8),
        "bias": random.integers(-3000, 3000, 70).astype(np.int32),
        "multipliers": random.uniform(1e-3, 4e-3, 70).astype(np.float32),
        "thresholds": random.uniform(0, 20, 70).astype(np.float32),
    }
    sums = depthwise_sums(x.astype(np.int64) - zero, arrays, layer)
    attributes: dict[str, Any] = {**layer, "x_zero_point": zero, "y_zero_point": 30}
    if activation:
        attributes |= {"activation": "fatrelu", "max_value": 99.0}
    builder = PlanBuilder()
    result = builder.nhwc(sums.shape, slack=64, dtype="u8")
    builder.step("quantized_depthwise", [builder.load(x.shape, dtype="u8")], [result], arrays, **attributes)
    check(builder, result, [x], isa, requantized(sums, arrays, attributes, None))


def depthwise_sums(x: Array, arrays: dict[str, Array], layer: dict[str, Any]) -> Array:
    (top, left, bottom, right), (sh, sw), (dh, dw) = layer["pads"], layer["strides"], layer["dilations"]
    kh, kw = layer["kernel"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh = (padded.shape[2] - (kh - 1) * dh - 1) // sh + 1
    ow = (padded.shape[3] - (kw - 1) * dw - 1) // sw + 1
    sums = np.zeros((*x.shape[:2], oh, ow), np.int64) + arrays["bias"][:, None, None]
    for ky in range(kh):
        for kx in range(kw):
            part = padded[:, :, ky * dh :: sh, kx * dw :: sw][:, :, :oh, :ow]
            sums += part * arrays["weight"][:, 0, ky, kx].astype(np.int64)[:, None, None]
    return sums


@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("op", ["quantized_add", "requantize"])
def test_addition_and_other_scales(op: str, activation: bool, isa: str) -> None:
    random = np.random.default_rng(22)
    shape = (2, 70, 5, 3)
    inputs = [activations(random, shape, 0.4, 9) for _ in range(1 + (op == "quantized_add"))]
    arrays = {
        "multipliers": np.full(70, 0.83, np.float32),
        "thresholds": random.uniform(0, 20, 70).astype(np.float32),
    }
    attributes: dict[str, Any] = {"x_zero_point": 9, "y_zero_point": 11}
    if len(inputs) == 2:
        attributes |= {"residual_scale": 1.7, "residual_zero_point": 13}
    if activation:
        attributes |= {"activation": "fatrelu", "max_value": 99.0}
    want = requantized(inputs[0].astype(np.int64) - 9, arrays, attributes, inputs[1] if len(inputs) == 2 else None)
    builder = PlanBuilder()
    result = builder.nhwc(shape, dtype="u8")
    builder.step(op, [builder.load(shape, dtype="u8") for _ in inputs], [result], arrays, **attributes)
    check(builder, result, inputs, isa, want)


@pytest.mark.parametrize("zero", [0, 200])
def test_global_average(zero: int, isa: str) -> None:
    random = np.random.default_rng(23)
    x = activations(random, (2, 70, 7, 5), 0.4, zero)
    arrays = {"multipliers": np.full(70, 1.3 / 35, np.float32)}
    attributes = {"x_zero_point": zero, "y_zero_point": 100}
    sums = (x.astype(np.int64) - zero).sum(axis=(2, 3), keepdims=True)
    builder = PlanBuilder()
    result = builder.nhwc(sums.shape, dtype="u8")
    builder.step("quantized_global_avg_pool", [builder.load(x.shape, dtype="u8")], [result], arrays, **attributes)
    check(builder, result, [x], isa, requantized(sums, arrays, attributes, None))


def check(builder: PlanBuilder, result: int, inputs: list[Array], isa: str, want: Array) -> None:
    """Hold all bytes of a u8 map against ``want``, those of the padding channels too."""
    builder.expose_values(result)
    (got,) = builder.build(isa).run(inputs)
    channels = want.shape[1]
    assert np.array_equal(got[:, :channels], want), f"{np.mean(got[:, :channels] != want):.3f} differ"
    assert not got[:, channels:].any(), "padding channels are zero"


def test_another_shape_is_refused() -> None:
    builder = PlanBuilder()
    inputs = [builder.load((1, 64, 2, 2), dtype="u8"), builder.load((1, 64, 2, 1), dtype="u8")]
    arrays = {"multipliers": np.ones(64, np.float32)}
    builder.step("quantized_add", inputs, [builder.nhwc((1, 64, 2, 2), dtype="u8")], arrays)
    with pytest.raises(_core.Error, match=r"\[1, 64, 2, 1\]"):
        builder.build()
