"""PyTorch in eager mode: what a model costs without being exported to a runtime.

The ONNX graph is carried out node by node with ``torch.nn.functional``; there is no compiler and no fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from ..errors import EngineError
from ..learning.operators import OPERATORS, Operator
from .engine import Engine, Feed, ModelContent, Precision, Shapes

_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class _Node:
    operator: Operator
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    dead: tuple[str, ...]  # values that nothing reads after this node


class TorchEngine(Engine):
    """PyTorch eager on the CPU, contiguous tensors, no gradients.

    Args:
        threads: ``torch.set_num_threads``; it holds for the process.
        precision: ``"f32"``, or ``"bf16"`` for weights and activations.
    """

    name = "torch"

    def __init__(self, threads: int, precision: Precision) -> None:
        self.threads = threads
        self.precision = precision
        self._dtype = _DTYPES[precision]
        torch.set_num_threads(threads)

    @property
    def version(self) -> str:
        """Version of the torch package."""
        return str(torch.__version__)

    @property
    def description(self) -> str:
        """The settings that decide its speed."""
        return f"eager, node by node, {self.threads} threads, {self.precision}"

    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Prepare a model, see :class:`Engine`.

        Raises:
            EngineError: Naming all operators that have no counterpart here.
        """
        graph = (onnx.load(model) if isinstance(model, Path) else onnx.load_model_from_string(model)).graph
        self._constants = {tensor.name: self._tensor(tensor) for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = self._tensor(node.attribute[0].t)
        self._outputs = tuple(value.name for value in graph.output)
        nodes = [node for node in graph.node if node.op_type != "Constant"]
        if missing := sorted({node.op_type for node in nodes} - set(OPERATORS)):
            raise EngineError(f"the eager PyTorch engine has no {', '.join(missing)}")
        self._nodes = self._linked(nodes)

    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once, see :class:`Engine`."""
        with torch.inference_mode():
            values: dict[str, Any] = dict(self._constants)
            values.update({name: torch.from_numpy(array).to(self._dtype) for name, array in feed.items()})
            for node in self._nodes:
                arguments = [values[name] if name else None for name in node.inputs]
                values[node.output] = node.operator(node.attributes, *arguments)
                for name in node.dead:
                    del values[name]
            return [values[name].float().numpy() for name in self._outputs]

    def _tensor(self, tensor: onnx.TensorProto) -> torch.Tensor:
        value = torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
        return value.to(self._dtype) if value.is_floating_point() else value

    def _linked(self, nodes: list[onnx.NodeProto]) -> list[_Node]:
        """Return the nodes, each with the values it is the last to read, so that memory is given back."""
        seen = {*self._constants, *self._outputs}
        linked = []
        for node in reversed(nodes):
            dead = tuple(sorted({name for name in node.input if name and name not in seen}))
            seen.update(dead)
            attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            linked.append(_Node(OPERATORS[node.op_type], tuple(node.input), node.output[0], attributes, dead))
        return linked[::-1]
