"""Convolutions in NumPy, and layers at the edges of tiles and panels, for tests of types below float32."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

DEFAULTS: dict[str, Any] = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "groups": 1}

LAYERS: dict[str, dict[str, Any]] = {
    "1x1": {"x": (1, 70, 5, 7), "outputs": 70, "kernel": (1, 1)},
    "1x1 wide": {"x": (2, 256, 4, 4), "outputs": 130, "kernel": (1, 1)},
    "1x1 slabs together": {"x": (1, 64, 5, 7), "outputs": 200, "kernel": (1, 1)},
    "1x1 strided": {"x": (2, 64, 7, 5), "outputs": 16, "kernel": (1, 1), "strides": (2, 2)},
    "1x1 padded": {"x": (1, 64, 3, 3), "outputs": 64, "kernel": (1, 1), "pads": (1, 0, 1, 2)},
    "3x3": {"x": (1, 64, 9, 11), "outputs": 96, "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 odd": {"x": (2, 33, 6, 5), "outputs": 40, "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 deep": {"x": (1, 400, 3, 3), "outputs": 64, "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 strided": {"x": (1, 64, 9, 9), "outputs": 64, "kernel": (3, 3), "strides": (2, 2), "pads": (0, 0, 1, 1)},
    "dilated": {"x": (1, 64, 9, 8), "outputs": 64, "kernel": (3, 3), "dilations": (2, 2), "pads": (2, 2, 2, 2)},
    "1-d": {"x": (1, 64, 1, 300), "outputs": 64, "kernel": (1, 5), "strides": (1, 2), "pads": (0, 2, 0, 2)},
    "column": {"x": (2, 64, 41, 1), "outputs": 96, "kernel": (8, 1), "strides": (2, 1), "pads": (3, 0, 4, 0)},
    "grouped": {"x": (1, 128, 4, 4), "outputs": 128, "kernel": (3, 3), "groups": 2, "pads": (1, 1, 1, 1)},
    "narrow groups": {"x": (1, 48, 4, 4), "outputs": 96, "kernel": (3, 3), "groups": 4, "pads": (1, 1, 1, 1)},
    "few channels": {"x": (2, 3, 11, 9), "outputs": 24, "kernel": (5, 5), "strides": (2, 2), "pads": (2, 2, 2, 2)},
    "few pixels": {"x": (1, 300, 2, 2), "outputs": 70, "kernel": (1, 1)},
}


def convolved(x: Array, weight: Array, layer: dict[str, Any]) -> Array:
    """A convolution in the type of ``x`` and ``weight``: exact for integers."""
    (top, left, bottom, right), (sh, sw), (dh, dw) = layer["pads"], layer["strides"], layer["dilations"]
    groups, (outputs, per_group, kh, kw) = layer["groups"], weight.shape
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh = (padded.shape[2] - (kh - 1) * dh - 1) // sh + 1
    ow = (padded.shape[3] - (kw - 1) * dw - 1) // sw + 1
    sums = np.zeros((x.shape[0], outputs, oh, ow), x.dtype)
    for group in range(groups):
        mine = slice(group * outputs // groups, (group + 1) * outputs // groups)
        source = padded[:, group * per_group : (group + 1) * per_group]
        for ky in range(kh):
            for kx in range(kw):
                part = source[:, :, ky * dh :: sh, kx * dw :: sw][:, :, :oh, :ow]
                sums[:, mine] += np.einsum("nchw,oc->nohw", part, weight[mine, :, ky, kx])
    return sums
