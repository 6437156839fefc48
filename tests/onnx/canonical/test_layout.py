"""Transposes of channels-last models meet their inverses and vanish."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, values_of
from zeroskip.onnx import activations, canonicalize, load_model, prepare, unsupported_nodes

TO_NCHW = "Transpose <perm = [0, 3, 1, 2]>"
TO_NHWC = "Transpose <perm = [0, 2, 3, 1]>"
NHWC = (2, 6, 5, 3)
W, V = random_array(4, 3, 3, 3), random_array(4, 4, 1, 1)


def wrapped(name: str, source: str, weight: str) -> str:
    """Return a convolution of a channels-last tensor as a naive converter writes it."""
    return f"{name}_t = {TO_NCHW} ({source}) {name}_c = Conv ({name}_t, {weight}) {name} = {TO_NHWC} ({name}_c)"


@pytest.mark.parametrize(
    ("middle", "found"),
    [
        ("m = Relu(a)", ["FatRelu"]),
        ("m = Sigmoid(a)", ["Sigmoid"]),
        ("m = Clip(a, zero, six)", ["FatRelu"]),
        ("p = Add(a, last) m = Relu(p)", ["FatRelu"]),
        ("p = Mul(a, last) q = Add(p, one) m = Relu(q)", ["FatRelu"]),
        ("r = Relu(a) p = Mul(r, last) m = Add(p, last)", ["FatRelu"]),
        ("p = Sigmoid(a) m = Add(a, p)", ["Sigmoid", "Add"]),
        ("p = Sigmoid(a) m = Mul(p, a)", ["Sigmoid", "Mul"]),
        (
            "p = Sigmoid(a) q = Concat <axis = -1> (a, p) m = Slice(q, s0, s4, last_axis)",
            ["Sigmoid", "Concat", "Slice"],
        ),
        ("c = Greater(a, t) m = Where(c, a, zero)", ["FatRelu"]),
        ("q = Pad(a, pads) m = Relu(q)", ["Pad", "FatRelu"]),
    ],
)
def test_transposes_between_convolutions_vanish(middle: str, found: list[str]) -> None:
    body = f"{wrapped('a', 'x', 'w')} {middle} {wrapped('y', 'm', 'v')}"
    constants = {
        "w": W, "v": V, "zero": 0.0, "one": 1.0, "six": 6.0, "last": random_array(4), "t": 0.25, "s0": np.array([0]),
        "s4": np.array([4]), "last_axis": np.array([3]), "pads": np.array([0, 1, 1, 0, 0, 1, 1, 0]),
    }  # fmt: skip
    canonical = assert_parity(build(body, inputs=NHWC, constants=constants), tolerance=4e-6)
    layers = [op_type for op_type in op_types(canonical) if op_type not in ("Conv", "Transpose")]
    assert layers == found
    assert op_types(canonical).count("Transpose") == 2, "one at the input, one at the output"


def test_residual_network_of_channels_last_tensors() -> None:
    body = (
        f"{wrapped('a', 'x', 'w')} r = Relu(a) {wrapped('b', 'r', 'v')}"
        f"s = Add(b, r) q = Relu(s) {wrapped('c', 'q', 'v')}"
        "d = Add(c, q) e = Relu(d) y = ReduceMean <keepdims = 0> (e, axes)"
    )
    constants = {"w": W, "v": V, "axes": np.array([1, 2])}
    canonical = assert_parity(build(body, inputs=NHWC, constants=constants))
    assert op_types(canonical) == [
        "Transpose", "Conv", "FatRelu", "Conv", "Add", "FatRelu", "Conv", "Add", "FatRelu", "GlobalAveragePool",
        "Reshape",
    ]  # fmt: skip
    assert [a.name for a in activations(canonical)] == ["r", "q", "e"]
    assert {a.channel_axis for a in activations(canonical)} == {3}


def test_activation_keeps_its_name_and_layout_when_it_is_an_output() -> None:
    body = f"{wrapped('a', 'x', 'w')} r = Relu(a) {wrapped('y', 'r', 'v')}"
    model = build(body, inputs=NHWC, outputs="r y", constants={"w": W, "v": V})
    (activation,) = activations(assert_parity(model))
    assert activation.name == "r"
    assert activation.channel_axis == 3


def test_thresholds_of_the_last_axis_move_to_the_channels() -> None:
    body = f"{wrapped('a', 'x', 'w')} c = Greater(a, t) m = Where(c, a, zero) {wrapped('y', 'm', 'v')}"
    constants = {"w": W, "v": V, "t": np.arange(4) / 4, "zero": 0.0}
    canonical = assert_parity(build(body, inputs=NHWC, constants=constants))
    node = node_of(canonical, "FatRelu")
    assert "axis" not in node.attributes or node.attributes.get_int("axis") == 1
    np.testing.assert_array_equal(values_of(node.inputs[1]), np.arange(4, dtype=np.float32) / 4)


def test_padding_in_front_of_a_convolution_is_merged_through_the_transpose() -> None:
    body = f"q = Pad(x, p) {wrapped('y', 'q', 'w')}"
    constants = {"w": W, "p": np.array([0, 1, 2, 0, 0, 3, 4, 0])}
    canonical = assert_parity(build(body, inputs=NHWC, constants=constants))
    assert op_types(canonical) == ["Transpose", "Conv", "Transpose"]
    assert node_of(canonical, "Conv").attributes.get_ints("pads") == (1, 2, 3, 4)


def test_inverse_transposes_cancel_and_identity_vanishes() -> None:
    body = f"a = {TO_NHWC} (x) b = {TO_NCHW} (a) c = Transpose <perm = [0, 1, 2, 3]> (b) y = Relu(c)"
    assert op_types(assert_parity(build(body))) == ["FatRelu"]


def test_transposes_are_composed() -> None:
    body = "a = Transpose <perm = [0, 2, 1, 3]> (x) b = Transpose(a) y = Transpose <perm = [1, 2, 3, 0]> (b)"
    canonical = assert_parity(build(body, inputs=(2, 3, 4, 5)))
    assert op_types(canonical) == ["Transpose"]


def test_transpose_of_unit_axes_is_a_reshape() -> None:
    body = f"p = GlobalAveragePool(x) a = {TO_NHWC} (p) y = Flatten(a)"
    assert op_types(assert_parity(build(body))) == ["GlobalAveragePool", "Reshape"]


def test_different_transposes_stay() -> None:
    body = "a = Transpose <perm = [0, 1, 3, 2]> (x) y = Add(a, z)"
    canonical = assert_parity(build(body, inputs={"x": (2, 3, 8, 8), "z": (2, 3, 8, 8)}))
    assert op_types(canonical) == ["Transpose", "Add"]


def test_softmax_over_the_last_axis() -> None:
    body = f"{wrapped('a', 'x', 'w')} s = Softmax <axis = -1> (a) y = {TO_NCHW} (s)"
    canonical = assert_parity(build(body, inputs=NHWC, constants={"w": W}))
    assert op_types(canonical) == ["Transpose", "Conv", "Softmax"]
    assert node_of(canonical, "Softmax").attributes.get_int("axis") == 1


def test_preparing_leaves_at_most_one_transpose_at_the_input_of_open_nsfw(open_nsfw: object) -> None:
    prepared = prepare(load_model(str(open_nsfw)))
    assert op_types(prepared).count("Transpose") == 1
    assert op_types(prepared)[0] == "Transpose"
    canonical = canonicalize(load_model(str(open_nsfw)), {"input:0": (1, 224, 224, 3)})
    assert unsupported_nodes(canonical) == []


@pytest.mark.parametrize("axes", [[-1], [-2, -1], [-1, 1], [3, -4], [1, 2, 3], [-3], [-1, -2, -3, -4]])
@pytest.mark.parametrize("reader", ["Sigmoid", "Conv", "MaxPool"])
def test_pads_of_axes_counted_from_the_back(axes: list[int], reader: str) -> None:
    pads = np.arange(1, 2 * len(axes) + 1)
    body = {
        "Sigmoid": "t = Transpose <perm = [0, 2, 3, 1]> (x) p = Pad(t, pads, , axes) y = Sigmoid(p)",
        "Conv": "p = Pad(x, pads, , axes) t = Transpose <perm = [0, 3, 1, 2]> (p) y = Conv(t, w)",
        "MaxPool": "r = Relu(x) p = Pad(r, pads, , axes) y = MaxPool <kernel_shape = [3, 3]> (p)",
    }[reader]
    channels = 8 + sum(int(pads[i] + pads[i + len(axes)]) for i, axis in enumerate(axes) if axis in (3, -1))
    constants = {"pads": pads, "axes": np.array(axes), "w": random_array(4, channels, 2, 2)}
    assert_parity(build(body, constants=constants, opset=18))


def test_constant_of_higher_rank_makes_the_result_of_higher_rank() -> None:
    model = build("t = Transpose <perm = [0, 2, 3, 1]> (x) y = Add(t, k)", constants={"k": np.ones((1, 1, 1, 1, 1))})
    canonical = canonicalize(load_model(model))
    assert tuple(canonical.graph.outputs[0].shape or ()) == (1, 2, 8, 8, 3)
