"""Definitions of the networks that benchmarks run, small enough to be read: one file per family.

:data:`NETWORKS` names them; :func:`build` makes one with He-initialised weights, or with weights that are
given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .densenet import densenet121
from .graph import HeWeights, Network, NetworkBuilder, Weights
from .mobilenet import mobilenet_v1
from .resnet import resnet18, resnet50
from .squeezenet import squeezenet_1_1
from .vgg import vgg16

NETWORKS: Mapping[str, Callable[[NetworkBuilder], str]] = MappingProxyType(
    {
        "resnet18": resnet18,
        "resnet50": resnet50,
        "vgg16": vgg16,
        "mobilenet_v1": mobilenet_v1,
        "squeezenet_1_1": squeezenet_1_1,
        "densenet121": densenet121,
    }
)
"""A function for each network that adds its layers to a builder and returns the output's name."""


def build(name: str, weights: Weights | None = None) -> Network:
    """Build a network for inputs ``[N, 3, 224, 224]``.

    Args:
        name: Key of :data:`NETWORKS`.
        weights: Where weights come from; He-initialised ones by default.
    """
    builder = NetworkBuilder(name, weights or HeWeights())
    return builder.finish(NETWORKS[name](builder))


__all__ = ["NETWORKS", "HeWeights", "Network", "NetworkBuilder", "Weights", "build"]
