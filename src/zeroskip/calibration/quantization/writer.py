"""Writing a quantised network: standard ONNX with QuantizeLinear and DequantizeLinear, opset 20.

Thresholds stand between two pairs of quantisers of the same steps, so that other runtimes compute their layers with
integers too; in the engine the three become one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...onnx import to_standard
from ...onnx.activation import layer_name
from ...onnx.quantization import LARGEST_SUM, largest_zero, scales_with_room
from ...onnx.rewriting import add_constant, copy_model, fresh_name, fresh_node_name, insert_before, sweep
from ...onnx.values import constant, is_op, operand, own_producer
from .placement import Placement
from .scales import ScaleMethod, Steps, rounded_weight, scales_for_bytes, weight_scales


def write_quantized(
    prepared: ir.Model,
    placement: Placement,
    steps: Mapping[str, Steps],
    means: Mapping[str, NDArray[np.float64]],
    method: ScaleMethod,
) -> ir.Model:
    """Return a quantised network in standard ONNX.

    Args:
        prepared: The float network, from ``prepare``; not changed.
        placement: What becomes integers.
        steps: By value to quantise.
        means: By value that a layer reads: the mean of each channel, for the correction of biases.
        method: How weight scales are chosen.
    """
    model = copy_model(prepared)
    graph = model.graph
    layers = {layer_name(node): (node, _input_name(node)) for node in graph if layer_name(node) in placement.layers}
    names = {name: node.outputs[0].name or "" for name, (node, _) in layers.items()}
    values = {value.name: value for value in (*graph.inputs, *(out for node in graph for out in node.outputs))}
    by_name = {node.name: node for node in graph}
    for name, readers in placement.readers.items():
        _quantize_value(graph, values[name], [by_name[reader] for reader in readers], steps[name])
    standard = to_standard(model)
    producers = {output.name: node for node in standard.graph for output in node.outputs}
    for name, (_, source) in layers.items():
        node: ir.Node | None = producers[names[name]]
        if node is not None and is_op(node, "Add"):  # of a matrix product of higher rank, whose bias stays a float
            node = node.inputs[0].producer() if node.inputs[0] is not None else None
        if node is not None and is_op(node, "Conv", "Gemm", "MatMul"):
            _quantize_layer(standard.graph, node, steps[source], means.get(source), method)
    sweep(standard.graph)
    return standard


def _input_name(node: ir.Node) -> str:
    return "" if node.inputs[0] is None else node.inputs[0].name or ""


def _quantize_value(graph: ir.Graph, value: ir.Value, readers: list[ir.Node], steps: Steps) -> None:
    rectifier = own_producer(value, "FatRelu")
    if rectifier is not None and steps.zero_point == 0 and _threshold(rectifier) > largest_zero(steps.scale):
        source = rectifier.inputs[0]
        assert source is not None
        rectifier.replace_input_with(0, _pair(graph, source, steps, before=rectifier))
    floats = _pair(graph, value, steps, before=_first(graph, readers))
    for reader in readers:
        for index, read in enumerate(reader.inputs):
            if read is value:
                reader.replace_input_with(index, floats)


def _first(graph: ir.Graph, nodes: list[ir.Node]) -> ir.Node:
    wanted = set(nodes)
    return next(node for node in graph if node in wanted)


def _threshold(rectifier: ir.Node) -> float:
    values = constant(operand(rectifier, 1))
    return rectifier.attributes.get_float("threshold", 0.0) if values is None else float(values.max(initial=0.0))


def _pair(graph: ir.Graph, value: ir.Value, steps: Steps, before: ir.Node) -> ir.Value:
    scale = add_constant(graph, np.array(steps.scale, np.float32), f"{value.name}.scale")
    zero_point = add_constant(graph, np.array(steps.zero_point, np.uint8), f"{value.name}.zero_point")
    integers = insert_before(before, "QuantizeLinear", [value, scale, zero_point], name=f"{value.name}.integers")
    integers.name, integers.type = fresh_name(graph, f"{value.name}.u8"), ir.TensorType(ir.DataType.UINT8)
    floats = insert_before(before, "DequantizeLinear", [integers, scale, zero_point])
    floats.name, floats.type = fresh_name(graph, f"{value.name}.floats"), ir.TensorType(ir.DataType.FLOAT)
    integers.shape = floats.shape = None if value.shape is None else ir.Shape(value.shape.dims)
    return floats


def _quantize_layer(
    graph: ir.Graph, node: ir.Node, steps: Steps, means: NDArray[np.float64] | None, method: ScaleMethod
) -> None:
    """Make the weight of a layer integers, and its bias, corrected by what rounding the weight adds on average."""
    stored, bias = constant(operand(node, 1)), constant(operand(node, 2))
    assert stored is not None
    axis = 1 if is_op(node, "MatMul") else 0
    weight = stored.T if axis else stored
    # A float bias would keep the layer a float.
    scale = scales_with_room(scales_for_bytes(weight, weight_scales(weight, method)), steps.scale, bias)
    integers = rounded_weight(weight, scale)
    shaped = scale.reshape((-1,) + (1,) * (weight.ndim - 1))
    _dequantized(graph, node, 1, integers.T if axis else integers, scale, axis)
    if is_op(node, "MatMul"):
        return
    error = (
        (weight.astype(np.float64) - integers * shaped.astype(np.float64)).reshape(*weight.shape[:2], -1).sum(axis=2)
    )
    shift = np.zeros(len(weight)) if means is None else _response(error, means)
    if bias is None and not shift.any():
        return
    total = shift if bias is None else bias.astype(np.float64) + shift
    bias_scale = (scale * np.float32(steps.scale)).astype(np.float32)
    counts = np.rint(total / np.maximum(bias_scale.astype(np.float64), np.finfo(np.float64).tiny))
    if np.abs(counts).max(initial=0.0) > LARGEST_SUM or (bias_scale <= 0).any():
        _set_input(node, 2, add_constant(graph, total.astype(np.float32), f"{node.name}.bias"))
        return
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    _dequantized(graph, node, 2, counts.astype(np.int32), bias_scale, 0)


def _response(error: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what errors ``[O, I / groups]`` of weights, taps added up, answer to the means of I channels."""
    outputs, per_group = error.shape
    groups = max(1, len(means) // per_group)
    if groups * per_group != len(means) or outputs % groups:
        return np.zeros(outputs)
    answer: NDArray[np.float64] = (error * np.repeat(means.reshape(groups, per_group), outputs // groups, axis=0)).sum(
        1
    )
    return answer


def _set_input(node: ir.Node, index: int, value: ir.Value) -> None:
    if len(node.inputs) <= index:
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def _dequantized(
    graph: ir.Graph, node: ir.Node, index: int, integers: NDArray[np.generic], scale: NDArray[np.float32], axis: int
) -> None:
    role = ("", "weight", "bias")[index]
    values = add_constant(graph, np.ascontiguousarray(integers), f"{node.name}.{role}.integers")
    scales = add_constant(graph, scale, f"{node.name}.{role}.scale")
    inputs = [values, scales]
    if index == 1:
        inputs.append(add_constant(graph, np.zeros(len(scale), np.int8), f"{node.name}.{role}.zero_point"))
    new = ir.Node("", "DequantizeLinear", inputs, [ir.AttrInt64("axis", axis)])
    new.name, new.outputs[0].name = (
        fresh_node_name(graph, f"{node.name}.{role}"),
        fresh_name(graph, f"{node.name}.{role}"),
    )
    new.outputs[0].type, new.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(integers.shape)
    graph.insert_before(node, new)
    node.replace_input_with(index, new.outputs[0])
