"""What bodies of control flow compute of constants is known, or called infinite."""

from __future__ import annotations

import itertools
import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper

from zeroskip.onnx.bodies import constants_inside


def conditional(nodes: list[onnx.NodeProto], last: str) -> ir.Node:
    """Return an If one of whose bodies has these nodes, beside a weight ``w`` [512, 128]."""
    weight = numpy_helper.from_array(np.zeros((512, 128), np.float32), "w")
    bounds = [numpy_helper.from_array(np.array([value]), name) for name, value in (("s", 0), ("e", 128), ("a", 0))]

    def body(name: str, inner: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
        return helper.make_graph(inner, name, [], [helper.make_tensor_value_info(output, 1, None)])

    then = body("then", nodes, last)
    otherwise = body("otherwise", [helper.make_node("Identity", ["x"], ["i"])], "i")
    node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=otherwise)
    inputs = [helper.make_tensor_value_info("c", 9, []), helper.make_tensor_value_info("x", 1, [2])]
    outputs = [helper.make_tensor_value_info("y", 1, None)]
    graph = helper.make_graph([node], "g", inputs, outputs, [weight, *bounds])
    return next(iter(ir.serde.deserialize_model(helper.make_model(graph)).graph))


def made(op: str, *reads: str, name: str = "t", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, list(reads), [name], **attributes)


@pytest.mark.parametrize(
    ("nodes", "most"),
    [
        ([made("Add", "x", "w")], 0),
        ([made("Slice", "w", "s", "e", "a")], 512 * 128 + 16),
        ([made("Slice", "w", "s", "e", "a", name="p"), made("Unsqueeze", "p", "a")], 2 * 512 * 128 + 48),
        ([made("Concat", "w", "w", axis=0)], 2 * 512 * 128),
        ([made("Constant", value_ints=[1, 2, 3], name="k"), made("Reshape", "x", "k")], 0),
        ([made("Constant", value_ints=[1, 2, 3], name="k"), made("Cast", "k", to=1)], 3 + 16),
        ([made("MatMul", "w", "w")], math.inf),
        ([made("Constant", value_ints=[1 << 20, 1 << 20], name="k"), made("ConstantOfShape", "k")], math.inf),
        ([made("ConstantOfShape", "e")], 128),
        ([made("ConstantOfShape", "e", name="p"), made("Concat", "p", "e", axis=0)], 128 + 129),
        ([made("Constant", value_ints=[1, 2], name="k"), made("Equal", "k", "e")], 2),
        ([made("Shape", "w", name="p"), made("ConstantOfShape", "p")], math.inf),
        ([made("Transpose", "w", name="p"), made("Tile", "p", "s")], math.inf),
    ],
)
def test_the_elements_of_constants_are_counted(nodes: list[onnx.NodeProto], most: float) -> None:
    assert constants_inside(conditional(nodes, "t")) == most


def test_doubling_again_and_again_is_seen() -> None:
    names = ["w", *(f"d{index}" for index in range(40))]
    nodes = [made("Concat", one, one, name=two, axis=0) for one, two in itertools.pairwise(names)]
    assert constants_inside(conditional(nodes, names[-1])) > 1 << 50
