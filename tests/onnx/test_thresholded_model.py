"""Writing thresholds into models: standard operators, exact semantics, untouched rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnx_graphs import Array, assert_parity, build, node_of, op_types, random_array, random_feeds, run
from zeroskip import ThresholdSet
from zeroskip.errors import ModelError, RecipeError
from zeroskip.onnx import activations, apply, apply_thresholds, canonicalize, load_model, to_bytes

W = random_array(4, 3, 1, 1)
PER_CHANNEL = np.float32([0.0, 0.25, 0.5, 1.0])
CONSTANTS = {"w": W, "zero": 0.0, "six": 6.0, "t": 0.125, "one": 1.0}


def thresholded(body: str, threshold: float | Array, **keywords: object) -> onnx.ModelProto:
    loaded = load_model(
        build(f"c = Conv(x, w) {body}", constants={**CONSTANTS, **keywords.pop("constants", {})}, **keywords)
    )
    return onnx.ModelProto.FromString(to_bytes(apply_thresholds(loaded, ThresholdSet({"y": threshold}))))


def expected(x: Array, threshold: float | Array, maximum: float = np.inf) -> Array:
    values = np.einsum("oi,nihw->nohw", W[:, :, 0, 0], x)
    limit = np.reshape(threshold, (-1, 1, 1)) if np.ndim(threshold) else threshold
    return np.minimum(np.where(values > limit, values, np.float32(0.0)), np.float32(maximum))


@pytest.mark.parametrize(
    ("body", "maximum"),
    [
        ("y = Relu(c)", np.inf),
        ("y = ThresholdedRelu <alpha = 2.0> (c)", np.inf),
        ("g = Greater(c, t) y = Where(g, c, zero)", np.inf),
        ("g = Greater(c, t) m = Cast <to = 1> (g) y = Mul(c, m)", np.inf),
        ("r = Relu(c) y = ThresholdedRelu <alpha = 0.125> (r)", np.inf),
        ("y = Max(c, zero)", np.inf),
        ("y = Clip(c, zero, one)", 1.0),
        ("r = Relu(c) y = Min(r, one)", 1.0),
        ("r = ThresholdedRelu <alpha = 0.125> (c) y = Clip(r, zero, one)", 1.0),
    ],
)
@pytest.mark.parametrize("threshold", [0.5, 2.0, PER_CHANNEL], ids=["below", "above", "per-channel"])
def test_every_spelling_takes_a_threshold(body: str, maximum: float, threshold: float | Array) -> None:
    model = thresholded(body, threshold)
    model.graph.output[0].type.tensor_type.shape.dim.extend([onnx.TensorShapeProto.Dimension()] * 4)
    onnx.checker.check_model(model, full_check=True)
    x = random_array(2, 3, 8, 8)
    np.testing.assert_allclose(run(model, {"x": x})[0], expected(x, threshold, maximum), atol=1e-6)
    canonical = assert_parity(model, tolerance=0.0)
    assert op_types(canonical) == ["Conv", "FatRelu"], "it is read back as one activation"
    (activation,) = activations(canonical)
    np.testing.assert_array_equal(activation.threshold, threshold)
    assert activation.name == "y"
    assert activation.max_value == (None if np.isinf(maximum) else maximum)


def test_carriers() -> None:
    assert [node.op_type for node in thresholded("y = Relu(c)", 0.5).graph.node] == [
        "Conv",
        "ThresholdedRelu",
    ]
    clipped = thresholded("y = Clip(c, zero, six)", 0.5)
    assert [node.op_type for node in clipped.graph.node] == ["Conv", "ThresholdedRelu", "Clip"]
    per_channel = thresholded("y = Relu(c)", PER_CHANNEL)
    assert [node.op_type for node in per_channel.graph.node] == ["Conv", "Greater", "Where"]


def test_threshold_of_zero_leaves_the_activation_as_it_is() -> None:
    for threshold in (0.0, np.zeros(4, np.float32)):
        assert [node.op_type for node in thresholded("y = Clip(c, zero, six)", threshold).graph.node] == [
            "Conv",
            "Clip",
        ]


def test_activations_that_are_not_named_stay() -> None:
    model = build("a = Relu(x) b = Sigmoid(a) y = Relu(b)")
    changed = apply_thresholds(load_model(model), ThresholdSet({"a": 0.25}))
    assert op_types(changed) == ["ThresholdedRelu", "Sigmoid", "Relu"]


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 18, 20, 21, 22, onnx.defs.onnx_opset_version()])
def test_result_is_of_a_version_that_runtimes_read(opset: int) -> None:
    body = "y = Relu(c)" if opset > 9 else "d = Dropout <ratio = 0.5> (c) y = Relu(d)"
    model = thresholded(body, 0.5, opset=opset)
    assert model.ir_version == 10
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 20)]
    x = random_array(2, 3, 8, 8)
    np.testing.assert_allclose(run(model, {"x": x})[0], expected(x, 0.5), atol=1e-6)


def test_opset_is_kept_where_raising_it_would_change_the_meaning() -> None:
    model = thresholded("h = Hardmax(c) z = Relu(h) y = Relu(c)", 0.5, opset=12, outputs="y z")
    assert model.opset_import[0].version == 12
    model = thresholded("s, i = TopK(c, k) y = Relu(c)", 0.5, opset=10, outputs="y s", constants={"k": np.array([2])})
    assert model.opset_import[0].version == 10


def test_per_channel_thresholds_of_a_channels_last_model() -> None:
    body = (
        "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv(t, w) l = Transpose <perm = [0, 2, 3, 1]> (c) y = Relu(l)"
        "u = Transpose <perm = [0, 3, 1, 2]> (y) z = Conv(u, v)"
    )
    model = build(body, inputs=(2, 8, 8, 3), outputs="z", constants={"w": W, "v": random_array(4, 4, 1, 1)})
    changed = onnx.ModelProto.FromString(
        to_bytes(apply_thresholds(load_model(model), ThresholdSet({"y": PER_CHANNEL})))
    )
    changed.graph.output.append(onnx.helper.make_tensor_value_info("y", 1, None))
    x = random_array(2, 8, 8, 3)
    got = run(changed, {"x": x})[1]
    np.testing.assert_allclose(got.transpose(0, 3, 1, 2), expected(x.transpose(0, 3, 1, 2), PER_CHANNEL), atol=1e-6)
    del changed.graph.output[1]
    canonical = assert_parity(changed)
    np.testing.assert_array_equal(activations(canonical)[0].threshold, PER_CHANNEL)


def test_unknown_names_are_listed_with_the_known_ones() -> None:
    loaded = load_model(build("a = Relu(x) y = Relu(a)", outputs="a y"))
    with pytest.raises(RecipeError, match=r"thresholds name \['b', 'z'\].* It has: 'a', 'y'"):
        apply_thresholds(loaded, ThresholdSet({"z": 0.5, "a": 0.5, "b": 0.0}))
    with pytest.raises(RecipeError, match="It has: none"):
        apply_thresholds(load_model(build("y = Sigmoid(x)")), ThresholdSet({"y": 0.5}))


def test_wrong_number_of_channels() -> None:
    with pytest.raises(RecipeError, match="thresholds of 'y' are 3 numbers, but it has 4 channels"):
        thresholded("y = Relu(c)", np.float32([0.1, 0.2, 0.3]))


def test_rank_must_be_known_for_thresholds_per_channel() -> None:
    body = "s = Shape(x) t = Slice(s, zero, two) r = Reshape(x, t) y = Relu(r)"
    model = build(body, constants={"zero": np.array([0]), "two": np.array([-2])}, inputs=(2, 3, 1, 1), opset=13)
    changed = apply_thresholds(load_model(model), ThresholdSet({"y": 0.5}))
    assert "ThresholdedRelu" in op_types(changed)


def test_model_given_is_not_changed() -> None:
    loaded = load_model(build("c = Conv(x, w) y = Relu(c)", constants={"w": W}, opset=11))
    before = to_bytes(loaded)
    changed = apply_thresholds(loaded, ThresholdSet({"y": 0.5}))
    assert to_bytes(loaded) == before
    assert changed.graph.initializers["w"].const_value is loaded.graph.initializers["w"].const_value


def test_canonical_form_is_refused() -> None:
    canonical = canonicalize(load_model(build("y = Relu(x)")))
    with pytest.raises(ModelError, match="not into its canonical form"):
        apply_thresholds(canonical, ThresholdSet({"y": 0.5}))


def test_initializers_among_the_inputs_are_constants() -> None:
    model = build("c = Conv(x, w) y = Relu(c)", constants={"w": W}, opset=9)
    model.ir_version = 3
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, W.shape))
    changed = apply_thresholds(load_model(model), ThresholdSet({"y": 0.5}))
    assert [value.name for value in changed.graph.inputs] == ["x"]


@pytest.mark.parametrize("body", ["y = Relu(c)", "y = Clip(c, zero, six)"])
@pytest.mark.parametrize("threshold", [0.5, PER_CHANNEL], ids=["one", "per-channel"])
def test_no_shape_is_left_without_a_type(body: str, threshold: float | Array) -> None:
    """The file would hold a value without an element type, which strict readers refuse."""
    loaded = load_model(build(f"c = Conv(x, w) {body}", constants=CONSTANTS))
    changed = apply_thresholds(loaded, ThresholdSet({"y": threshold}))
    assert all(value.type or value.shape is None for node in changed.graph for value in node.outputs)


def test_provenance_is_written_into_the_model() -> None:
    chosen = ThresholdSet({"y": 0.5}, metric="top1", data="photos")
    changed = apply_thresholds(load_model(build("y = Relu(x)")), chosen)
    assert ThresholdSet.from_dict(json.loads(changed.metadata_props["zeroskip.thresholds"])) == chosen


def test_apply_saves_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / "model.onnx", tmp_path / "model.fatrelu.onnx"
    model = build("c = Conv(x, w) y = Relu(c)", constants={"w": W}, opset=11)
    source.write_bytes(model.SerializeToString())
    result = apply(source, ThresholdSet({"y": 0.5}))
    result.save(target)
    assert target.read_bytes() == result.to_bytes()
    assert node_of(canonicalize(load_model(target)), "FatRelu").attributes.get_float("threshold") == 0.5
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(target.read_bytes(), feeds)[0], expected(feeds["x"], 0.5), atol=1e-6)


def test_apply_of_a_missing_file() -> None:
    with pytest.raises(ModelError, match="cannot read model"):
        apply("no-such-model.onnx", ThresholdSet({}))


@pytest.mark.parametrize("threshold", [0.9, [0.4, 0.9, 2.0, 0.0]])
def test_a_quantiser_that_is_the_rectifier(threshold: Any) -> None:
    """As quantisers leave it: the ReLU is gone, steps below 0 do not exist."""
    body = """c = Conv (x, w) q = QuantizeLinear (c, s, z) f = DequantizeLinear (q, s, z) y = Conv (f, v)"""
    steps = {"s": np.float32(0.1), "z": np.uint8(0)}
    model = build(body, constants={"w": random_array(4, 3, 3, 3), "v": random_array(2, 4, 1, 1, seed=1), **steps})
    value = np.float32(threshold)
    changed = apply(model, ThresholdSet({"c": value})).to_bytes()
    x = random_array(2, 3, 8, 8, seed=5)
    model.graph.output.append(onnx.helper.make_tensor_value_info("c", 1, None))
    _, before = run(model, {"x": x})
    limit = value.reshape(-1, 1, 1) if value.ndim else value
    kept = np.where(before > limit, before, 0)
    want = np.clip(np.rint(kept / np.float32(0.1)), 0, 255) * np.float32(0.1)
    shown = onnx.load_from_string(changed)
    shown.graph.output.append(onnx.helper.make_tensor_value_info("f", 1, None))
    np.testing.assert_allclose(run(shown, {"x": x})[1], want, rtol=1e-6)
    (activation,) = activations(load_model(changed))
    assert np.max(activation.threshold) == pytest.approx(np.max(value))
