"""Batch normalisation and constants per channel: folded where exact, merged where not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import pytest

from onnx_graphs import Array, assert_parity, build, node_of, op_types, random_array, values_of
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes

BN = "BatchNormalization <epsilon = 0.001>"


def normalization(channels: int, prefix: str = "", seed: int = 1) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    return {
        f"{prefix}gamma": random.uniform(0.5, 2.0, channels),
        f"{prefix}beta": random.standard_normal(channels),
        f"{prefix}mean": random.standard_normal(channels),
        f"{prefix}var": random.uniform(0.1, 3.0, channels),
    }


def canonical_ops(body: str, constants: Mapping[str, Array], tolerance: float = 2e-6, **keywords: object) -> list[str]:
    return op_types(assert_parity(build(body, constants=constants, **keywords), tolerance=tolerance))


@pytest.mark.parametrize("opset", [9, 11, 14, 15, 20])
def test_batch_normalization_folds_into_the_convolution_in_front(opset: int) -> None:
    constants = {"w": random_array(4, 3, 3, 3), "b": random_array(4), **normalization(4)}
    body = f"c = Conv <pads = [1, 1, 1, 1]> (x, w, b) y = {BN} (c, gamma, beta, mean, var)"
    assert canonical_ops(body, constants, opset=opset) == ["Conv"]


def test_folding_keeps_the_name_of_the_layer_and_of_the_result() -> None:
    constants = {"w": random_array(4, 3, 1, 1), **normalization(4)}
    model = build(f"c = Conv (x, w) y = {BN} (c, gamma, beta, mean, var)", constants=constants)
    model.graph.node[0].name, model.graph.node[1].name = "layer1.conv", "layer1.bn"
    node = node_of(assert_parity(model), "Conv")
    assert node.name == "layer1.conv"
    assert node.outputs[0].name == "y"
    assert len(node.inputs) == 3


def test_depthwise_and_grouped_convolutions_fold_by_output_channel() -> None:
    constants = {
        "w": random_array(6, 1, 3, 3),
        "v": random_array(4, 3, 1, 1),
        **normalization(6),
        **normalization(4, "q"),
    }
    body = (
        f"c = Conv <group = 6> (x, w) d = {BN} (c, gamma, beta, mean, var)"
        f"e = Conv <group = 2> (d, v) y = {BN} (e, qgamma, qbeta, qmean, qvar)"
    )
    assert canonical_ops(body, constants, inputs=(2, 6, 8, 8)) == ["Conv", "Conv"]


def test_batch_normalization_stays_in_front_of_padding_where_there_is_no_activation() -> None:
    """Its bias would leak into the border, where the network has zeros, and nothing would be gained."""
    constants = {"w": random_array(4, 3, 3, 3), **normalization(3)}
    body = f"n = {BN} (x, gamma, beta, mean, var) y = Conv <pads = [1, 1, 1, 1]> (n, w)"
    assert canonical_ops(body, constants) == ["ChannelAffine", "Conv"]


@pytest.mark.parametrize("attributes", ["", '<auto_pad = "VALID", strides = [2, 2]>', "<group = 3>"])
def test_batch_normalization_folds_forward_into_an_unpadded_convolution(attributes: str) -> None:
    weight = random_array(6, 1 if "group" in attributes else 3, 3, 3)
    body = f"r = Relu(x) n = {BN} (r, gamma, beta, mean, var) y = Conv {attributes} (n, w, b)"
    constants = {"w": weight, "b": random_array(6), **normalization(3)}
    assert canonical_ops(body, constants, tolerance=4e-6) == ["FatRelu", "Conv"]


def test_scale_alone_folds_forward_through_padding() -> None:
    constants = {"w": random_array(4, 3, 3, 3), "s": random_array(3, 1, 1)}
    body = "r = Relu(x) n = Mul(r, s) y = Conv <pads = [1, 1, 1, 1]> (n, w)"
    assert canonical_ops(body, constants) == ["FatRelu", "Conv"]


def test_batch_normalization_between_linear_layers_folds() -> None:
    constants = {"w": random_array(8, 5), "v": random_array(5, 4), **normalization(5)}
    body = f"a = MatMul(x, w) r = Relu(a) n = {BN} (r, gamma, beta, mean, var) y = Gemm(n, v)"
    assert canonical_ops(body, constants, inputs=(2, 8)) == ["Linear", "FatRelu", "Linear"]


def test_neighbours_are_merged() -> None:
    constants = {**normalization(3), "s": random_array(1, 3, 1, 1), "o": random_array(3, 1, 1), "half": 0.5}
    body = f"a = Mul(x, s) b = {BN} (a, gamma, beta, mean, var) c = Add(b, o) d = Div(c, half) y = Sub(half, d)"
    canonical = assert_parity(build(body, constants=constants))
    assert op_types(canonical) == ["ChannelAffine"]
    node = node_of(canonical, "ChannelAffine")
    assert [values_of(value).shape for value in node.inputs[1:]] == [(3,), (3,)]
    assert [values_of(value).dtype for value in node.inputs[1:]] == [np.float32, np.float32]


def test_one_number_is_spread_over_the_channels() -> None:
    node = node_of(assert_parity(build("y = Div(x, c)", constants={"c": 255.0})), "ChannelAffine")
    np.testing.assert_allclose(values_of(node.inputs[1]), np.full(3, 1 / 255), rtol=1e-7)
    assert values_of(node.inputs[2]).shape == (3,)


def test_unit_factors_vanish() -> None:
    constants = {"one": 1.0, "zero": 0.0}
    body = "r = Relu(x) a = Mul(r, one) b = Add(a, zero) c = Div(b, one) d = Sub(c, zero) y = Sigmoid(d)"
    assert canonical_ops(body, constants) == ["FatRelu", "Sigmoid"]


def test_pooling_comes_before_an_increasing_map() -> None:
    constants = normalization(3)
    body = f"r = Relu(x) n = {BN} (r, gamma, beta, mean, var) y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (n)"
    canonical = assert_parity(build(body, constants=constants), tolerance=2e-7)
    assert op_types(canonical) == ["FatRelu", "MaxPool", "ChannelAffine"]


def test_pooling_stays_behind_a_map_that_is_not_increasing() -> None:
    constants = normalization(3)
    constants["gamma"][1] = -1.0
    body = f"n = {BN} (x, gamma, beta, mean, var) y = MaxPool <kernel_shape = [2, 2]> (n)"
    assert canonical_ops(body, constants) == ["ChannelAffine", "MaxPool"]


def test_value_that_others_read_is_not_folded_away() -> None:
    constants = {"w": random_array(4, 3, 1, 1), **normalization(4)}
    body = f"c = Conv (x, w) n = {BN} (c, gamma, beta, mean, var) y = Add(c, n)"
    assert canonical_ops(body, constants) == ["Conv", "ChannelAffine", "Add"]


def test_graph_output_is_not_folded_away() -> None:
    constants = {"w": random_array(4, 3, 1, 1), **normalization(4)}
    model = build(f"c = Conv (x, w) y = {BN} (c, gamma, beta, mean, var)", outputs="c y", constants=constants)
    assert op_types(assert_parity(model)) == ["Conv", "ChannelAffine"]


def test_training_mode_is_left_alone() -> None:
    body = f"y, m, v = {BN[:-1]}, training_mode = 1> (x, gamma, beta, mean, var)"
    canonical = canonicalize(load_model(build(body, constants=normalization(3), opset=15)))
    assert op_types(canonical) == ["BatchNormalization"]


def test_weights_are_not_copied_for_a_bias() -> None:
    """A layer that only gets a bias keeps its weight array: packed weights are found again by its identity."""
    loaded = load_model(
        build(
            "c = Conv (x, w) y = Add(c, b)",
            constants={"w": random_array(4, 3, 1, 1), "b": random_array(4, 1, 1)},
        )
    )
    before = values_of(loaded.graph.initializers["w"])
    canonical = canonicalize(loaded)
    assert op_types(canonical) == ["Conv"]
    assert values_of(node_of(canonical, "Conv").inputs[1]) is before


def test_folding_rounds_once() -> None:
    """The weight equals the one folded in float64, to the last bit."""
    constants = {"w": random_array(16, 8, 3, 3), **normalization(16)}
    body = f"c = Conv (x, w) y = {BN} (c, gamma, beta, mean, var)"
    canonical = canonicalize(load_model(build(body, constants=constants, inputs=(1, 8, 8, 8))))
    single = {name: array.astype(np.float32).astype(np.float64) for name, array in constants.items()}
    scale = single["gamma"] / np.sqrt(single["var"] + np.float64(np.float32(0.001)))
    node = node_of(canonical, "Conv")
    want = (single["w"] * scale[:, None, None, None]).astype(np.float32)
    np.testing.assert_array_equal(values_of(node.inputs[1]), want)
    want_bias = (single["beta"] - single["mean"] * scale).astype(np.float32)
    np.testing.assert_array_equal(values_of(node.inputs[2]), want_bias)


def test_axis_other_than_channels_is_reported() -> None:
    model = build("y = Mul(x, columns)", constants={"columns": random_array(8)})
    (node,) = unsupported_nodes(canonicalize(load_model(model)))
    assert "axis 3" in node.reason


def test_integers_are_not_taken_for_activations() -> None:
    model = build("s = Shape(x) t = Mul(s, two) y = Expand(x, s)", constants={"two": np.array([2, 2, 2, 2])})
    canonical = canonicalize(load_model(model))
    assert all(node.op_type == "Identity" for node in canonical.graph)
    assert isinstance(canonical, ir.Model)


def test_constants_that_repeat_themselves_are_one_number_per_channel() -> None:
    """As the state of an LSTMCell that begins with zeros is, computed for every input of the batch."""
    shift = np.tile(random_array(1, 4), (2, 1))
    body = "f = Flatten(x) l = MatMul(f, w) a = Add(l, shift) y = Mul(a, twos)"
    constants = {"w": random_array(192, 4), "shift": shift, "twos": np.full((2, 4), 2.0)}
    canonical = assert_parity(build(body, constants=constants), tolerance=1e-5)
    assert op_types(canonical) == ["Reshape", "Linear"]
    constants["shift"] = random_array(2, 4)
    canonical = assert_parity(build(body, constants=constants), tolerance=1e-5)
    assert op_types(canonical) == ["Reshape", "Linear", "Add", "ChannelAffine"]


def test_what_is_not_finite_stays_out_of_weights() -> None:
    """A skipped zero would hide it."""
    constants = {"w": random_array(4, 3, 3, 3), "scale": np.float32([1, np.inf, np.nan, 0]).reshape(4, 1, 1)}
    canonical = canonicalize(load_model(build("c = Conv(x, w) y = Mul(c, scale)", constants=constants)))
    assert op_types(canonical) == ["Conv", "ChannelAffine"]
