"""Resize: its sizes, and everything written out; a transposed convolution without overlap becomes a convolution."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ..opset import SIMPLE_ROUNDING
from ..rewriting import (
    RuleTable,
    add_constant,
    add_integers,
    become,
    insert_before,
    owner,
    replace_value,
    set_attributes,
)
from ..values import axis_from_front, constant, dims, integers, operand, static_shape


def resized_dims(node: ir.Node) -> tuple[int | None, ...] | None:
    """Return the dimensions of a Resize, None for those not known; None when the rank is not known.

    The onnx package multiplies a length by its scale in float64, so that 10 times 1.4, which is a little below as a
    float32, would be 13. ONNX Runtime multiplies in float32, and gets the 14 that PyTorch had in mind.

    Raises:
        ValueError: If scales or sizes do not fit the axes, or are no positive numbers.
    """
    known = dims(node.inputs[0])
    if known is None:
        return None
    found, places = list(known), _places(node, len(known))
    scales, sizes = constant(operand(node, 2)), integers(operand(node, 3))
    if scales is not None and scales.size > 0:
        factors = [np.float32(scale) for scale in scales.reshape(-1)]
        if not all(np.isfinite(factor) and factor > 0 for factor in factors):
            raise ValueError(f"its scales are {scales.tolist()}, but must be positive")
        for place, factor in zip(places, factors, strict=True):
            length = known[place]
            found[place] = None if length is None else int(factor * np.float32(length))
    elif sizes is not None:
        for place, size in zip(places, _kept_aspect(node, [known[place] for place in places], sizes), strict=True):
            found[place] = size
    else:
        return tuple(None for _ in found)
    return tuple(found)


def _kept_aspect(node: ir.Node, lengths: list[int | None], sizes: tuple[int, ...]) -> tuple[int | None, ...]:
    """Return the sizes that ``keep_aspect_ratio_policy`` makes of those asked for; rounded as ONNX Runtime does."""
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" or len(lengths) != len(sizes):
        return sizes
    if None in lengths or 0 in lengths:
        return tuple(None for _ in sizes)
    have = [np.float32(length or 0) for length in lengths]
    factors = [np.float32(size) / length for size, length in zip(sizes, have, strict=True)]
    factor = min(factors) if policy == "not_larger" else max(factors)
    return tuple(math.floor(float(factor * length) + 0.5) for length in have)


def _places(node: ir.Node, rank: int) -> list[int]:
    """Return the axes that scales and sizes are of."""
    axes = node.attributes.get_ints("axes")
    return list(range(rank)) if axes is None else [axis_from_front(axis, rank) for axis in axes]


def explicit_resize(node: ir.Node) -> bool:
    """Write out attributes, and the scales or the sizes of every axis; drop the region of interest.

    A result of the size of the input is the input, whatever the scales say: ONNX Runtime copies it.
    """
    x, sizes, attributes = node.inputs[0], static_shape(node.inputs[0]), node.attributes
    mode = attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if x is None or sizes is None or mode == "tf_crop_and_resize":
        return False
    if static_shape(node.outputs[0]) == sizes:
        return replace_value(node.outputs[0], x)
    changed = set_attributes(
        node,
        mode=attributes.get_string("mode", "nearest"),
        coordinate_transformation_mode=mode,
        nearest_mode=attributes.get_string("nearest_mode", "round_prefer_floor"),
    )
    axes = attributes.get_ints("axes")
    scales, lengths = constant(operand(node, 2)), integers(operand(node, 3))
    has_scales = scales is not None and scales.size > 0  # opset 11 wrote a missing input as an empty tensor
    if has_scales and attributes.get_string("nearest_mode") == SIMPLE_ROUNDING:
        return _explicit_rounding(node)
    if (scales is None and lengths is None) or (axes is None and operand(node, 1) is None and len(node.inputs) == 4):
        return changed
    places, graph, name = _places(node, len(sizes)), owner(node), node.outputs[0].name
    inputs: list[ir.Value | None] = [node.inputs[0], None, None, None]
    if has_scales and scales is not None:
        full_scales = np.ones(len(sizes), np.float32)
        full_scales[places] = scales.reshape(-1)
        inputs[2] = add_constant(graph, full_scales, f"{name}.scales")
    else:
        full_sizes = list(sizes)
        for place, length in zip(places, lengths or (), strict=True):
            full_sizes[place] = length
        inputs[3] = add_integers(graph, full_sizes, f"{name}.sizes")
    return become(node, "Resize", inputs, {key: value for key, value in attributes.items() if key != "axes"})


def _explicit_rounding(node: ir.Node) -> bool:
    """Write out which way a Resize of opset 10 rounds: two of them where some axes grow and others shrink."""
    scales = constant(operand(node, 2))
    assert scales is not None
    is_shorter = scales.reshape(-1) < 1.0
    attributes = {**node.attributes, "nearest_mode": ir.AttrString("nearest_mode", "floor")}
    if not is_shorter.any():
        return become(node, "Resize", node.inputs, attributes)
    shrunk = {**attributes, "nearest_mode": ir.AttrString("nearest_mode", "ceil")}
    if not (scales > 1.0).any():
        return become(node, "Resize", node.inputs, shrunk)
    graph, name, x = owner(node), node.outputs[0].name, node.inputs[0]
    kept = list(zip(is_shorter, dims(x) or (), dims(node.outputs[0]) or (), strict=True))
    if all(is_short or before == after for is_short, before, after in kept):
        return False  # the second would be a copy, see above, and is none here
    down, up = (
        add_constant(graph, np.where(mask, scales.reshape(-1), 1.0).astype(np.float32), f"{name}.scales")
        for mask in (is_shorter, ~is_shorter)
    )
    shape = ir.Shape([after if is_short else before for is_short, before, after in kept])
    between = insert_before(node, "Resize", [x, None, down], shrunk, shape=shape)
    return become(node, "Resize", [between, None, up], attributes)


RULES: RuleTable = {"Resize": (explicit_resize,)}
