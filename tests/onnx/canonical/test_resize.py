"""Resize in every version, and transposed convolutions without overlap."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, run, values_of
from zeroskip.engine import InferenceSession
from zeroskip.errors import ModelError
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes
from zeroskip.onnx.canonical.pipeline import infer_values

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


@pytest.mark.parametrize("scale", [0.7, 0.9, 1.3, 1.4, 1.9, 2.3, 2.6, 1 / 3, 0.1, 3.3])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("body", "opset"), [("r, scales", 10), ("r, , scales", 13), ("r, , scales", 19)])
def test_sizes_follow_from_scales_in_float32(scale: float, mode: str, body: str, opset: int) -> None:
    constants = {"scales": np.float32([1, 1, scale, scale])}
    text = f'r = Relu(x) y = Resize <mode = "{mode}"> ({body})'
    model = build(text, inputs=("N", 3, "H", "W"), constants=constants, opset=opset)
    for size in (10, 11):
        canonical = assert_parity(model, {"x": random_array(1, 3, 10, size)})
        assert tuple(canonical.graph.outputs[0].shape or ())[3] == int(np.float32(scale) * np.float32(size))


def test_size_that_float64_would_make_one_smaller() -> None:
    """``F.interpolate(scale_factor=1.4)`` of 10 pixels gives 14, in PyTorch and ONNX Runtime."""
    body = "r = Relu(x) y = Resize(r, , scales)"
    model = build(body, inputs=("N", 3, "H", "W"), constants={"scales": np.float32([1, 1, 1.4, 2.3])})
    canonical = assert_parity(model, {"x": random_array(1, 3, 10, 10)})
    assert tuple(canonical.graph.outputs[0].shape or ()) == (1, 3, 14, 23)


def test_scales_computed_while_running() -> None:
    body = (
        "s = Shape <start = 2> (z) t = Shape <start = 2> (x) f = Cast <to = 1> (s) g = Cast <to = 1> (t) "
        "d = Div(f, g) scales = Concat <axis = 0> (ones, d) y = Resize(x, , scales)"
    )
    shapes = {"x": ("N", 3, "H", "W"), "z": ("N", 3, "A", "B")}
    model = build(body, inputs=shapes, constants={"ones": np.float32([1, 1])})
    assert_parity(model, {"x": random_array(1, 3, 10, 7), "z": random_array(1, 3, 13, 23)})


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize(("axes", "sizes"), [("2, 3", [13, 13]), ("3, 2", [5, 20]), ("3", [4])])
def test_sizes_that_keep_the_aspect_ratio(policy: str, axes: str, sizes: list[int]) -> None:
    body = f'y = Resize <keep_aspect_ratio_policy = "{policy}", axes = [{axes}]> (x, , , sizes)'
    model = build(body, inputs=(1, 1, 10, 7), constants={"sizes": np.array(sizes)}, opset=18)
    (want,) = run(model, {"x": random_array(1, 1, 10, 7)})
    assert infer_values(load_model(model), {})["y"].shape == want.shape


@pytest.mark.parametrize("scales", [[0.6, 0.6], [0.35, 0.8], [2.0, 0.6], [0.7, 1.6], [1.0, 0.45], [2.5, 1.7]])
def test_nearest_pixels_of_opset_10_are_those_of_onnxruntime(scales: list[float]) -> None:
    """It rounds up where an axis becomes shorter, down elsewhere; the standard does not say."""
    model = build("y = Resize(x, scales)", constants={"scales": np.float32([1, 1, *scales])}, opset=10)
    assert_parity(model, tolerance=0.0)


@pytest.mark.parametrize("scales", [[-1.0, 1.0], [float("nan"), 1.0], [0.0, 1.0]])
def test_scales_that_make_no_sense(scales: list[float]) -> None:
    model = build("y = Resize(x, , scales)", constants={"scales": np.float32([1, 1, *scales])})
    with pytest.raises(ModelError, match="must be positive"):
        canonicalize(load_model(model))


@pytest.mark.parametrize("opset", [10, 13])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", [[1.0, 1.2], [1.05, 1.1], [0.6, 1.1], [2.0, 1.1]])
def test_a_result_of_the_size_of_the_input_is_the_input(opset: int, mode: str, scales: list[float]) -> None:
    """But only if no axis changes."""
    arguments = "x, scales" if opset == 10 else "x, , scales"
    body = f'y = Resize <mode = "{mode}"> ({arguments}) z = Relu(x)'
    model = build(body, inputs=(2, 3, 6, 4), constants={"scales": np.float32([1, 1, *scales])}, opset=opset)
    x = {"x": random_array(2, 3, 6, 4)}
    np.testing.assert_allclose(InferenceSession(model).run(None, x)[0], run(model, x)[0], atol=1e-6)
    assert ("Resize" in op_types(canonicalize(load_model(model)))) == (int(6 * scales[0]) != 6)
