"""The trainable copy computes what the engine computes, has gradients, and its weights go back into ONNX."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import onnx.parser
import pytest

import zeroskip as zs
from parity.campaign import random_model
from recurrent_networks import feeds_of, recurrent
from tiny_network import tiny_network
from zeroskip.onnx import load_model, replace_weights, to_bytes

torch = pytest.importorskip("torch")

from zeroskip.learning import GraphModule  # noqa: E402

TOLERANCE = 1e-4


def relative(got: np.ndarray, want: np.ndarray) -> float:
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-6))


def outputs(module: GraphModule, x: np.ndarray) -> list[np.ndarray]:
    with torch.inference_mode():
        return [value.numpy() for value in module.eval()(torch.from_numpy(x))]


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_compute_what_the_engine_computes(seed: int) -> None:
    model, shape = random_model(seed)
    module = GraphModule(model)
    try:
        session = zs.InferenceSession(model, zs.SessionOptions(fallback="error"))
        session.run(None, {"x": np.zeros(shape, np.float32)})
    except zs.UnsupportedOperatorError as error:
        pytest.skip(str(error).splitlines()[0])
    inputs = [np.random.default_rng([seed, i]).standard_normal(shape, np.float32) for i in range(3)]
    # Rounding may flip an element in front of a threshold, which hits one input in a thousand: the median counts.
    found = [relative(outputs(module, x)[0], session.run(None, {"x": x})[0]) for x in inputs]
    assert np.median(found) < TOLERANCE


@pytest.mark.parametrize("largest", [0, 1])
def test_heads_of_detectors_compute_what_the_engine_computes(largest: int) -> None:
    text = f"""
        scores, boxes = Split <axis=2> (x, sizes)
        flat = Flatten <axis=1> (scores)
        v, i = TopK <axis=1, largest={largest}> (flat, k)
        labels = Mod(i, classes)
        query = Div(i, classes)
        column = Unsqueeze(query, last)
        places = Expand(column, repeats)
        picked = GatherElements <axis=1> (boxes, places)
        small = LessOrEqual(v, half)
        first = Equal(labels, zero)
        other = Not(first)
        both = And(small, other)
        either = Or(small, first)
        one = Xor(both, either)
        kept = Where(one, labels, minus)
        y = Cast <to=1> (kept)
    """
    body = (
        (
            "<int64[2] sizes = {{5, 4}}, int64[1] k = {{9}}, int64 classes = {{5}}, int64[1] last = {{-1}}, "
            "int64[3] repeats = {{1, 1, 4}}, float half = {{0.5}}, int64 zero = {{0}}, int64 minus = {{-1}}>"
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )
    graph = onnx.parser.parse_graph(f"g (float[n,q,9] x) => (float[n,9,4] picked, float[n,9] y) {body} {{ {text} }}")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    x = np.random.default_rng(0).integers(-3, 4, (2, 10, 9)).astype(np.float32)
    for got, want in zip(outputs(GraphModule(model), x), zs.InferenceSession(model).run(None, {"x": x}), strict=True):
        np.testing.assert_array_equal(got, want)


def pool(operator: str, attributes: str, shape: tuple[int, ...] = (2, 3, 9, 8)) -> onnx.ModelProto:
    body = f"y = {operator} <{attributes}> (x)"
    graph = onnx.parser.parse_graph(f"g (float[{','.join(map(str, shape))}] x) => (float[a,b,c,d] y) {{ {body} }}")
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape=[3,3], strides=[2,2]",
        "kernel_shape=[3,3], strides=[2,2], ceil_mode=1",
        "kernel_shape=[2,3], strides=[2,1], pads=[0,1,1,1]",
        "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1",
        "kernel_shape=[3,2], strides=[3,3], pads=[1,0,2,1]",
        "kernel_shape=[1,1], strides=[3,3]",
    ],
)
def test_windows_of_pools_end_where_those_of_the_engine_end(operator: str, attributes: str) -> None:
    counted = ["", ", count_include_pad=1"] if operator == "AveragePool" else [""]
    for text in counted:
        model = pool(operator, attributes + text)
        x = np.random.default_rng(0).standard_normal((2, 3, 9, 8), np.float32)
        assert relative(outputs(GraphModule(model), x)[0], zs.InferenceSession(model).run(None, {"x": x})[0]) < 1e-6


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("LSTM", {}),
        ("GRU", {}),
        ("GRU", {"linear_before_reset": 1}),
        ("RNN", {}),
        ("RNN", {"activations": ["Relu"] * 2}),
    ],
)
@pytest.mark.parametrize("states", ["", "computed"])
def test_recurrent_layers_compute_what_the_engine_computes(op_type: str, attributes: dict, states: str) -> None:
    model = recurrent(op_type, direction="bidirectional", states=states, **attributes)
    module, feeds = GraphModule(model), feeds_of(model)
    with torch.no_grad():
        got = module.eval()(*(torch.from_numpy(feeds[name]) for name in module.inputs))
    for result, expected in zip(got, zs.InferenceSession(model).run(None, feeds), strict=True):
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=2e-6)
    loss = sum(value.sum() for value in module.train()(*(torch.from_numpy(feeds[name]) for name in module.inputs)))
    loss.backward()
    assert all(weight.grad is not None for weight in module.weights.values())


def test_every_parameter_gets_a_gradient() -> None:
    module = GraphModule(tiny_network())
    x = torch.randn(4, *zs.InferenceSession(tiny_network()).get_inputs()[0].shape[1:])
    sum(value.square().sum() for value in module.train()(x)).backward()
    assert len(list(module.parameters())) == 2 * len(module.layer_names)
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_changed_weights_and_thresholds_go_back_into_onnx() -> None:
    module, model = GraphModule(tiny_network()), load_model(tiny_network())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name in module.activation_names:
            module.rectifier(name).set_threshold(0.2)
    written = replace_weights(model, module.layer_weights(), zs.ThresholdSet(module.thresholds()))
    session = zs.InferenceSession(to_bytes(written.model))
    (item,) = session.get_inputs()
    x = np.random.default_rng(1).standard_normal((3, *item.shape[1:]), np.float32)
    assert relative(outputs(module, x)[0], session.run(None, {item.name: x})[0]) < TOLERANCE
    for name in module.activation_names:
        assert np.all(np.asarray(module.thresholds()[name]) == np.float32(0.2))


def test_layers_that_share_a_weight_share_the_parameter() -> None:
    text = """
      g (float[1, 4, 6, 6] x) => (float[1, 4, 6, 6] y)
      <float[4, 4, 1, 1] w = {1,2,3,4, 5,6,7,8, 9,1,2,3, 4,5,6,7}>
      { a = Conv (x, w) b = Relu (a) y = Conv (b, w) }
    """
    model = onnx.helper.make_model(
        onnx.parser.parse_graph(text), opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    module = GraphModule(model)
    first, second = module.layer_names
    assert module.layer(first)[0] is module.layer(second)[0]
    x = np.random.default_rng(0).standard_normal((1, 4, 6, 6), np.float32)
    assert relative(outputs(module, x)[0], zs.InferenceSession(model).run(None, {"x": x})[0]) < 1e-6


def test_wrong_inputs_are_shape_errors() -> None:
    module = GraphModule(tiny_network())
    with pytest.raises(zs.ShapeError, match="2 inputs given, the model has 1"):
        module(torch.zeros(1), torch.zeros(1))
    with pytest.raises(zs.ShapeError):
        module(torch.zeros(1, 2, 3))


def test_operators_that_the_engine_does_not_run_are_named() -> None:
    graph = onnx.parser.parse_graph("g (float[1, 4] x) => (float[1, 4] y) { y = Atan (x) }")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(zs.UnsupportedOperatorError, match="Atan"):
        GraphModule(model)(torch.zeros(1, 4))


def test_one_module_takes_batches_of_several_sizes() -> None:
    """Reshape has the batch in its target shape; constants of one size must not reach another."""
    module, session = GraphModule(tiny_network()), zs.InferenceSession(tiny_network())
    (item,) = session.get_inputs()
    for batch in (3, 1, 4, 3):
        x = np.random.default_rng(batch).standard_normal((batch, *item.shape[1:]), np.float32)
        assert relative(outputs(module, x)[0], session.run(None, {item.name: x})[0]) < TOLERANCE


def test_copies_have_weights_of_their_own() -> None:
    module = GraphModule(tiny_network())
    twin = copy.deepcopy(module)
    with torch.no_grad():
        next(twin.parameters()).add_(1.0)
    assert not torch.equal(next(module.parameters()), next(twin.parameters()))
    assert twin.activation_names == module.activation_names
