"""What layers and activations are called in tables: one scheme, whatever the exporter wrote.

Labels are for people. Threshold sets, profiles and plans go by the names of the file, which stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import ZeroskipError
from .activation import activation_key, layer_name
from .canonical import prepare
from .node_names import stem
from .values import is_op, is_own

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Labels:
    """Labels by name of the file.

    Args:
        layers: Convolutions and linear layers.
        activations: Rectifiers, by their key in threshold sets.
    """

    layers: Mapping[str, str] = field(default_factory=dict)
    activations: Mapping[str, str] = field(default_factory=dict)

    def layer(self, name: str) -> str:
        """Return the label of a layer; its name where there is none."""
        return self.layers.get(name, name)

    def activation(self, key: str) -> str:
        """Return the label of an activation; its key where there is none."""
        return self.activations.get(key, key)


def labels_of(model: ir.Model) -> Labels:
    """Return what a model's layers and activations are called in tables.

    A layer goes by its node's name, or by that of its weights or result where an exporter numbered the nodes; an
    activation by the layer whose result it rectifies: ``conv5/relu``.

    Args:
        model: As loaded or prepared; not changed. One that cannot be prepared (islands run it) has no labels.
    """
    try:
        graph = prepare(model).graph
    except ZeroskipError:
        return Labels()
    layers = {layer_name(node): stem(node) or layer_name(node) for node in graph if _is_layer(node)}
    counts = Counter(layers.values())
    layers = {name: label if counts[label] == 1 else name for name, label in layers.items()}
    order = {node: number for number, node in enumerate(graph)}
    activations: dict[str, str] = {}
    for node in graph:
        if is_own(node, "FatRelu"):
            key = activation_key(node)
            source = _source(node, order)
            wanted = key if source is None else f"{layers[layer_name(source)]}/relu"
            activations[key] = _unique(wanted, set(activations.values()))
    return Labels(layers, activations)


def _is_layer(node: ir.Node) -> bool:
    return is_op(node, "Conv") or is_own(node, "Linear")


def _source(node: ir.Node, order: Mapping[ir.Node, int]) -> ir.Node | None:
    """Return the last layer before a rectifier in the order of the graph, None if another rectifier stands between."""
    waiting, seen = [value for value in node.inputs[:1] if value is not None], set()
    found: list[ir.Node] = []
    while waiting:
        before = waiting.pop().producer()
        if before is None or before in seen or is_own(before, "FatRelu"):
            continue
        seen.add(before)
        if _is_layer(before):
            found.append(before)
        else:
            waiting.extend(value for value in before.inputs if value is not None)
    return max(found, key=lambda item: order[item], default=None)


def _unique(label: str, taken: set[str]) -> str:
    number, unique = 1, label
    while unique in taken:
        number += 1
        unique = f"{label}_{number}"
    return unique
