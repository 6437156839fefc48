"""From ``zeroskip::Recurrence`` and the product in front of it back to an LSTM, GRU or RNN of standard ONNX."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import ModelError
from .rewriting import AttributeValue, add_constant, become, describe, owner
from .values import constant, has_one_use, operand, own_producer

_OPERATORS = {"lstm": "LSTM", "gru": "GRU", "gru_reset_after": "GRU", "rnn_relu": "RNN", "rnn_tanh": "RNN"}


def write_recurrent(node: ir.Node) -> None:
    """Turn a Recurrence into the standard operator, in place.

    It takes over the input, weight and bias of a Linear that it alone reads; of any other operand each gate takes its
    own column, by a weight of ones and zeros.

    Args:
        node: The node to change.

    Raises:
        ModelError: If its weight is not constant.
    """
    recurrent, graph = constant(operand(node, 1)), owner(node)
    if recurrent is None:
        raise ModelError(f"{describe(node)} has a weight that is not constant")
    directions, columns, units = recurrent.shape
    x, weight, added = _product(node, directions * columns)
    bias = np.zeros((directions, 2, columns), np.float32)
    bias[:, 0] = added.reshape(directions, columns)
    kept = constant(operand(node, 2))
    if kept is not None:
        bias[:, 1, columns - units :] = kept
    inputs = [
        x,
        add_constant(graph, weight.reshape(directions, columns, -1), f"{node.name}.W"),
        node.inputs[1],
        add_constant(graph, bias.reshape(directions, -1), f"{node.name}.B"),
        None,
        *node.inputs[3:],
    ]
    kind, direction = node.attributes.get_string("kind", ""), node.attributes.get_string("direction", "forward")
    attributes: dict[str, AttributeValue] = {"hidden_size": units, "direction": direction}
    if kind == "gru_reset_after":
        attributes["linear_before_reset"] = 1
    if kind == "rnn_relu":
        attributes["activations"] = ir.AttrStrings("activations", ["Relu"] * directions)
    become(node, _OPERATORS[kind], inputs, attributes)


def _product(node: ir.Node, columns: int) -> tuple[ir.Value | None, NDArray[np.float32], NDArray[np.float32]]:
    """Return the input of the layer, the weights ``[columns, inputs]`` it is multiplied with, and what is added."""
    products = node.inputs[0]
    linear = own_producer(products, "Linear")
    if linear is not None and has_one_use(products):
        weight, bias = constant(operand(linear, 1)), constant(operand(linear, 2))
        if weight is not None and (bias is not None or operand(linear, 2) is None):
            return linear.inputs[0], weight, np.zeros(columns, np.float32) if bias is None else bias
    return products, np.eye(columns, dtype=np.float32), np.zeros(columns, np.float32)
