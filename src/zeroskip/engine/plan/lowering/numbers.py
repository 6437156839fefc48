"""Lowering of what makes and works on whole numbers and truth values, which are float32 in the core.

Comparisons, logical operators, Where, Cast, Mod, TopK, and the gathering of elements at computed places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from ....onnx.numbers import is_number
from .builder import Builder
from .elementwise import emit_broadcast
from .node import constant_ints, int_attribute, normalized_axis, operand, shape_of

if TYPE_CHECKING:
    from ..types import AttributeValue

_SWAPPED = {"Less": "greater", "LessOrEqual": "greater_equal"}
_COMPARED = {"Equal": "equal", "Greater": "greater", "GreaterOrEqual": "greater_equal", "And": "mul", "Or": "max"}


def lower_comparison(builder: Builder, node: ir.Node) -> None:
    """Lower comparisons, And and Or: 1 where they hold, else 0."""
    a, b = operand(node, 0), operand(node, 1)
    if node.op_type in _SWAPPED:
        emit_broadcast(builder, node, _SWAPPED[node.op_type], b, a)
    else:
        emit_broadcast(builder, node, _COMPARED[node.op_type], a, b)


def lower_not(builder: Builder, node: ir.Node) -> None:
    """Lower Not: whether an operand is 0."""
    emit_broadcast(builder, node, "equal", operand(node, 0), 0.0)


def lower_xor(builder: Builder, node: ir.Node) -> None:
    """Lower Xor: of two different ones one is larger."""
    y = node.outputs[0]
    operands = [builder.row(operand(node, index)) for index in (0, 1)]
    equal = _row(builder, y, "equal")
    builder.emit("broadcast", f"{y.name}:equal", operands, [equal], {"kind": "equal"})
    builder.step("broadcast", node, [equal, builder.number(0.0, "row")], [builder.define(y, "row")], {"kind": "equal"})


def lower_where(builder: Builder, node: ir.Node) -> None:
    """Lower Where; the condition is the last operand in the core."""
    emit_broadcast(builder, node, "select", operand(node, 1), operand(node, 2), operand(node, 0))


def lower_cast(builder: Builder, node: ir.Node) -> None:
    """Lower Cast: between numbers it is another name, from a float the fraction goes."""
    x, y = operand(node, 0), node.outputs[0]
    if y.dtype == ir.DataType.BOOL and x.dtype != ir.DataType.BOOL:
        is_zero = _row(builder, y, "zero")
        zero = builder.number(0.0, "row")
        builder.emit("broadcast", f"{y.name}:zero", [builder.row(x), zero], [is_zero], {"kind": "equal"})
        builder.step("broadcast", node, [is_zero, zero], [builder.define(y, "row")], {"kind": "equal"})
    elif is_number(y) and not is_number(x):
        emit_broadcast(builder, node, "quotient", x, 1.0)
    else:
        builder.define_same(y, x)
        builder.eliminate(node, "a number already")


def lower_mod(builder: Builder, node: ir.Node) -> None:
    """Lower Mod of numbers that are not negative: a - b * floor(a / b), which is exact."""
    y = node.outputs[0]
    a, b = (builder.row(operand(node, index)) for index in (0, 1))
    quotient, product = _row(builder, y, "quotient"), _row(builder, y, "product")
    builder.emit("broadcast", f"{y.name}:quotient", [a, b], [quotient], {"kind": "quotient"})
    builder.emit("broadcast", f"{y.name}:product", [quotient, b], [product], {"kind": "mul"})
    builder.step("broadcast", node, [a, product], [builder.define(y, "row")], {"kind": "sub"})


def lower_top_k(builder: Builder, node: ir.Node) -> None:
    """Lower TopK, always in order."""
    x = operand(node, 0)
    (count,) = constant_ints(node, 1) or ()
    axis = normalized_axis(int_attribute(node, "axis", -1), len(shape_of(x)))
    attributes: dict[str, AttributeValue] = {"axis": axis, "k": count, "largest": int_attribute(node, "largest", 1)}
    outputs = [builder.define(value, "row") for value in node.outputs]
    builder.step("top_k", node, [builder.row(x)], outputs, attributes)


def lower_gather_elements(builder: Builder, node: ir.Node) -> None:
    """Lower GatherElements."""
    x, places, y = operand(node, 0), operand(node, 1), node.outputs[0]
    axis = normalized_axis(int_attribute(node, "axis", 0), len(shape_of(x)))
    inputs = [builder.row(x), builder.row(places)]
    builder.step("gather_elements", node, inputs, [builder.define(y, "row")], {"axis": axis})


def lower_computed_gather(builder: Builder, node: ir.Node) -> None:
    """Lower Gather at computed places: that of elements, with the places repeated along all other axes."""
    x, places, y = operand(node, 0), operand(node, 1), node.outputs[0]
    shape = shape_of(x)
    axis = normalized_axis(int_attribute(node, "axis", 0), len(shape))
    count = int(np.prod(shape_of(places), dtype=np.int64))
    flat = builder.draft.add_tensor(f"{y.name}:places", (*(1,) * axis, count, *(1,) * (len(shape) - axis - 1)), "row")
    builder.emit("copy", f"{y.name}:places", [builder.row(places)], [flat])
    gathered = builder.draft.add_tensor(f"{y.name}:gathered", (*shape[:axis], count, *shape[axis + 1 :]), "row")
    builder.step("gather_elements", node, [builder.row(x), flat], [gathered], {"axis": axis})
    builder.emit("copy", f"{y.name}:reshape", [gathered], [builder.define(y, "row")])


def _row(builder: Builder, value: ir.Value, role: str) -> int:
    return builder.draft.add_tensor(f"{value.name}:{role}", shape_of(value), "row")
