"""The networks: CIFAR ResNets with parameter-free shortcuts, and a VGG-like net with many channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from zeroskip.torch import OnnxNetwork, from_onnx

from ..calibration.networks import cifar_resnet
from .pictures import Cifar

WEIGHTS = {"resnet20": "resnet20-12fca82f.npz", "resnet56": "resnet56-4bfd9763.npz"}
FILES = {"resnet20_onnx": "resnet20", "resnet56_onnx": "resnet56"}
"""Networks that are made of an ONNX file, and those whose weights are in it."""


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut that subsamples and pads with zero channels (option A).

    Args:
        inputs: Channels in.
        outputs: Channels out.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self._padding = (outputs - inputs) // 2
        self._stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        if self._padding or self._stride > 1:
            x = F.pad(x[:, :, :: self._stride, :: self._stride], (0, 0, 0, 0, self._padding, self._padding))
        return self.relu2(y + x)


class ResNet(nn.Module):
    """ResNet of 6 n + 2 layers for 32x32 pictures and ten classes.

    Args:
        blocks: n, blocks per stage.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks, 1)
        self.layer2 = _stage(16, 32, blocks, 2)
        self.layer3 = _stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``[N, 10]``."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


class WideNet(nn.Module):
    """Plain 3x3 convolutions, 64 to 256 channels, pooling in between."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in (64, 64, 0, 128, 128, 0, 256, 256, 0):
            if width == 0:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(inputs, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.linear = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``[N, 10]``."""
        return self.linear(self.features(x).mean(dim=(2, 3)))


def network(name: str) -> nn.Module:
    """Return a network with weights as torch initialises them.

    Args:
        name: ``"resnet20"``, ``"resnet56"`` or ``"widenet"``.
    """
    return WideNet() if name == "widenet" else ResNet({"resnet20": 3, "resnet56": 9}[name])


def onnx_network(name: str, data: Path) -> OnnxNetwork:
    """Return a network from its ONNX file, where batch normalisation is folded, with one put back for the training.

    Args:
        name: One of :data:`FILES`.
        data: Folder of the given weights and pictures.
    """
    made = from_onnx(cifar_resnet(data / "cifar_resnets" / WEIGHTS[FILES[name]]))
    images, _ = next(iter(Cifar.load(data / "cifar10").dataset("valid").batches(256)))
    made.add_batch_norm([torch.from_numpy(images)])
    return made


def load_weights(model: nn.Module, file: Path) -> None:
    """Load trained weights that are stored under PyTorch's names in an .npz file."""
    stored = np.load(file, allow_pickle=False)
    own = model.state_dict()
    names = {name.removeprefix("module."): name for name in stored.files}
    missing = [name for name in own if name not in names and not name.endswith("num_batches_tracked")]
    if missing:
        raise SystemExit(f"{file.name} lacks {missing}; it has {sorted(names)[:8]} ...")
    model.load_state_dict({name: torch.from_numpy(stored[names[name]]) if name in names else own[name] for name in own})


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    made = [Block(inputs, outputs, stride), *(Block(outputs, outputs, 1) for _ in range(blocks - 1))]
    return nn.Sequential(*made)
