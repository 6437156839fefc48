"""Synthetic activations whose zeros lie together, as those behind real rectifiers do.

Where a channel is silent at a pixel it is likely to be at the next one, and some channels are silent nearly everywhere.
Kernels that list two pixels at once gain by that: they share more of what they load.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..plan.types import FloatArray

NEIGHBOUR_CORRELATION = 0.5
"""Of being zero, between a value and its neighbour in the row, at the same density.

Medians over the activations of trained networks on photographs: .43 (ResNet-50), .53 (open_nsfw), .57 (SqueezeNet), .62
(EfficientNet-Lite0); November 2026.
"""
_OF_CHANNELS = 0.25  # of the variance of what a threshold is put to, the rest of it is smooth over the map
_LARGEST_INTEGER = 100  # most values lie well below the top of their scale


def shared_density(density: float, correlation: float = NEIGHBOUR_CORRELATION) -> float:
    """Return how much of two neighbouring pixels is not zero in at least one of them.

    Args:
        density: Fraction of non-zeros, in [0, 1].
        correlation: Of being zero, between the two.

    Example:
        >>> shared_density(0.5, correlation=0.0), shared_density(0.5, correlation=1.0)
        (0.75, 0.5)
    """
    return density + (1.0 - correlation) * density * (1.0 - density)


def clustered_values(
    shape: tuple[int, ...], densities: tuple[float, ...], dtype: str = "float32"
) -> list[NDArray[Any]]:
    """Return activations of several densities, for the same places.

    Args:
        shape: ``[N, C, H, W]``; zeros of other shapes are independent.
        densities: Fractions of non-zeros, in [0, 1].
        dtype: ``"float32"`` for values of 0.5 to 1.5, ``"u8"`` for integers of 1 to 100.

    Returns:
        For each density an array of that shape.
    """
    random = np.random.default_rng(0)
    latent = _latent(shape, random)
    values = random.random(shape, np.float32)
    whole: NDArray[Any] = values + np.float32(0.5)
    if dtype == "u8":
        whole = np.asarray(1 + _LARGEST_INTEGER * values, np.uint8)
    return [_thinned(whole, latent, density) for density in densities]


def independent_values(shape: tuple[int, ...], density: float) -> FloatArray:
    """Return float32 values of which a fraction of about ``density`` is 0.5 to 1.5 and the others are zero."""
    values = np.random.default_rng(0).random(shape, np.float32)
    return np.asarray(np.where(values < density, np.float32(0.5) + values, np.float32(0)), np.float32)


def _thinned(values: NDArray[Any], latent: NDArray[np.float32], density: float) -> NDArray[Any]:
    count = round(density * latent.size)
    if count in (0, latent.size):
        return np.full_like(values, 0) if count == 0 else values
    least = np.partition(latent.ravel(), latent.size - count)[latent.size - count]
    kept: NDArray[Any] = np.where(latent >= least, values, values.dtype.type(0))
    return kept


def _latent(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Return normal values that are alike in neighbours of one channel."""
    noise = random.standard_normal(shape, np.float32)
    if len(shape) != 4:
        return noise
    smooth = noise
    for axis in (2, 3):
        smooth = smooth + np.roll(smooth, 1, axis) + np.roll(smooth, -1, axis)
    channels = random.standard_normal((shape[0], shape[1], 1, 1), np.float32)
    scale = np.float32(math.sqrt(1.0 - _OF_CHANNELS) / smooth.std())
    return np.asarray(scale * smooth + np.float32(math.sqrt(_OF_CHANNELS)) * channels, np.float32)
