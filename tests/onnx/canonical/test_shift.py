"""Batch normalisation between an activation and padded convolutions: the convolutions read the activation."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import zeroskip as zs
from onnx_graphs import Array, assert_parity, build, op_types, random_array, run
from zeroskip.onnx import activations, canonicalize, load_model
from zeroskip.onnx.weights import layer_weights

CHANNELS, SHAPE = 32, (2, 16, 9, 11)
WINDOWS = (
    "pads = [1, 1, 1, 1]",
    "pads = [0, 1, 2, 0], strides = [2, 1]",
    "pads = [2, 2, 2, 2], dilations = [2, 2]",
    'auto_pad = "SAME_LOWER"',
    "pads = [1, 1, 1, 1], group = 2",
)


def network(after: str, *, positive: bool = False, outputs: str = "y", **more: Array) -> onnx.ModelProto:
    """A convolution, Relu, BatchNormalization with negative scales or without, its result ``b``; then ``after``."""
    random = np.random.default_rng(1)
    scale = random.uniform(0.5, 2.0, CHANNELS) * (1.0 if positive else random.choice((-1.0, 1.0), CHANNELS))
    constants = {
        "u": random_array(CHANNELS, 16, 3, 3, seed=1),
        "scale": scale,
        "shift": random.standard_normal(CHANNELS),
        "mean": random.standard_normal(CHANNELS),
        "var": random.uniform(0.1, 3.0, CHANNELS),
        "w": random_array(8, CHANNELS, 3, 3, seed=2),
        "bias": random_array(8, seed=3),
        "v": random_array(8, CHANNELS, 1, 1, seed=4),
        **more,
    }
    front = "c = Conv <pads = [1, 1, 1, 1]> (x, u) r = Relu(c) b = BatchNormalization(r, scale, shift, mean, var)"
    used = {name: value for name, value in constants.items() if f"{name}" in f"{front} {after}"}
    return build(f"{front} {after}", inputs=("N", *SHAPE[1:]), outputs=outputs, constants=used)


def feeds(batch: int = 2) -> dict[str, Array]:
    return {"x": random_array(batch, *SHAPE[1:], seed=7)}


def parity_ops(model: onnx.ModelProto) -> list[str]:
    return op_types(assert_parity(model, feeds()))


@pytest.mark.parametrize("window", WINDOWS)
def test_the_shift_becomes_a_constant_map_behind_the_convolution(window: str) -> None:
    weight = random_array(8, CHANNELS // 2 if "group" in window else CHANNELS, 3, 3, seed=2)
    model = network(f"y = Conv <{window}> (b, w, bias)", w=weight)
    assert parity_ops(model) == ["Conv", "FatRelu", "Conv", "Add"]


def test_it_moves_behind_a_max_pool_if_no_scale_is_negative() -> None:
    after = "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (b) y = Conv <pads = [1, 1, 1, 1]> (p, w, bias)"
    assert parity_ops(network(after, positive=True)) == ["Conv", "FatRelu", "MaxPool", "Conv", "Add"]
    assert parity_ops(network(after)) == ["Conv", "FatRelu", "ChannelAffine", "MaxPool", "Conv"]


def test_all_convolutions_behind_it_read_the_activation() -> None:
    model = network("p = Conv <pads = [1, 1, 1, 1]> (b, w) q = Conv (b, v, bias) y = Add(p, q)")
    assert parity_ops(model) == ["Conv", "FatRelu", "Conv", "Add", "Conv", "Add"]
    (activation,) = activations(load_model(model))
    assert activation.consumers == ("p", "q")


@pytest.mark.parametrize(
    ("after", "more"),
    [
        ("p = Conv <pads = [1, 1, 1, 1]> (b, w) q = Conv (b, v) s = Sigmoid(b) y = Concat <axis = 1> (p, q, s)", {}),
        ("y = Conv <pads = [1, 1, 1, 1], group = 32> (b, w)", {"w": random_array(32, 1, 3, 3)}),
        ("y = Conv <pads = [1, 1, 1, 1]> (b, w)", {"scale": np.r_[np.zeros(1), np.ones(CHANNELS - 1)]}),
    ],
    ids=["another reader", "depthwise", "a scale of zero"],
)
def test_it_stays_where_a_convolution_cannot_take_it(after: str, more: dict[str, Array]) -> None:
    model = network(after, **more)
    assert "ChannelAffine" in parity_ops(model)
    assert all(not item.consumers for item in activations(load_model(model)))


def test_it_stays_where_the_graph_returns_it() -> None:
    model = network("y = Conv <pads = [1, 1, 1, 1]> (b, w)", outputs="y b")
    assert "ChannelAffine" in parity_ops(model)


def test_layers_keep_their_names_but_not_their_weights_alone() -> None:
    model = network("y = Conv <pads = [1, 1, 1, 1]> (b, w, bias)")
    for node, name in zip(model.graph.node, ("first", "relu", "norm", "second"), strict=True):
        node.name = name
    loaded = load_model(model)
    canonical = canonicalize(loaded, {"x": SHAPE})
    assert [node.name for node in canonical.graph if node.op_type == "Conv"] == ["first", "second"]
    assert [value.name for value in canonical.graph.outputs] == ["y"]
    assert activations(loaded)[0].consumers == ("second",)
    assert set(layer_weights(loaded)) == {"first"}  # the map of the second would not follow its weights


def test_shapes_share_the_weights_but_not_the_maps() -> None:
    prepared = zs.onnx.prepare(load_model(network("y = Conv <pads = [1, 1, 1, 1]> (b, w, bias)")))
    small, large = (zs.onnx.specialize(prepared, {"x": (1, 16, size, size)}) for size in (5, 6))
    first, second = (node_inputs(model, "Add") for model in (small, large))
    assert first.name != second.name
    assert node_inputs(small, "Conv").const_value is node_inputs(large, "Conv").const_value


def node_inputs(model: ir.Model, op_type: str) -> ir.Value:
    """Return the second operand of the last node of a kind."""
    value = [node for node in model.graph if node.op_type == op_type][-1].inputs[1]
    assert value is not None
    return value


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
def test_the_engine_skips_and_computes_the_same(window: str, residual: bool) -> None:
    weight = random_array(8, CHANNELS // 2 if "group" in window else CHANNELS, 3, 3, seed=2)
    tail = "t = Sigmoid(k) s = Add(k, t) y = Relu(s)" if residual else "y = Relu(k)"
    model = network(f"k = Conv <{window}> (b, w, bias) {tail}", w=weight)
    session = zs.InferenceSession(model.SerializeToString())
    for batch in (1, 3):
        (want,) = run(model, feeds(batch))
        (got,) = session.run(None, feeds(batch))
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * np.abs(want).max())
    steps = [step for step in session.plan().steps if step.op == "conv"]
    assert steps[-1].attributes["algorithm"] == "auto"
    assert "residual" in steps[-1].constants
    assert "affine" not in {step.op for step in session.plan().steps}


def test_channels_last_as_converters_from_tensorflow_write_it() -> None:
    to_first, to_last = "Transpose <perm = [0, 3, 1, 2]>", "Transpose <perm = [0, 2, 3, 1]>"
    body = f"""
      a = {to_first} (x)  c = Conv <pads = [1, 1, 1, 1]> (a, u)  d = {to_last} (c)  r = Relu (d)
      m = Mul (r, scale)  n = Add (m, shift)
      f = {to_first} (n)  p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (f)  q = {to_last} (p)
      g = {to_first} (q)  h = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (g, w)  y = {to_last} (h)
    """
    random = np.random.default_rng(0)
    constants = {
        "u": random_array(CHANNELS, 3, 3, 3, seed=1),
        "scale": random.uniform(0.5, 2.0, CHANNELS),
        "shift": random.standard_normal(CHANNELS),
        "w": random_array(8, CHANNELS, 3, 3, seed=2),
    }
    model = build(body, inputs=("N", 13, 9, 3), constants=constants)
    canonical = assert_parity(model, {"x": random_array(2, 13, 9, 3)})
    found = [op_type for op_type in op_types(canonical) if op_type != "Transpose"]
    assert found == ["Conv", "FatRelu", "MaxPool", "Conv", "Add"]
