"""What only renames elements becomes one Reshape to a constant shape, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, values_of
from zeroskip.onnx import load_model, prepare

ARGUMENTS = {
    "flat": np.array([0, -1]), "whole": np.array([-1]), "first": np.array([0]), "last": np.array([-1]),
    "same": np.array([2, 3, 8, 8]), "grouped": np.array([0, 3, 2, 4, 8]), "ones": np.array([1, 1, 1, 1]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("y = Flatten(x)", (2, 192)),
        ("y = Flatten <axis = 2> (x)", (6, 64)),
        ("y = Flatten <axis = -1> (x)", (48, 8)),
        ("y = Reshape(x, flat)", (2, 192)),
        ("y = Reshape(x, grouped)", (2, 3, 2, 4, 8)),
        ("y = Unsqueeze(x, last)", (2, 3, 8, 8, 1)),
        ("u = Unsqueeze(x, first) y = Reshape(u, whole)", (384,)),
        ("a = Reshape(x, grouped) b = Reshape(a, flat) y = Unsqueeze(b, first)", (1, 2, 192)),
        ("p = GlobalAveragePool(x) s = Squeeze(p) y = Unsqueeze(s, last)", (2, 3, 1)),
    ],
)
def test_one_reshape_is_left(body: str, shape: tuple[int, ...]) -> None:
    canonical = assert_parity(build(body, constants=ARGUMENTS, opset=13))
    assert [op_type for op_type in op_types(canonical) if op_type != "GlobalAveragePool"] == ["Reshape"]
    assert tuple(values_of(node_of(canonical, "Reshape").inputs[1])) == shape


@pytest.mark.parametrize(
    "body",
    [
        "r = Reshape(x, same) y = Relu(r)",
        "u = Unsqueeze(x, last) s = Squeeze(u, last) y = Relu(s)",
        "s = Shape(x) r = Reshape(x, s) y = Relu(r)",
        "s = Shape(x) r = Expand(x, s) y = Relu(r)",
        "r = Expand(x, ones) y = Relu(r)",
        "r = Tile(x, ones) y = Relu(r)",
    ],
)
def test_what_changes_nothing_vanishes(body: str) -> None:
    assert op_types(assert_parity(build(body, constants=ARGUMENTS, opset=13))) == ["FatRelu"]


def test_shape_arithmetic_of_a_dynamic_flatten_is_folded() -> None:
    body = (
        "p = GlobalAveragePool(x) s = Shape(p) n = Gather(s, zero) u = Unsqueeze(n, first)"
        "t = Concat <axis = 0> (u, last)"
        "f = Reshape(p, t) y = MatMul(f, w)"
    )
    constants = {**ARGUMENTS, "zero": np.array(0), "w": random_array(3, 4)}
    model = build(body, inputs=("N", 3, "H", "W"), constants=constants, opset=13)
    assert op_types(assert_parity(model)) == ["GlobalAveragePool", "Reshape", "Linear"]


@pytest.mark.parametrize("attributes", ["blocksize = 2", 'blocksize = 2, mode = "CRD"', 'blocksize = 2, mode = "DCR"'])
def test_depth_to_space(attributes: str) -> None:
    canonical = assert_parity(build(f"y = DepthToSpace <{attributes}> (x)", inputs=(2, 8, 3, 4)), tolerance=0.0)
    assert op_types(canonical) == ["Reshape", "Transpose", "Reshape"]


def test_space_to_depth() -> None:
    canonical = assert_parity(build("y = SpaceToDepth <blocksize = 2> (x)", inputs=(2, 3, 4, 6)), tolerance=0.0)
    assert op_types(canonical) == ["Reshape", "Transpose", "Reshape"]


def test_shapes_stay_open_until_specialised() -> None:
    prepared = prepare(load_model(build("r = Relu(x) y = Flatten(r)", inputs=("N", 3, "H", "W"))))
    assert op_types(prepared) == ["FatRelu", "Flatten"]


def test_expansion_stays_one() -> None:
    model = build("y = Expand(x, s)", inputs=(1, 3), constants={"s": np.array([4, 3])})
    assert op_types(assert_parity(model)) == ["Expand"]


def test_tiles_are_an_expansion_between_reshapes() -> None:
    model = build("y = Tile(x, s)", inputs=(2, 3, 4), constants={"s": np.array([2, 1, 3])})
    assert op_types(assert_parity(model)) == ["Reshape", "Expand", "Reshape"]
