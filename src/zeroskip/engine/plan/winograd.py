"""Winograd convolution: which steps may be computed by it.

Only the permission is given here. The native operator weighs Winograd against direct convolution for the shape,
threads and caches at hand, and takes it at run time where the input is dense enough.
"""

from __future__ import annotations

from .draft import Draft, DraftStep
from .types import CHANNEL_BLOCK

_FIRST_LAYERS = [((extent, extent), (2, 2)) for extent in (5, 6, 7, 8)]
"""Windows and strides: with 2x2 pixels merged into one they become 3x3 or 4x4 windows of stride 1."""


def allow_winograd(draft: Draft) -> None:
    """Set ``winograd`` to ``"auto"`` for every convolution that has a Winograd form, in place.

    These are ungrouped 3x3 convolutions of stride 1 with 16 channels or more on either side, and those of few channels
    with a large window and stride 2.
    """
    for step in draft.steps:
        if _has_winograd_form(draft, step):
            step.attributes["winograd"] = "auto"


def _has_winograd_form(draft: Draft, step: DraftStep) -> bool:
    if step.op != "conv" or step.attributes["groups"] != 1 or step.attributes["dilations"] != (1, 1):
        return False
    outputs, inputs, *_ = draft.constants[step.constants["weight"]].shape
    if outputs < CHANNEL_BLOCK:
        return False
    window = (step.attributes["kernel"], step.attributes["strides"])
    if window in _FIRST_LAYERS:
        return bool(inputs <= CHANNEL_BLOCK // 4)
    is_map = draft.tensors[step.inputs[0]].layout == "nhwc"
    return window == ((3, 3), (1, 1)) and is_map and inputs >= CHANNEL_BLOCK
