"""Where a model's function jumps, so that rounding alone may change a result by more than rounding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

_JUMPS = frozenset(
    {
        "ArgMax",
        "ArgMin",
        "Ceil",
        "DynamicQuantizeLinear",
        "Equal",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "Hardmax",
        "Less",
        "LessOrEqual",
        "NonMaxSuppression",
        "QuantizeLinear",
        "Round",
        "Shrink",
        "Sign",
        "ThresholdedRelu",
        "TopK",
    }
)
"""Operators whose result changes by a whole step when an input changes by a rounding error."""


def has_jumps(model: bytes) -> bool:
    """Say whether a model has thresholds, rounding, comparisons or anything else that jumps.

    Between two engines a value that lies within rounding of such a place falls on either side of it. That is an error
    of neither.

    Args:
        model: A serialized ONNX model.
    """
    proto = onnx.load_model_from_string(model)
    graphs: Iterable[onnx.GraphProto | onnx.FunctionProto] = (proto.graph, *proto.functions)
    return any(node.op_type in _JUMPS for graph in graphs for node in _nodes(graph))


def _nodes(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    waiting = list(graph.node)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                waiting.extend(inner.node)
