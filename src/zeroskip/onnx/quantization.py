"""Quantised values: the arithmetic of QuantizeLinear and DequantizeLinear, and constants that came from integers.

A constant that a model stores as integers becomes float32 when it is read, exactly as DequantizeLinear computes it.
What it was made from stays beside it, with the tensor: whoever makes other values of it makes another tensor, which
has no such integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..short_repr import ShortRepr
from .values import constant

_INTEGERS = "zeroskip.integers"
LARGEST_SUM = float(2**31 - 1)
"""Of products and bias."""


@dataclass(frozen=True, eq=False, repr=False)
class WeightQuantization(ShortRepr):
    """The integers that a float32 constant is a multiple of: constant = values * scale along one axis.

    Args:
        values: int8 of weights, int32 of a bias; of the shape of the constant, its zero point subtracted.
        scale: float32 ``[1]``, or one for each index of the axis.
        axis: Axis of the scales.
    """

    values: NDArray[Any]
    scale: NDArray[np.float32]
    axis: int

    def per_output(self) -> NDArray[np.float32] | None:
        """Return the scales ``[O]`` of the outputs, which are axis 0 of a weight; None if they run along another."""
        if self.scale.size > 1 and self.axis != 0:
            return None
        return np.broadcast_to(self.scale, self.values.shape[:1])

    def transposed(self, perm: Sequence[int] = (1, 0)) -> WeightQuantization:
        """Return that of the constant with its axes in another order, by default that of the transposed matrix."""
        axis = list(perm).index(self.axis) if self.scale.size > 1 else 0
        return replace(self, values=self.values.transpose(perm), axis=axis)


def weight_quantization(value: ir.Value | None) -> WeightQuantization | None:
    """Return the integers that a constant was made from, None if there are none."""
    if constant(value) is None or value is None or value.const_value is None:
        return None
    found: WeightQuantization | None = value.const_value.meta.get(_INTEGERS)
    return found


def set_weight_quantization(value: ir.Value, quantization: WeightQuantization | None) -> None:
    """Note what a constant was made from."""
    if quantization is not None and value.const_value is not None:
        value.const_value.meta[_INTEGERS] = quantization


def scales_with_room(
    scales: NDArray[np.float32], input_scale: float, bias: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return scales of weights, made coarser where the bias in units of a product is no integer of 32 bits.

    A channel that batch normalisation has all but switched off has tiny weights beside a common bias. Its weights lose
    bits then; half of the range is left to the sum of products.

    Args:
        scales: float32 ``[O]``, one for each output.
        input_scale: Scale of what the weights are multiplied by.
        bias: float32 ``[O]``, finite; None: nothing is needed.
    """
    if bias is None:
        return scales
    least = np.abs(bias.astype(np.float64)) / (LARGEST_SUM / 2 * input_scale)
    return np.maximum(scales, least.astype(np.float32))


def along(factors: NDArray[Any], axis: int, value_rank: int) -> NDArray[Any]:
    """Return one factor, one for each index of an axis, or one for each element, as it broadcasts over a tensor."""
    if factors.size == 1:
        return factors.reshape(())
    if factors.ndim > 1:
        return factors
    return factors.reshape((-1,) + (1,) * (value_rank - axis - 1))


def quantize(x: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any], axis: int = 1) -> NDArray[Any]:
    """Return what QuantizeLinear gives: saturate(round(x / scale) + zero_point), half to even, as the zero point is.

    Args:
        x: float32, any shape.
        scale: float32, one number, or one for each index of ``axis``.
        zero_point: Integers, as many.
        axis: Axis of the scales.
    """
    limits = np.iinfo(zero_point.dtype)
    start = along(zero_point, axis, x.ndim).astype(np.float32)
    with np.errstate(all="ignore"):
        steps = x / along(np.asarray(scale, np.float32), axis, x.ndim)
        low, high = np.float32(limits.min) - start, np.float32(limits.max) - start
        kept = np.where(steps > low, np.minimum(steps, high), low)  # NaN becomes the smallest
    return np.asarray(np.rint(kept) + start, zero_point.dtype)


def dequantize(
    q: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any] | None, axis: int = 1
) -> NDArray[np.float32]:
    """Return what DequantizeLinear gives: (q - zero_point) * scale, float32.

    Args:
        q: Integers of up to 32 bits, any shape.
        scale: float32, one number, or one for each index of ``axis``.
        zero_point: Integers, as many; None for 0.
        axis: Axis of the scales.
    """
    steps = q.astype(np.float32) if zero_point is None else centred(q, zero_point, axis).astype(np.float32)
    return np.asarray(steps * along(np.asarray(scale, np.float32), axis, q.ndim), np.float32)


def centred(q: NDArray[Any], zero_point: NDArray[Any] | None, axis: int = 1) -> NDArray[np.int32]:
    """Return q - zero_point in 32 bits."""
    wide = q.astype(np.int32)
    return wide if zero_point is None else wide - along(zero_point, axis, q.ndim).astype(np.int32)


def integers_of(
    q: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any] | None, axis: int
) -> WeightQuantization | None:
    """Return the integers of a constant that DequantizeLinear makes, None if they do not fit into 8 or 32 bits."""
    wide = centred(q, zero_point, axis)
    narrow: Any = np.int32 if q.dtype == np.int32 else np.int8
    values = wide.astype(narrow)
    if q.dtype not in (np.int8, np.uint8, np.int32) or not np.array_equal(values, wide):
        return None
    return WeightQuantization(values, np.asarray(scale, np.float32).reshape(-1), axis if np.size(scale) > 1 else 0)


def largest_zero(scale: float) -> float:
    """Return the largest float32 that a quantiser of this scale and zero point 0 makes 0 of, about scale / 2.

    Example:
        >>> largest_zero(2.0)
        1.0
    """
    return largest_below(scale, 0)


def largest_below(scale: float, steps: int) -> float:
    """Return the largest float32 that a quantiser of zero point 0 makes that many steps of, or fewer.

    Args:
        scale: float32, > 0.
        steps: 0 to 254.
    """
    step, infinity = np.float32(scale), np.float32(np.inf)
    with np.errstate(all="ignore"):
        bound = np.float32((steps + 0.5) * float(step))
        while np.rint(bound / step) > steps:
            bound = np.nextafter(bound, -infinity)
        while np.rint((above := np.nextafter(bound, infinity)) / step) <= steps and above < infinity:
            bound = above
    return float(bound)


def threshold_before(scale: float, threshold: float, most: int) -> float | None:
    """Return the threshold in front of a quantiser that zeroes the steps which one behind it zeroes.

    Args:
        scale: Of the quantiser, whose zero point is 0 behind a rectifier.
        threshold: What values made of steps have to exceed, >= 0.
        most: Steps that the quantiser has above 0.

    Returns:
        The largest float32 that becomes so many steps as do not exceed the threshold; None if none of them does.
    """
    values = np.arange(most + 1, dtype=np.float32) * np.float32(scale)
    steps = int(np.searchsorted(values, np.float32(threshold), side="right")) - 1
    return None if steps >= most else largest_below(scale, steps)
