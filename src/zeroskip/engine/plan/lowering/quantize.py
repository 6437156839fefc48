"""Lowering of QuantizeLinear and DequantizeLinear of activations: one scale, u8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import AttributeValue, Layout
from .builder import Builder
from .node import constant_float, constant_ints, operand

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_quantize(builder: Builder, node: ir.Node) -> None:
    """Lower QuantizeLinear: y = saturate(round(x / scale) + zero_point)."""
    _emit(builder, node, "quantize")


def lower_dequantize(builder: Builder, node: ir.Node) -> None:
    """Lower DequantizeLinear: y = (x - zero_point) * scale."""
    _emit(builder, node, "dequantize")


def _emit(builder: Builder, node: ir.Node, op: str) -> None:
    x, y = operand(node, 0), node.outputs[0]
    zero_point = constant_ints(node, 2) or (0,)
    attributes: dict[str, AttributeValue] = {"scale": constant_float(node, 1, 1.0), "zero_point": zero_point[0]}
    unpadded = builder.unpadded(x) if builder.prefers_nhwc(x) else None
    # A map that nobody has padded yet stays so: a convolution of few channels reads it as it is.
    is_map = builder.prefers_nhwc(x) and (unpadded is None or unpadded[1] != "nchw")
    layout: Layout = "nhwc" if is_map else "row"
    source = builder.nhwc(x) if layout == "nhwc" else builder.row(x)
    builder.step(op, node, [source], [builder.define(y, layout)], attributes)
