"""What callers pass in: it works, or a clear error says what is wrong, and nothing is computed from it."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from zeroskip.engine.run import memory_check

from .island_models import BACKBONE, HEAD, assert_same, by_onnxruntime, image, model

NATIVE = model(BACKBONE.replace("r2 = Relu", "r3 = Relu") + HEAD)
MIXED = model(BACKBONE + "e = Atan (r2) r3 = Relu (e)" + HEAD)


@pytest.fixture(params=["native", "mixed"])
def data(request: pytest.FixtureRequest) -> bytes:
    return NATIVE if request.param == "native" else MIXED


@pytest.fixture
def session(data: bytes) -> zs.InferenceSession:
    return zs.InferenceSession(data, zs.SessionOptions(intra_op_num_threads=1))


def read_only(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x


def unaligned(x: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(lambda x: x.astype(">f4"), id="big-endian"),
        pytest.param(np.asfortranarray, id="fortran order"),
        pytest.param(lambda x: np.repeat(x, 2, axis=3)[..., ::2], id="strided"),
        pytest.param(lambda x: np.ascontiguousarray(x[::-1])[::-1], id="reversed"),
        pytest.param(read_only, id="read-only"),
        pytest.param(unaligned, id="unaligned"),
        pytest.param(np.ndarray.tolist, id="list"),
        pytest.param(list, id="list of arrays"),
    ],
)
def test_an_array_in_another_form_gives_the_same(session: zs.InferenceSession, data: bytes, same: object) -> None:
    x = image()
    given = same(x.copy())
    before = copy.deepcopy(given)
    assert_same(session.run(None, {"x": given}), by_onnxruntime(data, {"x": x}))
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({}, r"missing \['x'\]"),
        ({"x": image(), "z": image()}, r"unknown \['z'\]"),
        ({"x": image()[0]}, "4 dimensions are needed, not 3"),
        ({"x": image()[:, :2]}, "dimension 1 must be 3"),
        ({"x": image().astype(np.float64)}, "expected dtype float32, got float64"),
        ({"x": image().astype(np.float16)}, "expected dtype float32, got float16"),
        ({"x": image().tolist()[0]}, "4 dimensions are needed, not 3"),
        ({"x": None}, "expected a numpy array"),
        ({"x": "image"}, "expected a numpy array.*got str"),
        ([image()], "inputs are a list, expected a mapping"),
        (None, "inputs are a NoneType, expected a mapping"),
    ],
)
def test_a_wrong_feed_is_refused(session: zs.InferenceSession, feed: dict, message: str) -> None:
    with pytest.raises(zs.ShapeError, match=message):
        session.run(None, feed)


def test_an_unknown_output_is_refused(session: zs.InferenceSession) -> None:
    with pytest.raises(zs.ShapeError, match=r"no output \['w'\]"):
        session.run(["w"], {"x": image()})


def test_an_image_too_small_for_the_network_is_refused() -> None:
    session = zs.InferenceSession(model("a = Conv (x, w1) r = Relu (a) y = Conv (r, w2)"))
    with pytest.raises(zs.ShapeError):
        session.run(None, {"x": image(1, 2, 2)})


def test_a_batch_of_nothing_gives_empty_outputs(session: zs.InferenceSession, data: bytes) -> None:
    assert_same(session.run(None, {"x": image(0)}), by_onnxruntime(data, {"x": image(0)}))
    assert session.run(None, {"x": image(0)})[0].shape == (0, 8, 9, 8)
    assert_same(session.run(None, {"x": image(1)}), by_onnxruntime(data, {"x": image(1)}))


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(zs.ShapeError, match="only the first dimension may be empty"):
        zs.InferenceSession(NATIVE).run(None, {"x": image(1, 0, 8)})


def test_a_batch_too_large_for_the_memory_is_refused_before_anything_is_allocated(
    monkeypatch: pytest.MonkeyPatch, session: zs.InferenceSession
) -> None:
    monkeypatch.setattr(memory_check, "available_memory_bytes", lambda: 10**8)
    huge = np.broadcast_to(image(1), (200_000, 3, 9, 8))  # 173 MB, and 460 MB of results
    with pytest.raises(zs.OutOfMemoryError, match=r"\[200000, 3, 9, 8\] needs .* GB of memory, available are 0.1 GB"):
        session.run(None, {"x": huge})
    assert len(session.run(None, {"x": image()})) == 1


def test_a_batch_too_large_to_be_addressed_is_refused(session: zs.InferenceSession) -> None:
    with pytest.raises((zs.ShapeError, zs.OutOfMemoryError)):
        session.run(None, {"x": np.broadcast_to(image(1), (1 << 30, 3, 9, 8))})


@pytest.mark.parametrize("isa", ["generic", None])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_nan_and_infinity_spread_as_in_onnxruntime(isa: str | None, value: float) -> None:
    """ThresholdedRelu makes NaN zero, which the next convolution skips; infinity stays infinite."""
    body = (
        "a = Conv <pads = [1, 1, 1, 1]> (x, w1) r = ThresholdedRelu <alpha = 0.25> (a)"
        "b = Conv <pads = [1, 1, 1, 1]> (r, w2) s = ThresholdedRelu <alpha = 0.25> (b) y = Conv (s, w3)"
    )
    x = image()
    x[0, 1, 4, 4] = value
    data = model(body, outputs="float y, float r, float s")
    results = zs.InferenceSession(data, zs.SessionOptions(isa=isa)).run(None, {"x": x})
    for result, reference in zip(results, by_onnxruntime(data, {"x": x}), strict=True):
        np.testing.assert_array_equal(np.isnan(result), np.isnan(reference))
        np.testing.assert_array_equal(np.isposinf(result), np.isposinf(reference))
        np.testing.assert_array_equal(np.isneginf(result), np.isneginf(reference))
        finite = np.isfinite(reference)
        np.testing.assert_allclose(result[finite], reference[finite], atol=1e-4)


def test_relu_makes_nan_zero() -> None:
    """As a threshold of 0 does; ONNX Runtime's own Relu hands NaN through."""
    x = image()
    x[0, 0, 0, 0] = np.nan
    assert zs.InferenceSession(model("y = Relu (x)")).run(None, {"x": x})[0][0, 0, 0, 0] == 0.0
    assert np.isnan(by_onnxruntime(model("y = Relu (x)"), {"x": x})[0][0, 0, 0, 0])


