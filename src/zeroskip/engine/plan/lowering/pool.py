"""Lowering of the pools: MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .builder import Builder
from .conv import window_attributes
from .node import LoweringError, int_attribute, operand

if TYPE_CHECKING:
    import onnx_ir as ir

_GLOBAL_OPS = {"GlobalAveragePool": "global_avg_pool", "GlobalMaxPool": "global_max_pool"}


def lower_max_pool(builder: Builder, node: ir.Node) -> None:
    """Lower MaxPool; ``ceil_mode`` is already in the output's shape."""
    if len(node.outputs) > 1:
        raise LoweringError("the output 'Indices' is not supported")
    x = operand(node, 0)
    builder.step(
        "max_pool",
        node,
        [builder.nhwc(x)],
        [builder.define(node.outputs[0], "nhwc")],
        window_attributes(node),
    )


def lower_average_pool(builder: Builder, node: ir.Node) -> None:
    """Lower AveragePool; ``ceil_mode`` is already in the output's shape."""
    attributes = window_attributes(node)
    if attributes.pop("dilations") != (1, 1):
        raise LoweringError("dilations are not supported")
    attributes["count_include_pad"] = int_attribute(node, "count_include_pad", 0)
    x = operand(node, 0)
    builder.step("avg_pool", node, [builder.nhwc(x)], [builder.define(node.outputs[0], "nhwc")], attributes)


def lower_global_pool(builder: Builder, node: ir.Node) -> None:
    """Lower GlobalAveragePool and GlobalMaxPool."""
    x = operand(node, 0)
    builder.step(_GLOBAL_OPS[node.op_type], node, [builder.nhwc(x)], [builder.define(node.outputs[0], "nhwc")])
