"""LSTM, GRU and RNN become a Linear and a Recurrence."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from onnx_graphs import node_of, op_types
from recurrent_networks import GATES, RESULTS, answers, feeds_of, recurrent
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes


def assert_native(model: bytes, steps: int = 4, rows: int = 3) -> None:
    """Compare with ONNX Runtime, without islands."""
    feeds = feeds_of(model, steps, rows)
    results = zs.InferenceSession(model, zs.SessionOptions(fallback="error")).run(None, feeds)
    for result, expected in zip(results, answers(model, feeds), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)


def reasons(model: bytes) -> str:
    shapes = {name: array.shape for name, array in feeds_of(model).items()}
    return str([str(node) for node in unsupported_nodes(canonicalize(load_model(model), shapes))])


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("states", ["", "zero", "constant", "computed"])
@pytest.mark.parametrize("has_bias", [False, True])
def test_directions_states_and_bias(op_type: str, direction: str, states: str, has_bias: bool) -> None:
    assert_native(recurrent(op_type, direction=direction, states=states, has_bias=has_bias))


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("states", ["", "computed"])
def test_a_gru_that_resets_what_the_state_says(has_bias: bool, states: str) -> None:
    """As PyTorch and Keras have it."""
    assert_native(recurrent("GRU", linear_before_reset=1, direction="bidirectional", has_bias=has_bias, states=states))


@pytest.mark.parametrize("op_type", GATES)
def test_any_results(op_type: str) -> None:
    names = RESULTS[op_type]
    for count in range(1, len(names) + 1):
        for results in itertools.combinations(names, count):
            assert_native(recurrent(op_type, results=results, states="computed"))


def test_states_of_zero_that_are_computed_are_none() -> None:
    """As exporters write them: zeros of as many rows as the input has."""
    model = onnx.load_from_string(recurrent(states="computed", results=("y",)))
    graph = model.graph
    for name in ("h", "c"):
        graph.input.remove(next(value for value in graph.input if value.name == name))
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in (("one", [1]), ("units", [6]), ("place", [1]))
    )
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "place"], ["rows"]),
        helper.make_node("Concat", ["one", "rows", "units"], ["wanted"], axis=0),
        *(helper.make_node("ConstantOfShape", ["wanted"], [name]) for name in ("h", "c")),
    ]
    for node in reversed(nodes):
        graph.node.insert(0, node)
    data = model.SerializeToString()
    assert op_types(canonicalize(load_model(data), {"x": (4, 3, 5)})) == ["Linear", "Recurrence"]
    assert len(node_of(canonicalize(load_model(data), {"x": (4, 3, 5)}), "Recurrence").inputs) == 2
    assert_native(data)


def test_sizes_are_open() -> None:
    session = zs.InferenceSession(recurrent(), zs.SessionOptions(fallback="error"))
    for steps, rows in ((1, 1), (9, 1), (2, 5), (9, 1), (30, 2)):
        feeds = feeds_of(recurrent(), steps, rows)
        np.testing.assert_allclose(session.run(None, feeds)[0], answers(recurrent(), feeds)[0], rtol=1e-5, atol=2e-6)


def test_a_rectified_plain_network() -> None:
    assert_native(recurrent("RNN", activations=["Relu"]))
    assert_native(recurrent("RNN", activations=["Relu", "Relu"], direction="bidirectional"))


@pytest.mark.parametrize(
    ("op_type", "activations"), [("LSTM", ["Sigmoid", "Tanh", "Tanh"]), ("GRU", ["sigmoid", "tanh"]), ("RNN", ["Tanh"])]
)
def test_activations_that_are_written_out(op_type: str, activations: list[str]) -> None:
    assert_native(recurrent(op_type, activations=activations))


def test_peepholes_of_zero_and_whole_sequences_are_none() -> None:
    assert_native(recurrent(peepholes=0.0))
    model = onnx.load_from_string(recurrent(lengths=[4, 4, 4]))
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (4, 3), strict=False):
        dim.dim_value = size
    assert_native(model.SerializeToString())


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.parametrize("states", ["", "computed"])
def test_rows_first(op_type: str, states: str) -> None:
    """ONNX Runtime has no layout 1: the same layer with the other order is the judge."""
    model, other = (recurrent(op_type, states=states, layout=layout) for layout in (1, 0))
    feeds = feeds_of(model)
    turned = {name: array.transpose(1, 0, 2) for name, array in feeds.items()}
    y, *rest = zs.InferenceSession(model, zs.SessionOptions(fallback="error")).run(None, feeds)
    expected, *states_expected = answers(other, turned)
    np.testing.assert_allclose(y, expected.transpose(2, 0, 1, 3), rtol=1e-5, atol=2e-6)
    for result, state in zip(rest, states_expected, strict=True):
        np.testing.assert_allclose(result, state.transpose(1, 0, 2), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peepholes": 0.5}, "peepholes are not supported"),
        ({"clip": 3.0}, "clip and parameters of its activations"),
        ({"input_forget": 1}, "input_forget is not supported"),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, "activations hardsigmoid, tanh, tanh are not supported"),
        ({"lengths": [4, 2, 3]}, "sequence_lens is supported only where it is a constant"),
        ({"op_type": "GRU", "activations": ["Sigmoid", "Relu"]}, "activations sigmoid, relu are not supported"),
    ],
)
def test_what_is_left_to_islands(changes: dict[str, object], reason: str) -> None:
    model = recurrent(**changes)
    assert reason in reasons(model)
    feeds = feeds_of(model)
    results = zs.InferenceSession(model).run(None, feeds)
    for result, expected in zip(results, answers(model, feeds), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_what_is_in_front_is_a_layer_that_skips() -> None:
    model = onnx.load_from_string(recurrent())
    model.graph.node[0].input[0] = "rectified"
    model.graph.node.insert(0, helper.make_node("Relu", ["x"], ["rectified"], "relu"))
    shapes = {"x": (1, 1, 5)}
    canonical = canonicalize(load_model(model.SerializeToString()), shapes)
    assert op_types(canonical) == ["FatRelu", "Linear", "Recurrence"]
    assert node_of(canonical, "Linear").name == "layer.linear"
    assert_native(model.SerializeToString())
