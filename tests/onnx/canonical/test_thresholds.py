"""Every spelling of FATReLU becomes one operator; what only looks like one does not."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, run, values_of
from zeroskip.onnx import canonicalize, load_model, prepare, to_bytes, to_standard, unsupported_nodes

T = 0.25
LOWER = float(np.nextafter(np.float32(T), np.float32(-np.inf)))


def activation(body: str, opset: int = 18, **constants: object) -> ir.Node:
    """Return the only node of the canonical form, on inputs that include the threshold itself."""
    x = random_array(2, 3, 4, 4)
    x[0, :, 0] = [T, -T, 0.0, np.nextafter(np.float32(T), np.float32(1.0))]
    model = build(body, inputs=("N", 3, 4, 4), constants={"t": T, "zero": 0.0, **constants}, opset=opset)
    canonical = assert_parity(model, {"x": x}, tolerance=0.0)
    assert op_types(canonical) == ["FatRelu"]
    node = node_of(canonical, "FatRelu")
    assert node.domain == "zeroskip"
    assert node.outputs[0].name == "y"
    return node


def test_shapes_are_not_needed() -> None:
    body = "c = Conv(x, w) g = Greater(c, t) y = Where(g, c, zero)"
    constants = {"w": random_array(4, 3, 1, 1), "t": np.arange(4).reshape(4, 1, 1) * 0.1, "zero": 0.0}
    prepared = prepare(load_model(build(body, inputs=("N", 3, "H", "W"), constants=constants)))
    assert op_types(prepared) == ["Conv", "FatRelu"]


@pytest.mark.parametrize(
    ("body", "opset", "threshold"),
    [
        ("y = Relu(x)", 11, 0.0),
        ("y = LeakyRelu <alpha = 0.0> (x)", 18, 0.0),
        ("y = Max(x, zero)", 18, 0.0),
        ("s = Shape(x) o = ConstantOfShape(s) y = Max(x, o)", 18, 0.0),
        ("s = Shape(x) o = Expand(zero, s) y = Max(o, x)", 18, 0.0),
        ("y = Max(zero, x)", 18, 0.0),
        ("y = Clip(x, zero)", 18, 0.0),
        ("y = ThresholdedRelu <alpha = 0.25> (x)", 18, T),
        ("r = Relu(x) y = ThresholdedRelu <alpha = 0.25> (r)", 18, T),
        ("r = Clip(x, zero) y = ThresholdedRelu <alpha = 0.25> (r)", 18, T),
        ("r = ThresholdedRelu <alpha = 0.5> (x) y = ThresholdedRelu <alpha = 0.25> (r)", 18, 0.5),
        ("r = ThresholdedRelu <alpha = 0.25> (x) y = Relu(r)", 18, T),
        ("r = Relu(x) y = Relu(r)", 18, 0.0),
        ("r = Relu(x) y = ThresholdedRelu <alpha = -1.0> (r)", 18, 0.0),
        ("c = Greater(x, t) y = Where(c, x, zero)", 18, T),
        ("c = GreaterOrEqual(x, t) y = Where(c, x, zero)", 18, LOWER),
        ("c = Less(x, t) y = Where(c, zero, x)", 18, LOWER),
        ("c = LessOrEqual(x, t) y = Where(c, zero, x)", 18, T),
        ("c = Less(t, x) y = Where(c, x, zero)", 18, T),
        ("c = LessOrEqual(t, x) y = Where(c, x, zero)", 18, LOWER),
        ("c = Greater(t, x) y = Where(c, zero, x)", 18, LOWER),
        ("c = GreaterOrEqual(t, x) y = Where(c, zero, x)", 18, T),
        ("c = Greater(x, t) n = Not(c) y = Where(n, zero, x)", 18, T),
        ("c = Less(x, t) n = Not(c) y = Where(n, x, zero)", 11, LOWER),
        ("c = GreaterOrEqual(x, zero) y = Where(c, x, zero)", 18, 0.0),
        ("c = Greater(x, zero) y = Where(c, x, zero)", 18, 0.0),
        ("c = Greater(x, t) m = Cast <to = 1> (c) y = Mul(x, m)", 18, T),
        ("c = GreaterOrEqual(x, t) m = Cast <to = 1> (c) y = Mul(m, x)", 18, LOWER),
        ("c = Greater(x, t) m = Where(c, one, zero) y = Mul(x, m)", 18, T),
        ("r = Relu(x) c = Greater(r, t) m = Cast <to = 1> (c) y = Mul(r, m)", 18, T),
        ("r = Relu(x) c = Greater(x, t) y = Where(c, r, zero)", 18, T),
        ("r = Relu(x) c = LessOrEqual(r, t) y = Where(c, zero, r)", 18, T),
        ("r = Relu(x) y = Shrink <lambd = 0.25, bias = 0.0> (r)", 18, T),
        ("s = Shape(x) z = ConstantOfShape(s) c = Greater(x, t) y = Where(c, x, z)", 18, T),
        ("s = Shape(x) z = Expand(zero, s) c = Greater(x, t) y = Where(c, x, z)", 18, T),
    ],
)
def test_spelling_of_one_threshold(body: str, opset: int, threshold: float) -> None:
    node = activation(body, opset, one=1.0)
    assert len(node.inputs) == 1
    assert node.attributes.get_float("threshold") == threshold
    assert "max_value" not in node.attributes


@pytest.mark.parametrize(
    ("body", "threshold", "maximum"),
    [
        ("y = Clip(x, zero, six)", 0.0, 6.0),
        ("r = Relu(x) y = Clip(r, zero, six)", 0.0, 6.0),
        ("r = Relu(x) y = Clip(r, minus, six)", 0.0, 6.0),
        ("r = Relu(x) y = Clip(r, , six)", 0.0, 6.0),
        ("r = Relu(x) y = Min(r, six)", 0.0, 6.0),
        ("r = Relu(x) y = Min(six, r)", 0.0, 6.0),
        ("r = ThresholdedRelu <alpha = 0.25> (x) y = Clip(r, zero, six)", T, 6.0),
        ("r = Clip(x, zero, six) y = ThresholdedRelu <alpha = 0.25> (r)", T, 6.0),
        ("r = Clip(x, zero, six) c = Greater(r, t) y = Where(c, r, zero)", T, 6.0),
        ("r = ThresholdedRelu <alpha = 7.0> (x) y = Clip(r, zero, six)", 7.0, 6.0),
        ("r = Clip(x, zero, six) q = Clip(r, zero, three) y = Relu(q)", 0.0, 3.0),
        ("m = Min(x, six) y = Max(m, zero)", 0.0, 6.0),
        ("m = Min(six, x) y = Relu(m)", 0.0, 6.0),
        ("m = Clip(x, minus, six) y = Relu(m)", 0.0, 6.0),
        ("m = Clip(x, , six) y = Max(zero, m)", 0.0, 6.0),
        ("m = Clip(x, , six) y = Clip(m, zero, )", 0.0, 6.0),
        ("m = Min(x, six) y = ThresholdedRelu <alpha = 0.25> (m)", T, 6.0),
        ("m = Min(x, six) c = Greater(m, t) y = Where(c, m, zero)", T, 6.0),
        ("s = Shape(x) f = Expand(six, s) z = Expand(zero, s) r = Max(x, z) y = Min(r, f)", 0.0, 6.0),
        ("s = Shape(x) f = Expand(six, s) z = Expand(zero, s) r = Min(f, x) y = Max(z, r)", 0.0, 6.0),
        ("r = Max(x, zeros) y = Min(r, sixes)", 0.0, 6.0),
    ],
)
def test_upper_clip_composes(body: str, threshold: float, maximum: float) -> None:
    constants = {"zero": 0.0, "six": 6.0, "three": 3.0, "minus": -1.0, "t": T}
    constants |= {"zeros": np.zeros((1, 3, 4, 4)), "sixes": np.full((3, 1, 4), 6.0)}
    x = random_array(2, 3, 4, 4) * 8.0
    canonical = assert_parity(build(body, inputs=("N", 3, 4, 4), constants=constants), {"x": x}, tolerance=0.0)
    assert op_types(canonical) == ["FatRelu"]
    node = node_of(canonical, "FatRelu")
    assert node.attributes.get_float("threshold") == threshold
    assert node.attributes.get_float("max_value") == maximum


@pytest.mark.parametrize(
    ("body", "thresholds"),
    [
        ("c = Greater(x, t) y = Where(c, x, zero)", [0.0, 0.5, 1.0]),
        ("r = Relu(x) c = Greater(r, t) y = Where(c, r, zero)", [0.0, 0.5, 1.0]),
        ("c = LessOrEqual(x, t) y = Where(c, zero, x)", [0.0, 0.5, 1.0]),
        ("c = Greater(x, t) m = Cast <to = 1> (c) y = Mul(x, m)", [0.0, 0.5, 1.0]),
        ("c = Greater(x, t) q = Where(c, x, zero) y = ThresholdedRelu <alpha = 0.75> (q)", [0.75, 0.75, 1.0]),
        ("q = ThresholdedRelu <alpha = 0.75> (x) c = Greater(q, t) y = Where(c, q, zero)", [0.75, 0.75, 1.0]),
    ],
)
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1)])
def test_threshold_per_channel(body: str, thresholds: list[float], shape: tuple[int, ...]) -> None:
    values = np.array([0.0, 0.5, 1.0], np.float32).reshape(shape)
    node = activation(body, t=values)
    np.testing.assert_array_equal(values_of(node.inputs[1]), np.float32(thresholds))
    assert "threshold" not in node.attributes


def test_threshold_per_feature_of_a_matrix() -> None:
    model = build(
        "c = Greater(x, t) y = Where(c, x, zero)",
        inputs=("N", 4),
        constants={"t": np.arange(4) * 0.25, "zero": 0.0},
    )
    node = node_of(assert_parity(model, tolerance=0.0), "FatRelu")
    np.testing.assert_array_equal(values_of(node.inputs[1]), np.arange(4, dtype=np.float32) * 0.25)


def test_equal_thresholds_are_one() -> None:
    node = activation("c = Greater(x, t) y = Where(c, x, zero)", t=np.full((3, 1, 1), T))
    assert node.attributes.get_float("threshold") == T


@pytest.mark.parametrize(
    "body",
    [
        "y = LeakyRelu <alpha = 0.01> (x)",
        "y = ThresholdedRelu <alpha = -0.5> (x)",
        "y = Shrink <lambd = 0.25, bias = 0.0> (x)",
        "r = Relu(x) y = Shrink <lambd = 0.25, bias = 0.25> (r)",
        "c = Greater(x, t) y = Where(c, zero, x)",
        "c = Greater(x, t) y = Where(c, x, one)",
        "c = Greater(x, t) s = Add(x, one) y = Where(c, s, zero)",
        "c = GreaterOrEqual(x, minus) y = Where(c, x, zero)",
        "c = Greater(x, x) y = Where(c, x, zero)",
        "y = Min(x, one)",
        "y = Max(x, one)",
        "c = Greater(x, columns) y = Where(c, x, zero)",
        "c = Greater(x, nan) y = Where(c, x, zero)",
    ],
)
def test_what_only_looks_like_one_is_left_alone(body: str) -> None:
    constants = {
        "t": T, "zero": 0.0, "one": 1.0, "minus": -1.0, "columns": np.arange(24).reshape(2, 3, 1, 4) / 10, "nan": 0.0,
    }  # fmt: skip
    model = build(body, inputs=(2, 3, 4, 4), constants=constants)
    loaded = load_model(model)
    loaded.graph.initializers["nan"].const_value = ir.tensor(np.array(np.nan, np.float32), name="nan")
    canonical = canonicalize(loaded)
    assert "FatRelu" not in [node.op_type for node in canonical.graph if node.outputs[0].name == "y"]
    is_native = not any(op_type in body for op_type in ("Shrink", "ThresholdedRelu"))
    assert bool(unsupported_nodes(canonical)) is not is_native


def test_clip_below_a_rectifier_that_others_read_stays() -> None:
    model = build("m = Min(x, six) r = Relu(m) y = Add(r, m)", constants={"six": 1.5})
    canonical = assert_parity(model, tolerance=0.0)
    assert op_types(canonical) == ["Min", "FatRelu", "Add"]


def test_a_rectifier_above_the_clip_before_it_is_none_of_both() -> None:
    model = build("m = Min(x, six) y = ThresholdedRelu <alpha = 7.0> (m)", constants={"six": 6.0})
    canonical = assert_parity(model, {"x": random_array(2, 3, 8, 8) * 20.0}, tolerance=0.0)
    assert op_types(canonical) == ["Min", "FatRelu"]


def test_activation_that_others_read_stays() -> None:
    """Two activations of one tensor: the first is wanted on its own."""
    model = build("r = Relu(x) q = ThresholdedRelu <alpha = 0.5> (r) y = Add(r, q)")
    canonical = assert_parity(model, tolerance=0.0)
    assert op_types(canonical) == ["FatRelu", "FatRelu", "Add"]
    assert [node.attributes.get_float("threshold") for node in canonical.graph][:2] == [0.0, 0.5]


def test_clip_above_the_maximum_of_an_inner_activation_is_not_joined() -> None:
    """min(x, 6) > 7 never holds, whatever x: this is no FATReLU of x."""
    model = build("r = Clip(x, zero, six) y = ThresholdedRelu <alpha = 7.0> (r)", constants={"zero": 0.0, "six": 6.0})
    canonical = assert_parity(model, {"x": random_array(2, 3, 8, 8) * 20.0}, tolerance=0.0)
    assert op_types(canonical) == ["FatRelu", "FatRelu"]


def test_nan_becomes_zero() -> None:
    x = np.array([[np.nan, 1.0, -1.0, np.inf]], np.float32)
    model = build("c = LessOrEqual(x, t) y = Where(c, zero, x)", inputs=(1, 4), constants={"t": 0.5, "zero": 0.0})
    lowered = to_bytes(to_standard(canonicalize(load_model(model))))
    np.testing.assert_array_equal(run(lowered, {"x": x})[0], [[0.0, 1.0, 0.0, np.inf]])


@pytest.mark.parametrize(("low", "high"), [(np.nan, np.inf), (np.nan, 2.0), (0.0, np.nan), (-0.0, 2.0), (1e-45, 2.0)])
@pytest.mark.parametrize("how", ["given", "computed"])
def test_bounds_that_are_no_zero(low: float, high: float, how: str) -> None:
    """NaN is no bound: nothing is smaller. Minus zero is zero. The smallest number above it is not."""
    bounds = {"low": np.float32(low), "high": np.float32(high), "zero": np.float32(0)}
    body = "y = Clip(x, low, high)"
    if how == "computed" and np.isnan(low):
        body = "nothing = Div(zero, zero) y = Clip(x, nothing, high)"
    canonical = assert_parity(build(body, constants=bounds), tolerance=0.0)
    assert ("FatRelu" in op_types(canonical)) == (low == 0.0)
