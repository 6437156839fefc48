"""InferenceSession behaves as a user of onnxruntime expects."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

import zeroskip as zs
from zeroskip.engine import NodeArg

from .canonical_graph import CanonicalGraph


def image(batch: int, size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((batch, 3, size, size), np.float32)


def by_onnxruntime(model: bytes, x: np.ndarray) -> list[np.ndarray]:
    return ort.InferenceSession(model).run(None, {"image": x})


def assert_close(result: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def fully_convolutional() -> bytes:
    """Two convolutions over an image of any size, with the activation between them as a second output."""
    graph = CanonicalGraph(1, 3, 16, 16, name="image")
    first = graph.conv("image", (3, 20), strides=[2, 2])
    hidden = graph.node("Relu", first, output="hidden")
    model = graph.proto([graph.conv(hidden, (20, 8), output="y"), hidden])
    for axis, symbol in ((0, "N"), (2, "H"), (3, "W")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = symbol
    return bytes(model.SerializeToString())


@pytest.fixture
def session(small_network: bytes) -> zs.InferenceSession:
    return zs.InferenceSession(small_network)


def test_a_model_is_accepted_in_every_form(small_network: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(small_network)
    x = image(2)
    (expected,) = by_onnxruntime(small_network, x)
    for model in (path, str(path), small_network, onnx.load(path), zs.onnx.load_model(path)):
        assert_close(zs.InferenceSession(model).run(None, {"image": x})[0], expected)


def test_inputs_and_outputs_are_described(session: zs.InferenceSession) -> None:
    assert session.get_inputs() == [NodeArg("image", ["N", 3, 16, 16], "tensor(float)")]
    (logits,) = session.get_outputs()
    assert (logits.name, logits.shape, logits.type) == ("logits", ["N", 5], "tensor(float)")


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_any_batch_runs(session: zs.InferenceSession, small_network: bytes, batch: int) -> None:
    x = image(batch)
    assert_close(session.run(None, {"image": x})[0], by_onnxruntime(small_network, x)[0])


def test_any_image_size_runs_and_outputs_are_chosen_by_name() -> None:
    model = fully_convolutional()
    session = zs.InferenceSession(model)
    for size in (16, 9, 16, 23):
        y, hidden = by_onnxruntime(model, image(2, size))
        results = session.run(["hidden", "y"], {"image": image(2, size)})
        assert_close(results[0], hidden)
        assert_close(results[1], y)


def test_results_are_fresh_and_inputs_untouched(session: zs.InferenceSession) -> None:
    x = image(2)
    before = x.copy()
    first = session.run(None, {"image": x})[0]
    kept = first.copy()
    session.run(None, {"image": image(2, seed=1)})
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(x, before)


def test_strided_and_read_only_arrays_are_accepted(session: zs.InferenceSession, small_network: bytes) -> None:
    x = image(4)
    strided = np.asfortranarray(x)[::2]
    strided.flags.writeable = False
    assert_close(session.run(None, {"image": strided})[0], by_onnxruntime(small_network, x[::2])[0])


def test_no_names_mean_all_outputs(session: zs.InferenceSession) -> None:
    assert len(session.run([], {"image": image(1)})) == 1


def test_a_wrong_feed_is_refused(session: zs.InferenceSession) -> None:
    with pytest.raises(zs.ShapeError, match="float64"):
        session.run(None, {"image": image(1).astype(np.float64)})
    with pytest.raises(zs.ShapeError, match="dimension 1 must be 3"):
        session.run(None, {"image": np.zeros((1, 4, 16, 16), np.float32)})
    with pytest.raises(zs.ShapeError, match="no output"):
        session.run(["nothing"], {"image": image(1)})


def test_unsupported_operators_are_all_reported_when_loading() -> None:
    graph = CanonicalGraph(1, 3, 8, 8)
    y = graph.node("Det", graph.node("Atan", "x"))
    with pytest.raises(zs.UnsupportedOperatorError) as caught:
        zs.InferenceSession(graph.proto([y]).SerializeToString(), zs.SessionOptions(fallback="error"))
    assert "Atan" in str(caught.value)
    assert "Det" in str(caught.value)


def test_an_instruction_set_can_be_forced(small_network: bytes) -> None:
    session = zs.InferenceSession(small_network, zs.SessionOptions(isa="generic", intra_op_num_threads=1))
    explanation = session.explain()
    assert (explanation.isa, explanation.num_threads) == ("generic", 1)
    assert_close(session.run(None, {"image": image(1)})[0], by_onnxruntime(small_network, image(1))[0])


def test_plans_are_cached_by_shape_and_the_oldest_is_dropped(small_network: bytes) -> None:
    session = zs.InferenceSession(small_network, zs.SessionOptions(max_cached_plans=2))
    for batch in (1, 2, 3, 3, 2):
        session.run(None, {"image": image(batch)})
    assert [shapes[0][0] for shapes in session._region.cached_shapes] == [3, 2]


def test_plans_share_packed_weights(session: zs.InferenceSession) -> None:
    packed = session._region.weights.bytes
    session.run(None, {"image": image(5)})
    assert session._region.weights.bytes == packed


def test_concurrent_runs_of_different_shapes_do_not_mix(small_network: bytes) -> None:
    session = zs.InferenceSession(small_network, zs.SessionOptions(intra_op_num_threads=1))
    inputs = [image(1 + seed % 3, seed=seed) for seed in range(6)]
    expected = [by_onnxruntime(small_network, x)[0] for x in inputs]
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            for _ in range(30):
                assert_close(session.run(None, {"image": inputs[index]})[0], expected[index])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_run_does_not_depend_on_how_the_batch_is_split(session: zs.InferenceSession) -> None:
    x = image(6)
    whole = session.run(None, {"image": x})[0]
    parts = [session.run(None, {"image": part})[0] for part in (x[:1], x[1:3], x[3:])]
    assert_close(np.concatenate(parts), whole)


def test_activations_can_be_observed(session: zs.InferenceSession, small_network: bytes) -> None:
    assert [activation.name for activation in session.activations()] == ["r1", "r2"]
    model = onnx.load_from_string(small_network)
    model.graph.output.append(helper.make_tensor_value_info("r1", onnx.TensorProto.FLOAT, None))
    x = image(3)
    _, expected = by_onnxruntime(model.SerializeToString(), x)
    observed = session.observe(["r1"], {"image": x})
    assert_close(observed["r1"], expected)
    density = session.activation_densities({"image": x})
    assert density["r1"] == pytest.approx(np.count_nonzero(expected) / expected.size, abs=1e-3)
    assert set(density) == {"r1", "r2"}


def test_observing_what_is_not_there_is_refused(session: zs.InferenceSession) -> None:
    with pytest.raises(zs.ModelError, match="nowhere"):
        session.observe(["nowhere"], {"image": image(1)})


def test_the_plan_of_an_open_shape_needs_a_shape() -> None:
    session = zs.InferenceSession(fully_convolutional())
    with pytest.raises(zs.ShapeError, match="pass input_shapes or call run first"):
        session.explain()
    assert session.explain({"image": (1, 3, 8, 8)}).input_shapes == {"image": (1, 3, 8, 8)}
    session.run(None, {"image": image(2, 12)})
    assert session.explain().input_shapes == {"image": (2, 3, 12, 12)}


def test_a_graph_without_work_passes_its_input_through() -> None:
    graph = CanonicalGraph(2, 3)
    session = zs.InferenceSession(graph.proto([graph.node("Identity", "x")]).SerializeToString())
    x = graph.feed()["x"]
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x)


@pytest.mark.parametrize(("storage", "tolerance"), [("bf16", 2.0**-7), ("fp16", 2.0**-10)])
def test_sixteen_bit_weights_are_close_and_named(small_network: bytes, storage: str, tolerance: float) -> None:
    session = zs.InferenceSession(small_network, zs.SessionOptions(weight_storage=storage))
    x = image(2)
    (expected,) = by_onnxruntime(small_network, x)
    (result,) = session.run(None, {"image": x})
    assert 0 < np.abs(result - expected).max() <= tolerance * np.abs(expected).max()
    stored = [step for step in session.explain().steps if f"weights stored as {storage}" in step.note]
    assert [step.op.split("+")[0] for step in stored] == ["conv", "linear"]
