"""The list of activations: keys, channels, and the layers that could skip their zeros."""

from __future__ import annotations

import numpy as np

from onnx_graphs import build, random_array
from zeroskip.onnx import activations, canonicalize, load_model, prepare

W, V = random_array(4, 3, 3, 3), random_array(4, 4, 1, 1)
BODY = (
    "c = Conv(x, w) a = Relu(c) p = MaxPool <kernel_shape = [2, 2]> (a) d = Conv(p, v) q = Concat <axis = 1> (d, p)"
    "s = Slice(q, zero, four, one) e = Add(s, p) b = Clip(e, low, six) g = GlobalAveragePool(b) f = Flatten(g)"
    "m = Gemm <transB = 1> (f, u) y = ThresholdedRelu <alpha = 0.25> (m)"
)
CONSTANTS = {
    "w": W, "v": V, "u": random_array(5, 4), "low": 0.0, "six": 6.0, "zero": np.array([0]), "four": np.array([4]),
    "one": np.array([1]),
}  # fmt: skip


def test_activations_of_a_network() -> None:
    model = load_model(build(BODY, inputs=("N", 3, "H", "W"), constants=CONSTANTS))
    first, second, third = activations(model)
    assert (first.name, first.producer, first.channels, first.threshold, first.max_value) == (
        "a",
        "Conv",
        4,
        0.0,
        None,
    )
    assert first.consumers == ("d",), "through the pool; addition does not keep zeros"
    assert (second.name, second.producer, second.max_value) == ("b", "Add", 6.0)
    assert second.consumers == (), "an average has no zeros to skip"
    assert (third.name, third.producer, third.threshold, third.rank) == ("y", "Linear", 0.25, 2)
    assert {activation.channel_axis for activation in (first, second, third)} == {1}


def test_list_is_the_same_before_and_after_preparing() -> None:
    model = load_model(build(BODY, inputs=("N", 3, "H", "W"), constants=CONSTANTS))
    names = [activation.name for activation in activations(model)]
    prepared = prepare(model)
    canonical = canonicalize(model, {"x": (1, 3, 8, 8)})
    assert names == [a.name for a in activations(prepared)] == [a.name for a in activations(canonical)]


def test_thresholds_per_channel_are_an_array() -> None:
    constants = {"w": W, "t": np.arange(4).reshape(4, 1, 1) / 4, "zero": 0.0}
    model = load_model(build("c = Conv(x, w) g = Greater(c, t) y = Where(g, c, zero)", constants=constants))
    (activation,) = activations(model)
    np.testing.assert_array_equal(activation.threshold, np.arange(4, dtype=np.float32) / 4)


def test_model_without_activations() -> None:
    assert activations(load_model(build("y = Sigmoid(x)"))) == ()
