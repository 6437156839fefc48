"""The networks, with images of any size: two classifiers and one that returns a map as large as its input."""

from __future__ import annotations

import onnx

from ..models.networks import NETWORKS
from ..models.networks.graph import INPUT, HeWeights, NetworkBuilder

CASES = ("resnet18", "squeezenet_1_1", "unet")
_WIDTHS = (32, 64, 128, 256)


def build(name: str) -> onnx.ModelProto:
    """Return a network with He-initialised weights and open batch, height and width."""
    builder = NetworkBuilder(name, HeWeights())
    network = builder.finish(unet(builder) if name == "unet" else NETWORKS[name](builder))
    for value, spatial in ((network.model.graph.input[0], True), (network.model.graph.output[0], name == "unet")):
        dimensions = value.type.tensor_type.shape.dim
        for index, size in zip((2, 3), ("H", "W"), strict=True) if spatial else ():
            dimensions[index].dim_param = size
    return network.model


def unet(builder: NetworkBuilder) -> str:
    """Add a small U-Net (Ronneberger et al. 2015) that resizes to the size of its shortcuts; return its output."""
    x, shortcuts = INPUT, []
    for level, width in enumerate(_WIDTHS):
        if level:
            x = builder.max_pool(f"down{level}", x, 2, 2)
        x = builder.conv_relu(f"encode{level}.1", x, width, 3)
        x = builder.conv_relu(f"encode{level}.2", x, width, 3)
        shortcuts.append(x)
    for level, width in reversed(list(enumerate(_WIDTHS[:-1]))):
        raised = builder.resize_like(f"up{level}", x, shortcuts[level])
        x = builder.concat(f"join{level}", [builder.conv_relu(f"up{level}.conv", raised, width, 1), shortcuts[level]])
        x = builder.conv_relu(f"decode{level}", x, width, 3)
    return builder.conv("head", x, 2, 1)
