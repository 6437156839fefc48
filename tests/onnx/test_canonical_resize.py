"""Resize in every version, and transposed convolutions without overlap."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import assert_parity, build, node_of, op_types, random_array, values_of

from zeroskip.onnx import canonicalize, load_model, unsupported_nodes

SCALES = {
    "scales": np.float32([1, 1, 2, 1.5]),
    "roi": np.zeros(0, np.float32),
    "none": np.zeros(0, np.float32),
}
SIZES = {"sizes": np.array([2, 3, 12, 9]), "roi": np.zeros(0, np.float32), "none": np.zeros(0, np.float32)}


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ('y = Upsample <mode = "{mode}", scales = [1.0, 1.0, 2.0, 1.5]> (x)', 7),
        ('y = Upsample <mode = "{mode}"> (x, scales)', 9),
        ('y = Resize <mode = "{mode}"> (x, scales)', 10),
        ('y = Resize <mode = "{mode}"> (x, roi, scales)', 11),
        ('y = Resize <mode = "{mode}"> (x, , scales)', 13),
        ('y = Resize <mode = "{mode}"> (x, , scales)', 19),
    ],
)
def test_scales(mode: str, body: str, opset: int) -> None:
    canonical = assert_parity(build(body.format(mode=mode), constants=SCALES, opset=opset))
    node = node_of(canonical, "Resize")
    assert node.attributes.get_string("coordinate_transformation_mode") == (
        "asymmetric" if opset < 11 else "half_pixel"
    )
    np.testing.assert_array_equal(values_of(node.inputs[2]), SCALES["scales"])


@pytest.mark.parametrize(("arguments", "opset"), [("roi, none, sizes", 11), (", , sizes", 13), (", , sizes", 19)])
@pytest.mark.parametrize(
    "attributes",
    [
        'mode = "nearest"',
        'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"',
        'mode = "nearest", coordinate_transformation_mode = "align_corners", nearest_mode = "round_prefer_ceil"',
        'mode = "linear"',
        'mode = "linear", coordinate_transformation_mode = "align_corners"',
        'mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"',
    ],
)
def test_sizes(arguments: str, opset: int, attributes: str) -> None:
    canonical = assert_parity(build(f"y = Resize <{attributes}> (x, {arguments})", constants=SIZES, opset=opset))
    node = node_of(canonical, "Resize")
    assert node.inputs[2] is None
    assert values_of(node.inputs[3]).tolist() == [2, 3, 12, 9]


def test_sizes_of_some_axes() -> None:
    constants = {"sizes": np.array([5, 16])}
    canonical = assert_parity(build("y = Resize <axes = [2, 3]> (x, , , sizes)", constants=constants, opset=18))
    assert values_of(node_of(canonical, "Resize").inputs[3]).tolist() == [2, 3, 5, 16]


def test_sizes_computed_from_another_tensor() -> None:
    body = (
        "s = Shape(z) hw = Slice(s, two, four) t = Shape(x) nc = Slice(t, zero, two) sizes = Concat <axis = 0> (nc, hw)"
        'y = Resize <mode = "linear"> (x, , , sizes)'
    )
    constants = {"zero": np.array([0]), "two": np.array([2]), "four": np.array([4])}
    shapes = {"x": ("N", 3, "H", "W"), "z": ("N", 3, "A", "B")}
    model = build(body, inputs=shapes, constants=constants)
    assert op_types(assert_parity(model, {"x": random_array(2, 3, 4, 5), "z": random_array(2, 3, 9, 7)})) == ["Resize"]


@pytest.mark.parametrize(
    "attributes",
    [
        'mode = "cubic"',
        'coordinate_transformation_mode = "tf_crop_and_resize"',
        'mode = "linear", antialias = 1',
        'keep_aspect_ratio_policy = "not_larger"',
    ],
)
def test_others_are_reported(attributes: str) -> None:
    constants = {"sizes": np.array([2, 3, 4, 4]), "roi": np.float32([0, 0, 0, 0, 1, 1, 1, 1])}
    model = build(f"y = Resize <{attributes}> (x, roi, , sizes)", constants=constants)
    assert [node.op_type for node in unsupported_nodes(canonicalize(load_model(model)))] == ["Resize"]


@pytest.mark.parametrize("bias", ["", ", b"])
def test_transposed_convolution_without_overlap(bias: str) -> None:
    constants = {"w": random_array(3, 4, 2, 2), "b": random_array(4)}
    canonical = assert_parity(build(f"y = ConvTranspose <strides = [2, 2]> (x, w{bias})", constants=constants))
    assert op_types(canonical) == ["Conv", "Reshape", "Transpose", "Reshape"]


@pytest.mark.parametrize("attributes", ["strides = [1, 1]", "strides = [2, 2], pads = [1, 1, 0, 0]", "group = 3"])
def test_other_transposed_convolutions_are_reported(attributes: str) -> None:
    model = build(f"y = ConvTranspose <{attributes}> (x, w)", constants={"w": random_array(3, 4, 2, 2)})
    assert [node.op_type for node in unsupported_nodes(canonicalize(load_model(model)))] == ["ConvTranspose"]
