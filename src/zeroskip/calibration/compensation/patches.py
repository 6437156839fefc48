"""Patches: what one output value of a convolution or linear layer is computed from, at sampled places.

``layer_rows`` turns an operand into rows so that the layer is a matrix product per group of channels:
``outputs[n, g] = rows[n, g] @ matrix[g].T``; ``layer_matrix`` does the same for the weight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...engine.plan.types import FloatArray, Step

PLACES_PER_INPUT = 64
"""Output places that are sampled in each input."""


def groups_of(step: Step, channels: int) -> int:
    """Return the number of channel groups of a layer."""
    if step.op == "depthwise":
        return channels
    groups = step.attributes.get("groups", 1)
    assert isinstance(groups, int)
    return groups


def layer_matrix(weight: FloatArray, groups: int) -> NDArray[np.float64]:
    """Return a weight ``[O, I / groups, ...]`` as float64 ``[groups, O / groups, values per group]``."""
    return weight.astype(np.float64).reshape(groups, len(weight) // groups, -1)


def layer_rows(step: Step, values: FloatArray, output_size: tuple[int, int], seed: int) -> FloatArray:
    """Return what sampled outputs of a layer are computed from.

    Args:
        step: A convolution or linear layer.
        values: Its operand: ``[B, H, W, C]``, or ``[..., I]`` for a linear layer.
        output_size: Rows and columns of its output; not used for a linear layer.
        seed: The same seed and shape give the same places.

    Returns:
        float32 ``[n, groups, values per group]``, in the order of the weight.
    """
    if step.op == "linear":
        return values.reshape(-1, 1, values.shape[-1])
    kernel, strides, dilations, pads = (_pair(step, name) for name in ("kernel", "strides", "dilations", "pads"))
    batch, height, width, channels = values.shape
    places = _places(output_size, seed)
    rows = places // output_size[1] * strides[0] - pads[0]
    columns = places % output_size[1] * strides[1] - pads[1]
    taps = np.zeros((*kernel, batch, len(places), channels), np.float32)
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            row, column = rows + y * dilations[0], columns + x * dilations[1]
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            taps[y, x][:, inside] = values[:, row[inside], column[inside]]
    by_place: FloatArray = taps.transpose(2, 3, 4, 0, 1).reshape(batch * len(places), groups_of(step, channels), -1)
    return by_place


def output_rows(values: FloatArray, groups: int, seed: int) -> FloatArray:
    """Return what belongs to the outputs whose rows :func:`layer_rows` gives.

    Args:
        values: ``[B, H, W, O]``, of the shape of a convolution's output.
        groups: The convolution's.
        seed: As there.

    Returns:
        float32 ``[n, groups, O / groups]``.
    """
    batch, height, width, channels = values.shape
    places = _places((height, width), seed)
    return values.reshape(batch, -1, channels)[:, places].reshape(batch * len(places), groups, -1)


def _places(output_size: tuple[int, int], seed: int) -> NDArray[np.int64]:
    area = output_size[0] * output_size[1]
    return np.random.default_rng(seed).choice(area, min(PLACES_PER_INPUT, area), replace=False)


def _pair(step: Step, name: str) -> tuple[int, int]:
    value = step.attributes.get(name, (1, 1))
    assert isinstance(value, tuple)
    return int(value[0]), int(value[1])
