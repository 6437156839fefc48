"""Patches times weights are what the layer computes, borders, strides and groups included."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.calibration.compensation.patches import groups_of, layer_matrix, layer_rows, output_rows
from zeroskip.engine import Step


@pytest.mark.parametrize(("groups", "stride", "dilation"), [(1, 1, 1), (2, 2, 1), (4, 1, 2)])
def test_patches_times_weights_are_a_convolution(groups: int, stride: int, dilation: int) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    values = random.standard_normal((2, 7, 6, 4)).astype(np.float32)
    weight = random.standard_normal((8, 4 // groups, 3, 3)).astype(np.float32)
    attributes = {
        "kernel": (3, 3),
        "strides": (stride,) * 2,
        "pads": (1, 1, 1, 1),
        "dilations": (dilation,) * 2,
        "groups": groups,
    }
    step = Step("conv", "conv", (0,), (1,), attributes)
    wanted = torch.nn.functional.conv2d(
        torch.from_numpy(values.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(weight),
        stride=stride,
        padding=1,
        dilation=dilation,
        groups=groups,
    ).numpy()
    rows = layer_rows(step, values, wanted.shape[2:], seed=0)
    found = np.einsum("ngv,gov->ngo", rows, layer_matrix(weight, groups_of(step, 4))).reshape(len(rows), -1)
    # Sampled without replacement, all places fit: compare as sets of rows.
    wanted_rows = wanted.transpose(0, 2, 3, 1).reshape(-1, 8)
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(wanted_rows, axis=0), atol=1e-4)


def test_a_linear_layer_reads_its_operand() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    step = Step("linear", "head", (0,), (1,))
    np.testing.assert_array_equal(layer_rows(step, values, (1, 1), seed=0)[:, 0], values)


def test_output_rows_are_of_the_same_places() -> None:
    values = np.arange(2 * 12 * 11 * 6, dtype=np.float32).reshape(2, 12, 11, 6)
    point = {"kernel": (1, 1), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "groups": 3}
    step = Step("conv", "conv", (0,), (1,), point)
    rows = output_rows(values, groups=3, seed=5)
    assert rows.shape == (2 * 64, 3, 2)  # fewer than there are places
    np.testing.assert_array_equal(rows, layer_rows(step, values, (12, 11), seed=5))
