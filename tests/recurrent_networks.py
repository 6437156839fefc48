"""Models of one recurrent layer, and what ONNX Runtime says of them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
RESULTS = {"LSTM": ("y", "y_h", "y_c"), "GRU": ("y", "y_h"), "RNN": ("y", "y_h")}


def recurrent(
    op_type: str = "LSTM",
    *,
    units: int = 6,
    inputs: int = 5,
    has_bias: bool = True,
    states: str = "",
    results: tuple[str, ...] | None = None,
    lengths: list[int] | None = None,
    peepholes: float | None = None,
    **attributes: object,
) -> bytes:
    """Return a model of one layer with open steps ``T`` and rows ``N``.

    Args:
        op_type: LSTM, GRU or RNN.
        units: Of its state.
        inputs: Of a step.
        has_bias: Whether it has one.
        states: ``"computed"``: first states are inputs of the model, ``"constant"``: of 3 rows, ``"zero"`` likewise.
        results: Those that the model returns.
        lengths: Of the sequences, a constant.
        peepholes: Value of them.
        attributes: Of the layer.
    """
    random, gates = np.random.default_rng(0), GATES[op_type]
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    constants = {
        "w": random.standard_normal((directions, gates * units, inputs)) * 0.4,
        "r": random.standard_normal((directions, gates * units, units)) * 0.4,
        "b": random.standard_normal((directions, 2 * gates * units)) * 0.4,
    }
    shape = ["N", "T", inputs] if attributes.get("layout") else ["T", "N", inputs]
    feeds = {"x": shape}
    operands = ["x", "w", "r", "b" if has_bias else "", "", "", "", ""]
    if lengths is not None:
        constants["lengths"], operands[4] = np.array(lengths, np.int32), "lengths"
    for place, name in ((5, "h"), (6, "c"))[: 2 if op_type == "LSTM" else 1] if states else ():
        operands[place] = name
        if states == "computed":
            feeds[name] = ["N", directions, units] if attributes.get("layout") else [directions, "N", units]
        else:
            constants[name] = random.standard_normal((directions, 3, units)) * (states == "constant")
    if peepholes is not None:
        constants["p"], operands[7] = np.full((directions, 3 * units), peepholes), "p"
    while not operands[-1]:
        operands.pop()
    wanted = RESULTS[op_type] if results is None else results
    outputs = [name if name in wanted else "" for name in RESULTS[op_type]]
    node = helper.make_node(op_type, operands, outputs, "layer", hidden_size=units, **attributes)
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in feeds.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs if name],
        [
            numpy_helper.from_array(array if array.dtype == np.int32 else array.astype(np.float32), name)
            for name, array in constants.items()
            if name in operands
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def feeds_of(model: bytes, steps: int = 4, rows: int = 3) -> dict[str, np.ndarray]:
    random, sizes = np.random.default_rng(1), {"T": steps, "N": rows}
    return {
        value.name: random.standard_normal(
            [sizes.get(dim.dim_param, dim.dim_value) for dim in value.type.tensor_type.shape.dim], np.float32
        )
        for value in onnx.load_from_string(model).graph.input
    }


def answers(model: bytes, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)
