"""Transposed convolutions become convolutions, whatever their window."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, op_types, random_array

SPELLINGS = [
    "kernel_shape = [2, 2], strides = [2, 2]",
    "kernel_shape = [4, 4], strides = [2, 2], pads = [1, 1, 1, 1]",
    "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]",
    "kernel_shape = [3, 3], strides = [2, 2], pads = [2, 0, 1, 2], output_padding = [1, 0]",
    "kernel_shape = [3, 5], strides = [3, 1], dilations = [2, 1]",
    "kernel_shape = [1, 2], strides = [3, 2]",
    'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER"',
    'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_LOWER"',
    "kernel_shape = [3, 3], strides = [3, 2], output_shape = [13, 12]",
    "kernel_shape = [3, 3], strides = [2, 2], output_shape = [8, 10]",
]


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_window_becomes_a_convolution(spelling: str, groups: int) -> None:
    sizes = [int(size) for size in spelling.split("[")[1].split("]")[0].split(",")]
    constants = {"w": random_array(3, 4, *sizes), "b": random_array(4 * groups)}
    body = f"y = ConvTranspose <{spelling}, group = {groups}> (x, w, b)"
    canonical = assert_parity(build(body, inputs=(2, 3, 4, 5), constants=constants))
    assert op_types(canonical) == ["Conv", "PixelShuffle"]


def test_of_stride_1_it_is_a_convolution_alone() -> None:
    model = build("y = ConvTranspose <pads = [1, 0, 1, 2]> (x, w)", constants={"w": random_array(3, 4, 3, 4)})
    canonical = assert_parity(model)
    assert op_types(canonical) == ["Conv"]
    assert canonical.graph[0].attributes["pads"].as_ints() == (1, 3, 1, 1)


def test_one_dimension_is_enough() -> None:
    constants = {"w": random_array(3, 4, 4), "b": random_array(4)}
    model = build("y = ConvTranspose <strides = [2], pads = [1, 1]> (x, w, b)", inputs=(2, 3, 7), constants=constants)
    assert op_types(assert_parity(model)) == ["Conv", "PixelShuffle"]


@pytest.mark.parametrize("groups", [1, 3])
def test_normalization_behind_it_is_folded_into_the_convolution(groups: int) -> None:
    factors = {name: np.abs(random_array(2 * groups, seed=seed)) + 0.1 for seed, name in enumerate("gbmv")}
    body = f"c = ConvTranspose <strides = [2, 2], group = {groups}> (x, w) y = BatchNormalization (c, g, b, m, v)"
    canonical = assert_parity(build(body, constants={"w": random_array(3, 2, 2, 2), **factors}))
    assert op_types(canonical) == ["Conv", "PixelShuffle"]
