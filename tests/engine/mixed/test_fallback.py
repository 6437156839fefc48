"""Only what cannot run is blamed; the rest of a model stays native."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from zeroskip.engine.mixed import fallback
from zeroskip.engine.mixed.model import MixedModel
from zeroskip.engine.run.region import Region
from zeroskip.onnx import load_model
from zeroskip.onnx.rewriting import flat_copy
from zeroskip.onnx.support import UnsupportedNode

from ..island_models import (
    BACKBONE,
    HEAD,
    assert_same,
    by_onnxruntime,
    image,
    layout_of,
    model,
    session_like_onnxruntime,
)

STATE = (
    "n = Shape <start = 0, end = 1> (x) m = Concat <axis = 0> (n, rest) z = ConstantOfShape (m) "
    "k = MatMul (z, matrix) r3 = Add (r2, k)"
)
"""A product that is a constant once the batch is known, as the first step of a recurrent cell from a zero state."""


def recurrent() -> bytes:
    return model(
        BACKBONE + STATE + HEAD, rest=np.array([1, 1, 8]), matrix=np.ones((8, 8), np.float32)
    )  # k is [N, 1, 1, 8], zero


def test_a_constant_that_is_not_folded_leaves_the_rest_native() -> None:
    flat = flat_copy(load_model(recurrent()))
    options = zs.SessionOptions()
    search = fallback._Search(flat, options, {"x": (2, 3, 9, 8)})
    (part,) = search._partitioner.split(())
    assert part.is_native
    assert "k" not in part.nodes  # arithmetic: it belongs to no part
    error = zs.UnsupportedOperatorError("", [UnsupportedNode("k", "MatMul", "", 18, "constant inputs only", ("k",))])
    found = search._blamed(part, error)
    assert found == {"k"}
    parts = search._partitioner.split(found)
    assert [(one.is_native, one.nodes) for one in parts if not one.is_native] == [(False, ("k",))]
    native = {node for one in parts if one.is_native for node in one.nodes}
    assert native == {"a", "r1", "b", "r2", "r3", "c", "r4", "y"}
    feed = {"x": image()}
    assert_same(MixedModel(flat, search.runners(parts)).run(feed), by_onnxruntime(recurrent(), feed))


def test_a_product_with_a_zero_state_costs_no_island() -> None:
    session = session_like_onnxruntime(recurrent(), {"x": image()})
    assert session.explain_islands() == ()


@pytest.mark.parametrize("culprits", [("r3",), ("r1", "c"), ("y",), ("a",)])
def test_a_node_that_cannot_be_analysed_is_found(monkeypatch: pytest.MonkeyPatch, culprits: tuple[str, ...]) -> None:
    class Refusing(Region):
        def __init__(self, model: ir.Model, options: zs.SessionOptions) -> None:
            if found := [node.name for node in model.graph if node.name in culprits]:
                raise zs.ModelError(f"{found[0]} makes no sense")
            super().__init__(model, options)

    from zeroskip.engine import session as sessions

    monkeypatch.setattr(fallback, "Region", Refusing)
    monkeypatch.setattr(sessions, "Region", Refusing)
    data = model(BACKBONE + "r3 = Identity (r2)" + HEAD)
    session = session_like_onnxruntime(data, {"x": image()})
    reasons = {name: reason for island in session.explain_islands() for name, reason in island.reasons.items()}
    assert reasons == {name: f"{name} makes no sense" for name in culprits}
    assert any(native for native, _ in layout_of(session))
    assert all(item.name in "r1 r2 r4" for item in session.activations())


def test_a_model_of_which_nothing_can_be_analysed_is_one_island(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Region):
        def __init__(self, model: ir.Model, options: zs.SessionOptions) -> None:
            raise zs.ModelError("no sense")

    from zeroskip.engine import session as sessions

    monkeypatch.setattr(fallback, "Region", Refusing)
    monkeypatch.setattr(sessions, "Region", Refusing)
    session = session_like_onnxruntime(model(BACKBONE + "r3 = Identity (r2)" + HEAD), {"x": image()})
    assert [native for native, _ in layout_of(session)] == [False]


def of_opset(version: int) -> bytes:
    weights = (np.random.default_rng(0).standard_normal((8, 3, 3, 3)) * 0.2).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "old",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3, 9, 8]),
            helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [8, 3, 3, 3]),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 8, 7, 6])],
        [numpy_helper.from_array(weights, "w")],
    )
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=3)
    return bytes(old.SerializeToString())


def test_opsets_below_7_run_in_one_island() -> None:
    session = session_like_onnxruntime(of_opset(6), {"x": image()})
    assert [native for native, _ in layout_of(session)] == [False]
    with pytest.raises(zs.ModelError, match="opset 6"):
        zs.InferenceSession(of_opset(6), zs.SessionOptions(fallback="error"))


def test_an_opset_that_onnxruntime_does_not_know_either_is_named() -> None:
    with pytest.raises(zs.ModelError, match="opset 5"):
        zs.InferenceSession(of_opset(5))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BACKBONE + "e = Atan (r2) r3 = Relu (e)" + HEAD, id="parts"),
        pytest.param("a = Conv (x, w1) e = Atan (a) y = Conv (e, w3)", id="whole"),
        pytest.param(BACKBONE + "r3 = Relu (r2)" + HEAD + "e = Atan (y)", id="island last"),
    ],
)
@pytest.mark.parametrize("outputs", [("y", "y"), ("e", "y", "e"), ("y", "x", "x")])
def test_a_value_may_be_several_outputs(body: str, outputs: tuple[str, ...]) -> None:
    if not all(name in "xy" or f"{name} =" in body for name in outputs):
        pytest.skip("no such value")
    data = model(body, outputs=", ".join(f"float {name}" for name in outputs))
    feed = {"x": image()}
    expected = [by_onnxruntime(model(body, outputs=f"float {name}"), feed)[0] for name in outputs]
    session = zs.InferenceSession(data)
    results = session.run(None, feed)
    assert_same(results, expected)
    assert len({id(array) for array in results}) == len(outputs)
    assert_same(session.run([outputs[-1]], feed), expected[-1:])


def test_islands_name_their_operators_with_counts() -> None:
    session = zs.InferenceSession(model(BACKBONE + "e = Atan (r2) f = Asinh (e) r3 = Atan (f)" + HEAD))
    (island,) = session.explain_islands()
    assert island.operators == {"Atan": 2, "Asinh": 1}
    assert "3 nodes (Atan x2, Asinh)" in str(session.explain())
