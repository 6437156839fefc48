"""ONNX Resize, nearest and linear over the last two axes, as one matrix of weights per axis; has gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import EngineError

_NEAREST: Mapping[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}


def resize(
    attributes: Mapping[str, Any],
    x: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Return a resized map, separably: the coordinates of the ONNX standard.

    Args:
        attributes: Of the node, with ``output_shape``.
        x: ``[N, C, H, W]``.
        roi: Not used by the modes that are supported.
        scales: Factors by axis; where absent, quotients of the sizes.
        sizes: In the output's shape already.

    Raises:
        EngineError: If the mode has no counterpart here.
    """
    mode = _text(attributes, "mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise EngineError(f"mode '{mode}' of Resize has no counterpart here")
    for axis, factor in zip((2, 3), _factors(attributes, x, scales), strict=True):
        after = attributes["output_shape"][axis]
        weights = _weights(attributes, mode, x.shape[axis], after, factor).to(x.dtype)
        x = torch.movedim(torch.movedim(x, axis, -1) @ weights.t(), -1, axis)
    return x


def _factors(attributes: Mapping[str, Any], x: Tensor, scales: Tensor | None) -> list[float]:
    """Return the factors of height and width: as given, for the sizes were rounded."""
    factors = [attributes["output_shape"][axis] / x.shape[axis] for axis in (2, 3)]
    if scales is not None and scales.numel():
        axes: Sequence[int] = attributes.get("axes", range(x.dim()))
        for axis, scale in zip(axes, scales.tolist(), strict=True):
            if axis % x.dim() >= 2:
                factors[axis % x.dim() - 2] = scale
    return factors


def _weights(attributes: Mapping[str, Any], mode: str, before: int, after: int, factor: float) -> Tensor:
    weights = torch.zeros(after, before, dtype=torch.float64)
    transformation = _text(attributes, "coordinate_transformation_mode", "half_pixel")
    nearest = _NEAREST[_text(attributes, "nearest_mode", "round_prefer_floor")]
    for place in range(after):
        x = _coordinate(transformation, place, before, after, factor)
        if mode == "nearest":
            weights[place, min(max(nearest(x), 0), before - 1)] = 1.0
        else:
            x = min(max(x, 0.0), before - 1.0)
            low = math.floor(x)
            weights[place, low] += 1.0 - (x - low)
            weights[place, min(low + 1, before - 1)] += x - low
    return weights


def _coordinate(transformation: str, place: int, before: int, after: int, factor: float) -> float:
    """Return where an output pixel lies in the input: in float32, as runtimes do, for rounding may decide the pixel."""
    return float(_float32_coordinate(transformation, np.float32(place), before, after, np.float32(factor)))


def _float32_coordinate(transformation: str, place: np.float32, before: int, after: int, factor: np.float32) -> Any:
    half = np.float32(0.5)
    if transformation == "align_corners":
        return place * np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.float32(0.0)
    if transformation == "asymmetric":
        return place / factor
    if transformation == "pytorch_half_pixel" and after == 1:
        return np.float32(0.0)
    x = (place + half) / factor - half
    if transformation == "half_pixel_symmetric":
        return x + np.float32(before / 2) * (np.float32(1.0) - np.float32(after) / (factor * np.float32(before)))
    if transformation in ("half_pixel", "pytorch_half_pixel"):
        return x
    raise EngineError(f"coordinate_transformation_mode '{transformation}' of Resize has no counterpart here")


def _text(attributes: Mapping[str, Any], name: str, default: str) -> str:
    value = attributes.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)
