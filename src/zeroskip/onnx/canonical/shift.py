"""Batch normalisation between an activation and padded convolutions: the zeros shall reach the convolutions.

The scale of such an affine map goes into the weights. The shift cannot become a bias, because the border of a padded
convolution sees 0 where the network has no shift either; but what it contributes depends on the place only, not on the
data: once shapes are known it is a constant map ``[1, O, OH, OW]`` that is added to the result. The convolution
then reads the activation itself, and skips its zeros.

Where there is no padding, and where the map has no shift, :mod:`.affine` does the same with a bias.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..rewriting import RuleTable, add_constant, become, insert_before, owner
from ..values import constant, has_one_use, is_op, is_own, own_producer, producer, static_shape
from .affine import AffineMap, Float64Array, absorb, has_constant_weights, is_unpadded, per_group, scaled_weight

_SMALLEST_SCALE = 1e-12  # the shift is divided by it
_LARGEST_MAP = 1 << 26  # elements, a quarter of a gigabyte: beyond, the affine map stays


def leave_shift(node: ir.Node) -> bool:
    """Leave only a shift of an affine map in front of convolutions: their weights take the scale."""
    affine = AffineMap.of(node)
    if (affine.scale == 1.0).all() or not affine.bias.any() or not reaches_convolutions(node):
        return False
    if not (np.isfinite(affine.scale) & (np.abs(affine.scale) > _SMALLEST_SCALE)).all():
        return False
    for conv in {usage.node for usage in node.outputs[0].uses()}:
        weight = constant(conv.inputs[1])
        assert weight is not None
        channels = weight.shape[1] * conv.attributes.get_int("group", 1)
        scaled = scaled_weight(conv, np.broadcast_to(affine.scale, (channels,)), input_axis=True)
        become(conv, "Conv", [conv.inputs[0], scaled, *conv.inputs[2:]])
    return AffineMap(np.ones_like(affine.scale), affine.bias / affine.scale, affine.axis).write(node, node.inputs[0])


def reaches_convolutions(node: ir.Node) -> bool:
    """Tell whether an affine map stands between an activation and nothing but convolutions that can take it over."""
    output = node.outputs[0]
    readers = {usage.node for usage in output.uses()}
    return (
        bool(readers)
        and not output.is_graph_output()
        and AffineMap.of(node).works_on(1)
        and _holds_zeros(node.inputs[0])
        and all(usage.idx == 0 for usage in output.uses())
        and all(is_op(reader, "Conv") and _can_skip(reader) for reader in readers)
    )


def is_shift(node: ir.Node | None) -> bool:
    """Tell whether a node is a shift that :func:`fold_shift` takes away once shapes are known."""
    return node is not None and is_own(node, "ChannelAffine") and _only_shifts(node) and reaches_convolutions(node)


def fold_shift(node: ir.Node) -> bool:
    """Add what a shift in front of a convolution contributes behind it."""
    shift, x, y = own_producer(node.inputs[0], "ChannelAffine"), static_shape(node.inputs[0]), node.outputs[0]
    if shift is None or x is None or not is_shift(shift):
        return False
    if is_unpadded(node):
        return absorb(node, shift)
    weight, result = constant(node.inputs[1]), static_shape(y)
    pads = node.attributes.get_ints("pads")
    if weight is None or result is None or pads is None or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    windows = zip(weight.shape[2:], result[2:], strict=True)
    if max(math.prod(result[1:]), *(extent * count for extent, count in windows)) > _LARGEST_MAP:
        return False
    bias = np.broadcast_to(AffineMap.of(shift).bias, (x[1],))
    contribution = _contribution(node, weight, bias, x[2:], result[2:])
    size = "x".join(str(extent) for extent in x[2:])
    added = add_constant(owner(node), contribution[None].astype(np.float32), f"{node.name}.border.{size}")
    inputs = [shift.inputs[0], *node.inputs[1:]]
    convolved = insert_before(node, "Conv", inputs, dict(node.attributes), shape=y.shape)
    conv = convolved.producer()
    assert conv is not None
    node.name, conv.name = conv.name, node.name  # the convolution is what the user knows by its name
    become(conv, "Conv", inputs, absorbs=[shift])
    return become(node, "Add", [convolved, added], {})


def added_map(conv: ir.Node) -> tuple[ir.Node, NDArray[np.float32]] | None:
    """Return the addition behind a convolution that adds a constant map, and the map ``[1, O, ...]``; or None."""
    y = conv.outputs[0]
    if not has_one_use(y) or is_unpadded(conv):
        return None
    add, shape = next(iter(y.uses())).node, static_shape(y)
    added = constant(add.inputs[1]) if is_op(add, "Add") else None
    if added is None or shape is None or added.shape != (1, *shape[1:]) or added.dtype != np.float32:
        return None
    return (add, added) if _can_skip(conv) else None


def _only_shifts(node: ir.Node) -> bool:
    return bool((AffineMap.of(node).scale == 1.0).all())


def _holds_zeros(value: ir.Value | None) -> bool:
    while (pool := producer(value, "MaxPool")) is not None:
        value = pool.inputs[0]
    return own_producer(value, "FatRelu") is not None


def _can_skip(conv: ir.Node) -> bool:
    """Tell whether zeros of its input save a convolution work: not where each channel is convolved alone."""
    if not has_constant_weights(conv):
        return False
    weight = constant(conv.inputs[1])
    return weight is not None and weight.dtype == np.float32 and weight.ndim in (3, 4) and weight.shape[1] > 1


def _contribution(
    conv: ir.Node, weight: NDArray[np.float32], shift: Float64Array, sizes: tuple[int, ...], results: tuple[int, ...]
) -> Float64Array:
    """Return what a convolution makes of ``shift`` inside the image and 0 around it: ``[O, *results]``."""
    outputs, group_inputs, *kernel = weight.shape
    seen = per_group(shift, weight, conv.attributes.get_int("group", 1))
    taps = weight.reshape(outputs, group_inputs, -1)
    answers = np.stack([(taps[:, :, tap] * seen).sum(axis=1) for tap in range(taps.shape[2])], axis=1)
    found: Float64Array = answers.reshape(outputs, *kernel)
    strides, dilations, pads = (conv.attributes.get_ints(key, ()) for key in ("strides", "dilations", "pads"))
    for axis, extent in enumerate(kernel):
        places = np.arange(results[axis]) * strides[axis] - pads[axis] + np.arange(extent)[:, None] * dilations[axis]
        is_inside = ((places >= 0) & (places < sizes[axis])).astype(np.float64)
        found = np.tensordot(found, is_inside, axes=(1, 0))  # the next axis of the kernel comes first then
    return found


RULES: RuleTable = {"ChannelAffine": (leave_shift,)}
CONCRETE_RULES: RuleTable = {"Conv": (fold_shift,)}
