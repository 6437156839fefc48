"""Fusion: residual additions and rectifiers move into the epilogue of the step that produces their input.

An epilogue computes ``y = activation(op(x) + bias + residual)`` on values that are still in registers. A
value can be fused away only if nothing else reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..operators import OPERATORS
from .draft import Draft, DraftStep


def fuse(draft: Draft) -> None:
    """Fuse everything that can be fused, in place: first residual additions, then rectifiers."""
    _fuse_all(draft, "add", _fuse_residual)
    _fuse_all(draft, "activation", _fuse_activation)


class _Uses:
    """Who produces and who reads each tensor, kept up to date while steps are merged."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._producers = draft.producers()
        self._readers = {tensor: len(steps) for tensor, steps in draft.consumers().items()}
        self._positions = {id(step): position for position, step in enumerate(draft.steps)}

    def sole_producer(self, tensor: int) -> DraftStep | None:
        """Return the step that writes ``tensor`` if one step reads it and it is no graph output."""
        if self._readers[tensor] != 1 or tensor in self._draft.outputs:
            return None
        return self._producers.get(tensor)

    def position(self, step: DraftStep) -> int:
        return self._positions[id(step)]

    def rank(self, tensor: int) -> int:
        return len(self._draft.tensors[tensor].shape)

    def is_nhwc(self, tensor: int) -> bool:
        return self._draft.tensors[tensor].layout == "nhwc"

    def absorb(self, producer: DraftStep, step: DraftStep) -> None:
        """Make ``producer`` yield the result of ``step``, in the place of ``step``."""
        self._positions[id(producer)] = self._positions[id(step)]
        producer.outputs = step.outputs
        producer.nodes += step.nodes
        self._producers[step.outputs[0]] = producer


def _fuse_all(draft: Draft, op: str, fuse_one: Callable[[_Uses, DraftStep], DraftStep | None]) -> None:
    uses = _Uses(draft)
    steps: dict[int, DraftStep] = {}
    for step in draft.steps:
        producer = fuse_one(uses, step) if step.op == op else None
        # A producer takes the later place, where all its operands exist; everything between the two stays put
        # because nothing between them reads what the producer wrote.
        last = step if producer is None else steps.pop(id(producer))
        steps[id(last)] = last
    draft.steps = list(steps.values())


def _fuse_residual(uses: _Uses, step: DraftStep) -> DraftStep | None:
    candidates = []
    for operand, other in (step.inputs, step.inputs[::-1]):
        producer = uses.sole_producer(operand)
        if producer is not None and _takes_residual(producer) and operand != other:
            candidates.append((uses.position(producer), producer, other))
    if not candidates:
        return None
    # Of two convolutions the later one: the result of the earlier one must be stored anyway.
    _, conv, residual = max(candidates, key=lambda candidate: candidate[0])
    conv.inputs = [*conv.inputs, residual]
    if len(candidates) == 2:
        earlier = min(candidates, key=lambda candidate: candidate[0])[1]
        conv.notes.append(f"takes the addition because it runs after '{earlier.name}'")
    uses.absorb(conv, step)
    return conv


def _takes_residual(producer: DraftStep) -> bool:
    return producer.op == "conv" and len(producer.inputs) == 1 and "residual" not in producer.constants


def _fuse_activation(uses: _Uses, step: DraftStep) -> DraftStep | None:
    producer = uses.sole_producer(step.inputs[0])
    if step.attributes["kind"] != "fatrelu" or producer is None:
        return None
    if not OPERATORS[producer.op].takes_activation or producer.activation != "none":
        return None
    if not _same_channel_axis(uses, producer, step):
        return None
    if producer.op == "add" and "axis" in step.attributes:
        producer.attributes["axis"] = step.attributes["axis"]
    producer.attributes["activation"] = "fatrelu"
    if "max_value" in step.attributes:
        producer.attributes["max_value"] = step.attributes["max_value"]
    producer.constants["thresholds"] = step.constants["thresholds"]
    uses.absorb(producer, step)
    return producer


def _same_channel_axis(uses: _Uses, producer: DraftStep, step: DraftStep) -> bool:
    """Whether the thresholds of ``step`` run along the axis of the channels of ``producer``.

    Only row tensors of more than two dimensions leave room for doubt: there a linear step's channels are the
    last axis, an affine step's axis 1, and an addition takes what it is told.
    """
    if producer.op == "normalize":  # of rows: it has no epilogue
        return uses.is_nhwc(step.inputs[0])
    rank = uses.rank(step.inputs[0])
    if rank == 2 or producer.op not in ("linear", "affine") or uses.is_nhwc(step.inputs[0]):
        return True
    return step.attributes.get("axis", 1) == (rank - 1 if producer.op == "linear" else 1)
