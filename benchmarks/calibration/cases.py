"""The trained networks of the comparison, each with the data and the metric it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from zeroskip.calibration import MetricName
from zeroskip.data import Dataset, Preprocess, arrays, image_folder

from ..models.trained import TRAINED
from .networks import cifar_resnet, efficientnet_lite0

_CIFAR = Preprocess(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_LITE = Preprocess(resize=224, crop=224, interpolation="bicubic", mean=127.0, std=128.0)


@dataclass(frozen=True)
class Case:
    """One network and what it is judged by.

    Args:
        name: For tables and file names.
        read: Returns the ONNX file's content, given the folder of data.
        data: Returns the inputs, given the folder of data and how many are wanted.
        metric: Name of the metric.
    """

    name: str
    read: Callable[[Path], bytes]
    data: Callable[[Path, int], Dataset]
    metric: MetricName


def _photos(preprocess: Preprocess, *, labelled: bool = True) -> Callable[[Path, int], Dataset]:
    def load(folder: Path, count: int) -> Dataset:
        labels = "auto" if labelled else None
        return image_folder(folder / "imagenet_calib", preprocess, labels=labels).subset(count)

    return load


def cifar(folder: Path, first: int, last: int) -> Dataset:
    """Return test pictures of CIFAR-10 from one place to another."""
    with np.load(folder / "cifar10" / "test.npz", allow_pickle=False) as file:
        pictures, labels = file["x"][first:last], file["y"][first:last]
    return arrays(pictures, [int(label) for label in labels], _CIFAR, description="CIFAR-10 test pictures")


def _resnet(depth: int) -> Case:
    def read(folder: Path) -> bytes:
        (file,) = (folder / "cifar_resnets").glob(f"resnet{depth}-*.npz")
        return cifar_resnet(file)

    return Case(f"resnet{depth}", read, lambda folder, count: cifar(folder, 0, count), "top1")


def _packaged(name: str, metric: MetricName) -> Case:
    """Return a network that an installable package provides, judged on photographs of other classes."""
    trained = TRAINED[name]
    return Case(name, lambda folder: trained.read(), _photos(trained.preprocess, labelled=False), metric)


CASES: Mapping[str, Case] = MappingProxyType(
    {
        case.name: case
        for case in (
            Case(
                "squeezenet",
                lambda folder: (folder / "squeezenet" / "squeezenet_v1.0.onnx").read_bytes(),
                _photos(Preprocess.preset("caffe-bgr", crop=227)),
                "top1",
            ),
            Case("efficientnet_lite0", lambda folder: efficientnet_lite0(), _photos(_LITE), "top1"),
            _resnet(20),
            _resnet(32),
            _resnet(56),
            _packaged("open_nsfw", "agreement"),
            _packaged("tumor_vgg16", "agreement"),
            _packaged("imgsim_resnet50", "fidelity"),
        )
    }
)
"""By name."""
