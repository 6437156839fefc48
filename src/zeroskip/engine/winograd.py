"""Winograd convolution: which steps may be computed by it.

Only the permission is given here. The native operator weighs Winograd against direct convolution for the shape,
threads and caches at hand, and takes it at run time where the input is dense enough.
"""

from __future__ import annotations

from .draft import Draft, DraftStep
from .plan_types import CHANNEL_BLOCK


def allow_winograd(draft: Draft) -> None:
    """Set ``winograd`` to ``"auto"`` for every convolution that has a Winograd form, in place."""
    for step in draft.steps:
        if _has_winograd_form(draft, step):
            step.attributes["winograd"] = "auto"


def _has_winograd_form(draft: Draft, step: DraftStep) -> bool:
    """Whether a step is an ungrouped 3x3 convolution of stride 1 with 16 channels or more on either side."""
    if step.op != "conv" or draft.tensors[step.inputs[0]].layout != "nhwc":
        return False
    window = (step.attributes["kernel"], step.attributes["strides"], step.attributes["dilations"])
    channels = min(draft.tensors[index].shape[1] for index in (step.inputs[0], step.outputs[0]))
    is_3x3 = window == ((3, 3), (1, 1), (1, 1))
    return is_3x3 and step.attributes["groups"] == 1 and channels >= CHANNEL_BLOCK
