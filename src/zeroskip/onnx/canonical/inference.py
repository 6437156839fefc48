"""Forward pass over a graph: shapes and element types of every value, and folding of constant expressions.

Standard operators are inferred by ``onnx.shape_inference``, one node at a time, and folded by :mod:`.folding`.
The whole-graph passes are not used: they would have to serialise the weights, and do not know the zeroskip
operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import onnx
import onnx.defs
import onnx.shape_inference
import onnx_ir as ir

from ...errors import ModelError, ShapeError
from ..rewriting import describe, malformed_as_model_error
from ..values import ZEROSKIP_DOMAIN, dims, operand, static_shape
from .folding import fold
from .guards import reason_to_refuse
from .quantizers import check_quantizer
from .resize import resized_dims

_INFERENCE_OPSET = 22
_MAX_PROPAGATED_ELEMENTS = 64
"""Constants up to this size are shown to shape inference: axes, shapes, pads; never weights."""

_KNOWN = {
    "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "Div",
    "Expand", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "LRN", "MatMul",
    "MaxPool", "Mul", "Pad", "ReduceMean", "Relu", "Reshape", "Resize", "Slice", "Softmax", "Split",
    "Squeeze", "Sub", "Sum", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Operators for which shapes that do not fit are an error; the others are reported as unsupported anyway."""


def infer(graph: ir.Graph, *, only_missing: bool = False) -> None:
    """Give values their shapes and types, and replace nodes that compute constants by initializers.

    Args:
        graph: Topologically sorted, of opset ``TARGET_OPSET``, graph inputs with type and shape; changed in
            place.
        only_missing: Leave values alone that have a shape and a type already.

    Raises:
        ShapeError: If the shapes of a node's inputs do not fit each other.
        LimitError: If the constants would become too large.
        ModelError: If a constant expression cannot be computed.
    """
    schemas: dict[str, onnx.defs.OpSchema | None] = {}
    for node in list(graph):
        if only_missing and all(output.shape is not None and output.type is not None for output in node.outputs):
            continue
        with malformed_as_model_error(node):
            _infer_node(node, schemas)
            fold(node, must_succeed=node.op_type in _KNOWN)


def infer_node(node: ir.Node) -> None:
    """Give the outputs of one node their shapes and types; raises like :func:`infer`."""
    _infer_node(node, {})


def _infer_node(node: ir.Node, schemas: dict[str, onnx.defs.OpSchema | None]) -> None:
    if node.domain == ZEROSKIP_DOMAIN:
        _infer_own(node)
    elif node.domain == "":
        if node.op_type not in schemas:
            schemas[node.op_type] = _schema(node.op_type)
        schema = schemas[node.op_type]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            check_quantizer(node)
        if node.op_type == "Resize":
            _infer_resize(node)
        elif schema is not None and not _has_subgraph(node):
            _infer_standard(node, schema)
        if node.op_type == "Conv":
            _check_conv(node)


def _schema(op_type: str) -> onnx.defs.OpSchema | None:
    # Not TARGET_OPSET: since 22 a pool with ceil_mode drops a last window that would start in the padding,
    # and ONNX Runtime does so in every opset. Nothing else of what is inferred differs.
    try:
        return onnx.defs.get_schema(op_type, _INFERENCE_OPSET, "")
    except onnx.defs.SchemaError:
        return None


def _has_subgraph(node: ir.Node) -> bool:
    return any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())


