"""Convolution and linear layers of u8: every algorithm, byte for byte against NumPy, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, Shape, round_up

Array = np.ndarray[Any, Any]


def u8_map(builder: PlanBuilder, shape: Shape, slack: int = 0) -> int:
    """An nhwc tensor of u8; `slack` channels (a multiple of 64) lie unused behind every pixel."""
    n, c, h, w = shape
    stride = round_up(c, 64) + slack
    offset = builder.reserve(n * h * w * stride)
    return builder.tensor(shape=shape, layout="nhwc", dtype="u8", pixel_stride=stride, offset=offset)


def u8_load(builder: PlanBuilder, shape: Shape) -> int:
    """A graph input of u8 brought into the nhwc layout."""
    source = builder.tensor(shape=shape, dtype="u8")
    builder.inputs.append(source)
    tensor = u8_map(builder, shape)
    builder.step("to_nhwc", [source], [tensor])
    return tensor


def u8_expose(builder: PlanBuilder, tensor: int, shape: Shape) -> None:
    """Add a graph output with the tensor's values, padding channels included."""
    n, c, h, w = shape
    padded = (n, round_up(c, 64), h, w)
    alias = builder.tensor(**{**builder.tensors[tensor], "name": "alias", "shape": padded})
    result = builder.tensor(shape=padded, dtype="u8")
    builder.outputs.append(result)
    builder.step("to_row", [alias], [result])


