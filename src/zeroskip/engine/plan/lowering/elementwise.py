"""Lowering of Add, Mul and ChannelAffine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .builder import Builder
from .node import LoweringError, is_constant, operand, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_add(builder: Builder, node: ir.Node) -> None:
    """Lower Add of two computed values of the same shape, or of a convolution and a constant map."""
    a, b, y = operand(node, 0), operand(node, 1), node.outputs[0]
    if is_constant(b) and builder.is_defined(y):  # by the step of the convolution
        return
    _refuse_constants(node, a, b)
    if shape_of(a) != shape_of(b):
        raise LoweringError(
            f"operands of different shapes are not supported: {shape_of(a)} and {shape_of(b)}"
        )
    _emit_binary(builder, node, a, b, y)


def lower_mul(builder: Builder, node: ir.Node) -> None:
    """Lower Mul of two values of the same shape, or of a map and a gate (N, C, 1, 1)."""
    a, b, y = operand(node, 0), operand(node, 1), node.outputs[0]
    _refuse_constants(node, a, b)
    if shape_of(a) == shape_of(b):
        _emit_binary(builder, node, a, b, y)
        return
    if shape_of(a) != shape_of(y):
        a, b = b, a
    if shape_of(a) != shape_of(y) or shape_of(b) != (*shape_of(a)[:2], *(1,) * (len(shape_of(a)) - 2)):
        raise LoweringError(
            f"cannot broadcast {shape_of(b)} over {shape_of(a)}: only gates (N, C, 1, 1) are supported"
        )
    builder.step("mul", node, [builder.nhwc(a), builder.nhwc(b)], [builder.define(y, "nhwc")])


def lower_channel_affine(builder: Builder, node: ir.Node) -> None:
    """Lower ChannelAffine: y = scale[c] x + bias[c]."""
    x, y = operand(node, 0), node.outputs[0]
    constants = {
        "scale": builder.initializer(operand(node, 1)),
        "bias": builder.initializer(operand(node, 2)),
    }
    if builder.prefers_nhwc(x):
        builder.step("affine", node, [builder.nhwc(x)], [builder.define(y, "nhwc")], constants=constants)
    else:
        builder.step("affine", node, [builder.row(x)], [builder.define(y, "row")], constants=constants)


def _emit_binary(builder: Builder, node: ir.Node, a: ir.Value, b: ir.Value, y: ir.Value) -> None:
    op = node.op_type.lower()
    if builder.prefers_nhwc(a, b):
        builder.step(op, node, [builder.nhwc(a), builder.nhwc(b)], [builder.define(y, "nhwc")])
    else:
        builder.step(op, node, [builder.row(a), builder.row(b)], [builder.define(y, "row")])


def _refuse_constants(node: ir.Node, *values: ir.Value) -> None:
    for value in values:
        if is_constant(value):
            raise LoweringError(
                f"constant '{value.name}' of shape {shape_of(value)} is neither one value nor one per channel"
            )
