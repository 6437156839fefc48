"""Forward pass over a graph: shapes and element types of every value, and folding of constant expressions.

Standard operators are inferred by ``onnx.shape_inference`` and folded by ``onnx.reference``, one node at a
time. The whole-graph passes are not used: they would have to serialise the weights, and do not know the
zeroskip operators.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnx.defs
import onnx.shape_inference
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import ModelError, ShapeError
from ..opset import TARGET_OPSET
from ..rewriting import add_constant, become, describe, malformed_as_model_error, owner
from ..values import ZEROSKIP_DOMAIN, constant, dims, operand, static_shape
from .guards import reason_to_refuse

_INFERENCE_OPSET = 22
_MAX_FOLDED_BYTES = 1 << 30
"""Of all constants that a model's own expressions make, together: a few bytes of file could ask for any amount."""
_FOLDED_BYTES = "zeroskip.folded_bytes"
_MAX_PROPAGATED_ELEMENTS = 64
"""Constants up to this size are shown to shape inference: axes, shapes, pads; never weights."""

_KNOWN = {
    "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "Div",
    "Expand", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "LRN", "MatMul",
    "MaxPool", "Mul", "Pad", "ReduceMean", "Relu", "Reshape", "Resize", "Slice", "Softmax", "Split",
    "Squeeze", "Sub", "Sum", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""Operators for which shapes that do not fit are an error; the others are reported as unsupported anyway."""

_NOT_FOLDED = {
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial", "Constant",
}  # fmt: skip
"""Operators that give something else every time, and those that are constants already."""


def infer(graph: ir.Graph, *, only_missing: bool = False) -> None:
    """Give values their shapes and types, and replace nodes that compute constants by initializers.

    Args:
        graph: Topologically sorted, of opset ``TARGET_OPSET``, graph inputs with type and shape; changed in
            place.
        only_missing: Leave values alone that have a shape and a type already.

    Raises:
        ShapeError: If the shapes of a node's inputs do not fit each other.
        ModelError: If a constant expression cannot be computed, or its result would be too large.
    """
    schemas: dict[str, onnx.defs.OpSchema | None] = {}
    for node in list(graph):
        if only_missing and all(output.shape is not None and output.type is not None for output in node.outputs):
            continue
        with malformed_as_model_error(node):
            if not _fold_shape_of(node):
                _infer_node(node, schemas)
                _fold(node)


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
        if schema is not None and not _has_subgraph(node):
            _infer_standard(node, schema)
        if node.op_type == "Conv":
            _check_channels(node)


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
            if any(size is not None and size < 0 for size in dims(output) or ()):  # a window larger than its input
                raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: it would make {output.shape}")


def _check_channels(conv: ir.Node) -> None:
    """Check the channels of a convolution, which shape inference does not look at."""
    x, weight = dims(operand(conv, 0)), static_shape(operand(conv, 1))
    bias, groups = static_shape(operand(conv, 2)), conv.attributes.get_int("group", 1)
    if x is None or weight is None:
        return
    has_inputs = len(x) == len(weight) >= 3 and x[1] in (None, weight[1] * groups)
    if groups < 1 or not has_inputs or weight[0] % groups or (bias is not None and bias != weight[:1]):
        raise ShapeError(f"{describe(conv)} cannot take {_operands(conv)}: channels must agree in {groups} groups")


def _infer_own(node: ir.Node) -> None:
    """FatRelu and ChannelAffine keep the shape of x; Linear replaces its last dimension."""
    x, output = node.inputs[0], node.outputs[0]
    if x is None:
        raise ModelError(f"{describe(node)} has no input")
    output.type = x.type
    shape = None if x.shape is None else list(x.shape.dims)
    if shape is not None and node.op_type == "Linear":
        weight = static_shape(node.inputs[1])
        if weight is None or not shape or (isinstance(shape[-1], int) and shape[-1] != weight[1]):
            raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: last and last dimension must agree")
        shape[-1] = weight[0]
    elif shape is not None and len(node.inputs) > 1:
        axis = node.attributes.get_int("axis", 1)
        channels = static_shape(node.inputs[1])
        if axis >= len(shape) or (isinstance(shape[axis], int) and channels not in ((1,), (shape[axis],))):
            raise ShapeError(f"{describe(node)} cannot take {_operands(node)}: dimension {axis} must agree")
    output.shape = None if shape is None else ir.Shape(shape)


def _fold_shape_of(node: ir.Node) -> bool:
    """Fold Shape and Size, whose input need not be constant, only of known shape."""
    if node.domain != "" or node.op_type not in ("Shape", "Size"):
        return False
    shape = static_shape(node.inputs[0])
    if shape is None:
        return False
    if node.op_type == "Size":
        return _become_constant(node, np.array(math.prod(shape), dtype=np.int64))
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(shape))
    return _become_constant(node, np.array(shape[start:end], dtype=np.int64))


def _fold(node: ir.Node) -> bool:
    if node.domain != "" or node.op_type in _NOT_FOLDED or len(node.outputs) != 1 or _has_subgraph(node):
        return False
    if node.op_type == "Identity" and node.outputs[0].is_graph_output():
        return False  # how a constant graph output is written
    arrays = [constant(value) for value in node.inputs]
    if any(value is not None and array is None for value, array in zip(node.inputs, arrays, strict=True)):
        return False
    shape = static_shape(node.outputs[0])
    if node.op_type == "ConstantOfShape":
        return _fold_constant_of_shape(node, arrays[0])
    if shape is not None:
        dtype = node.outputs[0].dtype
        has_size = dtype not in (None, ir.DataType.UNDEFINED, ir.DataType.STRING)
        _check_budget(node, math.ceil(math.prod(shape) * (dtype.itemsize if dtype and has_size else 8)))
    try:
        array = _evaluate(node, arrays)
    except Exception as error:  # whatever the reference implementation trips over in a malformed node
        if node.op_type not in _KNOWN:
            return False
        raise ModelError(f"{describe(node)} computes a constant, and fails: {_first_line(error)}") from error
    return _become_constant(node, array)


def _fold_constant_of_shape(node: ir.Node, shape: NDArray[Any] | None) -> bool:
    # The reference implementation goes through a list; these can be hundreds of megabytes (weights of test
    # models).
    if shape is None or (shape < 0).any():
        raise ModelError(f"{describe(node)} would compute a constant of shape {shape}")
    fill = node.attributes.get_tensor("value")
    value = np.zeros(1, dtype=np.float32) if fill is None else fill.numpy()
    _check_budget(node, math.prod(shape.tolist()) * value.itemsize)
    return _become_constant(node, np.full(shape.tolist(), value.reshape(-1)[0], dtype=value.dtype))


def _check_budget(node: ir.Node, size_bytes: int) -> int:
    """Return the bytes of all constants made so far and of one more; raise where that is too much."""
    total: int = owner(node).meta.get(_FOLDED_BYTES, 0) + size_bytes
    if total > _MAX_FOLDED_BYTES:
        raise ModelError(
            f"{describe(node)} would compute a constant of {size_bytes} bytes, {total} with those before it; "
            f"{_MAX_FOLDED_BYTES} are possible"
        )
    return total


def _evaluate(node: ir.Node, arrays: list[NDArray[Any] | None]) -> NDArray[Any]:
    import onnx.reference  # loads all operators of ONNX; most models have nothing to fold but Shape

    proto = ir.serde.serialize_node(node)
    names = list(dict.fromkeys(name for name in proto.input if name))
    function = onnx.helper.make_function(
        "zeroskip", "fold", names, list(proto.output), [proto], [onnx.helper.make_opsetid("", TARGET_OPSET)]
    )
    evaluator = onnx.reference.ReferenceEvaluator(function)
    feeds = {name: array for name, array in zip(proto.input, arrays, strict=True) if name}
    with np.errstate(all="ignore"):
        result: Any = next(iter(evaluator.run(None, feeds, attributes={})))
    if not isinstance(result, np.ndarray | np.generic):
        raise TypeError("the result is not a tensor")
    return np.asarray(result)


def _become_constant(node: ir.Node, array: NDArray[Any]) -> bool:
    """Replace a node by an initializer; a graph output stays computed by an Identity of it."""
    graph, output = owner(node), node.outputs[0]
    graph.meta[_FOLDED_BYTES] = _check_budget(node, array.nbytes)
    value = add_constant(graph, array, f"{output.name}.folded")
    output.shape, output.type = ir.Shape(array.shape), value.type
    if output.is_graph_output():
        return become(node, "Identity", [value], {})
    output.replace_all_uses_with(value)
    graph.remove(node, safe=True)
    return True


def _operands(node: ir.Node) -> str:
    shown = []
    for value in node.inputs:
        known = dims(value)
        shown.append("nothing" if value is None else f"'{value.name}' {list(known) if known is not None else '[?]'}")
    return ", ".join(shown).replace("None", "?")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
