"""Branches: a rectifier of their own for convolutions whose input others read as well.

A threshold on an activation changes it for everybody. In a residual network that is the convolution, which
skips the zeros, and the addition, which gains nothing by them and carries the damage on to all later blocks. A
second ReLU in front of the convolution changes no value, and a threshold in it leaves the shortcut alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import onnx_ir as ir

from .activation import activations
from .rewriting import copy_model
from .values import is_op

BRANCH = "/branch"
"""What the name of an activation is followed by in the name of its branch."""


def is_branch(name: str) -> bool:
    """Whether a threshold of this name is one of a branch."""
    return name.endswith(BRANCH)


def add_branches(model: ir.Model, names: Collection[str] | None = None) -> ir.Model:
    """Return a copy in which convolutions read a branch of an activation that others read too.

    Args:
        model: As loaded; not changed. Tensors are shared.
        names: Branches wanted, those that cannot be made are left out; None makes all.

    Raises:
        ModelError: If the model is malformed.
    """
    known = [activation.name for activation in activations(model)]
    wanted = {name for name in known if names is None or name + BRANCH in names}
    copy = copy_model(model)
    for value in [value for value in _values(copy.graph) if value.name in wanted]:
        convolutions = [usage for usage in value.uses() if usage.idx == 0 and is_op(usage.node, "Conv")]
        is_shared = len(convolutions) < len(list(value.uses())) or value.is_graph_output()
        if convolutions and is_shared:
            _branch(copy.graph, value, [usage.node for usage in convolutions])
    return copy


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    for node in graph:
        yield from node.outputs


def _branch(graph: ir.Graph, value: ir.Value, readers: Collection[ir.Node]) -> None:
    producer, name = value.producer(), f"{value.name}{BRANCH}"
    assert producer is not None
    output = ir.Value(name=name, shape=value.shape, type=value.type)
    graph.insert_after(producer, ir.Node("", "Relu", [value], outputs=[output], name=name))
    for reader in readers:
        reader.replace_input_with(0, output)
