"""NetworkBuilder: puts layers together to an ONNX model and keeps the table of its convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

FloatArray = NDArray[np.float32]
INPUT, OUTPUT = "input", "output"
IMAGE_SHAPE = (3, 224, 224)
_OPSET, _IR_VERSION = 18, 9


@dataclass(frozen=True)
class ConvShape:
    """A convolution at batch 1.

    Args:
        name: Its name in the network.
        inputs: Input channels.
        outputs: Output channels.
        height: Rows of the input.
        width: Columns of the input.
        kernel: Rows and columns of the kernel.
        stride: In both directions.
        padding: On all four sides.
        groups: Groups of channels.
    """

    name: str
    inputs: int
    outputs: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    groups: int = 1

    @property
    def output_size(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        rows, columns = (
            (side + 2 * self.padding - self.kernel) // self.stride + 1 for side in (self.height, self.width)
        )
        return rows, columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        rows, columns = self.output_size
        return rows * columns * self.outputs * self.inputs // self.groups * self.kernel**2


class Weights(Protocol):
    """Where the parameters of a network come from."""

    def layer(self, name: str, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Return weight (of this shape, outputs first) and bias ``[outputs]`` of a layer."""
        ...


class HeWeights:
    """Normal weights with variance 2 / fan-in and zero biases (He et al. 2015), the same for the same seed.

    Args:
        seed: Seed of the generator.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def layer(self, name: str, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Return the next weights, see :class:`Weights`."""
        deviation = np.float32(np.sqrt(2.0 / np.prod(shape[1:])))
        weight = self._random.standard_normal(shape, np.float32) * deviation
        return np.asarray(weight, np.float32), np.zeros(shape[0], np.float32)


@dataclass(frozen=True)
class Network:
    """A finished network.

    Args:
        name: What it is called.
        model: With a dynamic batch, opset 18.
        convolutions: In the order of the graph.
    """

    name: str
    model: onnx.ModelProto
    convolutions: tuple[ConvShape, ...]


