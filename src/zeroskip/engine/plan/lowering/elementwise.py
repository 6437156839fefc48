"""Lowering of ChannelAffine and of the functions of two operands: Add, Sub, Mul, Div, Pow, Max, Min."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....onnx.numbers import is_number
from ..types import AttributeValue
from .builder import Builder
from .node import int_attribute, is_constant, operand, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_add(builder: Builder, node: ir.Node) -> None:
    """Lower Add of two values, or of a convolution and a constant map."""
    a, b, y = operand(node, 0), operand(node, 1), node.outputs[0]
    if is_constant(b) and builder.is_defined(y):  # by the step of the convolution
        return
    if shape_of(a) == shape_of(b):
        _emit_binary(builder, node, a, b, y)
    else:
        emit_broadcast(builder, node, "add", a, b)


def lower_mul(builder: Builder, node: ir.Node) -> None:
    """Lower Mul; of a map and a gate (N, C, 1, 1) the gate is read in place of a repeated one."""
    a, b, y = operand(node, 0), operand(node, 1), node.outputs[0]
    if shape_of(a) == shape_of(b):
        _emit_binary(builder, node, a, b, y)
        return
    if shape_of(a) != shape_of(y):
        a, b = b, a
    gate = (*shape_of(a)[:2], *(1,) * (len(shape_of(a)) - 2))
    is_gate = len(gate) == 4 and shape_of(a) == shape_of(y) and shape_of(b) == gate
    if is_gate and not is_constant(a) and not is_constant(b) and builder.prefers_nhwc(a, b):
        builder.step("mul", node, [builder.nhwc(a), builder.nhwc(b)], [builder.define(y, "nhwc")])
    else:
        emit_broadcast(builder, node, "mul", operand(node, 0), operand(node, 1))


def lower_binary(builder: Builder, node: ir.Node) -> None:
    """Lower Sub, Div, Pow, Max and Min; the quotient of whole numbers has no fraction."""
    kind = "quotient" if node.op_type == "Div" and is_number(node.outputs[0]) else node.op_type.lower()
    emit_broadcast(builder, node, kind, operand(node, 0), operand(node, 1))


def lower_channel_affine(builder: Builder, node: ir.Node) -> None:
    """Lower ChannelAffine: y = scale[c] x + bias[c]."""
    x, y = operand(node, 0), node.outputs[0]
    constants = {
        "scale": builder.initializer(operand(node, 1)),
        "bias": builder.initializer(operand(node, 2)),
    }
    axis = int_attribute(node, "axis", 1)
    if builder.prefers_nhwc(x) and axis == 1:
        builder.step("affine", node, [builder.nhwc(x)], [builder.define(y, "nhwc")], constants=constants)
        return
    attributes: dict[str, AttributeValue] = {} if axis == 1 else {"axis": axis}
    result = builder.define(y, "row")
    builder.step("affine", node, [builder.row(x)], [result], attributes, constants=constants)


def emit_broadcast(builder: Builder, node: ir.Node, kind: str, *given: ir.Value | float) -> None:
    """Emit a function of operands of any shapes that can be broadcast: of maps in nhwc, else of rows."""
    y = node.outputs[0]
    rank = len(shape_of(y))
    computed = [value for value in given if not isinstance(value, float) and not is_constant(value)]
    is_map = rank in (3, 4) and all(len(shape_of(value)) == rank for value in computed)
    if is_map and builder.prefers_nhwc(*computed):
        operands = [
            builder.number(value, "nhwc") if isinstance(value, float) else builder.nhwc(value, rank) for value in given
        ]
        builder.step("broadcast", node, operands, [builder.define(y, "nhwc")], {"kind": kind})
    else:
        operands = [builder.number(value, "row") if isinstance(value, float) else builder.row(value) for value in given]
        builder.step("broadcast", node, operands, [builder.define(y, "row")], {"kind": kind})


def _emit_binary(builder: Builder, node: ir.Node, a: ir.Value, b: ir.Value, y: ir.Value) -> None:
    op = node.op_type.lower()
    if builder.prefers_nhwc(*(value for value in (a, b) if not is_constant(value))):
        builder.step(op, node, [builder.nhwc(a), builder.nhwc(b)], [builder.define(y, "nhwc")])
    else:
        builder.step(op, node, [builder.row(a), builder.row(b)], [builder.define(y, "row")])
