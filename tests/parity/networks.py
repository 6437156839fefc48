"""PyTorch definitions of the networks whose packages hold weights but no usable code, and their loading.

Each function returns a module in evaluation mode with its trained weights. torch is imported on use only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.deployments.networks import Craft, Crepe


def without_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items()}


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided), 1x1 with a projected or identical shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = conv_bn(inputs, width, 1)
        self.conv2, self.bn2 = conv_bn(width, width, 3, stride)
        self.conv3, self.bn3 = conv_bn(width, outputs, 1)
        self.downsample = conv_bn(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet50(nn.Module):
    """ResNet-50 with a linear head of ``features`` outputs and tanh."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 64, 7, 2)
        inputs = 64
        for stage, blocks in enumerate((3, 4, 6, 3), start=1):
            width = 32 << stage
            layers = []
            for block in range(blocks):
                layers.append(Bottleneck(inputs, width, 2 if stage > 1 and block == 0 else 1))
                inputs = 4 * width
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, features)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return torch.tanh(self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1)))


def imgsim_resnet50(weights: Path) -> nn.Module:
    state = torch.load(weights, map_location="cpu", weights_only=True)
    return loaded(ResNet50(768), without_prefix(state, "module.pre."))


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; a wider block subsamples its shortcut and pads it with zero channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = outputs // inputs
        self.conv1, self.bn1 = conv_bn(inputs, outputs, 3, self.stride)
        self.conv2, self.bn2 = conv_bn(outputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            missing = (y.shape[1] - x.shape[1]) // 2
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, missing, missing))
        return functional.relu(y + x)


class CifarResNet(nn.Module):
    """ResNet of 6 n + 2 layers for 32 x 32 images."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 16, 3)
        inputs = 16
        for stage, width in enumerate((16, 32, 64), start=1):
            layers = [CifarBlock(inputs if block == 0 else width, width) for block in range(blocks)]
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
            inputs = width
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(functional.relu(self.bn1(self.conv1(x))))))
        return self.linear(functional.avg_pool2d(x, x.shape[3]).flatten(1))


def cifar_resnet(weights: Path, depth: int) -> nn.Module:
    with np.load(weights) as arrays:
        state = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    return loaded(CifarResNet((depth - 2) // 6), without_prefix(state, "module."))


def crepe(weights: Path) -> nn.Module:
    return loaded(Crepe(), torch.load(weights, map_location="cpu", weights_only=True))


def craft(weights: Path) -> nn.Module:
    return loaded(Craft(), without_prefix(torch.load(weights, map_location="cpu", weights_only=True), "module."))


def efficientnet_lite0(weights: Path) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    return loaded(model, torch.load(weights, map_location="cpu", weights_only=True))


def loaded(model: nn.Module, state: Mapping[str, Any]) -> nn.Module:
    model.load_state_dict(dict(state), strict=True)
    return model.eval()
