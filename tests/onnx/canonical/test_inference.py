"""Constant expressions are folded, with a bound; shapes follow ONNX Runtime."""

from __future__ import annotations

import tracemalloc

import numpy as np
import onnx
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, values_of
from zeroskip.errors import ModelError
from zeroskip.onnx import canonicalize, load_model, prepare, unsupported_nodes


@pytest.mark.parametrize(
    "weight",
    [
        "w = Identity(v)",
        "t = Transpose <perm = [1, 0, 2, 3]> (v) w = Transpose <perm = [1, 0, 2, 3]> (t)",
        "w = Mul(v, half)",
        "f = Flatten(v) w = Reshape(f, shape)",
        "w = ConstantOfShape <value = float[1] {0.5}> (shape)",
        "i = Cast <to = 6> (v) w = Cast <to = 1> (i)",
        "w = DequantizeLinear(q, half)",
        "w = Constant <value_float = 0.5> () ",
    ],
)
def test_computed_weights_are_constants(weight: str) -> None:
    constants = {
        "v": random_array(4, 3, 3, 3), "half": 0.5, "shape": np.array([4, 3, 3, 3]),
        "q": np.arange(108).reshape(4, 3, 3, 3),
    }  # fmt: skip
    last = "y = Mul(x, w)" if "Constant <" in weight else "y = Conv(x, w)"
    canonical = assert_parity(with_type(build(f"{weight} {last}", constants=constants), "q", np.int8))
    assert op_types(canonical) in (["Conv"], ["ChannelAffine"])


def with_type(model: onnx.ModelProto, name: str, dtype: type) -> onnx.ModelProto:
    """Return the model with an initializer of another element type."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(dtype), name))
    return model


def test_constant_expression_that_fails_is_an_error() -> None:
    model = build("i = Gather(table, nine) s = Unsqueeze(i, zero) y = Expand(x, s)", constants={
        "table": np.array([1, 2]), "nine": np.array(9), "zero": np.array([0]),
    })  # fmt: skip
    with pytest.raises(ModelError, match=r"\(Gather\) computes a constant, and fails"):
        prepare(load_model(model))


@pytest.mark.parametrize(
    "body",
    [
        "w = ConstantOfShape(huge) y = Add(x, w)",
        "w = Expand(one, huge) y = Add(x, w)",
        "w = Tile(four, huge) y = Add(x, w)",
        "w = ConstantOfShape(negative) y = Add(x, w)",
    ],
)
def test_absurd_constants_are_refused(body: str) -> None:
    constants = {
        "huge": np.array([1 << 20, 1 << 10, 1, 1]), "one": 1.0, "four": np.ones((1, 1, 1, 1)),
        "negative": np.array([-4]),
    }  # fmt: skip
    model = load_model(build(body, constants=constants))
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"constant of|cannot take"):
            canonicalize(model)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20, "refused after it was made"
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body", ["r = RandomNormal <shape = [3, 1, 1]> () y = Mul(x, r)", "r = Bernoulli(half) y = Mul(x, r)"]
)
def test_random_numbers_are_not_constants(body: str) -> None:
    canonical = canonicalize(load_model(build(body, constants={"half": np.full((3, 1, 1), 0.5)})))
    assert unsupported_nodes(canonical)


def test_constant_output() -> None:
    model = build("y = Relu(x) s = Shape(x) z = Cast <to = 1> (s)", outputs="y z")
    canonical = canonicalize(load_model(model))
    node = node_of(canonical, "Identity")
    assert values_of(node.inputs[0]).tolist() == [2.0, 3.0, 8.0, 8.0]


def test_shapes_in_the_file_are_not_trusted() -> None:
    model = build("r = Relu(x) y = Sigmoid(r)", inputs=("N", 3, 8, 8))
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, [1, 3, 4, 4]))
    assert_parity(model)


def test_size_and_parts_of_shape() -> None:
    body = (
        "s = Shape <start = 2> (x) n = Size(x) m = Unsqueeze(n, zero) t = Concat <axis = 0> (m, one) y = Reshape(x, t)"
    )
    model = build(body, inputs=("N", 3, "H", "W"), constants={"zero": np.array([0]), "one": np.array([1])}, outputs="y")
    canonical = assert_parity(model)
    assert tuple(canonical.graph.outputs[0].shape or ()) == (384, 1)