def _infer_standard(node: ir.Node, schema: onnx.defs.OpSchema) -> None:
    refused = reason_to_refuse(node)
    if refused is not None:
        raise ShapeError(f"{describe(node)} cannot be: {refused}")
    types: dict[str, onnx.TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for value in node.inputs:
        if value is None or value.name is None or value.name in types:
            continue
        if value.type is None:
            return  # computed by an operator nobody knows; reported as unsupported later
        proto = ir.serde.serialize_type(value.type)
        if value.shape is not None:
            ir.serde.serialize_shape_into(proto, value.shape)
        types[value.name] = proto
        if value.const_value is not None and value.const_value.size <= _MAX_PROPAGATED_ELEMENTS:
            data[value.name] = ir.serde.serialize_tensor(value.const_value)
    try:
        inferred = onnx.shape_inference.infer_node_outputs(schema, ir.serde.serialize_node(node), types, data)
    except Exception as error:  # the C++ side raises several unrelated types
        if node.op_type not in _KNOWN:
            return
        raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: {_first_line(error)}") from error
    for output in node.outputs:
        if output.name in inferred:
            proto = inferred[output.name]
            output.type = ir.serde.deserialize_type_proto_for_type(proto)
            output.shape = ir.serde.deserialize_type_proto_for_shape(proto)
            if any(isinstance(size, int) and size < 0 for size in output.shape or ()):  # a window larger than its input
                raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: it would make {output.shape}")


def _infer_resize(node: ir.Node) -> None:
    x, output = node.inputs[0], node.outputs[0]
    found = resized_dims(node)
    output.type, output.shape = None if x is None else x.type, None if found is None else ir.Shape(found)


def _check_conv(conv: ir.Node) -> None:
    """Check the channels and the window of a convolution, which shape inference does not look at."""
    x, weight = dims(operand(conv, 0)), static_shape(operand(conv, 1))
    bias, groups = static_shape(operand(conv, 2)), conv.attributes.get_int("group", 1)
    if x is None or weight is None:
        return
    has_inputs = len(x) == len(weight) >= 3 and x[1] in (None, weight[1] * groups)
    if groups < 1 or not has_inputs or weight[0] % groups or (bias is not None and bias != weight[:1]):
        raise ShapeError(f"{describe(conv)} cannot take {_operands(conv)}: channels must agree in {groups} groups")
    if conv.attributes.get_string("auto_pad", "NOTSET").startswith("SAME"):
        return
    ones, zeros = (1,) * (len(weight) - 2), (0,) * (2 * len(weight) - 4)
    dilations, pads = conv.attributes.get_ints("dilations", ones), conv.attributes.get_ints("pads", zeros)
    for size, extent, step, begin, end in zip(x[2:], weight[2:], dilations, pads, pads[len(ones) :], strict=False):
        if size is not None and size + begin + end < (extent - 1) * step + 1:
            raise ShapeError(f"{describe(conv)} cannot take {_operands(conv)}: the window does not fit in")


def _infer_own(node: ir.Node) -> None:
    """FatRelu and ChannelAffine keep the shape of x; Linear replaces its last dimension, PixelShuffle all but one."""
    x, output = node.inputs[0], node.outputs[0]
    if x is None:
        raise ModelError(f"{describe(node)} has no input")
    if node.op_type == "Recurrence":
        _infer_recurrence(node, x)
        return
    output.type = x.type
    shape = None if x.shape is None else list(x.shape.dims)
    if shape is not None and node.op_type == "Linear":
        weight = static_shape(node.inputs[1])
        if weight is None or not shape or (isinstance(shape[-1], int) and shape[-1] != weight[1]):
            raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: last and last dimension must agree")
        shape[-1] = weight[0]
    elif shape is not None and node.op_type == "PixelShuffle":
        shape = list(shuffled_dims(node, shape))
    elif shape is not None and len(node.inputs) > 1:
        axis = node.attributes.get_int("axis", 1)
        channels = static_shape(node.inputs[1])
        if axis >= len(shape) or (isinstance(shape[axis], int) and channels not in ((1,), (shape[axis],))):
            raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: dimension {axis} must agree")
    output.shape = None if shape is None else ir.Shape(shape)


def _infer_recurrence(node: ir.Node, x: ir.Value) -> None:
    """All states ``[steps, directions, rows, units]``, then the last of each direction."""
    weight, sizes = static_shape(node.inputs[1]), dims(x)
    for output in node.outputs:
        output.type, output.shape = x.type, None
    if weight is None or sizes is None:
        return
    directions, columns, units = weight
    if len(sizes) != 3 or sizes[2] not in (None, directions * columns):
        raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: it needs [steps, rows, inputs]")
    state = (directions, sizes[1], units)
    for value in node.inputs[3:]:
        known = dims(value) or state
        if len(known) != 3 or any(size not in (None, wanted) for size, wanted in zip(known, state, strict=True)):
            raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: its state has shape {list(state)}")
    shapes = [(sizes[0], *state), *[state] * (len(node.outputs) - 1)]
    for output, shape in zip(node.outputs, shapes, strict=True):
        output.shape = ir.Shape(shape)


def shuffled_dims(node: ir.Node, shape: Sequence[Any]) -> tuple[Any, ...]:
    """Return the dimensions of the result of a PixelShuffle.

    Args:
        node: The node.
        shape: Of its operand; what is no integer is not known.

    Raises:
        ShapeError: If nothing is left.
        ValueError: If they do not fit its blocks.
    """
    blocks, crops = node.attributes.get_ints("blocks", ()), node.attributes.get_ints("crops", ())
    if len(shape) != len(blocks) + 2 or len(crops) != 2 * len(blocks):
        raise ValueError(f"blocks {list(blocks)} and crops {list(crops)} do not fit a tensor of rank {len(shape)}")
    result = [shape[0], shape[1] // math.prod(blocks) if isinstance(shape[1], int) else None]
    for size, block, begin, end in zip(shape[2:], blocks, crops[: len(blocks)], crops[len(blocks) :], strict=True):
        result.append(size * block - begin - end if isinstance(size, int) else None)
    if any(size is not None and size < 1 for size in result[2:]):
        raise ShapeError(f"{describe(node)} would make {result}: nothing is left of its input {list(shape)}")
    return tuple(result)


def _operands(node: ir.Node) -> str:
    shown = []
    for value in node.inputs:
        known = dims(value)
        shown.append("nothing" if value is None else f"'{value.name}' {list(known) if known is not None else '[?]'}")
    return ", ".join(shown).replace("None", "?")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
