"""Transposed convolutions: each becomes a convolution of its small input, and a PixelShuffle.

Of stride s, the outputs at places with the same remainder by s are an ordinary convolution of the input, by every
s-th tap of the kernel; one convolution with s * s times the channels computes them all, and ``zeroskip::PixelShuffle``
puts them in their places. Nothing is multiplied with zeros that were put in between, and the zeros of the input are
skipped as in any convolution. With a stride of 1 it is a convolution by the mirrored kernel alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..rewriting import AttributeValue, RuleTable, add_constant, become, insert_before, owner
from ..values import constant, dims, has_one_use, operand, own_producer
from .affine import AffineMap

_LARGEST_KERNEL = 1 << 26  # elements after taps were spread for a dilation


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a transposed convolution of stride 2 or more, as a convolution.

    Args:
        stride: Outputs for every input.
        taps: Of the convolution.
        pads: Of the convolution, begin and end.
        crops: Outputs cut off at begin and end.
    """

    stride: int
    taps: int
    pads: tuple[int, int]
    crops: tuple[int, int]

    @classmethod
    def of(cls, kernel: int, stride: int, pads: tuple[int, int], output_padding: int) -> Axis:
        """Return the axis for a kernel without dilation; output o is i * stride - pads[0] + t for a tap t."""
        taps = math.ceil(kernel / stride)
        first = min(pads[0] // stride, taps - 1)  # blocks of outputs in front that are never computed
        begin = taps - 1 - first
        end = max(0, (kernel - 1 - pads[1] + output_padding) // stride)
        crop = pads[0] - first * stride
        length = kernel - stride - sum(pads) + output_padding  # of the result, less stride * input
        return cls(stride, taps, (begin, end), (crop, (begin + end + 1 - taps) * stride - crop - length))


def transposed_convolution(node: ir.Node) -> bool:
    """Write a ConvTranspose by Conv and PixelShuffle."""
    weight, bias = constant(operand(node, 1)), constant(operand(node, 2))
    has_computed_bias = operand(node, 2) is not None and bias is None
    if weight is None or weight.dtype != np.float32 or weight.ndim not in (3, 4) or has_computed_bias:
        return False
    spatial, groups = weight.ndim - 2, node.attributes.get_int("group", 1)
    strides = tuple(node.attributes.get_ints("strides", (1,) * spatial))
    dilations = tuple(node.attributes.get_ints("dilations", (1,) * spatial))
    if len(strides) != spatial or len(dilations) != spatial or weight.shape[0] % groups or min(strides) < 1:
        raise ValueError(f"strides {strides}, dilations {dilations} or {groups} groups do not fit its weight")
    weight = _spread(weight, dilations)
    padding = tuple(node.attributes.get_ints("output_padding", (0,) * spatial))
    found = _pads(node, weight.shape[2:], strides, padding)
    if found is None or min(found[0]) < 0:
        return False
    pads, padding = found
    axes = [Axis.of(weight.shape[2 + i], strides[i], (pads[i], pads[i + spatial]), padding[i]) for i in range(spatial)]
    if any(crop < 0 for axis in axes for crop in axis.crops):
        return False
    return _become_convolution(node, _by_remainder(weight, axes, groups), bias, axes, groups)


def _spread(weight: NDArray[Any], dilations: tuple[int, ...]) -> NDArray[Any]:
    """Return the kernel with zeros between its taps, so that it needs no dilation."""
    if all(dilation == 1 for dilation in dilations):
        return weight
    sizes = [(size - 1) * dilation + 1 for size, dilation in zip(weight.shape[2:], dilations, strict=True)]
    if min(dilations) < 1 or math.prod(weight.shape[:2]) * math.prod(sizes) > _LARGEST_KERNEL:
        raise ValueError(f"its dilations are {dilations}")
    spread = np.zeros((*weight.shape[:2], *sizes), weight.dtype)
    places: list[Any] = [slice(None), slice(None), *(slice(None, None, dilation) for dilation in dilations)]
    spread[tuple(places)] = weight
    return spread


def _pads(
    node: ir.Node, kernel: tuple[int, ...], strides: tuple[int, ...], padding: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return what is cut off at begins, then ends, and what is added behind.

    None where that depends on a size that is not known yet.
    """
    spatial, attributes = len(kernel), node.attributes
    auto_pad, wanted = attributes.get_string("auto_pad", "NOTSET"), attributes.get_ints("output_shape")
    if auto_pad == "VALID" or (auto_pad == "NOTSET" and wanted is None):
        given = attributes.get_ints("pads") if auto_pad == "NOTSET" else None
        return tuple(given or (0,) * (2 * spatial)), padding
    sizes = dims(node.inputs[0])
    begins, ends, added = [], [], []
    for axis in range(spatial):
        whole = kernel[axis] + padding[axis]
        if wanted is None:
            total = whole - strides[axis]
        else:
            size = None if sizes is None else sizes[axis + 2]
            if size is None:
                return None
            total = strides[axis] * (size - 1) + whole - wanted[-spatial:][axis]
        added.append(padding[axis] + max(0, -total))
        total = max(0, total)
        half = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        begins.append(half)
        ends.append(total - half)
    return (*begins, *ends), tuple(added)


def _by_remainder(weight: NDArray[Any], axes: list[Axis], groups: int) -> NDArray[Any]:
    """Return the kernel of the convolution: ``[groups * remainders * outputs, inputs per group, *taps]``."""
    inputs, outputs = weight.shape[:2]
    padded = np.zeros((inputs, outputs, *(axis.taps * axis.stride for axis in axes)), weight.dtype)
    padded[tuple(slice(size) for size in weight.shape)] = weight
    split = [extent for axis in axes for extent in (axis.taps, axis.stride)]
    parts = padded.reshape(groups, inputs // groups, outputs, *split)
    taps, remainders = [3 + 2 * i for i in range(len(axes))], [4 + 2 * i for i in range(len(axes))]
    turned = parts.transpose(0, *remainders, 2, 1, *taps)
    mirrored = np.flip(turned, tuple(range(-len(axes), 0)))
    count = groups * math.prod(axis.stride for axis in axes) * outputs
    return np.ascontiguousarray(mirrored).reshape(count, inputs // groups, *(axis.taps for axis in axes))


def _become_convolution(
    node: ir.Node, weight: NDArray[Any], bias: NDArray[Any] | None, axes: list[Axis], groups: int
) -> bool:
    graph, name, spatial = owner(node), node.name, len(axes)
    blocks = [axis.stride for axis in axes]
    inputs = [node.inputs[0], add_constant(graph, weight, f"{name}.weight")]
    if bias is not None:
        inputs.append(add_constant(graph, _repeated(bias, blocks, groups), f"{name}.bias"))
    attributes: dict[str, AttributeValue] = {
        "kernel_shape": [axis.taps for axis in axes],
        "strides": (1,) * spatial,
        "dilations": (1,) * spatial,
        "pads": [axis.pads[0] for axis in axes] + [axis.pads[1] for axis in axes],
        "group": groups,
    }
    crops = [axis.crops[0] for axis in axes] + [axis.crops[1] for axis in axes]
    if math.prod(blocks) == 1 and not any(crops):
        return become(node, "Conv", inputs, attributes)
    sizes = dims(node.inputs[0])
    extents = [
        None if sizes is None or (size := sizes[place + 2]) is None else size + sum(axis.pads) + 1 - axis.taps
        for place, axis in enumerate(axes)
    ]
    shape = None if sizes is None else ir.Shape([sizes[0], weight.shape[0], *extents])
    parts = insert_before(node, "Conv", inputs, attributes, shape=shape)
    conv = parts.producer()
    assert conv is not None
    node.name, conv.name = conv.name, node.name  # the layer is what the user knows by its name
    return become(node, "PixelShuffle", [parts], {"blocks": blocks, "crops": crops, "groups": groups}, own=True)


def _repeated(values: NDArray[Any], blocks: list[int], groups: int) -> NDArray[Any]:
    """Return a value for every output channel as one for every channel in front of a PixelShuffle."""
    per_group = values.reshape(groups, 1, -1)
    return np.repeat(per_group, math.prod(blocks), axis=1).reshape(-1)


def affine_in_front(node: ir.Node) -> bool:
    """Scale and shift channels before pixels are shuffled, where the convolution can take both in."""
    shuffle = own_producer(node.inputs[0], "PixelShuffle")
    if shuffle is None or not has_one_use(node.inputs[0]) or not has_one_use(shuffle.inputs[0]):
        return False
    affine, parts = AffineMap.of(node), shuffle.inputs[0]
    if not affine.works_on(1) or parts is None:
        return False
    blocks, groups = list(shuffle.attributes.get_ints("blocks", ())), shuffle.attributes.get_int("groups", 1)
    scale, bias = np.broadcast_arrays(affine.scale, affine.bias)
    if affine.axis is not None:
        scale, bias = _repeated(scale, blocks, groups), _repeated(bias, blocks, groups)
    graph, name = owner(node), node.outputs[0].name
    factors = [
        add_constant(graph, np.array(item), f"{name}.{role}") for item, role in ((scale, "scale"), (bias, "bias"))
    ]
    scaled = insert_before(shuffle, "ChannelAffine", [parts, *factors], own=True, shape=parts.shape)
    return become(node, "PixelShuffle", [scaled], dict(shuffle.attributes), own=True, absorbs=[shuffle])


RULES: RuleTable = {"ConvTranspose": (transposed_convolution,), "ChannelAffine": (affine_in_front,)}
