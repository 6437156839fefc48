"""Wiring: which step of a plan wrote what another one reads, seen through shared buffers and slices.

In a plan a concatenation may be no step at all: its parts are written side by side into one buffer. Who feeds
whom then follows from addresses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..data_types import MASK_WORD_BYTES
from ..operators import OPERATORS
from .types import Plan, Step, TensorSpec

ByteRange = tuple[int, int]
"""Offset and size in bytes."""


@dataclass(frozen=True)
class Link:
    """One end of an edge between two steps.

    Args:
        step: The step at this end.
        channel: Where the writer's first channel lies among the reader's; negative where it reads a slice.
    """

    step: int
    channel: int


@dataclass(frozen=True)
class Sources:
    """The steps that wrote what a step finds in one of its operands.

    Args:
        links: The writers, latest first.
        is_complete: Whether they account for all of it; False where addresses leave a doubt.
    """

    links: tuple[Link, ...]
    is_complete: bool


class Wiring:
    """Who reads what in a plan.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def sources(self, reader: int, tensor: TensorSpec) -> Sources:
        """Find who wrote what step ``reader`` finds in ``tensor``, which lies in the arena."""
        links: list[Link] = []
        missing = tensor.shape[1] if tensor.layout == "nhwc" else 1
        for position in range(reader - 1, -1, -1):
            for index in self._plan.steps[position].outputs:
                other = self._plan.tensors[index]
                if other.is_external:
                    continue
                channel = _channel_within(other, tensor)
                if _covers(other, tensor):
                    return Sources((*links, Link(position, channel or 0)), True)
                if channel is not None and 0 <= channel < tensor.shape[1]:  # a part of a concatenation
                    links.append(Link(position, channel))
                    missing -= other.shape[1]
            if missing <= 0:
                return Sources(tuple(links), True)
        return Sources(tuple(links), False)

    @cached_property
    def readers(self) -> dict[int, tuple[Link, ...]]:
        """By writing step: the steps that read its result as their first operand."""
        found = defaultdict(list)
        for reader, step in enumerate(self._plan.steps):
            for place, index in enumerate(step.inputs):
                tensor = self._plan.tensors[index]
                if tensor.is_external or (place > 0 and step.op != "concat"):
                    continue
                before = sum(self._plan.tensors[other].shape[1] for other in step.inputs[:place])
                for link in self.sources(reader, tensor).links:
                    found[link.step].append(Link(reader, link.channel + before))
        return {step: tuple(links) for step, links in found.items()}

    def zero_readers(self, step: int) -> dict[int, float]:
        """Return the weighted layers in whose operand zeros of a step's result are zeros, and which part it makes up.

        Directly, or through operators that keep zeros: pooling, concatenation, flattening, a product with anything.

        Returns:
            Step to the share of its first operand that stems from the result, in (0, 1].
        """
        found: dict[int, float] = defaultdict(float)
        pending = [(step, 1.0)]
        while pending:
            writer, share = pending.pop()
            for reader, part in self._zero_links.get(writer, ()):
                if OPERATORS[self._plan.steps[reader].op].is_weighted:
                    found[reader] = min(1.0, found[reader] + share * part)
                else:
                    pending.append((reader, share * part))
        return dict(found)

    @cached_property
    def _zero_links(self) -> dict[int, list[tuple[int, float]]]:
        """By writing step: who reads zeros of its result, and the part of what the reader reads that it makes up."""
        found = defaultdict(list)
        for reader, step in enumerate(self._plan.steps):
            result = self._plan.tensors[step.outputs[0]]
            for place, index in enumerate(step.inputs):
                tensor = self._plan.tensors[index]
                if tensor.is_external or not _takes_zeros(step, place, tensor, result):
                    continue
                whole = result if step.op == "concat" else tensor
                for link in self.sources(reader, tensor).links:
                    written = self._plan.tensors[self._plan.steps[link.step].outputs[0]]
                    found[link.step].append((reader, min(1.0, written.elements / whole.elements)))
        return dict(found)

    def weighted_consumers(self, step: int) -> tuple[Link, ...]:
        """Return the convolutions and linear layers that read the result of a step.

        Directly, or through operators that keep channels apart (pooling, concatenation, padding).
        """
        return tuple(dict.fromkeys(self._consumers(step, 0)))

    def _consumers(self, step: int, channel: int) -> Iterator[Link]:
        for link in self.readers.get(step, ()):
            operator, place = OPERATORS[self._plan.steps[link.step].op], channel + link.channel
            kept = operator.keeps_channels
            if operator.is_weighted:
                yield Link(link.step, place)
            elif kept == "always" or (kept == "maps" and self._is_map(link.step)):
                yield from self._consumers(link.step, place)

    def _is_map(self, step: int) -> bool:
        return self._plan.tensors[self._plan.steps[step].outputs[0]].layout == "nhwc"


def _takes_zeros(step: Step, place: int, tensor: TensorSpec, result: TensorSpec) -> bool:
    """Whether zeros of an operand save work in a layer, or are zeros in the result of another step."""
    operator, kind = OPERATORS[step.op], step.attributes.get("kind")
    if operator.is_weighted:
        return place == 0
    if not operator.passes_zeros(kind if isinstance(kind, str) else None):
        return False
    if place == 0 or step.op == "concat":
        return step.op != "broadcast" or tensor.shape == result.shape
    return tensor.shape == result.shape and (step.op == "mul" or kind == "mul")


def arena_ranges(tensor: TensorSpec) -> tuple[ByteRange, ...]:
    """Return where the values and the mask of a tensor lie; a slice of channels spans its neighbours."""
    if tensor.layout == "row":
        return ((tensor.offset, tensor.logical_bytes),)
    width = tensor.padded_channels
    elements = (tensor.pixels - 1) * tensor.pixel_stride + width
    values = (tensor.offset, tensor.data_type.bytes * elements)
    mask = (tensor.mask_offset, MASK_WORD_BYTES * elements // tensor.data_type.channel_block)
    return (values, mask) if tensor.masked else (values,)


def _channel_within(part: TensorSpec, tensor: TensorSpec) -> int | None:
    """Return the channel of ``tensor`` at which ``part`` starts, None if they do not share pixels."""
    if not part.layout == tensor.layout == "nhwc" or part.pixel_stride != tensor.pixel_stride:
        return None
    channel = (part.offset - tensor.offset) // tensor.data_type.bytes
    return channel if abs(channel) < tensor.pixel_stride and part.pixels == tensor.pixels else None


def _covers(writer: TensorSpec, tensor: TensorSpec) -> bool:
    channel = _channel_within(writer, tensor)
    if channel is not None:
        return channel <= 0 and tensor.shape[1] - channel <= writer.padded_channels
    (start, size), (wanted, length) = arena_ranges(writer)[0], arena_ranges(tensor)[0]
    return start <= wanted and wanted + length <= start + size
