"""Transposes are moved towards the outputs until they meet their inverse and vanish.

Models that come from a channels-last framework wrap their convolutions in transposes. Moving a transpose
behind an elementwise operator, a concatenation or a reduction costs nothing, and two that meet are composed.
A padding is the exception: it goes behind the transpose, so that a convolution can take it in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..rewriting import (
    RuleTable,
    add_constant,
    add_integers,
    become,
    insert_before,
    owner,
    replace_value,
)
from ..values import (
    constant,
    full_pads,
    has_one_use,
    integers,
    is_op,
    is_own,
    normalized_axes,
    operand,
    producer,
    rank,
    static_shape,
)

Permutation = tuple[int, ...]

ACTIVATION_KEY = "zeroskip.activation"
"""Entry of a FatRelu's ``meta``: name of the activation in the model, where its output could not keep it."""

ORIGINAL_LAYOUT = "zeroskip.layout"
"""Entry of a FatRelu's ``meta``: for each axis of the activation in the model, its canonical axis."""


def compose(node: ir.Node) -> bool:
    """A transpose of a transpose is one, or none."""
    inner = producer(node.inputs[0], "Transpose")
    perm = _permutation(node)
    if perm is not None and perm == tuple(range(len(perm))) and node.inputs[0] is not None:
        return replace_value(node.outputs[0], node.inputs[0])
    if inner is None or perm is None:
        return False
    first = _permutation(inner)
    if first is None or len(first) != len(perm):
        return False
    return become(node, "Transpose", [inner.inputs[0]], {"perm": [first[axis] for axis in perm]})


def behind_pad(node: ir.Node) -> bool:
    """Transpose(Pad(x)) in front of a window operator is Pad(Transpose(x)): it can take the pads."""
    pad, perm = producer(node.inputs[0], "Pad"), _permutation(node)
    if pad is None or perm is None or not has_one_use(node.inputs[0]) or not _feeds_window(node.outputs[0]):
        return False
    pads = _permuted_pads(pad, node, perm)
    if pads is None:
        return False
    turned = _transposed(node, pad.inputs[0], perm)
    return become(node, "Pad", [turned, pads, operand(pad, 2)], dict(pad.attributes), absorbs=[pad])


def through_pad(node: ir.Node) -> bool:
    """Pad(Transpose(x)) is Transpose(Pad(x)), unless a window operator waits for the pads."""
    transpose = producer(node.inputs[0], "Transpose")
    perm = None if transpose is None else _permutation(transpose)
    if transpose is None or perm is None or _feeds_window(node.outputs[0]):
        return False
    pads = _permuted_pads(node, node, _inverse(perm))
    return pads is not None and _swap(node, [transpose.inputs[0], pads, operand(node, 2)], dict(node.attributes), perm)


def _feeds_window(value: ir.Value) -> bool:
    return any(is_op(usage.node, "Conv", "MaxPool", "AveragePool") for usage in value.uses())


def _permuted_pads(pad: ir.Node, place: ir.Node, perm: Permutation) -> ir.Value | None:
    """Return the pads of every axis in the order of ``perm``, as a new constant."""
    full = full_pads(pad, len(perm))
    if full is None:
        return None
    permuted = [full[axis + offset] for offset in (0, len(perm)) for axis in perm]
    return add_integers(owner(place), permuted, f"{place.outputs[0].name}.pads")


def through_unary(node: ir.Node) -> bool:
    """f(Transpose(x)) is Transpose(f(x)) for an elementwise f."""
    transpose = producer(node.inputs[0], "Transpose")
    perm = None if transpose is None else _permutation(transpose)
    if (
        transpose is None
        or perm is None
        or any(constant(value) is None for value in node.inputs[1:] if value is not None)
    ):
        return False
    attributes = dict(node.attributes)
    if is_own(node) and len(node.inputs) > 1:  # its factors or thresholds belong to one axis
        axis = perm[node.attributes.get_int("axis", 1)]
        attributes["axis"] = ir.AttrInt64("axis", axis)
    return _swap(node, [transpose.inputs[0], *node.inputs[1:]], attributes, perm)


