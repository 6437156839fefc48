"""Recipes of other libraries, and recipes in files and models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tiny_network import tiny_network
from zeroskip import DataError
from zeroskip.data import PRESETS, Preprocess
from zeroskip.onnx import load_model, save_model
from zeroskip.onnx.metadata import PREPROCESS_KEY, state_preprocess

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (  # resnet50.tv_in1k
            {"input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.875, "mean": MEAN, "std": STD},
            PRESETS["imagenet"],
        ),
        (  # resnet18.a1_in1k, the whole config.json
            {
                "architecture": "resnet18",
                "pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95},
            },
            replace(PRESETS["imagenet"], resize=235, interpolation="bicubic"),
        ),
        (
            {"input_size": (3, 240, 320), "crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bicubic"},
            replace(PRESETS["imagenet"], resize=None, size=(240, 320), crop=(240, 320), interpolation="bicubic"),
        ),
    ],
)
def test_recipes_of_timm(config: dict[str, Any], expected: Preprocess) -> None:
    assert Preprocess.from_timm(config) == expected
    assert Preprocess.from_json(json.dumps(config)) == expected


NORMAL = {"do_normalize": True, "image_mean": MEAN, "image_std": STD, "do_rescale": True, "rescale_factor": 1 / 255}
IMAGENET = PRESETS["imagenet"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (  # vit-base
            {
                **NORMAL,
                "image_processor_type": "ViTImageProcessor",
                "size": {"height": 224, "width": 224},
                "resample": 2,
            },
            replace(IMAGENET, resize=None, size=(224, 224), crop=None),
        ),
        (
            {**NORMAL, "feature_extractor_type": "ViTFeatureExtractor", "size": 224, "resample": 2},
            replace(IMAGENET, resize=None, size=(224, 224), crop=None),
        ),
        (  # convnext-tiny-224; resnet-50 has the same
            {
                **NORMAL,
                "image_processor_type": "ConvNextImageProcessor",
                "size": {"shortest_edge": 224},
                "crop_pct": 0.875,
                "resample": 3,
            },
            replace(IMAGENET, interpolation="bicubic"),
        ),
        (
            {**NORMAL, "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}, "resample": 3},
            replace(IMAGENET, resize=None, size=(384, 384), crop=None, interpolation="bicubic"),
        ),
        (
            {
                **NORMAL,
                "image_processor_type": "MobileNetV2ImageProcessor",
                "size": {"shortest_edge": 256},
                "do_center_crop": True,
                "crop_size": {"height": 224, "width": 224},
                "resample": 2,
            },
            IMAGENET,
        ),
        (
            {**NORMAL, "feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "resample": 3},
            replace(IMAGENET, resize=224, interpolation="bicubic"),
        ),
        (
            {
                **NORMAL,
                "image_processor_type": "MobileViTImageProcessor",
                "do_normalize": False,
                "do_flip_channel_order": True,
                "size": {"shortest_edge": 288},
                "crop_size": {"height": 256, "width": 256},
                "resample": 2,
            },
            Preprocess(resize=288, crop=256, channel_order="bgr", scale=1 / 255),
        ),
        (
            {
                "image_processor_type": "TimmWrapperImageProcessor",
                "data_config": {"input_size": [3, 224, 224], "crop_pct": 0.875, "interpolation": "bilinear"},
            },
            IMAGENET,
        ),
    ],
)
def test_recipes_of_hugging_face(config: dict[str, Any], expected: Preprocess) -> None:
    assert Preprocess.from_hf(config) == expected


def test_efficientnet_centres_and_divides_twice() -> None:
    config = {
        **NORMAL,
        "image_processor_type": "EfficientNetImageProcessor",
        "size": {"height": 8, "width": 8},
        "rescale_offset": True,
        "include_top": True,
        "resample": 0,
    }
    pixel = np.full((1, 8, 8, 3), 200, np.uint8)
    found = Preprocess.from_hf(config).normalize(pixel)[0, :, 0, 0]
    once = ((200 - 127.5) / 255 - np.array(MEAN)) / np.array(STD)
    assert found == pytest.approx(once / np.array(STD), rel=1e-5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"input_size": [1, 28, 28]}, r"input_size \[1, 28, 28\]"),
        ({"input_size": [3, 240, 320]}, "with crop_mode 'center'"),
        ({"input_size": [3, 224, 224], "crop_mode": "border"}, "crop_mode 'border', which pads"),
        ({"input_size": [3, 224, 224], "interpolation": "hamming"}, "interpolation 'hamming'"),
        ({"input_size": [3, 224, 224], "mean": [1, 2]}, "mean"),
        ({**NORMAL, "size": {"shortest_edge": 800, "longest_edge": 1333}}, "size"),
        ({**NORMAL, "size": {"height": 8, "width": 8}, "do_pad": True}, "do_pad"),
        ({"size": {"height": 8, "width": 8}, "do_resize": True}, "do_normalize without image_mean"),
        ({**NORMAL, "size": {"height": 8, "width": 8}, "resample": 5}, "interpolation None"),
        ({"unknown": 1}, "no preprocessing"),
        ({"resize": "x"}, "resize is 'x'"),
        ({"resize": True}, "resize is True"),
        ({"scale": "1"}, "scale is '1'"),
        ({"mean": "abc"}, "mean is 'abc'"),
        ({"crop": [1, 2, 3]}, "crop is"),
        ({"size": 3.5}, "size is 3.5"),
        ({"crop": 10**9}, "crop is 1000000000"),
        ({"resize": 8, "schema_version": 9}, "schema_version 9, expected 1"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocess.from_json(json.dumps(config))


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{" * 9999, "[" * 99999, '{"a"'])
def test_texts_that_are_no_recipe_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"a\.json' is no preprocessing"):
        Preprocess.load(tmp_path / "a.json")


@pytest.mark.parametrize("name", PRESETS)
def test_a_recipe_survives_a_file_and_a_model(tmp_path: Path, name: str) -> None:
    recipe = Preprocess.preset(name, layout="nhwc")
    recipe.save(tmp_path / "a.json")
    assert Preprocess.load(tmp_path / "a.json") == recipe
    model = load_model(tiny_network())
    assert Preprocess.from_model(model) is None
    state_preprocess(model, recipe.to_dict())
    save_model(model, tmp_path / "a.onnx")
    assert Preprocess.from_model(tmp_path / "a.onnx") == recipe


def test_a_damaged_statement_is_told() -> None:
    model: ir.Model = load_model(tiny_network())
    model.metadata_props[PREPROCESS_KEY] = '{"mean": "x"}'
    with pytest.raises(DataError, match=r"states under 'zeroskip\.preprocess' is no preprocessing"):
        Preprocess.from_model(model)


def test_differences_are_words() -> None:
    other = replace(IMAGENET, scale=1.0, layout="nhwc")
    assert other.differences(IMAGENET) == [f"scale 1.0 instead of {1 / 255}"]
