"""Operators that do nothing, and sums and differences of computed tensors."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ..rewriting import RuleTable, add_constant, become, insert_before, owner, replace_value
from ..values import constant, dims, has_one_use, integers, is_op, operand, own_producer, producer, scalar


def remove_identity(node: ir.Node) -> bool:
    """Identity, and variadic operators of one operand."""
    x = node.inputs[0]
    if len(node.inputs) != 1 or x is None or (node.op_type != "Identity" and is_op(x.producer(), "Identity")):
        return False
    return replace_value(node.outputs[0], x)


def remove_dropout(node: ir.Node) -> bool:
    """Dropout does nothing in inference. Its mask must not be used."""
    training = operand(node, 2)
    if training is not None and scalar(training) != 0.0:
        return False
    if any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        return False
    return node.inputs[0] is not None and replace_value(node.outputs[0], node.inputs[0])


def remove_cast(node: ir.Node) -> bool:
    """Remove a Cast to the type the tensor has already."""
    x = node.inputs[0]
    same = x is not None and x.dtype is not None and x.dtype == node.attributes.get_int("to", 0)
    return same and x is not None and replace_value(node.outputs[0], x)


def remove_empty_pad(node: ir.Node) -> bool:
    """Remove a Pad of nothing."""
    amounts, x = integers(operand(node, 1)), node.inputs[0]
    return amounts is not None and not any(amounts) and x is not None and replace_value(node.outputs[0], x)


def remove_unbounded_clip(node: ir.Node) -> bool:
    """Remove a Clip without bounds; NaN is none, for nothing is smaller or larger."""
    low, high, x = operand(node, 1), operand(node, 2), node.inputs[0]
    if _is_nan(low) or _is_nan(high):
        return become(node, "Clip", [x, None if _is_nan(low) else low, None if _is_nan(high) else high])
    is_unbounded = (low is None or scalar(low) == -np.inf) and (high is None or scalar(high) == np.inf)
    return is_unbounded and x is not None and replace_value(node.outputs[0], x)


def _is_nan(bound: ir.Value | None) -> bool:
    value = scalar(bound)
    return value is not None and math.isnan(value)


def sum_to_adds(node: ir.Node) -> bool:
    """Sum of n tensors is n - 1 additions, in the order of ONNX Runtime."""
    if len(node.inputs) < 2:
        return False
    total = node.inputs[0]
    is_broadcast = len({dims(value) for value in node.inputs}) > 1
    for value in node.inputs[1:-1]:
        shape = None if is_broadcast else node.outputs[0].shape
        total = insert_before(node, "Add", [total, value], shape=shape)
    return become(node, "Add", [total, node.inputs[-1]], {})


def difference(node: ir.Node) -> bool:
    """a - b is a + (-1) * b, exactly: a layer that computes b takes the factor in, and the sum into its epilogue."""
    a, b = node.inputs
    if a is None or b is None or constant(a) is not None or constant(b) is not None or b.dtype != ir.DataType.FLOAT:
        return False
    if not has_one_use(b) or not (producer(b, "Conv") or own_producer(b, "Linear", "ChannelAffine")):
        return False
    minus_one = add_constant(owner(node), np.array(-1.0, np.float32), f"{node.name}.minus_one")
    negated = insert_before(node, "Mul", [b, minus_one], shape=b.shape)
    return become(node, "Add", [a, negated], {})


RULES: RuleTable = {
    "Identity": (remove_identity,),
    "Concat": (remove_identity,),
    "Sum": (remove_identity, sum_to_adds),
    "Max": (remove_identity,),
    "Min": (remove_identity,),
    "Mean": (remove_identity,),
    "Dropout": (remove_dropout,),
    "Cast": (remove_cast,),
    "Pad": (remove_empty_pad,),
    "Clip": (remove_unbounded_clip,),
    "Sub": (difference,),
}
