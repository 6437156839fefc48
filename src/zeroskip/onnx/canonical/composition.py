"""Operators that are written by others which the engine has: negation, small powers, logarithmic reductions, ...

What comes out is as exact as what ONNX Runtime computes: powers of 2 and 3 are its own products, and the largest
value is taken out of exponentials.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ..rewriting import RuleTable, add_constant, add_integers, become, insert_before, owner, replace_value
from ..values import axis_from_front, constant, dims, has_one_use, integers, operand, producer, scalar, static_shape

_SMALLEST_NORM = np.finfo(np.float32).tiny


def negation(node: ir.Node) -> bool:
    """Neg is a multiplication by -1, exactly."""
    return become(node, "Mul", [node.inputs[0], _number(node, -1.0)], {}) if _is_float(node) else False


def power(node: ir.Node) -> bool:
    """Pow of 1, 2 and 3."""
    x, exponent = node.inputs[0], constant(operand(node, 1))
    if x is None or exponent is None or exponent.size != 1 or exponent.ndim > (len(x.shape) if x.shape else 0):
        return False
    degree = float(exponent.reshape(-1)[0])
    if degree == 1.0:
        return replace_value(node.outputs[0], x)
    if degree == 2.0:
        return become(node, "Mul", [x, x], {})
    if degree == 3.0:
        return become(node, "Mul", [insert_before(node, "Mul", [x, x], shape=x.shape), x], {})
    return False


def pairs(node: ir.Node) -> bool:
    """Max and Min of n tensors are n - 1 of two."""
    if len(node.inputs) < 3:
        return False
    first = node.inputs[0]
    for value in node.inputs[1:-1]:
        first = insert_before(node, node.op_type, [first, value])
    return become(node, node.op_type, [first, node.inputs[-1]], {})


def mean(node: ir.Node) -> bool:
    """Mean of n tensors is their sum, divided."""
    if len(node.inputs) < 2:
        return False
    total = insert_before(node, "Sum", node.inputs, shape=node.outputs[0].shape)
    return become(node, "Div", [total, _number(node, float(len(node.inputs)))], {})


def leaky(node: ir.Node) -> bool:
    """PRelu with one slope is LeakyRelu."""
    x, slope = node.inputs[0], constant(operand(node, 1))
    if x is None or slope is None or slope.size == 0 or slope.dtype != np.float32:
        return False
    is_uniform = slope.size == 1 or bool((slope == slope.reshape(-1)[0]).all())
    return is_uniform and become(node, "LeakyRelu", [x], {"alpha": float(slope.reshape(-1)[0])})


def log_softmax(node: ir.Node) -> bool:
    """LogSoftmax is what is left of x without the logarithm of the sum of its exponentials."""
    x, sizes = node.inputs[0], dims(node.inputs[0])
    if x is None or sizes is None:
        return False
    axis = axis_from_front(node.attributes.get_int("axis", -1), len(sizes))
    shape = ir.Shape([1 if index == axis else size for index, size in enumerate(sizes)])
    axes = add_integers(owner(node), [axis], f"{node.outputs[0].name}.axes")
    largest = insert_before(node, "ReduceMax", [x, axes], {"keepdims": 1}, shape=shape)
    shifted = insert_before(node, "Sub", [x, largest], shape=x.shape)
    exponentials = insert_before(node, "Exp", [shifted], shape=x.shape)
    total = insert_before(node, "ReduceSum", [exponentials, axes], {"keepdims": 1}, shape=shape)
    return become(node, "Sub", [shifted, insert_before(node, "Log", [total], shape=shape)], {})


def log_sum(node: ir.Node) -> bool:
    """ReduceLogSum is the logarithm of a sum."""
    total = insert_before(node, "ReduceSum", node.inputs, dict(node.attributes), shape=node.outputs[0].shape)
    return become(node, "Log", [total], {})


def log_sum_exp(node: ir.Node) -> bool:
    """ReduceLogSumExp, with the largest value taken out first."""
    x, axes, sizes = node.inputs[0], integers(operand(node, 1)), dims(node.inputs[0])
    if x is None or axes is None or sizes is None or not axes:
        return False
    places = {axis_from_front(axis, len(sizes)) for axis in axes}
    shape = ir.Shape([1 if index in places else size for index, size in enumerate(sizes)])
    keeps, result = node.attributes.get_int("keepdims", 1), node.outputs[0].shape
    largest = insert_before(node, "ReduceMax", [x, node.inputs[1]], {"keepdims": 1}, shape=shape)
    shifted = insert_before(node, "Sub", [x, largest], shape=x.shape)
    exponentials = insert_before(node, "Exp", [shifted], shape=x.shape)
    total = insert_before(node, "ReduceSum", [exponentials, node.inputs[1]], {"keepdims": keeps}, shape=result)
    logarithm = insert_before(node, "Log", [total], shape=result)
    if not keeps:
        largest = insert_before(node, "Squeeze", [largest, node.inputs[1]], shape=result)
    return become(node, "Add", [logarithm, largest], {})


def lp_normalization(node: ir.Node) -> bool:
    """LpNormalization is a division by a norm; where that is 0 the result is 0."""
    x, sizes, degree = node.inputs[0], dims(node.inputs[0]), node.attributes.get_int("p", 2)
    if x is None or sizes is None or degree not in (1, 2):
        return False
    axis = axis_from_front(node.attributes.get_int("axis", -1), len(sizes))
    shape = ir.Shape([1 if index == axis else size for index, size in enumerate(sizes)])
    axes = add_integers(owner(node), [axis], f"{node.outputs[0].name}.axes")
    norm = insert_before(node, f"ReduceL{degree}", [x, axes], {"keepdims": 1}, shape=shape)
    least = _number(node, float(_SMALLEST_NORM))
    bounded = insert_before(node, "Max", [norm, least], shape=shape)
    return become(node, "Div", [x, bounded], {})


def tile(node: ir.Node) -> bool:
    """Tile is an Expand between two reshapes: every repeated axis gets another one in front."""
    x, shape, result = node.inputs[0], static_shape(node.inputs[0]), static_shape(node.outputs[0])
    repeats = integers(operand(node, 1))
    if x is None or shape is None or result is None or repeats is None or shape == result:
        return False
    parted, repeated = [], []
    for size, count in zip(shape, repeats, strict=True):
        parted += [1, size] if count != 1 else [size]
        repeated += [count, size] if count != 1 else [size]
    graph, name = owner(node), node.outputs[0].name
    apart = insert_before(node, "Reshape", [x, add_integers(graph, parted, f"{name}.parted")], shape=parted)
    target = add_integers(graph, repeated, f"{name}.repeated")
    expanded = insert_before(node, "Expand", [apart, target], shape=repeated)
    return become(node, "Reshape", [expanded, add_integers(graph, result, f"{name}.shape")], {})


def pad_of_zeros(node: ir.Node) -> bool:
    """A concatenation with constant zeros in front or behind is a Pad."""
    sizes = [static_shape(value) for value in node.inputs]
    computed = [index for index, value in enumerate(node.inputs) if constant(value) is None]
    zeros = [array is not None and not array.any() for array in map(constant, node.inputs)]
    if len(computed) != 1 or sum(zeros) != len(zeros) - 1 or None in sizes or len(node.inputs) < 2:
        return False
    (place,) = computed
    rank = len(sizes[place] or ())
    axis = axis_from_front(node.attributes.get_int("axis", 0), rank)
    amounts = [shape[axis] if shape else 0 for shape in sizes]
    pads = [0] * (2 * rank)
    pads[axis], pads[axis + rank] = sum(amounts[:place]), sum(amounts[place + 1 :])
    value = add_integers(owner(node), pads, f"{node.outputs[0].name}.pads")
    return become(node, "Pad", [node.inputs[place], value], {"mode": "constant"})


def gelu(node: ir.Node) -> bool:
    """Gelu, as it was written before there was an operator: 0.5 x (1 + erf(x / sqrt 2)) in any order of factors."""
    factors = _factors(node, 4)
    halves = [item for item in factors if (value := scalar(item)) is not None and value == 0.5]
    gates = [item for item in factors if _erf_of_scaled(item) is not None]
    if len(factors) != 3 or len(halves) != 1 or len(gates) != 1:
        return False
    x = _erf_of_scaled(gates[0])
    rest = [item for item in factors if item is not halves[0] and item is not gates[0]]
    return x is not None and rest == [x] and become(node, "Gelu", [x], {"approximate": "none"})


def group_normalization(node: ir.Node) -> bool:
    """GroupNormalization is InstanceNormalization of groups, then a scale and a bias of every channel.

    Up to opset 20 those are one a group, later one a channel; their size says which.
    """
    x, shape = node.inputs[0], static_shape(node.inputs[0])
    groups = node.attributes.get_int("num_groups", 0)
    if x is None or shape is None or len(shape) < 3 or not _is_float(node) or groups < 1 or shape[1] % groups:
        return False
    found = [constant(operand(node, index)) for index in (1, 2)]
    weights = [weight for weight in found if weight is not None and weight.shape in ((groups,), (shape[1],))]
    if len(weights) < 2:
        return False
    graph, name, column = owner(node), node.outputs[0].name, (shape[1], *(1 for _ in shape[2:]))
    scale, bias = (
        add_constant(graph, np.repeat(weight, shape[1] // weight.size).reshape(column), f"{name}.column")
        for weight in weights
    )
    grouped = (shape[0], groups, math.prod(shape[1:]) // groups)
    ones, zeros = (add_constant(graph, np.full(groups, value, np.float32), f"{name}.group") for value in (1, 0))
    inside = insert_before(node, "Reshape", [x, add_integers(graph, grouped, f"{name}.groups")], shape=grouped)
    epsilon = {"epsilon": node.attributes.get_float("epsilon", 1e-5)}
    normal = insert_before(node, "InstanceNormalization", [inside, ones, zeros], epsilon, shape=grouped)
    outside = insert_before(node, "Reshape", [normal, add_integers(graph, shape, f"{name}.shape")], shape=shape)
    return become(node, "Add", [insert_before(node, "Mul", [outside, scale], shape=shape), bias], {})


def _factors(node: ir.Node, depth: int) -> list[ir.Value]:
    """Return what a chain of multiplications multiplies; what else reads a product in between is a factor."""
    found: list[ir.Value] = []
    for value in node.inputs:
        inner = producer(value, "Mul")
        if value is not None and inner is not None and has_one_use(value) and depth > 1:
            found += _factors(inner, depth - 1)
        elif value is not None:
            found.append(value)
    return found


def _erf_of_scaled(value: ir.Value | None) -> ir.Value | None:
    """Return x if a value is 1 + erf(x / sqrt 2)."""
    add = producer(value, "Add")
    if add is None:
        return None
    for erf_value, one in (add.inputs, add.inputs[::-1]):
        erf = producer(erf_value, "Erf")
        scaled = None if erf is None else producer(erf.inputs[0], "Div", "Mul")
        if scaled is None or scalar(one) != 1.0:
            continue
        factor = scalar(scaled.inputs[1])
        wanted = np.sqrt(2.0) if scaled.op_type == "Div" else np.sqrt(0.5)
        if factor is not None and abs(factor - wanted) < 1e-5:
            return scaled.inputs[0]
    return None


def _is_float(node: ir.Node) -> bool:
    x = node.inputs[0]
    return x is not None and x.dtype == ir.DataType.FLOAT


def _number(node: ir.Node, value: float) -> ir.Value:
    return add_constant(owner(node), np.array(value, np.float32), f"{node.outputs[0].name}.number")


EARLY_RULES: RuleTable = {"Mul": (gelu,)}
"""To be applied before constants are taken for factors per channel."""

RULES: RuleTable = {
    "LogSoftmax": (log_softmax,),
    "LpNormalization": (lp_normalization,),
    "Max": (pairs,),
    "Mean": (mean,),
    "Min": (pairs,),
    "Neg": (negation,),
    "PRelu": (leaky,),
    "Pow": (power,),
    "ReduceLogSum": (log_sum,),
    "ReduceLogSumExp": (log_sum_exp,),
}
CONCRETE_RULES: RuleTable = {
    "Concat": (pad_of_zeros,),
    "GroupNormalization": (group_normalization,),
    "Tile": (tile,),
}
"""Once shapes are known."""