class NetworkBuilder:
    """Adds nodes one after another; values are named like the layers that make them.

    Args:
        name: Of the network.
        weights: Where weights come from.
    """

    def __init__(self, name: str, weights: Weights) -> None:
        self._name = name
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._shapes: dict[str, tuple[int, ...]] = {INPUT: IMAGE_SHAPE}
        self._convolutions: list[ConvShape] = []

    def conv(
        self,
        name: str,
        x: str,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        depthwise: bool = False,
    ) -> str:
        """Add a convolution with bias; by default it is padded so that stride 1 keeps the size."""
        inputs, height, width = self._shapes[x]
        padding = kernel // 2 if padding is None else padding
        groups = inputs if depthwise else 1
        shape = ConvShape(name, inputs, outputs, height, width, kernel, stride, padding, groups)
        self._convolutions.append(shape)
        operands = self._parameters(name, (outputs, inputs // groups, kernel, kernel))
        attributes = {
            "kernel_shape": [kernel] * 2,
            "strides": [stride] * 2,
            "pads": [padding] * 4,
            "group": groups,
        }
        return self._node("Conv", name, [x, *operands], (outputs, *shape.output_size), **attributes)

    def conv_relu(self, name: str, x: str, outputs: int, kernel: int, **options: Any) -> str:
        """Add a convolution and a ReLU; options as for :meth:`conv`."""
        return self.relu(self.conv(name, x, outputs, kernel, **options))

    def relu(self, x: str) -> str:
        """Add a ReLU."""
        return self._node("Relu", f"{x}.relu", [x], self._shapes[x])

    def add(self, name: str, x: str, y: str) -> str:
        """Add an addition."""
        return self._node("Add", name, [x, y], self._shapes[x])

    def concat(self, name: str, parts: list[str]) -> str:
        """Add a concatenation of channels."""
        channels = sum(self._shapes[part][0] for part in parts)
        return self._node("Concat", name, parts, (channels, *self._shapes[parts[0]][1:]), axis=1)

    def max_pool(self, name: str, x: str, kernel: int, stride: int, *, padding: int = 0, ceil: bool = False) -> str:
        """Add a maximum pooling."""
        channels, *sides = self._shapes[x]
        reach = stride - 1 if ceil else 0
        size = [(side + 2 * padding - kernel + reach) // stride + 1 for side in sides]
        attributes: dict[str, Any] = {
            "kernel_shape": [kernel] * 2,
            "strides": [stride] * 2,
            "pads": [padding] * 4,
            "ceil_mode": int(ceil),
        }
        return self._node("MaxPool", name, [x], (channels, *size), **attributes)

    def average_pool(self, name: str, x: str, kernel: int, stride: int) -> str:
        """Add an average pooling without padding."""
        channels, *sides = self._shapes[x]
        size = [(side - kernel) // stride + 1 for side in sides]
        attributes: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
        return self._node("AveragePool", name, [x], (channels, *size), **attributes)

    def resize_like(self, name: str, x: str, like: str) -> str:
        """Add a nearest resizing to height and width of another value, whatever they are when it runs."""
        indices = {"zero": [0], "two": [2], "four": [4]}
        for key, value in indices.items():
            self._initializers.append(numpy_helper.from_array(np.array(value, np.int64), f"{name}.{key}"))
        zero, two, four = (f"{name}.{key}" for key in indices)
        parts = []
        for source, first, last in ((x, zero, two), (like, two, four)):
            shape = self._node("Shape", f"{name}.shape.{source}", [source], (4,))
            parts.append(self._node("Slice", f"{shape}.part", [shape, first, last, zero], (2,)))
        sizes = self._node("Concat", f"{name}.sizes", parts, (4,), axis=0)
        shape = (self.channels(x), *self._shapes[like][1:])
        return self._node(
            "Resize",
            name,
            [x, "", "", sizes],
            shape,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def batch_norm(self, name: str, x: str) -> str:
        """Add a batch normalisation that changes nothing yet."""
        values = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "variance": 1.0}
        for key, value in values.items():
            array = np.full(self.channels(x), value, np.float32)
            self._initializers.append(numpy_helper.from_array(array, f"{name}.{key}"))
        return self._node("BatchNormalization", name, [x, *(f"{name}.{key}" for key in values)], self._shapes[x])

    def channels(self, x: str) -> int:
        """Return the number of channels of a value."""
        return self._shapes[x][0]

    def global_average_pool(self, x: str) -> str:
        """Add an average over all pixels."""
        return self._node("GlobalAveragePool", f"{x}.mean", [x], (self._shapes[x][0], 1, 1))

    def flatten(self, x: str) -> str:
        """Add a flattening to ``[N, features]``."""
        return self._node("Flatten", f"{x}.flat", [x], (int(np.prod(self._shapes[x])),))

    def linear(self, name: str, x: str, outputs: int) -> str:
        """Add a fully connected layer."""
        operands = self._parameters(name, (outputs, *self._shapes[x]))
        return self._node("Gemm", name, [x, *operands], (outputs,), transB=1)

    def tanh(self, x: str) -> str:
        """Add a hyperbolic tangent."""
        return self._node("Tanh", f"{x}.tanh", [x], self._shapes[x])

    def finish(self, output: str) -> Network:
        """Return the network whose result is the value ``output``."""
        self._nodes.append(helper.make_node("Identity", [output], [OUTPUT], name=OUTPUT))
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["N", *IMAGE_SHAPE])],
            [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["N", *self._shapes[output]])],
            self._initializers,
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return Network(self._name, model, tuple(self._convolutions))

    def _parameters(self, name: str, shape: tuple[int, ...]) -> list[str]:
        names = [f"{name}.weight", f"{name}.bias"]
        for key, array in zip(names, self._weights.layer(name, shape), strict=True):
            self._initializers.append(numpy_helper.from_array(array, key))
        return names

    def _node(self, op_type: str, name: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        self._shapes[name] = shape
        return name
