"""Lowering of what only moves values: Reshape, Transpose, Concat, Slice, Split, Pad, Expand, Gather."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import AttributeValue
from .builder import Builder
from .node import (
    LoweringError,
    constant_float,
    constant_ints,
    constant_of,
    int_attribute,
    ints_attribute,
    is_constant,
    normalized_axis,
    operand,
    shape_of,
    string_attribute,
)
from .numbers import lower_computed_gather

if TYPE_CHECKING:
    import onnx_ir as ir


def lower_reshape(builder: Builder, node: ir.Node) -> None:
    """Lower Reshape to a copy, which most often turns out to need no copying.

    A reshape that leaves N and C alone only regroups pixels, so an nhwc map stays one.
    """
    x, y = operand(node, 0), node.outputs[0]
    before, after = shape_of(x), shape_of(y)
    keeps_channels = before[:2] == after[:2] and 2 <= len(after) <= 4
    if keeps_channels and builder.has_nhwc(x):
        builder.step("copy", node, [builder.nhwc(x)], [builder.define(y, "nhwc")])
    else:
        builder.step("copy", node, [builder.row(x)], [builder.define(y, "row")])


def lower_transpose(builder: Builder, node: ir.Node) -> None:
    """Lower Transpose; one between channels-first and channels-last costs nothing or one layout change."""
    x, y = operand(node, 0), node.outputs[0]
    rank = len(shape_of(x))
    perm = ints_attribute(node, "perm", tuple(reversed(range(rank))))
    is_map = rank in (3, 4)
    if is_map and perm == (0, *range(2, rank), 1) and builder.has_nhwc(x):
        builder.move_channels_last(node)
    elif is_map and perm == (0, rank - 1, *range(1, rank - 1)):
        builder.move_channels_first(node)
    else:
        builder.step("transpose", node, [builder.row(x)], [builder.define(y, "row")], {"perm": perm})


def lower_concat(builder: Builder, node: ir.Node) -> None:
    """Lower Concat: of channels in nhwc, of anything else in row layout."""
    values, y = [operand(node, index) for index in range(len(node.inputs))], node.outputs[0]
    rank = len(shape_of(y))
    axis = normalized_axis(int_attribute(node, "axis"), rank)
    computed = [value for value in values if not is_constant(value)]
    if axis == 1 and builder.prefers_nhwc(*computed):
        builder.step(
            "concat",
            node,
            [builder.nhwc(value, rank) for value in values],
            [builder.define(y, "nhwc")],
            {"axis": 1},
        )
    else:
        builder.step(
            "concat",
            node,
            [builder.row(value) for value in values],
            [builder.define(y, "row")],
            {"axis": axis},
        )


def lower_expand(builder: Builder, node: ir.Node) -> None:
    """Lower Expand; the result's shape says how often what is repeated."""
    builder.step("expand", node, [builder.row(operand(node, 0))], [builder.define(node.outputs[0], "row")])


def lower_gather(builder: Builder, node: ir.Node) -> None:
    """Lower Gather with indices of any shape."""
    if not is_constant(operand(node, 1)):
        lower_computed_gather(builder, node)
        return
    x, y, indices = operand(node, 0), node.outputs[0], constant_of(operand(node, 1))
    shape = shape_of(x)
    axis = normalized_axis(int_attribute(node, "axis", 0), len(shape))
    places = tuple(int(place) + shape[axis] * int(place < 0) for place in indices.reshape(-1).tolist())
    attributes: dict[str, AttributeValue] = {"axis": axis, "indices": places}
    if indices.ndim == 1:
        builder.step("gather", node, [builder.row(x)], [builder.define(y, "row")], attributes)
        return
    gathered = (*shape[:axis], len(places), *shape[axis + 1 :])
    between = builder.draft.add_tensor(f"{y.name}:gathered", gathered, "row")
    builder.step("gather", node, [builder.row(x)], [between], attributes)
    builder.emit("copy", f"{y.name}:reshape", [between], [builder.define(y, "row")])


