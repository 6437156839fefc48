"""GraphModule: a trainable copy of any model that the engine runs natively, made from its canonical graph."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ModelError, RecipeError, ShapeError
from ..onnx import LayerWeights, check_supported, layer_weights, load_model, prepare, specialize
from ..onnx.activation import activation_key
from ..onnx.load import ModelSource
from ..onnx.rewriting import describe
from ..onnx.values import constant, is_own, operand, static_shape
from ..thresholds import Threshold
from .fatrelu import FATReLU
from .operators import OPERATORS, Operator

Rectify = Callable[[str, Tensor], Tensor]

_NO_CLIP = float("inf")
_WEIGHT, _BIAS = "weight of ", "bias of "


@dataclass(frozen=True)
class GraphNode:
    """One node of a canonical graph of known shapes.

    Attributes:
        name: Of the layer, activation or operation, as plans and threshold sets know it.
        op_type: What it is.
        operator: Carries it out; None for an activation.
        inputs: Names of what it reads, None where an input is left out.
        constants: Those of them that never change, by name. They may depend on the shapes.
        outputs: Names of what it computes.
        attributes: Of the node, with the shape of its first output.
    """

    name: str
    op_type: str
    operator: Operator | None
    inputs: tuple[str | None, ...]
    constants: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


class GraphModule(nn.Module):
    """The network of a model, with its weights as parameters and its rectifiers as :class:`FATReLU` modules.

    It computes what the engine computes, up to the rounding of sums: both carry out the same canonical graph, in
    which batch normalisation is folded and every spelling of a rectifier is a FATReLU.

    Args:
        model: ONNX file, its content, or a loaded model.

    Attributes:
        weights: Weight and bias of every layer that can be written back, under names made of the layer's.
        rectifiers: Every activation, under a name made of its key.
        inputs: Names of the graph inputs.
        outputs: Names of the graph outputs.

    Raises:
        ModelError: If the model cannot be read.

    Example:
        >>> module = GraphModule("model.onnx")  # doctest: +SKIP
        >>> (logits,) = module(torch.randn(8, 3, 224, 224))  # doctest: +SKIP
    """

    def __init__(self, model: ModelSource) -> None:
        super().__init__()
        self._prepared = prepare(load_model(model))
        graph = self._prepared.graph
        self.inputs = tuple(value.name or "" for value in graph.inputs)
        self.outputs = tuple(value.name or "" for value in graph.outputs)
        self.weights = nn.ParameterDict()
        self.rectifiers = nn.ModuleDict()
        self._keys: dict[str, str] = {}  # of layers and activations in the dictionaries above
        self._constants: dict[int, tuple[NDArray[Any], Tensor]] = {}  # by the identity of the array
        self._nodes: dict[tuple[tuple[int, ...], ...], tuple[GraphNode, ...]] = {}
        self._learnt: dict[str, nn.Parameter] = {}  # by the name of the constant in the graph, biases by the layer's
        known = layer_weights(self._prepared)
        for node in graph:
            if is_own(node, "FatRelu"):
                name = activation_key(node)
                self.rectifiers[self._key(name)] = _rectifier(node)
            elif _layer_name(node) in known:
                self._add_layer(node)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the graph outputs.

        Args:
            inputs: float32, one for each graph input.

        Raises:
            ShapeError: If the shapes do not fit the model.
            UnsupportedOperatorError: If the engine does not run the model natively at these shapes.
        """
        if len(inputs) != len(self.inputs):
            raise ShapeError(f"{len(inputs)} inputs given, the model has {len(self.inputs)}: {list(self.inputs)}")
        shapes = tuple(tuple(value.shape) for value in inputs)
        values = dict(zip(self.inputs, inputs, strict=True))
        nodes = self.nodes(shapes)
        self.run(values, nodes, set(self.outputs))
        return tuple(values[name] for name in self.outputs)

    def run(
        self,
        values: dict[str, Tensor],
        nodes: Sequence[GraphNode],
        kept: set[str] | None = None,
        rectify: Rectify | None = None,
    ) -> None:
        """Carry out nodes on values by name, in place.

        Args:
            values: What the nodes read, apart from constants; what they compute is added.
            nodes: A part of :meth:`nodes`, in order.
            kept: Values that are still wanted afterwards; others go as soon as no node reads them. None keeps all.
            rectify: Carries out activations, given the name and the input; by default their own modules.
        """
        last = _last_reads(nodes) if kept is not None else {}
        for place, node in enumerate(nodes):
            arguments = [None if name is None else self._value(name, node, values) for name in node.inputs]
            result = self._carry_out(node, arguments, rectify)
            results = result if isinstance(result, tuple | list) else (result,)
            values.update(zip(node.outputs, results, strict=False))
            for name in last.get(place, ()):
                if kept is not None and name not in kept:
                    values.pop(name, None)

    def _carry_out(self, node: GraphNode, arguments: Sequence[Tensor | None], rectify: Rectify | None) -> Any:
        if node.operator is not None:
            return node.operator(node.attributes, *arguments)
        x = arguments[0]
        assert x is not None
        return self.rectifier(node.name)(x) if rectify is None else rectify(node.name, x)

    def nodes(self, shapes: Sequence[Sequence[int]]) -> tuple[GraphNode, ...]:
        """Return the nodes of the graph for given shapes of its inputs, in an order in which they can be carried out.

        Raises:
            ShapeError: If the shapes do not fit the model.
            UnsupportedOperatorError: If the engine does not run the model natively at these shapes.
        """
        key = tuple(tuple(int(size) for size in shape) for shape in shapes)
        if key not in self._nodes:
            model = specialize(self._prepared, dict(zip(self.inputs, key, strict=True)))
            check_supported(model)
            self._nodes[key] = tuple(self._node(node) for node in model.graph)
        return self._nodes[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        return self.duplicate()

    def duplicate(self) -> GraphModule:
        """Return a copy with weights and thresholds of its own; the graph is shared."""
        twin = copy.copy(self)
        twin._modules = dict(self._modules)
        twin.weights, twin.rectifiers = copy.deepcopy(self.weights), copy.deepcopy(self.rectifiers)
        return twin

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Layers whose weights can be written back, in the order of the graph."""
        return tuple(name for name in self._keys if f"{self._keys[name]}_weight" in self.weights)

    @property
    def activation_names(self) -> tuple[str, ...]:
        """Activations, in the order of the graph."""
        return tuple(name for name in self._keys if self._keys[name] in self.rectifiers)

    def layer(self, name: str) -> tuple[nn.Parameter, nn.Parameter]:
        """Return weight and bias of a layer; one that the model gives no bias has one of zeros."""
        return self.weights[f"{self._keys[name]}_weight"], self.weights[f"{self._keys[name]}_bias"]

    def rectifier(self, name: str) -> FATReLU:
        """Return the module of an activation.

        Raises:
            RecipeError: If the model has none of that name.
        """
        if name not in self.activation_names:
            raise RecipeError(f"the model has no activation '{name}'; it has {list(self.activation_names)}")
        module = self.rectifiers[self._keys[name]]
        assert isinstance(module, FATReLU)
        return module

    def layer_weights(self) -> dict[str, LayerWeights]:
        """Return the present weights by layer, as ``zeroskip.onnx`` writes them into a model."""
        pairs = ((name, *self.layer(name)) for name in self.layer_names)
        return {name: LayerWeights(_array(weight), _array(bias)) for name, weight, bias in pairs}

    def set_layers(self, layers: Mapping[str, LayerWeights]) -> None:
        """Give layers the weights that :meth:`layer_weights` returned of this network or a copy."""
        with torch.no_grad():
            for name, given in layers.items():
                weight, bias = self.layer(name)
                weight.copy_(_tensor(given.weight).reshape(weight.shape))
                bias.copy_(_tensor(given.bias))

    def thresholds(self) -> dict[str, Threshold]:
        """Return the present thresholds by activation."""
        return {name: self.rectifier(name).threshold_value() for name in self.activation_names}

    def _key(self, name: str) -> str:
        """Return a name of its own without dots, which names of submodules cannot have."""
        taken = set(self._keys.values())
        stem = name.replace(".", "_") or "layer"
        key = next(key for count in itertools.count() if (key := stem if not count else f"{stem}_{count}") not in taken)
        self._keys[name] = key
        return key

    def _add_layer(self, node: ir.Node) -> None:
        value = operand(node, 1)
        weight, bias = constant(value), constant(node.inputs[2]) if len(node.inputs) > 2 else None
        assert weight is not None
        assert value is not None
        key = self._key(_layer_name(node))
        shared = self._learnt.get(value.name or "")
        self.weights[f"{key}_weight"] = nn.Parameter(_tensor(weight)) if shared is None else shared
        outputs = weight.shape[0]
        self.weights[f"{key}_bias"] = nn.Parameter(torch.zeros(outputs) if bias is None else _tensor(bias))
        self._learnt[value.name or ""] = self.weights[f"{key}_weight"]

    def _node(self, node: ir.Node) -> GraphNode:
        inputs = [None if value is None else value.name for value in node.inputs]
        attributes = {name: item.value for name, item in node.attributes.items()}
        shape = static_shape(node.outputs[0])
        if shape is not None:
            attributes["output_shape"] = shape
        name = activation_key(node) if is_own(node, "FatRelu") else _layer_name(node)
        if inputs[1:] and inputs[1] in self._learnt and f"{self._keys.get(name)}_bias" in self.weights:
            inputs = [inputs[0], f"{_WEIGHT}{name}", f"{_BIAS}{name}"]
        operator = None if is_own(node, "FatRelu") else OPERATORS.get(node.op_type)
        if operator is None and not is_own(node, "FatRelu"):
            raise ModelError(f"{describe(node)} has no counterpart in PyTorch here")
        outputs = tuple(value.name or "" for value in node.outputs)
        constants = {
            value.name or "": self._constant(value)
            for value in node.inputs
            if value is not None and value.const_value is not None
        }
        constants = {name: tensor for name, tensor in constants.items() if name in inputs}
        return GraphNode(name, node.op_type, operator, tuple(inputs), constants, outputs, attributes)

    def _constant(self, value: ir.Value) -> Tensor:
        """Return a constant as a tensor, made once for all shapes."""
        assert value.const_value is not None
        array = value.const_value.numpy()
        known, tensor = self._constants.get(id(array), (None, None))
        if known is not array or tensor is None:
            tensor = _tensor(array)
            self._constants[id(array)] = (array, tensor)
        return tensor

    def _value(self, name: str, node: GraphNode, values: Mapping[str, Tensor]) -> Tensor:
        if name in values:
            return values[name]
        if name in node.constants:
            return node.constants[name]
        if name.startswith(_WEIGHT):
            return self.layer(name.removeprefix(_WEIGHT))[0]
        return self.layer(name.removeprefix(_BIAS))[1]


def _rectifier(node: ir.Node) -> FATReLU:
    thresholds = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    present = node.attributes.get_float("threshold", 0.0) if thresholds is None else thresholds
    max_value = node.attributes.get_float("max_value", _NO_CLIP)
    axis = node.attributes.get_int("axis", 1)
    return FATReLU(present, None if max_value == _NO_CLIP else max_value, channel_dim=axis)


def _layer_name(node: ir.Node) -> str:
    return node.name or node.outputs[0].name or ""


def _last_reads(nodes: Sequence[GraphNode]) -> dict[int, list[str]]:
    """Return the names that no node reads after a place, by that place."""
    last: dict[str, int] = {}
    for place, node in enumerate(nodes):
        last.update({name: place for name in (*node.inputs, *node.outputs) if name is not None})
    found: dict[int, list[str]] = {}
    for name, place in last.items():
        found.setdefault(place, []).append(name)
    return found


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: weights of models are read-only


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.array(tensor.detach().contiguous().numpy(), np.float32)
