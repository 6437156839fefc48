"""Layers go by the names people gave them, in whatever the engine tells, whoever exported the file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zeroskip as zs
from zeroskip.onnx import load_model


def model(nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], end: str) -> onnx.ModelProto:
    constants = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4, 8, 8]) for name in ("x", end)]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def chain(*nodes: tuple[str, str, str]) -> onnx.ModelProto:
    """Return convolutions with rectifiers; each gets the name of its node, of its weight and of its result."""
    made, x = [], "x"
    for number, (name, weight, result) in enumerate(nodes):
        made.append(helper.make_node("Conv", [x, weight], [result], name))
        x = "relu" + f"_{number}" * bool(number)
        made.append(helper.make_node("Relu", [result], [x], f"node_{x}"))
    return model(made, {weight: (4, 4, 1, 1) for _, weight, _ in nodes}, x)


def names(proto: onnx.ModelProto, *op_types: str) -> list[str | None]:
    return [node.name for node in load_model(proto).graph if node.op_type in op_types]


def test_layers_that_an_exporter_numbered_go_by_their_weights() -> None:
    proto = chain(
        ("node_Conv_106", "conv1.weight", "getitem"),
        ("", "layer1.0.conv1.weight", "getitem_3"),
        ("Conv_7", "layer1.0.down.0.weight", "12"),
        ("Conv__450", "stem/conv/kernel:0", "Conv__450:0"),
    )
    assert names(proto, "Conv") == ["conv1", "layer1.0.conv1", "layer1.0.down.0", "stem/conv"]


def test_numbers_are_names_where_modules_have_them() -> None:
    proto = chain(("node_Conv_82", "0.weight", "getitem"), ("node_conv2d_1", "3.weight", "conv2d_1"), ("", "34", "56"))
    assert names(proto, "Conv") == ["0", "3", "56"]


def test_names_that_people_gave_stay() -> None:
    proto = chain(("block/conv", "w.weight", "a"), ("/layer1/conv2/Conv", "onnx::Conv_3", "b"), ("", "w3", "third"))
    assert names(proto, "Conv") == ["block/conv", "/layer1/conv2/Conv", "third"]
    assert names(proto, "Relu") == ["node_relu", "node_relu_1", "node_relu_2"]


def test_layers_of_one_weight_keep_apart() -> None:
    assert names(chain(("node_a", "conv.weight", "val_1"), ("node_b", "conv.weight", "val_2")), "Conv") == [
        "conv",
        "conv_1",
    ]


@pytest.mark.parametrize("op_type", ["Gemm", "MatMul", "BatchNormalization", "ConvTranspose"])
def test_every_kind_of_layer(op_type: str) -> None:
    shape = {"Gemm": (8, 8), "MatMul": (8, 8), "BatchNormalization": (4,), "ConvTranspose": (4, 4, 1, 1)}[op_type]
    others = ["b", "m", "v"] if op_type == "BatchNormalization" else []
    node = helper.make_node(op_type, ["x", "head.weight", *others], ["y"], "node_7")
    assert names(model([node], {"head.weight": shape} | dict.fromkeys(others, (4,)), "y"), op_type) == ["head"]


def test_a_quantised_weight_is_found_behind_its_quantiser() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["conv1.weight_quantized", "scale"], ["dq"], "dq"),
        helper.make_node("Conv", ["x", "dq"], ["getitem_1"], "node_Conv_1"),
    ]
    proto = model(nodes, {"scale": ()}, "getitem_1")
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4, 1, 1), np.int8), "conv1.weight_quantized"))
    assert names(proto, "Conv") == ["conv1"]


def test_steps_profiles_and_notes_speak_of_layers() -> None:
    proto = chain(("node_Conv_1", "conv1.weight", "getitem"), ("node_Conv_2", "layer1.0.conv1.weight", "getitem_3"))
    session = zs.InferenceSession(proto.SerializeToString())
    profile = session.profile({"x": np.ones((1, 4, 8, 8), np.float32)}, iterations=1)
    for found in (profile.steps, session.explain().steps):
        assert {"conv1", "layer1.0.conv1"} <= {step.name for step in found}
    assert "getitem" not in str(profile)
    # Thresholds go by what values are called in the file, as before.
    assert [item.name for item in session.activations()] == ["relu", "relu_1"]
    assert session.activations()[0].consumers == ("layer1.0.conv1",)
