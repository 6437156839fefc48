"""Lowering of Conv to the native operators ``conv`` and ``depthwise``, and of PixelShuffle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ....onnx.canonical.shift import added_map
from ..types import CHANNEL_BLOCK, AttributeValue
from .builder import Builder, map_shape
from .node import LoweringError, int_attribute, ints_attribute, operand, optional_operand, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


def window_attributes(node: ir.Node, *, dilated: bool = True) -> dict[str, AttributeValue]:
    """Return kernel, strides, pads and dilations of a convolution or pool, in two dimensions.

    A one-dimensional window becomes one of height 1. Pads are top, left, bottom, right.

    Raises:
        LoweringError: If the window has more than two dimensions.
    """
    kernel = ints_attribute(node, "kernel_shape")
    strides = ints_attribute(node, "strides", (1,) * len(kernel))
    pads = ints_attribute(node, "pads", (0,) * 2 * len(kernel))
    dilations = ints_attribute(node, "dilations", (1,) * len(kernel))
    if len(kernel) == 1:
        kernel, strides, dilations = (1, *kernel), (1, *strides), (1, *dilations)
        pads = (0, pads[0], 0, pads[1])
    if len(kernel) != 2:
        raise LoweringError(f"windows of {len(kernel)} dimensions are not supported, only 1 and 2")
    if min(pads) < 0:
        raise LoweringError(f"negative pads {pads} are not supported")
    attributes: dict[str, AttributeValue] = {"kernel": kernel, "strides": strides, "pads": pads}
    return attributes | {"dilations": dilations} if dilated else attributes


def lower_conv(builder: Builder, node: ir.Node) -> None:
    """Lower Conv and the addition of a constant map behind it.

    A convolution of few channels reads an unpadded graph input directly.
    """
    x, weight, y = operand(node, 0), operand(node, 1), node.outputs[0]
    groups = int_attribute(node, "group", 1)
    attributes = window_attributes(node)
    channels_in = map_shape(shape_of(x))[1]
    channels_out, per_group = shape_of(weight)[:2]
    kernel_shape = (channels_out, per_group, *_ints(attributes["kernel"]))
    output_shape = map_shape(shape_of(y))

    is_depthwise = groups == channels_in == channels_out and groups > 1
    may_read_unpadded = groups == 1 and channels_in < CHANNEL_BLOCK and _ints(attributes["dilations"])[1] == 1
    unpadded = builder.unpadded(x) if may_read_unpadded else None
    if unpadded is None:
        source = builder.nhwc(x)
    else:
        source, attributes["input_layout"] = unpadded
    attributes["groups"] = groups
    use = "" if unpadded is None else "unpadded"
    constants = {"weight": builder.initializer(weight, kernel_shape, use)}
    bias = optional_operand(node, 2)
    if bias is not None:
        constants["bias"] = builder.initializer(bias)
    macs = math.prod(output_shape) * math.prod(kernel_shape[1:])
    added = added_map(node)
    if added is not None:  # its step is that of the convolution
        constants["residual"] = builder.initializer(operand(added[0], 1), output_shape[1:])
        y = added[0].outputs[0]
    op = "depthwise" if is_depthwise else "conv"
    result = builder.define(y, "nhwc")
    builder.step(op, node, [source], [result], attributes, constants=constants, macs=macs)


def lower_pixel_shuffle(builder: Builder, node: ir.Node) -> None:
    """Lower PixelShuffle, what a transposed convolution ends with."""
    blocks, crops = ints_attribute(node, "blocks"), ints_attribute(node, "crops")
    if len(blocks) == 1:
        blocks, crops = (1, *blocks), (0, crops[0], 0, crops[1])
    attributes: dict[str, AttributeValue] = {"blocks": blocks, "crops": crops}
    attributes["groups"] = int_attribute(node, "groups", 1)
    x, y = operand(node, 0), node.outputs[0]
    builder.step("pixel_shuffle", node, [builder.nhwc(x)], [builder.define(y, "nhwc")], attributes)


def _ints(value: AttributeValue) -> tuple[int, ...]:
    assert isinstance(value, tuple)
    return tuple(int(item) for item in value)
