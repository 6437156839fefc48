"""Preprocess: arithmetic, presets, fitting to a model, error texts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zeroskip import DataError
from zeroskip.data import PRESETS, Preprocess

PIXELS = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)


def test_imagenet_normalises_as_published() -> None:
    got = Preprocess.preset("imagenet").normalize(PIXELS)
    expected = (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(got, expected.transpose(0, 3, 1, 2), rtol=1e-6)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous


def test_caffe_subtracts_the_mean_in_bgr_order() -> None:
    got = Preprocess.preset("caffe-bgr", layout="nhwc").normalize(PIXELS)
    assert np.array_equal(got, PIXELS[..., ::-1].astype(np.float32) - np.float32([104, 117, 123]))


def test_other_presets_map_the_ends_of_the_range() -> None:
    ends = np.array([[[[0, 0, 0], [255, 255, 255]]]], np.uint8)
    low, high = Preprocess.preset("efficientnet-lite").normalize(ends)[0, 0, 0]
    assert (low, high) == (-127 / 128, 1.0)
    low, high = Preprocess.preset("tf-inception").normalize(ends)[0, 0, 0]
    assert (low, high) == (-1.0, 1.0)
    assert Preprocess.preset("raw").normalize(ends).max() == 255.0
    assert Preprocess.preset("unit").normalize(ends).max() == 1.0


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_describe_and_serialise_themselves(name: str) -> None:
    recipe = Preprocess.preset(name)
    assert recipe.describe().startswith(f"{name}: ")
    assert Preprocess(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_single_fields_can_be_overridden() -> None:
    recipe = Preprocess.preset("imagenet", crop=[192, 160], mean=0.5)  # lists, as from JSON
    assert recipe.sample_shape == (3, 192, 160)
    assert replace(recipe, layout="nhwc").sample_shape == (192, 160, 3)
    assert recipe.mean == (0.5, 0.5, 0.5)
    assert not recipe.describe().startswith("imagenet")
    assert Preprocess.preset("raw").sample_shape is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resize": 0}, "resize is 0"),
        ({"resize": 256, "size": 224}, "both resize=256 and size=224"),
        ({"crop": (224, 0)}, r"crop is \(224, 0\), expected pixels >= 1"),
        ({"crop": (1, 2, 3)}, r"crop is \(1, 2, 3\)"),
        ({"size": "big"}, "size is 'big'"),
        ({"mean": (1.0, 2.0)}, r"mean is \(1.0, 2.0\), expected one finite number or three"),
        ({"mean": float("nan")}, "mean is nan"),
        ({"std": (1.0, 0.0, 1.0)}, "no entry may be 0"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"layout": "NCHW"}, r"layout is 'NCHW', expected one of \['nchw', 'nhwc'\]"),
        ({"channel_order": "grb"}, "channel_order is 'grb'"),
        ({"interpolation": "cubic"}, "interpolation is 'cubic'"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocess(**fields)


def test_unknown_preset_and_field_list_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'imagnet', known are \['caffe-bgr', .*'imagenet'"):
        Preprocess.preset("imagnet")
    with pytest.raises(DataError, match=r"fields \['cropp'\], known are \['resize', 'size', 'crop'"):
        Preprocess.preset("imagenet", cropp=3)


@pytest.mark.parametrize(
    ("preset", "shape", "sample_shape", "resize"),
    [
        ("imagenet", ["N", 3, 224, 224], (3, 224, 224), 256),
        ("caffe-bgr", ["unk", 224, 224, 3], (224, 224, 3), 256),
        ("caffe-bgr", [None, 3, 227, 227], (3, 227, 227), 256),
        ("imagenet", [0, 3, 448, 448], (3, 448, 448), 512),
        ("imagenet", [1, 3, 192, 192], (3, 192, 192), 220),
        ("imagenet", [1, 3, 32, 32], (3, 32, 32), 37),
        ("imagenet", [1, 3, "H", "W"], (3, 224, 224), 256),
        ("cifar", [1, 3, 64, 48], (3, 64, 48), None),
        ("raw", [1, 3, 64, 48], None, None),
    ],
)
def test_recipe_fits_itself_to_a_model(
    preset: str, shape: list[Any], sample_shape: tuple[int, ...] | None, resize: int | None
) -> None:
    fitted = Preprocess.preset(preset).fitted_to(shape)
    assert fitted.sample_shape == sample_shape
    assert fitted.resize == resize


@pytest.mark.parametrize("shape", [["N", 1024], ["N", 1, 224, 224], [1, 3, 8, 224, 224]])
def test_shape_without_colour_channels_is_refused(shape: list[Any]) -> None:
    with pytest.raises(DataError, match="no batch of colour pictures"):
        Preprocess.preset("imagenet").fitted_to(shape)
