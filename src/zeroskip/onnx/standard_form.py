"""From the canonical form back to standard ONNX, which any runtime can execute.

``write_fat_relu`` is also how thresholds get into a model: ThresholdedRelu carries one threshold, Greater and
Where carry one per channel, Clip the upper bound.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import ModelError
from .recurrent_form import write_recurrent
from .rewriting import AttributeValue, add_constant, become, copy_model, describe, insert_before, owner, sweep
from .values import ZEROSKIP_DOMAIN, constant, dims, is_own, operand, rank


def to_standard(canonical: ir.Model) -> ir.Model:
    """Return a model without zeroskip operators that computes the same.

    Args:
        canonical: A canonical model; not changed, tensors are shared.

    Returns:
        A model of the default domain only, IR version 10, that ONNX Runtime loads.

    Raises:
        ModelError: If the rank of a value with a threshold or a factor per channel is not known.
    """
    model = copy_model(canonical)
    for node in list(model.graph):
        if is_own(node, "Recurrence"):
            write_recurrent(node)
    for node in list(model.graph):
        if is_own(node, "FatRelu"):
            _lower_fat_relu(node)
        elif is_own(node, "ChannelAffine"):
            _lower_channel_affine(node)
        elif is_own(node, "Linear"):
            _lower_linear(node)
        elif is_own(node, "PixelShuffle"):
            _lower_pixel_shuffle(node)
    model.opset_imports.pop(ZEROSKIP_DOMAIN, None)
    model.ir_version = 10
    sweep(model.graph)
    return model


def write_fat_relu(node: ir.Node, x: ir.Value, threshold: NDArray[np.float32], max_value: float = np.inf) -> None:
    """Turn a node into standard operators that compute min(x > threshold ? x : 0, max_value).

    Args:
        node: The node to change in place; its output becomes the result.
        x: Input of the activation.
        threshold: float32, >= 0: ``[]``, or one per channel in a shape that broadcasts against x.
        max_value: Upper bound, infinity for none.
    """
    graph, name = owner(node), node.outputs[0].name
    is_clipped = bool(np.isfinite(max_value))
    zero = add_constant(graph, np.zeros((), np.float32), f"{name}.zero") if is_clipped or threshold.ndim else None
    op_type, attributes = "Relu", {}
    inputs: list[ir.Value | None] = [x]
    if threshold.ndim:
        limit = add_constant(graph, threshold, f"{name}.thresholds")
        condition = insert_before(node, "Greater", [x, limit])
        condition.type = ir.TensorType(ir.DataType.BOOL)
        op_type, inputs = "Where", [condition, x, zero]
    elif threshold > 0.0:
        op_type, attributes = "ThresholdedRelu", {"alpha": float(threshold)}
    if not is_clipped:
        become(node, op_type, inputs, attributes)
        return
    gated = x  # the Clip is a Relu itself
    if op_type != "Relu":
        gated = insert_before(node, op_type, inputs, attributes)
        gated.type = x.type
    bound = add_constant(graph, np.array(max_value, np.float32), f"{name}.max")
    become(node, "Clip", [gated, zero, bound], {})


def along_axis(values: NDArray[np.float32], axis: int, value_rank: int) -> NDArray[np.float32]:
    """Return values ``[C]`` shaped to be broadcast along one axis of a tensor."""
    return values.reshape((-1,) + (1,) * (value_rank - axis - 1))


def _lower_fat_relu(node: ir.Node) -> None:
    x, threshold = node.inputs[0], constant(operand(node, 1))
    if x is None:
        raise ModelError(f"{describe(node)} has no input")
    if threshold is None:
        threshold = np.array(node.attributes.get_float("threshold", 0.0), np.float32)
    else:
        threshold = along_axis(threshold, node.attributes.get_int("axis", 1), _known_rank(node))
    write_fat_relu(node, x, threshold, node.attributes.get_float("max_value", np.inf))


def _known_rank(node: ir.Node) -> int:
    x_rank = rank(node.inputs[0])
    if x_rank is None:
        raise ModelError(f"{describe(node)} has one factor or threshold per channel, and an input of unknown rank")
    return x_rank


def _lower_channel_affine(node: ir.Node) -> None:
    x, graph, name = node.inputs[0], owner(node), node.outputs[0].name
    x_rank, axis = _known_rank(node), node.attributes.get_int("axis", 1)
    scale, bias = (
        add_constant(graph, along_axis(factor, axis, x_rank), f"{name}.{role}")
        for role, factor in (("scale", constant(node.inputs[1])), ("bias", constant(node.inputs[2])))
        if factor is not None
    )
    become(node, "Add", [insert_before(node, "Mul", [x, scale]), bias], {})


def _lower_linear(node: ir.Node) -> None:
    x, weight_value, weight = node.inputs[0], node.inputs[1], constant(node.inputs[1])
    if weight is None:
        raise ModelError(f"{describe(node)} has a weight that is not constant")
    bias = operand(node, 2)
    if rank(x) == 2:
        become(node, "Gemm", [x, weight_value] if bias is None else [x, weight_value, bias], {"transB": 1})
        return
    turned = add_constant(owner(node), weight.T, f"{node.name}.weight")
    if bias is None:
        become(node, "MatMul", [x, turned], {})
        return
    become(node, "Add", [insert_before(node, "MatMul", [x, turned]), bias], {})


def _lower_pixel_shuffle(node: ir.Node) -> None:
    """Write a PixelShuffle as the ConvTranspose that puts every channel into its place."""
    sizes = dims(node.outputs[0])
    blocks, groups = node.attributes.get_ints("blocks", ()), node.attributes.get_int("groups", 1)
    if sizes is None or sizes[1] is None:
        raise ModelError(f"{describe(node)} has an input of unknown channels")
    places, width = math.prod(blocks), sizes[1] // groups
    weight = np.zeros((groups, places, width, width, places), np.float32)
    weight[:, np.arange(places)[:, None], np.arange(width), np.arange(width), np.arange(places)[:, None]] = 1.0
    value = add_constant(
        owner(node), weight.reshape(groups * places * width, width, *blocks), f"{node.outputs[0].name}.places"
    )
    crops = node.attributes.get_ints("crops", ())
    attributes: dict[str, AttributeValue] = {"kernel_shape": blocks, "strides": blocks, "pads": crops, "group": groups}
    become(node, "ConvTranspose", [node.inputs[0], value], attributes)
