"""Softmax, ReduceMean, ArgMax and LRN."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import zeroskip as zs

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("shape", [(3, 10), (2, 5, 4, 3)], ids=str)
def test_softmax_computes_the_reference(shape: tuple[int, ...], axis: int) -> None:
    graph = CanonicalGraph(*shape)
    assert_plan_computes(graph, graph.node("Softmax", graph.relu("x"), axis=axis))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[1], [2, 3], [-1]], ids=str)
def test_reduce_mean_computes_the_reference(axes: list[int], keepdims: int) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    y = graph.node("ReduceMean", graph.relu("x"), graph.constant(axes, np.int64), keepdims=keepdims)
    assert_plan_computes(graph, y)


@pytest.mark.parametrize("size", [3, 5])
def test_lrn_computes_the_reference(size: int) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    assert_plan_computes(graph, graph.node("LRN", "x", size=size, alpha=0.01, beta=0.6, bias=2.0))


def index_model(op: str, shape: tuple[int | str, ...], in_front: str = "", **attributes: int) -> bytes:
    """Return a model that finds extremes of ``x``, of a map behind a convolution where ``in_front`` is Conv."""
    nodes = [helper.make_node(op, ["v" if in_front else "x"], ["y"], **attributes)]
    weights = []
    if in_front == "Conv":
        nodes.insert(0, helper.make_node("Conv", ["x", "w"], ["v"]))
        weights = [
            onnx.numpy_helper.from_array(np.random.default_rng(5).standard_normal((21, 3, 1, 1)).astype("f"), "w")
        ]
    elif in_front:
        nodes.insert(0, helper.make_node(in_front, ["x"], ["v"]))
    x, y = helper.make_tensor_value_info("x", 1, shape), helper.make_tensor_value_info("y", TensorProto.INT64, None)
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], weights), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    return bytes(model.SerializeToString())


def assert_same_indices(model: bytes, *inputs: np.ndarray) -> None:
    session = zs.InferenceSession(model, zs.SessionOptions(fallback="error"))
    expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for x in inputs:
        (got,), (wanted,) = session.run(None, {"x": x}), expected.run(None, {"x": x})
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, wanted, strict=True)


def whole_numbers(*shape: int) -> np.ndarray:
    """Return numbers of which many are equal."""
    return np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(np.float32)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((7,), 0), ((3, 10), 1), ((3, 10), -2), ((1, 5, 4, 3), 2), ((2, 5, 4, 3), -1), ((2, 40, 3), 0), ((2, 3, 700), 1)],
    ids=str,
)
def test_indices_are_onnxruntime_s(op: str, last: int, keepdims: int, shape: tuple[int, ...], axis: int) -> None:
    model = index_model(op, shape, "Relu", axis=axis, keepdims=keepdims, select_last_index=last)
    assert_same_indices(model, whole_numbers(*shape), np.full(shape, -np.inf, np.float32))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [1, 2, -1, 0])
def test_indices_of_a_map_are_onnxruntime_s(axis: int, keepdims: int) -> None:
    model = index_model("ArgMax", ("n", 3, "h", "w"), "Conv", axis=axis, keepdims=keepdims)
    rng = np.random.default_rng(1)
    assert_same_indices(model, *(rng.standard_normal(shape).astype("f") for shape in ((1, 3, 9, 7), (5, 3, 4, 6))))


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("inner", [1, 3])
def test_indices_among_nan_are_onnxruntime_s(op: str, last: int, inner: int) -> None:
    nan = np.nan
    rows = np.array([[1, nan, 3, 2], [nan, 1, 3, 3], [3, 1, 3, nan], [nan] * 4, [0, -0.0, 0, -0.0]], np.float32)
    x = np.repeat(rows[:, :, None], inner, 2)
    assert_same_indices(index_model(op, x.shape, axis=1, select_last_index=last), x)


def test_an_index_is_returned_twice_and_read_by_an_island() -> None:
    model = onnx.load_from_string(index_model("ArgMax", ("n", 3, 8, 8), "Conv", axis=1))
    model.graph.node.append(helper.make_node("Cast", ["y"], ["z"], to=TensorProto.INT32))
    for name, kind in (("y", TensorProto.INT64), ("z", TensorProto.INT32)):
        model.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    data = model.SerializeToString()
    x = {"x": np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype("f")}
    got = zs.InferenceSession(data, zs.SessionOptions(fallback="parts")).run(None, x)
    wanted = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, x)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
