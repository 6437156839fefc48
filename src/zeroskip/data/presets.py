"""PRESETS: preprocessing recipes that many trained models use, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .preprocessing import Preprocess

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

PRESETS: Mapping[str, Preprocess] = MappingProxyType(
    {
        # torchvision's evaluation recipe.
        "imagenet": Preprocess(resize=256, crop=224, scale=1 / 255, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
        # Caffe's: BGR minus the ImageNet mean, unscaled. Some models want crop=227 or layout="nhwc".
        "caffe-bgr": Preprocess(resize=256, crop=224, channel_order="bgr", mean=(104.0, 117.0, 123.0)),
        "efficientnet-lite": Preprocess(resize=256, crop=224, interpolation="bicubic", mean=127.0, std=128.0),
        # Inception's: the middle 87.5 % of the picture at 299, values in -1..1.
        "tf-inception": Preprocess(resize=342, crop=299, scale=1 / 127.5, mean=1.0),
        # CIFAR ResNets trained with ImageNet statistics; override mean and std for CIFAR's own.
        "cifar": Preprocess(size=(32, 32), scale=1 / 255, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
        "unit": Preprocess(scale=1 / 255),
        "raw": Preprocess(),
    }
)
