"""Explanations and profiles say what runs, in text and as data."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from zeroskip.engine.cost import Fit


@pytest.fixture
def session(small_network: bytes) -> zs.InferenceSession:
    return zs.InferenceSession(small_network)


def feed(batch: int = 2) -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(0).standard_normal((batch, 3, 16, 16), np.float32)}


def test_explanation_names_fused_steps_kernels_and_reasons(session: zs.InferenceSession) -> None:
    explanation = session.explain()
    first, _, second, *_ = explanation.steps
    assert (first.op, first.algorithm, first.output_shape) == ("conv+fatrelu", "dense", (1, 16, 16, 16))
    assert "unpadded graph input" in first.note
    assert (second.op, second.algorithm) == ("conv+fatrelu", "auto")
    assert "skips zeros of 'p1'" in second.note
    assert all(step.kernel for step in (first, second))
    assert sum(step.macs for step in explanation.steps) == 16 * 16 * 16 * 27 + 8 * 8 * 32 * 16 + 160


def test_explanation_prints_an_aligned_table_and_the_free_nodes(session: zs.InferenceSession) -> None:
    lines = str(session.explain()).splitlines()
    assert "for image 1x3x16x16" in lines[0]
    header, rows = lines[1], lines[2:7]
    assert all(row[header.index("op") - 1] == " " for row in rows)
    assert any("nodes without a step" in line for line in lines)


def test_explanation_is_json(session: zs.InferenceSession) -> None:
    data = json.loads(json.dumps(session.explain().to_dict(), allow_nan=False))
    assert data["input_shapes"] == {"image": [1, 3, 16, 16]}
    assert data["steps"][0]["op"] == "conv+fatrelu"
    assert {step["dtype"] for step in data["steps"]} == {"float32"}


def test_explanation_tells_what_each_step_works_on() -> None:
    scale, zero = numpy_helper.from_array(np.float32(0.05), "s"), numpy_helper.from_array(np.uint8(9), "z")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["p", "s", "z"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 4, 8, 8))
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], [scale, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    explanation = zs.InferenceSession(model.SerializeToString()).explain()
    types = {step.op: step.dtype for step in explanation.steps}
    assert (types["quantize"], types["max_pool"], types["dequantize"]) == ("float32", "u8", "u8")
    header, *rows = str(explanation).splitlines()[1 : 2 + len(explanation.steps)]
    column = header.index(" type ") + 1
    assert [row[column:].split()[0] for row in rows] == [step["dtype"] for step in explanation.to_dict()["steps"]]


def test_profile_measures_every_step_and_the_density_where_zeros_can_be_skipped(
    session: zs.InferenceSession,
) -> None:
    profile = session.profile(feed(), iterations=3)
    assert [step.name for step in profile.steps] == [step.name for step in session.explain().steps]
    skipping = [step for step in profile.steps if step.can_skip]
    assert [step.input_name for step in skipping] == ["p1"]
    pooled = session.observe(["p1"], feed())["p1"]
    assert skipping[0].input_density == pytest.approx(np.count_nonzero(pooled) / pooled.size)
    assert profile.sparsity == pytest.approx(1 - skipping[0].input_density)
    assert profile.total_ms == pytest.approx(sum(step.latency_ms for step in profile.steps))
    assert all(step.latency_ms > 0 for step in profile.steps)


def test_explanation_shows_densities_once_they_are_measured(session: zs.InferenceSession) -> None:
    assert all(step.density is None for step in session.explain().steps)
    profile = session.profile(feed(1), iterations=1)
    assert [step.density for step in session.explain().steps] == [step.input_density for step in profile.steps]


@pytest.fixture(scope="module")
def quantized_network() -> bytes:
    """Two convolutions with a rectifier between, in QDQ form; the result of the rectifier is an output, too."""
    random, constants = np.random.default_rng(1), {"s": np.float32(0.05), "signed": np.uint8(120), "zero": np.uint8(0)}
    nodes = []
    for number, channels in enumerate((20, 24)):
        constants[f"w{number}"] = random.integers(-90, 90, (24, channels, 1, 1)).astype(np.int8)
        constants[f"ws{number}"] = np.float32(0.01)
        nodes.append(helper.make_node("DequantizeLinear", [f"w{number}", f"ws{number}"], [f"wd{number}"]))

    def requantized(x: str, y: str, zero: str) -> list[onnx.NodeProto]:
        steps = [("QuantizeLinear", x, f"{y}q"), ("DequantizeLinear", f"{y}q", y)]
        return [helper.make_node(op, [source, "s", zero], [result]) for op, source, result in steps]

    nodes += requantized("x", "a", "signed")
    nodes += [helper.make_node("Conv", ["a", "wd0"], ["b"], "first"), helper.make_node("Relu", ["b"], ["c"])]
    nodes += requantized("c", "rectified", "zero")
    nodes += [helper.make_node("Conv", ["rectified", "wd1"], ["e"], "second"), *requantized("e", "y", "signed")]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("n", 20, 9, 9))
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("y", "rectified")]
    graph = helper.make_graph(nodes, "g", [x], outputs, stored)
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def test_integers_have_densities_too_and_their_zero_is_the_zero_point(quantized_network: bytes) -> None:
    x = {"x": np.random.default_rng(0).standard_normal((2, 20, 9, 9), np.float32)}
    (rectified,) = ort.InferenceSession(quantized_network).run(["rectified"], x)
    session = zs.InferenceSession(quantized_network)
    profile = session.profile(x, iterations=1)
    first, second = (step for step in profile.steps if step.macs)
    assert (first.op, first.can_skip, first.input_density, first.obstacle) == (
        "quantized_conv", False, None, "signed inputs",
    )  # fmt: skip
    assert (second.op, second.can_skip, second.obstacle) == ("quantized_conv", True, None)
    assert second.input_density == pytest.approx(np.count_nonzero(rectified) / rectified.size)
    assert profile.sparsity == pytest.approx(1 - second.input_density)
    explained = {step.name: step for step in session.explain({"x": (2, 20, 9, 9)}).steps}
    assert explained["second"].density == second.input_density
    assert (explained["first"].choice, explained["second"].choice) == ("", "auto")
    assert "skips zeros of 'rectified" in explained["second"].note


def test_bf16_convolutions_have_densities_too(small_network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSKIP_EMULATE_BF16", "1")
    session = zs.InferenceSession(small_network, zs.SessionOptions(precision="bf16"))
    profile = session.profile(feed(), iterations=1)
    assert [step.op for step in profile.steps if step.can_skip] == ["bf16_conv"]
    whole = zs.InferenceSession(small_network).profile(feed(), iterations=1)
    assert profile.sparsity == pytest.approx(whole.sparsity, abs=0.01)


def test_profile_prints_and_is_json(session: zs.InferenceSession) -> None:
    profile = session.profile(feed(), iterations=1)
    assert json.loads(json.dumps(profile.to_dict(), allow_nan=False))["iterations"] == 1
    assert str(profile).splitlines()[-1].startswith("total ")


def test_profile_of_nothing_is_refused(session: zs.InferenceSession) -> None:
    with pytest.raises(zs.EngineError, match="iterations is 0"):
        session.profile(feed(), iterations=0)


def test_explanation_of_a_measured_step_shows_choice_times_and_fraction_of_the_peak(small_network: bytes) -> None:
    fit = Fit(date="now", seconds=1.0, samples=1, error=0.0, spread=0.0)
    model = zs.engine.CostModel.for_isa("avx512").model_copy(update={"fit": fit})
    session = zs.InferenceSession(small_network, zs.SessionOptions(intra_op_num_threads=1, cost_model=model))
    before = session.explain().steps[2]
    assert (before.choice, before.measured_ms, before.peak_fraction) == ("auto", None, None)
    assert before.crossover_density is not None
    profile = session.profile(feed(1), iterations=3)
    step = session.explain().steps[2]
    assert step.measured_ms == profile.steps[2].latency_ms
    assert step.density is not None
    is_sparse = step.density <= step.crossover_density
    assert step.choice == ("auto: sparse" if is_sparse else "auto: dense")
    executed = step.macs * (step.density if is_sparse else 1)
    assert step.peak_fraction == pytest.approx(executed / step.measured_ms / model.peak_macs_per_ms, rel=1e-3)
    assert "predicted ms" in str(session.explain())


def test_a_peak_that_nobody_measured_is_not_compared_with(session: zs.InferenceSession) -> None:
    session.profile(feed(1), iterations=1)
    assert all(step.peak_fraction is None for step in session.explain().steps)
