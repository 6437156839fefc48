"""Canonical models for planner tests, written node by node, and what they compute.

Independent of the front end: the nodes are written in canonical form, and the shapes of all values are read
off one run. Models of standard operators are run by onnxruntime, others by onnx's reference evaluator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from zeroskip.engine import Plan, build_plan


class FatRelu(OpRun):
    op_domain = "zeroskip"

    def _run(self, x: np.ndarray, thresholds: Any = None, threshold: Any = 0.0, max_value: Any = None) -> Any:
        limit = threshold if thresholds is None else thresholds.reshape(-1, *(1,) * (x.ndim - 2))
        y = np.where(x > limit, x, np.float32(0))
        return (y if max_value is None else np.minimum(y, np.float32(max_value)),)


class ChannelAffine(OpRun):
    op_domain = "zeroskip"

    def _run(self, x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> Any:
        shape = (-1, *(1,) * (x.ndim - 2))
        return (x * scale.reshape(shape) + bias.reshape(shape),)


class Linear(OpRun):
    op_domain = "zeroskip"

    def _run(self, x: np.ndarray, weight: np.ndarray, bias: Any = None) -> Any:
        y = x @ weight.T
        return (y if bias is None else y + bias,)


class CanonicalGraph:
    """Builds a canonical model; every method that adds a node returns the name of its output."""

    def __init__(self, *input_shape: int, name: str = "x", seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs = {name: input_shape}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, np.ndarray] = {}

    def add_input(self, name: str, *shape: int) -> str:
        self.inputs[name] = shape
        return name

    def node(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{op.lower()}_{len(self._nodes)}"
        domain = "zeroskip" if op in ("FatRelu", "ChannelAffine", "Linear") else ""
        node = onnx.helper.make_node(op, inputs, [name], name=f"node_{name}", domain=domain, **attributes)
        self._nodes.append(node)
        return name

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants[name] = np.asarray(values, dtype)
        return name

    def values(self, *shape: int) -> str:
        return self.constant(self.random.standard_normal(shape))

    def conv(self, x: str, channels: Sequence[int], kernel: Sequence[int] = (3, 3), **options: Any) -> str:
        """Add Conv from ``channels[0]`` to ``channels[1]``; pads, strides, dilations, group as attributes."""
        output = options.pop("output", "")
        group, rank = options.pop("group", 1), len(kernel)
        weight_shape = (channels[1], channels[0] // group, *kernel)
        weight = self.random.standard_normal(weight_shape) / np.sqrt(np.prod(weight_shape[1:]))
        inputs = [x, self.constant(weight)]
        if options.pop("bias", True):
            inputs.append(self.values(channels[1]))
        options.setdefault("pads", [size // 2 for size in kernel] * 2)
        options.setdefault("strides", [1] * rank)
        options.setdefault("dilations", [1] * rank)
        return self.node("Conv", *inputs, output=output, kernel_shape=list(kernel), group=group, **options)

    def relu(self, x: str, threshold: float = 0.0, **options: Any) -> str:
        return self.node("FatRelu", x, threshold=threshold, **options)

    def proto(self, outputs: Sequence[str]) -> onnx.ModelProto:
        graph = onnx.helper.make_graph(
            self._nodes,
            "canonical",
            [_value_info(name, shape) for name, shape in self.inputs.items()],
            [_value_info(name, None) for name in outputs],
            [onnx.numpy_helper.from_array(array, name) for name, array in self._constants.items()],
        )
        opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("zeroskip", 1)]
        return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def model(self, *outputs: str) -> ir.Model:
        """Return the canonical model, with the shape of every value."""
        names = [name for node in self._nodes for name in node.output]
        results = self.evaluate(self.proto(names), self.feed())
        model = ir.from_proto(self.proto(outputs))
        for node in model.graph:
            for value in node.outputs:
                value.shape = ir.Shape(results[names.index(value.name)].shape)
        return model

    def feed(self) -> dict[str, np.ndarray]:
        random = np.random.default_rng(7)
        return {name: random.standard_normal(shape, np.float32) for name, shape in self.inputs.items()}

    def plan(self, *outputs: str, taps: Sequence[str] = ()) -> Plan:
        return build_plan(self.model(*outputs), taps)

    def expected(self, *outputs: str) -> list[np.ndarray]:
        """Return what the model computes on :meth:`feed`."""
        return self.evaluate(self.proto(outputs), self.feed())

    @staticmethod
    def evaluate(proto: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        if any(node.domain == "zeroskip" for node in proto.graph.node):
            return ReferenceEvaluator(proto, new_ops=[FatRelu, ChannelAffine, Linear]).run(None, feed)
        return ort.InferenceSession(proto.SerializeToString()).run(None, feed)


def _value_info(name: str, shape: Sequence[int] | None) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