def lower_slice(builder: Builder, node: ir.Node) -> None:
    """Lower Slice with constant bounds."""
    x, y = operand(node, 0), node.outputs[0]
    shape = shape_of(x)
    starts, ends = constant_ints(node, 1), constant_ints(node, 2)
    if starts is None or ends is None:
        raise LoweringError("starts and ends must be constants")
    axes = constant_ints(node, 3) or tuple(range(len(starts)))
    steps = constant_ints(node, 4) or (1,) * len(starts)
    bounds = [(0, size, 1) for size in shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis]
        step = max(-max(size, 1), min(step, max(size, 1)))  # a longer step reaches no second element either
        bounds[normalized_axis(axis, len(shape))] = slice(start, end, step).indices(size)
    _emit_slice(builder, node, x, y, bounds)


def lower_split(builder: Builder, node: ir.Node) -> None:
    """Lower Split to one slice per output; the sizes are already in the outputs' shapes."""
    x = operand(node, 0)
    shape = shape_of(x)
    axis = normalized_axis(int_attribute(node, "axis", 0), len(shape))
    start = 0
    for y in node.outputs:
        size = shape_of(y)[axis]
        bounds = [(0, length, 1) for length in shape]
        bounds[axis] = (start, start + size, 1)
        _emit_slice(builder, node, x, y, bounds)
        start += size


def lower_identity(builder: Builder, node: ir.Node) -> None:
    """Lower Identity: another name for its operand."""
    builder.define_same(node.outputs[0], operand(node, 0))
    builder.eliminate(node, "identity")


def lower_pad(builder: Builder, node: ir.Node) -> None:
    """Lower Pad with constant amounts."""
    x, y = operand(node, 0), node.outputs[0]
    mode = string_attribute(node, "mode", "constant")
    rank = len(shape_of(x))
    pads = _full_pads(node, rank)
    attributes: dict[str, AttributeValue] = {"mode": mode, "value": constant_float(node, 2, 0.0)}
    if (builder.prefers_nhwc(x) or mode != "constant") and pads[0] == pads[rank] == 0:
        attributes["pads"] = (*_four(pads[:rank]), *_four(pads[rank:]))
        builder.step("pad", node, [builder.nhwc(x)], [builder.define(y, "nhwc")], attributes)
    else:
        attributes["pads"] = pads
        builder.step("pad", node, [builder.row(x)], [builder.define(y, "row")], attributes)


def _full_pads(node: ir.Node, rank: int) -> tuple[int, ...]:
    """Return begins then ends for every axis."""
    pads = constant_ints(node, 1)
    if pads is None:
        raise LoweringError("the amounts to pad must be constants")
    axes = constant_ints(node, 3) or tuple(range(rank))
    full = [0] * (2 * rank)
    for position, axis in enumerate(axes):
        full[normalized_axis(axis, rank)] = pads[position]
        full[normalized_axis(axis, rank) + rank] = pads[position + len(axes)]
    if min(full, default=0) < 0:
        raise LoweringError(f"negative pads {tuple(full)} are not supported")
    return tuple(full)


def _emit_slice(builder: Builder, node: ir.Node, x: ir.Value, y: ir.Value, bounds: list[tuple[int, int, int]]) -> None:
    if builder.has_nhwc(x):
        bounds = [*bounds[:2], *([(0, 1, 1)] * (4 - len(bounds))), *bounds[2:]]
        source, result = builder.nhwc(x), builder.define(y, "nhwc")
    else:
        source, result = builder.row(x), builder.define(y, "row")
    starts, ends, steps = (tuple(bound[item] for bound in bounds) for item in range(3))
    builder.step("slice", node, [source], [result], {"starts": starts, "ends": ends, "steps": steps})


def _four(amounts: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return amounts per axis of a map of rank 2, 3 or 4 for its four-dimensional form."""
    batch, channels, *spatial = amounts
    height, width = [0, 0, *spatial][-2:]
    return (batch, channels, height, width)
