"""Upsampling: Resize is written out; a transposed convolution without overlap becomes a convolution."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..rewriting import RuleTable, add_constant, add_integers, become, insert_before, owner, set_attributes
from ..values import axis_from_front, constant, dims, integers, operand, static_shape


def explicit_resize(node: ir.Node) -> bool:
    """Write out attributes, and the scales or the sizes of every axis; drop the region of interest."""
    sizes, attributes = static_shape(node.inputs[0]), node.attributes
    mode = attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if sizes is None or mode == "tf_crop_and_resize":
        return False
    changed = set_attributes(
        node,
        mode=attributes.get_string("mode", "nearest"),
        coordinate_transformation_mode=mode,
        nearest_mode=attributes.get_string("nearest_mode", "round_prefer_floor"),
    )
    axes = attributes.get_ints("axes")
    scales, lengths = constant(operand(node, 2)), integers(operand(node, 3))
    has_scales = scales is not None and scales.size > 0  # opset 11 wrote a missing input as an empty tensor
    if (scales is None and lengths is None) or (axes is None and operand(node, 1) is None and len(node.inputs) == 4):
        return changed
    places = range(len(sizes)) if axes is None else [axis_from_front(axis, len(sizes)) for axis in axes]
    graph, name = owner(node), node.outputs[0].name
    inputs: list[ir.Value | None] = [node.inputs[0], None, None, None]
    if has_scales and scales is not None:
        full_scales = np.ones(len(sizes), np.float32)
        full_scales[list(places)] = scales.reshape(-1)
        inputs[2] = add_constant(graph, full_scales, f"{name}.scales")
    else:
        full_sizes = list(sizes)
        for place, length in zip(places, lengths or (), strict=True):
            full_sizes[place] = length
        inputs[3] = add_integers(graph, full_sizes, f"{name}.sizes")
    return become(node, "Resize", inputs, {key: value for key, value in attributes.items() if key != "axes"})


def transposed_convolution(node: ir.Node) -> bool:
    """ConvTranspose of stride = kernel fills a block for every pixel, so it is Conv 1x1 and DepthToSpace."""
    weight, bias = constant(operand(node, 1)), constant(operand(node, 2))
    if weight is None or weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
        return False
    block = weight.shape[2]
    attributes = node.attributes
    is_plain = (
        tuple(attributes.get_ints("strides", (1, 1))) == (block, block)
        and tuple(attributes.get_ints("dilations", (1, 1))) == (1, 1)
        and not any(attributes.get_ints("pads", ()))
        and not any(attributes.get_ints("output_padding", ()))
        and attributes.get_string("auto_pad", "NOTSET") in ("NOTSET", "VALID")
        and attributes.get_int("group", 1) == 1
        and "output_shape" not in attributes
    )
    if not is_plain or (operand(node, 2) is not None and bias is None):
        return False
    graph, name = owner(node), node.name
    inputs_count, outputs = weight.shape[:2]
    columns = np.ascontiguousarray(weight.reshape(inputs_count, outputs * block**2).T)
    inputs = [node.inputs[0], add_constant(graph, columns[:, :, None, None], f"{name}.weight")]
    if bias is not None:
        inputs.append(add_constant(graph, np.repeat(bias, block**2), f"{name}.bias"))
    x_dims = dims(node.inputs[0])
    shape = None if x_dims is None else ir.Shape([x_dims[0], outputs * block**2, *x_dims[2:]])
    blocks = insert_before(node, "Conv", inputs, shape=shape)
    return become(node, "DepthToSpace", [blocks], {"blocksize": block, "mode": "CRD"})


RULES: RuleTable = {"Resize": (explicit_resize,), "ConvTranspose": (transposed_convolution,)}
