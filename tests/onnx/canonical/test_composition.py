"""Operators that are written by others."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, op_types, random_array


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
