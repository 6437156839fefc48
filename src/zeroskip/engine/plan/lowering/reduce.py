"""Lowering of Softmax, of the reductions and of LRN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .builder import Builder
from .node import (
    LoweringError,
    constant_ints,
    float_attribute,
    int_attribute,
    ints_attribute,
    normalized_axis,
    operand,
    shape_of,
)

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_softmax(builder: Builder, node: ir.Node) -> None:
    """Lower Softmax over one axis."""
    x = operand(node, 0)
    axis = normalized_axis(int_attribute(node, "axis", -1), len(shape_of(x)))
    builder.step("softmax", node, [builder.row(x)], [builder.define(node.outputs[0], "row")], {"axis": axis})


REDUCTIONS = {
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceMin": "min",
    "ReduceProd": "prod",
    "ReduceSum": "sum",
    "ReduceSumSquare": "sum_square",
}
"""ONNX operators that reduce axes, and the kinds of the operator ``reduce`` that they are."""


def lower_reduce(builder: Builder, node: ir.Node) -> None:
    """Lower an operator of ``REDUCTIONS``; axes come as an attribute (opset below 18) or as a constant input."""
    x = operand(node, 0)
    rank = len(shape_of(x))
    axes = constant_ints(node, 1) or ints_attribute(node, "axes", tuple(range(rank)))
    axes = tuple(sorted(normalized_axis(axis, rank) for axis in axes))
    builder.step(
        "reduce",
        node,
        [builder.row(x)],
        [builder.define(node.outputs[0], "row")],
        {"kind": REDUCTIONS[node.op_type], "axes": axes, "keepdims": int_attribute(node, "keepdims", 1)},
    )


def lower_arg_extreme(builder: Builder, node: ir.Node) -> None:
    """Lower ArgMax and ArgMin, whose indices are float32 in the core; of a map over channels as it lies there."""
    x = operand(node, 0)
    axis = normalized_axis(int_attribute(node, "axis", 0), len(shape_of(x)))
    is_map = axis == 1 and builder.has_nhwc(x)
    builder.step(
        "arg_extreme",
        node,
        [builder.nhwc(x) if is_map else builder.row(x)],
        [builder.define(node.outputs[0], "row")],
        {
            "kind": "max" if node.op_type == "ArgMax" else "min",
            "axis": axis,
            "last": int_attribute(node, "select_last_index", 0),
        },
    )


def lower_lrn(builder: Builder, node: ir.Node) -> None:
    """Lower LRN: normalization over neighbouring channels."""
    x = operand(node, 0)
    if len(shape_of(x)) != 4:
        raise LoweringError("only maps of rank 4 are supported")
    builder.step(
        "lrn",
        node,
        [builder.nhwc(x)],
        [builder.define(node.outputs[0], "nhwc")],
        {
            "size": int_attribute(node, "size"),
            "alpha": float_attribute(node, "alpha", 1e-4),
            "beta": float_attribute(node, "beta", 0.75),
            "bias": float_attribute(node, "bias", 1.0),
        },
    )
