"""Work: what a step does, counted in the few quantities that its time is made of.

Owns the *families* (steps that the same kernels carry out, so that one set of prices fits them), the element types
that each family may compute in, and the *amounts* of a step in each. Knows no times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from ..data_types import FLOAT32
from ..operators import CONVOLUTIONS, LINEAR, OPERATORS, Family
from ..plan.types import CHANNEL_BLOCK, Plan, Step, round_up
from .zeros import NEIGHBOUR_CORRELATION, shared_density

Amounts: TypeAlias = tuple[float, ...]
ElementType: TypeAlias = Literal["float32", "bf16", "u8"]
"""What steps compute in: the type of the activations that they read or write."""

ELEMENT_TYPES: tuple[ElementType, ...] = get_args(ElementType)

FAMILIES: tuple[Family, ...] = ("point", "rows", "taps", "stem", "depthwise", "linear", "pool", "move")
"""1x1 convolutions; those 3 wide at stride 1, of several rows; other convolutions; those of few channels, whose
input is gathered first; depthwise ones; fully connected layers; pooling windows; steps that only move data."""

DENSE_AMOUNTS = ("macs", "weight_bytes", "read_bytes", "added_bytes", "written_bytes", "window_bytes", "steps")
"""What the time of a step that skips nothing is made of. ``added_bytes``: of a map that is added to a convolution's
sums. ``window_bytes``: what its windows read, overlaps counted each time."""
SPARSE_AMOUNTS = (
    "macs",
    "weight_loads",
    "nonzeros",
    "visits",
    "sums",
    "weight_bytes",
    "read_bytes",
    "added_bytes",
    "written_bytes",
    "steps",
)
"""What the time of a convolution that skips is made of.

