"""Integers: what stands between dequantize and quantize works on u8, and gives what ONNX Runtime gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from zeroskip.engine import InferenceSession


class QdqGraph:
    """Writes a model in QDQ form, node by node; float values are named, scales are given."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.random = np.random.default_rng(27)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}{len(self.nodes)}", **attributes))
        return name

    def requantize(self, x: str, scale: float, zero: int = 0) -> str:
        steps = self.constant(np.float32(scale)), self.constant(np.uint8(zero))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *steps), *steps)

    def weight(self, shape: tuple[int, ...]) -> tuple[str, np.ndarray]:
        """A weight of s8 with a scale for each output; returns the scales too."""
        scales = self.random.uniform(0.005, 0.02, shape[0]).astype(np.float32)
        values = self.constant(self.random.integers(-100, 101, shape).astype(np.int8))
        zeros = self.constant(np.zeros(shape[0], np.int8))
        return self.node("DequantizeLinear", values, self.constant(scales), zeros, axis=0), scales

    def bias(self, scales: np.ndarray) -> str:
        values = self.constant(self.random.integers(-500, 500, scales.shape).astype(np.int32))
        zeros = self.constant(np.zeros(scales.shape, np.int32))
        return self.node("DequantizeLinear", values, self.constant(scales), zeros, axis=0)

    def conv(self, x: str, x_scale: float, outputs: int, inputs: int, kernel: int = 1, **attributes: object) -> str:
        weight, scales = self.weight((outputs, inputs, kernel, kernel))
        bias = self.bias((scales * np.float32(x_scale)).astype(np.float32))
        return self.node("Conv", x, weight, bias, kernel_shape=[kernel, kernel], **attributes)

    def model(self, output: str) -> bytes:
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [self.input], [result], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def conv_relu(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    return graph.requantize(graph.node("Relu", graph.conv(x, 0.02, 24, 20, 3, pads=[1] * 4)), 0.05), 0.05


def residual(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    a = graph.requantize(graph.conv(x, 0.02, 20, 20, 3, pads=[1] * 4), 0.06, 130)
    return graph.requantize(graph.node("Relu", graph.node("Add", a, x)), 0.05), 0.05


def two_branches(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    a = graph.requantize(graph.conv(x, 0.02, 20, 20), 0.0613, 130)
    b = graph.requantize(graph.conv(x, 0.02, 20, 20), 0.0719, 110)
    return graph.requantize(graph.node("Add", a, b), 0.0834, 128), 0.0834


def depthwise(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    y = graph.conv(x, 0.02, 20, 1, 3, pads=[1] * 4, group=20, strides=[2, 2])
    limits = graph.constant(np.float32(0)), graph.constant(np.float32(6))
    return graph.requantize(graph.node("Clip", y, *limits), 0.024), 0.024


def pools(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    y = graph.requantize(graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 0.02, 120)
    return graph.requantize(graph.node("GlobalAveragePool", y), 0.01, 128), 0.01


def concatenation(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    a = graph.requantize(graph.node("Relu", graph.conv(x, 0.02, 64, 20)), 0.05)
    b = graph.requantize(graph.node("Relu", graph.conv(x, 0.02, 16, 20)), 0.0613)
    return graph.requantize(graph.node("Concat", a, b, axis=1), 0.0613), 0.0613


def plain_addition(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    y = graph.requantize(graph.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4), 0.02, 120)
    return graph.requantize(graph.node("Add", x, y), 0.05, 100), 0.05


def classifier(graph: QdqGraph) -> tuple[str, float]:
    x = graph.requantize("x", 0.02, 120)
    y = graph.requantize(graph.node("GlobalAveragePool", x), 0.01, 128)
    flat = graph.requantize(graph.node("Flatten", y), 0.01, 128)
    weight, scales = graph.weight((10, 20))
    bias = graph.bias((scales * np.float32(0.01)).astype(np.float32))
    return graph.requantize(graph.node("Gemm", flat, weight, bias, transB=1), 0.02, 128), 0.02


def float_bias(graph: QdqGraph, count: int) -> str:
    return graph.constant(graph.random.normal(0, 1, count).astype(np.float32))


def conv_with_float_bias(graph: QdqGraph) -> tuple[str, float]:
    """As exporters write it that leave the bias out of the quantisation."""
    x = graph.requantize("x", 0.02, 120)
    y = graph.node("Conv", x, graph.weight((24, 20, 3, 3))[0], float_bias(graph, 24), pads=[1] * 4)
    y = graph.requantize(graph.node("Relu", y), 0.05)
    depthwise = graph.node("Conv", y, graph.weight((24, 1, 3, 3))[0], float_bias(graph, 24), pads=[1] * 4, group=24)
    return graph.requantize(graph.node("Relu", depthwise), 0.05), 0.05


def conv_with_channels_switched_off(graph: QdqGraph) -> tuple[str, float]:
    """Batch normalisation leaves tiny weights and a common bias, which is too many of their steps for 32 bits."""
    x = graph.requantize("x", 0.02, 120)
    for outputs, groups in ((20, 1), (20, 20)):
        scales = graph.random.uniform(0.005, 0.02, outputs).astype(np.float32)
        scales[3], scales[7] = 1e-12, 1e-30
        values = graph.constant(graph.random.integers(-100, 101, (outputs, 20 // groups, 3, 3)).astype(np.int8))
        zeros = graph.constant(np.zeros(outputs, np.int8))
        weight = graph.node("DequantizeLinear", values, graph.constant(scales), zeros, axis=0)
        y = graph.node("Conv", x, weight, float_bias(graph, outputs), pads=[1] * 4, group=groups)
        x = graph.requantize(graph.node("Relu", y), 0.05)
    return x, 0.05


def conv_and_addition_of_a_constant(graph: QdqGraph) -> tuple[str, float]:
    y = graph.node("Conv", graph.requantize("x", 0.02, 120), graph.weight((24, 20, 3, 3))[0], pads=[1] * 4)
    bias = graph.constant(graph.random.normal(0, 1, (1, 24, 1, 1)).astype(np.float32))
    return graph.requantize(graph.node("Relu", graph.node("Add", bias, y)), 0.05), 0.05


def flattened(graph: QdqGraph) -> str:
    mean = graph.requantize(graph.node("GlobalAveragePool", graph.requantize("x", 0.02, 120)), 0.01, 128)
    return graph.requantize(graph.node("Flatten", mean), 0.01, 128)


def gemm_with_factors(graph: QdqGraph) -> tuple[str, float]:
    weight, _ = graph.weight((10, 20))
    y = graph.node("Gemm", flattened(graph), weight, float_bias(graph, 10), transB=1, alpha=0.5, beta=2.0)
    return graph.requantize(y, 0.02, 128), 0.02


def matmul_and_addition_of_a_constant(graph: QdqGraph) -> tuple[str, float]:
    weight = graph.node("Transpose", graph.weight((10, 20))[0], perm=[1, 0])
    y = graph.node("Add", graph.node("MatMul", flattened(graph), weight), float_bias(graph, 10))
    return graph.requantize(y, 0.02, 128), 0.02


CASES: dict[str, tuple[Callable[[QdqGraph], tuple[str, float]], set[str]]] = {
    "conv": (conv_relu, {"quantized_conv"}),
    "residual": (residual, {"quantized_conv"}),
    "two branches": (two_branches, {"quantized_conv"}),
    "depthwise": (depthwise, {"quantized_depthwise"}),
    "pools": (pools, {"max_pool", "quantized_global_avg_pool"}),
    "concat": (concatenation, {"quantized_conv", "requantize"}),
    "add": (plain_addition, {"max_pool", "quantized_add"}),
    "classifier": (classifier, {"quantized_global_avg_pool", "quantized_linear"}),
    "float bias": (conv_with_float_bias, {"quantized_conv", "quantized_depthwise"}),
    "switched off": (conv_with_channels_switched_off, {"quantized_conv", "quantized_depthwise"}),
    "conv, add": (conv_and_addition_of_a_constant, {"quantized_conv"}),
    "gemm with factors": (gemm_with_factors, {"quantized_global_avg_pool", "quantized_linear"}),
    "matmul, add": (matmul_and_addition_of_a_constant, {"quantized_global_avg_pool", "quantized_linear"}),
}
_ELSE = {"quantize", "dequantize", "to_nhwc", "to_row", "copy", "concat"}


@pytest.mark.parametrize("name", CASES)
def test_steps_on_integers_give_what_the_model_says(name: str) -> None:
    make, wanted = CASES[name]
    graph = QdqGraph((1, 20, 9, 7))
    output, scale = make(graph)
    model = graph.model(output)
    x = graph.random.normal(0, 1, (1, 20, 9, 7)).astype(np.float32)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # its integer kernels may saturate
    (want,) = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    session = InferenceSession(model)
    (got,) = session.run(None, {"x": x})
    steps = {step.op.partition("+")[0] for step in session.explain().steps}
    assert wanted <= steps <= wanted | _ELSE
    assert np.abs(got - want).max() <= 1.01 * scale  # a rounding of the result
    assert np.mean(np.abs(got - want) > 0.01 * scale) < 0.02


def test_a_value_that_floats_read_too_stays_right() -> None:
    """Its integers go one way, its floats the other."""
    graph = QdqGraph((1, 20, 9, 7))
    x = graph.requantize("x", 0.02, 120)
    y = graph.requantize(graph.node("Relu", graph.conv(x, 0.02, 20, 20)), 0.05)
    both = graph.node("Mul", y, graph.node("Sigmoid", graph.requantize(graph.conv(y, 0.05, 20, 20), 0.1, 128)))
    model = graph.model(both)
    values = graph.random.normal(0, 1, (1, 20, 9, 7)).astype(np.float32)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    (want,) = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, {"x": values})
    (got,) = InferenceSession(model).run(None, {"x": values})
    assert np.mean(np.abs(got - want) > 1e-5) < 0.02
