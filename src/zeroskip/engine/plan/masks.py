"""Masks: which activations carry a bitmap of their non-zeros, and which convolutions may skip by it.

A mask costs its producer little, but not nothing; it is asked for only where a convolution reads a value that
can hold exact zeros because it went through a rectifier.
"""

from __future__ import annotations

from ..operators import LINEAR, OPERATORS
from .draft import Draft, DraftStep


def mark_zeros(draft: Draft) -> None:
    """Mark the tensors that can hold exact zeros, in place; before elision: every edge is still a step."""
    for step in draft.steps:
        keeps = OPERATORS[step.op].passes_zeros(step.kind)
        if _makes_zeros(step) or (keeps and any(draft.tensors[index].holds_zeros for index in step.inputs)):
            for index in step.outputs:
                draft.tensors[index].holds_zeros = True


def assign_masks(draft: Draft) -> None:
    """Mark masked tensors and set every convolution's ``algorithm``, in place; after elision."""
    roots = set()
    for step in draft.steps:
        if step.op in LINEAR and draft.tensors[step.inputs[0]].holds_zeros:
            step.attributes["algorithm"] = "auto"  # no mask: it lists the non-zeros of its rows itself
        if step.op == "bf16_conv" and not draft.tensors[step.inputs[0]].holds_zeros:
            step.attributes["algorithm"] = "dense"  # nothing to count
        if step.op != "conv":
            continue
        obstacle = _obstacle(draft, step.inputs[0])
        if obstacle:
            step.attributes["algorithm"] = "dense"
            step.notes.append(f"dense: {obstacle}")
        else:
            step.attributes["algorithm"] = "auto"
            roots.add(draft.root(step.inputs[0]))
    # Slices of one buffer share the buffer's mask, so all of it is written or none.
    for index, tensor in enumerate(draft.tensors):
        tensor.masked = tensor.layout == "nhwc" and draft.root(index) in roots


def _obstacle(draft: Draft, source: int) -> str:
    """Return why a convolution of tensor ``source`` cannot skip, or nothing."""
    tensor = draft.tensors[source]
    if tensor.layout != "nhwc":
        return "few channels, read from the unpadded graph input"
    if draft.tensors[draft.root(source)].layout != "nhwc":
        return "its input is a vector in row layout"
    if not tensor.holds_zeros:
        return f"'{tensor.name}' went through no rectifier"
    return ""


def _makes_zeros(step: DraftStep) -> bool:
    return step.activation == "fatrelu" or step.attributes.get("kind") in ("fatrelu", "hardswish")
