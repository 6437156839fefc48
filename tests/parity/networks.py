"""PyTorch definitions of the networks whose packages hold weights but no usable code, and their loading.

Each function returns a module in evaluation mode with its trained weights. torch is imported on use only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


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


class Crepe(nn.Module):
    """CREPE (full): audio [N, 1024] to pitch activations [N, 360]; every layer is ReLU, then BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        channels = [1, 1024, 128, 128, 128, 256, 512]
        for layer in range(1, 7):
            kernel, stride = ((512, 1), (4, 1)) if layer == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{layer}", nn.Conv2d(channels[layer - 1], channels[layer], kernel, stride))
            setattr(self, f"conv{layer}_BN", nn.BatchNorm2d(channels[layer], eps=1e-3))
        self.classifier = nn.Linear(2048, 360)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None, :, None]
        for layer in range(1, 7):
            x = functional.pad(x, (0, 0, 254, 254) if layer == 1 else (0, 0, 31, 32))
            x = functional.relu(getattr(self, f"conv{layer}")(x))
            x = functional.max_pool2d(getattr(self, f"conv{layer}_BN")(x), (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).reshape(-1, 2048)))


def crepe(weights: Path) -> nn.Module:
    return loaded(Crepe(), torch.load(weights, map_location="cpu", weights_only=True))


class Craft(nn.Module):
    """CRAFT text detector: VGG16 with BatchNorm, dilated head, U-Net decoder, scores channels last."""

    def __init__(self) -> None:
        super().__init__()
        vgg: list[nn.Module] = []
        inputs = 3
        for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512):
            if width == 0:
                vgg.append(nn.MaxPool2d(2, 2))
                continue
            vgg += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        bounds = (0, 12, 19, 29, 39)
        self.basenet = nn.Module()
        for index in range(4):
            part = nn.Sequential()
            for layer in range(bounds[index], bounds[index + 1]):
                part.add_module(str(layer), vgg[layer])
            setattr(self.basenet, f"slice{index + 1}", part)
        dilated = nn.Conv2d(512, 1024, 3, padding=6, dilation=6)
        self.basenet.slice5 = nn.Sequential(nn.MaxPool2d(3, 1, 1), dilated, nn.Conv2d(1024, 1024, 1))
        for index, (before, width) in enumerate(((1536, 512), (768, 256), (384, 128), (192, 64)), start=1):
            block = nn.Module()
            block.conv = nn.Sequential(
                *(nn.Conv2d(before, width, 1), nn.BatchNorm2d(width), nn.ReLU()),
                *(nn.Conv2d(width, width // 2, 3, padding=1), nn.BatchNorm2d(width // 2), nn.ReLU()),
            )
            setattr(self, f"upconv{index}", block)
        head = [layer for width in (32, 32) for layer in (nn.Conv2d(32, width, 3, padding=1), nn.ReLU())]
        head += [
            nn.Conv2d(32, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 1),
            nn.ReLU(),
            nn.Conv2d(16, 2, 1),
        ]
        self.conv_cls = nn.Sequential(*head)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for index in range(1, 5):
            x = getattr(self.basenet, f"slice{index}")(x)
            features.append(functional.relu(x))  # the slices end before the rectifier that the next one begins with
        y = self.basenet.slice5(x)
        for index in range(1, 5):
            skip = features[-index]
            if index > 1:
                y = functional.interpolate(y, size=skip.shape[2:], mode="bilinear", align_corners=False)
            y = getattr(self, f"upconv{index}").conv(torch.cat([y, skip], dim=1))
        return self.conv_cls(y).permute(0, 2, 3, 1)


def craft(weights: Path) -> nn.Module:
    return loaded(Craft(), without_prefix(torch.load(weights, map_location="cpu", weights_only=True), "module."))


def efficientnet_lite0(weights: Path) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    return loaded(model, torch.load(weights, map_location="cpu", weights_only=True))


def loaded(model: nn.Module, state: Mapping[str, Any]) -> nn.Module:
    model.load_state_dict(dict(state), strict=True)
    return model.eval()
