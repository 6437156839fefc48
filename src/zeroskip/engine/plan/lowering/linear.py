"""Lowering of Linear to the native operator ``linear``, and of products of computed matrices to ``matmul``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .builder import Builder
from .node import operand, optional_operand, shape_of

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_linear(builder: Builder, node: ir.Node) -> None:
    """Lower Linear(x, weight, bias?): y = x weight^T + bias over the last dimension.

    A map of one pixel is read as it is. A larger flattened map arrives here through ``to_row``: permuting the
    weights to the map's own order instead would save a copy of a few kilobytes per run at the price of a
    second copy of what may be 400 MB of weights.
    """
    x, weight, y = operand(node, 0), operand(node, 1), node.outputs[0]
    constants = {"weight": builder.initializer(weight)}
    bias = optional_operand(node, 2)
    if bias is not None:
        constants["bias"] = builder.initializer(bias)
    macs = math.prod(shape_of(y)[:-1]) * math.prod(shape_of(weight))
    source = builder.nhwc(x) if len(shape_of(x)) == 2 and builder.has_nhwc(x) else builder.row(x)
    builder.step("linear", node, [source], [builder.define(y, "row")], constants=constants, macs=macs)


def lower_matmul(builder: Builder, node: ir.Node) -> None:
    """Lower MatMul of two batches of matrices."""
    a, b, y = operand(node, 0), operand(node, 1), node.outputs[0]
    macs = math.prod(shape_of(y)) * shape_of(a)[-1]
    builder.step("matmul", node, [builder.row(a), builder.row(b)], [builder.define(y, "row")], macs=macs)
