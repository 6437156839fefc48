"""What does nothing vanishes; sums, differences and hard activations take their one form; defaults are written out."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, values_of
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes

CONSTANTS = {
    "half": 0.5, "off": np.array(False), "on": np.array(True), "nopads": np.zeros(8, np.int64), "three": 3.0,
    "zero": 0.0, "six": 6.0, "sixth": 1.0 / 6.0, "low": -0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("i = Identity(x) y = Relu(i)", 18),
        ("r = Relu(x) i = Identity(r) y = Relu(i)", 18),
        ("d = Dropout <ratio = 0.5> (x) y = Relu(d)", 7),
        ("d, m = Dropout <ratio = 0.5> (x) y = Relu(d)", 11),
        ("d = Dropout(x, half, off) y = Relu(d)", 13),
        ("c = Cast <to = 1> (x) y = Relu(c)", 18),
        ("p = Pad(x, nopads) y = Relu(p)", 18),
        ("c = Clip(x) y = Relu(c)", 18),
        ("c = Concat <axis = 1> (x) y = Relu(c)", 18),
        ("c = Sum(x) y = Relu(c)", 18),
        ("c = Max(x) d = Min(c) y = Relu(d)", 18),
    ],
)
def test_what_does_nothing_vanishes(body: str, opset: int) -> None:
    canonical = assert_parity(build(body, constants=CONSTANTS, opset=opset), tolerance=0.0)
    assert op_types(canonical) == ["FatRelu"]


@pytest.mark.parametrize(
    ("body", "outputs", "found"),
    [
        ("y = Identity(x)", "y", ["Identity"]),
        ("r = Sigmoid(x) y = Identity(r)", "y", ["Sigmoid"]),
        ("r = Relu(x) y = Identity(r)", "y", ["FatRelu", "Identity"]),
        ("r = Sigmoid(x) y = Identity(r) z = Identity(r)", "y z", ["Sigmoid", "Identity"]),
        ("r = Relu(x) y = Identity(r) z = Tanh(y)", "r y z", ["FatRelu", "Identity", "Tanh"]),
    ],
)
def test_names_of_outputs_and_activations_survive(body: str, outputs: str, found: list[str]) -> None:
    canonical = assert_parity(build(body, outputs=outputs), tolerance=0.0)
    assert sorted(op_types(canonical)) == sorted(found)
    assert all(node.outputs[0].name == "r" for node in canonical.graph if node.op_type == "FatRelu")


def test_dropout_that_trains_is_reported() -> None:
    model = build("y = Dropout(x, half, on)", constants=CONSTANTS)
    assert [node.op_type for node in unsupported_nodes(canonicalize(load_model(model)))] == ["Dropout"]


def test_sum_is_a_chain_of_additions() -> None:
    model = build("y = Sum(a, b, c)", inputs=dict.fromkeys("abc", (2, 3, 4, 4)), opset=8)
    assert op_types(assert_parity(model, tolerance=0.0)) == ["Add", "Add"]


def test_sum_with_broadcasting_keeps_the_shapes_apart() -> None:
    model = build("y = Sum(a, b, c)", inputs={"a": (2, 3, 1, 1), "b": (2, 3, 1, 1), "c": (2, 3, 4, 4)}, opset=8)
    canonical = canonicalize(load_model(model))
    assert [tuple(node.outputs[0].shape or ()) for node in canonical.graph] == [(2, 3, 1, 1), (2, 3, 4, 4)]
    assert op_types(canonical) == ["Add", "Add"]


def test_difference_from_a_layer_is_an_addition_that_the_layer_takes_in() -> None:
    model = build("c = Conv(a, w) y = Sub(a, c)", inputs={"a": (2, 3, 4, 4)}, constants={"w": random_array(3, 3, 1, 1)})
    assert op_types(assert_parity(model, tolerance=1e-6)) == ["Conv", "Add"]
    other = build("y = Sub(a, b)", inputs=dict.fromkeys("ab", (2, 3, 4, 4)))
    assert op_types(assert_parity(other, tolerance=0.0)) == ["Sub"]


@pytest.mark.parametrize(
    "gate",
    [
        "a = Add(x, three) c = Clip(a, zero, six) g = Div(c, six)",
        "a = Add(three, x) c = Clip(a, zero, six) g = Mul(c, sixth)",
        "a = Add(x, three) r = Relu(a) c = Clip(r, , six) g = Div(c, six)",
        "a = Add(x, three) r = Relu(a) c = Min(r, six) g = Div(c, six)",
        "g = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x)",
    ],
)
def test_hard_activations(gate: str) -> None:
    x = random_array(2, 3, 8, 8) * 4.0
    canonical = assert_parity(build(f"{gate} y = Mul(x, g)", constants=CONSTANTS), {"x": x})
    assert op_types(canonical) == ["HardSwish"]
    canonical = assert_parity(build(f"{gate} y = Tanh(g)", constants=CONSTANTS), {"x": x})
    assert op_types(canonical) == ["HardSigmoid", "Tanh"]


@pytest.mark.parametrize("scaling", ["Div(m, six)", "Mul(m, sixth)"])
def test_hard_swish_that_is_scaled_last(scaling: str) -> None:
    body = f"a = Add(x, three) c = Clip(a, zero, six) m = Mul(c, x) y = {scaling}"
    x = random_array(2, 3, 8, 8) * 4.0
    assert op_types(assert_parity(build(body, constants=CONSTANTS), {"x": x})) == ["HardSwish"]


def test_gate_of_a_squeeze_and_excitation_block() -> None:
    body = "p = GlobalAveragePool(x) c = Conv(p, w) s = HardSigmoid(c) y = Mul(x, s)"
    canonical = assert_parity(build(body, constants={"w": random_array(3, 3, 1, 1)}))
    assert op_types(canonical) == ["GlobalAveragePool", "Conv", "HardSigmoid", "Mul"]
    assert node_of(canonical, "HardSigmoid").attributes.get_float("alpha") == pytest.approx(0.2)


def test_clip_below_zero_is_no_activation() -> None:
    canonical = assert_parity(build("y = Clip(x, low, half)", constants=CONSTANTS), tolerance=0.0)
    assert op_types(canonical) == ["Clip"]


@pytest.mark.parametrize(
    ("body", "op_type", "wanted"),
    [
        ("y = Softmax(x)", "Softmax", {"axis": 3}),
        ("y = Concat <axis = -3> (x, x)", "Concat", {"axis": 1}),
        ("y = LRN <size = 3> (x)", "LRN", {"size": 3, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}),
        ("y = HardSigmoid(x)", "HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
        ("y = Pad(x, pads)", "Pad", {"mode": "constant"}),
        ("y = ReduceMean(x, last)", "ReduceMean", {"keepdims": 1}),
    ],
)
def test_defaults_are_written_out(body: str, op_type: str, wanted: dict[str, object]) -> None:
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "last": np.array([-1])}
    node = node_of(assert_parity(build(body, constants=constants)), op_type)
    found = {key: attribute.value for key, attribute in node.attributes.items()}
    assert found.keys() == wanted.keys()
    assert all(found[key] == pytest.approx(value) for key, value in wanted.items())


def test_axes_of_a_mean_are_sorted_and_positive() -> None:
    node = node_of(assert_parity(build("y = ReduceMean(x, axes)", constants={"axes": np.array([-1, 1])})), "ReduceMean")
    assert values_of(node.inputs[1]).tolist() == [1, 3]
