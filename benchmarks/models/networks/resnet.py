"""ResNet-18 and ResNet-50 (He et al. 2016), batch normalisation folded; the stride is in the 3x3 layer."""

from __future__ import annotations

from .graph import INPUT, NetworkBuilder


def resnet18(builder: NetworkBuilder) -> str:
    """Add ResNet-18 with 1000 classes and return its output."""
    return builder.linear("fc", _trunk(builder, (2, 2, 2, 2), is_deep=False), 1000)


def resnet50(builder: NetworkBuilder) -> str:
    """Add ResNet-50 with 1000 classes and return its output."""
    return builder.linear("fc", _trunk(builder, (3, 4, 6, 3), is_deep=True), 1000)


def resnet50_embedding(builder: NetworkBuilder) -> str:
    """Add ResNet-50 with an embedding of 768 numbers in -1..1 and return its output."""
    return builder.tanh(builder.linear("fc", _trunk(builder, (3, 4, 6, 3), is_deep=True), 768))


def _trunk(builder: NetworkBuilder, blocks: tuple[int, ...], *, is_deep: bool) -> str:
    x = builder.conv_relu("conv1", INPUT, 64, 7, stride=2)
    x = builder.max_pool("maxpool", x, 3, 2, padding=1)
    inputs = 64
    for stage, count in enumerate(blocks, start=1):
        width = 32 << stage
        outputs = 4 * width if is_deep else width
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            is_projected = stride > 1 or inputs != outputs
            branch = _bottleneck if is_deep else _basic
            y = branch(builder, name, x, width, stride)
            if is_projected:
                x = builder.conv(f"{name}.downsample", x, outputs, 1, stride=stride)
            x = builder.relu(builder.add(f"{name}.add", y, x))
            inputs = outputs
    return builder.flatten(builder.global_average_pool(x))


def _basic(builder: NetworkBuilder, name: str, x: str, width: int, stride: int) -> str:
    return builder.conv(f"{name}.conv2", builder.conv_relu(f"{name}.conv1", x, width, 3, stride=stride), width, 3)


def _bottleneck(builder: NetworkBuilder, name: str, x: str, width: int, stride: int) -> str:
    y = builder.conv_relu(f"{name}.conv1", x, width, 1)
    y = builder.conv_relu(f"{name}.conv2", y, width, 3, stride=stride)
    return builder.conv(f"{name}.conv3", y, 4 * width, 1)
