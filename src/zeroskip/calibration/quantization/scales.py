"""Scales and zero points: what values a network has, and the steps that lose least of them.

Three ways to choose: up to the largest value seen; up to a percentile; or where the mean squared error of rounding and
cutting off together is least.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

ScaleMethod = Literal["minmax", "percentile", "mse"]
SCALE_METHODS: tuple[ScaleMethod, ...] = get_args(ScaleMethod)

STEPS = 255
"""Of u8; weights have 127 on either side of 0."""
WEIGHT_STEPS = 127
_PAIR_STEPS = 127  # of two weights together; rounding adds one
_PERCENTILE = 0.9999
_SAMPLES_PER_BATCH = 20_000
_FRACTIONS = np.concatenate([np.linspace(0.25, 1.0, 46), np.linspace(1.005, 1.1, 20)])
"""Above 1 as well: all values of a picture less 127.5 lie half way between steps that end at its largest."""
_WEIGHT_FRACTIONS = np.linspace(0.7, 1.0, 16)
_LEAST = float(np.finfo(np.float32).tiny) * 1e6


@dataclass(frozen=True)
class Steps:
    """Steps of u8: x = (q - zero_point) * scale.

    Args:
        scale: float32 as a float, > 0.
        zero_point: 0 to 255.
    """

    scale: float
    zero_point: int

    def rounded(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the steps make of values."""
        q = np.clip(np.rint(x / np.float32(self.scale)), -self.zero_point, STEPS - self.zero_point)
        return np.asarray(q * np.float32(self.scale), np.float32)


@dataclass
class Observed:
    """What was seen of a value, batch by batch.

    Args:
        low: Smallest value, at most 0.
        high: Largest value, at least 0.
        sample: float32 values drawn from all of them.
        sums: Of each channel (axis 1, of rows the last one), and how many values were added.
    """

    low: float = 0.0
    high: float = 0.0
    sample: list[NDArray[np.float32]] = field(default_factory=list)
    sums: NDArray[np.float64] | None = None
    count: int = 0

    def add(self, values: NDArray[np.float32], random: np.random.Generator) -> None:
        """Take in the values of one batch, ``[N, C, ...]`` or ``[N, ..., C]`` of rank 2 and 3."""
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        flat = values.reshape(-1)
        if flat.size > _SAMPLES_PER_BATCH:
            flat = flat[random.integers(0, flat.size, _SAMPLES_PER_BATCH)]
        self.sample.append(flat.copy())
        axis = 1 if values.ndim == 4 else values.ndim - 1
        sums = values.sum(axis=tuple(item for item in range(values.ndim) if item != axis), dtype=np.float64)
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += values.size // max(1, values.shape[axis])

    def means(self) -> NDArray[np.float64]:
        """Return the mean of each channel."""
        assert self.sums is not None
        return self.sums / max(1, self.count)


def joined(parts: list[Observed]) -> Observed:
    """Return what was seen of several values together, without the sums."""
    return Observed(
        min(part.low for part in parts),
        max(part.high for part in parts),
        [item for part in parts for item in part.sample],
    )


def choose_steps(seen: Observed, method: ScaleMethod, *, is_rectified: bool) -> Steps:
    """Return steps for values.

    Args:
        seen: The values.
        method: How to choose.
        is_rectified: Whether none is below 0: the zero point is 0 then.
    """
    values = np.concatenate(seen.sample) if seen.sample else np.zeros(1, np.float32)
    low, high = (0.0 if is_rectified else seen.low), seen.high
    if method == "percentile":
        high = min(high, float(np.quantile(values, _PERCENTILE)))
        low = max(low, float(np.quantile(values, 1.0 - _PERCENTILE)))
    if method != "mse":
        return _steps_between(low, high)
    tried = [_steps_between(low * fraction, high * fraction) for fraction in _FRACTIONS]
    errors = [float(np.square(values - steps.rounded(values), dtype=np.float64).mean()) for steps in tried]
    return tried[int(np.argmin(errors))]


def _steps_between(low: float, high: float) -> Steps:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / STEPS, _LEAST)))
    return Steps(scale, int(np.clip(round(-low / scale), 0, STEPS)))


def weight_scales(weight: NDArray[np.float32], method: ScaleMethod) -> NDArray[np.float32]:
    """Return the scale of each output (axis 0) of a weight, symmetric around 0.

    Args:
        weight: ``[O, ...]``.
        method: ``"mse"`` looks for the least squared error, the others take the largest weight.
    """
    rows = weight.reshape(len(weight), -1)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    full = np.where(largest > 0, np.maximum(largest / WEIGHT_STEPS, _LEAST), 1.0).astype(np.float32)
    if method != "mse":
        return full
    best, least = full, np.full(len(rows), np.inf)
    for fraction in _WEIGHT_FRACTIONS:
        scale = (full * np.float32(fraction)).astype(np.float32)
        error = np.square(rows - rounded_weight(rows, scale) * scale[:, None], dtype=np.float64).sum(axis=1)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return np.asarray(best, np.float32)


def scales_for_bytes(weight: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scales of weights, made coarser where products of u8 by s8 would leave 16 bits.

    CPUs without VNNI add two neighbouring products at once and saturate the sum: 255 * (a + b) fits where the two
    integers of one sign are 128 at most together. ONNX Runtime and OpenVINO do that whatever the weights are; this
    engine takes half as long again over those that do not fit. Most outputs lose a fifth of a bit.

    Args:
        weight: ``[O, I, ...]``.
        scales: float32 ``[O]``.
    """
    rows = np.moveaxis(weight, 1, -1)
    rows = rows.reshape(len(rows), -1)  # of an odd number of channels, as images have, a window is one run of values
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    reach = np.maximum(np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)).max(axis=1, initial=0.0)
    return np.asarray(np.maximum(scales, reach / _PAIR_STEPS), np.float32)


def rounded_weight(rows: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the integers of ``[O, ...]`` weights for scales ``[O]``."""
    shaped = scale.reshape((-1,) + (1,) * (rows.ndim - 1))
    return np.asarray(np.clip(np.rint(rows / shaped), -WEIGHT_STEPS, WEIGHT_STEPS), np.int8)
