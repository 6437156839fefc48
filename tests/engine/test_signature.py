"""What a caller may pass in, and what the messages say otherwise."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from zeroskip import ShapeError
from zeroskip.engine import InferenceSession, NodeArg
from zeroskip.engine.signature import Signature

SIGNATURE = Signature(
    [NodeArg("image", ["N", 3, "H", 8]), NodeArg("scale", ["N", 1])],
    [NodeArg("y", ["N", 10]), NodeArg("z", [])],
)


def feed(**changes: object) -> dict[str, object]:
    return {"image": np.zeros((2, 3, 5, 8), np.float32), "scale": np.zeros((2, 1), np.float32)} | changes


def test_arrays_come_back_in_graph_order_as_they_are() -> None:
    strided = np.zeros((2, 5, 8, 3), np.float32).transpose(0, 3, 1, 2)
    (image, scale), shapes = SIGNATURE.check({"scale": np.ones((2, 1), np.float32), "image": strided})
    assert shapes == ((2, 3, 5, 8), (2, 1))
    assert image is strided
    assert scale[0, 0] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((2, 3, 5, 8))}, r"'image': expected dtype float32, got float64.*astype"),
        ({"image": np.zeros((2, 3, 5, 8), np.uint8)}, "got uint8"),
        ({"image": 1.0}, r"'image': expected a numpy array.*got float"),
        ({"image": np.zeros((3, 5, 8), np.float32)}, r"got \[3, 5, 8\]: 4 dimensions are needed, not 3"),
        ({"image": np.zeros((2, 4, 5, 8), np.float32)}, "dimension 1 must be 3"),
        ({"scale": np.zeros((3, 1), np.float32)}, "'N' is already 2 in input 'image'"),
        ({"extra": np.zeros(1, np.float32)}, r"unknown \['extra'\]"),
    ],
)
def test_a_wrong_input_is_refused_with_what_was_got_and_expected(changes: dict, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        SIGNATURE.check(feed(**changes))


def test_what_was_accepted_once_excuses_nothing() -> None:
    """The latest shapes and types are remembered; whatever is not like them is checked in full again."""
    signature = Signature(SIGNATURE.inputs, SIGNATURE.outputs)
    for _ in range(2):
        signature.check(feed())
    other = {"image": np.zeros((4, 3, 6, 8), np.float32), "scale": np.zeros((4, 1), np.float32)}
    assert signature.check(other)[1] == ((4, 3, 6, 8), (4, 1))
    for wrong in (
        feed(scale=np.zeros((2, 2), np.float32)),
        feed(scale=np.zeros((4, 1), np.float32)),
        feed(scale=np.zeros((2, 1))),
        feed(scale=[[0.0, 0.0]]),
        feed(extra=0),
        {"image": feed()["image"], "scales": feed()["scale"]},
        {"image": feed()["image"]},
    ):
        signature.check(feed())
        with pytest.raises(ShapeError):
            signature.check(wrong)
    swapped = np.zeros((2, 1), ">f4")
    assert signature.check(feed(scale=swapped))[0][1] is swapped


def test_a_missing_input_is_named_with_the_signature() -> None:
    with pytest.raises(ShapeError, match=r"missing \['scale'\].*image: tensor\(float\) \[N, 3, H, 8\]"):
        SIGNATURE.check({"image": np.zeros((2, 3, 5, 8), np.float32)})


def test_outputs_are_found_by_name() -> None:
    assert SIGNATURE.output_indices(None) == [0, 1]
    assert SIGNATURE.output_indices(["z", "y"]) == [1, 0]
    with pytest.raises(ShapeError, match=r"no output \['w'\]; its outputs are \['y', 'z'\]"):
        SIGNATURE.output_indices(["w"])


def test_shapes_are_checked_like_arrays() -> None:
    assert SIGNATURE.check_shapes({"scale": (4, 1), "image": [4, 3, 9, 8]}) == ((4, 3, 9, 8), (4, 1))
    with pytest.raises(ShapeError, match="dimension 3 must be 8"):
        SIGNATURE.check_shapes({"scale": (4, 1), "image": (4, 3, 9, 9)})
    with pytest.raises(ShapeError, match="expected a shape for each"):
        SIGNATURE.check_shapes({"image": (4, 3, 9, 8)})


def test_only_the_batch_is_guessed() -> None:
    assert SIGNATURE.default_shapes() is None
    assert Signature([NodeArg("x", ["N", 3, 8, 8])], []).default_shapes() == ((1, 3, 8, 8),)
    assert Signature([NodeArg("x", [4, 3])], []).default_shapes() == ((4, 3),)


@pytest.mark.parametrize("name", ["?", "None", "-1", "*", "h", "DynamicDimension.0"])
def test_a_name_that_stands_for_several_sizes_says_nothing(name: str) -> None:
    signature = Signature([NodeArg("image", ["N", 3, name, name]), NodeArg("mask", ["N", name])], [])
    assert signature.check_shapes({"image": (2, 3, 48, 192), "mask": (2, 7)}) == ((2, 3, 48, 192), (2, 7))
    with pytest.raises(ShapeError, match="'N' is already 2"):
        signature.check_shapes({"image": (2, 3, 48, 192), "mask": (3, 7)})


@pytest.mark.parametrize("dims", [[-1, 3, -1, -1], ["n", 3, "?", "?"], ["?", 3, "?", "?"], ["", 3, "", ""]])
def test_open_dimensions_of_paddlepaddle(dims: list[int | str]) -> None:
    value, float32 = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    nodes = [onnx.helper.make_node("Conv", ["x", "w"], ["c"]), onnx.helper.make_node("Relu", ["c"], ["y"])]
    weight = onnx.numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w")
    graph = onnx.helper.make_graph(nodes, "g", [value("x", float32, dims)], [value("y", float32, None)], [weight])
    session = InferenceSession(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)]))
    assert all(not isinstance(item, int) or item > 0 for item in session.get_inputs()[0].shape)
    for shape in ((1, 3, 48, 192), (3, 3, 20, 9)):
        (y,) = session.run(None, {"x": np.ones(shape, np.float32)})
        assert y.shape == (shape[0], 8, shape[2] - 2, shape[3] - 2)
