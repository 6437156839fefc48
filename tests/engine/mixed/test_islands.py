"""Models with islands compute what ONNX Runtime computes, in few parts, and say what is where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import zeroskip as zs
from zeroskip.engine.mixed import fallback

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

SOFTPLUS = model(BACKBONE + "e = Atan (r2) r3 = Asinh (e)" + HEAD.replace("c =", "r5 = Relu (r3) c =", 1))


def test_neighbouring_unsupported_nodes_are_one_island() -> None:
    data = model(BACKBONE + "e = Atan (r2) f = Asinh (e) r3 = Relu (f)" + HEAD)
    session = session_like_onnxruntime(data, {"x": image()})
    assert layout_of(session) == [
        (True, ("a", "r1", "b", "r2")),
        (False, ("e", "f")),
        (True, ("r3", "c", "r4", "y")),
    ]


def test_native_parts_without_anything_to_skip_join_the_island() -> None:
    body = "a = Conv (x, w1) e = Atan (a) t = Tanh (e) f = Atan (t) y = Conv (f, w3)"
    session = session_like_onnxruntime(model(body), {"x": image()})
    assert layout_of(session) == [(False, ("a", "e", "t", "f", "y"))]
    (island,) = session.explain().islands
    assert set(island.reasons) == {"e", "f"}


def test_islands_that_nothing_waits_for_are_put_off_and_merged() -> None:
    body = BACKBONE + "side = Atan (r1) r3 = Relu (r2)" + HEAD + "z = Atan (y)"
    session = session_like_onnxruntime(model(body, outputs="float z, float side"), {"x": image()})
    assert [native for native, _ in layout_of(session)] == [True, False]


def test_sizes_taken_from_the_input_do_not_cut_the_end_off() -> None:
    """The target size of the last Resize comes from the input, past an island."""
    body = (
        BACKBONE
        + "e = Atan (r2) p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (e) r3 = Relu (p)"
        + HEAD.replace("y =", "q =")
        + "s = Shape <start = 2> (x) t = Shape <end = 2> (q) u = Concat <axis = 0> (t, s)"
        + 'y = Resize <mode = "nearest"> (q, , , u)'
    )
    session = session_like_onnxruntime(model(body), {"x": image()})
    assert [native for native, _ in layout_of(session)] == [True, False, True]
    feed = {"x": image(1, 12, 10)}
    assert_same(session.run(None, feed), by_onnxruntime(model(body), feed))


@pytest.mark.parametrize(
    "middle",
    [
        pytest.param(
            "s = ReduceSum <keepdims = 0> (r2) z = Constant <value = float {0.0}> () k = Greater (s, z)"
            "q = If (k) <then_branch = g1 () => (float[P, Q, R, S] t) { t = Atan (r1) },"
            "            else_branch = g2 () => (float[P, Q, R, S] u) { u = Identity (r2) }> r3 = Relu (q)",
            id="if",
        ),
        pytest.param(
            "n = Constant <value_int = 3> () go = Constant <value = bool {1}> ()"
            "q = Loop (n, go, r2) <body = g1 (int64 i, bool c0, float[P, Q, R, S] v)"
            " => (bool c1, float[P, Q, R, S] v1) { c1 = Identity (c0) f = Add (v, r1) v1 = Tanh (f) }> r3 = Relu (q)",
            id="loop",
        ),
        pytest.param(
            "one = Constant <value_int = 1> () s = SplitToSequence <axis = 1> (r2, one)"
            "q = ConcatFromSequence <axis = 1> (s) r3 = Relu (q)",
            id="sequence",
        ),
        pytest.param(
            "q, k = TopK <axis = 1> (r2, sixteen) s = CumSum (k, columns) i = Cast <to = 1> (s)"
            "f = Add (q, i) r3 = Relu (f)",
            id="int64",
        ),
        pytest.param("h = Cast <to = 10> (r2) k = Atan (h) i = Cast <to = 1> (k) r3 = Relu (i)", id="float16"),
        pytest.param("k = IsInf (r2) i = Where (k, r1, r2) r3 = Relu (i)", id="bool"),
    ],
)
def test_what_the_engine_does_not_know_runs_in_an_island_between_native_parts(middle: str) -> None:
    data = model(BACKBONE + middle + HEAD, sixteen=np.array([16]), columns=np.array(1))
    session = session_like_onnxruntime(data, {"x": image()})
    assert [native for native, _ in layout_of(session)] == [True, False, True]


def test_parts_behind_sizes_that_depend_on_the_data_are_planned_when_these_are_known() -> None:
    body = (
        BACKBONE
        + "m = ReduceMax <keepdims = 0> (r2, axes) n = NonZero (m) k = Gather <axis = 0> (n, zero)"
        + "q = Gather <axis = 2> (r2, k) r3 = Relu (q)"
        + HEAD
    )
    data = model(body, axes=np.array([0, 1, 3]), zero=np.array(0))
    session = zs.InferenceSession(data)
    assert "known once it has run" in str(session.explain())
    for seed in range(3):
        feed = {"x": image(seed=seed)}
        assert_same(session.run(None, feed), by_onnxruntime(data, feed))
    assert "spconv" in str(session.explain())


def test_inputs_of_other_types_and_several_outputs() -> None:
    body = "f = Cast <to = 1> (x) " + BACKBONE.replace("(x,", "(f,") + "k = ArgMax <axis = 1> (r2) same = Identity (n)"
    data = model(body, inputs="uint8[N, 3, H, W] x, int64[M] n", outputs="float r1, int64 k, int64 same, float r2")
    feed = {"x": np.random.default_rng(0).integers(0, 255, (2, 3, 7, 7), np.uint8), "n": np.arange(5)}
    session = session_like_onnxruntime(data, feed)
    assert [item.type for item in session.get_inputs()] == ["tensor(uint8)", "tensor(int64)"]
    names = ["k", "r1"]
    assert_same(session.run(names, feed), [by_onnxruntime(data, feed)[index] for index in (1, 0)])


def test_weights_in_external_files(tmp_path: Path) -> None:
    whole = onnx.load_from_string(SOFTPLUS)
    path = tmp_path / "model.onnx"
    onnx.save(whole, path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    feed = {"x": image()}
    assert_same(zs.InferenceSession(path).run(None, feed), by_onnxruntime(SOFTPLUS, feed))


def test_large_weights_of_islands_are_handed_over_in_memory() -> None:
    """Over 2 GB there is no other way; here the message itself has to stay small."""
    from zeroskip.engine.mixed.ort_session import _externalized, _serialized
    from zeroskip.onnx import load_model

    data = model("e = Atan (x) y = Conv (e, big)", big=np.zeros((128, 3, 9, 8), np.float32))
    loaded = load_model(data)
    arrays = _externalized(loaded)
    assert set(arrays) == {"big"}
    assert len(_serialized(loaded)) < 1000
    session_like_onnxruntime(data, {"x": image()})


def test_an_empty_batch_passes_through_islands() -> None:
    session_like_onnxruntime(SOFTPLUS, {"x": image(0)})


def test_explanation_and_profile_show_the_islands() -> None:
    session = zs.InferenceSession(SOFTPLUS)
    assert "time not measured yet" in str(session.explain())
    profile = session.profile({"x": image()}, iterations=3)
    (step,) = [step for step in profile.steps if step.op == "island"]
    assert (step.kernel, step.nodes, step.latency_ms > 0) == ("onnxruntime", ("e", "r3"), True)
    explanation = session.explain()
    (island,) = explanation.islands
    assert island.operators == {"Atan": 1, "Asinh": 1}
    reason = "this operator is not supported"
    assert island.reasons == {"e": f"Atan: {reason}", "r3": f"Asinh: {reason}"}
    assert island.share == pytest.approx(step.latency_ms / profile.total_ms)
    assert "% of the time" in str(explanation)
    assert explanation.to_dict()["islands"][0]["share"] == island.share
    names = [step.name for step in explanation.steps]
    assert len(set(names)) == len(names)


def test_activations_inside_islands_are_observed_but_cannot_be_skipped() -> None:
    body = BACKBONE + "e = Atan (r2) q = Relu (e) f = Atan (q) r3 = Relu (f)" + HEAD
    session = session_like_onnxruntime(model(body, outputs="float y, float q"), {"x": image()})
    consumers = {item.name: item.consumers for item in session.activations()}
    assert consumers == {"r1": ("b",), "r2": (), "q": (), "r3": ("c",), "r4": ("y",)}
    observed = session.observe(["r1", "q", "r4"], {"x": image()})
    (expected,) = by_onnxruntime(model(body, outputs="float q"), {"x": image()})
    np.testing.assert_allclose(observed["q"], expected, atol=1e-6)
    assert observed["r4"].shape == (2, 16, 9, 8)
    with pytest.raises(zs.ModelError, match="nowhere"):
        session.observe(["nowhere"], {"x": image()})


def test_islands_can_be_forbidden() -> None:
    with pytest.raises(zs.UnsupportedOperatorError, match=r"(?s)'e' \(Atan.*'r3' \(Asinh") as caught:
        zs.InferenceSession(SOFTPLUS, zs.SessionOptions(fallback="error"))
    assert [node.op_type for node in caught.value.nodes] == ["Atan", "Asinh"]


def test_without_onnxruntime_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "is_available", lambda: False)
    with pytest.raises(zs.UnsupportedOperatorError, match=r"(?s)'e' \(Atan.*'r3' \(Asinh.*zeroskip\[fallback\]"):
        zs.InferenceSession(SOFTPLUS)


def test_what_nobody_can_run_is_refused_when_loading() -> None:
    whole = onnx.load_from_string(SOFTPLUS)
    whole.graph.node[4].op_type = "NoSuchOperator"
    with pytest.raises(zs.ModelError, match="ONNX Runtime cannot load"):
        zs.InferenceSession(whole)


def test_a_plan_covers_no_model_with_islands() -> None:
    with pytest.raises(zs.UnsupportedOperatorError, match=r"see explain\(\)"):
        zs.InferenceSession(SOFTPLUS).plan({"x": (1, 3, 8, 8)})


QUANTIZED = (
    "q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)" + BACKBONE.replace("(x,", "(d,")
    + "q2 = QuantizeLinear (r2, s, z) d2 = DequantizeLinear (q2, s, z)"
)  # fmt: skip
STEPS = {"s": np.float32(0.05), "z": np.int8(0)}


def test_quantized_models_have_no_islands() -> None:
    data = model(QUANTIZED + "y = Conv (d2, w3)", **STEPS)
    session = zs.InferenceSession(data)
    assert session.explain_islands() == ()


@pytest.mark.parametrize("end", ["e = Atan (d2) y = Conv (e, w3)", "e = Cast <to = 1> (q2) y = Conv (e, w3)"])
def test_islands_of_quantized_models(end: str) -> None:
    data = model(QUANTIZED + end, **STEPS)
    session = session_like_onnxruntime(data, {"x": image()})
    assert [native for native, _ in layout_of(session)][:2] == [True, False]
