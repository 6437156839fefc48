"""Operators that pick elements: Slice, Split and Gather get constant arguments, counted from the front."""

from __future__ import annotations

import numpy as np
from onnx_ir import AttrInt64, Node

from ...errors import ShapeError
from ..rewriting import RuleTable, add_integers, become, describe, fresh_name, insert_before, owner, replace_value
from ..values import axis_from_front, constant, integers, operand, static_shape


def explicit_slice(node: Node) -> bool:
    """Write out axes and steps of a Slice; one that takes everything vanishes."""
    sizes, x = static_shape(node.inputs[0]), node.inputs[0]
    starts, ends = integers(operand(node, 1)), integers(operand(node, 2))
    if sizes is None or starts is None or ends is None or x is None:
        return False
    axes = tuple(range(len(starts))) if operand(node, 3) is None else integers(operand(node, 3))
    steps = (1,) * len(starts) if operand(node, 4) is None else integers(operand(node, 4))
    if axes is None or steps is None or 0 in steps:
        return False
    axes = tuple(axis_from_front(axis, len(sizes)) for axis in axes)
    if min(steps, default=1) < 0:  # an end in front of the first element cannot be counted from the front
        return _with_arguments(node, (starts, ends, axes, steps))
    if static_shape(node.outputs[0]) == sizes:
        return replace_value(node.outputs[0], x)
    ranges = [slice(start, end).indices(sizes[axis])[:2] for start, end, axis in zip(starts, ends, axes, strict=True)]
    return _with_arguments(node, (tuple(begin for begin, _ in ranges), tuple(end for _, end in ranges), axes, steps))


def _with_arguments(node: Node, wanted: tuple[tuple[int, ...], ...]) -> bool:
    if len(node.inputs) == 5 and wanted == tuple(integers(value) for value in node.inputs[1:]):
        return False
    graph, name = owner(node), node.outputs[0].name
    roles = ("starts", "ends", "axes", "steps")
    values = [add_integers(graph, items, f"{name}.{role}") for items, role in zip(wanted, roles, strict=True)]
    return become(node, "Slice", [node.inputs[0], *values], {})


def explicit_split(node: Node) -> bool:
    """Write out the sizes of a Split; one with a single part vanishes."""
    sizes, x = static_shape(node.inputs[0]), node.inputs[0]
    shapes = [static_shape(output) for output in node.outputs]
    if sizes is None or x is None or None in shapes:
        return False
    if len(node.outputs) == 1:
        return replace_value(node.outputs[0], x)
    axis = axis_from_front(node.attributes.get_int("axis", 0), len(sizes))
    parts = tuple(shape[axis] for shape in shapes if shape is not None)
    if 0 in parts:
        return _without_empty_parts(node, axis, parts)
    if integers(operand(node, 1)) == parts and node.attributes.get_int("axis") == axis:
        return False
    value = add_integers(owner(node), parts, f"{node.outputs[0].name}.split")
    return become(node, "Split", [x, value], {"axis": axis})


def _without_empty_parts(node: Node, axis: int, parts: tuple[int, ...]) -> bool:
    """Leave out the parts without elements; who read them reads constants (see :mod:`.folding`)."""
    kept = [(output, size) for output, size in zip(node.outputs, parts, strict=True) if size]
    empty = [output for output, size in zip(node.outputs, parts, strict=True) if not size]
    if any(output.uses() or output.is_graph_output() for output in empty):
        return False
    graph, name = owner(node), node.outputs[0].name
    sizes = add_integers(graph, [size for _, size in kept], f"{name}.split")
    split = Node("", "Split", [node.inputs[0], sizes], [AttrInt64("axis", axis)], num_outputs=len(kept), name=node.name)
    split.meta.update(node.meta)
    graph.insert_before(node, split)
    for new, (old, _) in zip(split.outputs, kept, strict=True):
        new.name, new.shape, new.type = old.name, old.shape, old.type
        old.name = fresh_name(graph, f"{old.name}.replaced")
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    return True


def drop_empty_operands(node: Node) -> bool:
    """Leave out what adds nothing to a concatenation."""
    kept = [value for value in node.inputs if 0 not in (static_shape(value) or (1,))]
    return 0 < len(kept) < len(node.inputs) and become(node, "Concat", kept)


def gather_to_slice(node: Node) -> bool:
    """Gather of indices at equal distance is a Slice; a scalar index also removes the axis."""
    sizes, indices = static_shape(node.inputs[0]), constant(operand(node, 1))
    if sizes is None or indices is None or indices.ndim > 1 or indices.size == 0:
        return False
    axis = axis_from_front(node.attributes.get_int("axis", 0), len(sizes))
    places = np.where(indices < 0, indices + sizes[axis], indices).reshape(-1)
    step = int(places[1] - places[0]) if places.size > 1 else 1
    if step == 0 or (np.diff(places) != step).any():
        return False
    if places.min() < 0 or places.max() >= sizes[axis]:
        # The fault of the shape, it may be: the second input of a batch, asked of a batch of one.
        raise ShapeError(
            f"{describe(node)}: indices {indices.tolist()} are outside of axis {axis} of its input {list(sizes)}"
        )
    end = places[-1] + (1 if step > 0 else -1)
    if end < 0:  # in front of the first element: -1 would be the last one
        end -= sizes[axis]
    graph, name = owner(node), node.outputs[0].name
    arguments = [
        add_integers(graph, [int(item)], f"{name}.{role}")
        for role, item in (("starts", places[0]), ("ends", end), ("axes", axis), ("steps", step))
    ]
    if indices.ndim == 1:
        return become(node, "Slice", [node.inputs[0], *arguments], {})
    sliced_shape = [1 if index == axis else size for index, size in enumerate(sizes)]
    sliced = insert_before(node, "Slice", [node.inputs[0], *arguments], shape=sliced_shape)
    target = add_integers(graph, sliced_shape[:axis] + sliced_shape[axis + 1 :], f"{name}.shape")
    return become(node, "Reshape", [sliced, target], {})


RULES: RuleTable = {
    "Concat": (drop_empty_operands,),
    "Slice": (explicit_slice,),
    "Split": (explicit_split,),
    "Gather": (gather_to_slice,),
}
