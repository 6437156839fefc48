"""Linear layers count where the engine skips in them; where nothing is skipped the reason is the true one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zeroskip as zs
from zeroskip.engine import CostModel

WIDTH, INNER = 48, 160


@pytest.fixture(autouse=True)
def _no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSKIP_COST_MODEL", "default")


SPELLINGS: dict[str, tuple[list[tuple[str, list[str], str]], list[str]]] = {
    # nodes between the layers, of inputs up (and gate), and the rectified values
    "relu": ([("Relu", ["up"], "h")], ["h"]),
    "squared": ([("Relu", ["up"], "r"), ("Mul", ["r", "r"], "h")], ["r"]),
    "gated": ([("Relu", ["gate"], "r"), ("Mul", ["r", "up"], "h")], ["r"]),
    "gated, other order": ([("Relu", ["gate"], "r"), ("Mul", ["up", "r"], "h")], ["r"]),
    "scaled": ([("Relu", ["up"], "r"), ("Mul", ["r", "two"], "h")], ["r"]),
}


def feed_forward(spelling: str = "relu", rows: str | int = "N", *, activation: str = "Relu") -> bytes:
    """x -> up and gate -> what the spelling says -> down."""
    random = np.random.default_rng(5)
    shapes = {"w_up": (WIDTH, INNER), "w_gate": (WIDTH, INNER), "w_down": (INNER, WIDTH)}
    weights = [
        numpy_helper.from_array((random.standard_normal(shape) / 7).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    weights.append(numpy_helper.from_array(np.full(1, 2, np.float32), "two"))
    between = SPELLINGS[spelling][0]
    nodes = [helper.make_node("MatMul", ["x", "w_up"], ["up"], name="up")]
    if any("gate" in inputs for _, inputs, _ in between):
        nodes.append(helper.make_node("MatMul", ["x", "w_gate"], ["gate"], name="gate"))
    nodes += [helper.make_node(activation if op == "Relu" else op, inputs, [name]) for op, inputs, name in between]
    nodes.append(helper.make_node("MatMul", ["h", "w_down"], ["y"], name="down"))
    graph = helper.make_graph(
        nodes,
        "feed_forward",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, WIDTH])],
        weights,
    )
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def tokens(count: int = 12) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_zeros_of_linear_layers_are_measured(spelling: str) -> None:
    profile = zs.analyze(feed_forward(spelling), tokens(), threads=1, predict=False)
    layers = {layer.name: layer for layer in profile.layers}
    assert layers["down"].can_skip
    assert layers["down"].input_sparsity == pytest.approx(0.5, abs=0.1)
    assert layers["up"].obstacle == "signed inputs"
    assert profile.sparsity == pytest.approx(layers["down"].input_sparsity)
    assert "of the multiplications that can be skipped" in profile.verdict


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_thresholds_are_found_for_linear_layers(spelling: str) -> None:
    options = {"threads": 1, "measure_seconds": 0.0, "metric": "fidelity", "costs": "model"}
    result = zs.calibrate(feed_forward(spelling), tokens(24), 0.05, **options)
    assert list(result.thresholds) == SPELLINGS[spelling][1]
    assert result.sparsity_after > result.sparsity_before == pytest.approx(0.5, abs=0.1)


def test_layers_behind_a_flattened_map_count() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    random = np.random.default_rng(0)
    weights = {"w": (random.standard_normal((16, 3, 3, 3)) / 5), "v": random.standard_normal((16 * 64, 10)) / 30}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4, name="conv"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["y"], name="fc"),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])]
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "flat", [x], outputs, constants), opset_imports=[helper.make_opsetid("", 17)]
    ).SerializeToString()
    data = random.standard_normal((16, 3, 8, 8)).astype(np.float32)
    result = zs.calibrate(model, data, 0.05, threads=1, measure_seconds=0.0, metric="fidelity", costs="model")
    assert list(result.thresholds) == ["r"]


def test_many_rows_are_the_reason_where_they_are() -> None:
    data = [{"x": np.random.default_rng(i).standard_normal((40, WIDTH)).astype(np.float32)} for i in range(6)]
    loader = zs.data.from_iterable(data)
    profile = zs.analyze(feed_forward(rows=40), loader, threads=1, predict=False)
    assert {layer.name: layer.obstacle for layer in profile.layers} == {"up": "signed inputs", "down": "many rows"}
    assert "linear layers of many rows" in profile.verdict


def test_a_model_without_rectifiers_says_so() -> None:
    model = feed_forward(activation="Tanh")
    assert "(it has no ReLU-like activation)" in zs.analyze(model, tokens(), threads=1, predict=False).verdict
    result = zs.calibrate(model, tokens(), 0.05, threads=1, metric="fidelity")
    assert result.message.startswith("It has no ReLU-like activation: there is nothing to threshold.")


def test_what_onnx_runtime_runs_is_named() -> None:
    model = onnx.load_from_string(feed_forward(activation="Tanh"))
    model.graph.node.append(helper.make_node("Atan", ["y"], ["z"], name="atan"))
    model.graph.output[0].name = "z"
    profile = zs.analyze(model.SerializeToString(), tokens(), threads=1, predict=False)
    assert "it has no ReLU-like activation; ONNX Runtime runs it, because Atan is not supported natively" in (
        profile.verdict
    )


def test_linear_layers_are_cheaper_the_more_zeros_they_read() -> None:
    model, plan = CostModel.for_isa("generic"), zs.InferenceSession(feed_forward()).plan({"x": (1, WIDTH)})
    step = next(step for step in plan.steps if step.name == "down")
    times = [model.predict(plan, step, density) for density in (0.1, 0.5, 1.0)]
    assert times == sorted(times)
    assert times[0] < times[-1]
    batch = zs.InferenceSession(feed_forward()).plan({"x": (16, WIDTH)})
    step = next(step for step in batch.steps if step.name == "down")
    assert model.predict(batch, step, 0.5) == model.predict(batch, step, 1.0), "many rows read every weight"
    assert model.predict(batch, step, 0.5, inputs=16) < model.predict(batch, step, 1.0, inputs=16)
