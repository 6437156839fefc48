"""Operators of ONNX in the spelling of a version: attributes that became inputs, axes from either end, inputs left out.

Every function returns the text of a node; which of several ways to write it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random_networks import Writer

RANK = 4


def clip(w: Writer, x: str, low: float | None, high: float | None) -> str:
    """Return a Clip; a bound of None is left out."""
    bounds = (("min", low), ("max", high))
    if w.opset < 11:
        given = ", ".join(f"{name} = {float(bound)}" for name, bound in bounds if bound is not None)
        return f"Clip <{given}> ({x})" if given else f"Identity({x})"
    names = ["" if bound is None else w.filled(bound) for _, bound in bounds]
    return f"Clip({x}, {names[0]}, {names[1]})".replace(", )", ")") if names[1] else f"Clip({x}, {names[0]})"


def pad(w: Writer, x: str, begins: Sequence[int], ends: Sequence[int], axes: Sequence[int], value: float = 0.0) -> str:
    """Return a Pad of some axes; from version 18 on the others need not be named."""
    if w.opset >= 18 and w.choose(True, False):
        order = w.choose(*_orders(len(axes)))
        amounts = [begins[i] for i in order] + [ends[i] for i in order]
        places = w.integers(*from_either_end(w, [axes[i] for i in order]))
        return f"Pad({x}, {w.integers(*amounts)}, {_fill(w, value)}, {places})"
    full = [0] * (2 * RANK)
    for axis, begin, end in zip(axes, begins, ends, strict=True):
        full[axis], full[axis + RANK] = begin, end
    if w.opset < 11:
        return f"Pad <pads = {full}, value = {value}> ({x})"
    fill = _fill(w, value)
    return f"Pad({x}, {w.integers(*full)}" + (f", {fill})" if fill else ")")


def _fill(w: Writer, value: float) -> str:
    return w.filled(value) if value or w.choose(True, False) else ""


def _orders(count: int) -> list[list[int]]:
    return [list(range(count)), list(range(count))[::-1]]


def from_either_end(w: Writer, axes: Sequence[int]) -> list[int]:
    """Return axes counted from the front or from the back."""
    return [w.choose(axis, axis - RANK) for axis in axes]


def axis_of(w: Writer, axis: int, since: int = 11) -> int:
    """Return an axis counted from the front, or from the back where the version allows that."""
    return axis if w.opset < since else w.choose(axis, axis - RANK)


def slices(w: Writer, x: str, parts: dict[int, tuple[int, int, int]], sizes: Sequence[int]) -> str:
    """Return a Slice; ``parts`` has start, end and step (above 0) of some axes."""
    axes = list(parts)
    starts, ends, steps = ([part[i] for part in parts.values()] for i in range(3))
    if w.opset < 10:
        return f"Slice <starts = {starts}, ends = {ends}, axes = {axes}> ({x})"
    starts = [w.choose(start, start - sizes[axis]) for start, axis in zip(starts, axes, strict=True)]
    ends = [
        w.choose(end, end - sizes[axis]) if end < sizes[axis] else w.choose(end, 1 << 40)
        for end, axis in zip(ends, axes, strict=True)
    ]
    places = w.integers(*from_either_end(w, axes))
    if axes == list(range(len(axes))) and w.choose(True, False):
        places = ""
    last = f", {w.integers(*steps)}" if set(steps) != {1} or w.choose(True, False) else ""
    text = f"Slice({x}, {w.integers(*starts)}, {w.integers(*ends)}, {places}{last})"
    return text.replace(", )", ")")


def split(w: Writer, x: str, axis: int, parts: Sequence[int]) -> str:
    """Return a Split; sizes are left out where the version makes them itself."""
    place = axis_of(w, axis)
    if w.opset < 13:
        return f"Split <axis = {place}, split = {list(parts)}> ({x})"
    total, largest = sum(parts), -(-sum(parts) // len(parts))
    standard = [largest] * (len(parts) - 1) + [total - largest * (len(parts) - 1)]
    if list(parts) == standard and w.choose(True, False):
        if w.opset >= 18:
            return f"Split <axis = {place}, num_outputs = {len(parts)}> ({x})"
        if len(set(parts)) == 1:
            return f"Split <axis = {place}> ({x})"
    return f"Split <axis = {place}> ({x}, {w.integers(*parts)})"


def reduce_mean(w: Writer, x: str, axes: Sequence[int], keepdims: int = 1) -> str:
    """Return a ReduceMean."""
    places = [axis_of(w, axis) for axis in axes]
    if w.opset < 18:
        return f"ReduceMean <axes = {places}, keepdims = {keepdims}> ({x})"
    return f"ReduceMean <keepdims = {keepdims}> ({x}, {w.integers(*places)})"


def with_axes(w: Writer, op_type: str, x: str, axes: Sequence[int]) -> str:
    """Return a Squeeze or an Unsqueeze."""
    places = [axis_of(w, axis) for axis in axes]
    if w.opset < 13:
        return f"{op_type} <axes = {places}> ({x})"
    return f"{op_type}({x}, {w.integers(*places)})"
