"""Which values of a network become integers, and which of them share one scale.

Layers read integers, and so does all that lies between layers: additions, concatenations, pools, and what only moves
values. What is moved keeps its steps, and the operands of a concatenation have those of its result, so that both cost
nothing. Outputs of the network stay floats; a last layer whose maps are averaged to become one still makes integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from ...onnx.activation import layer_name
from ...onnx.values import constant, full_pads, is_op, is_own, operand, own_producer, rank, scalar

_MOVES = ("MaxPool", "Reshape", "Flatten", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze", "Identity")
_RELABELS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
_COMPUTES = ("Add", "AveragePool", "GlobalAveragePool")


@dataclass(frozen=True, eq=False)
class Placement:
    """Values to quantise and who reads them as integers.

    Args:
        groups: Names of values that share one scale, in the order of the graph.
        readers: By value: the nodes, by name, that read it as integers.
        layers: Convolutions and linear layers whose weights become integers.
    """

    groups: tuple[tuple[str, ...], ...]
    readers: dict[str, tuple[str, ...]]
    layers: tuple[str, ...]


def layers_of(prepared: ir.Model) -> tuple[str, ...]:
    """Return the layers that can be quantised, by name, in the order of the graph."""
    return tuple(layer_name(node) for node in prepared.graph if is_layer(node))


def is_layer(node: ir.Node) -> bool:
    """Tell whether a node is a convolution or linear layer with constant weights, and no part of a recurrent layer."""
    if (
        any(is_own(usage.node, "Recurrence") for usage in node.outputs[0].uses())
        or not (is_op(node, "Conv") or is_own(node, "Linear"))
        or constant(operand(node, 1)) is None
    ):
        return False
    bias = operand(node, 2)
    return bias is None or constant(bias) is not None


def place(prepared: ir.Model, float_layers: Collection[str]) -> Placement:
    """Decide which values of a network become integers.

    Args:
        prepared: From ``prepare``.
        float_layers: Layers that stay float32.
    """
    layers = [node for node in prepared.graph if is_layer(node) and layer_name(node) not in float_layers]
    search = _Search()
    for node in layers:
        search.read(node, [node.inputs[0]])
    for node in prepared.graph:
        if is_op(node, "GlobalAveragePool") and _computing_layer(node.inputs[0]) in layers:
            search.read(node, [node.inputs[0]])
    order = [value.name or "" for value in (*prepared.graph.inputs, *_results(prepared.graph))]
    groups: dict[str, list[str]] = {}
    for name in order:
        if name in search.readers:
            groups.setdefault(search.root(name), []).append(name)
    readers = {name: tuple(dict.fromkeys(nodes)) for name, nodes in search.readers.items()}
    return Placement(tuple(map(tuple, groups.values())), readers, tuple(layer_name(node) for node in layers))


def _computing_layer(value: ir.Value | None) -> ir.Node | None:
    """Return the node behind a value, in front of its rectifier where it has one."""
    source = None if value is None else value.producer()
    if is_own(source, "FatRelu") and source is not None and source.inputs[0] is not None:
        source = source.inputs[0].producer()
    return source


def _results(graph: ir.Graph) -> Iterator[ir.Value]:
    for node in graph:
        yield from node.outputs


class _Search:
    """Goes from the layers backwards to where integers are made."""

    def __init__(self) -> None:
        self.readers: dict[str, list[str]] = {}
        self._parents: dict[str, str] = {}

    def root(self, name: str) -> str:
        """Return the value that stands for the group of a value."""
        while (parent := self._parents.get(name, name)) != name:
            name = parent
        return name

    def read(self, node: ir.Node, values: list[ir.Value | None]) -> None:
        """Let a node read values as integers, and all that computes them as well, as far as it can."""
        for value in values:
            if value is None or constant(value) is not None:
                continue
            name = value.name or ""
            is_new = name not in self.readers
            self.readers.setdefault(name, []).append(node.name or "")
            if is_new:
                self._look_behind(value)

    def _look_behind(self, value: ir.Value) -> None:
        source = value.producer()
        if is_own(source, "FatRelu") and source is not None and source.inputs[0] is not None:
            added = source.inputs[0].producer()
            source = added if is_op(added, "Add") else None
        if source is None:
            return
        if is_op(source, *_COMPUTES):
            self.read(source, list(source.inputs))
            return
        data = list(source.inputs) if is_op(source, "Concat") else list(source.inputs[:1])
        if is_op(source, "Concat", *_MOVES) or _pads_zeros(source):
            self.read(source, data)
            for other in data:
                if other is not None and constant(other) is None:
                    self._join(other.name or "", value.name or "")

    def _join(self, first: str, second: str) -> None:
        self._parents[self.root(first)] = self.root(second)


def is_passed_on(value: ir.Value) -> bool:
    """Tell whether a value is only on its way from one reshaping to the next, which engines make one step of."""
    readers = [use.node for use in value.uses()]
    return is_op(value.producer(), *_RELABELS) and bool(readers) and all(is_op(node, *_RELABELS) for node in readers)


def _pads_zeros(node: ir.Node) -> bool:
    if not is_op(node, "Pad") or (x_rank := rank(node.inputs[0])) is None:
        return False
    is_zero = operand(node, 2) is None or scalar(operand(node, 2)) == 0.0
    return is_zero and full_pads(node, x_rank) is not None


def is_rectified(value: ir.Value) -> bool:
    """Tell whether a value is that of a rectifier, or of what keeps its values above 0."""
    source = value.producer()
    while is_op(source, "AveragePool", "GlobalAveragePool", *_MOVES) and source is not None:
        value = source.inputs[0] or value
        source = value.producer()
    if is_op(source, "Concat") and source is not None:
        return all(item is not None and is_rectified(item) for item in source.inputs)
    return own_producer(value, "FatRelu") is not None
