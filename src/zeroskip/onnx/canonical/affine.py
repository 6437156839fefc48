"""Multiplying and adding constants per channel: batch normalisation and its relatives.

All of them become ``zeroskip::ChannelAffine``, y = x * scale[c] + bias[c]; neighbours are merged, and what
stands behind or in front of a convolution or a linear layer is folded into its weights. Folding is computed
in float64 and rounded once, so that results differ from the unfolded network by float32 rounding only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import LimitError
from ..rewriting import RuleTable, add_constant, become, describe, insert_before, owner, replace_value
from ..values import (
    broadcast_axis,
    constant,
    dims,
    flat,
    has_one_use,
    is_own,
    operand,
    own_producer,
    producer,
    rank,
    static_shape,
)
from .folding import MAX_BYTES

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class AffineMap:
    """y = x * scale + bias, elementwise.

    Args:
        scale: float64 ``[C]``, or ``[1]`` when it is the same everywhere.
        bias: float64, as scale.
        axis: Axis of the channels; None when scale and bias are the same everywhere.
    """

    scale: Float64Array
    bias: Float64Array
    axis: int | None

    @classmethod
    def of(cls, node: ir.Node) -> AffineMap:
        """Read a ChannelAffine node."""
        scale, bias = constant(node.inputs[1]), constant(node.inputs[2])
        if scale is None or bias is None:
            raise ValueError("scale and bias must be constants")
        axis = None if scale.size == bias.size == 1 else node.attributes.get_int("axis", 1)
        return cls(flat(scale, np.float64), flat(bias, np.float64), axis)

    def write(self, node: ir.Node, x: ir.Value | None, absorbs: ir.Node | None = None) -> bool:
        """Turn ``node`` into this map of x. The factors stay float64 until :func:`finish`."""
        graph, name = owner(node), node.outputs[0].name
        scale, bias = np.broadcast_arrays(self.scale, self.bias)
        inputs = [x, add_constant(graph, scale, f"{name}.scale"), add_constant(graph, bias, f"{name}.bias")]
        attributes = {} if self.axis in (None, 1) else {"axis": self.axis or 0}
        return become(node, "ChannelAffine", inputs, attributes, own=True, absorbs=[absorbs] if absorbs else [])

    @property
    def is_unit(self) -> bool:
        """Whether it changes nothing."""
        return bool((self.scale == 1.0).all() and not self.bias.any())

    def works_on(self, axis: int | None) -> bool:
        """Tell whether the channels are those of ``axis``."""
        return self.axis is None or self.axis == axis


def batch_normalization(node: ir.Node) -> bool:
    """BatchNormalization in inference is an affine map with scale = gamma / sqrt(variance + epsilon)."""
    if node.attributes.get_int("training_mode", 0) or len(node.outputs) != 1 or len(node.inputs) != 5:
        return False
    gamma, beta, mean, variance = (constant(value) for value in node.inputs[1:])
    if gamma is None or beta is None or mean is None or variance is None:
        return False
    deviation = np.sqrt(flat(variance, np.float64) + node.attributes.get_float("epsilon", 1e-5))
    scale = flat(gamma, np.float64) / deviation
    return AffineMap(scale, flat(beta, np.float64) - flat(mean, np.float64) * scale, 1).write(node, node.inputs[0])


def arithmetic(node: ir.Node) -> bool:
    """Mul, Add, Sub and Div by a constant that is one number, or one number per channel."""
    if len(node.inputs) != 2 or (constant(node.inputs[0]) is None) == (constant(node.inputs[1]) is None):
        return False
    is_swapped = constant(node.inputs[0]) is not None
    x, other = node.inputs[::-1] if is_swapped else node.inputs
    array = constant(other)
    if x is None or array is None or array.dtype != np.float32 or (is_swapped and node.op_type == "Div"):
        return False
    found = _per_channel(array, x)
    if found is None:
        return False
    values, axis = found
    one, zero = np.ones(1), np.zeros(1)
    if node.op_type in ("Mul", "Div"):
        return AffineMap(values if node.op_type == "Mul" else 1.0 / values, zero, axis).write(node, x)
    if node.op_type == "Add":
        return AffineMap(one, values, axis).write(node, x)
    return AffineMap(-one if is_swapped else one, values if is_swapped else -values, axis).write(node, x)


def _per_channel(array: NDArray[Any], x: ir.Value) -> tuple[Float64Array, int | None] | None:
    """Return a constant as one value, or one value per channel of x with the axis of the channels."""
    sizes = dims(x)
    if sizes is None or len(sizes) < 2 or array.ndim > len(sizes):
        return None
    array = _compact(array, sizes)
    if array.size == 1:
        return flat(array, np.float64), None
    axis = broadcast_axis(array.shape, len(sizes))
    return (flat(array, np.float64), axis) if axis and sizes[axis] == array.size else None  # never the batch


def _compact(array: NDArray[Any], sizes: tuple[int | None, ...]) -> NDArray[Any]:
    """Return a constant without the axes of the tensor along which all it does is repeat itself."""
    for axis, size in enumerate(sizes[len(sizes) - array.ndim :]):
        if array.shape[axis] < 2 or array.shape[axis] != size:
            continue
        first = array.take([0], axis)
        if (array.take([1], axis) == first).all() and (array == first).all():
            array = first
    return array


def merge(node: ir.Node) -> bool:
    """An affine map of an affine map is one."""
    inner_node = own_producer(node.inputs[0], "ChannelAffine")
    if inner_node is None or not has_one_use(node.inputs[0]):
        return False
    inner, outer = AffineMap.of(inner_node), AffineMap.of(node)
    if inner.axis is not None and not outer.works_on(inner.axis):
        return False
    axis = outer.axis if inner.axis is None else inner.axis
    merged = AffineMap(inner.scale * outer.scale, inner.bias * outer.scale + outer.bias, axis)
    return merged.write(node, inner_node.inputs[0], absorbs=inner_node)


def remove_unit(node: ir.Node) -> bool:
    """Scale 1 and bias 0 do nothing."""
    x = node.inputs[0]
    return x is not None and AffineMap.of(node).is_unit and replace_value(node.outputs[0], x)


def fold_into_producer(node: ir.Node) -> bool:
    """Scale the output channels of the convolution or linear layer in front."""
    x, affine = node.inputs[0], AffineMap.of(node)
    layer = producer(x, "Conv") or own_producer(x, "Linear")
    if layer is None or not has_one_use(x) or not has_constant_weights(layer):
        return False
    if not affine.works_on(1 if layer.op_type == "Conv" else _last_axis(node)) or not np.isfinite(affine.scale).all():
        return False  # a skipped zero would hide what is infinite or NaN
    weight = layer.inputs[1]
    outputs = (static_shape(weight) or (0,))[0]
    scale, bias = np.broadcast_to(affine.scale, (outputs,)), np.broadcast_to(affine.bias, (outputs,))
    old_bias = constant(operand(layer, 2))
    new_bias = bias if old_bias is None else flat(old_bias, np.float64) * scale + bias
    if (scale != 1.0).any():
        weight = scaled_weight(layer, scale, input_axis=False)
    inputs = [layer.inputs[0], weight]
    if old_bias is not None or bias.any():
        inputs.append(add_constant(owner(node), new_bias.astype(np.float32), f"{layer.name}.bias"))
    become(node, layer.op_type, inputs, dict(layer.attributes), own=bool(layer.domain), absorbs=[layer])
    node.name, layer.name = layer.name, node.name  # the layer is what the user knows by its name
    return True


def fold_into_consumer(node: ir.Node) -> bool:
    """Scale the input channels of a layer by the affine map in front of it.

    A bias cannot cross zero padding: the border would see 0 where the network has ``bias``. What this buys is
    more than one pass over memory: an activation in front of the affine map keeps its zeros up to the
    convolution.
    """
    affine_node = own_producer(node.inputs[0], "ChannelAffine")
    if affine_node is None or not has_one_use(node.inputs[0]) or not has_constant_weights(node):
        return False
    affine = AffineMap.of(affine_node)
    if not affine.works_on(1 if node.op_type == "Conv" else _last_axis(affine_node)):
        return False
    if not np.isfinite(affine.scale).all() or (node.op_type == "Conv" and affine.bias.any() and not is_unpadded(node)):
        return False
    return absorb(node, affine_node)


def absorb(node: ir.Node, affine_node: ir.Node) -> bool:
    """Fold an affine map into the layer that reads it, whose padding, if it has any, must not matter."""
    affine, groups = AffineMap.of(affine_node), node.attributes.get_int("group", 1)
    weight, old_bias = constant(node.inputs[1]), constant(operand(node, 2))
    if weight is None:
        return False
    channels = (weight.shape[1] * groups,)
    scale, bias = np.broadcast_to(affine.scale, channels), np.broadcast_to(affine.bias, channels)
    inputs: list[ir.Value | None] = [affine_node.inputs[0], scaled_weight(node, scale, input_axis=True)]
    if bias.any() or old_bias is not None:
        shift = _response(weight, bias, groups)
        total = shift if old_bias is None else shift + flat(old_bias, np.float64)
        inputs.append(add_constant(owner(node), total.astype(np.float32), f"{node.name}.bias"))
    return become(node, node.op_type, inputs, own=bool(node.domain), absorbs=[affine_node])


def swap_with_max_pool(node: ir.Node) -> bool:
    """Pool before an increasing affine map: fewer elements, the same numbers bit for bit."""
    affine_node = own_producer(node.inputs[0], "ChannelAffine")
    if affine_node is None or not has_one_use(node.inputs[0]) or len(node.outputs) != 1:
        return False
    affine = AffineMap.of(affine_node)
    if not (affine.scale > 0.0).all() or not affine.works_on(1):
        return False
    shape = node.outputs[0].shape
    pooled = insert_before(node, "MaxPool", [affine_node.inputs[0]], dict(node.attributes), shape=shape)
    return affine.write(node, pooled, absorbs=affine_node)


def finish(graph: ir.Graph) -> None:
    """Round the factors of all affine maps to float32 once folding is done, and give each channel its own."""
    for node in graph:
        if is_own(node, "ChannelAffine"):
            sizes = dims(node.outputs[0])
            channels = None if sizes is None else sizes[node.attributes.get_int("axis", 1)]
            for index, role in ((1, "scale"), (2, "bias")):
                factor = constant(node.inputs[index])
                if factor is None or (factor.dtype == np.float32 and factor.size == (channels or factor.size)):
                    continue
                if channels is not None:
                    if channels * np.dtype(np.float32).itemsize > MAX_BYTES:
                        raise LimitError(f"{describe(node)} would need a factor for each of {channels} channels")
                    factor = np.broadcast_to(factor, (channels,))
                rounded = np.ascontiguousarray(factor, dtype=np.float32)
                node.replace_input_with(index, add_constant(graph, rounded, f"{node.outputs[0].name}.{role}"))


def _last_axis(affine: ir.Node) -> int | None:
    x_rank = rank(affine.outputs[0])
    return None if x_rank is None else x_rank - 1


def has_constant_weights(layer: ir.Node) -> bool:
    """Tell whether weight and bias of a layer are constants."""
    bias = operand(layer, 2)
    return constant(layer.inputs[1]) is not None and (bias is None or constant(bias) is not None)


def is_unpadded(conv: ir.Node) -> bool:
    """Tell whether a convolution has no padding."""
    auto_pad = conv.attributes.get_string("auto_pad", "NOTSET")
    return auto_pad == "VALID" or (auto_pad == "NOTSET" and not any(conv.attributes.get_ints("pads", ())))


def scaled_weight(layer: ir.Node, scale: Float64Array, *, input_axis: bool) -> ir.Value:
    """Return the weight multiplied along its output channels, or its input channels."""
    weight = constant(layer.inputs[1])
    if weight is None:
        raise ValueError("its weight must be a constant")
    if input_axis:
        factors = per_group(scale, weight, layer.attributes.get_int("group", 1))
        factors = factors.reshape(factors.shape + (1,) * (weight.ndim - 2))
    else:
        factors = scale.reshape((-1,) + (1,) * (weight.ndim - 1))
    # dtype=float64 makes numpy multiply in float64, block by block: no float64 copy of the weight is ever
    # made.
    scaled = np.empty(weight.shape, dtype=np.float32)
    np.multiply(weight, factors, out=scaled, dtype=np.float64, casting="same_kind")
    return add_constant(owner(layer), scaled, f"{layer.name}.weight")


def per_group(per_input: Float64Array, weight: NDArray[Any], groups: int) -> Float64Array:
    """Return what each output channel sees of a value per input channel: ``[O, I / groups]``."""
    outputs, group_inputs = weight.shape[:2]
    return np.repeat(per_input.reshape(groups, group_inputs), outputs // groups, axis=0)


def _response(weight: NDArray[Any], per_input: Float64Array, groups: int) -> Float64Array:
    """Return what a layer answers to a constant value per input channel: ``[O]``."""
    taps = weight.reshape(*weight.shape[:2], -1).sum(axis=2, dtype=np.float64)
    answer: Float64Array = (taps * per_group(per_input, weight, groups)).sum(axis=1)
    return answer


RULES: RuleTable = {
    "BatchNormalization": (batch_normalization,),
    "Mul": (arithmetic,),
    "Add": (arithmetic,),
    "Sub": (arithmetic,),
    "Div": (arithmetic,),
    "ChannelAffine": (remove_unit, merge, fold_into_producer),
    "Conv": (fold_into_consumer,),
    "Linear": (fold_into_consumer,),
    "MaxPool": (swap_with_max_pool,),
}
