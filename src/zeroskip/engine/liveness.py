"""Liveness: which bytes of the arena hold values that a plan still needs before a given step.

A copy of these bytes is all that it takes to go on from that step later. Where it is not certain that bytes
are dead they count as live, which costs memory and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .plan_types import CHANNEL_BLOCK, Plan, TensorSpec, round_up

_FLOAT_BYTES = 4
_MASK_WORD_BYTES = 2

ByteRange = tuple[int, int]
"""Offset and size in bytes."""


@dataclass(frozen=True)
class Liveness:
    """The lifetimes of what the steps of a plan read.

    Args:
        reads: (first step that wrote some of it, step that reads it, ranges of the arena).
    """

    reads: tuple[tuple[int, int, tuple[ByteRange, ...]], ...]

    @classmethod
    def of(cls, plan: Plan) -> Liveness:
        """Find the lifetimes of a plan."""
        return cls(
            tuple(
                (_first_writer(plan, tensor, reader), reader, arena_ranges(tensor))
                for reader, step in enumerate(plan.steps)
                for tensor in (plan.tensors[index] for index in step.inputs)
                if not tensor.is_external
            )
        )

    def before(self, step: int) -> list[ByteRange]:
        """Return the ranges that steps from ``step`` on read and earlier ones wrote; ascending, disjoint."""
        live = (ranges for first, reader, ranges in self.reads if first < step <= reader)
        return merged(item for ranges in live for item in ranges)


def arena_ranges(tensor: TensorSpec) -> tuple[ByteRange, ...]:
    """Return where the values and the mask of a tensor lie; a slice of channels spans its neighbours."""
    if tensor.layout == "row":
        return ((tensor.offset, _FLOAT_BYTES * tensor.elements),)
    width = round_up(tensor.shape[1], CHANNEL_BLOCK)
    elements = (tensor.pixels - 1) * tensor.pixel_stride + width
    values = (tensor.offset, _FLOAT_BYTES * elements)
    mask = (tensor.mask_offset, _MASK_WORD_BYTES * elements // CHANNEL_BLOCK)
    return (values, mask) if tensor.masked else (values,)


def merged(ranges: Iterable[ByteRange]) -> list[ByteRange]:
    """Return the union of ranges, ascending and disjoint.

    Example:
        >>> merged([(64, 64), (0, 32), (96, 64)])
        [(0, 32), (64, 96)]
    """
    result: list[ByteRange] = []
    for offset, size in sorted(ranges):
        if result and offset <= sum(result[-1]):
            start, length = result.pop()
            result.append((start, max(length, offset + size - start)))
        else:
            result.append((offset, size))
    return result


def _first_writer(plan: Plan, tensor: TensorSpec, reader: int) -> int:
    """Return the earliest of the steps that wrote what ``reader`` finds in ``tensor``; 0 if unsure."""
    missing = tensor.shape[1] if tensor.layout == "nhwc" else 0
    for position in range(reader - 1, -1, -1):
        for index in plan.steps[position].outputs:
            other = plan.tensors[index]
            if other.is_external:
                continue
            if _covers(other, tensor):
                return position
            # A concatenation is written slice by slice.
            missing -= other.shape[1] if _is_slice_of(other, tensor) else 0
        if tensor.layout == "nhwc" and missing <= 0:
            return position
    return 0


def _covers(writer: TensorSpec, tensor: TensorSpec) -> bool:
    (start, size), (wanted, length) = arena_ranges(writer)[0], arena_ranges(tensor)[0]
    if writer.layout == tensor.layout == "nhwc" and writer.pixel_stride == tensor.pixel_stride:
        first = (wanted - start) // _FLOAT_BYTES
        return first >= 0 and first + tensor.shape[1] <= round_up(writer.shape[1], CHANNEL_BLOCK)
    return start <= wanted and wanted + length <= start + size


def _is_slice_of(part: TensorSpec, tensor: TensorSpec) -> bool:
    if not part.layout == tensor.layout == "nhwc" or part.pixel_stride != tensor.pixel_stride:
        return False
    first = (part.offset - tensor.offset) // _FLOAT_BYTES
    return 0 <= first < tensor.shape[1]
