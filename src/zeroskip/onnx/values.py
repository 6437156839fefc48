"""Reading values and nodes of an ``onnx_ir`` graph: constants, shapes, producers, uses.

Every helper answers a question and changes nothing; the edits are in ``rewriting``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

ZEROSKIP_DOMAIN = "zeroskip"
"""Domain of the operators that exist only in the canonical form."""


_INTEGER = frozenset((int,))


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array of a constant (an initializer that is not a graph input), else None. Not copied."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """Return a constant of exactly one element as a float, else None."""
    array = constant(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def integers(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return a constant of integers (axes, pads, a shape) as a tuple, else None."""
    array = constant(value)
    if array is None or array.dtype.kind not in "iu":
        return None
    return tuple(int(item) for item in array.reshape(-1))


def operand(node: ir.Node, index: int) -> ir.Value | None:
    """Return an input of a node, None when it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def rank(value: ir.Value | None) -> int | None:
    """Return the number of dimensions, None when it is not known."""
    return None if value is None or value.shape is None else len(value.shape)


def dims(value: ir.Value | None) -> tuple[int | None, ...] | None:
    """Return the shape with None for each dimension that is not known; None when the rank is not known.

    A negative dimension is not known either: PaddlePaddle and others write -1 for an open one.
    """
    if value is None or value.shape is None:
        return None
    return tuple(dim if isinstance(dim, int) and dim >= 0 else None for dim in value.shape)


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return the shape when every dimension is known, else None."""
    if value is None or value.shape is None:
        return None
    known = value.shape.dims
    # The planner asks this several times for every node of every input shape: no loop of Python's own.
    return known if _INTEGER.issuperset(map(type, known)) else None  # type: ignore[return-value]


def is_op(node: ir.Node | None, *op_types: str) -> bool:
    """Tell whether a node is one of these operators of the default ONNX domain; without names, any of it."""
    return node is not None and node.domain == "" and (not op_types or node.op_type in op_types)


def is_own(node: ir.Node | None, *op_types: str) -> bool:
    """Tell whether a node is one of these operators of the zeroskip domain; without names, any of it."""
    return node is not None and node.domain == ZEROSKIP_DOMAIN and (not op_types or node.op_type in op_types)


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """Return the node that computes a value if it is one of these default-domain operators, else None."""
    node = None if value is None else value.producer()
    return node if is_op(node, *op_types) else None


def own_producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """Return the node that computes a value if it is one of these zeroskip operators, else None."""
    node = None if value is None else value.producer()
    return node if is_own(node, *op_types) else None


def has_one_use(value: ir.Value | None) -> bool:
    """Tell whether exactly one input of one node reads a value, and it is no graph output."""
    return value is not None and len(value.uses()) == 1 and not value.is_graph_output()


def value_names(graph: ir.Graph) -> set[str]:
    """Return every value name of a graph: inputs, initializers and node outputs."""
    names = {value.name or "" for value in graph.inputs} | set(graph.initializers)
    names.update(output.name or "" for node in graph for output in node.outputs)
    return names


def axis_from_front(axis: int, value_rank: int) -> int:
    """Return an axis counted from the front.

    Raises:
        ValueError: If it is outside ``[-rank, rank)``.
    """
    if not -value_rank <= axis < value_rank:
        raise ValueError(f"axis {axis} does not fit a tensor of rank {value_rank}")
    return axis + value_rank if axis < 0 else axis


def normalized_axes(axes: Collection[int], value_rank: int) -> tuple[int, ...]:
    """Return axes counted from the front, sorted.

    Raises:
        ValueError: If an axis is outside ``[-rank, rank)`` or is given twice.
    """
    positive = sorted(axis_from_front(axis, value_rank) for axis in axes)
    if len(set(positive)) != len(positive):
        raise ValueError(f"axes {tuple(axes)} name one twice")
    return tuple(positive)


def full_pads(pad: ir.Node, value_rank: int) -> tuple[int, ...] | None:
    """Return what a Pad adds to every axis, begins and then ends, whichever axes it names and however.

    Args:
        pad: The node; its axes may be left out, in any order, and counted from the back.
        value_rank: Rank of its input.

    Returns:
        ``2 * value_rank`` amounts; None when they are not constant.

    Raises:
        ValueError: If amounts and axes do not fit each other or the rank.
    """
    amounts, axes = integers(operand(pad, 1)), integers(operand(pad, 3))
    if amounts is None or (axes is None and operand(pad, 3) is not None):
        return None
    places = range(value_rank) if axes is None else [axis_from_front(axis, value_rank) for axis in axes]
    if len(amounts) != 2 * len(places) or len(set(places)) != len(places):
        raise ValueError(f"it pads axes {list(places)} by {list(amounts)}: there must be two amounts for each axis")
    full = [0] * (2 * value_rank)
    for place, begin, end in zip(places, amounts[: len(places)], amounts[len(places) :], strict=True):
        full[place], full[place + value_rank] = begin, end
    return tuple(full)


def broadcast_axis(shape: tuple[int, ...], value_rank: int) -> int | None:
    """Return the one axis along which a constant varies when it is broadcast against a tensor.

    Args:
        shape: Shape of the constant; more than one element.
        value_rank: Rank of the tensor.

    Returns:
        The axis, counted from the front of the tensor; None when the constant varies along several axes or
        has more dimensions than the tensor.

    Example:
        >>> broadcast_axis((64, 1, 1), 4)
        1
    """
    varying = [index for index, size in enumerate(shape) if size != 1]
    if len(varying) != 1 or len(shape) > value_rank:
        return None
    return varying[0] + value_rank - len(shape)


def flat(array: NDArray[Any], dtype: type = np.float32) -> NDArray[Any]:
    """Return an array as one contiguous dimension of the given element type."""
    return np.ascontiguousarray(array.reshape(-1), dtype=dtype)
