"""Fully connected layers: Gemm and MatMul with constant weights become ``zeroskip::Linear``.

y = x @ weight.T + bias with weight ``[out, in]`` and bias ``[out]``. A bias added behind a MatMul arrives by
way of the affine rules.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from ..quantization import set_weight_quantization, weight_quantization
from ..rewriting import RuleTable, add_constant, become, insert_before, owner
from ..values import constant, operand


def gemm(node: ir.Node) -> bool:
    """Gemm: alpha * x @ W + beta * c."""
    weight = constant(operand(node, 1))
    if weight is None or weight.ndim != 2 or weight.dtype != np.float32 or node.attributes.get_int("transA"):
        return False
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    is_transposed = bool(node.attributes.get_int("transB", 0))
    addend, addend_array = operand(node, 2), constant(operand(node, 2))
    outputs = weight.shape[0 if is_transposed else 1]
    inputs = [node.inputs[0], _weight(node, is_transposed, alpha)]
    if addend is None or beta == 0.0:
        return become(node, "Linear", inputs, {}, own=True)
    is_row = addend_array is not None and (addend_array.size == 1 or addend_array.shape[-1] == addend_array.size)
    if addend_array is not None and is_row:
        bias = np.broadcast_to(addend_array.reshape(-1), (outputs,))
        bias = bias if beta == 1.0 else (bias * np.float64(beta)).astype(np.float32)
        inputs.append(add_constant(owner(node), np.ascontiguousarray(bias), f"{node.name}.bias"))
        return become(node, "Linear", inputs, {}, own=True)
    product = insert_before(node, "Linear", inputs, own=True, shape=node.outputs[0].shape)
    if beta != 1.0:
        factor = add_constant(owner(node), np.array(beta, np.float32), f"{node.name}.beta")
        addend = insert_before(node, "Mul", [addend, factor], shape=addend.shape)
    return become(node, "Add", [product, addend], {})


def matmul(node: ir.Node) -> bool:
    """MatMul by a constant matrix; leading dimensions of x are kept."""
    weight = constant(operand(node, 1))
    if weight is None or weight.ndim != 2 or weight.dtype != np.float32 or constant(node.inputs[0]) is not None:
        return False
    return become(node, "Linear", [node.inputs[0], _weight(node, False, 1.0)], {}, own=True)


def _weight(node: ir.Node, is_transposed: bool, alpha: float) -> ir.Value | None:
    """Return the weight as ``[out, in]``: the value itself, or a transposed view, unless alpha scales it."""
    value, weight = node.inputs[1], constant(node.inputs[1])
    if weight is None or (is_transposed and alpha == 1.0):
        return value
    turned = weight if is_transposed else weight.T
    scaled = turned if alpha == 1.0 else (turned * np.float64(alpha)).astype(np.float32)
    result = add_constant(owner(node), scaled, f"{node.name}.weight")
    integers = weight_quantization(value)
    if integers is not None and alpha > 0.0:
        if alpha != 1.0:
            integers = replace(integers, scale=(integers.scale * np.float64(alpha)).astype(np.float32))
        set_weight_quantization(result, integers if is_transposed else integers.transposed())
    return result


RULES: RuleTable = {"Gemm": (gemm,), "MatMul": (matmul,)}
