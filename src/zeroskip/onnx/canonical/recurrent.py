"""LSTM, GRU and RNN: a product with the inputs of all steps at once, then ``zeroskip::Recurrence`` step by step.

Recurrence(x, weight, bias?, initial_h?, initial_c?) reads x ``[steps, rows, directions * gates * units]``, weight
``[directions, gates * units, units]`` and, of a GRU that resets what the state says (``kind`` ``gru_reset_after``), the
bias ``[directions, units]`` of that. Results are those of the ONNX operator. What stands in front of it is an ordinary
``Linear``, which skips zeros of its input and whose weights can be corrected like those of any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from ..rewriting import RuleTable, add_constant, become, fresh_name, fresh_node_name, insert_before, owner
from ..values import constant, operand, static_shape

GATES: Mapping[str, int] = MappingProxyType({"LSTM": 4, "GRU": 3, "RNN": 1})
"""Gates by operator."""

_ACTIVATIONS = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_BATCH_FIRST = (1, 0, 2)


def reason_against_recurrent(node: ir.Node) -> str | None:
    """Return why a recurrent layer is not carried out natively, None if it is.

    Args:
        node: An LSTM, GRU or RNN.
    """
    attributes = node.attributes
    if any(name in attributes for name in ("clip", "activation_alpha", "activation_beta")):
        return "clip and parameters of its activations are not supported"
    if attributes.get_int("input_forget", 0):
        return "input_forget is not supported"
    direction = attributes.get_string("direction", "forward")
    if direction not in _DIRECTIONS:
        return f"direction '{direction}' is not supported, only {', '.join(_DIRECTIONS)}"
    given = tuple(name.lower() for name in attributes.get_strings("activations", ()))
    if given and given not in {kind * _DIRECTIONS[direction] for kind in _known_activations(node.op_type)}:
        return f"activations {', '.join(given)} are not supported"
    return _reason_against_operands(node)


def _known_activations(op_type: str) -> tuple[tuple[str, ...], ...]:
    usual = _ACTIVATIONS[op_type]
    return (usual, ("relu",)) if op_type == "RNN" else (usual,)


def _reason_against_operands(node: ir.Node) -> str | None:
    arrays = [constant(operand(node, index)) for index in range(8)]
    if operand(node, 7) is not None and (arrays[7] is None or arrays[7].any()):
        return "peepholes are not supported"
    if arrays[1] is None or arrays[2] is None or (operand(node, 3) is not None and arrays[3] is None):
        return "weights and bias must be constants"
    if operand(node, 4) is not None and not _takes_whole_sequences(node):
        return "sequence_lens is supported only where it is a constant, the length of the input for every row"
    states = [operand(node, index) for index in _state_places(node)]
    if None in states and not all(map(_is_zero, states)):
        return "of initial_h and initial_c one is left out and the other is not zero"
    weight, recurrent = arrays[1], arrays[2]
    directions, gates = _DIRECTIONS[node.attributes.get_string("direction", "forward")], GATES[node.op_type]
    units = recurrent.shape[-1] if recurrent.ndim else 0
    fits = (
        recurrent.shape == (directions, gates * units, units)
        and weight.shape[:2] == recurrent.shape[:2]
        and weight.ndim == 3
        and node.attributes.get_int("hidden_size", units) == units
        and (arrays[3] is None or arrays[3].shape == (directions, 2 * gates * units))
    )
    if not fits:
        shapes = [list(array.shape) for array in arrays[1:4] if array is not None]
        return f"weights of shapes {shapes} do not fit {directions} direction(s) and {gates} gate(s)"
    return None if weight.dtype == recurrent.dtype == np.float32 else "its weights are not float32"


def _takes_whole_sequences(node: ir.Node) -> bool:
    lengths, shape = constant(operand(node, 4)), static_shape(node.inputs[0])
    axis = 1 if node.attributes.get_int("layout", 0) else 0
    return lengths is not None and shape is not None and len(shape) == 3 and bool((lengths == shape[axis]).all())


def recurrent_layer(node: ir.Node) -> bool:
    """Part a recurrent layer into the product with its input and what goes from step to step."""
    x, gates = node.inputs[0], GATES[node.op_type]
    if x is None or reason_against_recurrent(node) is not None:
        return False
    if node.attributes.get_int("layout", 0):
        return _steps_first(node)
    weight, recurrent = constant(node.inputs[1]), constant(node.inputs[2])
    assert weight is not None
    assert recurrent is not None
    directions, units = recurrent.shape[0], recurrent.shape[2]
    graph, kind = owner(node), _kind(node)
    added, kept = _biases(constant(operand(node, 3)), directions, gates, units, kind)
    inputs: list[ir.Value | None] = [
        x, add_constant(graph, weight.reshape(directions * gates * units, -1), f"{node.name}.weight"),
    ]  # fmt: skip
    if added is not None:
        inputs.append(add_constant(graph, added, f"{node.name}.bias"))
    products = insert_before(node, "Linear", inputs, own=True, name=fresh_name(graph, f"{node.name}.gates"))
    bias = None if kept is None else add_constant(graph, kept, f"{node.name}.hidden_bias")
    operands: list[ir.Value | None] = [products, node.inputs[2], bias, *_initial_states(node)]
    while operands[-1] is None:
        operands.pop()
    direction = node.attributes.get_string("direction", "forward")
    return become(node, "Recurrence", operands, {"kind": kind, "direction": direction}, own=True)


def _kind(node: ir.Node) -> str:
    if node.op_type == "LSTM":
        return "lstm"
    if node.op_type == "GRU":
        return "gru_reset_after" if node.attributes.get_int("linear_before_reset", 0) else "gru"
    activations = node.attributes.get_strings("activations", ())
    return "rnn_relu" if activations and activations[0].lower() == "relu" else "rnn_tanh"


def _biases(
    bias: np.ndarray | None, directions: int, gates: int, units: int, kind: str
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return what is added to the product with the input, and what a GRU adds to its state's before the reset."""
    if bias is None:
        return None, None
    of_input, of_state = (part.reshape(directions, gates, units) for part in np.split(bias, 2, axis=1))
    if kind != "gru_reset_after":
        return (of_input + of_state).reshape(-1), None
    kept = np.ascontiguousarray(of_state[:, 2])
    added = of_input.copy()
    added[:, :2] += of_state[:, :2]
    return added.reshape(-1), kept if kept.any() else None


