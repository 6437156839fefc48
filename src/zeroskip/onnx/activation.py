"""The activations of a model: what thresholds and profiles refer to, and which layers could skip zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .canonical import prepare
from .canonical.layout import ACTIVATION_KEY, ORIGINAL_LAYOUT
from .canonical.shift import is_shift
from .rewriting import sources
from .values import constant, dims, is_op, is_own, operand


@dataclass(frozen=True, eq=False)
class Activation:
    """One FATReLU of a model (a ReLU is a FATReLU of threshold 0).

    Args:
        name: Its key in threshold sets and profiles: the name of its output value in the model.
        producer: Operator that computes its input (``"Conv"``, ``"Add"``, ``"Input"``, ...).
        channels: Number of channels, None when it is not known before shapes are given.
        channel_axis: Axis of the channels in the model.
        rank: Number of dimensions, None when not known.
        threshold: Present threshold, one number or float32 ``[C]``.
        max_value: Upper clip, None for none (6 for ReLU6).
        consumers: Names of the convolutions and linear layers that read its zeros, directly or through
            operators that keep them (pooling, concatenation, reshaping), and so could skip them.
    """

    name: str
    producer: str
    channels: int | None
    channel_axis: int
    rank: int | None
    threshold: float | NDArray[np.float32]
    max_value: float | None
    consumers: tuple[str, ...]


def activations(model: ir.Model) -> tuple[Activation, ...]:
    """List the activations of a model in the order of the graph.

    Args:
        model: As loaded, prepared or specialised; not changed. Channels and ranks are known best when
            specialised.

    Raises:
        ModelError: If the model is malformed.
    """
    return tuple(_activation(node) for node in prepare(model).graph if is_own(node, "FatRelu"))


def activation_key(node: ir.Node) -> str:
    """Return the name under which thresholds and profiles know a FatRelu node."""
    key: str = node.meta.get(ACTIVATION_KEY) or node.outputs[0].name or ""
    return key


def activation_keys(model: ir.Model) -> dict[str, str]:
    """Return, by name of the rectified value in a canonical model, the name its activation goes by."""
    rectifiers = (node for node in model.graph if is_own(node, "FatRelu"))
    return {node.outputs[0].name or "": activation_key(node) for node in rectifiers}


def _activation(node: ir.Node) -> Activation:
    x, output = node.inputs[0], node.outputs[0]
    source = None if x is None else x.producer()
    sizes = dims(output)
    thresholds = constant(operand(node, 1))
    layout: tuple[int, ...] = node.meta.get(ORIGINAL_LAYOUT, (0, 1))
    return Activation(
        name=activation_key(node),
        producer="Input" if source is None else source.op_type,
        channels=None if sizes is None or len(sizes) < 2 else sizes[1],
        channel_axis=layout.index(1),
        rank=None if sizes is None else len(sizes),
        threshold=node.attributes.get_float("threshold", 0.0) if thresholds is None else thresholds,
        max_value=node.attributes.get_float("max_value", None),
        consumers=tuple(dict.fromkeys(_skipping_layers(output))),
    )


_KEEPING_ZEROS = (
    "Abs", "Concat", "DepthToSpace", "DequantizeLinear", "Expand", "Flatten", "Gather", "LeakyRelu", "MaxPool", "Mul",
    "PRelu", "Pad", "QuantizeLinear", "Reshape", "Slice", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Tile",
    "Transpose", "Unsqueeze",
)  # fmt: skip
_OF_ANY_OPERAND = ("Concat", "Mul")


def _skipping_layers(value: ir.Value) -> list[str]:
    found: list[str] = []
    pending, seen = [value], {value}
    while pending:
        for usage in pending.pop(0).uses():
            node = usage.node
            if (is_op(node, "Conv") or is_own(node, "Linear")) and usage.idx == 0:
                found.append(layer_name(node))
            elif _keeps_zeros(node, usage.idx):
                pending.extend(output for output in node.outputs if output not in seen)
                seen.update(node.outputs)
    return found


def _keeps_zeros(node: ir.Node, operand_index: int) -> bool:
    is_data = operand_index == 0 or node.op_type in _OF_ANY_OPERAND
    is_own_mover = is_own(node, "PixelShuffle")
    return is_data and (is_op(node, *_KEEPING_ZEROS) or is_own_mover or is_shift(node))


def layer_name(node: ir.Node) -> str:
    """Return what a convolution or linear layer is called in plans and profiles."""
    return node.name or sources(node)[0]
