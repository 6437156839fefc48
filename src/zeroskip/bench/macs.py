"""Counting a model's multiply-adds, so that an engine's rate can be judged against the machine's peak."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx
import onnx_ir as ir

from ..baselines import Shapes
from ..onnx import LoadedModel
from ..onnx.load import ModelSource
from ..onnx.rewriting import copy_model

_LARGEST_SHAPE_BYTES = 1 << 10
"""Tensors up to this size may be shapes, which shape inference reads."""


def count_macs(model: ModelSource, input_shapes: Shapes) -> int | None:
    """Return the multiply-adds of one run in convolutions and matrix products, None if shapes are unknown.

    Args:
        model: The model.
        input_shapes: Concrete shape of each graph input.
    """
    proto = _without_weights(LoadedModel.of(model))
    for value in proto.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, input_shapes.get(value.name, ()), strict=False):
            dim.dim_value = size
    for output in proto.graph.output:  # stale dynamic names would contradict what inference finds
        output.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, RuntimeError):
        return None
    shapes: dict[str, tuple[int, ...]] = {
        initializer.name: tuple(initializer.dims) for initializer in graph.initializer
    }
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    macs = [_node_macs(node, shapes) for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    return None if 0 in macs else sum(macs)


def _without_weights(model: LoadedModel) -> onnx.ModelProto:
    """Return a message of the model in which large tensors have shapes only: all that counting needs."""
    copy = copy_model(model.model)
    for value in copy.graph.initializers.values():
        tensor = value.const_value
        if tensor is not None and tensor.nbytes > _LARGEST_SHAPE_BYTES:
            value.const_value = ir.ExternalTensor(
                "none", 0, tensor.nbytes, tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=value.name or ""
            )
    proto: onnx.ModelProto = ir.serde.serialize_model(copy)
    return proto


def _node_macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return the multiply-adds of one node, 0 if a shape is unknown."""
    first, second = (shapes.get(name, ()) for name in node.input[:2])
    outputs = math.prod(shapes.get(node.output[0], (0,)) or (0,))
    if not (first and second):
        return 0
    if node.op_type == "Conv":
        return outputs * math.prod(second[1:])
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return outputs * (first[0] if transposed else first[-1])
