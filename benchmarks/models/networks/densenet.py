"""DenseNet-121 (Huang et al. 2017): normalisation and ReLU before every convolution."""

from __future__ import annotations

from .graph import INPUT, NetworkBuilder

_GROWTH, _BOTTLENECK = 32, 128
_LAYERS = (6, 12, 24, 16)


def densenet121(builder: NetworkBuilder) -> str:
    """Add DenseNet-121 with 1000 classes and return its output."""
    x = builder.conv_relu("conv0", INPUT, 64, 7, stride=2)
    x = builder.max_pool("pool0", x, 3, 2, padding=1)
    for block, layers in enumerate(_LAYERS, 1):
        for layer in range(1, layers + 1):
            name = f"block{block}.{layer}"
            normal = builder.relu(builder.batch_norm(f"{name}.norm", x))
            narrow = builder.conv_relu(f"{name}.conv1", normal, _BOTTLENECK, 1)
            x = builder.concat(f"{name}.concat", [x, builder.conv(f"{name}.conv2", narrow, _GROWTH, 3)])
        x = builder.relu(builder.batch_norm(f"norm{block}", x))
        if block < len(_LAYERS):
            x = builder.conv(f"transition{block}", x, builder.channels(x) // 2, 1)
            x = builder.average_pool(f"pool{block}", x, 2, 2)
    return builder.linear("classifier", builder.flatten(builder.global_average_pool(x)), 1000)
