"""Operators that only rename elements: they become one Reshape to a constant shape, or vanish."""

from __future__ import annotations

import math

from onnx_ir import Node

from ..rewriting import RuleTable, add_integers, become, insert_before, owner, replace_value
from ..values import constant, integers, operand, producer, static_shape


def to_reshape(node: Node) -> bool:
    """Flatten, Squeeze, Unsqueeze and Reshape of known result shape; a reshape of a reshape is one."""
    x, shape = node.inputs[0], static_shape(node.outputs[0])
    if x is None or shape is None or constant(x) is not None:
        return False
    if static_shape(x) == shape:
        return replace_value(node.outputs[0], x)
    inner = producer(x, "Reshape")
    if node.op_type == "Reshape" and inner is None and integers(operand(node, 1)) == shape:
        return set_plain(node)
    x = x if inner is None else inner.inputs[0]
    target = add_integers(owner(node), shape, f"{node.outputs[0].name}.shape")
    return become(node, "Reshape", [x, target], {}, absorbs=[inner] if inner is not None else [])


def set_plain(node: Node) -> bool:
    """Drop ``allowzero``, which means nothing for a shape without zeros."""
    return node.attributes.pop("allowzero", None) is not None


def remove_unchanged(node: Node) -> bool:
    """Expand and Tile that leave the shape as it is leave the elements as they are."""
    x, shape = node.inputs[0], static_shape(node.outputs[0])
    return x is not None and shape is not None and static_shape(x) == shape and replace_value(node.outputs[0], x)


def pixel_shuffle(node: Node) -> bool:
    """DepthToSpace and SpaceToDepth are a Reshape, a Transpose and a Reshape."""
    sizes, target = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    block = node.attributes.get_int("blocksize", 0)
    if sizes is None or target is None or len(sizes) != 4 or block < 1:
        return False
    batch, channels, height, width = sizes
    split: tuple[int, ...]
    if node.op_type == "SpaceToDepth":
        split, perm = (batch, channels, height // block, block, width // block, block), (0, 3, 5, 1, 2, 4)
    elif node.attributes.get_string("mode", "DCR") == "DCR":
        split, perm = (batch, block, block, channels // block**2, height, width), (0, 3, 4, 1, 5, 2)
    else:
        split, perm = (batch, channels // block**2, block, block, height, width), (0, 1, 4, 2, 5, 3)
    if math.prod(split) != math.prod(sizes):
        raise ValueError(f"blocks of {block} do not divide its input {list(sizes)}")
    graph, name = owner(node), node.outputs[0].name
    parted = insert_before(node, "Reshape", [node.inputs[0], add_integers(graph, split, f"{name}.split")], shape=split)
    turned_shape = [split[axis] for axis in perm]
    turned = insert_before(node, "Transpose", [parted], {"perm": list(perm)}, shape=turned_shape)
    return become(node, "Reshape", [turned, add_integers(graph, target, f"{name}.shape")], {})


RULES: RuleTable = {
    **dict.fromkeys(("Flatten", "Squeeze", "Unsqueeze", "Reshape"), (to_reshape,)),
    **dict.fromkeys(("Expand", "Tile"), (remove_unchanged,)),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), (pixel_shuffle,)),
}
