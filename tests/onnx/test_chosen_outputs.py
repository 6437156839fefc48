"""Which outputs TopK and ArgMax make, through casts and shapes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from zeroskip.onnx.chosen_outputs import chosen_outputs


def test_places_and_values_are_found_through_casts_and_shapes() -> None:
    nodes = [
        helper.make_node("TopK", ["scores", "k"], ["best", "where"], axis=1),
        helper.make_node("Cast", ["where"], ["small"], to=TensorProto.INT32),
        helper.make_node("Unsqueeze", ["small", "axis"], ["places"]),
        helper.make_node("ArgMax", ["scores"], ["first"], axis=1),
        helper.make_node("Add", ["where", "k"], ["shifted"]),
        helper.make_node("Identity", ["scores"], ["same"]),
    ]
    kinds = {"best": 1, "places": 6, "first": 7, "shifted": 7, "same": 1}
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    constants = [numpy_helper.from_array(np.array([2], np.int64), name) for name in ("k", "axis")]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 5])
    model = helper.make_model(helper.make_graph(nodes, "g", [scores], outputs, constants), ir_version=8)
    assert chosen_outputs(ir.serde.deserialize_model(model)) == {
        "best": "values",
        "places": "places",
        "first": "places",
    }
