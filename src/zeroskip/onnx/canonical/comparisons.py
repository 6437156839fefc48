"""Comparisons of a tensor with constant thresholds, as gates of an activation are built from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..values import broadcast_axis, constant, dims, operand, producer, rank, scalar


@dataclass(frozen=True)
class Comparison:
    """x > threshold, strictly."""

    x: ir.Value
    threshold: NDArray[np.float32]
    axis: int
    nodes: tuple[ir.Node, ...]


_SWAPPED = {
    "Greater": "Less",
    "GreaterOrEqual": "LessOrEqual",
    "Less": "Greater",
    "LessOrEqual": "GreaterOrEqual",
}
_NEGATED = {
    "Greater": "LessOrEqual",
    "GreaterOrEqual": "Less",
    "Less": "GreaterOrEqual",
    "LessOrEqual": "Greater",
}


def comparison_of(condition: ir.Value | None, is_true: bool) -> Comparison | None:
    """Return the comparison that holds when ``condition`` is ``is_true``, if it is x above a constant."""
    nodes: tuple[ir.Node, ...] = ()
    while (inverter := producer(condition, "Not")) is not None:
        condition, is_true, nodes = inverter.inputs[0], not is_true, (inverter, *nodes)
    node = producer(condition, *_SWAPPED)
    if node is None:
        return None
    x, limit, relation = node.inputs[0], node.inputs[1], node.op_type
    if constant(x) is not None:
        x, limit, relation = limit, x, _SWAPPED[relation]
    if not is_true:
        relation = _NEGATED[relation]
    if x is None or limit is None or relation not in ("Greater", "GreaterOrEqual"):
        return None
    found = threshold_of(limit, x)
    if found is None:
        return None
    threshold, axis = found
    if relation == "GreaterOrEqual":
        # x >= 0 ? x : 0 is Relu: the lower neighbour of 0 would be a negative threshold.
        threshold = np.where(threshold == 0.0, threshold, np.nextafter(threshold, np.float32(-np.inf)))
    return Comparison(x, threshold, axis, (node, *nodes))


def threshold_of(limit: ir.Value, x: ir.Value) -> tuple[NDArray[np.float32], int] | None:
    """Read a constant as one threshold, or one per channel with the axis of the channels."""
    array = constant(limit)
    if array is None or array.dtype != np.float32 or np.isnan(array).any() or not broadcasts(limit, x):
        return None
    if array.size == 1 or (array == array.reshape(-1)[0]).all():
        return array.reshape(-1)[0].reshape(()), 1
    x_rank = rank(x)
    axis = None if x_rank is None else broadcast_axis(array.shape, x_rank)
    return (array.reshape(-1), axis) if axis else None  # never the batch


def condition_of_mask(mask: ir.Value | None) -> tuple[ir.Value | None, tuple[ir.Node, ...]]:
    """Return the condition of which ``mask`` is the 0/1 float form."""
    cast = producer(mask, "Cast")
    if cast is not None:
        return cast.inputs[0], (cast,)
    where = producer(mask, "Where")
    if where is not None and scalar(where.inputs[1]) == 1.0 and scalar(where.inputs[2]) == 0.0:
        return where.inputs[0], (where,)
    return None, ()


def is_zero(value: ir.Value | None, like: ir.Value) -> bool:
    """Tell whether a value is zero everywhere and does not broadcast ``like`` to a larger shape."""
    return fill_of(value, like) == 0.0


def fill_of(value: ir.Value | None, like: ir.Value) -> float | None:
    """Return the number that a value is everywhere, None if it is not or broadcasts ``like`` to a larger shape."""
    expand, filled = producer(value, "Expand"), producer(value, "ConstantOfShape")
    if expand is not None and producer(operand(expand, 1), "Shape"):
        return fill_of(expand.inputs[0], like)
    if filled is not None and producer(operand(filled, 0), "Shape"):
        fill = filled.attributes.get_tensor("value")
        return 0.0 if fill is None else float(fill.numpy().reshape(-1)[0])
    array = constant(value)
    if array is None or array.size == 0 or not broadcasts(value, like):
        return None
    first = array.reshape(-1)[0]
    return float(first) if (array == first).all() else None


def broadcasts(small: ir.Value | None, large: ir.Value) -> bool:
    """Tell whether broadcasting ``small`` against ``large`` gives the shape of ``large``."""
    array = constant(small)
    if array is None:
        return False
    if array.size == 1 and array.ndim <= 1:
        return True
    sizes = dims(large)
    if sizes is None or array.ndim > len(sizes):
        return False
    return all(have in (1, want) for have, want in zip(array.shape[::-1], sizes[::-1], strict=False))
