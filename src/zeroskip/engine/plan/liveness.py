"""Liveness: which bytes of the arena hold values that a plan still needs before a given step.

A copy of these bytes is all that it takes to go on from that step later. Where it is not certain that bytes
are dead they count as live, which costs memory and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .types import Plan
from .wiring import ByteRange, Wiring, arena_ranges


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
        wiring = Wiring(plan)
        reads = []
        for reader, step in enumerate(plan.steps):
            for tensor in (plan.tensors[index] for index in step.inputs):
                if not tensor.is_external:
                    sources = wiring.sources(reader, tensor)
                    first = min((link.step for link in sources.links), default=0)
                    reads.append((first if sources.is_complete else 0, reader, arena_ranges(tensor)))
        return cls(tuple(reads))

    def before(self, step: int) -> list[ByteRange]:
        """Return the ranges that steps from ``step`` on read and earlier ones wrote; ascending, disjoint."""
        live = (ranges for first, reader, ranges in self.reads if first < step <= reader)
        return merged(item for ranges in live for item in ranges)


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
