"""Requantize: the constants of a step on integers, from those of its float32 form and the scales around it.

A sum of products of integers stands for x_scale * weight_scale[o] of the sum; ``multipliers`` bring it to the
scale of the result. Thresholds and clips are in units of that scale. What saturation does anyway is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...onnx.quantization import largest_zero, scales_with_room
from .draft import Draft, DraftStep
from .types import AttributeValue

_TOP = 255
_INTEGER_FORMS = {"conv": "quantized_conv", "depthwise": "quantized_depthwise", "linear": "quantized_linear"}


@dataclass(frozen=True)
class Scale:
    """What the integers of a u8 tensor stand for: scale * (q - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, step: DraftStep) -> Scale:
        """Return that of a quantize or dequantize step."""
        scale, zero_point = step.attributes["scale"], step.attributes["zero_point"]
        assert isinstance(scale, float)
        assert isinstance(zero_point, int)
        return cls(scale, zero_point)

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the attributes of a quantize or dequantize step."""
        return {"scale": self.scale, "zero_point": self.zero_point}


def is_multiplication(step: DraftStep) -> bool:
    """Whether a float32 step is one of those that have a form on integers."""
    return step.op in _INTEGER_FORMS and "residual" not in step.constants


def multiply_integers(draft: Draft, step: DraftStep, operands: list[Scale], result: Scale) -> DraftStep | None:
    """Return the form on integers of a step and the quantize behind it; inputs and outputs are left to the caller.

    Args:
        draft: Gets the constants.
        step: A convolution or a linear step.
        operands: Scales of its inputs, a residual's included.
        result: That of its result.

    Returns:
        The step, None if its weights are no integers, or its sums might leave 32 bits.
    """
    weights = draft.integers.get(step.constants["weight"])
    scales = None if weights is None else weights.per_output()
    if weights is None or scales is None or weights.values.dtype != np.int8:
        return None
    steps = np.float32(operands[0].scale) * scales
    values, stored = weights.values, f"{step.constants['weight']}:s8"
    bias = _fitting_bias(draft, step, steps, values)
    if bias is None:
        coarser = _coarser_scales(draft, step, operands[0].scale, scales, values[0].size, result)
        if coarser is None:
            return None
        values = np.rint(values * _per_output(scales / coarser, values)).astype(np.int8)
        stored, steps = f"{step.name}:weight:s8", np.float32(operands[0].scale) * coarser
        bias = _fitting_bias(draft, step, steps, values)
        if bias is None:
            return None
    made = DraftStep(_INTEGER_FORMS[step.op], step.name, [], [], dict(step.attributes), macs=step.macs)
    made.notes = list(step.notes)
    made.constants["weight"] = _store(draft, stored, values)
    made.constants["bias"] = _store(draft, f"{step.name}:bias:s32", bias)
    multipliers = steps / np.float32(result.scale)
    made.constants["multipliers"] = _store(draft, f"{step.name}:multipliers", multipliers)
    made.attributes["x_zero_point"] = operands[0].zero_point
    if len(operands) == 2:
        _set_residual(made, operands[1], result)
    _set_result(draft, made, step, result)
    return made


def take_residual(
    draft: Draft, step: DraftStep, addition: DraftStep, operands: list[Scale], result: Scale
) -> DraftStep:
    """Return a convolution on integers that also adds what an ``add`` step adds to its rounded result.

    Args:
        draft: Gets the constants.
        step: A convolution on integers without a residual.
        addition: The add step, perhaps with an activation.
        operands: Scales of the convolution's own result and of the other operand.
        result: That of the sum.

    Returns:
        The step, inputs and outputs left to the caller.
    """
    own, other = operands
    made = DraftStep(step.op, step.name, [], [], dict(step.attributes), dict(step.constants), macs=step.macs)
    made.notes = [*step.notes, f"rounds to {own.scale:.3g} before the addition, as the model does"]
    made.attributes["sum_scale"] = float(np.float32(own.scale) / np.float32(result.scale))
    made.attributes["sum_zero_point"] = own.zero_point
    _set_residual(made, other, result)
    _set_result(draft, made, addition, result)
    return made


def rescale(draft: Draft, op: str, step: DraftStep, operands: list[Scale], result: Scale, values: int = 1) -> DraftStep:
    """Return a step that brings nhwc integers to another scale, perhaps with others added or averaged.

    Args:
        draft: Gets the constants.
        op: ``quantized_add``, ``requantize`` or ``quantized_global_avg_pool``.
        step: Its float32 form; inputs and outputs are left to the caller.
        operands: Scales of its inputs.
        result: That of its result.
        values: How many values each result is the mean of.
    """
    made = DraftStep(op, step.name, [], [], macs=step.macs, notes=list(step.notes))
    multiplier = np.float32(operands[0].scale) / (np.float32(result.scale) * np.float32(values))
    channels = draft.tensors[step.outputs[0]].shape[1]
    name = f"{step.name}:{op}:multipliers"
    made.constants["multipliers"] = _store(draft, name, np.full(channels, multiplier, np.float32))
    made.attributes["x_zero_point"] = operands[0].zero_point
    if len(operands) == 2:
        _set_residual(made, operands[1], result)
    _set_result(draft, made, step, result)
    return made


def _fitting_bias(
    draft: Draft, step: DraftStep, steps: NDArray[np.float32], weights: NDArray[Any]
) -> NDArray[np.int32] | None:
    """Return the bias in units of ``steps``; None if it, or a sum of products with it, leaves 32 bits."""
    bias = _integer_bias(draft, step, steps)
    if bias is None:
        return None
    products = _TOP * np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1)
    return bias if bool((products + np.abs(bias.astype(np.int64)) <= np.iinfo(np.int32).max).all()) else None


def _integer_bias(draft: Draft, step: DraftStep, steps: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """Return the bias in units of ``steps``, one for each output; None if that leaves 32 bits."""
    name = step.constants.get("bias")
    if name is None:
        return np.zeros(steps.shape, np.int32)
    stored = draft.integers.get(name)
    if stored is not None and stored.values.dtype == np.int32:
        scales = stored.per_output()
        if scales is not None and np.allclose(scales, steps, rtol=1e-5, atol=0.0):
            return np.asarray(stored.values, np.int32)
    exact = np.rint(draft.constants[name].astype(np.float64) / steps)
    if not np.all(np.abs(exact) <= np.iinfo(np.int32).max):
        return None
    return exact.astype(np.int32)


def _coarser_scales(
    draft: Draft, step: DraftStep, x_scale: float, scales: NDArray[np.float32], products: int, result: Scale
) -> NDArray[np.float32] | None:
    """Return scales of weights with room for the bias, None if the result might feel it: by half a step or more."""
    name = step.constants.get("bias")
    if name is None or not np.isfinite(draft.constants[name]).all():
        return None
    coarser = scales_with_room(scales, x_scale, draft.constants[name])
    error = np.where(coarser > scales, 0.5 * _TOP * products * x_scale * coarser.astype(np.float64), 0.0)
    return coarser if (error <= 0.5 * result.scale).all() else None


def _per_output(factors: NDArray[np.float32], weights: NDArray[Any]) -> NDArray[np.float32]:
    return factors.reshape((-1,) + (1,) * (weights.ndim - 1))


def _set_residual(made: DraftStep, other: Scale, result: Scale) -> None:
    made.attributes["residual_scale"] = float(np.float32(other.scale) / np.float32(result.scale))
    made.attributes["residual_zero_point"] = other.zero_point


def _set_result(draft: Draft, made: DraftStep, step: DraftStep, result: Scale) -> None:
    """Take over the activation of a float32 step, in units of the result's scale."""
    for name in ("activation", "max_value"):
        made.attributes.pop(name, None)
    made.attributes["y_zero_point"] = result.zero_point
    if step.activation == "none" and step.attributes.get("kind") != "fatrelu":
        return
    thresholds = draft.constants[step.constants["thresholds"]]
    highest = float(str(step.attributes.get("max_value", np.inf))) / result.scale
    if highest < _TOP - result.zero_point:
        made.attributes["max_value"] = highest
    if result.zero_point == 0 and np.all(thresholds <= largest_zero(result.scale)):
        return  # what saturates at 0 is what the activation makes 0
    made.attributes["activation"] = "fatrelu"
    made.constants["thresholds"] = _store(draft, f"{step.name}:thresholds:u8", thresholds / np.float32(result.scale))


def _store(draft: Draft, name: str, values: NDArray[Any]) -> str:
    draft.constants[name] = np.ascontiguousarray(values)
    return name
