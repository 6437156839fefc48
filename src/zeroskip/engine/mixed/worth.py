"""What a native part gains over ONNX Runtime, and what it costs to have one. Nothing here is measured at run time.

The gain is modelled: by the prices of the cost model, the dense direct algorithm stands for ONNX Runtime, and what
skips is taken at the zeros that rectifiers leave by themselves. The costs of a crossing are constants that were
measured once, so the same model is always cut the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import LimitError, ModelError, ShapeError
from ...text import time_words
from ..cost import CostModel, skips_rows
from ..plan.types import Plan, Step
from ..run.region import Region

if TYPE_CHECKING:
    import onnx_ir as ir

_NATURAL_DENSITY = 0.5
_CROSSING_MS = (0.10, 0.25)
"""At one thread and at several: what a run takes longer for one more native part and the island behind it.

Medians of 12 interleaved turns, chains of one to eight pairs of convolutions with an ``Atan`` behind each, too small
to gain anything: 0.05 to 0.09 ms at one thread, 0.07 to 0.13 at two, and up to 0.2 more where the layers are large
enough for two threads, because those that slept through the island wake up too late for the first of them (Zen 3,
two virtual cores, November 2026). Rounded up: a part that is left out costs less than one too many.
"""
_LAYOUT_CHANGES = ("to_nhwc", "to_row")
_UNKNOWN_EXTENT = 16
"""Rows, and pixels in each direction, that a layer is taken to have where they are not known before the run."""


@dataclass(frozen=True)
class Worth:
    """What having a part run natively means for the time of a run.

    Args:
        gain_ms: What it saves over ONNX Runtime, estimated.
        cost_ms: What handing values over takes, by measurements of another time and machine.
    """

    gain_ms: float
    cost_ms: float

    @property
    def is_enough(self) -> bool:
        """Whether more is saved than handed over."""
        return self.gain_ms > self.cost_ms

    def __str__(self) -> str:
        gain = f"{time_words(self.gain_ms)} a run" if self.gain_ms > 0 else "nothing"
        return f"skipping zeros would save {gain} (estimated), handing values over takes {time_words(self.cost_ms)}"


def worth_of(region: Region, shapes: Sequence[tuple[int, ...] | None], costs: CostModel, threads: int) -> Worth:
    """Return what a native part is worth.

    Args:
        region: Of the part.
        shapes: Of its inputs, None where they are known at run time only.
        costs: Prices of the machine.
        threads: Of the session.

    Raises:
        LimitError: If the part is larger than limits allow.
    """
    cost = _CROSSING_MS[threads > 1]
    known = tuple(shape for shape in shapes if shape is not None)
    if len(known) < len(shapes):
        return Worth(_gain_by_weights(region.prepared, costs, threads), cost)
    try:
        plan = region.compiled(known).native.plan
    except LimitError:
        raise
    except (ModelError, ShapeError):  # judged elsewhere
        return Worth(math.inf, cost)
    return Worth(sum(_gain(plan, step, costs, threads) for step in plan.steps), cost)


def _gain(plan: Plan, step: Step, costs: CostModel, threads: int) -> float:
    """Return the ms that a step takes less than in ONNX Runtime; what is no layer is as fast, or moves data only."""
    if step.op in _LAYOUT_CHANGES:
        return -costs.predict(plan, step, threads=threads)
    if not step.macs:
        return 0.0
    dense = costs.predict(plan, step, threads=threads, winograd=False)
    if skips_rows(step):
        return dense * (1 - _NATURAL_DENSITY)
    return dense - costs.predict(plan, step, _NATURAL_DENSITY, threads)


def _gain_by_weights(model: ir.Model, costs: CostModel, threads: int) -> float:
    """Return the same as far as the layers that skip tell by their weights, where shapes are not known."""
    from ...onnx import activations
    from ...onnx.activation import layer_name
    from ...onnx.values import constant, operand

    skipping = {name for item in activations(model) for name in item.consumers}
    macs = 0
    for node in model.graph:
        weight = constant(operand(node, 1))
        if weight is not None and layer_name(node) in skipping:
            macs += weight.size * _UNKNOWN_EXTENT ** max(1, weight.ndim - 2)
    return (1 - _NATURAL_DENSITY) * macs / (costs.peak_macs_per_ms / costs.threads * threads)
