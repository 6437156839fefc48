"""Outputs that are what TopK, ArgMax or ArgMin chose: the values that were found, or where they were."""

from __future__ import annotations

from typing import Literal

import onnx_ir as ir

from .values import is_op

Chosen = Literal["values", "places"]
"""Of an output that TopK, ArgMax or ArgMin makes: the values that were found, best first, or where they were."""

_SAME = ("Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten")


def chosen_outputs(model: ir.Model) -> dict[str, Chosen]:
    """Return by name which outputs are values that such a node found, best first, and which are their places.

    Args:
        model: Not changed. What functions and bodies of control flow make is not seen.
    """
    found: dict[str, Chosen] = {}
    for output in model.graph.outputs:
        value = _origin(output)
        node = None if value is None else value.producer()
        if is_op(node, "ArgMax", "ArgMin"):
            found[str(output.name)] = "places"
        elif value is not None and is_op(node, "TopK"):
            found[str(output.name)] = "places" if value.index() == 1 else "values"
    return found


def _origin(value: ir.Value | None) -> ir.Value | None:
    """Return the value that another one has the elements of, in the same order."""
    while value is not None and is_op(node := value.producer(), *_SAME) and node is not None:
        value = node.inputs[0]
    return value
