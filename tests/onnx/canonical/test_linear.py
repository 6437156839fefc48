"""Gemm and MatMul with constant weights become Linear."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import Array, assert_parity, build, node_of, op_types, random_array, values_of
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes

W, B = random_array(6, 5), random_array(5, seed=1)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 20])
@pytest.mark.parametrize(
    ("body", "weight"),
    [
        ("y = Gemm(x, w, b)", W),
        ("y = Gemm <transB = 1> (x, w, b)", W.T),
        ("y = Gemm <alpha = 0.5, beta = 2.0> (x, w, b)", W),
        ("y = Gemm <alpha = 0.5, beta = 0.0, transB = 1> (x, w, b)", W.T),
        ("m = MatMul(x, w) y = Add(m, b)", W),
        ("m = MatMul(x, w) y = Add(b, m)", W),
    ],
)
def test_spellings(body: str, weight: Array, opset: int) -> None:
    model = build(body, inputs=(3, 6), constants={"w": weight, "b": B}, opset=opset)
    node = node_of(assert_parity(model), "Linear")
    assert values_of(node.inputs[1]).shape == (5, 6)


@pytest.mark.parametrize("bias", [B, B[None], np.float32(0.5), np.float32([0.5]), np.float32([[0.5]])])
def test_bias_is_broadcast(bias: Array) -> None:
    model = build("y = Gemm(x, w, b)", inputs=(3, 6), constants={"w": W, "b": bias})
    node = node_of(assert_parity(model), "Linear")
    assert values_of(node.inputs[2]).shape == (5,)


def test_bias_that_is_computed_is_added() -> None:
    model = build("y = Gemm <beta = 2.0> (x, w, c)", inputs={"x": (3, 6), "c": (3, 5)}, constants={"w": W})
    assert op_types(assert_parity(model)) == ["Linear", "ChannelAffine", "Add"]


def test_column_bias_is_not_taken_for_a_row() -> None:
    model = build("y = Gemm(x, w, b)", inputs=(5, 6), constants={"w": W, "b": B[:, None]})
    assert op_types(assert_parity(model)) == ["Linear", "Add"]


@pytest.mark.parametrize("shape", [(2, 3, 6), (2, 3, 4, 6)])
def test_leading_dimensions_are_kept(shape: tuple[int, ...]) -> None:
    model = build("m = MatMul(x, w) y = Add(m, b)", inputs=shape, constants={"w": W, "b": B})
    assert op_types(assert_parity(model)) == ["Linear"]


def test_weight_of_a_matmul_is_a_view() -> None:
    loaded = load_model(build("y = MatMul(x, w)", inputs=(3, 6), constants={"w": W}))
    weight = values_of(node_of(canonicalize(loaded), "Linear").inputs[1])
    assert np.shares_memory(weight, values_of(loaded.graph.initializers["w"]))


def test_scale_behind_a_layer_folds() -> None:
    model = build("m = MatMul(x, w) s = Mul(m, b) y = Add(s, b)", inputs=(3, 6), constants={"w": W, "b": B})
    assert op_types(assert_parity(model)) == ["Linear"]


@pytest.mark.parametrize("body", ["y = MatMul(x, z)", "y = MatMul(w, x)"])
def test_products_of_other_matrices_stay_products(body: str) -> None:
    inputs = {"x": (5, 4), "z": (4, 5)} if "w" not in body else {"x": (5, 4)}
    assert op_types(assert_parity(build(body, inputs=inputs, constants={"w": W}))) == ["MatMul"]


@pytest.mark.parametrize("body", ["y = MatMul(v, v)", "y = Gemm <transA = 1> (x, w)"])
def test_others_are_reported(body: str) -> None:
    inputs = {"v": (5,)} if "w" not in body else {"x": (6, 4)}
    canonical = canonicalize(load_model(build(body, inputs=inputs, constants={"w": W})))
    assert len(unsupported_nodes(canonical)) == 1
