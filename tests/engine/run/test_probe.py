"""Probing: changed thresholds compute what a model with them computes, and a run can go on from any step."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from tiny_network import SIDE, tiny_data, tiny_network
from zeroskip.engine import InferenceSession, ProbeProgram, SessionOptions
from zeroskip.engine.plan.liveness import Liveness
from zeroskip.errors import EngineError

BATCH = 3


def branching_network() -> bytes:
    """Two branches side by side, a skip connection and a depthwise layer, so that buffers are shared."""
    random = np.random.default_rng(3)
    sizes = {"w0": (16, 3, 3, 3), "w1": (16, 16, 1, 1), "w2": (32, 16, 3, 3), "w3": (16, 48, 1, 1), "w4": (16, 1, 3, 3)}
    weights = {name: 0.3 * random.standard_normal(size) for name, size in sizes.items()}
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["c0"], "c0", **pads),
        helper.make_node("Relu", ["c0"], ["r0"], "r0"),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], "c1"),
        helper.make_node("Relu", ["c1"], ["r1"], "r1"),
        helper.make_node("Conv", ["r0", "w2"], ["c2"], "c2", **pads),
        helper.make_node("Relu", ["c2"], ["r2"], "r2"),
        helper.make_node("Concat", ["r1", "r2"], ["both"], "both", axis=1),
        helper.make_node("MaxPool", ["both"], ["pooled"], "pooled", kernel_shape=[2, 2], strides=[1, 1], **pads),
        helper.make_node("Conv", ["both", "w3"], ["c3"], "c3"),
        helper.make_node("Add", ["c3", "r0"], ["sum"], "sum"),
        helper.make_node("Relu", ["sum"], ["r3"], "r3"),
        helper.make_node("Conv", ["r3", "w4"], ["c4"], "c4", group=16, **pads),
        helper.make_node("GlobalAveragePool", ["c4"], ["mean"], "mean"),
        helper.make_node("GlobalMaxPool", ["pooled"], ["most"], "most"),
        helper.make_node("Concat", ["mean", "most"], ["logits"], "logits", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "branching",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def make(model: bytes) -> tuple[ProbeProgram, np.ndarray]:
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=1))
    images = tiny_data(BATCH).array()
    return session.probe({"image": images.shape}), images


def outputs(program: ProbeProgram, images: np.ndarray) -> np.ndarray:
    run = program.start([images])
    run.advance()
    return run.outputs()[0]


def reference(model: bytes, images: np.ndarray, thresholds: dict[str, object] | None = None) -> np.ndarray:
    if thresholds:
        model = zs.apply(model, zs.ThresholdSet(thresholds)).to_bytes()  # type: ignore[arg-type]
    return InferenceSession(model, SessionOptions(intra_op_num_threads=1)).run(None, {"image": images})[0]


@pytest.mark.parametrize("model", [tiny_network(), branching_network()], ids=["tiny", "branching"])
def test_a_run_goes_on_from_every_step(model: bytes) -> None:
    program, images = make(model)
    expected = reference(model, images)
    for step in range(len(program.plan.steps) + 1):
        run = program.start([images])
        run.advance(step)
        saved = run.save()
        other = program.start([images[::-1].copy()])  # leaves its own values in the same arena
        other.advance()
        del other
        resumed = program.start([images])
        resumed.restore(saved)
        resumed.advance()
        np.testing.assert_array_equal(resumed.outputs()[0], expected)


def test_a_state_is_smaller_than_the_arena() -> None:
    program, images = make(branching_network())
    run = program.start([images])
    sizes = []
    for step in range(1, len(program.plan.steps)):
        run.advance(step)
        sizes.append(run.save().content.size)
    assert min(sizes) < program.plan.arena_bytes / 4
    assert max(sizes) <= program.plan.arena_bytes


def test_changed_thresholds_compute_what_a_model_with_them_computes() -> None:
    model = branching_network()
    program, images = make(model)
    thresholds = {"r0": 0.2, "r2": np.linspace(0.0, 0.5, 32, dtype=np.float32), "r3": 0.1}
    program.set_thresholds(thresholds)
    np.testing.assert_allclose(outputs(program, images), reference(model, images, thresholds), atol=1e-5)
    program.reset_thresholds(list(thresholds))
    np.testing.assert_array_equal(outputs(program, images), reference(model, images))


def test_a_change_does_not_reach_the_session_or_other_programs() -> None:
    session = InferenceSession(tiny_network(), SessionOptions(intra_op_num_threads=1))
    images = tiny_data(BATCH).array()
    before = session.run(None, {"image": images})[0]
    first, second = (session.probe({"image": images.shape}) for _ in range(2))
    first.set_thresholds({"relu1": 1.0})
    np.testing.assert_array_equal(session.run(None, {"image": images})[0], before)
    np.testing.assert_array_equal(outputs(second, images), before)
    assert np.abs(outputs(first, images) - before).max() > 1e-3


def test_refused_thresholds_leave_the_program_as_it_was() -> None:
    program, images = make(tiny_network())
    before = outputs(program, images)
    with pytest.raises(EngineError, match=r"'thresholds' has shape \[7\], needs \[32\]"):
        program.set_constants(program.threshold_steps["relu2"], {"thresholds": np.ones(7, np.float32)})
    np.testing.assert_array_equal(outputs(program, images), before)


def test_weights_and_biases_change_too() -> None:
    program, images = make(tiny_network())
    place = next(number for number, step in enumerate(program.plan.steps) if step.name == "conv3")
    weight, bias = program.constant(place, "weight"), program.constant(place, "bias")
    assert weight is not None
    assert bias is not None
    before = outputs(program, images)
    program.set_constants(place, {"weight": 2.0 * weight, "bias": 2.0 * bias})
    np.testing.assert_allclose(outputs(program, images), 2.0 * before, rtol=1e-4, atol=1e-4)


def test_intermediate_values_can_be_looked_at() -> None:
    model = branching_network()
    program, images = make(model)
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=1))
    run = program.start([images])
    for name, place in sorted(program.threshold_steps.items(), key=lambda item: item[1]):
        run.advance(place + 1)
        values = run.tensor(program.plan.steps[place].outputs[0])
        expected = session.observe([name], {"image": images})[name]
        np.testing.assert_allclose(values.transpose(0, 3, 1, 2), expected, atol=1e-5)


def test_densities_are_those_of_the_profile() -> None:
    program, images = make(branching_network())
    run = program.start([images])
    run.advance(counts=True)
    session = InferenceSession(branching_network(), SessionOptions(intra_op_num_threads=1))
    measured = session.profile({"image": images}, iterations=1).steps
    found = run.densities()
    expected = {number: step.input_density for number, step in enumerate(measured) if step.input_density is not None}
    assert expected
    for step, density in expected.items():
        assert found[step] == pytest.approx(density)


def test_consumers_are_found_through_a_concatenation() -> None:
    program, _ = make(branching_network())
    names = [step.name for step in program.plan.steps]
    links = {
        name: {(names[link.step], link.channel) for link in program.wiring.weighted_consumers(place)}
        for name, place in program.threshold_steps.items()
    }
    assert links["r1"] == {("c3", 0)}
    assert links["r2"] == {("c3", 16)}
    assert {name for name, _ in links["r0"]} == {"c1", "c2"}
    assert links["r3"] == {("c4", 0)}


def test_nothing_is_live_before_the_first_step() -> None:
    program, _ = make(tiny_network())
    assert Liveness.of(program.plan).before(0) == []
