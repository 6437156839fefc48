"""Convolution and linear layers of bf16: every algorithm against NumPy, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .bf16 import Array, from_bf16, rounded, to_bf16
from .builder import PlanBuilder, Shape
from .convolution import DEFAULTS, convolved
from .convolution import LAYERS as COMMON_LAYERS

LAYERS = {name: layer for name, layer in COMMON_LAYERS.items() if name != "few channels"} | {
    "few channels": {"x": (2, 3, 11, 9), "outputs": 24, "kernel": (5, 5), "strides": (2, 2), "pads": (2, 2, 2, 2)},
    "deep span": {"x": (1, 600, 3, 5), "outputs": 40, "kernel": (1, 1)},
}


def activations(random: np.random.Generator, shape: Shape, sparsity: float) -> Array:
    values = random.normal(size=shape) * (random.random(shape) >= sparsity)
    return rounded(values.astype(np.float32))


def run_layer(name: str, isa: str, sparsity: float, form: dict[str, Any]) -> None:
    """Run a layer and hold its results against NumPy."""
    layer = DEFAULTS | LAYERS[name]
    random = np.random.default_rng(18)
    outputs = layer["outputs"]
    x = activations(random, layer["x"], sparsity)
    weight = random.normal(size=(outputs, layer["x"][1] // layer["groups"], *layer["kernel"])).astype(np.float32)
    bias = random.normal(size=outputs).astype(np.float32)
    want = convolved(x.astype(np.float64), rounded(weight).astype(np.float64), layer) + bias[:, None, None]
    magnitude = convolved(np.abs(x, dtype=np.float64), np.abs(rounded(weight), dtype=np.float64), layer) + 1
    attributes = {name: layer[name] for name in ("kernel", "strides", "pads", "dilations", "groups")}
    attributes["algorithm"] = form.get("algorithm", "auto")
    arrays: dict[str, Array] = {"weight": weight, "bias": bias}
    builder = PlanBuilder()
    inputs, given = [builder.load(layer["x"], dtype="bf16")], [to_bf16(x)]
    if form.get("residual"):
        residual = activations(random, want.shape, 0.3)
        inputs.append(builder.load(want.shape, dtype="bf16"))
        given.append(to_bf16(residual))
        want += residual
    if form.get("activation"):
        attributes |= {"activation": "fatrelu", "max_value": 6.0}
        arrays["thresholds"] = np.zeros(outputs, np.float32)
        want = np.clip(want, 0, 6)
    is_float = form.get("is_float", False)
    result = builder.nhwc(want.shape, slack=16) if is_float else builder.nhwc(want.shape, slack=32, dtype="bf16")
    builder.step("bf16_conv", inputs, [result], arrays, **attributes)
    builder.expose_values(result)
    (got,) = builder.build(isa).run(given)
    got = got if is_float else from_bf16(got)
    error = np.abs(got[:, :outputs] - want)
    assert (error <= 1e-6 * magnitude + (0 if is_float else 2.0**-8) * np.abs(want)).all(), error.max()
    assert not got[:, outputs:].any(), "padding channels are zero"


@pytest.mark.parametrize("algorithm", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, algorithm: str, isa: str) -> None:
    run_layer(name, isa, 0.6, {"algorithm": algorithm})


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("algorithm", ["dense", "sparse"])
def test_sparsity(sparsity: float, algorithm: str, isa: str) -> None:
    run_layer("3x3", isa, sparsity, {"algorithm": algorithm})


@pytest.mark.parametrize("form", [{"residual": True}, {"activation": True}, {"residual": True, "activation": True}])
@pytest.mark.parametrize("is_float", [False, True])
def test_epilogues(form: dict[str, Any], is_float: bool, isa: str) -> None:
    for algorithm in ("dense", "sparse"):
        run_layer("3x3 odd", isa, 0.6, form | {"is_float": is_float, "algorithm": algorithm})


@pytest.mark.parametrize("rows", [1, 3, 50])
@pytest.mark.parametrize("dtype", ["bf16", "float32"])
def test_linear(rows: int, dtype: str, isa: str) -> None:
    random = np.random.default_rng(19)
    x = activations(random, (rows, 302), 0.5)
    weight = random.normal(size=(77, 302)).astype(np.float32)
    bias = random.normal(size=77).astype(np.float32)
    builder = PlanBuilder()
    source, result = builder.tensor(shape=(rows, 302), dtype="bf16"), builder.tensor(shape=(rows, 77), dtype=dtype)
    builder.inputs.append(source)
    builder.outputs.append(result)
    builder.step("bf16_linear", [source], [result], {"weight": weight, "bias": bias})
    (got,) = builder.build(isa).run([to_bf16(x)])
    got = from_bf16(got) if dtype == "bf16" else got
    want = x.astype(np.float64) @ rounded(weight).T + bias
    np.testing.assert_allclose(got, want, rtol=2.0**-8 if dtype == "bf16" else 1e-5, atol=1e-4)


@pytest.mark.parametrize("shape", [(1907,), (3, 5, 2, 61)])
def test_conversion_of_rows(shape: Shape, isa: str) -> None:
    x = (np.random.default_rng(3).normal(size=shape) * 10.0 ** np.arange(shape[-1]).clip(0, 30)).astype(np.float32)
    builder = PlanBuilder()
    narrow, back = builder.tensor(shape=shape, dtype="bf16"), builder.tensor(shape=shape)
    builder.outputs += [narrow, back]
    builder.step("convert", [builder.graph_input(shape)], [narrow])
    builder.step("convert", [narrow], [back])
    got, returned = builder.build(isa).run([x])
    assert np.array_equal(got, to_bf16(x))
    assert np.array_equal(returned, rounded(x))


def test_conversion_of_maps(isa: str) -> None:
    shape = (2, 37, 3, 5)
    x = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    builder = PlanBuilder()
    narrow, back = builder.nhwc(shape, slack=32, dtype="bf16"), builder.nhwc(shape)
    builder.step("convert", [builder.load(shape)], [narrow])
    builder.step("convert", [narrow], [back])
    for tensor in (narrow, back):
        builder.expose_values(tensor)
    got, returned = builder.build(isa).run([x])
    assert np.array_equal(got[:, :37], to_bf16(x))
    assert not got[:, 37:].any()
    assert np.array_equal(returned[:, :37], rounded(x))
    assert not returned[:, 37:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.zeros((64, 64, 1, 1), np.int8)}, "holds s8, needs float32"),
        ({"bias": np.zeros(63, np.float32)}, "one value per output channel"),
        ({"activation": "tanh"}, "needs 'none' or 'fatrelu'"),
        ({"algorithm": "winograd"}, "must be auto, sparse or dense"),
    ],
)
def test_wrong_steps_are_refused(change: dict[str, Any], message: str) -> None:
    arrays: dict[str, Any] = {"weight": np.zeros((64, 64, 1, 1), np.float32)}
    attributes: dict[str, Any] = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)}
    for key, value in change.items():
        (attributes if key not in ("weight", "bias") else arrays)[key] = value
    builder = PlanBuilder()
    x = builder.load((1, 64, 2, 2), dtype="bf16")
    builder.step("bf16_conv", [x], [builder.nhwc((1, 64, 2, 2), dtype="bf16")], arrays, **attributes)
    with pytest.raises(_core.Error, match=message):
        builder.build()


def test_rows_of_odd_length_are_refused() -> None:
    builder = PlanBuilder()
    source, result = builder.tensor(shape=(2, 3), dtype="bf16"), builder.tensor(shape=(2, 4), dtype="bf16")
    builder.inputs.append(source)
    builder.outputs.append(result)
    builder.step("bf16_linear", [source], [result], {"weight": np.zeros((4, 3), np.float32)})
    with pytest.raises(_core.Error, match="needs an even number of channels, got 3"):
        builder.build()
