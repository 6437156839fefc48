"""From a float model to a QDQ model: what is written runs elsewhere to the same result, within the budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

import zeroskip as zs
from tiny_network import residual_network, tiny_data, tiny_network
from zeroskip.calibration.quantization.scales import (
    Observed,
    choose_steps,
    rounded_weight,
    scales_for_bytes,
    weight_scales,
)
from zeroskip.data import arrays

OPTIONS = zs.CalibrationOptions(threads=1, measure_seconds=0.0)
RANDOM = np.random.default_rng(0)


def both(data: bytes, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what ONNX Runtime, computing what the file says, and the engine make of one batch."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    reference, session = ort.InferenceSession(data, options), zs.InferenceSession(data)
    feed = {reference.get_inputs()[0].name: x}
    return reference.run(None, feed)[0], session.run(None, feed)[0]


@pytest.fixture(scope="module")
def quantized() -> zs.QuantizationResult:
    return zs.quantize(tiny_network(), tiny_data(16), 0.15, options=OPTIONS)


def test_the_model_is_standard_and_runs_elsewhere_to_the_same_result(quantized: zs.QuantizationResult) -> None:
    data = quantized.quantized.to_bytes()
    model = onnx.load_from_string(data)
    assert {opset.domain for opset in model.opset_import} == {""}
    onnx.checker.check_model(model)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("QuantizeLinear") >= 4
    assert sum(item.data_type == onnx.TensorProto.INT8 and len(item.dims) > 1 for item in model.graph.initializer) == 4
    want, got = both(data, tiny_data(4).array())
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_kernels_that_saturate_have_nothing_to_saturate(quantized: zs.QuantizationResult) -> None:
    """ONNX Runtime adds two products in 16 bits on CPUs without VNNI, whatever the weights are."""
    data, x = quantized.quantized.to_bytes(), 2 * tiny_data(8).array()  # brighter than what scales were chosen on
    want = ort.InferenceSession(data).run(None, {"image": x})[0]
    got = zs.InferenceSession(data).run(None, {"image": x})[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=0.03 * np.abs(want).max())


def test_it_keeps_the_budget_and_says_so(quantized: zs.QuantizationResult, tmp_path: Path) -> None:
    assert quantized.holdout.drop <= 0.15
    assert quantized.float_layers == ()
    assert quantized.message.startswith("4 of 4 layers in int8 (scales by ")
    assert quantized.estimate is not None
    assert quantized.estimate.drop <= 0.15 + 0.5 / 16
    assert f"on inputs like these {quantized.estimate.samples}" in quantized.message
    assert quantized.complete is None
    assert quantized.holdout.interval is not None
    assert {item.scales for item in quantized.tried} == {"minmax", "percentile", "mse"}
    quantized.save(tmp_path / "quantization.json")
    saved = json.loads((tmp_path / "quantization.json").read_text())
    assert (saved["precision"], saved["layers"]) == ("int8", 4)
    quantized.save_model(tmp_path / "model.int8.onnx")
    assert zs.InferenceSession(tmp_path / "model.int8.onnx").explain_islands() == ()


def test_behind_rectifiers_zero_is_zero(quantized: zs.QuantizationResult) -> None:
    session = zs.InferenceSession(quantized.quantized.to_bytes())
    plan = session.plan({"image": (1, 3, 32, 32)})
    points = [step.attributes["zero_point"] for step in plan.steps if step.op == "quantize"]
    assert points.count(0) >= len(points) - 1  # but of the image
    assert [item.consumers for item in session.activations() if item.consumers]


def test_weights_that_go_with_thresholds_are_in_it() -> None:
    """Learnt or corrected weights are those that become integers; without thresholds the model keeps its own."""
    from zeroskip.calibration.problem import Setting
    from zeroskip.calibration.quantization.candidate import Candidates, Choice, new_session
    from zeroskip.onnx import LayerWeights, layer_weights, load_model, replace_weights

    model = load_model(tiny_network())
    own = layer_weights(model)["conv3"]
    layers = {"conv3": LayerWeights(2.0 * own, np.zeros(len(own), np.float32))}
    thresholds = zs.ThresholdSet({"relu2": 0.01})
    setting = Setting(tiny_network(), tiny_data(16), None, OPTIONS)
    candidates = Candidates(setting, thresholds, layers=layers)
    x = {"image": tiny_data(4).array()}
    plain = zs.InferenceSession(tiny_network()).run(None, x)[0]
    changed = zs.InferenceSession(replace_weights(model, layers, thresholds).model).run(None, x)[0]
    for strength, want, other in ((1.0, changed, plain), (0.0, plain, changed)):
        (got,) = new_session(setting, candidates.model(Choice("minmax", strength=strength))).run(None, x)
        assert np.abs(got - want).mean() < 0.1 * np.abs(other - want).mean()


def test_channels_that_are_all_but_switched_off_keep_no_layer_a_float() -> None:
    """Folded batch normalisation leaves tiny weights beside a common bias, which would take more than 32 bits."""
    from zeroskip.onnx import LayerWeights, layer_weights, load_model, replace_weights

    model = load_model(tiny_network())
    weight = layer_weights(model)["conv2"].copy()
    weight[::3] *= 1e-12
    bias = np.linspace(-0.5, 0.5, len(weight), dtype=np.float32)
    changed = replace_weights(model, {"conv2": LayerWeights(weight, bias)}, zs.ThresholdSet({})).model
    result = zs.quantize(changed, tiny_data(16), 0.15, options=replace(OPTIONS, max_information_loss=1.0))
    data = result.quantized.to_bytes()
    plan = zs.InferenceSession(data).plan({"image": (1, 3, 32, 32)})
    assert [step.op for step in plan.steps if "conv" in step.op] == ["quantized_conv"] * 3
    want, got = both(data, tiny_data(4).array())
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())
    exact = zs.InferenceSession(changed).run(None, {"image": tiny_data(4).array()})[0]
    assert np.abs(got - exact).max() < 0.1 * np.abs(exact).max()


def test_a_last_layer_whose_maps_are_averaged_makes_integers() -> None:
    model = onnx.load_from_string(tiny_network())
    del model.graph.node[-2:], model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, None))
    options = replace(OPTIONS, max_information_loss=1.0)
    data = zs.quantize(model.SerializeToString(), tiny_data(16), 0.15, options=options).quantized.to_bytes()
    plan = zs.InferenceSession(data).plan({"image": (1, 3, 32, 32)})
    assert [step.op for step in plan.steps if "conv" in step.op] == ["quantized_conv"] * 3
    want, got = both(data, tiny_data(4).array())
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_thresholds_are_in_it() -> None:
    thresholds = zs.ThresholdSet({"relu1": 0.12, "relu2": 0.1})
    options = replace(OPTIONS, max_information_loss=1.0)
    result = zs.quantize(tiny_network(), tiny_data(16), 0.2, thresholds=thresholds, options=options)
    if result.strength == 0.0:
        pytest.fail("the thresholds did not fit beside the rounding")
    data, x = result.quantized.to_bytes(), tiny_data(4).array()
    want, got = both(data, x)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())
    found = {item.name: item.threshold for item in zs.InferenceSession(data).activations()}
    assert any(value >= 0.7 * 0.1 * result.strength for value in found.values())
    plan = zs.InferenceSession(data).plan({"image": (1, 3, 32, 32)})
    assert "activation" not in [step.op for step in plan.steps]  # one comparison in the epilogue


def test_values_on_their_way_between_reshapings_need_no_scale_of_their_own() -> None:
    """The engine makes one step of both reshapings: the value between them cannot be looked at."""
    random = np.random.default_rng(5)
    weights = {
        "w": random.normal(size=(16, 3, 3, 3)).astype(np.float32),
        "v": random.normal(size=(5, 64)).astype(np.float32),
        "flat": np.array([-1, 64], np.int64),
        "back": np.array([-1, 16, 4], np.int64),
    }
    text = """<ir_version: 9, opset_import: ["" : 17]>
    g (float[N, 3, 4, 4] x) => (float[N, 5] y) {
        c = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w)
        r = Relu (c)
        a = Reshape (r, back)
        b = Reshape (a, flat)
        y = Gemm <transB = 1> (b, v)
    }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in weights.items())
    x = random.normal(size=(16, 3, 4, 4)).astype(np.float32)
    result = zs.quantize(model.SerializeToString(), arrays(x), 0.2, options=OPTIONS)
    assert result.layers == 2
    want, got = both(result.quantized.to_bytes(), x)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_a_residual_network() -> None:
    x = RANDOM.standard_normal((16, 3, 32, 32)).astype(np.float32)
    result = zs.quantize(residual_network(), arrays(x), 0.05, options=OPTIONS, random_input=True)
    want, got = both(result.quantized.to_bytes(), x[:2])
    assert np.abs(got - want).max() <= 0.02 * np.abs(want).max()


