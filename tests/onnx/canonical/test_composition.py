"""Operators that are written by others."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, op_types, random_array
from zeroskip.engine import InferenceSession
from zeroskip.onnx import canonicalize, load_model


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Neg (x)", ["ChannelAffine"]),
        ("y = Pow (x, two)", ["Mul"]),
        ("y = Pow (x, three)", ["Mul", "Mul"]),
        ("y = Max (x, x, row)", ["Max", "Max"]),
        ("y = Mean (x, row)", ["Add", "ChannelAffine"]),
        ("y = PRelu (x, slope)", ["LeakyRelu"]),
        ("y = LogSoftmax <axis = 1> (x)", ["ReduceMax", "Sub", "Exp", "ReduceSum", "Log", "Sub"]),
        ("a = Abs (x) y = ReduceLogSum (a, last)", ["Abs", "ReduceSum", "Log"]),
        ("y = ReduceLogSumExp (x, last)", ["ReduceMax", "Sub", "Exp", "ReduceSum", "Log", "Add"]),
        ("y = LpNormalization <axis = 1> (x)", ["ReduceL2", "Max", "Div"]),
        ("y = LpNormalization <axis = -1, p = 1> (x)", ["ReduceL1", "Max", "Div"]),
        ("y = Concat <axis = 1> (zeros, x, zeros)", ["Pad"]),
        ("y = Concat <axis = 1> (row, x)", ["Concat"]),
        ("d = Div (x, root) e = Erf (d) a = Add (e, one) m = Mul (x, a) y = Mul (m, half)", ["Gelu"]),
        ("h = Mul (half, x) d = Mul (x, root_half) e = Erf (d) a = Add (one, e) y = Mul (h, a)", ["Gelu"]),
        ("d = Div (x, one) e = Erf (d) a = Add (e, one) m = Mul (x, a) y = Mul (m, half)", None),
    ],
)
def test_compositions_compute_the_same(body: str, expected: list[str] | None) -> None:
    numbers = {"two": 2.0, "three": 3.0, "half": 0.5, "one": 1.0, "root": np.sqrt(2.0), "root_half": np.sqrt(0.5)}
    constants = {
        **{name: np.float32(value) for name, value in numbers.items()},
        "slope": np.float32([[[0.25]]]), "row": random_array(2, 1, 4, 5), "zeros": np.zeros((2, 2, 4, 5), np.float32),
        "last": np.array([3]),
    }  # fmt: skip
    canonical = assert_parity(build(body, inputs=(2, 1, 4, 5), constants=constants, opset=20))
    assert expected is None or op_types(canonical) == expected
    assert expected is not None or "Gelu" not in op_types(canonical)


def test_a_row_of_zeros_has_the_length_zero() -> None:
    model = build("r = Relu (x) y = LpNormalization <axis = 1> (r)", inputs=(2, 5))
    assert_parity(model, {"x": np.float32([[-1, -2, 0, 0, -3], [3, 0, 4, 0, 0]])})


@pytest.mark.parametrize("shape", [(2, 6, 5), (1, 6, 4, 3), (2, 6, 2, 3, 2)])
@pytest.mark.parametrize(("opset", "size"), [(18, 3), (21, 6)])
def test_groups_are_normalised_natively(shape: tuple[int, ...], opset: int, size: int) -> None:
    """Up to opset 20 a group has a scale, later a channel; checked against the definition, since ONNX moved it."""
    scale, bias = random_array(size), random_array(size)
    body = "y = GroupNormalization <num_groups = 3, epsilon = 0.01> (x, scale, bias)"
    model = build(body, inputs=shape, constants={"scale": scale, "bias": bias}, opset=opset)
    assert "InstanceNormalization" in op_types(canonicalize(load_model(model)))
    x = random_array(*shape)
    groups = x.reshape(shape[0], 3, -1).astype(np.float64)
    normal = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 0.01)
    columns = (np.repeat(values, 6 // size).reshape(-1, *(1 for _ in shape[2:])) for values in (scale, bias))
    wanted = normal.reshape(shape) * next(columns) + next(columns)
    session = InferenceSession(model.SerializeToString())
    assert not session.explain().islands
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted, rtol=1e-4, atol=1e-5)


def test_groups_that_do_not_fit_stay_as_they_are() -> None:
    body = "y = GroupNormalization <num_groups = 3> (x, scale, bias)"
    constants = {"scale": random_array(3), "bias": random_array(2)}
    model = build(body, inputs=(1, 6, 4, 3), constants=constants, opset=18)
    assert op_types(canonicalize(load_model(model))) == ["GroupNormalization"]
