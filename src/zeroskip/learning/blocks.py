"""Cutting a graph into blocks that can be learnt one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .graph_module import GraphNode


@dataclass(frozen=True)
class Block:
    """A stretch of the graph that ends where a layer has read what may be made sparser.

    Attributes:
        nodes: In order.
        reads: Values of earlier blocks, or inputs, that its nodes read.
        leaves: Values computed here that later blocks read, or that are outputs of the graph.
        layers: Layers with weights in it.
        activations: Activations in it that may get a threshold.
    """

    nodes: tuple[GraphNode, ...]
    reads: tuple[str, ...]
    leaves: tuple[str, ...]
    layers: tuple[str, ...]
    activations: tuple[str, ...]


def cut_blocks(
    nodes: Sequence[GraphNode],
    inputs: Sequence[str],
    outputs: Sequence[str],
    activations: Collection[str],
    layers: Collection[str],
) -> tuple[Block, ...]:
    """Cut a graph behind every layer that reads an activation with a threshold, or behind the addition that follows it.

    Args:
        nodes: Of the graph, in order.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        activations: Those that may get a threshold.
        layers: Those with weights that can be learnt.

    Returns:
        The blocks; together all nodes. What follows the last such layer is the last block, without activations.
    """
    ends = _ends(nodes, set(activations), set(layers))
    starts = [0, *ends]
    stops = [*ends, len(nodes)]
    blocks, available = [], set(inputs)
    for start, stop in zip(starts, stops, strict=True):
        wanted = {*outputs, *(name for node in nodes[stop:] for name in node.inputs)}
        block = _block(nodes[start:stop], available, wanted, set(activations), set(layers))
        blocks.append(block)
        available.update(name for node in block.nodes for name in node.outputs)
    return tuple(blocks)


def _ends(nodes: Sequence[GraphNode], activations: set[str], layers: set[str]) -> list[int]:
    """Return the places behind layers by which an activation with a threshold has been read for the first time."""
    pending: set[str] = set()  # values that hold the zeros of activations no layer has read yet
    ends = []
    for place, node in enumerate(nodes):
        if node.operator is None and node.name in activations:
            pending.add(node.outputs[0])
        elif node.name in layers and pending.intersection(node.inputs):
            follows = nodes[place + 1] if place + 1 < len(nodes) else None
            is_added = follows is not None and follows.op_type == "Add" and node.outputs[0] in follows.inputs
            ends.append(place + 2 if is_added else place + 1)
            pending.clear()
        elif pending.intersection(node.inputs):
            pending.update(node.outputs)
    return [end for end in ends if end < len(nodes)]


def _block(
    nodes: Sequence[GraphNode],
    available: set[str],
    wanted: set[str | None],
    activations: set[str],
    layers: set[str],
) -> Block:
    computed = [name for node in nodes for name in node.outputs]
    read = dict.fromkeys(name for node in nodes for name in node.inputs if name is not None)
    return Block(
        nodes=tuple(nodes),
        reads=tuple(name for name in read if name in available),
        leaves=tuple(name for name in computed if name in wanted),
        layers=tuple(node.name for node in nodes if node.operator is not None and node.name in layers),
        activations=tuple(node.name for node in nodes if node.operator is None and node.name in activations),
    )
