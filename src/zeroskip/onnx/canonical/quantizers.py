"""QuantizeLinear and DequantizeLinear of activations: one form, u8 with one scale and one zero point.

Signed steps become unsigned ones. An operator that moves integers moves the floats they stand for instead, between a
DequantizeLinear and a QuantizeLinear that give back the very same integers. Negative values that a quantiser of zero
point 0 cuts off make it a rectifier: it gets the FatRelu that says so, which also takes what rounds to 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import ModelError
from ..quantization import largest_zero, threshold_before
from ..rewriting import (
    AttributeValue,
    RuleTable,
    add_constant,
    become,
    describe,
    fresh_name,
    insert_before,
    owner,
    replace_value,
)
from ..values import constant, dims, has_one_use, is_op, is_own, operand, own_producer, producer, rank, scalar
from .integer_operators import INTEGER_RESULT
from .layout import ACTIVATION_KEY

_HALF_RANGE = 128
_MOVES = (
    "Concat", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
)  # fmt: skip
"""Operators with one result that give for integers what they give for the floats these stand for."""
_SUMS = ("Add", "BatchNormalization", "Conv", "Gemm", "MatMul")
"""Operators whose results are negative as often as not."""


# ------------------------------------------------------------------ what a file may say


def check_quantizer(node: ir.Node) -> None:
    """Refuse scales and zero points that mean nothing.

    Args:
        node: A QuantizeLinear or DequantizeLinear.

    Raises:
        ModelError: If a scale is no finite number above 0, or scales, zero points and the tensor do not fit.
    """
    x, scale, zero_point = operand(node, 0), constant(operand(node, 1)), operand(node, 2)
    if x is None or operand(node, 1) is None:
        raise ModelError(f"{describe(node)} needs a tensor and a scale")
    if scale is not None and not (np.isfinite(scale).all() and (scale > 0).all()):
        wrong = scale.reshape(-1)[~(np.isfinite(scale) & (scale > 0)).reshape(-1)][0]
        raise ModelError(
            f"{describe(node)} has a scale of {wrong}; scales are finite numbers above 0: quantise the model again"
        )
    _check_zero_point(node, x, scale, zero_point)
    if scale is not None and scale.size > 1 and not node.attributes.get_int("block_size", 0):
        _check_axis(node, x, scale)


def _check_zero_point(node: ir.Node, x: ir.Value, scale: NDArray[np.floating] | None, value: ir.Value | None) -> None:
    array = constant(value)
    if value is None or array is None:
        return
    if scale is not None and array.size != scale.size:
        raise ModelError(f"{describe(node)} has {scale.size} scales and {array.size} zero points; one belongs to each")
    if node.op_type == "DequantizeLinear" and x.dtype is not None and value.dtype != x.dtype:
        names = [("unknown" if item is None else item.name.lower()) for item in (x.dtype, value.dtype)]
        raise ModelError(
            f"{describe(node)} reads {names[0]} with a zero point of type {names[1]}; both are of one type"
        )
    if x.dtype == ir.DataType.INT32 and array.any():
        raise ModelError(f"{describe(node)} reads int32 with a zero point of {array.reshape(-1)[0]}; there it is 0")


def _check_axis(node: ir.Node, x: ir.Value, scale: NDArray[np.floating]) -> None:
    axis, sizes = node.attributes.get_int("axis", 1), dims(x)
    if scale.ndim != 1:
        raise ModelError(f"{describe(node)} has scales of shape {list(scale.shape)}; they are one number, or a list")
    if sizes is None:
        return
    if not -len(sizes) <= axis < len(sizes):
        raise ModelError(f"{describe(node)} has scales along axis {axis}, but '{x.name}' has rank {len(sizes)}")
    if sizes[axis] not in (None, scale.size):
        raise ModelError(
            f"{describe(node)} has {scale.size} scales along axis {axis} of '{x.name}', where it has {sizes[axis]}"
        )


def quantizer_axis(node: ir.Node) -> int:
    """Return the axis along which scales run, counted from the front."""
    axis, x_rank = node.attributes.get_int("axis", 1), rank(node.inputs[0]) or 0
    return axis + x_rank if axis < 0 else axis


# ------------------------------------------------------------------ the rules


def explicit_zero_point(node: ir.Node) -> bool:
    """A zero point that is left out is 0, of a QuantizeLinear as u8."""
    x, scale = node.inputs[0], constant(operand(node, 1))
    is_blockwise = node.attributes.get_int("block_size", 0) != 0
    if x is None or scale is None or operand(node, 2) is not None or is_blockwise:
        return False
    dtype = ir.DataType.UINT8 if node.op_type == "QuantizeLinear" else x.dtype
    if dtype is None or dtype not in (ir.DataType.UINT8, ir.DataType.INT8):
        return False
    zero = add_constant(owner(node), np.zeros(scale.shape, dtype.numpy()), f"{node.outputs[0].name}.zero_point")
    return become(node, node.op_type, [*node.inputs[:2], zero])


def of_floats(node: ir.Node) -> bool:
    """An operator that moves integers moves floats, and quantises them again: Q(move(DQ(q))) is move(q)."""
    data = node.inputs if node.op_type == "Concat" else node.inputs[:1]
    kinds = {value.dtype for value in data if value is not None}
    if len(node.outputs) != 1 or kinds not in ({ir.DataType.UINT8}, {ir.DataType.INT8}):
        return False
    steps = _steps_around(node, data)
    if steps is None:
        return False
    floats = [_inserted(node, "DequantizeLinear", value, steps) for value in data]
    shape, attributes = node.outputs[0].shape, dict(node.attributes)
    moved = insert_before(node, node.op_type, [*floats, *node.inputs[len(data) :]], attributes, shape=shape)
    moved.type = ir.TensorType(ir.DataType.FLOAT)
    return become(node, "QuantizeLinear", [moved, *steps], {})


def of_float_parts(node: ir.Node) -> bool:
    """Split, as :func:`of_floats`."""
    x, steps = node.inputs[0], _steps_around(node, node.inputs[:1])
    if x is None or x.dtype not in (ir.DataType.UINT8, ir.DataType.INT8) or steps is None:
        return False
    graph, read = owner(node), _inserted(node, "DequantizeLinear", x, steps)
    parts = ir.Node("", "Split", [read, *node.inputs[1:]], node.attributes.values(), num_outputs=len(node.outputs))
    parts.name = f"{node.name}.floats"
    graph.insert_before(node, parts)
    for old, part in zip(list(node.outputs), parts.outputs, strict=True):
        part.name, part.shape = fresh_name(graph, f"{old.name}.floats"), old.shape
        part.type = ir.TensorType(ir.DataType.FLOAT)
        replace_value(old, _inserted(node, "QuantizeLinear", part, steps, type=old.type))
    return True


def _steps_around(node: ir.Node, data: Sequence[ir.Value | None]) -> list[ir.Value | None] | None:
    """Return scale and zero point of the quantisers beside a node; any would give back the same integers."""
    found = [producer(value, "QuantizeLinear") for value in data]
    found += [usage.node for usage in node.outputs[0].uses() if is_op(usage.node, "DequantizeLinear")]
    for other in found:
        if other is not None and _is_per_tensor(other):
            return list(other.inputs[1:3])
    return None


def _inserted(
    node: ir.Node,
    op_type: str,
    x: ir.Value | None,
    steps: Sequence[ir.Value | None],
    type: ir.TypeProtocol | None = None,
) -> ir.Value:
    shape = None if x is None else x.shape
    value = insert_before(node, op_type, [x, *steps], shape=shape)
    value.type = type or ir.TensorType(ir.DataType.FLOAT)
    return value


def unsigned(node: ir.Node) -> bool:
    """Signed steps that only DequantizeLinear reads are unsigned ones from 128 on.

    Behind a rectifier, where no step below the zero point is used, they are those from the zero point on, so that 0
    stays 0.
    """
    zero_point, output = constant(operand(node, 2)), node.outputs[0]
    if zero_point is None or not _is_per_tensor(node) or output.is_graph_output():
        return False
    quantizers = [node, *(usage.node for usage in output.uses())]
    if not all(is_op(item, "DequantizeLinear") and _is_per_tensor(item) for item in quantizers[1:]):
        return False
    if _is_cut_to_positive(quantizers):
        shift = -int(zero_point.reshape(()))
    elif zero_point.dtype == np.int8:
        shift = _HALF_RANGE
    else:
        return False
    for quantizer in quantizers:
        old = constant(operand(quantizer, 2))
        assert old is not None
        moved = np.asarray(int(old.reshape(())) + shift, np.uint8)
        value = add_constant(owner(node), moved, f"{quantizer.outputs[0].name}.zero_point")
        become(quantizer, quantizer.op_type, [*quantizer.inputs[:2], value], {})
    output.type = ir.TensorType(ir.DataType.UINT8)
    return True


def _is_cut_to_positive(quantizers: Sequence[ir.Node]) -> bool:
    """Let the rectifier in front of quantisers of one zero point end at their largest step, if there is one."""
    rectifier, arrays = (
        own_producer(quantizers[0].inputs[0], "FatRelu"),
        [constant(item.inputs[2]) for item in quantizers],
    )
    zero_points = {(item.dtype, int(item.reshape(()))) for item in arrays if item is not None}
    if rectifier is None or len(zero_points) != 1 or not has_one_use(rectifier.outputs[0]):
        return False
    dtype, zero_point = zero_points.pop()
    limits = np.iinfo(dtype)
    if zero_point == limits.min:
        return False
    largest = float(np.float32(_scale(quantizers[0])) * np.float32(limits.max - zero_point))
    if largest == 0.0:
        return False
    limit = min(rectifier.attributes.get_float("max_value", np.inf), largest)
    rectifier.attributes.add(ir.AttrFloat32("max_value", limit))
    return True


def rectifying(node: ir.Node) -> bool:
    """A quantiser of zero point 0 rectifies sums: what is not above half a step becomes 0."""
    x, zero_point = node.inputs[0], constant(operand(node, 2))
    if x is None or zero_point is None or zero_point.dtype != np.uint8 or zero_point.any() or not _is_per_tensor(node):
        return False
    half = largest_zero(_scale(node))
    rectifier = own_producer(x, "FatRelu")
    if rectifier is not None:
        return has_one_use(x) and _raise_threshold(rectifier, half)
    source = x.producer()
    others = [usage.node for usage in x.uses() if usage.node is not node]
    is_sum = is_op(source, *_SUMS) or is_own(source, "Linear", "ChannelAffine")
    if not is_sum or any(is_op(other, "QuantizeLinear") or is_own(other, "FatRelu") for other in others):
        return False
    rectified = insert_before(node, "FatRelu", [x], {"threshold": half}, own=True, shape=x.shape)
    made = rectified.producer()
    assert made is not None
    made.meta[ACTIVATION_KEY] = x.name if source is None else source.meta.get(INTEGER_RESULT, x.name)
    return become(node, "QuantizeLinear", [rectified, *node.inputs[1:]], {})


def rounded_once(node: ir.Node) -> bool:
    """Steps in front of a rectifier and the same steps behind it: those behind alone give the same integers.

    A threshold that values made of steps have to exceed becomes the one that does the same to what was not yet rounded.
    """
    rectifier = own_producer(node.inputs[0], "FatRelu")
    read = None if rectifier is None else producer(rectifier.inputs[0], "DequantizeLinear")
    inner = None if read is None else producer(read.inputs[0], "QuantizeLinear")
    if rectifier is None or read is None or inner is None or inner.inputs[0] is None:
        return False
    if not all(has_one_use(item.outputs[0]) and _is_per_tensor(item) for item in (inner, read)):
        return False
    zero_points = [constant(operand(item, 2)) for item in (node, read, inner)]
    if not _is_per_tensor(node) or any(item is None or item.dtype != np.uint8 for item in zero_points):
        return False
    last, *first = (int(item.reshape(())) for item in zero_points if item is not None)
    scale, most = _scale(node), np.iinfo(np.uint8).max - first[0]
    is_same = last == 0 and first[0] == first[1] and _scale(read) == _scale(inner) == scale
    if not (is_same and has_one_use(rectifier.outputs[0])):
        return False
    given = constant(operand(rectifier, 1))
    behind = [rectifier.attributes.get_float("threshold", 0.0)] if given is None else given.tolist()
    before = [threshold_before(scale, threshold, most) for threshold in behind]
    known = [threshold for threshold in before if threshold is not None]
    if len(known) < len(before):
        return False
    limit = float(np.float32(scale) * np.float32(most))
    attributes: dict[str, AttributeValue] = {
        **rectifier.attributes,
        "max_value": min(limit, rectifier.attributes.get_float("max_value", np.inf)),
    }
    inputs: list[ir.Value | None] = [inner.inputs[0]]
    if given is None:
        attributes["threshold"] = known[0]
    else:
        values = np.array(known, np.float32)
        inputs.append(add_constant(owner(node), values, f"{rectifier.outputs[0].name}.thresholds"))
    return become(rectifier, "FatRelu", inputs, attributes, own=True, absorbs=[inner, read])


def _raise_threshold(rectifier: ir.Node, least: float) -> bool:
    """Let a rectifier take what would be rounded to 0 behind it; tell whether it did not before."""
    values = constant(operand(rectifier, 1))
    if values is None:
        if rectifier.attributes.get_float("threshold", 0.0) >= least:
            return False
        rectifier.attributes.add(ir.AttrFloat32("threshold", least))
        return True
    if (values >= least).all():
        return False
    raised = add_constant(
        owner(rectifier), np.maximum(values, np.float32(least)), f"{rectifier.outputs[0].name}.thresholds"
    )
    rectifier.replace_input_with(1, raised)
    return True


def shared(node: ir.Node) -> bool:
    """The same integers made floats in the same way twice are made so once."""
    known: dict[tuple[bytes, bytes], list[ir.Node]] = {}
    for usage in node.outputs[0].uses():
        reader, arrays = usage.node, [constant(value) for value in usage.node.inputs[1:]]
        if is_op(reader, "DequantizeLinear") and _is_per_tensor(reader) and len(arrays) == 2:
            key = tuple(b"" if array is None else array.tobytes() for array in arrays)
            known.setdefault((key[0], key[1]), []).append(reader)
    changed = False
    for readers in known.values():
        if len(readers) < 2:
            continue
        graph = owner(node)
        first = ir.Node("", "DequantizeLinear", [node.outputs[0], *readers[0].inputs[1:]])
        first.name, first.outputs[0].name = (
            f"{readers[0].name}.shared",
            fresh_name(graph, f"{node.outputs[0].name}.float"),
        )
        first.outputs[0].type, first.outputs[0].shape = readers[0].outputs[0].type, readers[0].outputs[0].shape
        graph.insert_after(node, first)
        become(first, "DequantizeLinear", first.inputs, absorbs=readers)
        for reader in readers:
            changed |= replace_value(reader.outputs[0], first.outputs[0])
    return changed


def undone(node: ir.Node) -> bool:
    """Quantising what was made of integers in the same way gives them back."""
    inner, output = producer(node.inputs[0], "DequantizeLinear"), node.outputs[0]
    if inner is None or inner.inputs[0] is None or not (_is_per_tensor(node) and _is_per_tensor(inner)):
        return False
    arrays = [(constant(operand(node, index)), constant(operand(inner, index))) for index in (1, 2)]
    is_same = all(a is not None and b is not None and a.dtype == b.dtype and a == b for a, b in arrays)
    return is_same and inner.inputs[0].dtype == output.dtype and replace_value(output, inner.inputs[0])


def _is_per_tensor(node: ir.Node) -> bool:
    scale, zero_point = constant(operand(node, 1)), constant(operand(node, 2))
    return scale is not None and scale.dtype == np.float32 and scale.size == 1 and zero_point is not None


def _scale(node: ir.Node) -> float:
    scale = scalar(operand(node, 1))
    assert scale is not None
    return scale


RULES: RuleTable = {
    "QuantizeLinear": (explicit_zero_point, undone, unsigned, shared, rectifying, rounded_once),
    "DequantizeLinear": (explicit_zero_point,),
    "Split": (of_float_parts,),
    **dict.fromkeys(_MOVES, (of_floats,)),
}
