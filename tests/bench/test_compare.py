"""Outputs are compared strictly, and by what flips at thresholds can do where a model has some."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.bench import EngineSpec, bench
from zeroskip.bench.compare import Comparison, compare, input_differences, noise_response
from zeroskip.bench.jumps import has_jumps

TOLERANCE = 1e-3
X = tiny_data(16).array()
BATCHES = [X[number : number + 1] for number in range(len(X))]
Outputs = list[list[NDArray[Any]]]


def thresholded(threshold: float | None = None) -> bytes:
    """Return the network with a threshold that lies exactly on the largest value that its first picture has."""
    session = zs.InferenceSession(tiny_network())
    values = session.observe(["relu1"], {"image": X[:1]})["relu1"]
    chosen = float(np.sort(values.ravel())[-40]) if threshold is None else threshold
    return bytes(zs.apply(tiny_network(), zs.ThresholdSet({"relu1": chosen})).to_bytes())


def run(model: bytes, batches: list[NDArray[np.float32]]) -> Outputs:
    session = zs.InferenceSession(model)
    return [session.run(None, {"image": batch}) for batch in batches]


def compared(model: bytes, other: Outputs) -> Comparison:
    reference = run(model, BATCHES)

    def response() -> NDArray[np.float64]:
        return noise_response(lambda batches: run(model, batches), BATCHES, reference, "f32")

    return compare(reference, other, TOLERANCE, response)


def flipped(model: bytes) -> Outputs:
    """Return what an engine gives whose rounding drops a value that another keeps, on the first picture alone."""
    proto = onnx.load_model_from_string(model)
    (node,) = [node for node in proto.graph.node if node.op_type == "ThresholdedRelu"]
    node.attribute[0].f = float(np.nextafter(np.float32(node.attribute[0].f), np.float32(0)))
    return run(proto.SerializeToString(), BATCHES)


def test_a_flip_at_a_threshold_is_no_error() -> None:
    model = thresholded()
    strict = compare(run(model, BATCHES), flipped(model), TOLERANCE)
    assert not strict.is_match, "the case must be one that a strict comparison refuses"
    found = compared(model, flipped(model))
    assert found.is_match
    assert found.has_flips
    assert found.share_within == pytest.approx(15 / 16)
    assert found.difference <= found.accepted < 0.25


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda model, outputs: run(tiny_network(), BATCHES), id="thresholds ignored"),
        pytest.param(lambda model, outputs: [[value * 1.01 for value in batch] for batch in outputs], id="scale"),
        pytest.param(lambda model, outputs: [[np.roll(value, 1) for value in batch] for batch in outputs], id="order"),
        pytest.param(lambda model, outputs: [[batch[0] + np.nan] for batch in outputs], id="nan"),
        pytest.param(lambda model, outputs: [[batch[0][:, :-1]] for batch in outputs], id="size"),
        pytest.param(lambda model, outputs: [*outputs[:-1], [outputs[-1][0] + 9.0]], id="one input"),
        pytest.param(lambda model, outputs: outputs[1:] + outputs[:1], id="other inputs"),
    ],
)  # fmt: skip
def test_a_wrong_engine_is_caught_on_a_model_with_thresholds(spoil: Any) -> None:
    model = thresholded()
    assert not compared(model, spoil(model, flipped(model))).is_match


def test_a_model_without_thresholds_is_held_to_rounding() -> None:
    assert not has_jumps(tiny_network())
    assert has_jumps(thresholded())
    per_channel = zs.apply(tiny_network(), zs.ThresholdSet({"relu1": np.linspace(0.1, 0.5, 16)})).to_bytes()
    assert has_jumps(per_channel)


def test_noise_moves_a_smooth_model_by_rounding_only() -> None:
    reference = run(tiny_network(), BATCHES)
    response = noise_response(lambda batches: run(tiny_network(), batches), BATCHES, reference, "f32")
    assert response.shape == (16,)
    assert 0.0 < response.max() < 1e-4


def test_jumps_are_found_in_subgraphs_and_functions() -> None:
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s"], ["y"])
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    branch = onnx.helper.make_graph([node], "inner", [], [value])
    outer = onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    inputs = [
        onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, []),
        *(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "s")),
    ]
    graph = onnx.helper.make_graph([outer], "outer", inputs, [value])
    assert has_jumps(onnx.helper.make_model(graph).SerializeToString())
    opset = [onnx.helper.make_opsetid("", 18)]
    function = onnx.helper.make_function("own", "F", ["x", "s"], ["y"], [node], opset)
    graph = onnx.helper.make_graph([onnx.helper.make_node("F", ["x", "s"], ["y"], domain="own")], "g", inputs, [value])
    assert has_jumps(onnx.helper.make_model(graph, functions=[function]).SerializeToString())


def test_differences_are_told_apart_by_input() -> None:
    reference = [[np.array([[1.0, -4.0], [2.0, 0.0]])], [np.array([[0.0, 0.0], [0.0, 3.0]])]]
    other = [[np.array([[1.0, -3.0], [2.0, 0.0]])], [np.array([[0.0, 0.0], [0.0, 1.0]])]]
    np.testing.assert_allclose(input_differences(reference, other), [0.25, 0.0, 0.0, 0.5])
    zeros = [[np.zeros((2, 2))]]
    assert input_differences(zeros, zeros).tolist() == [0.0, 0.0]
    assert input_differences(zeros, [[np.ones((2, 2))]]).tolist() == [np.inf, np.inf]
    dropped = [[value.reshape(-1) for value in batch] for batch in other]
    np.testing.assert_allclose(input_differences(reference, dropped), [0.25, 0.0, 0.0, 0.5])


def test_bench_takes_a_model_with_thresholds(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnxruntime")
    options: dict[str, Any] = {"threads": 1, "seconds": 0.05}
    with caplog.at_level(logging.WARNING):
        result = bench(thresholded(), tiny_data(16), [EngineSpec("zeroskip"), EngineSpec("onnxruntime")], **options)
    row = result["onnxruntime"]
    assert row.is_match, row
    assert row.accepted_difference is not None
    assert row.prediction_agreement is not None
    assert "differ" not in caplog.text