def test_a_budget_that_nothing_keeps() -> None:
    message = "int8 loses more than the budget of 1e-09 even with every layer but one"
    with pytest.raises(zs.CalibrationError, match=message):
        zs.quantize(tiny_network(), tiny_data(16), 1e-9, options=OPTIONS, metric="fidelity")


def test_layers_that_stay_floats_are_told_with_what_they_save() -> None:
    everything = zs.quantize(tiny_network(), tiny_data(16), 0.2, options=OPTIONS, metric="fidelity")
    budget = 0.7 * everything.holdout.drop
    result = zs.quantize(tiny_network(), tiny_data(16), budget, options=OPTIONS, metric="fidelity")
    assert 0 < len(result.float_layers) < 4
    assert result.complete is not None
    assert result.holdout.drop <= budget < result.complete.drop
    assert "All 4 layers in int8: counted on" in result.message


def test_a_target_is_no_budget() -> None:
    with pytest.raises(zs.CalibrationError, match="quantize has a budget, max_drop"):
        zs.quantize(tiny_network(), tiny_data(16), target_sparsity=0.5)


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize("is_rectified", [True, False])
def test_steps_lie_where_the_values_are(method: str, is_rectified: bool) -> None:
    values = RANDOM.standard_normal((4, 8, 50, 50)).astype(np.float32)
    values = np.maximum(values, 0) if is_rectified else values + 1
    seen = Observed()
    seen.add(values, RANDOM)
    steps = choose_steps(seen, method, is_rectified=is_rectified)  # type: ignore[arg-type]
    assert (steps.zero_point == 0) is is_rectified
    assert np.square(values - steps.rounded(values)).mean() < 2e-4
    np.testing.assert_allclose(seen.means(), values.mean(axis=(0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize(("middle", "over"), [(127.5, 127.5), (127.0, 128.0), (0.0, 255.0)])
def test_pixels_do_not_all_lie_half_way_between_steps(middle: float, over: float) -> None:
    """Less 127.5, pixels lie half way between the steps up to the largest of them, and each would be half a step off.

    A uniform error has a root mean square of .29 steps; where pixels are steps there is none.
    """
    seen, pixels = Observed(), RANDOM.integers(0, 256, (4, 3, 64, 64))
    seen.add(((pixels - middle) / over).astype(np.float32), RANDOM)
    values = ((np.arange(256) - middle) / over).astype(np.float32)
    steps = choose_steps(seen, "mse", is_rectified=False)
    error = np.sqrt(np.square(values - steps.rounded(values)).mean())
    assert error <= (0.33 if middle == 127.5 else 0.01) / over


def test_weights_have_a_scale_for_each_output() -> None:
    sizes = np.float32([1, 10, 0, 0.1, 100]).reshape(5, 1, 1, 1)
    weight = RANDOM.standard_normal((5, 3, 3, 3)).astype(np.float32) * sizes
    for method in ("minmax", "mse"):
        scale = weight_scales(weight, method)  # type: ignore[arg-type]
        integers = rounded_weight(weight, scale)
        assert np.abs(integers).max() == 127
        error = np.abs(integers * scale.reshape(5, 1, 1, 1) - weight).reshape(5, -1).max(axis=1)
        assert (error <= np.abs(weight).reshape(5, -1).max(axis=1) * 0.31).all()


@pytest.mark.parametrize("shape", [(24, 16, 3, 3), (24, 3, 7, 7), (24, 5, 1, 1), (24, 30)])
def test_byte_products_of_two_neighbouring_weights_fit_into_16_bits(shape: tuple[int, ...]) -> None:
    weight = np.random.default_rng(0).laplace(size=shape).astype(np.float32)
    plain = weight_scales(weight, "minmax")
    scale = scales_for_bytes(weight, plain)

    def largest_sum(scale: NDArray[np.float32]) -> int:
        rows = np.moveaxis(rounded_weight(weight, scale).astype(int), 1, -1).reshape(shape[0], -1)
        rows = rows[:, : rows.shape[1] // 2 * 2]
        pairs = rows.reshape(shape[0], -1, 2)
        return int(max(np.maximum(pairs, 0).sum(axis=2).max(), np.maximum(-pairs, 0).sum(axis=2).max()))

    assert largest_sum(plain) > 128, "there would be nothing to do"
    assert largest_sum(scale) <= 128
    assert np.all(scale >= plain)
    fits = np.abs(weight).reshape(len(weight), -1).max(axis=1) / scale > 126
    assert fits.any(), "outputs without two large neighbours keep all their steps"
