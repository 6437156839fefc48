"""Lowering of Recurrence: what an LSTM, a GRU or an RNN does step by step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .builder import Builder
from .node import operand, optional_operand, shape_of, string_attribute

if TYPE_CHECKING:
    import onnx_ir as ir

_MOST_OUTPUTS = 3


def lower_recurrence(builder: Builder, node: ir.Node) -> None:
    """Lower Recurrence; the core writes every result, also those that the graph leaves out."""
    kind = string_attribute(node, "kind")
    weight, bias = operand(node, 1), optional_operand(node, 2)
    constants = {"weight": builder.initializer(weight)}
    if bias is not None:
        constants["bias"] = builder.initializer(bias)
    inputs = [builder.row(value) for value in (operand(node, 0), *node.inputs[3:]) if value is not None]
    outputs = [builder.define(value, "row") for value in node.outputs]
    steps, directions, rows, units = shape_of(node.outputs[0])
    for place in range(len(outputs), _MOST_OUTPUTS if kind == "lstm" else _MOST_OUTPUTS - 1):
        name = f"{node.outputs[0].name}:state{place}"
        outputs.append(builder.draft.add_tensor(name, (directions, rows, units), "row"))
    attributes = {"kind": kind, "direction": string_attribute(node, "direction", "forward")}
    macs = steps * rows * math.prod(shape_of(weight))
    builder.step("recurrence", node, inputs, outputs, {**attributes}, constants=constants, macs=macs)
