"""PyTorch definitions of networks whose packages hold weights but no usable code, and of some built here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


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


class Crnn(nn.Module):
    """Text reader: convolutions with BatchNorm, two bidirectional LSTMs; [N, 1, 64, W] to scores [N, T, 97]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        plan: tuple[tuple[int, bool, tuple[int, int]], ...] = (
            *((32, False, (2, 2)), (64, False, (2, 2)), (128, False, (1, 1)), (128, False, (2, 1))),
            *((256, True, (1, 1)), (256, True, (2, 1))),
        )
        for width, has_norm, pool in plan:
            layers.append(nn.Conv2d(inputs, width, 3, padding=1, bias=not has_norm))
            layers += [nn.BatchNorm2d(width)] if has_norm else []
            layers.append(nn.ReLU())
            layers += [nn.MaxPool2d(pool, pool)] if pool != (1, 1) else []
            inputs = width
        layers += [nn.Conv2d(256, 256, 2), nn.ReLU()]
        self.FeatureExtraction = nn.Module()
        self.FeatureExtraction.ConvNet = nn.Sequential(*layers)
        self.SequenceModeling = nn.Sequential(_Recurrent(), _Recurrent())
        self.Prediction = nn.Linear(256, 97)

    def forward(self, x: Tensor) -> Tensor:
        features = self.FeatureExtraction.ConvNet(x).mean(2).permute(0, 2, 1)
        return self.Prediction(self.SequenceModeling(features))


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(256, 256, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(512, 256)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.rnn(x)[0])


class FaceNet(nn.Module):
    """dlib's face recognition ResNet as face-api.js has it; [N, 3, 150, 150] to embeddings [N, 128].

    Args:
        weights: By name in face-api.js: filters HWIO, biases, scales.
    """

    _BLOCKS = (
        *("conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3"),
        *("conv128_down", "conv128_1", "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
    )

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.first = _scaled(weights, "conv32_down", stride=2, padding=0)
        for name in self._BLOCKS:
            is_down = "down" in name
            first = _scaled(weights, f"{name}/conv1", stride=2 if is_down else 1, padding=0 if is_down else 1)
            setattr(self, name, nn.ModuleList([first, _scaled(weights, f"{name}/conv2", stride=1, padding=1)]))
        self.register_buffer("fc", weights["fc"])

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.first(x)), 3, 2)
        for name in self._BLOCKS:
            first, second = getattr(self, name)
            y = second(functional.relu(first(x)))
            if "down" in name:
                x = functional.avg_pool2d(x, 2)
                missing, channels = x.shape[2] - y.shape[2], y.shape[1] - x.shape[1]
                y = functional.pad(y, (0, missing, 0, missing))
                x = functional.pad(x, (0, 0, 0, 0, 0, channels))
            x = functional.relu(x + y)
        return x.mean((2, 3)) @ self.fc

    @classmethod
    def from_package(cls, folder: Path) -> FaceNet:
        """Read the weights: most are bytes with a scale and a smallest value for each tensor."""
        (manifest,) = json.loads((folder / "face_recognition_model-weights_manifest.json").read_text())
        data, start, weights = (folder / "face_recognition_model.bin").read_bytes(), 0, {}
        for item in manifest["weights"]:
            coding = item.get("quantization", {"dtype": "float32", "scale": 1.0, "min": 0.0})
            raw = np.frombuffer(data, coding["dtype"], int(np.prod(item["shape"])), start)
            values = (raw.astype(np.float32) * coding["scale"] + coding["min"]).astype(np.float32)
            weights[item["name"]] = torch.from_numpy(values.reshape(item["shape"]))
            start += raw.nbytes
        return cls(weights).eval()


def _scaled(weights: Mapping[str, Tensor], name: str, *, stride: int, padding: int) -> nn.Conv2d:
    """Return a convolution with the scale behind it folded into its weights."""
    filters, scale = weights[f"{name}/conv/filters"].permute(3, 2, 0, 1), weights[f"{name}/scale/weights"]
    layer = nn.Conv2d(filters.shape[1], filters.shape[0], filters.shape[2], stride, padding)
    layer.weight = nn.Parameter(filters * scale[:, None, None, None])
    layer.bias = nn.Parameter(weights[f"{name}/conv/bias"] * scale + weights[f"{name}/scale/biases"])
    return layer


