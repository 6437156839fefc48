"""One naming scheme in tables, whatever the exporter wrote into the file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tiny_network import residual_network, tiny_network
from zeroskip.onnx import labels_of, load_model


def chain(names: list[tuple[str, str, str]]) -> bytes:
    """Return convolutions with rectifiers; each gets the name of its node, of its weight and of its result."""
    nodes, constants, x = [], [], "input"
    for number, (node, weight, result) in enumerate(names):
        constants.append(numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), weight))
        nodes.append(helper.make_node("Conv", [x, weight], [result], node))
        x = f"Relu_{number}:0"
        nodes.append(helper.make_node("Relu", [result], [x], f"Relu_{number}"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4, 8, 8]) for name in ("input", x)]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    opset = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())


def labels(model: bytes) -> tuple[dict[str, str], dict[str, str]]:
    found = labels_of(load_model(model))
    return dict(found.layers), dict(found.activations)


@pytest.mark.parametrize(
    ("node", "weight", "result", "label"),
    [
        pytest.param("conv5", "w", "y", "conv5", id="plain"),
        pytest.param("block2/conv1/BiasAdd", "w", "y", "block2/conv1", id="keras"),
        pytest.param("Conv__450", "Conv__450_weights_fused_bn", "bn_2b/FusedBatchNormV3:0", "bn_2b", id="tf2onnx"),
        pytest.param("node_Conv_371", "layer1.0.conv2.weight", "val_7", "layer1.0.conv2", id="torch dynamo"),
        pytest.param("/layer1/layer1.0/conv1/Conv", "onnx::Conv_1", "y", "layer1/layer1.0/conv1", id="torch script"),
        pytest.param("Conv_12", "features.3.weight", "12", "features.3", id="old torch"),
        pytest.param("Conv_12", "onnx::Conv_70", "getitem_3", "Conv_12", id="nothing better"),
        pytest.param("", "layer1.0.conv1.weight", "getitem_3", "layer1.0.conv1", id="torch, normalisation fused"),
        pytest.param("", "w", "conv1", "conv1", id="by hand"),
    ],
)
def test_layers_by_exporter(node: str, weight: str, result: str, label: str) -> None:
    layers, activations = labels(chain([(node, weight, result)]))
    assert list(layers.values()) == [label]
    assert activations == {"Relu_0:0": f"{label}/relu"}


def test_equal_stems_keep_their_names() -> None:
    layers, activations = labels(chain([("a/conv/Conv", "w1", "y1"), ("a/conv/BiasAdd", "w2", "y2")]))
    assert layers == {"a/conv/Conv": "a/conv/Conv", "a/conv/BiasAdd": "a/conv/BiasAdd"}
    assert len(set(activations.values())) == 2


def test_an_activation_goes_by_the_layer_before_it() -> None:
    assert labels(tiny_network())[1] == {"relu1": "conv1/relu", "relu2": "conv2/relu", "relu3": "conv3/relu"}
    assert labels(residual_network())[1] == {"relu1": "conv1/relu"}


def test_an_activation_of_the_input_keeps_its_name() -> None:
    proto = onnx.load_model_from_string(chain([("conv", "w", "y")]))
    proto.graph.node.insert(0, helper.make_node("Relu", ["input"], ["rectified"], "r"))
    proto.graph.node[1].input[0] = "rectified"
    assert labels(proto.SerializeToString())[1] == {"rectified": "rectified", "Relu_0:0": "conv/relu"}