def through_quantizers(node: ir.Node) -> bool:
    """DQ(Q(Transpose(x))) is Transpose(DQ(Q(x))) where there is one scale."""
    quantizer = producer(node.inputs[0], "QuantizeLinear")
    transpose = None if quantizer is None else producer(quantizer.inputs[0], "Transpose")
    perm = None if transpose is None else _permutation(transpose)
    factors = [constant(value) for item in (node, quantizer) if item is not None for value in item.inputs[1:]]
    if quantizer is None or transpose is None or perm is None or any(item is None or item.size > 1 for item in factors):
        return False
    x, integers = transpose.inputs[0], quantizer.outputs[0]
    shape = None if x is None else x.shape
    moved = insert_before(node, "QuantizeLinear", [x, *quantizer.inputs[1:]], shape=shape)
    moved.type = integers.type
    floats = insert_before(node, "DequantizeLinear", [moved, *node.inputs[1:]], shape=shape)
    floats.type = node.outputs[0].type
    return become(node, "Transpose", [floats], {"perm": list(perm)}, absorbs=[quantizer])


def through_binary(node: ir.Node) -> bool:
    """f(Transpose(a), Transpose(b)) is Transpose(f(a, b)); a constant operand is transposed for good."""
    perms = {_permutation(t) for value in node.inputs if (t := producer(value, "Transpose")) is not None}
    perm = perms.pop() if len(perms) == 1 else None
    if perm is None:
        return False
    inputs: list[ir.Value | None] = []
    for value in node.inputs:
        transpose, array = producer(value, "Transpose"), constant(value)
        if transpose is not None:
            inputs.append(transpose.inputs[0])
        elif array is not None and array.ndim <= len(perm) and array.size > 1:
            expanded = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
            turned = np.transpose(expanded, _inverse(perm))
            inputs.append(add_constant(owner(node), turned, f"{value.name if value else ''}.transposed"))
        elif array is not None and array.ndim <= len(perm):
            inputs.append(value)
        else:
            return False
    return _swap(node, inputs, dict(node.attributes), perm)


def through_axis(node: ir.Node) -> bool:
    """Concat and Softmax of transposed tensors work along the permuted axis."""
    perms = {None if (t := producer(value, "Transpose")) is None else _permutation(t) for value in _data_inputs(node)}
    perm = perms.pop() if len(perms) == 1 else None
    if perm is None or len(node.outputs) != 1:
        return False
    axis = node.attributes.get_int("axis", -1 if node.op_type == "Softmax" else 0)
    inputs = [t.inputs[0] for value in _data_inputs(node) if (t := producer(value, "Transpose")) is not None]
    attributes = dict(node.attributes)
    attributes["axis"] = ir.AttrInt64("axis", perm[axis])
    return _swap(node, [*inputs, *node.inputs[len(inputs) :]], attributes, perm)


def through_reduction(node: ir.Node) -> bool:
    """A reduction over the axes of a transposed tensor reduces the permuted axes."""
    transpose = producer(node.inputs[0], "Transpose")
    perm, axes = None if transpose is None else _permutation(transpose), integers(operand(node, 1))
    if transpose is None or perm is None or axes is None:
        return False
    reduced = tuple(sorted(perm[axis] for axis in normalized_axes(axes, len(perm))))
    value = add_integers(owner(node), reduced, f"{node.outputs[0].name}.axes")
    if node.attributes.get_int("keepdims", 1):
        return _swap(node, [transpose.inputs[0], value], dict(node.attributes), perm)
    if [axis for axis in perm if axis not in reduced] != [axis for axis in range(len(perm)) if axis not in reduced]:
        return False
    return become(node, node.op_type, [transpose.inputs[0], value], dict(node.attributes), absorbs=[transpose])


