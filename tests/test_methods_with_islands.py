"""Analysis, calibration and thresholds on a model of which a part runs in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

import zeroskip as zs
from tiny_network import SKIPPABLE, tiny_data, tiny_network


@pytest.fixture(scope="module")
def network() -> bytes:
    """The tiny network with two operators in front of its last pooling that the engine does not have."""
    model = onnx.load_from_string(tiny_network())
    names = [node.name for node in model.graph.node]
    pool = model.graph.node[names.index("pool")]
    pool.input[0] = "relu4"
    between = [
        helper.make_node("Atan", ["relu3"], ["erf"], "erf"),
        helper.make_node("Relu", ["erf"], ["relu4"], "relu4"),
    ]
    for position, node in enumerate(between):
        model.graph.node.insert(names.index("pool") + position, node)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_analysis_reports_activations_in_islands_as_not_skippable(network: bytes) -> None:
    assert len(zs.InferenceSession(network).explain().islands) == 1
    profile = zs.analyze(network, tiny_data(8), threads=1)
    consumers = {item.name: item.consumers for item in profile.activations}
    assert {name for name, layers in consumers.items() if layers} == set(SKIPPABLE)
    assert set(consumers) >= {"relu3", "relu4"}
    assert all(item.sparsity > 0.0 for item in profile.activations if item.name != "relu4")
    assert [layer.name for layer in profile.layers if layer.can_skip] == ["conv2", "conv3"]


def test_thresholds_compute_the_same_elsewhere(network: bytes) -> None:
    thresholds = zs.ThresholdSet(dict.fromkeys(SKIPPABLE, 0.2))
    written = zs.apply(network, thresholds).to_bytes()
    feed = {"image": tiny_data(4).array()}
    (expected,) = ort.InferenceSession(written).run(None, feed)
    (got,) = zs.InferenceSession(written, zs.SessionOptions(intra_op_num_threads=1)).run(None, feed)
    np.testing.assert_allclose(got, expected, atol=1e-3 * np.abs(expected).max())


def test_calibration_finds_thresholds_in_the_native_parts(network: bytes) -> None:
    result = zs.calibrate(network, tiny_data(16), target_sparsity=0.7, threads=1, measure_seconds=0.2)
    assert {item.activation for item in result.sensitivities} == set(SKIPPABLE)
    assert result.sparsity_after >= 0.7
    assert result.measured_speed is not None
    feed = {"image": tiny_data(4).array()}
    written = result.apply(network).to_bytes()
    (expected,) = ort.InferenceSession(written).run(None, feed)
    (got,) = zs.InferenceSession(written, zs.SessionOptions(intra_op_num_threads=1)).run(None, feed)
    np.testing.assert_allclose(got, expected, atol=1e-3 * np.abs(expected).max())


def test_corrections_name_the_islands_in_their_way(network: bytes) -> None:
    with pytest.raises(zs.CalibrationError, match=r"compensation='bias'.*island 0.*Atan"):
        zs.calibrate(network, tiny_data(16), target_sparsity=0.7, threads=1, compensation="bias")
