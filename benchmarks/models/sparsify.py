"""Giving a network a wanted sparsity on real pictures, by shifting biases, layer after layer.

Used for networks with random weights, whose results mean nothing but whose work does. Values are propagated
node by node, each in a model of one node, so the whole costs about one run of the network.

At every ReLU the bias of the layer in front is shifted by one number, so that the wanted fraction of the
values falls to zero. Where the next node is a maximum pooling the fraction counts behind it, because that is
what the next convolution reads. Every layer's output is scaled to unit variance, as batch normalisation
would; otherwise deep networks would run off at high sparsity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from .networks.graph import INPUT, FloatArray

_QUANTILE_SAMPLE = 1_000_000
_SCALABLE = ("Conv", "Gemm", "BatchNormalization")  # inputs 1 and 2 are factors and a bias


def with_sparsity(model: onnx.ModelProto, x: FloatArray, sparsity: float | None) -> onnx.ModelProto:
    """Return a copy of a network whose ReLUs make the wanted fraction of zeros.

    Args:
        model: As built by ``NetworkBuilder``: every ReLU follows a layer, or an addition whose first operand
            is a layer.
        x: float32 ``[N, 3, H, W]``, real pictures, preprocessed.
        sparsity: In (0, 1); None leaves the biases as they are ("natural" sparsity) and only normalises.
    """
    return _Propagation(model, x).run(sparsity)


@dataclass
class _Propagation:
    """One pass through a network.

    Args:
        model: The network.
        x: The pictures.
    """

    model: onnx.ModelProto
    x: FloatArray

    def run(self, sparsity: float | None) -> onnx.ModelProto:
        graph = self.model.graph
        self._parameters = {item.name: numpy_helper.to_array(item).copy() for item in graph.initializer}
        self._producers = {node.output[0]: node for node in graph.node}
        values: dict[str, FloatArray] = {INPUT: self.x}
        for position, node in enumerate(graph.node):
            if node.op_type == "Relu" and sparsity is not None:
                self._shift(node, values, sparsity)
            values[node.output[0]] = self._computed(node, values)
            if node.op_type in _SCALABLE:
                self._normalise(node, values)
            _forget_unused(values, graph.node[position + 1 :])
        return self._rebuilt()

    def _computed(self, node: onnx.NodeProto, values: Mapping[str, FloatArray]) -> FloatArray:
        known = {**self._parameters, **values}
        return run_node(node, [known[name] for name in node.input])

    def _normalise(self, node: onnx.NodeProto, values: dict[str, FloatArray]) -> None:
        factor = np.float32(1.0 / max(float(values[node.output[0]].std()), 1e-12))
        for name in (*node.input[1:3], node.output[0]):
            (values if name in values else self._parameters)[name] *= factor

    def _shift(self, relu: onnx.NodeProto, values: dict[str, FloatArray], sparsity: float) -> None:
        before = values[relu.input[0]]
        reader = self._reader(relu.output[0])
        # The maximum of shifted values is the shifted maximum, and ReLU may come before or after.
        judged = before if reader is None or reader.op_type != "MaxPool" else run_node(reader, [before])
        sample = judged.ravel()[:: max(1, judged.size // _QUANTILE_SAMPLE)]
        shift = np.float32(np.quantile(sample, sparsity))
        before -= shift
        self._parameters[self._layer(relu.input[0]).input[2]] -= shift

    def _reader(self, value: str) -> onnx.NodeProto | None:
        """Return the only node that reads a value, perhaps through a concatenation, or None."""
        readers = [node for node in self.model.graph.node if value in node.input]
        if len(readers) != 1:
            return None
        return self._reader(readers[0].output[0]) if readers[0].op_type == "Concat" else readers[0]

    def _layer(self, value: str) -> onnx.NodeProto:
        node = self._producers[value]
        return node if node.op_type in _SCALABLE else self._layer(node.input[0])

    def _rebuilt(self) -> onnx.ModelProto:
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        for tensor in result.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(self._parameters[tensor.name], tensor.name))
        return result


def run_node(node: onnx.NodeProto, operands: Sequence[FloatArray]) -> FloatArray:
    """Return the result of one node.

    Args:
        node: Any node with one float32 output.
        operands: One array per input.
    """
    names = [f"i{index}" for index in range(len(operands))]
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    alone.ClearField("input")
    alone.input.extend(names)
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape)
        for name, array in zip(names, operands, strict=True)
    ]
    output = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([alone], "node", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.array(session.run(None, dict(zip(names, operands, strict=True)))[0])


def _forget_unused(values: dict[str, FloatArray], rest: Sequence[onnx.NodeProto]) -> None:
    needed = {name for node in rest for name in node.input}
    for name in [name for name in values if name not in needed]:
        del values[name]
