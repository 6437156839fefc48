"""The trained networks that int8 is judged on, and the ways to run each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from zeroskip.data import Preprocess, image_folder

from ..calibration.cases import CASES, Case
from .mobilenet import SIDE, mobilenet_v2

_MOBILENET = Preprocess(resize=SIDE, crop=SIDE, mean=127.5, std=127.5)
TRAINED: Mapping[str, Case] = MappingProxyType(
    {
        **{name: CASES[name] for name in ("squeezenet", "efficientnet_lite0", "open_nsfw")},
        "mobilenet_v2": Case(
            "mobilenet_v2",
            lambda folder: mobilenet_v2(),
            lambda folder, count: image_folder(folder / "imagenet_calib", _MOBILENET, labels=None).subset(count),
            "agreement",
        ),
    }
)
"""By name."""

WAYS: Mapping[str, str] = MappingProxyType(
    {
        "float32": "zeroskip",
        "int8": "zeroskip",
        "int8_thresholds": "zeroskip",
        "onnxruntime_int8": "onnxruntime",
        "openvino_int8": "openvino",
    }
)
"""Rows of a network by name: the engine that runs each."""


def model_path(work: Path, network: str, way: str, fold: int = 0) -> Path:
    """Return where the model of a row lies that one half of the pictures chose."""
    return work / network / f"{way}{'-other' * fold}.onnx"
