"""Branches change nothing by themselves, and their thresholds leave the shortcut alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zeroskip as zs
from tiny_network import SIDE, tiny_data, tiny_network
from zeroskip.calibration import CompensationName, calibrate
from zeroskip.errors import RecipeError
from zeroskip.onnx import activations, add_branches, load_model, to_bytes

CHANNELS = 8
IMAGES = tiny_data(24).array()


def residual_network(second_weight: float = 1.0) -> bytes:
    """Return conv1, relu1, conv2, their sum, relu2, conv3, pooling: three logits."""
    random = np.random.default_rng(3)
    shapes = {"weight1": (CHANNELS, 3, 3, 3), "weight2": (CHANNELS, CHANNELS, 3, 3), "weight3": (3, CHANNELS, 1, 1)}
    constants = {name: random.standard_normal(shape) / np.sqrt(np.prod(shape[1:])) for name, shape in shapes.items()}
    constants["weight2"] *= second_weight
    nodes = [
        helper.make_node("Conv", ["image", "weight1"], ["conv1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv1"], ["relu1"], "relu1"),
        helper.make_node("Conv", ["relu1", "weight2"], ["conv2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["conv2", "relu1"], ["sum"], "sum"),
        helper.make_node("Relu", ["sum"], ["relu2"], "relu2"),
        helper.make_node("Conv", ["relu2", "weight3"], ["conv3"], "conv3"),
        helper.make_node("GlobalAveragePool", ["conv3"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["logits"], "flatten"),
    ]
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def outputs(model: bytes) -> np.ndarray:
    (found,) = zs.InferenceSession(model).run(None, {"image": IMAGES})
    return found


def test_a_branch_is_made_where_others_read_too_and_changes_nothing() -> None:
    model = add_branches(load_model(residual_network()))
    assert [item.name for item in activations(model)] == ["relu1", "relu1/branch", "relu2"]
    np.testing.assert_array_equal(outputs(to_bytes(model)), outputs(residual_network()))


def test_a_chain_has_no_branches() -> None:
    model = load_model(tiny_network())
    assert [item.name for item in activations(add_branches(model))] == [item.name for item in activations(model)]


def test_a_threshold_of_a_branch_leaves_the_shortcut_alone() -> None:
    """A convolution that reads nothing but zeros is one whose weights are zero."""
    thresholded = zs.apply(residual_network(), zs.ThresholdSet({"relu1/branch": 1e9})).to_bytes()
    wanted = outputs(residual_network(second_weight=0.0))
    np.testing.assert_allclose(outputs(thresholded), wanted, atol=1e-5)
    onnx.checker.check_model(onnx.load_from_string(thresholded))


def test_branches_have_thresholds_per_channel_and_other_runtimes_agree() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    thresholds = np.linspace(0.0, 1.0, CHANNELS, dtype=np.float32)
    model = zs.apply(residual_network(), zs.ThresholdSet({"relu1/branch": thresholds, "relu2": 0.2})).to_bytes()
    (theirs,) = onnxruntime.InferenceSession(model).run(None, {"image": IMAGES})
    np.testing.assert_allclose(outputs(model), theirs, atol=1e-4)
    assert np.abs(outputs(model) - outputs(residual_network())).max() > 1e-3


@pytest.mark.parametrize("name", ["relu2/branch", "relu9/branch"])
def test_a_branch_that_cannot_be_is_named(name: str) -> None:
    with pytest.raises(RecipeError, match=name):
        zs.apply(residual_network(), zs.ThresholdSet({name: 0.1}))


@pytest.mark.parametrize("compensation", ["none", "bias"])
def test_calibrated_branches_travel_in_the_set_and_in_the_model(compensation: CompensationName) -> None:
    data = tiny_data(64)
    result = calibrate(residual_network(), data, 0.1, branches=True, compensation=compensation, batch_size=4, threads=1)
    assert np.any(result.thresholds["relu1/branch"])
    assert "relu1" not in result.thresholds
    written = result.apply(residual_network()).to_bytes()
    _, holdout = data.split(0.5, seed=0)
    feed = {"image": holdout.array()}
    (dense,) = zs.InferenceSession(residual_network()).run(None, feed)
    (found,) = zs.InferenceSession(written).run(None, feed)
    agreement = float((dense.argmax(axis=1) == found.argmax(axis=1)).mean())
    assert agreement == pytest.approx(result.holdout.optimized)
    assert result.thresholds.provenance["branches"] is True