def integer_sums(x: Array, weight: Array, bias: Array, layer: dict[str, Any]) -> Array:
    """The exact sums of a convolution of centred integers, which padding does not change."""
    (top, left, bottom, right), (sh, sw), (dh, dw) = layer["pads"], layer["strides"], layer["dilations"]
    groups, (outputs, per_group, kh, kw) = layer["groups"], weight.shape
    padded = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh = (padded.shape[2] - (kh - 1) * dh - 1) // sh + 1
    ow = (padded.shape[3] - (kw - 1) * dw - 1) // sw + 1
    sums = np.zeros((x.shape[0], outputs, oh, ow), np.int64) + bias[:, None, None]
    for group in range(groups):
        mine = slice(group * outputs // groups, (group + 1) * outputs // groups)
        source = padded[:, group * per_group : (group + 1) * per_group]
        for ky in range(kh):
            for kx in range(kw):
                part = source[:, :, ky * dh :: sh, kx * dw :: sw][:, :, :oh, :ow]
                sums[:, mine] += np.einsum("nchw,oc->nohw", part, weight[mine, :, ky, kx].astype(np.int64))
    return sums


def requantized(sums: Array, arrays: dict[str, Array], attributes: dict[str, Any], residual: Array | None) -> Array:
    """What the contract of the epilogue says, operation by operation in float32."""
    shape = (-1,) + (1,) * (sums.ndim - 2)
    f32 = np.float32
    value = sums.astype(f32) * arrays["multipliers"].reshape(shape)
    if residual is not None:
        if "sum_scale" in attributes:
            zero = attributes["sum_zero_point"]
            value = np.rint(np.clip(value, f32(0 - zero), f32(255 - zero))) * f32(attributes["sum_scale"])
        other = residual.astype(f32) - f32(attributes["residual_zero_point"])
        value = value + other * f32(attributes["residual_scale"])
    if attributes.get("activation") == "fatrelu":
        value = np.where(value > arrays["thresholds"].reshape(shape), value, f32(0))
    value = np.minimum(value, f32(attributes.get("max_value", 32767)))
    return np.clip(np.rint(value) + attributes["y_zero_point"], 0, 255).astype(np.uint8)


def activations(random: np.random.Generator, shape: Shape, sparsity: float, zero: int) -> Array:
    values = random.integers(0, 256, shape)
    return np.where(random.random(shape) < sparsity, zero, values).astype(np.uint8)


LAYERS: dict[str, dict[str, Any]] = {
    "1x1": {"x": (1, 70, 5, 7), "outputs": 70, "kernel": (1, 1)},
    "1x1 wide": {"x": (2, 256, 4, 4), "outputs": 130, "kernel": (1, 1)},
    "1x1 slabs together": {"x": (1, 64, 5, 7), "outputs": 200, "kernel": (1, 1)},
    "1x1 strided": {"x": (2, 64, 7, 5), "outputs": 16, "kernel": (1, 1), "strides": (2, 2)},
    "1x1 padded": {"x": (1, 64, 3, 3), "outputs": 64, "kernel": (1, 1), "pads": (1, 0, 1, 2)},
    "3x3": {"x": (1, 64, 9, 11), "outputs": 96, "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 odd": {"x": (2, 33, 6, 5), "outputs": 40, "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 deep": {"x": (1, 400, 3, 3), "outputs": 64, "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3 strided": {"x": (1, 64, 9, 9), "outputs": 64, "kernel": (3, 3), "strides": (2, 2), "pads": (0, 0, 1, 1)},
    "dilated": {"x": (1, 64, 9, 8), "outputs": 64, "kernel": (3, 3), "dilations": (2, 2), "pads": (2, 2, 2, 2)},
    "1-d": {"x": (1, 64, 1, 300), "outputs": 64, "kernel": (1, 5), "strides": (1, 2), "pads": (0, 2, 0, 2)},
    "grouped": {"x": (1, 128, 4, 4), "outputs": 128, "kernel": (3, 3), "groups": 2, "pads": (1, 1, 1, 1)},
    "narrow groups": {"x": (1, 48, 4, 4), "outputs": 96, "kernel": (3, 3), "groups": 4, "pads": (1, 1, 1, 1)},
    "few channels": {"x": (2, 3, 11, 9), "outputs": 24, "kernel": (5, 5), "strides": (2, 2), "pads": (2, 2, 2, 2)},
    "few pixels": {"x": (1, 300, 2, 2), "outputs": 70, "kernel": (1, 1)},
}


def run_layer(name: str, isa: str, sparsity: float, form: dict[str, Any], *, from_rows: bool = False) -> None:
    """Run a layer and hold all of its bytes against NumPy."""
    layer = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "groups": 1} | LAYERS[name]
    random = np.random.default_rng(18)
    zero, y_zero, outputs = form.get("zero", 0), form.get("y_zero", 0), layer["outputs"]
    x = activations(random, layer["x"], sparsity, zero)
    weight = random.integers(-128, 128, (outputs, layer["x"][1] // layer["groups"], *layer["kernel"])).astype(np.int8)
    bias = random.integers(-3000, 3000, outputs).astype(np.int32)
    sums = integer_sums(x.astype(np.int64) - zero, weight, bias, layer)
    spread = 60.0 / max(1.0, float(np.abs(sums).mean()))
    arrays: dict[str, Array] = {"weight": weight, "bias": bias}
    arrays["multipliers"] = (spread * random.uniform(0.5, 2, outputs)).astype(np.float32)
    attributes = {name: layer[name] for name in ("kernel", "strides", "pads", "dilations", "groups")}
    attributes |= {"x_zero_point": zero, "y_zero_point": y_zero, "algorithm": form.get("algorithm", "auto")}
    if form.get("activation"):
        attributes |= {"activation": "fatrelu", "max_value": 111.0}
        arrays["thresholds"] = random.uniform(0, 20, outputs).astype(np.float32)
    builder = PlanBuilder()
    if from_rows:
        inputs = [builder.tensor(shape=layer["x"], dtype="u8")]
        builder.inputs.append(inputs[0])
    else:
        inputs = [u8_load(builder, layer["x"])]
    given, residual = [x], None
    if form.get("residual"):
        residual = activations(random, sums.shape, 0.3, 5)
        inputs.append(u8_load(builder, sums.shape))
        given.append(residual)
        attributes |= {"residual_scale": 0.37, "residual_zero_point": 5}
        if form.get("rounds"):
            attributes |= {"sum_scale": 1.21, "sum_zero_point": 77}
    result = u8_map(builder, sums.shape, slack=64)
    builder.step("quantized_conv", inputs, [result], arrays, **attributes)
    u8_expose(builder, result, sums.shape)
    (got,) = builder.build(isa).run(given)
    want = requantized(sums, arrays, attributes, residual)
    assert np.array_equal(got[:, :outputs], want), f"{np.mean(got[:, :outputs] != want):.3f} differ"
    assert not got[:, outputs:].any(), "padding channels are zero"


@pytest.mark.parametrize("algorithm", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, algorithm: str, isa: str) -> None:
    run_layer(name, isa, 0.6, {"algorithm": algorithm})


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("algorithm", ["dense", "sparse"])
def test_sparsity(sparsity: float, algorithm: str, isa: str) -> None:
    run_layer("3x3", isa, sparsity, {"algorithm": algorithm})


@pytest.mark.parametrize("zero", [1, 128, 255])
@pytest.mark.parametrize("name", ["1x1", "1x1 padded", "3x3 odd", "few channels", "few pixels"])
@pytest.mark.parametrize("algorithm", ["dense", "sparse"])
def test_zero_points(name: str, zero: int, algorithm: str, isa: str) -> None:
    run_layer(name, isa, 0.6, {"algorithm": algorithm, "zero": zero, "y_zero": 255 - zero})


@pytest.mark.parametrize(
    "form", [{"residual": True}, {"residual": True, "rounds": True}, {"residual": True, "rounds": True, "y_zero": 30}]
)
@pytest.mark.parametrize("activation", [False, True])
def test_epilogues(form: dict[str, Any], activation: bool, isa: str) -> None:
    for algorithm in ("dense", "sparse"):
        run_layer("3x3 odd", isa, 0.6, form | {"activation": activation, "algorithm": algorithm})


def test_rows_of_few_channels(isa: str) -> None:
    run_layer("few channels", isa, 0.3, {"zero": 17, "activation": True}, from_rows=True)


@pytest.mark.parametrize("rows", [1, 3, 50])
@pytest.mark.parametrize("zero", [0, 9])
def test_linear(rows: int, zero: int, isa: str) -> None:
    random = np.random.default_rng(19)
    x = activations(random, (rows, 301), 0.5, zero)
    arrays: dict[str, Array] = {
        "weight": random.integers(-128, 128, (77, 301)).astype(np.int8),
        "bias": random.integers(-3000, 3000, 77).astype(np.int32),
        "multipliers": random.uniform(1e-4, 1e-3, 77).astype(np.float32),
    }
    builder = PlanBuilder()
    source, result = builder.tensor(shape=(rows, 301), dtype="u8"), builder.tensor(shape=(rows, 77), dtype="u8")
    builder.inputs.append(source)
    builder.outputs.append(result)
    builder.step("quantized_linear", [source], [result], arrays, x_zero_point=zero, y_zero_point=100)
    (got,) = builder.build(isa).run([x])
    sums = (x.astype(np.int64) - zero) @ arrays["weight"].T.astype(np.int64) + arrays["bias"]
    assert np.array_equal(got, requantized(sums, arrays, {"y_zero_point": 100}, None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.zeros((64, 64, 1, 1), np.float32)}, "holds float32, needs s8"),
        ({"bias": np.zeros(64, np.float32)}, "holds float32, needs s32"),
        ({"bias": np.zeros(63, np.int32)}, "one value per output channel"),
        ({"multipliers": np.full(64, np.nan, np.float32)}, "multipliers must be finite"),
        ({"multipliers": None}, "'multipliers' is missing"),
        ({"y_zero_point": 256}, r"y_zero_point must be in \[0, 255\]"),
        ({"x_zero_point": -1}, r"x_zero_point must be in \[0, 255\]"),
        ({"residual_scale": 0.0}, "residual_scale must be positive"),
        ({"max_value": -1.0}, "max_value must not be negative"),
        ({"activation": "tanh"}, "needs 'none' or 'fatrelu'"),
        ({"algorithm": "winograd"}, "must be auto, sparse or dense"),
    ],
)
def test_wrong_steps_are_refused(change: dict[str, Any], message: str) -> None:
    arrays: dict[str, Any] = {"weight": np.zeros((64, 64, 1, 1), np.int8), "multipliers": np.ones(64, np.float32)}
    attributes: dict[str, Any] = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)}
    for key, value in change.items():
        (attributes if key not in ("weight", "bias", "multipliers") else arrays)[key] = value
    builder = PlanBuilder()
    x = u8_load(builder, (1, 64, 2, 2))
    given = {role: array for role, array in arrays.items() if array is not None}
    builder.step("quantized_conv", [x], [u8_map(builder, (1, 64, 2, 2))], given, **attributes)
    with pytest.raises(_core.Error, match=message):
        builder.build()


def test_integer_constants_are_for_steps_on_integers() -> None:
    builder = PlanBuilder()
    x, y = builder.load((1, 16, 2, 2)), builder.nhwc((1, 16, 2, 2))
    weight = np.zeros((16, 16, 1, 1), np.int8)
    attributes = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)}
    builder.step("conv", [x], [y], {"weight": weight}, **attributes)
    with pytest.raises(_core.Error, match="'weight' holds s8, needs float32"):
        builder.build()
