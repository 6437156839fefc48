"""What is computed when a model is read: which operators, within which limits, and what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.defs
import pytest

from onnx_graphs import assert_parity, build, op_types, random_array, run, values_of
from zeroskip.engine import InferenceSession, SessionOptions
from zeroskip.errors import LimitError
from zeroskip.onnx import canonicalize, load_model, prepare, unsupported_nodes
from zeroskip.onnx.canonical import folding


def test_every_folded_operator_exists() -> None:
    assert all(onnx.defs.has(name) for name in folding.FOLDED)


@pytest.mark.parametrize(
    "body",
    [
        "k = Div(odd, two)", "k = Mod(odd, two)", "k = Range(start, limit, step)", "k = Range(ten, minus, odd0)",
        "k = Cast <to = 7> (halves)", "k = Round(halves)", "k = Pow(halves, two_f)", "k = Erf(halves)",
        "k = ArgMax <axis = -1> (halves)", "k = CumSum(halves, zero)", "k = ReduceMean(halves)",
        "k = Gather(halves, minus_one)", "k = MatMul(halves, turned)", "k = NonZero(halves)",
        "k = Clip(halves, zero_f, two_f)", "k = Relu(halves)", "k = Softmax(halves)",
    ],
)  # fmt: skip
def test_constants_are_those_of_onnxruntime(body: str) -> None:
    constants = {
        "odd": np.array([-7, 7, -1]), "two": np.array([2]), "start": np.float32(0.5), "limit": np.float32(100.25),
        "step": np.float32(0.7), "halves": np.arange(-2.5, 3.5, 0.5, dtype=np.float32).reshape(1, 12),
        "two_f": np.float32(2), "zero_f": np.float32(0), "zero": np.array(0), "minus_one": np.array(-1),
        "turned": random_array(12, 3), "ten": np.array(10), "minus": np.array(-10), "odd0": np.array(-3),
    }  # fmt: skip
    model = build(f"{body} y = Cast <to = 1> (k) z = Relu(x)", constants=constants, outputs="y z")
    x = random_array(2, 3, 8, 8)
    canonical = canonicalize(load_model(model))
    assert sorted(op_types(canonical)) == ["FatRelu", "Identity"]
    session = InferenceSession(model, SessionOptions(fallback="error"))
    for want, got in zip(run(model, {"x": x}), session.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_counting_by_floats_adds_up_like_onnxruntime() -> None:
    constants = {"start": np.float32(0), "limit": np.float32(1000), "step": np.float32(0.1)}
    model = build("k = Range(start, limit, step) y = Identity(k) z = Relu(x)", constants=constants, outputs="y z")
    canonical = canonicalize(load_model(model))
    (node,) = (node for node in canonical.graph if node.op_type == "Identity")
    np.testing.assert_array_equal(values_of(node.inputs[0]), run(model, {"x": random_array(2, 3, 8, 8)})[0])


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("h = Gemm <transB = 1> (zeros, w, b) f = Flatten(x) l = Gemm <transB = 1> (f, v) y = Add(l, h)",
         ["Reshape", "Linear"]),
        ("h = Relu(zeros) g = MatMul(h, turned) f = Flatten(x) l = Gemm <transB = 1> (f, v) y = Add(l, g)",
         ["Reshape", "Linear"]),
        ("m = Mul(zeros, two) n = Clip(m, zero, two) g = MatMul(n, turned) f = Flatten(x) "
         "l = Gemm <transB = 1> (f, v) y = Add(l, g)", ["Reshape", "Linear"]),
    ],
)  # fmt: skip
def test_layers_of_a_zero_state_are_constants(body: str, wanted: list[str]) -> None:
    """The size of the state follows the batch, so the layers are known to have constant inputs only later."""
    state = "s = Shape <end = 1> (x) sizes = Concat <axis = 0> (s, six) zeros = ConstantOfShape(sizes) "
    constants = {
        "six": np.array([6]), "w": random_array(5, 6), "b": random_array(5), "v": random_array(5, 192),
        "turned": random_array(6, 5), "two": 2.0, "zero": 0.0,
    }  # fmt: skip
    model = build(state + body, inputs=("N", 3, "H", "W"), constants=constants)
    assert op_types(assert_parity(model, {"x": random_array(2, 3, 8, 8)}, tolerance=1e-5)) == wanted


def test_a_convolution_of_constants_is_the_only_island() -> None:
    body = "k = Conv(map, v) c = Conv(x, w) r = Relu(c) d = Conv(r, u) y = Add(d, k)"
    constants = {
        "map": random_array(1, 3, 6, 6), "v": random_array(4, 3, 1, 1), "w": random_array(8, 3, 3, 3),
        "u": random_array(4, 8, 1, 1),
    }  # fmt: skip
    model, x = build(body, constants=constants), random_array(2, 3, 8, 8)
    session = InferenceSession(model)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], run(model, {"x": x})[0], atol=1e-4)
    assert any(activation.consumers for activation in session.activations())


@pytest.mark.parametrize(
    "body",
    [
        "w = NonZero(big) f = Cast <to = 1> (w) y = Mul(x, f)",
        "a = Erf(big) b = ReduceMean(a) y = Mul(x, b)",
        "r = Range(none, huge, one) f = Cast <to = 1> (r) m = ReduceMean(f) y = Mul(x, m)",
        "w = Expand(one_f, sizes) m = ReduceMean(w) y = Mul(x, m)",
    ],
)
def test_work_is_bounded(body: str) -> None:
    constants = {
        "sizes": np.array([1 << 29]), "none": np.array(0), "one": np.array(1), "huge": np.array(1 << 40), "one_f": 1.0,
    }  # fmt: skip
    big = "sizes0 = Identity(lengths) big = ConstantOfShape <value = float[1] {1.0}> (sizes0) "
    model = build(big + body, constants=constants | {"lengths": np.array([1 << 26])})
    with pytest.raises(LimitError, match="would compute a constant"):
        prepare(load_model(model))


def test_a_product_of_much_work_is_left_to_run() -> None:
    body = "a = Expand(one, sizes) b = MatMul(a, a) m = ReduceMean(b) y = Mul(x, m)"
    model = build(body, constants={"one": 1.0, "sizes": np.array([800, 800])})
    assert "MatMul" in [node.op_type for node in unsupported_nodes(canonicalize(load_model(model)))]


@pytest.mark.parametrize("op_type", ["StringConcat", "MaxPool", "Unique", "TopK", "Hardmax"])
def test_operators_off_the_list_are_not_folded(op_type: str) -> None:
    assert op_type not in folding.FOLDED


def test_several_results_are_folded_at_once() -> None:
    body = "a, b = Split <axis = 0, num_outputs = 2> (k) m = Mul(x, a) y = Add(m, b)"
    canonical = assert_parity(build(body, constants={"k": random_array(2, 3, 1, 1)}))
    assert op_types(canonical) == ["ChannelAffine"]


def test_the_second_of_a_batch_can_be_taken() -> None:
    body = "r = Relu(x) g = Gather <axis = 0> (r, one) u = Unsqueeze(g, axes) y = Conv(u, w)"
    constants = {"one": np.array(1), "axes": np.array([0]), "w": random_array(4, 3, 3, 3)}
    model = build(body, inputs=("N", 3, 8, 8), constants=constants)
    session, x = InferenceSession(model, SessionOptions(fallback="error")), random_array(3, 3, 8, 8)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], run(model, {"x": x})[0], atol=1e-5)
