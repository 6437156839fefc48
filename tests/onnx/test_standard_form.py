"""From the canonical form back to standard operators."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from onnx_graphs import build, op_types, random_array, run
from zeroskip.errors import ModelError
from zeroskip.onnx import canonicalize, load_model, prepare, to_bytes, to_standard


def lowered(body: str, **keywords: object) -> ir.Model:
    return to_standard(canonicalize(load_model(build(body, **keywords))))


def test_nothing_of_the_zeroskip_domain_is_left() -> None:
    body = "c = Mul(x, s) r = Relu(c) f = Flatten(r) y = Gemm(f, w)"
    constants = {"s": random_array(3, 1, 1), "w": random_array(192, 5)}
    model = lowered(body, constants=constants)
    assert {node.domain for node in model.graph} == {""}
    assert model.opset_imports == {"": 20}
    assert model.ir_version == 10


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("y = Relu(x)", ["Relu"]),
        ("y = ThresholdedRelu <alpha = 0.5> (x)", ["ThresholdedRelu"]),
        ("y = Clip(x, zero, six)", ["Clip"]),
        ("r = Clip(x, zero, six) y = ThresholdedRelu <alpha = 0.5> (r)", ["ThresholdedRelu", "Clip"]),
        ("c = Greater(x, t) y = Where(c, x, zero)", ["Greater", "Where"]),
        ("c = Greater(x, t) r = Where(c, x, zero) y = Clip(r, zero, six)", ["Greater", "Where", "Clip"]),
        ("f = Flatten(x) y = Gemm(f, w)", ["Reshape", "Gemm"]),
        ("y = MatMul(x, v)", ["MatMul"]),
        ("m = MatMul(x, v) y = Add(m, b)", ["MatMul", "Add"]),
    ],
)
def test_operators(body: str, found: list[str]) -> None:
    constants = {
        "zero": 0.0, "six": 6.0, "t": np.arange(3).reshape(3, 1, 1) / 4, "w": random_array(192, 5),
        "v": random_array(8, 5), "b": random_array(5),
    }  # fmt: skip
    assert op_types(lowered(body, constants=constants)) == found


def test_prepared_model_can_be_lowered_and_run_at_any_shape() -> None:
    model = build(
        "c = Conv(x, w) r = Relu(c) y = GlobalAveragePool(r)",
        inputs=("N", 3, "H", "W"),
        constants={"w": random_array(4, 3, 1, 1)},
    )
    data = to_bytes(to_standard(prepare(load_model(model))))
    for shape in ((1, 3, 4, 4), (3, 3, 7, 5)):
        x = random_array(*shape)
        np.testing.assert_allclose(run(data, {"x": x})[0], run(model, {"x": x})[0], atol=1e-6)


def test_lowered_model_can_be_canonicalised_again() -> None:
    body = "c = Mul(x, s) r = Relu(c) y = GlobalAveragePool(r)"
    once = canonicalize(load_model(build(body, constants={"s": random_array(3, 1, 1)})))
    assert (
        op_types(canonicalize(to_standard(once))) == op_types(once) == ["ChannelAffine", "FatRelu", "GlobalAveragePool"]
    )


def test_rank_that_is_not_known() -> None:
    body = "s = Slice(z, a, b) i = Cast <to = 7> (s) r = Reshape(x, i) c = Greater(r, t) y = Where(c, r, zero)"
    constants = {"a": np.array([0]), "b": np.array([2]), "t": np.float32([0.25]), "zero": 0.0}
    model = build(body, inputs={"x": (2, 3, 4, 4), "z": (4,)}, constants=constants)
    assert "ThresholdedRelu" in op_types(to_standard(prepare(load_model(model))))
    prepared = prepare(load_model(build("y = Relu(x)")))
    node = next(iter(prepared.graph))
    node.op_type = "ChannelAffine"
    prepared.graph.inputs[0].shape = None
    with pytest.raises(ModelError, match="unknown rank"):
        to_standard(prepared)
