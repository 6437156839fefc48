"""Convolution and linear layers of bf16: every algorithm against NumPy, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .bf16 import Array, from_bf16, rounded, to_bf16
from .builder import PlanBuilder, Shape, round_up
from .test_quantized_conv import LAYERS as QUANTIZED_LAYERS

LAYERS = {name: layer for name, layer in QUANTIZED_LAYERS.items() if name != "few channels"} | {
    "few channels": {"x": (2, 3, 11, 9), "outputs": 24, "kernel": (5, 5), "strides": (2, 2), "pads": (2, 2, 2, 2)},
    "deep span": {"x": (1, 600, 3, 5), "outputs": 40, "kernel": (1, 1)},
}


def bf16_map(builder: PlanBuilder, shape: Shape, slack: int = 0) -> int:
    """An nhwc tensor of bf16; `slack` channels (a multiple of 32) lie unused behind every pixel."""
    n, c, h, w = shape
    stride = round_up(c, 32) + slack
    offset = builder.reserve(2 * n * h * w * stride)
    return builder.tensor(shape=shape, layout="nhwc", dtype="bf16", pixel_stride=stride, offset=offset)


def bf16_load(builder: PlanBuilder, shape: Shape) -> int:
    """A graph input of bf16 brought into the nhwc layout."""
    source = builder.tensor(shape=shape, dtype="bf16")
    builder.inputs.append(source)
    tensor = bf16_map(builder, shape)
    builder.step("to_nhwc", [source], [tensor])
    return tensor


def expose(builder: PlanBuilder, tensor: int, shape: Shape) -> None:
    """Add a graph output with the tensor's values, padding channels included."""
    n, c, h, w = shape
    dtype = builder.tensors[tensor].get("dtype", "float32")
    padded = (n, round_up(c, 32 if dtype == "bf16" else 16), h, w)
    alias = builder.tensor(**{**builder.tensors[tensor], "name": "alias", "shape": padded})
    result = builder.tensor(shape=padded, dtype=dtype)
    builder.outputs.append(result)
    builder.step("to_row", [alias], [result])


def convolved(x: Array, weight: Array, layer: dict[str, Any]) -> Array:
    """A convolution in float64."""
    (top, left, bottom, right), (sh, sw), (dh, dw) = layer["pads"], layer["strides"], layer["dilations"]
    groups, (outputs, per_group, kh, kw) = layer["groups"], weight.shape
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh = (padded.shape[2] - (kh - 1) * dh - 1) // sh + 1
    ow = (padded.shape[3] - (kw - 1) * dw - 1) // sw + 1
    sums = np.zeros((x.shape[0], outputs, oh, ow))
    for group in range(groups):
        mine = slice(group * outputs // groups, (group + 1) * outputs // groups)
        source = padded[:, group * per_group : (group + 1) * per_group]
        for ky in range(kh):
            for kx in range(kw):
                part = source[:, :, ky * dh :: sh, kx * dw :: sw][:, :, :oh, :ow]
                sums[:, mine] += np.einsum("nchw,oc->nohw", part, weight[mine, :, ky, kx].astype(np.float64))
    return sums


def activations(random: np.random.Generator, shape: Shape, sparsity: float) -> Array:
    values = random.normal(size=shape) * (random.random(shape) >= sparsity)
    return rounded(values.astype(np.float32))


def run_layer(name: str, isa: str, sparsity: float, form: dict[str, Any]) -> None:
    """Run a layer and hold its results against NumPy."""
    layer = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "groups": 1} | LAYERS[name]
    random = np.random.default_rng(18)
    outputs = layer["outputs"]
    x = activations(random, layer["x"], sparsity)
    weight = random.normal(size=(outputs, layer["x"][1] // layer["groups"], *layer["kernel"])).astype(np.float32)
    bias = random.normal(size=outputs).astype(np.float32)
    want = convolved(x, rounded(weight), layer) + bias[:, None, None]
    magnitude = convolved(np.abs(x), np.abs(rounded(weight)), layer) + 1
    attributes = {name: layer[name] for name in ("kernel", "strides", "pads", "dilations", "groups")}
    attributes["algorithm"] = form.get("algorithm", "auto")
    arrays: dict[str, Array] = {"weight": weight, "bias": bias}
    builder = PlanBuilder()
    inputs, given = [bf16_load(builder, layer["x"])], [to_bf16(x)]
    if form.get("residual"):
        residual = activations(random, want.shape, 0.3)
        inputs.append(bf16_load(builder, want.shape))
        given.append(to_bf16(residual))
        want += residual
    if form.get("activation"):
        attributes |= {"activation": "fatrelu", "max_value": 6.0}
        arrays["thresholds"] = np.zeros(outputs, np.float32)
        want = np.clip(want, 0, 6)
    is_float = form.get("is_float", False)
    result = builder.nhwc(want.shape, slack=16) if is_float else bf16_map(builder, want.shape, slack=32)
    builder.step("bf16_conv", inputs, [result], arrays, **attributes)
    expose(builder, result, want.shape)
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
    narrow, back = bf16_map(builder, shape, slack=32), builder.nhwc(shape)
    builder.step("convert", [builder.load(shape)], [narrow])
    builder.step("convert", [narrow], [back])
    for tensor in (narrow, back):
        expose(builder, tensor, shape)
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
    x = bf16_load(builder, (1, 64, 2, 2))
    builder.step("bf16_conv", [x], [bf16_map(builder, (1, 64, 2, 2))], arrays, **attributes)
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
