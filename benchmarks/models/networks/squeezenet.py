"""SqueezeNet 1.1 (Iandola et al. 2016)."""

from __future__ import annotations

from .graph import INPUT, NetworkBuilder

_SQUEEZES = (16, 16, 32, 32, 48, 48, 64, 64)
_POOLED_BEFORE = (0, 2, 4)


def squeezenet_1_1(builder: NetworkBuilder) -> str:
    """Add SqueezeNet 1.1 with 1000 classes and return its output."""
    x = builder.conv_relu("conv1", INPUT, 64, 3, stride=2, padding=0)
    for index, width in enumerate(_SQUEEZES):
        name = f"fire{index + 2}"
        if index in _POOLED_BEFORE:
            x = builder.max_pool(f"{name}.pool", x, 3, 2, ceil=True)
        squeezed = builder.conv_relu(f"{name}.squeeze", x, width, 1)
        expanded = [builder.conv_relu(f"{name}.expand{kernel}", squeezed, 4 * width, kernel) for kernel in (1, 3)]
        x = builder.concat(f"{name}.concat", expanded)
    x = builder.conv_relu("conv10", x, 1000, 1)
    return builder.flatten(builder.global_average_pool(x))
