"""MobileNetV1 (Howard et al. 2017) of full width, with ReLU."""

from __future__ import annotations

from .graph import INPUT, NetworkBuilder

_WIDTHS_AND_STRIDES = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet_v1(builder: NetworkBuilder) -> str:
    """Add MobileNetV1 with 1000 classes and return its output."""
    x = builder.conv_relu("conv0", INPUT, 32, 3, stride=2)
    inputs = 32
    for number, (width, stride) in enumerate(_WIDTHS_AND_STRIDES, start=1):
        x = builder.conv_relu(f"depthwise{number}", x, inputs, 3, stride=stride, depthwise=True)
        x = builder.conv_relu(f"pointwise{number}", x, width, 1)
        inputs = width
    return builder.linear("fc", builder.flatten(builder.global_average_pool(x)), 1000)