``macs``: those of non-zeros. ``weight_loads``: likewise, but two neighbouring pixels that both have a
channel share one. ``nonzeros``: how often one is found in a mask, or put into a list. ``visits``: of a pixel by a
panel of weights, whatever it finds there. ``sums``: put aside after one panel and taken up by the next one.
"""

WINOGRAD_AMOUNTS = ("products", "weight_bytes", "transforms", "read_bytes", "added_bytes", "written_bytes", "steps")
"""What the time of a convolution by Winograd's algorithm is made of. ``products``: multiply-accumulates of its
matrices. ``transforms``: of one tile and channel, input or output."""

_PANEL_ROWS: dict[ElementType, int] = {"float32": 64, "bf16": 256, "u8": 320}
"""Input channels, of all taps, whose weights are near while one pixel after the other is visited."""
_SLAB_CHANNELS = 64
_TILE_INPUTS = 6  # per side of a Winograd tile, whatever its outputs


def element_type(plan: Plan, step: Step) -> ElementType:
    """Return what a step computes in; where it reads one type and writes another, the narrower one."""
    found = {plan.tensors[index].dtype for index in (*step.inputs, *step.outputs)}
    return "u8" if "u8" in found else "bf16" if "bf16" in found else "float32"


def can_skip(step: Step) -> bool:
    """Whether a step is a convolution that may skip the zeros of its input."""
    if step.op not in CONVOLUTIONS:
        return False
    if step.op == "conv":
        return step.attributes.get("algorithm") in ("auto", "sparse")
    is_image = "input_layout" in step.attributes
    return step.attributes.get("algorithm") != "dense" and not is_image and not step.attributes.get("x_zero_point")


def skips_rows(step: Step) -> bool:
    """Whether a step is a fully connected layer that reads no weights for the zeros that its input is to have."""
    return step.op in LINEAR and step.attributes.get("algorithm") == "auto"


MOST_SPARSE_ROWS = 8
"""Rows that a fully connected layer may share its weights between for zeros to be counted on."""
_MOST_SPARSE_READS = 0.75  # of the weights, by several rows together: above it the core reads all of them once


def rows_of(plan: Plan, step: Step) -> int:
    """Return how many rows a fully connected layer multiplies with its weights."""
    return math.prod(plan.tensors[step.outputs[0]].shape[:-1])


def gains_by_zeros(plan: Plan, step: Step, inputs: int = 1) -> bool:
    """Whether a step is a layer that saves time by zeros of its input.

    Args:
        plan: The plan that holds the step.
        step: Any step of it.
        inputs: Of the plan's batch, where they are going to be run one by one.
    """
    return can_skip(step) or (skips_rows(step) and rows_of(plan, step) <= MOST_SPARSE_ROWS * inputs)


def family_of(plan: Plan, step: Step) -> Family:
    """Return the family a step belongs to."""
    family = OPERATORS[step.op].family
    if family is not None:
        return family
    source, result = plan.tensors[step.inputs[0]], plan.tensors[step.outputs[0]]
    (kh, kw), (sh, sw), (dh, dw) = (_pair(step, name) for name in ("kernel", "strides", "dilations"))
    rows = result.shape[2]
    if source.layout == "row":
        return "stem"
    if source.shape[3] == kw == 1 and _pads(step) == 0:  # the core lays a column down as a row
        kh, kw, sw, dw, rows = kw, kh, sh, dh, 1
    if source.shape[1] < CHANNEL_BLOCK and kw > 1:
        return "stem"
    if (kh, kw) == (1, 1):
        return "point"
    return "rows" if (kw, sw, dw) == (3, 1, 1) and rows > 1 else "taps"


def dense_amounts(plan: Plan, step: Step) -> Amounts:
    """Return the amounts of ``DENSE_AMOUNTS`` of a step."""
    result = plan.tensors[step.outputs[0]]
    read, added = _bytes_read(plan, step)
    written, size = _bytes(plan, step.outputs), _weight_size(plan, step)
    if step.op in CONVOLUTIONS:
        macs, weights, _ = _convolution(plan, step, CHANNEL_BLOCK)
        return macs, weights, read, added, written, 0.0, 1.0
    if step.op in LINEAR:  # every weight is read, often for a single row
        return float(step.macs), size * step.macs / rows_of(plan, step), read, added, written, 0.0, 1.0
    if step.op == "recurrence":  # every weight is read anew for each step, by all rows together
        return float(step.macs), size * step.macs / result.shape[2], read, added, written, 0.0, 1.0
    window = math.prod(_pair(step, "kernel")) * result.elements if "kernel" in step.attributes else 0
    return float(step.macs), 0.0, read, added, written, size * window, 1.0


def row_amounts(plan: Plan, step: Step, density: float, inputs: int = 1) -> Amounts:
    """Return the amounts of ``DENSE_AMOUNTS`` of a fully connected layer that reads the weights of non-zeros only.

    Args:
        plan: The plan that holds the step.
        step: The layer.
        density: Fraction of non-zeros in its input, in [0, 1].
        inputs: Of the plan's batch, where they are going to be run one by one; the amounts are those of all of them.
    """
    macs, weights, *others = dense_amounts(plan, step)
    rows = max(1, rows_of(plan, step) // inputs)
    if rows > 1 and density * rows > _MOST_SPARSE_READS:
        return macs, inputs * weights, *others
    return density * macs, density * rows * inputs * weights, *others


def sparse_amounts(
    plan: Plan, step: Step, density: float, width: int, correlation: float = NEIGHBOUR_CORRELATION
) -> Amounts:
    """Return the amounts of ``SPARSE_AMOUNTS`` of a convolution.

    Args:
        plan: The plan that holds the step.
        step: A convolution.
        density: Fraction of non-zeros in its input, in [0, 1].
        width: Output channels that its microkernel computes at once.
        correlation: Of zeros in neighbouring pixels, see :func:`.zeros.shared_density`.
    """
    macs, weights, visited = _convolution(plan, step, width)
    kind, result = element_type(plan, step), plan.tensors[step.outputs[0]]
    # Masks are walked by every range of outputs and tap; lists are made once for all of them.
    found = visited if kind == "float32" else float(plan.tensors[step.inputs[0]].elements)
    panels = visited / _PANEL_ROWS[kind]
    sums = max(0.0, macs / _PANEL_ROWS[kind] - result.elements)
    shared = shared_density(density, correlation) * macs
    read, added = _bytes_read(plan, step)
    written = _bytes(plan, step.outputs)
    return density * macs, shared, density * found, panels, sums, weights, read, added, written, 1.0


def takes_winograd(step: Step) -> bool:
    """Whether a step is a convolution that may be computed by Winograd's algorithm."""
    return step.attributes.get("winograd") == "auto" or step.attributes.get("algorithm") == "winograd"


