"""Zero maps: what they show is what ONNX Runtime computes, pixel by pixel and channel by channel."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

import zeroskip as zs
from tiny_network import SIDE, pictures, tiny_data, tiny_network
from zeroskip.analysis import ZeroMaps, map_zeros


def decoded(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


@pytest.fixture(scope="module")
def maps() -> ZeroMaps:
    return map_zeros(tiny_network(), tiny_data(6), count=2, options=zs.SessionOptions(intra_op_num_threads=1))


def test_maps_agree_with_onnx_runtime(maps: ZeroMaps) -> None:
    model = onnx.load_from_string(tiny_network())
    model.graph.output.append(onnx.helper.make_tensor_value_info("relu1", onnx.TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString())
    zeros = session.run(["relu1"], {"image": tiny_data(6).subset(2).array()})[0] == 0.0
    found = maps.layers[0]
    assert (found.activation, found.channels, found.height, found.width) == ("relu1", 16, SIDE, SIDE)
    assert found.sparsity == pytest.approx(zeros.mean(), abs=1e-4)
    half_a_level = 0.5 * 255 / 15 + 1
    for png, expected in zip(found.pixels, zeros, strict=True):
        np.testing.assert_allclose(decoded(png), 255 * expected.mean(axis=0), atol=half_a_level)
    np.testing.assert_allclose(decoded(found.channel_strip)[0], 255 * zeros.mean(axis=(0, 2, 3)), atol=half_a_level)


def test_only_what_a_layer_skips_by_is_mapped(maps: ZeroMaps) -> None:
    assert [layer.activation for layer in maps.layers] == ["relu1", "relu2"]
    assert len(maps.names) == len(maps.pictures) == 2


@pytest.mark.parametrize("preset", ["unit", "imagenet", "caffe-bgr"])
def test_pictures_look_as_they_did_before_preprocessing(preset: str) -> None:
    recipe = zs.data.Preprocess.preset(preset, resize=None, crop=None)
    shown = map_zeros(tiny_network(), zs.data.arrays(pictures(1), None, recipe)).pictures[0]
    np.testing.assert_allclose(decoded(shown).astype(int), pictures(1)[0], atol=24)  # JPEG
    assert np.abs(decoded(shown).astype(int) - pictures(1)[0]).mean() < 4


def test_inputs_without_channels_of_colour_have_no_picture() -> None:
    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["relu"]),
        onnx.helper.make_node("MatMul", ["relu", "w"], ["y"]),
    ]
    weight = onnx.numpy_helper.from_array(np.ones((8, 2), np.float32), "w")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, ["N", 8])], [value("y", 1, ["N", 2])], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    values = np.array([[1, -1, 0, 2, -3, 4, 5, -6]], np.float32)
    found = map_zeros(model.SerializeToString(), zs.data.arrays(values))
    assert found.pictures == ()
    (layer,) = found.layers
    assert (layer.pixels, layer.height, layer.channels) == ((), 0, 8)
    assert decoded(layer.channel_strip)[0].tolist() == [0, 255, 255, 0, 255, 0, 0, 255]


def test_large_maps_are_averaged_down() -> None:
    wide = np.concatenate([tiny_data(1).array()] * 5, axis=3)
    shown = map_zeros(tiny_network_of_any_size(), zs.data.arrays(wide))
    assert decoded(shown.layers[0].pixels[0]).shape == (10, 48)
    assert (shown.layers[0].height, shown.layers[0].width) == (32, 160)


def tiny_network_of_any_size() -> bytes:
    model = onnx.load_from_string(tiny_network())
    for dimension, name in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], "HW", strict=True):
        dimension.dim_param = name
    return model.SerializeToString()


def test_they_are_saved_and_read_back(maps: ZeroMaps, tmp_path: Path) -> None:
    maps.save(tmp_path / "maps.json")
    assert ZeroMaps.load(tmp_path / "maps.json") == maps