def _initial_states(node: ir.Node) -> list[ir.Value | None]:
    """Return the states to begin with, none where all are zero or left out."""
    given = [operand(node, index) for index in _state_places(node)]
    return [] if all(map(_is_zero, given)) else given


def _state_places(node: ir.Node) -> tuple[int, ...]:
    return (5, 6) if node.op_type == "LSTM" else (5,)


def _is_zero(state: ir.Value | None) -> bool:
    array = constant(state)
    return state is None or (array is not None and not array.any())


def zero_states(node: ir.Node) -> bool:
    """States of zero, as exporters compute them for the rows of the input, are none."""
    states = node.inputs[3:]
    if not states or not all(map(_is_zero, states)):
        return False
    return become(node, "Recurrence", [value for value in node.inputs[:3] if value is not None], own=True)


def _steps_first(node: ir.Node) -> bool:
    """Let a layer whose rows come before its steps read and write the other order, between transpositions."""
    graph, name = owner(node), node.name
    moved = [
        insert_before(node, "Transpose", [value], {"perm": _BATCH_FIRST}) if index in (0, 5, 6) and value else value
        for index, value in enumerate(node.inputs)
    ]
    attributes = [attribute for key, attribute in node.attributes.items() if key != "layout"]
    layer = ir.Node("", node.op_type, moved, attributes, num_outputs=len(node.outputs))
    layer.name = fresh_node_name(graph, f"{name}.steps_first")
    layer.meta.update(node.meta)
    graph.insert_before(node, layer)
    for index, (inner, outer) in enumerate(zip(layer.outputs, node.outputs, strict=True)):
        inner.name, inner.type = fresh_name(graph, f"{name}.steps_first.{index}"), outer.type
        if not (outer.uses() or outer.is_graph_output()):
            continue
        back = ir.Node("", "Transpose", [inner], [ir.AttrInt64s("perm", (2, 0, 1, 3) if index == 0 else _BATCH_FIRST)])
        back.name, back.outputs[0].type = fresh_node_name(graph, f"{name}.back.{index}"), outer.type
        back.meta.update(node.meta)
        back.outputs[0].name = outer.name
        outer.name = fresh_name(graph, f"{outer.name}.replaced")
        graph.insert_before(node, back)
        outer.replace_all_uses_with(back.outputs[0], replace_graph_outputs=True)
    graph.remove(node, safe=True)
    return True


RULES: RuleTable = {**dict.fromkeys(GATES, (recurrent_layer,)), "Recurrence": (zero_states,)}