def winograd_amounts(plan: Plan, step: Step) -> Amounts:
    """Return the amounts of ``WINOGRAD_AMOUNTS`` of a convolution that has such a form."""
    result = plan.tensors[step.outputs[0]]
    merged = math.prod(_pair(step, "strides"))  # pixels that become one, so that the stride is gone
    inputs, outputs = merged * _input_channels(plan, step), round_up(result.shape[1], _SLAB_CHANNELS)
    taps = math.ceil(_pair(step, "kernel")[0] / _pair(step, "strides")[0])
    side = _TILE_INPUTS + 1 - taps
    batch, _, height, width = result.shape
    tiles = batch * math.ceil(height / side) * math.ceil(width / side)
    products = float(_TILE_INPUTS**2 * inputs * outputs)
    (read, added), written = _bytes_read(plan, step), _bytes(plan, step.outputs)
    transforms = float(tiles * (round_up(inputs, CHANNEL_BLOCK) + outputs))
    return tiles * products, FLOAT32.bytes * products, transforms, read, added, written, 1.0


def _convolution(plan: Plan, step: Step, width: int) -> tuple[float, float, float]:
    """Return MACs, bytes of weights, and input values visited, each counted once per output range."""
    result = plan.tensors[step.outputs[0]]
    groups, inputs, outputs = _merged_groups(step, _input_channels(plan, step), result.shape[1])
    taps = math.prod(_pair(step, "kernel"))
    outputs = round_up(outputs, CHANNEL_BLOCK)
    products = float(groups * taps * inputs * outputs)
    visited = float(result.pixels * groups * taps * round_up(inputs, CHANNEL_BLOCK) * math.ceil(outputs / width))
    return result.pixels * products, _weight_size(plan, step) * products, visited


def _input_channels(plan: Plan, step: Step) -> int:
    """Return the channels of a convolution's input; of a row-layout one they may be the last axis."""
    is_last = step.attributes.get("input_layout") == "nhwc"
    return plan.tensors[step.inputs[0]].shape[-1 if is_last else 1]


def _merged_groups(step: Step, inputs: int, outputs: int) -> tuple[int, int, int]:
    """Return groups and their channels after narrow groups have been merged to fill blocks of channels."""
    groups = step.attributes.get("groups", 1)
    assert isinstance(groups, int)
    for merged in range(1, groups):
        fills = (merged * inputs // groups) % CHANNEL_BLOCK == 0 == (merged * outputs // groups) % CHANNEL_BLOCK
        if groups % merged == 0 and fills:
            return groups // merged, merged * inputs // groups, merged * outputs // groups
    return 1, inputs, outputs


def _weight_size(plan: Plan, step: Step) -> int:
    """Return the bytes of a weight, or of another element that a step reads."""
    return plan.tensors[step.inputs[0]].data_type.bytes if step.inputs else FLOAT32.bytes


def _bytes_read(plan: Plan, step: Step) -> tuple[float, float]:
    """Return the bytes of what a step reads, less the pixels of its first input that no window reaches, and adds."""
    reached = min(1.0, math.prod(_pair(step, "kernel")) / math.prod(_pair(step, "strides")))
    first, others = reached * _bytes(plan, step.inputs[:1]), _bytes(plan, step.inputs[1:])
    return (first, others) if step.op in CONVOLUTIONS else (first + others, 0.0)


def _bytes(plan: Plan, tensors: Sequence[int]) -> float:
    return float(sum(plan.tensors[index].logical_bytes for index in tensors))


def _pads(step: Step) -> int:
    """Return what a window's input is padded by at its sides, left and right together."""
    value = step.attributes.get("pads", (0, 0, 0, 0))
    assert isinstance(value, tuple)
    return int(value[1]) + int(value[3])


def _pair(step: Step, name: str) -> tuple[int, int]:
    value = step.attributes.get(name, (1, 1))
    assert isinstance(value, tuple)
    if len(value) != 2:  # strides of a slice, say: nothing that is priced by its window
        return 1, 1
    return int(value[0]), int(value[1])
