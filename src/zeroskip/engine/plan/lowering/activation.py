"""Lowering of FatRelu, Clip, Sigmoid, HardSigmoid, HardSwish and Tanh to the operator ``activation``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..types import AttributeValue, Layout
from .builder import Builder
from .node import (
    constant_float,
    constant_of,
    float_attribute,
    operand,
    optional_operand,
    shape_of,
)

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_fat_relu(builder: Builder, node: ir.Node) -> None:
    """Lower FatRelu(x, thresholds?): y = x if x > T else 0, then clipped to ``max_value``."""
    x = operand(node, 0)
    shape = shape_of(x)
    layout: Layout = "nhwc" if builder.prefers_nhwc(x) else "row"
    attributes: dict[str, AttributeValue] = {"kind": "fatrelu"}
    per_channel = optional_operand(node, 1)
    if per_channel is not None:
        thresholds = constant_of(per_channel).reshape(-1).astype(np.float32)
    else:
        # One threshold for all: spread over the last axis of a row tensor, where a Linear before it can take
        # it.
        axis = 1 if layout == "nhwc" else len(shape) - 1
        attributes |= {"axis": axis} if layout == "row" and len(shape) > 2 else {}
        channels = shape[axis] if shape else 1
        thresholds = np.full(channels, float_attribute(node, "threshold", 0.0), np.float32)
    max_value = float_attribute(node, "max_value", math.inf)
    if math.isfinite(max_value):
        attributes["max_value"] = max_value
    constants = {"thresholds": builder.constant(f"{node.outputs[0].name}:thresholds", thresholds)}
    emit_activation(builder, node, attributes, constants, layout)


def lower_clip(builder: Builder, node: ir.Node) -> None:
    """Lower a Clip that is no rectifier: y = min(max(x, low), high)."""
    low = constant_float(node, 1, -math.inf)
    high = constant_float(node, 2, math.inf)
    emit_activation(builder, node, {"kind": "clip", "min_value": low, "max_value": high})


def lower_sigmoid(builder: Builder, node: ir.Node) -> None:
    """Lower Sigmoid."""
    emit_activation(builder, node, {"kind": "sigmoid"})


def lower_tanh(builder: Builder, node: ir.Node) -> None:
    """Lower Tanh."""
    emit_activation(builder, node, {"kind": "tanh"})


def lower_hard_swish(builder: Builder, node: ir.Node) -> None:
    """Lower HardSwish: y = x max(0, min(1, x / 6 + 1 / 2))."""
    emit_activation(builder, node, {"kind": "hardswish"})


def lower_hard_sigmoid(builder: Builder, node: ir.Node) -> None:
    """Lower HardSigmoid: y = max(0, min(1, alpha x + beta))."""
    alpha, beta = float_attribute(node, "alpha", 0.2), float_attribute(node, "beta", 0.5)
    emit_activation(builder, node, {"kind": "hardsigmoid", "alpha": alpha, "beta": beta})


def emit_activation(
    builder: Builder,
    node: ir.Node,
    attributes: dict[str, AttributeValue],
    constants: dict[str, str] | None = None,
    layout: Layout | None = None,
) -> None:
    """Emit the step of an elementwise function of the first operand, by default in the layout that it prefers."""
    x = operand(node, 0)
    if layout is None:
        layout = "nhwc" if builder.prefers_nhwc(x) else "row"
    source = builder.nhwc(x) if layout == "nhwc" else builder.row(x)
    builder.step(
        "activation",
        node,
        [source],
        [builder.define(node.outputs[0], layout)],
        attributes,
        constants=constants,
    )
