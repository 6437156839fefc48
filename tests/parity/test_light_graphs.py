"""Network families by their graphs: the structures that onnx ships, with random weights filled in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, NodeProto, load, numpy_helper

import zeroskip as zs
from conftest import package_file

pytestmark = pytest.mark.slow

# Without vgg19: its operators are those of alexnet, its 144 million weights take a fifth of a minute.
GRAPHS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "zfnet512",
)

_PERIOD = 1_000_003
"""Values drawn: more, for the 61 million of alexnet, take seconds. A prime, so that no two rows are alike."""

# What a parameter is drawn from, by the operator that reads it and its position there: mean and deviation.
_BATCH_NORM = {1: (1.0, 0.1), 2: (0.0, 0.1), 3: (0.0, 0.1), 4: (1.0, 0.1)}


def with_random_weights(path: Path) -> ModelProto:
    """Replace every constant-filled parameter by random values that keep activations of order one."""
    model = load(path)
    noise = np.random.default_rng(0).standard_normal(_PERIOD, np.float32)
    shapes = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    readers = {name: (node, index) for node in model.graph.node for index, name in enumerate(node.input)}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = shapes[node.input[0]]
        mean, deviation = _distribution(readers, node, shape)
        values = np.resize(np.roll(noise, len(kept)), shape)
        model.graph.initializer.append(numpy_helper.from_array(mean + deviation * values, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _distribution(readers: dict[str, tuple[NodeProto, int]], node: NodeProto, shape: np.ndarray) -> tuple[float, float]:
    reader, index = readers[node.output[0]]
    if reader.op_type == "Unsqueeze":  # a scale or shift, written as Mul and Add
        reader, index = readers[reader.output[0]]
        return (1.0, 0.1) if reader.op_type == "Mul" else (0.0, 0.1)
    if reader.op_type == "BatchNormalization":
        return _BATCH_NORM[index]
    if len(shape) < 2:
        return (0.0, 0.1)
    return (0.0, float(np.sqrt(2 / np.prod(shape[1:]))))


@pytest.mark.parametrize("name", GRAPHS)
def test_network_family_computes_what_onnxruntime_computes(name: str) -> None:
    model = with_random_weights(package_file("onnx", f"backend/test/data/light/light_{name}.onnx"))
    session = zs.InferenceSession(model)
    random = np.random.default_rng(1)
    feed = {item.name: random.standard_normal(item.shape, np.float32) for item in session.get_inputs()}
    options = ort.SessionOptions()
    options.log_severity_level = 3  # old models list their weights as inputs, which it warns about
    expected = ort.InferenceSession(model.SerializeToString(), options).run(None, feed)
    for result, reference in zip(session.run(None, feed), expected, strict=True):
        assert np.abs(result - reference).max() < 1e-4 * np.abs(reference).max()
