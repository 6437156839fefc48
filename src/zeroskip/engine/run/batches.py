"""Cutting large batches into parts whose activations stay in the caches.

A network is memory-bound where its activations leave the last cache: ResNet-50 takes a quarter more time for each
image of a batch of 16 than of 4 (Zen 4, 32 MB of L3, November 2026). Owns the decision; a
:class:`~.region.Region` runs the parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...system import cache_bytes
from ..operators import OPERATORS
from ..plan.types import Plan
from .memory_check import outside_bytes

PROBES = (3, 5)
"""Batch sizes of the plans that tell what larger batches do."""
FEWEST_INPUTS = 4
"""Smaller batches are never cut."""

_CACHE_SHARE = 0.75
_UNKNOWN_CACHE_BYTES = 16 << 20
_WORTH = 2.0  # bytes moved for activations to bytes of weights read again, from which on cutting was seen to pay


@dataclass(frozen=True)
class BatchCosts:
    """What one input of a batch takes.

    Args:
        fits: Inputs whose activations fit the caches, at least 1.
        arena_bytes: Of activations alive at once.
        moved_bytes: Of activations read and written by all steps.
        outside_bytes: Of the input itself and its results.
        weight_bytes: Of constants, however many inputs there are.
    """

    fits: int
    arena_bytes: float
    moved_bytes: float
    outside_bytes: float
    weight_bytes: float

    @classmethod
    def of(cls, plan: Plan, batch: int) -> BatchCosts:
        """Return the costs by a plan for ``batch`` inputs."""
        moved = sum(plan.tensors[index].logical_bytes for step in plan.steps for index in (*step.inputs, *step.outputs))
        weights = sum(array.nbytes for array in plan.constants.values())
        arena = plan.arena_bytes / batch
        fits = int(_CACHE_SHARE * (cache_bytes(3) or _UNKNOWN_CACHE_BYTES) / max(1.0, arena))
        return cls(max(1, fits), arena, moved / batch, outside_bytes(plan) / batch, float(weights))

    def part_size(self, batch: int) -> int:
        """Return how many inputs to run at once, ``batch`` if cutting does not pay.

        Args:
            batch: Inputs of a run.
        """
        parts = -(-batch // self.fits)
        read_again = (parts - 1) * self.weight_bytes
        return -(-batch // parts) if self.moved_bytes * batch > _WORTH * read_again else batch


def treats_inputs_alone(plan: Plan, batch: int) -> bool:
    """Whether no input of a batch has a part in the results of another.

    That is so where the first dimension of every tensor is the batch, and no step mixes or moves it. A dimension may be
    ``batch`` by coincidence, so ask for two batch sizes.

    Args:
        plan: For ``batch`` inputs.
        batch: The size.
    """
    has_batch_first = all(tensor.shape[:1] == (batch,) for tensor in plan.tensors)
    return has_batch_first and all(OPERATORS[step.op].treats_inputs_alone(step, batch) for step in plan.steps)