def through_slice(node: ir.Node) -> bool:
    """A slice of a transposed tensor slices the permuted axes."""
    transpose, starts = producer(node.inputs[0], "Transpose"), integers(operand(node, 1))
    perm = None if transpose is None else _permutation(transpose)
    if transpose is None or perm is None or starts is None:
        return False
    axes = range(len(starts)) if operand(node, 3) is None else integers(operand(node, 3))
    if axes is None:
        return False
    value = add_integers(owner(node), [perm[axis] for axis in axes], f"{node.outputs[0].name}.axes")
    return _swap(node, [transpose.inputs[0], *node.inputs[1:3], value, operand(node, 4)], {}, perm)


def _swap(node: ir.Node, inputs: Sequence[ir.Value | None], attributes: dict[str, ir.Attr], perm: Permutation) -> bool:
    """Compute the node on untransposed inputs, and transpose its output: ``node`` becomes the transpose.

    The name of an activation stays with the activation, because it is the key that thresholds go by; only
    when it is the name of a graph output does it have to stay with what users see.
    """
    output = node.outputs[0]
    shape = output.shape
    moved_shape = None if shape is None else ir.Shape([shape.dims[axis] for axis in _inverse(perm)])
    moved = insert_before(node, node.op_type, inputs, attributes, own=is_own(node), shape=moved_shape)
    inner = moved.producer()
    if inner is None:
        raise ValueError("a new node has no producer")
    inner.meta.update(node.meta)
    inner.name, node.name = node.name, inner.name
    if is_own(node, "FatRelu"):
        # Thresholds per channel are written into the original model, so its layout must not be forgotten.
        inner.meta[ORIGINAL_LAYOUT] = tuple(perm[axis] for axis in node.meta.get(ORIGINAL_LAYOUT, range(len(perm))))
        if output.is_graph_output():
            inner.meta[ACTIVATION_KEY] = output.name
        else:
            moved.name, output.name = output.name, moved.name
    return become(node, "Transpose", [moved], {"perm": list(perm)})


def _inverse(perm: Permutation) -> Permutation:
    return tuple(int(axis) for axis in np.argsort(perm))


def _transposed(node: ir.Node, x: ir.Value | None, perm: Permutation) -> ir.Value:
    dims = None if x is None or x.shape is None else x.shape.dims
    shape = None if dims is None else ir.Shape([dims[axis] for axis in perm])
    return insert_before(node, "Transpose", [x], {"perm": list(perm)}, shape=shape)


def _permutation(transpose: ir.Node) -> Permutation | None:
    perm = transpose.attributes.get_ints("perm")
    if perm is not None:
        return tuple(perm)
    x_rank = rank(transpose.inputs[0])
    return None if x_rank is None else tuple(range(x_rank))[::-1]


def _data_inputs(node: ir.Node) -> Sequence[ir.Value | None]:
    return node.inputs if node.op_type == "Concat" else node.inputs[:1]


def as_reshape(node: ir.Node) -> bool:
    """A transpose that only moves axes of size 1 leaves the elements in their order: it is a Reshape."""
    shape, perm = static_shape(node.inputs[0]), _permutation(node)
    if shape is None or perm is None:
        return False
    moved = [axis for axis in perm if shape[axis] != 1]
    if moved != sorted(moved):
        return False
    target = add_integers(owner(node), [shape[axis] for axis in perm], f"{node.outputs[0].name}.shape")
    return become(node, "Reshape", [node.inputs[0], target], {})


_UNARY = (
    "Abs", "Cast", "Ceil", "Celu", "ChannelAffine", "Clip", "Cos", "Elu", "Erf", "Exp", "FatRelu", "Floor", "Gelu",
    "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Reciprocal", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Softplus", "Softsign", "Sqrt", "Tanh",
)  # fmt: skip

RULES: RuleTable = {
    "Transpose": (compose, behind_pad, as_reshape),
    **dict.fromkeys(_UNARY, (through_unary,)),
    **dict.fromkeys(("Add", "Mul", "Sub", "Div", "Max", "Min", "PRelu", "Pow", "Sum"), (through_binary,)),
    "DequantizeLinear": (through_quantizers,),
    "Pad": (through_pad,),
    "Concat": (through_axis,),
    "Softmax": (through_axis,),
    "Slice": (through_slice,),
    "ReduceMean": (through_reduction,),
    "ReduceMax": (through_reduction,),
}
