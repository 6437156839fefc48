"""Blocks end behind the layer that first reads an activation, and together are the whole graph."""

from __future__ import annotations

import onnx
import onnx.parser
import pytest

torch = pytest.importorskip("torch")

from zeroskip.learning import GraphModule  # noqa: E402
from zeroskip.learning.blocks import Block, cut_blocks  # noqa: E402

RESIDUAL = """
  g (float[N, 16, 8, 8] x) => (float[N, 16, 8, 8] y) {
    a = Conv <kernel_shape = [1, 1]> (x, w)
    r1 = Relu (a)
    b = Conv <kernel_shape = [1, 1]> (r1, w)
    r2 = Relu (b)
    p = MaxPool <kernel_shape = [1, 1]> (r2)
    c = Conv <kernel_shape = [1, 1]> (p, w)
    s = Add (c, r1)
    y = Sigmoid (s)
  }
"""


def blocks(text: str, activations: set[str]) -> tuple[Block, ...]:
    graph = onnx.parser.parse_graph(text)
    weight = onnx.helper.make_tensor("w", 1, [16, 16, 1, 1], [0.1] * 256)
    graph.initializer.append(weight)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    module = GraphModule(model)
    nodes = module.nodes([(2, 16, 8, 8)])
    found = cut_blocks(nodes, module.inputs, module.outputs, activations, module.layer_names)
    assert tuple(node for block in found for node in block.nodes) == nodes
    return found


def test_an_addition_right_behind_a_layer_belongs_to_its_block() -> None:
    first, second, rest = blocks(RESIDUAL, {"r1", "r2"})
    assert [node.outputs[0] for node in first.nodes][-2:] == ["r1", "b"]
    assert first.activations == ("r1",)
    assert second.activations == ("r2",)
    assert second.nodes[-1].op_type == "Add"
    assert rest.activations == ()


def test_a_block_leaves_what_later_ones_read_and_reads_no_constants() -> None:
    first, second, rest = blocks(RESIDUAL, {"r1", "r2"})
    assert first.reads == ("x",)
    assert set(first.leaves) == {"r1", "b"}  # r1 goes to the shortcut as well: it must not drift there either
    assert set(second.reads) == {"b", "r1"}
    assert rest.leaves == ("y",)


def test_without_activations_there_is_one_block() -> None:
    (only,) = blocks(RESIDUAL, set())
    assert only.activations == ()
    assert only.leaves == ("y",)
