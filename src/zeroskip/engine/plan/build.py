"""Planning: from a canonical model with concrete shapes to a :class:`.types.Plan`.

The passes, in order: lower every node; fuse epilogues; use integers; use bf16; mark what may hold zeros; elide moves;
decide masks; allow Winograd; assign addresses; freeze. Each is a module of its own that rewrites a
:class:`.draft.Draft`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .bf16 import use_bf16
from .draft import Draft, DraftStep
from .elision import elide
from .fusion import fuse
from .integers import use_integers
from .lowering import lower
from .masks import assign_masks, mark_zeros
from .memory import Addresses, assign_addresses
from .types import CHANNEL_BLOCK, Plan, Step, TensorSpec
from .winograd import allow_winograd

if TYPE_CHECKING:
    import onnx_ir as ir


def build_plan(
    model: ir.Model,
    taps: Sequence[str] = (),
    *,
    weight_storage: str = "float32",
    winograd: bool = True,
    precision: str = "float32",
) -> Plan:
    """Plan a canonical model.

    Args:
        model: Canonical model in which every value has a concrete shape (see ``zeroskip.onnx.canonicalize``).
        taps: Intermediate values to return after the graph's own outputs, for example activations to observe.
        weight_storage: Format in which steps that can are to store their weights, one of ``WEIGHT_STORAGES``.
        winograd: Whether near-dense 3x3 convolutions may be computed by Winograd's algorithm.
        precision: ``"bf16"`` lets what can multiply bf16.

    Returns:
        The plan; the same model always gives the same plan.

    Raises:
        UnsupportedOperatorError: Listing every node that cannot be planned, with the reason.
        ModelError: If a tap names no value of the graph.
    """
    draft = lower(model, taps)
    remove_unused(draft)
    fuse(draft)
    use_integers(draft)
    if precision == "bf16":
        use_bf16(draft)
    mark_zeros(draft)
    elide(draft)
    assign_masks(draft)
    assign_weight_storage(draft, weight_storage)
    if winograd and weight_storage == "float32":  # transformed weights are float32
        allow_winograd(draft)
    addresses = assign_addresses(draft)
    for step, name in addresses.in_place:
        step.notes.append(f"in place of '{name}'")
    return _freeze(draft, addresses)


def remove_unused(draft: Draft) -> None:
    """Drop the steps whose results nobody reads, in place."""
    needed = set(draft.outputs)
    kept = []
    for step in reversed(draft.steps):
        if needed.isdisjoint(step.outputs):
            continue
        needed.update(step.inputs)
        kept.append(step)
    draft.steps = kept[::-1]


def assign_weight_storage(draft: Draft, weight_storage: str) -> None:
    """Ask the steps that can read 16-bit weights for them, in place.

    A convolution of a few channels keeps float32: its weights are small, and it reads them in another form.
    """
    if weight_storage == "float32":
        return
    for step in draft.steps:
        if step.op not in ("conv", "linear"):
            continue
        x = draft.tensors[step.inputs[0]]
        if step.op == "linear" or (step.op == "conv" and x.layout == "nhwc" and x.shape[1] >= CHANNEL_BLOCK):
            step.attributes["weight_storage"] = weight_storage
            step.notes.append(f"weights stored as {weight_storage}")


def _freeze(draft: Draft, addresses: Addresses) -> Plan:
    used = {index for step in draft.steps for index in (*step.inputs, *step.outputs)}
    order = sorted(used | set(draft.inputs) | set(draft.outputs))
    renumbered = {index: position for position, index in enumerate(order)}
    tensors = tuple(_freeze_tensor(draft, addresses, index) for index in order)
    steps = tuple(_freeze_step(step, renumbered) for step in draft.steps)
    names = {name for step in steps for name in step.constants.values()}
    return Plan(
        tensors=tensors,
        steps=steps,
        constants={name: array for name, array in draft.constants.items() if name in names},
        inputs=tuple(renumbered[index] for index in draft.inputs),
        outputs=tuple(renumbered[index] for index in draft.outputs),
        arena_bytes=addresses.arena_bytes,
        eliminated=tuple(draft.eliminated),
    )


def _freeze_tensor(draft: Draft, addresses: Addresses, index: int) -> TensorSpec:
    tensor = draft.tensors[index]
    return TensorSpec(
        name=tensor.name,
        shape=tensor.shape,
        layout=tensor.layout,
        masked=tensor.masked,
        pixel_stride=draft.pixel_stride(index),
        offset=addresses.offsets[index],
        mask_offset=addresses.mask_offsets[index],
        dtype=tensor.dtype,
    )


def _freeze_step(step: DraftStep, renumbered: dict[int, int]) -> Step:
    return Step(
        op=step.op,
        name=step.name,
        inputs=tuple(renumbered[index] for index in step.inputs),
        outputs=tuple(renumbered[index] for index in step.outputs),
        attributes=dict(step.attributes),
        constants=dict(step.constants),
        nodes=tuple(step.nodes),
        macs=step.macs,
        note="; ".join(step.notes),
    )
