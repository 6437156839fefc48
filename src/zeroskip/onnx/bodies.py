"""The bodies of control flow, and what they compute of constants only.

ONNX Runtime computes such constants while it loads a model, without limits. That is worth having, as the weights of
an LSTM in an If that are sliced there, and a danger: a few nodes can make a tensor of any size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

_NO_LARGER = frozenset(
    (
        "Abs", "Cast", "Flatten", "Identity", "Neg", "Not", "Reshape", "Shape", "Size", "Slice", "Split", "Squeeze",
        "Transpose", "Unsqueeze",
    )
)  # fmt: skip
"""Operators none of whose outputs has more elements than their first input, or a few."""
_FEW = 16
_BROADCAST = frozenset(
    (
        "Add", "And", "Div", "Equal", "Gather", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mod", "Mul", "Or",
        "Sub", "Where", "Xor",
    )
)  # fmt: skip
"""Operators whose output has no more elements than their inputs multiplied."""


def bodies(attribute: ir.Attr) -> Sequence[ir.Graph]:
    """Return the graphs that an attribute holds."""
    if attribute.is_ref():
        return ()
    if attribute.type == ir.AttributeType.GRAPH:
        return (attribute.as_graph(),)
    return attribute.as_graphs() if attribute.type == ir.AttributeType.GRAPHS else ()


def constants_inside(node: ir.Node) -> float:
    """Return how many elements the bodies of a node compute of constants only, at most; infinite if nobody knows.

    Args:
        node: Of a graph; one without bodies computes none there.
    """
    sizes: dict[ir.Value, float] = {}
    inner = (item for attribute in node.attributes.values() for body in bodies(attribute) for item in body.all_nodes())
    return sum(_computed(item, sizes) for item in inner)


def _computed(node: ir.Node, sizes: dict[ir.Value, float]) -> float:
    """Return the elements that a node makes of constants; keep what its outputs are."""
    if node.op_type == "Constant":  # it has its value already
        sizes.update(dict.fromkeys(node.outputs, _size(node)))
        return 0
    reads = [_known(value, sizes) for value in node.inputs if value is not None]
    if not all(size is not None for size in reads):
        return 0
    known = [size for size in reads if size is not None]
    size = _largest(node, known) if node.domain == "" and known else math.inf
    sizes.update(dict.fromkeys(node.outputs, size))
    return size * len(node.outputs)


def _largest(node: ir.Node, known: Sequence[float]) -> float:
    """Return how many elements an output has at most, by the sizes of the inputs."""
    if node.op_type == "Concat":
        return sum(known)
    if node.op_type == "ConstantOfShape":  # how padding is exported from PyTorch: of a shape that is written down
        shape = None if node.inputs[0] is None else node.inputs[0].const_value
        return math.inf if shape is None else math.prod(abs(int(extent)) for extent in shape.numpy().reshape(-1))
    if node.op_type in _BROADCAST:
        return math.prod(max(size, 1) for size in known)
    return known[0] + _FEW if node.op_type in _NO_LARGER else math.inf


def _size(node: ir.Node) -> float:
    tensor = node.attributes.get("value")
    if tensor is not None and tensor.type == ir.AttributeType.TENSOR:
        return tensor.as_tensor().size
    return max((len(item.value) for item in node.attributes.values() if isinstance(item.value, Sequence)), default=1)


def _known(value: ir.Value, sizes: dict[ir.Value, float]) -> float | None:
    return sizes.get(value, None if value.const_value is None else value.const_value.size)
