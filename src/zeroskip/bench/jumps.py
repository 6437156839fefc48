"""Where a model's function jumps, so that rounding alone may change a result by more than rounding."""

from __future__ import annotations

import onnx_ir as ir

from ..onnx import LoadedModel
from ..onnx.load import ModelSource

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


def has_jumps(model: ModelSource) -> bool:
    """Say whether a model has thresholds, rounding, comparisons or anything else that jumps.

    Between two engines a value that lies within rounding of such a place falls on either side of it. That is an error
    of neither.

    Args:
        model: The model.
    """
    loaded = LoadedModel.of(model).model
    graphs: tuple[ir.Graph | ir.Function, ...] = (loaded.graph, *loaded.functions.values())
    return any(node.op_type in _JUMPS for graph in graphs for node in graph.all_nodes())
