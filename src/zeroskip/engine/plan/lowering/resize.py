"""Lowering of Resize (nearest and linear) over height and width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import AttributeValue
from .builder import Builder, map_shape
from .node import (
    LoweringError,
    constant_of,
    ints_attribute,
    operand,
    optional_operand,
    shape_of,
    string_attribute,
)

if TYPE_CHECKING:
    import onnx_ir as ir

_TRANSFORMATIONS = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")


def lower_resize(builder: Builder, node: ir.Node) -> None:
    """Lower Resize; sizes are in the output's shape already, scales become factors for height and width."""
    x, y = operand(node, 0), node.outputs[0]
    mode = string_attribute(node, "mode", "nearest")
    transformation = string_attribute(node, "coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear"):
        raise LoweringError(f"mode '{mode}' is not supported, only 'nearest' and 'linear'")
    if transformation not in _TRANSFORMATIONS:
        raise LoweringError(f"coordinate_transformation_mode '{transformation}' is not supported")
    before, after = map_shape(shape_of(x)), map_shape(shape_of(y))
    if before[:2] != after[:2]:
        raise LoweringError("only height and width can be resized")
    attributes: dict[str, AttributeValue] = {
        "mode": mode,
        "coordinate_transformation_mode": transformation,
        "nearest_mode": string_attribute(node, "nearest_mode", "round_prefer_floor"),
        "scales": _scales(node, before, after),
    }
    builder.step("resize", node, [builder.nhwc(x)], [builder.define(y, "nhwc")], attributes)


def _scales(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[float, float]:
    """Return the factors of height and width: as given, for the sizes were rounded."""
    given = optional_operand(node, 2)
    factors = [after[2] / before[2], after[3] / before[3]]
    if given is None or constant_of(given).size == 0:
        return (factors[0], factors[1])
    scales = [float(item) for item in constant_of(given)]
    rank = len(shape_of(operand(node, 0)))
    axes = ints_attribute(node, "axes", tuple(range(rank)))
    for axis, scale in zip(axes, scales, strict=True):
        if axis >= 2:
            factors[axis - rank + 2] = scale
    return (factors[0], factors[1])