class SpeakerResNet(nn.Module):
    """ResNet-34 of WeSpeaker's layout: log mel energies [N, T, 80] to an embedding [N, 256]; weights not trained."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        inputs = 32
        for width, depth, stride in ((32, 3, 1), (64, 4, 2), (128, 6, 2), (256, 3, 2)):
            for index in range(depth):
                layers.append(_BasicBlock(inputs, width, stride if index == 0 else 1))
                inputs = width
        self.body, self.embedding = nn.Sequential(*layers), nn.Linear(2 * 256 * 10, 256)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x.transpose(1, 2).unsqueeze(1))
        mean = maps.mean(3)
        spread = torch.sqrt(((maps - mean.unsqueeze(3)) ** 2).mean(3) + 1e-7)
        return self.embedding(torch.cat((mean.flatten(1), spread.flatten(1)), 1))


class _BasicBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.way = nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(), second, nn.BatchNorm2d(width))
        self.short = nn.Sequential()
        if stride != 1 or inputs != width:
            self.short = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.way(x) + self.short(x))


class Detr(nn.Module):
    """DETR's layout: ResNet-18 maps, an encoder and a decoder with ReLU, boxes of 50 queries; weights not trained."""

    def __init__(self, width: int = 256, depth: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, 1))
        inputs = 64
        for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            layers += [_BasicBlock(inputs, channels, stride), _BasicBlock(channels, channels, 1)]
            inputs = channels
        self.backbone, self.projection = nn.Sequential(*layers), nn.Conv2d(512, width, 1)
        self.encoder = nn.ModuleList([_Block(width, crosses=False) for _ in range(depth)])
        self.decoder = nn.ModuleList([_Block(width, crosses=True) for _ in range(depth)])
        self.queries = nn.Parameter(torch.randn(1, 50, width))
        self.classes, self.boxes = nn.Linear(width, 12), nn.Linear(width, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        memory = self.projection(self.backbone(x)).flatten(2).transpose(1, 2)
        for block in self.encoder:
            memory = block(memory, memory)
        queries = self.queries.expand(x.shape[0], -1, -1)
        for block in self.decoder:
            queries = block(queries, memory)
        return self.classes(queries), self.boxes(queries).sigmoid()


class _Block(nn.Module):
    """Attention among the queries, to the memory if asked for, then a feed-forward layer with ReLU."""

    def __init__(self, width: int, *, crosses: bool) -> None:
        super().__init__()
        self.attention = nn.ModuleList([_Attention(width) for _ in range(1 + crosses)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 + crosses)])
        self.up, self.down = nn.Linear(width, 8 * width), nn.Linear(8 * width, width)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        for index, attention in enumerate(self.attention):
            x = self.norms[index](x + attention(x, memory if index == 1 else x))
        return self.norms[-1](x + self.down(functional.relu(self.up(x))))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.parts = nn.ModuleList([nn.Linear(width, width) for _ in range(4)])

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            layer(source).reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2)
            for layer, source in zip(self.parts, (x, memory, memory), strict=False)
        )
        weights = torch.softmax(query @ key.transpose(2, 3) * (width // self.heads) ** -0.5, -1)
        return self.parts[3]((weights @ value).transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    """The feed-forward layers of a decoder with ReLU, one token at a time: [N, 768]; weights not trained."""

    def __init__(self, width: int = 768, depth: int = 12) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.up = nn.ModuleList([nn.Linear(width, 4 * width) for _ in range(depth)])
        self.down = nn.ModuleList([nn.Linear(4 * width, width) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            x = x + down(functional.relu(up(norm(x))))
        return x


def trained(model: nn.Module, file: Path) -> nn.Module:
    """Load weights that a package holds; the prefix of ``DataParallel`` is taken off."""
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict({key.removeprefix("module."): value for key, value in state.items()}, strict=True)
    return model.eval()


def seeded(kind: type[nn.Module], calibrate_with: Tensor) -> nn.Module:
    """Return a network of random weights whose batch normalisations have seen one batch."""
    torch.manual_seed(0)
    model = kind()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(calibrate_with)
    return model.eval()


def export(module: nn.Module, example: Tensor, file: Path, open_axes: Mapping[int, str], outputs: int = 1) -> Path:
    """Write a module as ONNX, unless that was done before."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        names = [f"output{index}" for index in range(outputs)]
        torch.onnx.export(
            module, (example,), str(file), input_names=["input"], output_names=names, opset_version=17, dynamo=False,
            dynamic_axes={"input": dict(open_axes)},
        )  # fmt: skip
    return file
