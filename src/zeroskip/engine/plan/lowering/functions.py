"""Lowering of elementwise functions of one operand that are no rectifiers to the operator ``activation``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....onnx.values import broadcast_axis
from ..types import AttributeValue
from .activation import emit_activation
from .builder import Builder
from .elementwise import emit_broadcast
from .node import constant_of, float_attribute, is_constant, operand, shape_of, string_attribute

if TYPE_CHECKING:
    import onnx_ir as ir

KINDS = {
    "Abs": "abs",
    "Ceil": "ceil",
    "Cos": "cos",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "Log": "log",
    "Mish": "mish",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Sqrt": "sqrt",
}
"""ONNX operators without attributes, and the kinds that they are."""

_SELU_ALPHA, _SELU_GAMMA = 1.6732632423543772, 1.0507009873554805


def lower_function(builder: Builder, node: ir.Node) -> None:
    """Lower an operator of ``KINDS``."""
    emit_activation(builder, node, {"kind": KINDS[node.op_type]})


def lower_gelu(builder: Builder, node: ir.Node) -> None:
    """Lower Gelu, exact or by tanh."""
    is_exact = string_attribute(node, "approximate", "none") != "tanh"
    emit_activation(builder, node, {"kind": "gelu" if is_exact else "gelu_tanh"})


def lower_elu(builder: Builder, node: ir.Node) -> None:
    """Lower Elu, Celu and Selu."""
    default = _SELU_ALPHA if node.op_type == "Selu" else 1.0
    attributes: dict[str, AttributeValue] = {"alpha": float_attribute(node, "alpha", default)}
    attributes["kind"] = "celu" if node.op_type == "Celu" else "elu"
    if node.op_type == "Selu":
        attributes["gamma"] = float_attribute(node, "gamma", _SELU_GAMMA)
    emit_activation(builder, node, attributes)


def lower_leaky_relu(builder: Builder, node: ir.Node) -> None:
    """Lower LeakyRelu: one slope for all channels."""
    slope = np.array(float_attribute(node, "alpha", 0.01), np.float32)
    _emit_slopes(builder, node, slope, 1)


def lower_prelu(builder: Builder, node: ir.Node) -> None:
    """Lower PRelu: with one slope for each channel as an activation, else as a function of two operands."""
    x, slope = operand(node, 0), operand(node, 1)
    rank = len(shape_of(x))
    axis = broadcast_axis(shape_of(slope), rank) if is_constant(slope) else None
    if axis is None or (axis != 1 and builder.prefers_nhwc(x)):
        emit_broadcast(builder, node, "prelu", x, slope)
    else:
        _emit_slopes(builder, node, constant_of(slope).reshape(-1), axis)


def _emit_slopes(builder: Builder, node: ir.Node, slope: np.ndarray, axis: int) -> None:
    shape, attributes = shape_of(operand(node, 0)), {"kind": "prelu"}
    is_map = builder.prefers_nhwc(operand(node, 0))
    axis = min(axis, max(0, len(shape) - 1))
    channels = shape[axis] if shape else 1
    slopes = np.broadcast_to(slope.astype(np.float32), (channels,))
    extra: dict[str, AttributeValue] = {} if is_map or len(shape) < 2 else {"axis": axis}
    constants = {"slope": builder.constant(f"{node.outputs[0].name}:slope", slopes)}
    emit_activation(builder, node, {**attributes, **extra}, constants)
