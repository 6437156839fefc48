"""Indices, whole numbers and truth values: which computed ones the engine holds, as numbers in float32.

The core has no type for them. What a comparison or ``TopK`` finds is a float32 tensor inside, exact up to 2^24, and
gets its ONNX type where it leaves the engine. So every such number has to be known to be small: by where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from .values import constant, integers, operand, static_shape

Range: TypeAlias = tuple[float, float]
"""The least and the largest number that a value can hold."""

EXACT = 1 << 24
"""Whole numbers up to it are exact in float32."""
NUMBERS = frozenset((ir.DataType.BOOL, ir.DataType.INT32, ir.DataType.INT64))
"""ONNX types whose computed values are held as float32."""
TRUTH: Range = (0, 1)

INDEX_OPERATORS = ("ArgMax", "ArgMin")
"""Operators that tell where something is."""
COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
LOGIC = ("And", "Not", "Or", "Xor")
MOVES = ("Concat", "Expand", "Gather", "GatherElements", "Identity", "Reshape", "Slice", "Split", "Tile", "Transpose")
"""Operators whose results are elements of their first operand, of Concat of all."""


def is_number(value: ir.Value | None) -> bool:
    """Tell whether a value is one of whole numbers or truth values that the engine can hold: computed, or small."""
    if value is None or value.dtype not in NUMBERS or value.is_graph_input():
        return False
    array = constant(value)
    return array is None or array.size == 0 or (abs(int(array.min())) <= EXACT and abs(int(array.max())) <= EXACT)


def number_range(value: ir.Value | None) -> Range | None:
    """Return between which numbers those of a value lie, None if that is not known or beyond ``EXACT``."""
    return _range(value, {})


def _range(value: ir.Value | None, known: dict[ir.Value, Range | None]) -> Range | None:
    if value is None or value.dtype not in NUMBERS:
        return None
    if value not in known:
        known[value] = None  # of a damaged graph that runs in a circle
        found = _range_of(value, known)
        known[value] = found if found is not None and max(map(abs, found)) <= EXACT else None
    return known[value]


def _range_of(value: ir.Value, known: dict[ir.Value, Range | None]) -> Range | None:
    array, node = constant(value), value.producer()
    if array is not None:
        return (int(array.min()), int(array.max())) if array.size else (0, 0)
    if value.dtype == ir.DataType.BOOL:
        return TRUTH
    if node is None or node.domain != "":
        return None
    if node.op_type in INDEX_OPERATORS or node.op_type == "TopK":
        return _extents(node)
    ranges = [_range(each, known) for each in _sources(node)]
    if not ranges or None in ranges:
        return None
    return _COMBINED.get(node.op_type, _none)(*(each for each in ranges if each is not None))


def _sources(node: ir.Node) -> list[ir.Value | None]:
    """Return the operands whose numbers those of the result are made of."""
    if node.op_type == "Where":
        return list(node.inputs[1:])
    if node.op_type in MOVES and node.op_type != "Concat":
        return list(node.inputs[:1])
    return list(node.inputs)


def _extents(node: ir.Node) -> Range | None:
    shape, axis = static_shape(node.inputs[0]), node.attributes.get_int("axis", -1 if node.op_type == "TopK" else 0)
    return (0, max(0, shape[axis] - 1)) if shape else None


def _none(*_ranges: Range) -> None:
    return None


def _joined(*ranges: Range) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _of_ends(function: Callable[[float, float], float]) -> Callable[[Range, Range], Range]:
    def combined(a: Range, b: Range) -> Range:
        ends = [function(x, y) for x in a for y in b]
        return min(ends), max(ends)

    return combined


def _quotient(a: Range, b: Range) -> Range | None:
    return None if b[0] <= 0 <= b[1] else _of_ends(lambda x, y: float(math.trunc(x / y)))(a, b)


def _remainder(a: Range, b: Range) -> Range | None:
    return (0, min(a[1], b[1] - 1)) if a[0] >= 0 and b[0] > 0 else None


_COMBINED: dict[str, Callable[..., Range | None]] = {
    "Add": _of_ends(lambda x, y: x + y),
    "Sub": _of_ends(lambda x, y: x - y),
    "Mul": _of_ends(lambda x, y: x * y),
    "Div": _quotient,
    "Mod": _remainder,
    "Max": _of_ends(max),
    "Min": _of_ends(min),
    "Where": _joined,
    "Cast": _joined,
    **dict.fromkeys(MOVES, _joined),
}
"""What is known of results by operator, from what is known of the operands."""
ARITHMETIC = ("Add", "Div", "Max", "Min", "Mod", "Mul", "Sub")


def arg_extreme(node: ir.Node) -> str | None:
    """Tell what is against an operator that finds places along an axis."""
    shape, axis = static_shape(node.inputs[0]), node.attributes.get_int("axis", -1 if node.op_type == "TopK" else 0)
    if shape is None or not shape:
        return "its input is a single number"
    extent = shape[axis]
    return None if 1 <= extent <= EXACT else f"its axis has {extent} values, supported are 1 to {EXACT}"


def top_k(node: ir.Node) -> str | None:
    """Tell what is against a TopK."""
    count = integers(operand(node, 1))
    if count is None or len(count) != 1:
        return "its number of values must be a constant"
    shape, axis = static_shape(node.inputs[0]), node.attributes.get_int("axis", -1)
    if shape and not 1 <= count[0] <= shape[axis]:
        return f"it wants {count[0]} values of an axis that has {shape[axis]}"
    return arg_extreme(node)


def small_numbers(node: ir.Node) -> str | None:
    """Tell what is against an operator on numbers: constants and results must be exact in float32."""
    for value in node.inputs:
        is_other = value is not None and constant(value) is not None and value.dtype != ir.DataType.FLOAT
        if is_other and value is not None and not is_number(value):
            return f"'{value.name}' has numbers that float32 does not hold exactly"
    if node.op_type == "Mod" and node.outputs[0].dtype not in NUMBERS:
        return "it is supported for whole numbers only"
    is_computed = node.op_type in ARITHMETIC and node.outputs[0].dtype in NUMBERS
    return _unknown_range(node.outputs[0]) if is_computed else None


def _unknown_range(value: ir.Value) -> str | None:
    if number_range(value) is not None:
        return None
    return f"'{value.name}' may have numbers beyond {EXACT}, which float32 does not hold exactly"


def cast(node: ir.Node) -> str | None:
    """Tell what is against a Cast: numbers of which nobody knows that the smaller type holds them."""
    x, y = node.inputs[0], node.outputs[0]
    is_narrower = x is not None and x.dtype == ir.DataType.INT64 and y.dtype == ir.DataType.INT32
    return _unknown_range(x) if is_narrower and x is not None else None


def gather_elements(node: ir.Node) -> str | None:
    """Tell what is against GatherElements, or Gather at computed places: those may lie outside."""
    places, axis, shape = operand(node, 1), node.attributes.get_int("axis", 0), static_shape(node.inputs[0])
    if not shape:
        return "its input is a single number"
    found = number_range(places) if is_number(places) else None
    if found is None:
        return "its indices must be constants or found by the model itself"
    extent = shape[axis]
    is_inside = -extent <= found[0] and found[1] < extent
    return None if is_inside else f"its indices are {found[0]:g} to {found[1]:g}, of an axis that has {extent} values"


def numpy_type(value: ir.Value) -> np.dtype | None:
    """Return the type that a number gets outside of the engine, None of a value that is none."""
    return np.dtype(value.dtype.numpy()) if value.dtype in NUMBERS else None
