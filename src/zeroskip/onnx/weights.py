"""Writing corrected weights together with thresholds: from the prepared form of a model back to standard ONNX.

Weights are corrected as the engine sees them, after batch normalisation was folded, so the file that carries
them is the prepared model written in standard operators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import RecipeError
from ..short_repr import ShortRepr
from .activation import activation_key
from .canonical import prepare
from .canonical.shift import is_shift
from .metadata import state_thresholds
from .rewriting import add_constant, become, copy_model
from .standard_form import to_standard
from .thresholded_model import ThresholdedModel, Thresholds, with_branches
from .values import constant, is_op, is_own, operand


@dataclass(frozen=True, repr=False)
class LayerWeights(ShortRepr):
    """Weights of one convolution or linear layer.

    Args:
        weight: float32, as many values as the layer has.
        bias: float32 ``[outputs]``.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def layer_weights(model: ir.Model) -> dict[str, NDArray[np.float32]]:
    """Return the weights that :func:`replace_weights` can replace, by layer.

    Args:
        model: As loaded, or prepared.

    Returns:
        Name of the layer in the plan (its node's, else its output's) to its weight. Layers with a name that
        occurs twice, or with computed weights, are left out.
    """
    nodes = _layers(prepare(model))
    weights = {name: constant(operand(node, 1)) for name, node in nodes.items()}
    return {name: weight for name, weight in weights.items() if weight is not None}


def replace_weights(model: ir.Model, layers: Mapping[str, LayerWeights], thresholds: Thresholds) -> ThresholdedModel:
    """Return a model with other weights and thresholds, in standard ONNX.

    Args:
        model: As loaded, or, without thresholds of branches, prepared; not changed.
        layers: New weights by layer, see :func:`layer_weights`.
        thresholds: Thresholds by activation name.

    Raises:
        RecipeError: If a layer or an activation is not in the model.
        ModelError: If the model cannot be written in standard operators.
    """
    changed = copy_model(prepare(with_branches(model, thresholds.thresholds)))
    nodes = _layers(changed)
    rectifiers = {activation_key(node): node for node in changed.graph if is_own(node, "FatRelu")}
    if missing := sorted({*layers} - {*nodes} | {*thresholds.thresholds} - {*rectifiers}):
        raise RecipeError(f"the model has no layers or activations called {missing}")
    for name, weights in layers.items():
        _set_weights(nodes[name], weights)
    for name, value in thresholds.thresholds.items():
        threshold = np.asarray(value, np.float32)
        if threshold.any():
            _set_threshold(rectifiers[name], threshold)
    standard = to_standard(changed)
    state_thresholds(standard, thresholds.to_dict())
    return ThresholdedModel(standard)


def _layers(prepared: ir.Model) -> dict[str, ir.Node]:
    layers = [node for node in prepared.graph if is_op(node, "Conv") or is_own(node, "Linear")]
    # What a shift contributes (see canonical/shift.py) is a constant of the plan and would not follow the weights.
    layers = [node for node in layers if not is_shift(node.inputs[0].producer() if node.inputs[0] else None)]
    counts = Counter(_name(node) for node in layers)
    return {_name(node): node for node in layers if counts[_name(node)] == 1}


def _name(node: ir.Node) -> str:
    return node.name or node.outputs[0].name or ""


def _set_weights(node: ir.Node, weights: LayerWeights) -> None:
    old = constant(operand(node, 1))
    if node.graph is None or old is None or old.size != weights.weight.size:
        raise RecipeError(f"layer '{_name(node)}' does not take a weight of shape {list(weights.weight.shape)}")
    assert isinstance(node.graph, ir.Graph)
    weight = add_constant(node.graph, weights.weight.reshape(old.shape), f"{_name(node)}.corrected_weight")
    bias = add_constant(node.graph, weights.bias, f"{_name(node)}.corrected_bias")
    become(node, node.op_type, [node.inputs[0], weight, bias], own=is_own(node, "Linear"))


def _set_threshold(node: ir.Node, threshold: NDArray[np.float32]) -> None:
    assert isinstance(node.graph, ir.Graph)
    kept: dict[str, float | int] = {}
    max_value = node.attributes.get_float("max_value", np.inf)
    if np.isfinite(max_value):
        kept["max_value"] = max_value
    if threshold.ndim == 0:
        become(node, "FatRelu", [node.inputs[0]], kept | {"threshold": float(threshold)}, own=True)
        return
    axis = node.attributes.get_int("axis", 1)
    values = add_constant(node.graph, threshold, f"{node.outputs[0].name}.thresholds")
    become(node, "FatRelu", [node.inputs[0], values], kept | ({"axis": axis} if axis != 1 else {}), own=True)
