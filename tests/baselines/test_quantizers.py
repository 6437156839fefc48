"""What other engines' tools make of a model loads in that engine."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from zeroskip.baselines.quantizers import quantize_for


@pytest.mark.parametrize("opset", [9, 11, 12, 13, 18])
def test_models_of_old_opsets_are_quantised_to_ones_that_load(opset: int) -> None:
    """Scales per channel have an axis since opset 13: in an older one ONNX Runtime's own result did not load."""
    random = np.random.default_rng(0)
    weight = numpy_helper.from_array(random.standard_normal((4, 3, 3, 3)).astype(np.float32), "w")
    bias = numpy_helper.from_array(np.zeros(4, np.float32), "b")
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
            (("x", [1, 3, 8, 8]), ("y", [1, 4, 6, 6]))]  # fmt: skip
    graph = helper.make_graph(nodes, "old", ends[:1], ends[1:], [weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    feed = {"x": random.standard_normal((1, 3, 8, 8)).astype(np.float32)}
    made, _ = quantize_for("onnxruntime", model.SerializeToString(), [feed])
    (exact,) = ort.InferenceSession(model.SerializeToString()).run(None, feed)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # its u8 x s8 kernels saturate
    (rounded,) = ort.InferenceSession(made, options).run(None, feed)
    assert np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load_from_string(made).graph.node)
