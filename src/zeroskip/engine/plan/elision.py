"""Elision: steps that would only move bytes are replaced by sharing storage.

A concatenation of channels becomes one buffer into whose slices the producers write. A reshape or a layout
change whose result has the very bytes of its input becomes another name for that input.
"""

from __future__ import annotations

from .draft import Draft, DraftStep


def elide(draft: Draft) -> None:
    """Elide what can be elided, in place."""
    _share_concat_prefixes(draft)
    producers = draft.producers()
    reasons: dict[int, str] = {}
    for step in draft.steps:
        if step.op == "concat" and (reason := _elide_concat(draft, step, producers)):
            reasons[id(step)] = reason
    draft.eliminate(reasons)
    reasons.clear()
    for step in draft.steps:
        if step.op in ("copy", "to_row", "to_nhwc") and (reason := _elide_move(draft, step)):
            reasons[id(step)] = reason
    draft.eliminate(reasons)


def _share_concat_prefixes(draft: Draft) -> None:
    """Let a concatenation that begins with all operands of an earlier one begin with that one's result.

    Dense blocks concatenate everything so far again and again; as a chain, all of it can be one buffer.
    """
    concats = [(step, list(step.inputs)) for step in draft.steps if step.op == "concat"]
    for position, (later, operands) in enumerate(concats):
        for earlier, prefix in reversed(concats[:position]):
            count = len(prefix)
            is_prefix = count < len(operands) and operands[:count] == prefix
            if is_prefix and earlier.attributes == later.attributes:
                later.inputs = [earlier.outputs[0], *operands[count:]]
                break


def _elide_concat(draft: Draft, step: DraftStep, producers: dict[int, DraftStep]) -> str:
    """Let the operands be slices of the result; return why the step is not needed then, nothing if it is."""
    result = step.outputs[0]
    if draft.tensors[result].layout != "nhwc":
        return ""
    obstacle = _concat_obstacle(draft, step, producers)
    if obstacle:
        step.notes.append(f"copies: {obstacle}")
        return ""
    offset = 0
    for operand in step.inputs:
        draft.tensors[operand].base = result
        draft.tensors[operand].channel_offset = offset
        offset += draft.tensors[operand].shape[1]
    return "concatenation absorbed: the producers write into slices of one buffer"


def _concat_obstacle(draft: Draft, step: DraftStep, producers: dict[int, DraftStep]) -> str:
    """Return why the operands cannot be slices of the result, or nothing."""
    offset = 0
    for position, operand in enumerate(step.inputs):
        tensor = draft.tensors[operand]
        block = tensor.data_type.channel_block
        if offset % block != 0:
            return f"'{tensor.name}' would start at channel {offset}, no multiple of {block}"
        if tensor.is_external or tensor.base is not None:
            return f"'{tensor.name}' already lies in another buffer"
        if operand in producers and producers[operand].op == "copy":
            return f"'{tensor.name}' is another name for a buffer of its own"
        if operand in step.inputs[:position]:
            return f"'{tensor.name}' occurs twice"
        offset += tensor.shape[1]
    return ""


def _elide_move(draft: Draft, step: DraftStep) -> str:
    """Let the result be another name of the operand; return why the step is not needed then, nothing if it is."""
    source, result = step.inputs[0], step.outputs[0]
    before, after = draft.tensors[source], draft.tensors[result]
    if before.is_external or after.is_external or after.base is not None:
        return ""
    if not _same_bytes(draft, step, source, result):
        return ""
    after.base = source
    return f"no copy: the same bytes as '{before.name}'"


def _same_bytes(draft: Draft, step: DraftStep, source: int, result: int) -> bool:
    before, after = draft.tensors[source], draft.tensors[result]
    if step.op == "copy":
        return before.layout == after.layout  # nhwc: [N][H][W] is regrouped, the pixel stride stays
    nhwc, stride = (before, draft.pixel_stride(source)) if step.op == "to_row" else (after, draft.pixel_stride(result))
    batch, channels, height, width = nhwc.shape
    if step.op == "to_row" and batch * height * width == 1:
        return True
    is_unpadded = stride == channels
    is_channels_last = "nhwc" in (step.attributes.get("input_layout"), step.attributes.get("output_layout"))
    return is_unpadded and (height * width == 1 or is_channels_last)
