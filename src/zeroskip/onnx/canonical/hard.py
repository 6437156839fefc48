"""HardSigmoid and HardSwish from their parts, as exporters for older opsets write them.

They are to be recognised before everything else: their inner clip to [0, 6] would be taken for a ReLU6, and a
threshold there would be nonsense.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..rewriting import RuleTable, become
from ..values import operand, producer, scalar


def hard_sigmoid(node: ir.Node) -> bool:
    """clip(x + 3, 0, 6) / 6 is HardSigmoid with alpha 1/6 and beta 1/2."""
    divisor = scalar(operand(node, 1))
    if divisor is None or not np.isclose(divisor, 6.0 if node.op_type == "Div" else 1.0 / 6.0, rtol=1e-6):
        return False
    x = _shifted_relu6(node.inputs[0])
    return x is not None and become(node, "HardSigmoid", [x], {"alpha": 1.0 / 6.0, "beta": 0.5})


def hard_swish(node: ir.Node) -> bool:
    """x * HardSigmoid(x) with alpha 1/6 and beta 1/2 is HardSwish; so is x * clip(x + 3, 0, 6) / 6."""
    for x, gate in (node.inputs, node.inputs[::-1]):
        sigmoid = producer(gate, "HardSigmoid")
        if sigmoid is not None and x is not None and sigmoid.inputs[0] is x and _is_standard(sigmoid):
            return become(node, "HardSwish", [x], {}, absorbs=[sigmoid])
    return False


def hard_swish_divided(node: ir.Node) -> bool:
    """x * clip(x + 3, 0, 6) / 6, with the product taken first."""
    product, divisor = producer(node.inputs[0], "Mul"), scalar(operand(node, 1))
    if product is None or divisor is None:
        return False
    if not np.isclose(divisor, 6.0 if node.op_type == "Div" else 1.0 / 6.0, rtol=1e-6):
        return False
    for x, gate in (product.inputs, product.inputs[::-1]):
        if x is not None and _shifted_relu6(gate) is x:
            return become(node, "HardSwish", [x], {}, absorbs=[product])
    return False


def _is_standard(sigmoid: ir.Node) -> bool:
    alpha, beta = sigmoid.attributes.get_float("alpha", 0.2), sigmoid.attributes.get_float("beta", 0.5)
    return bool(np.isclose(alpha, 1.0 / 6.0, rtol=1e-6)) and beta == 0.5


def _shifted_relu6(value: ir.Value | None) -> ir.Value | None:
    """Return x if a value is clip(x + 3, 0, 6), in one operator or two."""
    node = producer(value, "Clip", "Min")
    if node is None:
        return None
    if node.op_type == "Min" or (operand(node, 1) is None and operand(node, 2) is not None):
        relu = producer(node.inputs[0], "Relu")
        bound = operand(node, 1 if node.op_type == "Min" else 2)
        x = relu.inputs[0] if relu is not None and scalar(bound) == 6.0 else None
    else:
        x = node.inputs[0] if scalar(operand(node, 1)) == 0.0 and scalar(operand(node, 2)) == 6.0 else None
    add = producer(x, "Add")
    if add is None:
        return None
    for kept, other in (add.inputs, add.inputs[::-1]):
        if scalar(other) == 3.0:
            return kept
    return None


RULES: RuleTable = {
    "Mul": (hard_swish_divided, hard_sigmoid, hard_swish),
    "Div": (hard_swish_divided, hard_sigmoid),
}
