"""Lowering of InstanceNormalization and LayerNormalization to the native operator ``normalize``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..types import AttributeValue
from .builder import Builder
from .node import (
    LoweringError,
    constant_of,
    float_attribute,
    int_attribute,
    normalized_axis,
    operand,
    optional_operand,
    shape_of,
)

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_instance_normalization(builder: Builder, node: ir.Node) -> None:
    """Lower InstanceNormalization: over the pixels of each image and channel."""
    x, y = operand(node, 0), node.outputs[0]
    constants = {
        "scale": builder.initializer(operand(node, 1)),
        "bias": builder.initializer(operand(node, 2)),
    }
    epsilon = float_attribute(node, "epsilon", 1e-5)
    if builder.prefers_nhwc(x):
        source, result = builder.nhwc(x), builder.define(y, "nhwc")
        builder.step("normalize", node, [source], [result], {"epsilon": epsilon}, constants=constants)
        return
    source, result = builder.row(x), builder.define(y, "row")
    attributes: dict[str, AttributeValue] = {"epsilon": epsilon, "axis": 2, "per_row": 1}
    builder.step("normalize", node, [source], [result], attributes, constants=constants)


def lower_layer_normalization(builder: Builder, node: ir.Node) -> None:
    """Lower LayerNormalization: over all axes from one on."""
    x, y = operand(node, 0), node.outputs[0]
    shape = shape_of(x)
    axis = normalized_axis(int_attribute(node, "axis", -1), len(shape))
    values = shape[axis:]
    constants = {}
    for index, role, default in ((1, "scale", 1.0), (2, "bias", 0.0)):
        given = optional_operand(node, index)
        array = np.float32(default) if given is None else constant_of(given)
        try:
            array = np.broadcast_to(array, values).reshape(math.prod(values))
        except ValueError:
            raise LoweringError(f"its {role} of shape {array.shape} does not fit {values}") from None
        constants[role] = builder.constant(f"{y.name}:{role}:{math.prod(values)}", array)
    attributes: dict[str, AttributeValue] = {"epsilon": float_attribute(node, "epsilon", 1e-5), "axis": axis}
    source, result = builder.row(x), builder.define(y, "row")
    builder.step("normalize", node, [source], [result], attributes, constants=constants)
