"""Defaults written out and axes counted from the front: the planner needs to know no default of ONNX."""

from __future__ import annotations

from onnx_ir import Node

from ..rewriting import RuleTable, add_integers, become, owner, replace_value, set_attributes
from ..values import axis_from_front, full_pads, integers, normalized_axes, operand, rank

_KINDS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
REDUCTIONS = tuple(f"Reduce{kind}" for kind in _KINDS)
"""Operators that reduce axes, which their second input names."""


def axis(node: Node) -> bool:
    """The axis of Softmax and Concat."""
    x_rank = rank(node.inputs[0])
    return x_rank is not None and set_attributes(
        node, axis=axis_from_front(node.attributes.get_int("axis", -1), x_rank)
    )


def reduction(node: Node) -> bool:
    """The axes of a reduction, sorted; none given means all of them."""
    x_rank, axes, x = rank(node.inputs[0]), operand(node, 1), node.inputs[0]
    if x_rank is None or x is None or (axes is not None and integers(axes) is None):
        return False
    given = integers(axes) or ()
    if not given and node.attributes.get_int("noop_with_empty_axes"):
        return replace_value(node.outputs[0], x)
    wanted = normalized_axes(given, x_rank) if given else tuple(range(x_rank))
    changed = node.attributes.pop("noop_with_empty_axes", None) is not None
    changed = set_attributes(node, keepdims=node.attributes.get_int("keepdims", 1)) or changed
    if given == wanted:
        return changed
    value = add_integers(owner(node), wanted, f"{node.outputs[0].name}.axes")
    return become(node, node.op_type, [x, value])


def pad(node: Node) -> bool:
    """The mode of Pad, and the pads of every axis where only some are named."""
    x_rank = rank(node.inputs[0])
    changed = set_attributes(node, mode=node.attributes.get_string("mode", "constant"))
    full = None if x_rank is None or operand(node, 3) is None else full_pads(node, x_rank)
    if full is None:
        return changed
    pads = add_integers(owner(node), full, f"{node.outputs[0].name}.pads")
    return become(node, "Pad", [node.inputs[0], pads, operand(node, 2)])


def hard_sigmoid(node: Node) -> bool:
    """Alpha and beta of HardSigmoid."""
    attributes = node.attributes
    return set_attributes(node, alpha=attributes.get_float("alpha", 0.2), beta=attributes.get_float("beta", 0.5))


def lrn(node: Node) -> bool:
    """The constants of local response normalisation."""
    attributes = node.attributes
    return set_attributes(
        node,
        alpha=attributes.get_float("alpha", 1e-4),
        beta=attributes.get_float("beta", 0.75),
        bias=attributes.get_float("bias", 1.0),
    )


def layer_normalization(node: Node) -> bool:
    """The axis and epsilon of LayerNormalization."""
    x_rank, attributes = rank(node.inputs[0]), node.attributes
    changed = attributes.pop("stash_type", None) is not None  # of the arithmetic, which is float32 here
    changed = set_attributes(node, epsilon=attributes.get_float("epsilon", 1e-5)) or changed
    if x_rank is None:
        return changed
    return set_attributes(node, axis=axis_from_front(attributes.get_int("axis", -1), x_rank)) or changed


RULES: RuleTable = {
    "LayerNormalization": (layer_normalization,),
    "Softmax": (axis,),
    "Concat": (axis,),
    **dict.fromkeys(REDUCTIONS, (reduction,)),
    "Pad": (pad,),
    "HardSigmoid": (hard_sigmoid,),
    "LRN": (lrn,),
}
