"""Functions of the model's own: inlined in time that grows with what they make, and counted before."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from onnx import helper

import zeroskip as zs
from onnx_graphs import run
from zeroskip.errors import LimitError, ModelError
from zeroskip.onnx import load_model
from zeroskip.onnx.functions import MAX_ADDED_NODES, MAX_CALL_DEPTH
from zeroskip.onnx.rewriting import flat_copy

OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
X = np.array([[-2.0, 3.0]], np.float32)


def call(name: str, source: str, target: str) -> onnx.NodeProto:
    return helper.make_node(name, [source], [target], domain="own")


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("own", name, ["a"], ["b"], list(nodes), OPSETS)


def model(functions: list[onnx.FunctionProto], *nodes: onnx.NodeProto) -> onnx.ModelProto:
    sides = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in "xy"]
    graph = helper.make_graph(list(nodes), "g", sides[:1], sides[1:])
    return helper.make_model(graph, opset_imports=OPSETS, functions=functions, ir_version=8)


def doubling(levels: int, leaf: str = "Neg") -> onnx.ModelProto:
    """Return a model of ``2 ** (levels - 1)`` nodes: each function calls the one below twice."""
    functions = [function("F0", helper.make_node(leaf, ["a"], ["b"]))]
    functions += [
        function(f"F{level}", call(f"F{level - 1}", "a", "t"), call(f"F{level - 1}", "t", "b"))
        for level in range(1, levels)
    ]
    return model(functions, call(f"F{levels - 1}", "x", "y"))


def chain(depth: int) -> onnx.ModelProto:
    functions = [function("F0", helper.make_node("Relu", ["a"], ["b"]))]
    functions += [function(f"F{level}", call(f"F{level - 1}", "a", "b")) for level in range(1, depth + 1)]
    return model(functions, call(f"F{depth}", "x", "y"))


@pytest.mark.parametrize("levels", [16, 40, 400])
@pytest.mark.parametrize("fallback", ["islands", "error"])
def test_functions_that_double_are_counted_first(levels: int, fallback: str) -> None:
    """Not inlined, and not handed to the other runtime, which would inline them."""
    content = doubling(levels).SerializeToString()
    start = time.process_time()
    with pytest.raises(LimitError, match=f"{MAX_ADDED_NODES} more are possible|deep"):
        zs.InferenceSession(content, zs.SessionOptions(fallback=fallback))
    assert time.process_time() - start < 5


def test_doubling_inside_subgraphs_is_counted_too() -> None:
    """The calls stand in the branches of an If."""
    functions = [function("F0", helper.make_node("Neg", ["a"], ["b"]))]
    for level in range(1, 20):
        value = helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, None)
        branch = helper.make_graph([call(f"F{level - 1}", "a", "r")], "then", [], [value])
        truth = helper.make_node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(np.array(True)))
        choice = helper.make_node("If", ["c"], ["b"], then_branch=branch, else_branch=branch)
        functions.append(function(f"F{level}", truth, choice))
    with pytest.raises(LimitError):
        zs.InferenceSession(model(functions, call("F19", "x", "y")).SerializeToString())


def test_functions_without_nodes_are_counted_by_their_calls() -> None:
    """Found by fuzzing: the lowest function hands its input through."""
    content = doubling(30)
    del content.functions[0].node[:]
    content.functions[0].output[0] = "a"
    with pytest.raises(LimitError, match="more are possible"):
        load_model(content)


def test_functions_that_nothing_calls_are_dropped() -> None:
    """Found by fuzzing: they used to be inlined into each other, though the graph calls none of them."""
    content = doubling(30)
    content.graph.node[0].op_type, content.graph.node[0].domain = "Neg", ""
    content.functions.append(function("again", call("again", "a", "b")))  # and need not end
    loaded = load_model(content)
    assert not loaded.functions
    np.testing.assert_array_equal(zs.InferenceSession(content).run(None, {"x": X})[0], -X)


def test_chains_of_calls_have_a_longest() -> None:
    (got,) = zs.InferenceSession(chain(MAX_CALL_DEPTH - 1)).run(None, {"x": X})
    np.testing.assert_array_equal(got, np.maximum(X, 0))
    for depth in (MAX_CALL_DEPTH + 1, 3000):
        with pytest.raises(LimitError, match=f"deep; {MAX_CALL_DEPTH} are possible"):
            load_model(chain(depth))


@pytest.mark.parametrize("callee", ["F", "G"])
def test_functions_that_call_themselves(callee: str) -> None:
    functions = [function("F", call(callee, "a", "b")), function("G", call("F", "a", "b"))]
    with pytest.raises(ModelError, match="calls itself"):
        load_model(model(functions, call("F", "x", "y")))


def test_inlining_takes_linear_time() -> None:
    """Finding free names used to take the square of it: eight times as many nodes, sixty times as long."""
    small, large = load_model(doubling(9)), load_model(doubling(12))
    assert len(flat_copy(small).graph) == 256
    seconds = []
    for one in (small, large):
        start = time.process_time()
        copy = flat_copy(one)
        seconds.append(time.process_time() - start)
    assert len(copy.graph) == 2048
    assert seconds[1] < 24 * seconds[0]


def test_names_are_the_ones_of_the_first_call_and_numbered_ones() -> None:
    """Activations, and so thresholds, go by these names."""
    twice = function("F", helper.make_node("Relu", ["a"], ["t"], name="n"), helper.make_node("Neg", ["t"], ["b"]))
    flat = flat_copy(load_model(model([twice], call("F", "x", "t"), call("F", "t", "u"), call("F", "u", "y"))))
    relus = [node for node in flat.graph if node.op_type == "Relu"]
    assert [node.outputs[0].name for node in relus] == ["t_2", "t_3", "t_4"]
    assert [node.name for node in relus] == ["n", "n_2", "n_3"]


def test_functions_within_the_limit_compute_what_onnx_runtime_computes() -> None:
    content = doubling(8)
    (got,) = zs.InferenceSession(content).run(None, {"x": X})
    np.testing.assert_array_equal(got, run(content, {"x": X})[0])
