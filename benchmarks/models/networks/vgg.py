"""VGG-16 (Simonyan and Zisserman 2015) with its three fully connected layers."""

from __future__ import annotations

from .graph import INPUT, NetworkBuilder

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def vgg16(builder: NetworkBuilder) -> str:
    """Add VGG-16 with 1000 classes and return its output."""
    x = INPUT
    for stage, (width, count) in enumerate(_STAGES, start=1):
        for layer in range(1, count + 1):
            x = builder.conv_relu(f"conv{stage}_{layer}", x, width, 3)
        x = builder.max_pool(f"pool{stage}", x, 2, 2)
    x = builder.flatten(x)
    for name in ("fc6", "fc7"):
        x = builder.relu(builder.linear(name, x, 4096))
    return builder.linear("fc8", x, 1000)