@pytest.mark.parametrize("options", [{}, {"intra_op_num_threads": 1}, "fast", 1, []])
def test_options_are_session_options(options: object) -> None:
    with pytest.raises(zs.EngineError, match="expected SessionOptions or None"):
        zs.InferenceSession(NATIVE, options)


@pytest.mark.parametrize("fallback", ["islands", "error"])
def test_a_model_without_operator_sets_has_no_meaning(fallback: str) -> None:
    proto = onnx.load_model_from_string(NATIVE)
    del proto.opset_import[:]
    with pytest.raises(zs.ModelError, match=r"operator set|opset"):
        zs.InferenceSession(proto, zs.SessionOptions(fallback=fallback))


def relu(reads: str, writes: str) -> onnx.GraphProto:
    output = helper.make_tensor_value_info(writes, onnx.TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node("Relu", [reads], [writes])], "branch", [], [output])


def conditional(reads: str) -> onnx.ModelProto:
    """A model whose branch reads a value by name."""
    node = helper.make_node("If", ["c"], ["y"], then_branch=relu(reads, "a"), else_branch=relu("x", "b"))
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", floats, [1, 4])],
        [helper.make_tensor_value_info("y", floats, None)],
        [numpy_helper.from_array(np.array(True), "c")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("fallback", ["islands", "error"])
def test_a_branch_that_reads_what_nothing_computes_is_a_model_error(fallback: str) -> None:
    with pytest.raises(zs.ModelError, match="nothing"):
        zs.InferenceSession(conditional("nothing"), zs.SessionOptions(fallback=fallback))


def test_a_function_that_does_not_compute_its_output_is_a_model_error() -> None:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("local", "F", ["a"], ["b", "missing"], body, imports)
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("F", ["x"], ["y"], domain="local")],
        "graph",
        [helper.make_tensor_value_info("x", floats, [1, 4])],
        [helper.make_tensor_value_info("y", floats, None)],
    )
    with pytest.raises(zs.ModelError, match="missing"):
        zs.InferenceSession(helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8))
