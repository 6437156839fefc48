"""Slice, Split and Gather get constant arguments, counted from the front."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, run, values_of
from zeroskip.engine import InferenceSession, SessionOptions
from zeroskip.errors import ShapeError
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes
from zeroskip.onnx.values import constant


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps", "wanted"),
    [
        ([1], [3], [2], None, ([1], [3], [2], [1])),
        ([-3], [1 << 62], [-1], [2], ([5], [8], [3], [2])),
        ([1, 0], [2, 4], None, None, ([1, 0], [2, 3], [0, 1], [1, 1])),
        ([0, 2], [100, -2], [1, 2], [1, 3], ([0, 2], [3, 6], [1, 2], [1, 3])),
    ],
)
def test_slices(
    starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None, wanted: object
) -> None:
    given = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    constants = {name: np.array(items) for name, items in given.items() if items is not None}
    arguments = ", ".join(name if name in constants else "" for name in given).rstrip(", ")
    node = node_of(assert_parity(build(f"y = Slice(x, {arguments})", constants=constants), tolerance=0.0), "Slice")
    assert tuple(values_of(value).tolist() for value in node.inputs[1:]) == wanted


def test_slice_of_everything_vanishes() -> None:
    constants = {"zero": np.array([0]), "end": np.array([1 << 40]), "axis": np.array([1])}
    assert op_types(assert_parity(build("s = Slice(x, zero, end, axis) y = Relu(s)", constants=constants))) == [
        "FatRelu"
    ]


def test_backward_slice_keeps_its_bounds() -> None:
    """An end in front of the first element cannot be counted from the front."""
    constants = {
        "start": np.array([-1]),
        "end": np.array([-9]),
        "axis": np.array([-2]),
        "step": np.array([-1]),
    }
    model = build("y = Slice(x, start, end, axis, step)", constants=constants)
    canonical = canonicalize(load_model(model))
    assert unsupported_nodes(canonical) == []
    arguments = [constant(value) for value in node_of(canonical, "Slice").inputs[1:]]
    assert [array.tolist() for array in arguments if array is not None] == [[-1], [-9], [2], [-1]]
    assert_parity(model)


@pytest.mark.parametrize(
    ("body", "opset", "parts"),
    [
        ("y, z = Split <axis = 1, split = [2, 4]> (x)", 11, [2, 4]),
        ("y, z = Split <axis = 1> (x)", 11, [3, 3]),
        ("y, z = Split <axis = -3> (x, s)", 13, [1, 5]),
        ("y, z = Split <axis = 1> (x)", 13, [3, 3]),
        ("y, z = Split <axis = 1, num_outputs = 2> (x)", 18, [3, 3]),
    ],
)
def test_splits(body: str, opset: int, parts: list[int]) -> None:
    model = build(body, inputs=(2, 6, 4, 4), outputs="y z", constants={"s": np.array([1, 5])}, opset=opset)
    node = node_of(assert_parity(model, tolerance=0.0), "Split")
    assert values_of(node.inputs[1]).tolist() == parts
    assert node.attributes.get_int("axis") == 1


def test_split_into_one_part_vanishes() -> None:
    assert op_types(assert_parity(build("s = Split <num_outputs = 1> (x) y = Relu(s)"))) == ["FatRelu"]


@pytest.mark.parametrize(
    ("indices", "axis", "found"),
    [
        (0, 2, ["Slice", "Reshape"]),
        (-1, -1, ["Slice", "Reshape"]),
        ([1, 2], 1, ["Slice"]),
        ([0, 2, 4], 2, ["Slice"]),
    ],
)
def test_gathers_at_equal_distance_are_slices(indices: object, axis: int, found: list[str]) -> None:
    model = build(f"y = Gather <axis = {axis}> (x, i)", constants={"i": np.array(indices)})
    assert op_types(assert_parity(model, tolerance=0.0)) == found


def test_other_gathers_stay_what_they_are() -> None:
    model = build("y = Gather <axis = 1> (x, i)", constants={"i": np.array([2, 0, 1])})
    assert op_types(assert_parity(model)) == ["Gather"]


def test_gather_outside_of_its_input_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"indices \[7\] are outside of axis 1"):
        canonicalize(load_model(build("y = Gather <axis = 1> (x, i)", constants={"i": np.array([7])})))


@pytest.mark.parametrize(
    ("body", "sizes", "outputs", "found"),
    [
        ("a, b, c = Split <axis = 1> (x, sizes) r = Relu(c) y = Concat <axis = 1> (b, a, r)", [1, 0, 2], "y",
         ["Split", "FatRelu", "Concat"]),
        ("a, b = Split <axis = 1> (x, sizes) y = Relu(a)", [3, 0], "y", ["FatRelu"]),
        ("a, b = Split <axis = -3> (x, sizes) y = Relu(b)", [0, 3], "y a", ["Identity", "FatRelu"]),
        ("a = Slice(x, zero, zero, one) r = Relu(x) y = Concat <axis = 1> (r, a)", [0], "y", ["FatRelu", "Identity"]),
        ("a = Slice(x, zero, zero, one) y = Relu(a)", [0], "y", ["Identity"]),
    ],
)  # fmt: skip
def test_parts_without_elements(body: str, sizes: list[int], outputs: str, found: list[str]) -> None:
    constants = {"sizes": np.array(sizes), "zero": np.array([0]), "one": np.array([1])}
    model = build(body, inputs=(2, 3, 8, 8), constants=constants, outputs=outputs)
    open_sizes = build(body, inputs=("N", 3, "H", "W"), constants=constants, outputs=outputs)
    assert sorted(op_types(canonicalize(load_model(model)))) == sorted(found)
    x = random_array(2, 3, 8, 8)
    for same in (model, open_sizes):
        session = InferenceSession(same, SessionOptions(fallback="error"))
        for want, got in zip(run(model, {"x": x}), session.run(None, {"x": x}), strict=True):
            np.testing.assert_array_equal(got, want)
